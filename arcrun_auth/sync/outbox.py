"""Batches: the rows of some changes, the segment they are noted in, and the head that signs them.

A batch is written down before it is sent, with all that will be true once it has arrived. So an
answer that never came is no riddle: either the server shows that head later, or it does not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol import head as heads
from arcrun_auth.protocol import log
from arcrun_auth.protocol.envelope import Envelope
from arcrun_auth.protocol.head import Head
from arcrun_auth.protocol.log import Entry
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.state import Base
from arcrun_auth.sync.telling import Told
from arcrun_auth.sync.wire import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from arcrun_auth.protocol.envelope import Body
    from arcrun_auth.protocol.keys import Sealed, VaultKeys
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.identity import Identity
    from arcrun_auth.sync.state import State
    from arcrun_auth.sync.wire import Wire, Written
    from arcrun_auth.tokens import Key

ROWS = 500
"""How many rows does the server take in one batch?"""
CHANGES = 400
"""How many changes do we put into one? Their segments and the head need room, too."""
BYTES = 2_500_000
"""And of how many bytes, before base64? The server takes 4 MiB of JSON."""
TRAIL_ROWS = 16
"""How many rows of the trail go into one batch?"""
LARGEST = 380_000
"""How large may a record be? The server takes 512 KiB of base64."""


@dataclass(frozen=True)
class Change:
    """A version of a record that is to be written. Without a key: a row that is to go."""

    name: str
    ver: int
    mac: str
    key: Key | None = None
    body: Body | None = None
    prev: str = ""


class Outbox:
    """Writes for one device. `members` is what its heads say of the members."""

    def __init__(
        self,
        store: Store,
        state: State,
        wire: Wire,
        keys: VaultKeys,
        identity: Identity,
        *,
        members: tuple[int, str],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._state = state
        self._wire = wire
        self._keys = keys
        self._identity = identity
        self._me = identity.id
        self._members = members
        self._clock = clock
        known = self.head()
        self.told = Told(known.audit, known.trail)
        """What the next head says of the audit trail."""

    def head(self) -> Head:
        """Our own last one; before the first, one that was never sent."""
        known = self._state.heads().get(self._me)
        if known is not None:
            return known.head
        vault, me = self._keys.vault, self._me
        return Head(vault, me, 0, 0, 0, 0, log.start(vault, me, 0, 0))

    def send(self, changes: Sequence[Change]) -> None:
        """One batch: the changes (there may be none), and a head. Raises Conflict."""
        writes, entries = [], []
        for change in changes:
            sealed = self._sealed(change)
            digest = "" if sealed is None else sealed.hash
            entry = Entry(change.name, change.ver, digest, self._keys.epoch, gone=sealed is None)
            entries.append(entry)
            writes.append(Write(change.name, sealed, self._state.version(change.name)))
        bases = {
            change.name: Base(change.ver, entry.hash, change.mac)
            for change, entry in zip(changes, entries, strict=True)
        }
        before = self.head()
        kept = [entry for _, entry in self._state.tail()]
        first = before.seq - len(kept) + 1
        segments = dict(self._segments(before, first, [*kept, *entries]))
        tip = log.chained(before.tip, entries)
        numbered = list(enumerate(entries, before.seq + 1))
        after = self._next(before, seq=before.seq + len(entries), tip=tip)
        self._push(after, writes, segments if entries else {}, numbered, bases)

    def rewrite(self, needed: Sequence[Entry]) -> None:
        """A log of only the entries that are still needed, in place of the one that there is."""
        before = self.head()
        fresh = self._next(
            before, gen=before.gen + 1, base=before.seq, seq=before.seq + len(needed),
            tip=log.chained(
                log.start(before.vault, before.dev, before.gen + 1, before.seq), needed
            ),
        )  # fmt: skip
        segments = list(self._segments(fresh, fresh.base + 1, needed))
        room = ROWS - 1
        # Nobody reads a segment that no head names: these may arrive before it does.
        while len(segments) > room:
            self._ahead(dict(segments[:room]))
            segments = segments[room:]
        old = range(log.segment_at(before.seq, before.base) + 1) if before.seq > before.base else ()
        garbage = [self._keys.segment(self._me, before.gen, number) for number in old]
        numbered = list(enumerate(needed, fresh.base + 1))
        self._push(fresh, [], dict(segments), numbered, {}, garbage=garbage, anew=True)

    def sweep(self) -> None:
        """Deletes the rows that no head names any more."""
        while names := self._state.garbage()[:ROWS]:
            written = self._wire.write([Write(name, None) for name in names])
            with self._state.transaction():
                for name in names:
                    self._state.note_row(name, 0, None)
                self._state.drop_garbage(names)
                self._advance(written, names)

    # -- parts of a batch --------------------------------------------------------------------

    def _sealed(self, change: Change) -> Sealed | None:
        if change.key is None:
            return None
        env = Envelope(change.key, change.ver, self._me, change.body, change.prev)
        return env.sealed(self._keys, self._keys.epoch)

    def _segments(
        self, head: Head, first: int, entries: Sequence[Entry]
    ) -> Iterator[tuple[str, Sealed]]:
        """The rows for entries of which the first has the number `first`, at a segment's start."""
        for start in range(0, len(entries), log.SEGMENT):
            number = log.segment_at(first + start, head.base)
            part = entries[start : start + log.SEGMENT]
            name = self._keys.segment(self._me, head.gen, number)
            plain = log.dump_segment(head.vault, self._me, head.gen, number, part)
            yield name, self._keys.seal_meta(name, plain)

    def _next(self, before: Head, **changes: Any) -> Head:
        others = self._state.heads().items()
        fields = {name: getattr(before, name) for name in ("vault", "dev", "gen", "base")}
        fields |= changes
        return Head(
            n=before.n + 1, members=self._members, time=int(self._clock()), audit=self.told.audit,
            trail=self.told.trail,
            seen={dev: known.head.seq for dev, known in others if dev != self._me},
            **fields,
        )  # fmt: skip

    # -- sending -----------------------------------------------------------------------------

    def _push(
        self,
        head: Head,
        writes: list[Write],
        segments: Mapping[str, Sealed],
        entries: Sequence[tuple[int, Entry]],
        bases: Mapping[str, Base],
        *,
        garbage: Iterable[str] = (),
        anew: bool = False,
    ) -> None:
        name = self._keys.head(self._me)
        sealed = self._keys.seal_meta(name, head.signed(self._identity.sign))
        writes += self._trail_ahead()
        for each, content in (*segments.items(), (name, sealed)):
            writes.append(Write(each, content, self._state.version(each)))
        effects = {
            "head": asdict(head),
            "entries": [[seq, entry.plain] for seq, entry in entries],
            "anew": anew,
            "bases": {each: [b.ver, b.hash, b.mac] for each, b in bases.items()},
            "garbage": [*garbage, *self.told.garbage],
        }
        rings.marked(self._store, head.n)
        with self._state.transaction():
            self._state.note_pending(sealed.hash, effects)
        written = self._wire.write(writes)
        with self._state.transaction():
            land(self._state, sealed.hash, effects)
            self._note(writes, written)
        self.told = replace(self.told, rows={}, garbage=[])

    def _trail_ahead(self) -> list[Write]:
        """Sends what is to be told of the trail; gives the last row, which goes with the head.

        Whatever is there now: a row of it that the server has lost stops no sync.
        """
        writes = [Write(name, sealed) for name, sealed in self.told.rows.items()]
        with self._state.transaction():
            self._state.drop_garbage(self.told.rows)  # that of a trail that was there before
        while len(writes) > 1:
            some = min(TRAIL_ROWS, len(writes) - 1)
            self._send_ahead(writes[:some])
            writes = writes[some:]
        return writes

    def _ahead(self, segments: Mapping[str, Sealed]) -> None:
        self._send_ahead([Write(n, each, self._state.version(n)) for n, each in segments.items()])

    def _send_ahead(self, writes: Sequence[Write]) -> None:
        written = self._wire.write(writes)
        with self._state.transaction():
            self._note(writes, written)

    def _note(self, writes: Sequence[Write], written: Written) -> None:
        for write in writes:
            digest = write.sealed.hash if write.sealed is not None else None
            self._state.note_row(write.name, written.versions.get(write.name, 0), digest)
        self._advance(written, [write.name for write in writes])

    def _advance(self, written: Written, names: Sequence[str]) -> None:
        """Our own rows need not come back to us, if nobody has written in between."""
        numbers = {written.versions.get(name) for name in names}
        first = self._state.cursor + 1
        if numbers == set(range(first, first + len(names))) and written.cursor == max(
            first, first + len(names) - 1
        ):
            self._state.set(cursor=written.cursor)


def land(state: State, digest: str, effects: Mapping[str, Any]) -> None:
    """Notes what is true now that a batch has arrived. Within the caller's transaction."""
    head = heads.load(effects["head"])
    entries = [(seq, Entry.of(plain)) for seq, plain in effects["entries"]]
    state.note_entries(head.dev, entries, anew=effects["anew"])
    whole = entries if effects["anew"] else [*state.tail(), *entries]
    full = (head.seq - head.base) // log.SEGMENT * log.SEGMENT + head.base
    state.note_tail([(seq, entry) for seq, entry in whole if seq > full])
    state.note_head(head, digest)
    state.note_bases({name: Base(*values) for name, values in effects["bases"].items()})
    state.note_garbage(effects["garbage"])
    state.drop_pendings()
    if head.n > state.get("sent", 0):
        state.set(sent=head.n)


def batches(changes: Sequence[Change], size: Callable[[Change], int]) -> Iterator[list[Change]]:
    """The changes in batches that the server takes."""
    batch: list[Change] = []
    weight = 0
    for change in changes:
        more = size(change)
        if batch and (len(batch) == CHANGES or weight + more > BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(change)
        weight += more
    if batch:
        yield batch
