"""What the other devices are told of our own audit trail: rows of entries, and the head's word.

Rows are written with the head that names them, or before it: who reads more than a head names
leaves the rest out. What cannot be told is told another time; a trail stops no sync.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcrun_auth.audit.reading import Walk, begun, texts
from arcrun_auth.errors import AuthError
from arcrun_auth.protocol import trail as rows
from arcrun_auth.protocol.trail import Piece, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.audit import Trail
    from arcrun_auth.protocol.head import Head
    from arcrun_auth.protocol.keys import Sealed, VaultKeys
    from arcrun_auth.recording import Recorder
    from arcrun_auth.sync.wire import Wire

    End = tuple[int, str]
    Texts = list[tuple[int, str]]

UNKNOWN = "0" * 64
"""The hash where the chain is broken before: what follows fits nothing, and is found by all."""


@dataclass(frozen=True)
class Told:
    """What the next head says of the trail, and the rows that have to be there by then."""

    audit: End | None = None
    trail: Span | None = None
    rows: dict[str, Sealed] = field(default_factory=dict)
    garbage: list[str] = field(default_factory=list)
    """Rows that it names no more."""


def told(
    before: Head, recorder: Recorder | None, wire: Wire, keys: VaultKeys, since: float
) -> Told:
    """What is to be told after `before`, our last head; of a new trail what is not older than
    `since`. Never raises: where the trail cannot be read, the head says what it said before."""
    held = Told(before.audit, before.trail)
    try:
        end = recorder.head() if recorder is not None else None
        trail = recorder.trail() if recorder is not None else None
        if end is None or trail is None or end == before.audit:
            return held
        return _Teller(trail, end, before, wire, keys).told(since)
    except (AuthError, OSError, sqlite3.Error, ValueError) as error:
        import logging

        logging.getLogger("arcrun_auth").info("the trail was not told: %s", str(error))
        return held


def names(head: Head, keys: VaultKeys) -> list[str]:
    """The rows of the trail that a head names."""
    if head.audit is None or head.trail is None:
        return []
    span = range(rows.place(head.trail.first), rows.place(head.audit[0]) + 1)
    return [keys.trail(head.dev, i) for i in span]


class _Teller:
    def __init__(self, trail: Trail, end: End, before: Head, wire: Wire, keys: VaultKeys) -> None:
        self._trail = trail
        self._end = end
        self._before = before
        self._wire = wire
        self._keys = keys

    def told(self, since: float) -> Told:
        span, last = self._before.trail, self._before.audit
        # A trail that is shorter than what was told of it was put back: it is told as it is, and
        # the others see that it does not lead to what they saw.
        if (
            span is None
            or last is None
            or span.trail != self._trail.key.id
            or last[0] >= self._end[0]
        ):
            return self._anew(since)
        start = max(span.first, rows.begin(rows.place(last[0] + 1)))
        if start > last[0]:
            return self._on(span, last[1], start, self._texts(start, self._end[0]))
        entries = self._as_told(span, last, start) + self._texts(last[0] + 1, self._end[0])
        return self._on(span, span.row, start, entries)

    def _anew(self, since: float) -> Told:
        first, chain = begun(self._trail, since, rows.KEPT)
        before = UNKNOWN if chain is None else chain.hex()
        span = Span(self._trail.key.id, first, before, before)
        found = self._on(span, before, first, self._texts(first, self._end[0]))
        old = [name for name in names(self._before, self._keys) if name not in found.rows]
        return Told(found.audit, found.trail, found.rows, old)

    def _texts(self, first: int, last: int) -> Texts:
        return [(n, plain.decode()) for n, plain in texts(self._trail, first, last)]

    def _as_told(self, span: Span, last: End, start: int) -> Texts:
        """The entries of the last row that have been told: from here, or as the row has them."""
        entries = self._texts(start, last[0])
        if _chained(span.row, entries) == last[1]:
            return entries
        # The file was tampered with since: what was told stays told.
        i = rows.place(start)
        name = self._keys.trail(self._before.dev, i)
        row = self._wire.row(name)
        if row is None or row.sealed is None:
            return entries
        plain = self._keys.open_meta(name, row.sealed)
        piece = rows.load(plain, self._keys.vault, self._before.dev, i)
        return [(n, text) for n, text in piece.entries if n <= last[0]]

    def _on(self, span: Span, chain: str, start: int, entries: Texts) -> Told:
        """The rows for `entries`, which begin at `start`, and a span that is not too long."""
        written, dev = {}, self._before.dev
        row = chain
        for i in range(rows.place(start), rows.place(self._end[0]) + 1):
            part = [each for each in entries if rows.place(each[0]) == i]
            row = chain
            if part:
                name = self._keys.trail(dev, i)
                plain = rows.dump(self._keys.vault, dev, i, Piece(row, part))
                written[name] = self._keys.seal_meta(name, plain)
                chain = _chained(chain, part)
        first, before, garbage = span.first, span.before, []
        while self._end[0] - first + 1 > rows.KEPT:
            i = rows.place(first)
            following = rows.begin(i + 1)
            before = _chained(before, self._texts(first, following - 1))
            first = following
            garbage.append(self._keys.trail(dev, i))
        return Told(self._end, Span(span.trail, first, before, row), written, garbage)


def _chained(chain: str, entries: Iterable[tuple[int, str]]) -> str:
    """The hash of a chain after some entries."""
    entries = list(entries)
    walk = Walk(bytes.fromhex(chain), last=entries[0][0] - 1 if entries else 0)
    for n, text in entries:
        walk.step(n, text.encode())
    return UNKNOWN if walk.chain is None else walk.chain.hex()
