"""`secrets.enc`: a vault as one file, for backups, moving house and machines without a disk.

    line 1     JSON: magic, format, vault id, epoch, details, slots, count, header MAC
    then       one JSON line per record: id, kind, generation, nonce, ciphertext (base64)
    last line  HMAC over everything above

It is opened by the vault's own slots, and read-only. It is written at once or not at all.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import StoreConflict, StoreCorrupt, StoreError
from arcrun_auth.stores import private, slots, upkeep
from arcrun_auth.stores.base import ReadOnly
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Session, Vault, connection_of, load_record
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.seal import MasterKey
    from arcrun_auth.tokens import Credential

MAGIC = "arcrun secrets"
_KIND = 2
"""In which column of `upkeep.COLUMNS` is the kind?"""
_LOCAL = ("device", "policy")
"""Which kinds of records are no other machine's? The keys of a device would speak in its name, and
what agents may do is agreed to on each machine."""
MAX_FILE = 1 << 30
"""How large may an export be, in bytes? More is no export of ours."""


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def write(vault: Vault, path: str) -> int:
    """Export the vault to `path`, over any export there; the number of records.

    Damaged records stay behind, and so do those of this device and the policy for agents.
    StoreError where there is no vault, or a rotation is open.
    """

    def work(session: Session) -> tuple[bytes, int]:
        assert session.header is not None
        assert session.master is not None
        if session.previous is not None:
            raise StoreError("A key rotation is under way.", hint="arcrun vault rotate")
        upkeep.readable(session)
        if all(slot.kind == "keyring" for slot in session.header.slots):
            raise StoreError(
                "Only this machine's keyring opens the vault: nobody could open an export of it.",
                hint="arcrun vault recovery-code, or arcrun vault passphrase, then export",
            )
        lines = [
            slots.canonical([_text(record_id), kind, gen, _text(nonce), _text(sealed)])
            for _, record_id, kind, _, gen, nonce, sealed in _sound(session)
        ]
        return _document(session.header, session.master, lines), len(lines)

    data, count = vault.run(work)
    private.write_atomically(path, data)
    return count


def _sound(session: Session) -> Iterator[tuple[Any, ...]]:
    for row in upkeep.rows(connection_of(session)):
        if row[_KIND] in _LOCAL:
            continue
        try:
            upkeep.unseal(session, row)
        except (ValueError, TypeError):
            continue
        yield row


def _document(header: slots.Header, master: MasterKey, lines: list[bytes]) -> bytes:
    head = {
        "magic": MAGIC,
        "format": slots.FORMAT,
        "vault_id": header.vault_id,
        "epoch": header.epoch,
        "details": header.details,
        "count": len(lines),
        "header_mac": master.header_mac(header.encode()).hex(),
        "slots": [
            [s.number, s.kind, s.params, _text(s.nonce), _text(s.wrapped)] for s in header.slots
        ],
    }
    body = b"\n".join([slots.canonical(head), *lines, b""])
    return body + master.header_mac(b"export" + body).hex().encode() + b"\n"


class EncFile(ReadOnly):
    """The credentials of an exported `secrets.enc`. Read again when the file changes."""

    name = "secrets.enc"

    def __init__(self, path: str, *, keys: Keys | None = None) -> None:
        self.path = path
        self._keys = keys or Keys()
        self._state: tuple[int, int, int] | None = None
        self._records: dict[Key, Credential] = {}

    def get(self, key: Key) -> Credential | None:
        return self._load().get(key)

    def keys(self) -> Iterator[Key]:
        return iter(list(self._load()))

    def why_not(self) -> str | None:
        asked, self._keys.ask = self._keys.ask, None
        try:
            self._load()
        except StoreError as error:
            return error.message
        finally:
            self._keys.ask = asked
        return None

    def close(self) -> None:
        self._state, self._records = None, {}

    def _load(self) -> dict[Key, Credential]:
        import os

        try:
            status = os.stat(self.path)
            state = (status.st_mtime_ns, status.st_ino, status.st_size)
            if state != self._state:
                if status.st_size > MAX_FILE:
                    raise StoreError(f"{self.path} is too large for an export.")
                with open(self.path, "rb") as file:
                    data = file.read(MAX_FILE + 1)
                self._records = read(data, self._keys, self.path)
                self._state = state
        except OSError as error:
            raise StoreError(
                f"The exported secrets {self.path} cannot be read: {error.strerror}.",
                hint="ARCRUN_SECRETS_FILE names the file",
            ) from None
        return self._records


def read(data: bytes, keys: Keys, path: str) -> dict[Key, Credential]:
    """Every record of an export; StoreLocked without its key, StoreCorrupt if it was changed."""
    damaged = StoreCorrupt(
        f"The export {path} is damaged or was changed. Nothing was taken from it.",
        hint="use another copy of it",
    )
    try:
        body, mac = data.removesuffix(b"\n").rsplit(b"\n", 1)
        body += b"\n"
        first, *lines = body.splitlines()
        head = json.loads(first)
        if head["magic"] != MAGIC:
            raise damaged
        if head["format"] != slots.FORMAT:
            raise StoreError(
                f"The export {path} has another format.", hint="pip install -U arcrun-auth"
            )
        header = _header_of(head)
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    master, _ = keys.open(header)
    if not hmac.compare_digest(master.header_mac(b"export" + body).hex().encode(), mac):
        raise damaged
    return {record.key: record for record in (_record(line, master) for line in lines)}


def _header_of(head: dict[str, Any]) -> slots.Header:
    found = [
        slots.Slot(kind, params, b64decode(nonce), b64decode(wrapped), number)
        for number, kind, params, nonce, wrapped in head["slots"]
    ]
    return slots.Header(head["vault_id"], head["epoch"], found, head["details"])


def _record(line: bytes, master: MasterKey) -> Credential:
    record_id, kind, generation, nonce, sealed = json.loads(line)
    plain = master.open(
        b64decode(nonce),
        b64decode(sealed),
        record_id=b64decode(record_id),
        generation=generation,
        kind=kind,
    )
    return load_record(plain, Key("credential", "a service"))


def merge(vault: Vault, path: str, *, keys: Keys | None = None) -> dict[str, int]:
    """Import an export: of two records of one name the higher generation stays.

    What is no other machine's is passed over, whoever wrote it there. Gives back how many were
    `added`, `updated` and `kept`. `keys` open the export, those of the vault if not given.
    """
    counts = {"added": 0, "updated": 0, "kept": 0}
    if private.check_file(vault.path) is None:
        vault.create()  # told to, even where a damaged vault was set aside
    source = EncFile(path, keys=keys or vault.key_sources)
    for key in source.keys():
        if key.kind in _LOCAL:
            continue
        record = source.get(key)
        assert record is not None
        counts[_merge_one(vault, record)] += 1
    return counts


def _merge_one(vault: Vault, record: Credential) -> str:
    for _ in range(5):
        held = vault.get(record.key)
        if held is not None and held.generation >= record.generation:
            return "kept"
        try:
            vault.adopt(record, expect=held.generation if held else 0)
        except StoreConflict:  # somebody renewed it in between: look again
            continue
        return "updated" if held else "added"
    raise StoreError(f"{record.key} is being changed all the time.", hint="try again")
