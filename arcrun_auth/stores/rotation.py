"""A new master key for a vault, without a moment in which a record cannot be read.

One transaction puts the new header in place: every slot wraps the new key, and the key
before lies sealed under it. Then records are sealed again in batches, and at the end the
old key is dropped. Killed anywhere, the vault opens, and `rotate` goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.seal import MasterKey
from arcrun_auth.stores import create, kdf, schema, slots, upkeep
from arcrun_auth.stores.keys import unwrap
from arcrun_auth.stores.vault import HeaderChanged, Session, connection_of, write_record

if TYPE_CHECKING:
    from arcrun_auth.stores.vault import Vault

BATCH = 200
"""How many records are sealed again in one transaction? Others write in between."""


def rotate(vault: Vault) -> str | None:
    """Give the vault a new master key; a new recovery code if it had one, else None.

    Whoever knew the old key and slots reads nothing that is written from now on. Every
    slot must be at hand: the keys of key slots are those that `Keys` gives, a passphrase is
    asked for. StoreLocked names a slot that is not: remove it first, or bring its key.
    """
    code = None
    header = _current(vault)
    if not header.previous:
        code = _begin(vault, header)
    _finish(vault)
    return code


def _current(vault: Vault) -> slots.Header:
    def header(session: Session) -> slots.Header:
        assert session.header is not None
        return session.header

    return vault.run(header)


def _begin(vault: Vault, header: slots.Header) -> str | None:
    master = MasterKey.fresh(vault_id=header.vault_id, epoch=header.epoch + 1)
    new, code, old_items = _rewrapped(vault, header, master)
    mac = header.encode()

    def swap(session: Session) -> None:
        connection = connection_of(session)
        now, _ = schema.load_header(connection, vault.path)
        if now.encode() != mac:
            raise StoreError("The vault's slots were changed meanwhile.", hint="do it again")
        assert session.master is not None
        details = {**now.details, "commit": master.commitment.hex()}
        previous = master.seal_previous(session.master)
        swapped = slots.Header(now.vault_id, master.epoch, new, details, previous)
        schema.save_header(connection, swapped, master.header_mac(swapped.encode()))

    vault.run(swap, writing=True)
    session = vault.session()
    with session.lock:
        session.master = master  # nobody is asked for what was just typed
    keyring = vault.key_sources.keyring() if old_items else None
    for item in old_items:
        assert keyring is not None
        keyring.delete(item)
    return code


def _rewrapped(
    vault: Vault, header: slots.Header, master: MasterKey
) -> tuple[list[slots.Slot], str | None, list[str]]:
    """The slots of the new key, a new recovery code, and the keyring items that are void then."""
    import os

    new: list[slots.Slot] = []
    code, old_items = None, []
    for slot in header.slots:
        match slot.kind:
            case "keyring":
                fresh = create.keyring_slot(vault.key_sources, master)
                old_items.append(str(slot.params["item"]))
            case "passphrase":
                fresh = _same_passphrase(vault, header, slot, master)
            case "key":
                fresh = _same_key(vault, slot, master)
            case "recovery":
                random = os.urandom(16)
                fresh = slots.random_key_slot(master, "recovery", random)
                code = kdf.format_recovery(random)
            case _:
                raise StoreLocked(
                    f"Slot {slot.number} is of a kind ({slot.kind!r}) that a newer version made.",
                    hint="pip install -U arcrun-auth",
                )
        fresh.number = slot.number
        new.append(fresh)
    return new, code, old_items


def _missing(slot: slots.Slot, what: str) -> StoreLocked:
    return StoreLocked(
        f"To rotate the vault's key, every slot must be opened: slot {slot.number} needs {what}.",
        hint=f"bring it, or first: arcrun vault key remove {slot.number}",
    )


def _same_passphrase(
    vault: Vault, header: slots.Header, slot: slots.Slot, master: MasterKey
) -> slots.Slot:
    ask = vault.key_sources.ask
    typed = ask and ask("The vault's passphrase: ", confirm=False)
    if not typed:
        raise _missing(slot, "the passphrase")
    unwrap(header, slot, kdf.derive(typed, slot.params), "the passphrase")
    return create.passphrase_slot(master, typed)


def _same_key(vault: Vault, slot: slots.Slot, master: MasterKey) -> slots.Slot:
    given = vault.key_sources.given()
    if given is not None:
        kek = slots.kek_of(given[0], master.vault_id, "key")
        if slots.key_id(kek) == slot.params.get("key"):
            return slots.random_key_slot(master, "key", given[0])
    raise _missing(slot, "its key (ARCRUN_MASTER_KEY_FILE)")


def _finish(vault: Vault) -> None:
    while vault.run(_batch, writing=True):
        pass

    def drop(header: slots.Header) -> slots.Header:
        # Held by rewrite's transaction: nobody can write under the old key in between.
        connection = connection_of(vault.session())
        sql = "SELECT count(*) FROM rec WHERE epoch <> ?"
        (left,) = connection.execute(sql, (header.epoch,)).fetchone()
        if left:
            raise StoreCorrupt(
                f"{left} records are sealed under no known key; the rotation stays open.",
                hint="arcrun vault status",
            )
        return slots.Header(header.vault_id, header.epoch, header.slots, header.details)

    upkeep.rewrite(vault, drop)


def _batch(session: Session) -> int:
    """Seal some records again; how many. A damaged one is moved to the quarantine."""
    connection = connection_of(session)
    row = connection.execute("SELECT v FROM meta WHERE k='header_mac'").fetchone()
    if row is None or row[0] != session.mac:
        raise HeaderChanged
    assert session.master is not None
    assert session.previous is not None
    found = connection.execute(
        f"SELECT {upkeep.COLUMNS} FROM rec WHERE epoch = ? LIMIT ?",  # noqa: S608 - a constant
        (session.previous.epoch, BATCH),
    ).fetchall()
    for row in found:
        try:
            record = upkeep.unseal(session, row)
        except (ValueError, TypeError):
            upkeep.move_to_quarantine(connection, row[0], at=0.0)
            continue
        write_record(session, record, row[0])
    return len(found)
