"""Making a vault: which key may open it first. Never a weaker one in silence."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

from arcrun_auth.errors import NoStore, StoreError, StoreLocked
from arcrun_auth.seal import KEY_BYTES, MasterKey
from arcrun_auth.stores import schema, slots

if TYPE_CHECKING:
    from arcrun_auth.stores.keys import Ask, Keys
    from arcrun_auth.stores.vault import Vault

MINOR = 0
"""Which additions to the format do we know? A newer minor version is read all the same."""
SHORTEST_PASSPHRASE = 8
"""How many characters has a passphrase at least? Length is the user's business beyond that."""


def create(vault: Vault) -> None:
    """The new vault at its path, unless there is one. NoStore if no key can be kept.

    Losing a race against another process is no error: the other's vault stands.
    """
    if os.path.lexists(vault.path):
        return
    master = MasterKey.fresh(vault_id=os.urandom(16).hex())
    slot, source = first_slot(vault.key_sources, master)
    slot.number = 1
    details = {"minor": MINOR, "commit": master.commitment.hex()}
    header = slots.Header(master.vault_id, master.epoch, [slot], details)
    made = False
    try:
        made = schema.create_file(vault.path, header, master.header_mac(header.encode()))
    finally:
        if not made and slot.kind == "keyring":
            keyring = vault.key_sources.keyring()
            assert keyring is not None
            keyring.delete(str(slot.params["item"]))
    if made:
        session = vault.session()
        with session.lock:  # so that nobody is asked again for what was just typed
            session.master, session.source = master, source


def prepare(vault: Vault) -> None:
    """Makes the vault now where somebody has to type its passphrase; NoStore if nobody can."""
    keys = vault.key_sources
    if keys.given() is not None:
        return
    keyring = keys.keyring()
    if keyring is None or keyring.probe() is not None:
        create(vault)


def first_slot(keys: Keys, master: MasterKey) -> tuple[slots.Slot, str]:
    """In the order of `keys`: a key that was given, the OS keyring, a passphrase."""
    given = keys.given()
    if given is not None:
        return slots.random_key_slot(master, "key", given[0]), f"key: {given[1]}"
    keyring = keys.keyring()
    why = "it is switched off (ARCRUN_KEYRING)" if keyring is None else keyring.probe()
    if why is None:
        return keyring_slot(keys, master, first=True), "keyring"
    if keys.ask is not None:
        typed = ask_new(keys.ask, f"The OS keyring cannot keep the vault's key: {why}.\n")
        if typed is not None:
            return passphrase_slot(master, typed), "passphrase"
    raise NoStore(
        f"A vault needs a key, and there is nowhere to keep one: of the OS keyring, {why}; "
        "no key was given; and nobody can be asked for a passphrase.",
        hint="set ARCRUN_MASTER_KEY_FILE to a file made by: (umask 077; openssl rand -base64 32 "
        "> key); or install gnome-keyring; or run at a terminal: arcrun vault init",
    )


def keyring_slot(keys: Keys, master: MasterKey, *, first: bool = False) -> slots.Slot:
    """A new random key as one item of the OS keyring, and the slot it opens."""
    keyring = keys.keyring()
    if keyring is None:
        raise NoStore("The OS keyring is switched off (ARCRUN_KEYRING).")
    key = os.urandom(KEY_BYTES)
    # A later one is a second item: the one before must open the vault until the header is in.
    item = master.vault_id if first else f"{master.vault_id}.{os.urandom(4).hex()}"
    keyring.set(item, b64encode(key).decode())
    kek = slots.kek_of(key, master.vault_id, "keyring")
    return slots.wrap(master, "keyring", {"item": item}, kek)


def check_passphrase(passphrase: str) -> None:
    """StoreError for a new passphrase that is too short."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise StoreError(
            f"A passphrase has at least {SHORTEST_PASSPHRASE} characters.",
            hint="several words are easier to keep than a short password",
        )


def passphrase_slot(master: MasterKey, passphrase: str) -> slots.Slot:
    from arcrun_auth.stores import kdf

    check_passphrase(passphrase)
    params = kdf.fresh_params()
    return slots.wrap(master, "passphrase", params, kdf.derive(passphrase, params))


def ask_new(ask: Ask, why: str) -> str | None:
    """A new passphrase, typed twice; None if nobody is there, StoreLocked for an empty one."""
    typed = ask(f"{why}New passphrase for the vault: ", confirm=True)
    if typed == "":
        raise StoreLocked("No passphrase was typed; no vault was made.", hint="arcrun vault init")
    return typed
