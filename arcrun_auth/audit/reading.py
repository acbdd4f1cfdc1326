"""Reading a trail: its entries, and whether all of it is as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from arcrun_auth.audit import BROKEN, fields_of, link
from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.audit import Row, Tail, Trail

What = Literal["changed", "missing", "inserted", "cut off", "rolled back", "other end", "broken"]

_TEXTS = ("action", "name", "host", "result", "program", "client", "request")

_SHOWN = 300
"""How many characters of a text are shown at most?"""


@dataclass(frozen=True)
class Entry:
    """One line of a trail. Its texts are fit for a terminal."""

    n: int
    """Its number, from 1."""
    time: float
    """In epoch seconds."""
    action: str
    """`use`, `reveal`, `renew`, `setup`, `remove`, `revoke`, `consent`, `agent`, and what else
    there is."""
    name: str = ""
    """The connection or app it was done with, as it is typed."""
    host: str = ""
    """Where something went, if it went anywhere."""
    result: str = "ok"
    program: str = ""
    """The script, or the verb of `arcrun`."""
    client: str = ""
    """What the agent calls itself that sent a request; nobody vouches for it."""
    request: str = ""
    """The method and path of that request, without a query."""
    device: str = ""
    """The id of the device it was done on; empty for this one before it has an id."""


@dataclass(frozen=True)
class Finding:
    """What is not as it was written."""

    what: What
    n: int
    """At which entry; of several, the first."""
    text: str
    """A sentence for people."""
    device: str = ""
    """The id of the device whose trail it is; empty for this one."""


@dataclass(frozen=True)
class Checked:
    """What became of a check: the entries that were read, and what is wrong."""

    count: int
    tip: str
    """The hash of the chain, in hex."""
    findings: tuple[Finding, ...]
    hashes: dict[int, str]
    """The hash at each entry that was asked about; none where the chain does not lead there."""


def entries(
    trail: Trail, *, since: float = 0.0, device: str = "", most: int | None = None
) -> list[Entry]:
    """Those that can be read, newest first, down to the moment `since`, and `most` of them.
    sqlite3.Error."""
    found: list[Entry] = []
    with trail.lock:
        for row in trail.connection().execute("SELECT n, nonce, ct FROM entry ORDER BY n DESC"):
            entry = _entry(trail, row, device)
            if entry is None:
                continue
            if entry.time < since or len(found) == most:
                break
            found.append(entry)
    return found


def _entry(trail: Trail, row: Row, device: str) -> Entry | None:
    try:
        return entry_of(row[0], fields_of(trail.key.open_entry(row)), device)
    except (ValueError, TypeError):
        return None


def entry_of(number: int, fields: dict[str, Any], device: str) -> Entry:
    """An entry out of what was written. ValueError for a time that is none."""
    texts = {name: printable(str(fields[name]), _SHOWN) for name in _TEXTS if name in fields}
    return Entry(number, float(fields.get("time", 0.0)), **{"action": "", **texts}, device=device)


def check(trail: Trail, *, at: tuple[int, ...] = ()) -> Checked:
    """Reads all of it. `at` are numbers of entries whose hashes are wanted. sqlite3.Error."""
    walk = Walk(trail.key.genesis, at=at)
    with trail.lock:
        connection = trail.connection()
        connection.execute("BEGIN")  # one picture: another process may be writing
        try:
            for row in connection.execute("SELECT n, nonce, ct FROM entry ORDER BY n"):
                walk.step(row[0], _opened(trail, row))
            row = connection.execute("SELECT v FROM meta WHERE k='tail'").fetchone()
        finally:
            connection.execute("COMMIT")
    try:
        walk.end(trail.key.open_tail(row[0] if row is not None else b""))
    except (ValueError, TypeError):
        walk.find("other end", walk.last, "The end of the trail is not this trail's own.")
    return walk.checked()


def texts(trail: Trail, first: int, last: int) -> list[tuple[int, bytes]]:
    """The entries from `first` to `last` as they were written; none that does not open."""
    sql = "SELECT n, nonce, ct FROM entry WHERE n BETWEEN ? AND ? ORDER BY n"
    with trail.lock:
        rows = trail.connection().execute(sql, (first, last)).fetchall()
    found = [(row[0], _opened(trail, row)) for row in rows]
    return [(n, plain) for n, plain in found if plain is not None]


def begun(trail: Trail, since: float, most: int) -> tuple[int, bytes | None]:
    """The first entry of the moment `since` or later, of the last `most`; and the hash before.

    No hash where something before it is not as it was written.
    """
    walk = Walk(trail.key.genesis)
    with trail.lock:
        connection = trail.connection()
        (last,) = connection.execute("SELECT max(n) FROM entry").fetchone()
        for row in connection.execute("SELECT n, nonce, ct FROM entry ORDER BY n"):
            entry = _entry(trail, row, "")
            if row[0] > (last or 0) - most and entry is not None and entry.time >= since:
                break
            walk.step(row[0], _opened(trail, row))
    return walk.last + 1, walk.chain


def _opened(trail: Trail, row: Row) -> bytes | None:
    try:
        return trail.key.open_entry(row)
    except (ValueError, TypeError):
        return None


class Walk:
    """Goes along a chain, from the entry after `last`, which `chain` is the hash of.

    After a fault the hash is unknown (None), until an entry says where it was.
    """

    def __init__(self, chain: bytes | None, *, last: int = 0, at: Iterable[int] = ()) -> None:
        self.chain: bytes | None = chain
        self.count = 0
        self.last = last
        self.findings: list[Finding] = []
        self.hashes: dict[int, str] = {}
        self._at = frozenset(at)

    def step(self, number: int, plain: bytes | None) -> None:
        """The next entry; None for one that does not open."""
        if number != self.last + 1:
            self._missing(self.last + 1, number - 1)
        self.last = number
        try:
            plain = plain or b""
            fields = fields_of(plain)
            broken = fields.get("action") == "trail" and fields.get("result") == BROKEN
            before = bytes.fromhex(str(fields.get("before"))) if broken else b""
        except ValueError:
            text = f"Entry {number} was changed, or put there by somebody else."
            self.find("changed", number, text)
            return
        self.count += 1
        if broken:
            text = f"Before entry {number} the end of the trail was tampered with."
            self.find("broken", number, text)
            self.chain = before
        if self.chain is not None:
            self.chain = link(self.chain, plain)
            if number in self._at:
                self.hashes[number] = self.chain.hex()

    def end(self, tail: Tail) -> None:
        """Whether the end of the chain is the one that was written last."""
        if tail.count > self.last:
            text = f"The last entries are missing, from {self.last + 1} to {tail.count}."
            self.find("cut off", self.last + 1, text)
        elif tail.count < self.last:
            text = f"After the end, at {tail.count}, stand entries that were not added by us."
            self.find("inserted", tail.count + 1, text)
        elif self.chain is not None and tail.hash != self.chain:
            self.find("rolled back", self.last, "The end is that of another state of the trail.")

    def checked(self) -> Checked:
        tip = self.chain.hex() if self.chain is not None else ""
        return Checked(self.count, tip, tuple(self.findings), self.hashes)

    def _missing(self, first: int, last: int) -> None:
        span = f"Entry {first} is" if first == last else f"The entries {first} to {last} are"
        self.find("missing", first, f"{span} missing.")

    def find(self, what: What, number: int, text: str) -> None:
        """Notes a fault: from here on the hash is unknown."""
        self.findings.append(Finding(what, number, text))
        self.chain = None
