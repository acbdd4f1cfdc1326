"""The trail: what was done with the credentials of this home, by which program, never a value.

    audit.db   entry(n, nonce, ciphertext), in their order; each is sealed to its place
               meta: the trail's id; its tail (how many entries, the hash of their chain), sealed
    vault      Key("device", "audit", <id>): the key of the trail, and the last signed head

The chain is `h_n = SHA256(h_{n-1} || entry n)`. Who lacks the key can change, add or reorder
nothing that would open, and cannot take the end away without its tail telling. Who has the key
can write the chain anew, but not past a head that was signed and is known elsewhere.

This module is what writes a line, on the way to a token: about a third of a millisecond, without
a wait for the disk (a line may be lost when the power fails; the chain stays whole). `reading`
checks and shows, `making` makes the file, `anchor` signs heads.
"""

from __future__ import annotations

import json
import os
import sqlite3
from hashlib import sha256

from arcrun_auth import forks
from arcrun_auth.seal import decrypt, encode, encrypt, hkdf, pad, unpad
from arcrun_auth.tokens import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from arcrun_auth.stores.base import Store

    Row = tuple[int, bytes, bytes]
    Fields = Mapping[str, str | float]

FILE = "audit.db"

BUSY_SECONDS = 1.0
"""How long may a line wait for another process's? Then it is left out: nobody waits for a trail."""

EVERY = 100
"""After how many entries is a head signed? The first entry's is kept, too, without a signature."""

_ANOTHER = (1, 11, 26)
"""What SQLite says of a file that is no trail: no such table, SQLITE_CORRUPT, SQLITE_NOTADB."""

BROKEN = "broken"
"""The result of the entry that stands where the end did not fit: what was before is in doubt."""


class TrailKey:
    """What seals one trail. Shows nothing."""

    __slots__ = ("_entries", "_tail", "id")

    def __init__(self, trail: str, key: bytes) -> None:
        self.id = trail
        self._entries = hkdf(key, b"arcrun/v1/audit/entry")
        self._tail = hkdf(key, b"arcrun/v1/audit/tail")

    def __repr__(self) -> str:
        return f"TrailKey({self.id!r})"

    @property
    def genesis(self) -> bytes:
        """The hash that the first entry is chained to."""
        return sha256(encode(b"arcrun1/audit", self.id.encode())).digest()

    def _place(self, what: bytes, number: int) -> bytes:
        return encode(b"arcrun1/audit", self.id.encode(), what, b"%d" % number)

    def seal_entry(self, number: int, plain: bytes) -> tuple[bytes, bytes]:
        return encrypt(self._entries, pad(plain), self._place(b"entry", number))

    def open_entry(self, row: Row) -> bytes:
        """The text of an entry. ValueError where it is not the one of this place and trail."""
        number, nonce, sealed = row
        return unpad(decrypt(self._entries, nonce, sealed, self._place(b"entry", number)))

    def seal_tail(self, tail: Tail) -> bytes:
        plain = json.dumps([tail.count, tail.hash.hex(), tail.device]).encode()
        nonce, sealed = encrypt(self._tail, pad(plain), self._place(b"tail", 0))
        return nonce + sealed

    def open_tail(self, data: bytes) -> Tail:
        """ValueError for the tail of another trail, or for what is none."""
        plain = unpad(decrypt(self._tail, data[:12], data[12:], self._place(b"tail", 0)))
        count, chain, device = json.loads(plain)
        return Tail(count, bytes.fromhex(chain), device)


class Tail:
    """How far a trail goes: the number of its entries, the hash of their chain, whose it is."""

    __slots__ = ("count", "device", "hash")

    def __init__(self, count: int, chain: bytes, device: str = "") -> None:
        self.count = count
        self.hash = chain
        self.device = device
        """The id of the device; empty before it has one."""


def link(before: bytes, plain: bytes) -> bytes:
    """The hash of a chain after one more entry."""
    return sha256(encode(before, plain)).digest()


def written(fields: Fields) -> bytes:
    """An entry as it is chained and sealed: one text for one entry."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


class Trail:
    """The trail in one file. Safe from several threads and processes, and after a fork.

    Its methods raise sqlite3.Error and OSError: who writes a line decides that none is worth
    an error of what it tells of.
    """

    def __init__(self, path: str, key: TrailKey, at: tuple[int, sqlite3.Connection]) -> None:
        """`at` is the file's inode and a connection to it, for this process."""
        self.path = path
        self.key = key
        self.lock = forks.Mutex()
        """Held by whoever uses the connection: threads share it."""
        # By generation of fork: a child neither uses nor closes what its parent opened.
        self._open = {forks.generation: at}

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Using it again opens it again."""
        found = getattr(self, "_open", {}).pop(forks.generation, None)
        if found is not None:
            found[1].close()

    def append(self, fields: Fields, *, device: str | None = None) -> Tail:
        """Adds an entry; the tail after it. `device` is whose trail it is from now on."""
        with self.lock:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                tail = self._sound(connection) or self._break(connection)
                tail = self._add(connection, tail, fields, device)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return tail

    def tail(self) -> Tail | None:
        """How far it goes; None where its end does not fit."""
        with self.lock:
            return self._sound(self.connection())

    def connection(self) -> sqlite3.Connection:
        """This process's connection to the file. Hold no transaction open on it."""
        found = self._open.get(forks.generation)
        status = os.stat(self.path)  # FileNotFoundError where it was taken away
        if found is None or found[0] != status.st_ino:
            self.close()
            found = self._open[forks.generation] = (status.st_ino, connected(self.path))
            prepare(found[1])
        return found[1]

    def _sound(self, connection: sqlite3.Connection) -> Tail | None:
        sql = "SELECT (SELECT v FROM meta WHERE k='tail'), (SELECT max(n) FROM entry)"
        sealed, last = connection.execute(sql).fetchone()
        try:
            tail = self.key.open_tail(sealed)
        except (ValueError, TypeError):
            return None
        return tail if tail.count == (last or 0) else None

    def _break(self, connection: sqlite3.Connection) -> Tail:
        """Goes on after an end that does not fit, and says so for good: nothing hides it again."""
        (last,) = connection.execute("SELECT max(n) FROM entry").fetchone()
        try:
            (sealed,) = connection.execute("SELECT v FROM meta WHERE k='tail'").fetchone()
            tail = self.key.open_tail(sealed)
        except (ValueError, TypeError):
            tail = Tail(0, self.key.genesis)
        tail.count = max(tail.count, last or 0)
        note = {"action": "trail", "result": BROKEN, "before": tail.hash.hex()}
        return self._add(connection, tail, note, None)

    def _add(
        self, connection: sqlite3.Connection, tail: Tail, fields: Fields, device: str | None
    ) -> Tail:
        plain, number = written(fields), tail.count + 1
        connection.execute(
            "INSERT INTO entry(n, nonce, ct) VALUES (?, ?, ?)",
            (number, *self.key.seal_entry(number, plain)),
        )
        tail = Tail(number, link(tail.hash, plain), tail.device if device is None else device)
        connection.execute(
            "INSERT OR REPLACE INTO meta(k, v) VALUES ('tail', ?)", (self.key.seal_tail(tail),)
        )
        return tail


class _Connection(sqlite3.Connection):
    """One that nobody has to close: each entry is in the file when it is written."""

    def __del__(self) -> None:
        # From Python 3.13 on an open one warns when it is collected, before its trail closes it.
        self.close()


def connected(path: str) -> sqlite3.Connection:
    """The file of a trail, not looked at yet. Its permissions are checked."""
    from arcrun_auth.catalog.index import uri
    from arcrun_auth.stores import private

    for name in (path, f"{path}-wal", f"{path}-shm"):
        private.check_file(name)
    return sqlite3.connect(
        uri(path, mode="rw"),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )


def prepare(connection: sqlite3.Connection) -> None:
    """Before the first use of a connection. sqlite3.Error where it leads to no database."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA synchronous=NORMAL")


class Foreign(Exception):
    """The file is no trail of this vault's. `inode` is which file."""

    def __init__(self, inode: int) -> None:
        super().__init__("the vault has no key of this trail")
        self.inode = inode


def key_of(trail: str) -> Key:
    """Where the key of a trail lies in the vault: each trail has its own."""
    return Key("device", "audit", trail)


def found(vault: Store, path: str) -> Trail:
    """The trail at `path`. Foreign where the vault has no key of it; what reading raises."""
    status = os.stat(path)
    connection, trail = _looked_at(path)
    try:
        record = vault.get(key_of(trail)) if trail else None
        key = record.secrets.get("key") if record is not None else None
    except BaseException:
        connection.close()
        raise
    if key is None:
        connection.close()
        raise Foreign(status.st_ino)
    return Trail(path, TrailKey(trail, bytes.fromhex(key.reveal())), (status.st_ino, connection))


def _looked_at(path: str) -> tuple[sqlite3.Connection, str]:
    """A connection to the file, and the id that it says it has; an empty one where it says none."""
    connection = connected(path)
    try:
        prepare(connection)
        row = connection.execute("SELECT v FROM meta WHERE k='id'").fetchone()
    except sqlite3.DatabaseError as error:
        # Another process may hold it, or the disk fail: then it may be ours all the same.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _ANOTHER:
            return connection, ""
        connection.close()
        raise
    return connection, row[0] if row is not None and isinstance(row[0], str) else ""


def path_in(home: str) -> str:
    return os.path.join(home, FILE)


def fields_of(plain: bytes) -> dict[str, Any]:
    """What an entry says. ValueError where it is none."""
    data = json.loads(plain)
    if not isinstance(data, dict):
        raise ValueError("no entry")  # noqa: TRY004 - what is read is judged by its value
    return data
