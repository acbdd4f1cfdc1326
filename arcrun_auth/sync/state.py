"""What a home remembers of the server: `sync.db`, SQLite. Names that tell nothing, numbers, hashes.

row    the version of each row, for compare-and-swap
head   the last head of each device, ours included
entry  for each device and row, the last entry of its log
tail   our own entries in the segment that is being filled
base   what the record here and the row agreed on last
pending  batches that were sent and never answered
point  what the heads of other devices have said of their audit trails
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import StoreError
from arcrun_auth.protocol import head as heads
from arcrun_auth.protocol import membership
from arcrun_auth.protocol.log import Entry
from arcrun_auth.stores import private
from arcrun_auth.stores.schema import BUSY_SECONDS, prepare_writing, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arcrun_auth.protocol.handover import Point
    from arcrun_auth.protocol.head import Head
    from arcrun_auth.protocol.membership import Membership

FILE = "sync.db"
MEMORY = ":memory:"
FORMAT = 1

_SCHEMA = """
CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE row(name TEXT PRIMARY KEY, version INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE head(dev TEXT PRIMARY KEY, hash TEXT NOT NULL, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry(name TEXT, dev TEXT, seq INTEGER NOT NULL, ver INTEGER NOT NULL,
                   hash TEXT NOT NULL, epoch INTEGER NOT NULL, gone INTEGER NOT NULL,
                   PRIMARY KEY(name, dev)) WITHOUT ROWID;
CREATE INDEX entry_dev ON entry(dev);
CREATE TABLE tail(seq INTEGER PRIMARY KEY, entry TEXT NOT NULL);
CREATE TABLE base(name TEXT PRIMARY KEY, ver INTEGER NOT NULL, hash TEXT NOT NULL,
                  mac TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pending(hash TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE garbage(name TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_POINTS = """
CREATE TABLE IF NOT EXISTS point(dev TEXT, trail TEXT, n INTEGER, hash TEXT NOT NULL,
                                 PRIMARY KEY(dev, trail, n)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Known:
    """The last head of a device, and the hash of its row."""

    head: Head
    hash: str


@dataclass(frozen=True)
class Placed:
    """An entry, in whose log it stands, and where."""

    entry: Entry
    dev: str
    seq: int

    @property
    def rank(self) -> tuple[int, str]:
        """Of several entries for a row, the one with the highest counts."""
        return self.entry.ver, self.dev

    def agreed(self, mac: str) -> Base:
        """What is noted once the record here has been joined with this row."""
        return Base(self.entry.ver, self.entry.hash, mac)


@dataclass(frozen=True)
class Passed:
    """That an entry of a trail had a hash."""

    trail: str
    n: int
    hash: str


@dataclass(frozen=True)
class Base:
    """The version and hash of the row that was applied, and the content that the record had.

    `mac` is empty where the two differ, and the record is still to be pushed.
    """

    ver: int
    hash: str
    mac: str


class State:
    """The file of one home, on one server, in one vault. One thread at a time."""

    def __init__(self, path: str) -> None:
        """Opens it, and makes it if there is none. StoreError where that fails.

        `MEMORY` for one that is forgotten.
        """
        self.path = path
        if path != MEMORY:
            private.ensure_folder(os.path.dirname(path))
            if private.check_file(path) is None:
                with suppress(FileExistsError):  # another process was faster
                    os.close(private.create(path))
        try:
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            if path != MEMORY:
                prepare_writing(self._db, path)
            with self.transaction():
                self._prepare()
        except sqlite3.Error as error:
            raise translated(error, path) from None

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise StoreError(
                f"{self.path} has format {version}.", hint="pip install -U arcrun-auth"
            )
        if version == 0:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={FORMAT}")
        self._db.execute(_POINTS)  # a file that was made before there were any gets them

    def __del__(self) -> None:
        # Nobody has to close it: what was noted is on disk. One that was never opened has nothing.
        if hasattr(self, "_db"):
            self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is noted inside, or nothing of it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error, self.path) from None

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.path) from None

    # -- single values -----------------------------------------------------------------------

    def get(self, name: str, default: Any = None) -> Any:
        found = self._all("SELECT v FROM meta WHERE k=?", name)
        return json.loads(found[0][0]) if found else default

    def set(self, **values: Any) -> None:
        pairs = [(name, json.dumps(value)) for name, value in values.items()]
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)

    @property
    def cursor(self) -> int:
        """The server's number when we last looked."""
        found: int = self.get("cursor", 0)
        return found

    def forget(self) -> None:
        """Everything, as if this home had never synced."""
        with self.transaction():
            for table in ("meta", "row", "head", "entry", "tail", "base", "pending", "garbage",
                          "point"):  # fmt: skip
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - of the list above

    def forget_own(self) -> None:
        """What this home has written as the device that it was: another one begins with nothing."""
        with self.transaction():
            for table in ("tail", "pending", "garbage"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - of the list above
            self.set(sent=0, tried=0)

    # -- rows --------------------------------------------------------------------------------

    def version(self, name: str) -> int:
        """The version that the server showed last; 0 for a row that is not there."""
        found = self._all("SELECT version FROM row WHERE name=?", name)
        return found[0][0] if found else 0

    def row_hash(self, name: str) -> str | None:
        found = self._all("SELECT hash FROM row WHERE name=?", name)
        return found[0][0] if found else None

    def rows_with(self, digest: str) -> list[str]:
        """The rows that had this content when the server showed them last."""
        return [name for (name,) in self._all("SELECT name FROM row WHERE hash=?", digest)]

    def note_row(self, name: str, version: int, digest: str | None) -> None:
        """What the server shows now; None for a row that was deleted."""
        if digest is None:
            self._db.execute("DELETE FROM row WHERE name=?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", (name, version, digest))

    # -- logs --------------------------------------------------------------------------------

    def members(self, vault: str) -> Membership | None:
        """The members as we knew them last; None before the first look."""
        text = self.get("members")
        return None if text is None else membership.load(text.encode(), vault)

    def heads(self) -> dict[str, Known]:
        return {
            dev: Known(heads.load(json.loads(data)), digest)
            for dev, digest, data in self._all("SELECT dev, hash, data FROM head")
        }

    def note_head(self, head: Head, digest: str) -> None:
        values = (head.dev, digest, json.dumps(asdict(head)))
        self._db.execute("INSERT OR REPLACE INTO head VALUES (?, ?, ?)", values)

    def pin(self, members: Point, heads: Mapping[str, Point]) -> None:
        """How far all had come for the device that let this one in: nothing older counts."""
        with self.transaction():
            self.set(pins={"members": members, "heads": dict(heads)})

    def pins(self) -> tuple[Point | None, dict[str, Point]]:
        """Of the members, and of each device's heads."""
        found = self.get("pins") or {"members": None, "heads": {}}
        members = found["members"]
        points = {dev: (n, digest) for dev, (n, digest) in found["heads"].items()}
        return None if members is None else (members[0], members[1]), points

    def entries(self, name: str) -> list[Placed]:
        """What the logs say of a row, each the last thing."""
        sql = "SELECT name, dev, seq, ver, hash, epoch, gone FROM entry WHERE name=?"
        return [_placed(*row) for row in self._all(sql, name)]

    def placed(self, name: str) -> Placed | None:
        """The entry that counts for a row."""
        return max(self.entries(name), key=lambda placed: placed.rank, default=None)

    def log_of(self, dev: str) -> list[Placed]:
        sql = "SELECT name, dev, seq, ver, hash, epoch, gone FROM entry WHERE dev=? ORDER BY seq"
        return [_placed(*row) for row in self._all(sql, dev)]

    def current(self) -> dict[str, Placed]:
        """For each row the entry that counts."""
        sql = "SELECT name, dev, seq, ver, hash, epoch, gone FROM entry ORDER BY ver, dev"
        return {row[0]: _placed(*row) for row in self._all(sql)}

    def note_entries(
        self, dev: str, entries: Iterable[tuple[int, Entry]], *, anew: bool = False
    ) -> None:
        """Entries with their numbers; `anew` where they are all of the log."""
        if anew:
            self._db.execute("DELETE FROM entry WHERE dev=?", (dev,))
        self._db.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(e.name, dev, seq, e.ver, e.hash, e.epoch, e.gone) for seq, e in entries],
        )

    def tail(self) -> list[tuple[int, Entry]]:
        """Our own entries of the segment that is not full yet, with their numbers."""
        found = self._all("SELECT seq, entry FROM tail ORDER BY seq")
        return [(seq, Entry.of(json.loads(text))) for seq, text in found]

    def note_tail(self, entries: Iterable[tuple[int, Entry]]) -> None:
        self._db.execute("DELETE FROM tail")
        rows = [(seq, json.dumps(entry.plain)) for seq, entry in entries]
        self._db.executemany("INSERT INTO tail VALUES (?, ?)", rows)

    # -- records -----------------------------------------------------------------------------

    def bases(self) -> dict[str, Base]:
        return {name: Base(*rest) for name, *rest in self._all("SELECT * FROM base")}

    def note_bases(self, bases: Mapping[str, Base]) -> None:
        rows = [(name, base.ver, base.hash, base.mac) for name, base in bases.items()]
        self._db.executemany("INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?)", rows)

    # -- trails ------------------------------------------------------------------------------

    def points(self, dev: str) -> list[Passed]:
        """Where the trail of a device has to lead through, in order."""
        return [
            Passed(*found)
            for found in self._all("SELECT trail, n, hash FROM point WHERE dev=? ORDER BY n", dev)
        ]

    def note_point(self, head: Head) -> None:
        """What a head says of its device's trail: what was said first of an entry counts."""
        if head.audit is None or head.trail is None:
            return
        span, (n, digest) = head.trail, head.audit
        values = (head.dev, span.trail, n, digest)
        self._db.execute("INSERT OR IGNORE INTO point VALUES (?, ?, ?, ?)", values)
        sql = "DELETE FROM point WHERE dev=? AND trail=? AND n < ?"  # nobody shows those any more
        self._db.execute(sql, (head.dev, span.trail, span.first - 1))

    def settle_points(self, head: Head) -> None:
        """The whole trail was checked, and leads to what this head says."""
        self._db.execute("DELETE FROM point WHERE dev=?", (head.dev,))
        self.note_point(head)

    # -- batches -----------------------------------------------------------------------------

    def pendings(self) -> dict[str, Any]:
        """What would be true after each batch of unknown fate, by the hash of its head."""
        found = self._all("SELECT hash, data FROM pending")
        return {digest: json.loads(data) for digest, data in found}

    def note_pending(self, digest: str, effects: Mapping[str, Any]) -> None:
        values = (digest, json.dumps(effects))
        self._db.execute("INSERT OR REPLACE INTO pending VALUES (?, ?)", values)
        self.set(tried=max(self.tried, effects["head"]["seq"]))

    @property
    def tried(self) -> int:
        """How many entries our log would have, had each batch arrived that was ever sent."""
        found: int = self.get("tried", 0)
        return found

    def drop_pendings(self) -> None:
        """One of them has landed, so none of the others can."""
        self._db.execute("DELETE FROM pending")

    def garbage(self) -> list[str]:
        """Rows that no head names any more, and that are still to be deleted."""
        return [name for (name,) in self._all("SELECT name FROM garbage ORDER BY name")]

    def note_garbage(self, names: Iterable[str]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO garbage VALUES (?)", [(n,) for n in names])

    def drop_garbage(self, names: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM garbage WHERE name=?", [(n,) for n in names])


def _placed(name: str, dev: str, seq: int, *entry: Any) -> Placed:
    ver, digest, epoch, gone = entry
    return Placed(Entry(name, ver, digest, epoch, bool(gone)), dev, seq)
