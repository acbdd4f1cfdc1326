"""The vault's upkeep: what opens it, what it holds, what is damaged."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.stores import create, kdf, private, schema, slots
from arcrun_auth.stores.keys import passphrase_kek, unwrap
from arcrun_auth.stores.memory import stamped
from arcrun_auth.stores.vault import (
    HeaderChanged,
    Session,
    connection_of,
    load_record,
    write_record,
)
from arcrun_auth.tokens import Credential, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arcrun_auth.seal import MasterKey
    from arcrun_auth.stores.vault import Vault

COLUMNS = "n, id, kind, epoch, gen, nonce, ct"
_NAMELESS = Key("credential", "a service")


# -- Slots ------------------------------------------------------------------------------


def rewrite(vault: Vault, change: Callable[[slots.Header], slots.Header]) -> slots.Header:
    """Replace the header in one transaction by what `change` makes of it."""

    def work(session: Session) -> tuple[slots.Header, bytes]:
        connection = connection_of(session)
        header, mac = schema.load_header(connection, vault.path)
        if mac != session.mac:
            raise HeaderChanged
        assert session.master is not None
        changed = change(header)
        mac = session.master.header_mac(changed.encode())
        schema.save_header(connection, changed, mac)
        return changed, mac

    vault.run(work, writing=True)
    return vault.run(_header)  # read again, as everybody else will


def _header(session: Session) -> slots.Header:
    row = connection_of(session).execute("SELECT v FROM meta WHERE k='header_mac'").fetchone()
    if row is None or row[0] != session.mac:
        raise HeaderChanged
    assert session.header is not None
    return session.header


def with_slots(header: slots.Header, kept: list[slots.Slot]) -> slots.Header:
    number = max((slot.number for slot in kept), default=0)
    for slot in kept:
        if not slot.number:
            number += 1
            slot.number = number
    return slots.Header(header.vault_id, header.epoch, kept, header.details, header.previous)


def _add(vault: Vault, make: Callable[[MasterKey], slots.Slot], *, instead: str = "") -> int:
    """Add a slot (in place of those of kind `instead`); its number."""

    def change(header: slots.Header) -> slots.Header:
        kept = [slot for slot in header.slots if slot.kind != instead]
        slot.number = 0
        return with_slots(header, [*kept, slot])

    def master_now(session: Session) -> MasterKey:
        _header(session)
        assert session.master is not None
        return session.master

    master = vault.run(master_now)
    slot = make(master)  # outside any transaction: it may take a second, or ask the keyring
    header = rewrite(vault, change)
    if header.epoch != master.epoch:
        raise StoreError("The vault's key was rotated meanwhile.", hint="do it again")
    return slot.number


def add_key(vault: Vault, key: bytes) -> int:
    """A further 32-byte key that opens the vault; the number of its slot."""
    return _add(vault, lambda master: slots.random_key_slot(master, "key", key))


def add_keyring(vault: Vault) -> int:
    """A key in the OS keyring, in place of the one there was. NoStore where it cannot serve."""
    before = [str(slot.params["item"]) for slot in vault.run(_header).of_kind("keyring")]
    number = _add(
        vault, lambda master: create.keyring_slot(vault.key_sources, master), instead="keyring"
    )
    keyring = vault.key_sources.keyring()
    for item in before:
        assert keyring is not None
        keyring.delete(item)
    return number


def set_passphrase(vault: Vault, passphrase: str) -> int:
    """The vault's passphrase from now on, in place of any before. Takes about a second."""
    return _add(
        vault, lambda master: create.passphrase_slot(master, passphrase), instead="passphrase"
    )


def new_recovery_code(vault: Vault) -> str:
    """A fresh recovery code, the one before void. It is kept nowhere: show it once."""
    import os

    code = os.urandom(16)
    _add(
        vault,
        lambda master: slots.random_key_slot(master, "recovery", code),
        instead="recovery",
    )
    return kdf.format_recovery(code)


def remove_slot(vault: Vault, number: int) -> None:
    """Take a slot away. StoreError for an unknown one and for the last that is left."""

    def change(header: slots.Header) -> slots.Header:
        kept = [slot for slot in header.slots if slot.number != number]
        if len(kept) == len(header.slots):
            raise StoreError(f"The vault has no slot {number}.", hint="arcrun vault status")
        if not kept:
            raise StoreError(
                "That is the only key to the vault; without it nobody could open it again.",
                hint="add another first: arcrun vault passphrase",
            )
        return with_slots(header, kept)

    rewrite(vault, change)


def verify_passphrase(vault: Vault, passphrase: str) -> tuple[str, bytes]:
    """The vault's id and the key from its passphrase; StoreLocked if that is wrong.

    The vault need not be unlocked: this is how it becomes so.
    """
    header, slot = passphrase_slot(vault)
    kek = passphrase_kek(slot, passphrase)
    unwrap(header, slot, kek, "the passphrase")
    return header.vault_id, kek


def passphrase_slot(vault: Vault) -> tuple[slots.Header, slots.Slot]:
    """What a passphrase opens. StoreError if none does: nobody is to be asked for it then."""
    header = public_header(vault.path)
    for slot in header.of_kind("passphrase"):
        return header, slot
    raise StoreError("The vault has no passphrase.", hint="arcrun vault passphrase")


# -- Looking ----------------------------------------------------------------------------


def why_not(vault: Vault) -> str | None:
    """The reason why it cannot be opened now, in words; None if it can. Never prompts."""
    asked, vault.key_sources.ask = vault.key_sources.ask, None
    try:
        vault.run(_header, absent=lambda: _can_create(vault))
    except AuthError as error:
        return error.message
    finally:
        vault.key_sources.ask = asked
    return None


def _can_create(vault: Vault) -> Any:
    keys = vault.key_sources
    if keys.given() is None:
        keyring = keys.keyring()
        why = "it is switched off (ARCRUN_KEYRING)" if keyring is None else keyring.probe()
        if why is not None:
            raise StoreError(f"There is no vault yet, and of the OS keyring, {why}.")
    return None


def status(vault: Vault) -> dict[str, Any]:
    """What `arcrun vault status` prints. Names, numbers and reasons, no secrets."""
    why = why_not(vault)  # first: a file that is no vault any more is set aside by it
    found: dict[str, Any] = {
        "path": vault.path,
        "exists": private.check_file(vault.path) is not None,
        "set_aside": schema.aside_files(vault.path),
        "why_not": why,
    }
    if found["exists"] and not found["set_aside"]:
        found.update(_public(vault.path))
    session = vault.session()
    with session.lock:
        found["opened_by"] = session.source or None
    return found


def public_header(path: str) -> slots.Header:
    """The header as the file shows it without a key; StoreError if there is no vault."""
    if private.check_file(path) is None:
        raise StoreError(f"There is no vault at {path}.", hint="arcrun vault init")
    try:
        connection = schema.open_file(path)
        try:
            return schema.load_header(connection, path)[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise schema.translated(error, path) from None


def _public(path: str) -> dict[str, Any]:
    """What the file tells without a key."""
    connection = schema.open_file(path)
    try:
        header, _ = schema.load_header(connection, path)

        def one(sql: str) -> Any:
            return connection.execute(sql).fetchone()[0]

        return {
            "vault_id": header.vault_id,
            "epoch": header.epoch,
            "rotating": bool(header.previous),
            "slots": [{"number": slot.number, "kind": slot.kind} for slot in header.slots],
            "records": one("SELECT count(*) FROM rec WHERE kind <> 'device'"),
            "quarantined": one("SELECT count(*) FROM quarantine"),
            "journal": one("PRAGMA journal_mode"),
        }
    except sqlite3.Error as error:
        raise schema.translated(error, path) from None
    finally:
        connection.close()


# -- Records ----------------------------------------------------------------------------


def rows(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Every row of `rec` that can be read, the pages around a damaged one included."""
    numbers = [n for (n,) in connection.execute("SELECT n FROM rec")]
    for number in numbers:
        try:
            sql = f"SELECT {COLUMNS} FROM rec WHERE n = ?"  # noqa: S608 - a constant
            row = connection.execute(sql, (number,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not schema.is_corrupt(error):
                raise
            continue
        if row is not None:
            yield row


def unseal(session: Session, row: tuple[Any, ...]) -> Credential:
    """The credential in a row. ValueError or TypeError where it is damaged."""
    _, record_id, kind, epoch, generation, nonce, sealed = row
    master = session.key_of(epoch)
    plain = master.open(nonce, sealed, record_id=record_id, generation=generation, kind=kind)
    record = load_record(plain, _NAMELESS)
    if master.record_id(*record.key.parts) != record_id:
        raise ValueError("the record has another name than its place")
    return record


def readable(session: Session) -> list[Credential]:
    """The records that open; those that do not are left for `get` to report."""
    _header(session)
    found = []
    for row in rows(connection_of(session)):
        try:
            found.append(unseal(session, row))
        except (ValueError, TypeError):
            continue
    return found


def put_all(vault: Vault, records: Sequence[Credential], *, now: float) -> list[Credential]:
    """Writes all of them in one transaction, or none: StoreConflict."""
    vault.prepare()

    def write(session: Session) -> list[Credential]:
        found = []
        for record in records:
            row = vault.held(session, record.key, record.generation)
            found.append(stamped(record, expect=record.generation, now=now))
            write_record(session, found[-1], None if row is None else row[0])
        return found

    return vault.run(write, writing=True)


def quarantine(session: Session, number: int, *, at: float) -> None:
    """Move a damaged row out of the way, its bytes kept. Best effort: the disk may be full."""
    connection = connection_of(session)
    if connection.in_transaction:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        move_to_quarantine(connection, number, at=at)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def set_aside(vault: Vault, kind: str) -> int:
    """How many damaged records of a kind lie in the quarantine."""

    def count(session: Session) -> int:
        sql = "SELECT count(*) FROM quarantine WHERE kind = ?"
        return int(connection_of(session).execute(sql, (kind,)).fetchone()[0])

    return vault.run(count, absent=lambda: 0)


def forget_set_aside(vault: Vault, kind: str) -> None:
    """Drops the damaged records of a kind: for whoever was told, and begins anew."""

    def drop(session: Session) -> None:
        connection_of(session).execute("DELETE FROM quarantine WHERE kind = ?", (kind,))

    vault.run(drop, writing=True, absent=lambda: None)


def move_to_quarantine(connection: sqlite3.Connection, number: int, *, at: float) -> None:
    connection.execute(
        "INSERT INTO quarantine(at, id, kind, epoch, gen, nonce, ct) "
        "SELECT ?, id, kind, epoch, gen, nonce, ct FROM rec WHERE n = ?",
        (at, number),
    )
    connection.execute("DELETE FROM rec WHERE n = ?", (number,))
