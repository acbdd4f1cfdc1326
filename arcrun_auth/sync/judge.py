"""Whether what the server shows is what the devices of this vault have written.

One picture of the account is judged as a whole, and nothing of it is believed before all of it
holds together: each head is signed, none has gone back, each log leads to its head without a gap,
each row has the hash that the logs name, and no device has seen more than is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcrun_auth.protocol import envelope, log
from arcrun_auth.protocol import head as heads
from arcrun_auth.sync.state import Placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arcrun_auth.errors import Tampering
    from arcrun_auth.protocol.envelope import Envelope
    from arcrun_auth.protocol.head import Head
    from arcrun_auth.protocol.keys import VaultKeys
    from arcrun_auth.protocol.log import Entry
    from arcrun_auth.protocol.membership import Membership, Statement
    from arcrun_auth.sync.state import Known, State
    from arcrun_auth.sync.wire import Delta, Row


class Suspicion(Exception):
    """Something does not hold. It may be a moment of the server's: look again, then alarm."""

    def __init__(self, what: Tampering, name: str = "", device: str | None = None) -> None:
        super().__init__(what)
        self.what: Tampering = what
        self.name = name
        """The row; empty where it is about no single one."""
        self.device = device
        self.count = 1
        """How many rows are not as they should be."""


class Copied(Exception):
    """Somebody else writes as this device: this home is a copy, or a restored backup."""


@dataclass
class News:
    """What is new, and true. Nothing of it has been noted yet."""

    heads: list[tuple[Head, str]] = field(default_factory=list)
    """Each new head with the hash of its row."""
    logs: dict[str, tuple[bool, list[tuple[int, Entry]]]] = field(default_factory=dict)
    """By device: whether that is its whole log, and the entries with their numbers."""
    records: dict[str, tuple[Placed, Envelope | None]] = field(default_factory=dict)
    """By row: the entry that counts, and what is in the row; None where the row is gone."""


class Judge:
    """Judges one picture, `delta`, by what `state` remembers. Raises Suspicion and Copied."""

    def __init__(
        self, keys: VaultKeys, me: str, members: Membership, state: State, delta: Delta
    ) -> None:
        self._keys = keys
        self._me = me
        self._members = members
        self._state = state
        self._delta = delta
        self._known = state.heads()
        self._news = News()
        self._dropped: set[str] = set()
        """Rows that a log written anew names no more."""

    def news(self) -> News:
        if self._delta.cursor < self._state.cursor:
            raise Suspicion("rolled back")
        for dev, public in self._writers():
            self._head(dev, public)
        self._pinned()
        for head, _ in self._news.heads:
            self._log(head)
        self._seen()
        self._rows()
        return self._news

    # -- heads -------------------------------------------------------------------------------

    def _writers(self) -> Iterator[tuple[str, bytes]]:
        """Whose heads count: the devices, and those that were revoked, up to that."""
        yield from self._members.live.items()
        for dev, end in self._members.revoked.items():
            if end.last is not None and end.device.kind == "device":
                yield dev, end.device.sign

    def _head(self, dev: str, public: bytes) -> None:
        name = self._keys.head(dev)
        row, known = self._delta.get(name), self._known.get(dev)
        if row is None:
            return
        if row.sealed is None:
            if known is not None and dev in self._members.live:
                raise Suspicion("withheld", name, dev)
            return
        if known is not None and row.sealed.hash == known.hash:
            return
        end = self._members.revoked.get(dev)
        if end is not None and not _counts(row.sealed.hash, end, known):
            return  # what it writes afterwards is nobody's business
        head = self._opened_head(row, dev, public)
        self._check_head(head, known, name)
        self._news.heads.append((head, row.sealed.hash))

    def _opened_head(self, row: Row, dev: str, public: bytes) -> Head:
        assert row.sealed is not None
        try:
            plain = self._keys.open_meta(row.name, row.sealed)
            return heads.read(plain, vault=self._keys.vault, dev=dev, public=public)
        except ValueError:
            raise Suspicion(self._blame(row), row.name, dev) from None

    def _check_head(self, head: Head, known: Known | None, name: str) -> None:
        if known is not None:
            before = known.head
            if head.n < before.n:
                raise Suspicion("rolled back", name, head.dev)
            if head.n == before.n or head.gen < before.gen or head.seq < before.seq:
                raise Suspicion("forked", name, head.dev)
        if head.dev == self._me:  # and none of our own batches, or it would be known
            raise Copied
        if not self._members.holds(head.members):
            ahead = head.members[0] > self._members.tip[0]
            raise Suspicion("withheld" if ahead else "forked", self._keys.members, head.dev)

    def _shown(self) -> dict[str, tuple[Head, str]]:
        """The head of each device as it stands now, and its hash."""
        shown = {dev: (known.head, known.hash) for dev, known in self._known.items()}
        return shown | {head.dev: (head, digest) for head, digest in self._news.heads}

    def _pinned(self) -> None:
        """Nothing is older than what the device that let us in has told."""
        _, points = self._state.pins()
        shown = self._shown()
        for dev, (n, digest) in points.items():
            if dev not in self._members.live:
                continue
            name = self._keys.head(dev)
            if dev not in shown:
                raise Suspicion("withheld", name, dev)
            head, held = shown[dev]
            if head.n < n or (head.n == n and held != digest):
                raise Suspicion("rolled back" if head.n < n else "forked", name, dev)

    def _seen(self) -> None:
        """No device has seen more of another than the server shows of that."""
        shown = self._shown()
        for head, _ in shown.values():
            for dev, seq in head.seen.items():
                held = shown[dev][0].seq if dev in shown else 0
                if seq <= held or dev not in self._members.live:
                    continue
                if dev == self._me:
                    raise Copied
                raise Suspicion("withheld", self._keys.head(dev), dev)

    # -- logs --------------------------------------------------------------------------------

    def _log(self, head: Head) -> None:
        """The entries between the head that was known and this one; each link is checked."""
        known = self._known.get(head.dev)
        anew = known is None or known.head.gen != head.gen
        if known is None or anew:
            seq, tip = head.base, log.start(head.vault, head.dev, head.gen, head.base)
        else:
            seq, tip = known.head.seq, known.head.tip
        found: list[tuple[int, Entry]] = []
        while seq < head.seq:
            entries = self._segment(head, log.segment_at(seq + 1, head.base), after=seq)
            found += enumerate(entries, seq + 1)
            seq += len(entries)
        if log.chained(tip, (entry for _, entry in found)) != head.tip:
            raise Suspicion("forked", self._keys.head(head.dev), head.dev)
        if anew:
            names = {entry.name for _, entry in found}
            old = {placed.entry.name for placed in self._state.log_of(head.dev)}
            self._dropped |= old - names
        self._news.logs[head.dev] = (anew, found)

    def _segment(self, head: Head, number: int, *, after: int) -> list[Entry]:
        """What a segment holds behind the entry `after`, as far as the head goes."""
        name = self._keys.segment(head.dev, head.gen, number)
        row = self._delta.get(name)
        if row is None or row.sealed is None:
            raise Suspicion("withheld", name, head.dev)
        first = head.base + number * log.SEGMENT + 1
        try:
            plain = self._keys.open_meta(name, row.sealed)
            entries = log.load_segment(plain, head.vault, head.dev, head.gen, number)
        except ValueError:
            raise Suspicion(self._blame(row), name, head.dev) from None
        until = min(head.seq, first + log.SEGMENT - 1)
        if len(entries) < until - first + 1:
            raise Suspicion("rolled back", name, head.dev)
        return entries[after + 1 - first : until + 1 - first]

    # -- rows --------------------------------------------------------------------------------

    def _rows(self) -> None:
        new: dict[str, list[Placed]] = {}
        for dev, (_, entries) in self._news.logs.items():
            for seq, entry in entries:
                new.setdefault(entry.name, []).append(Placed(entry, dev, seq))
        found: list[Suspicion] = []
        for name in sorted({*new, *self._dropped, *self._delta}):
            try:
                self._row(name, new.get(name, ()))
            except Suspicion as suspicion:
                found.append(suspicion)
        if found:
            found[0].count = len(found)
            raise found[0]

    def _row(self, name: str, new: Iterable[Placed]) -> None:
        before = self._state.entries(name)
        placed = self._current(before, new)
        if placed is not None:
            self._check_row(name, placed, before)
        elif before:  # its entry is gone, and nobody else answers for it
            raise Suspicion("withheld", name)

    def _current(self, before: Iterable[Placed], new: Iterable[Placed]) -> Placed | None:
        """The entry that counts: the highest, of each log its last."""
        logs = self._news.logs
        kept = [placed for placed in before if not logs.get(placed.dev, (False,))[0]]
        last = {placed.dev: placed for placed in (*kept, *new)}
        return max(last.values(), key=lambda placed: placed.rank, default=None)

    def _check_row(self, name: str, placed: Placed, before: Iterable[Placed]) -> None:
        if any(old.rank > placed.rank for old in before):
            raise Suspicion("withheld", name, placed.dev)
        row = self._delta.get(name)
        sealed = row.sealed if row is not None else None
        if placed.entry.gone:
            if sealed is not None:
                raise Suspicion("rolled back", name, placed.dev)
            self._news.records[name] = (placed, None)
            return
        digest = self._state.row_hash(name) if row is None else sealed and sealed.hash
        if digest != placed.entry.hash:
            if row is None or sealed is None:
                raise Suspicion("withheld", name, placed.dev)
            raise Suspicion(self._blame(row, placed), name, placed.dev)
        if sealed is not None:
            assert row is not None
            self._news.records[name] = (placed, self._opened(row, placed))

    def _opened(self, row: Row, placed: Placed) -> Envelope:
        assert row.sealed is not None
        try:
            found = envelope.opened(self._keys, row.name, row.sealed, placed.entry.epoch)
        except ValueError:
            raise Suspicion("damaged", row.name, placed.dev) from None
        if (found.ver, found.dev) != placed.rank:
            raise Suspicion("swapped", row.name, placed.dev)
        return found

    def _blame(self, row: Row, placed: Placed | None = None) -> Tampering:
        """What may have been done to a row that is not as it should be. For people: no rule."""
        assert row.sealed is not None
        digest = row.sealed.hash
        if digest == self._state.row_hash(row.name):
            return "rolled back"
        if self._state.rows_with(digest) or any(
            other.sealed is not None and other.sealed.hash == digest
            for other in self._delta.values()
            if other.name != row.name
        ):
            return "swapped"
        if placed is None:
            return "damaged"
        try:
            found = envelope.opened(self._keys, row.name, row.sealed, placed.entry.epoch)
        except ValueError:
            return "damaged"
        return "rolled back" if found.ver < placed.entry.ver else "forked"


def _counts(digest: str, end: Statement, known: Known | None) -> bool:
    """Whether this is the last head of a device that was revoked, as whoever revoked it had seen
    it. Any other may be of today: the device still has what it signed its past with."""
    assert end.last is not None
    seq, last = end.last
    return digest == last and (known is None or known.head.seq < seq)
