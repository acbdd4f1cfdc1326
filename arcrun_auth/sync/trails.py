"""The audit trails of the other devices of a vault, fetched and checked when somebody looks.

Rows are read from the end that the device has signed, back to where they are asked for. They are
not kept here: what is kept is what its heads have said before, so that no device, nor a server,
can show another past than the one that was seen.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from arcrun_auth.audit import Tail, fields_of
from arcrun_auth.audit.reading import Checked, Finding, Walk, entry_of
from arcrun_auth.errors import AuthError
from arcrun_auth.protocol import head as heads
from arcrun_auth.protocol import trail as rows
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.account import required
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.identity import stored
from arcrun_auth.sync.logins import primary
from arcrun_auth.sync.state import FILE, State

if TYPE_CHECKING:
    from arcrun_auth.audit.reading import Entry, What
    from arcrun_auth.protocol.head import Head
    from arcrun_auth.protocol.keys import VaultKeys
    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.protocol.trail import Piece, Span
    from arcrun_auth.sync.session import Home
    from arcrun_auth.sync.state import Passed
    from arcrun_auth.sync.wire import Wire

LOOKS = 2
"""How often do we look where something does not fit? A device may be writing meanwhile."""
MOST = rows.KEPT // rows.SEGMENT + 2
"""How many rows may a trail lie in? A head that names more of them is no honest one."""


@dataclass
class Others:
    """What the other devices of this vault have done."""

    entries: list[Entry] = field(default_factory=list)
    """In no order; `device` is an id."""
    checked: dict[str, Checked] = field(default_factory=dict)
    """By device: what became of the check of what was read."""
    me: str = ""
    """The id of this device; empty where it belongs to no vault."""
    names: dict[str, str] = field(default_factory=dict)
    """How devices are called, this one and former ones included."""
    unread: str = ""
    """Why they could not be fetched; empty where they were."""

    @property
    def findings(self) -> list[Finding]:
        return [finding for each in self.checked.values() for finding in each.findings]


def others(home: Home, *, since: float | None = None) -> Others:
    """The trails of the other devices, from the moment `since` on; all that lies in rows without.

    Nothing where this home belongs to no synced vault. Where they cannot be fetched, `unread` says
    why, and what was read until then is there. Raises nothing of its own.
    """
    found = Others()
    try:
        _read(home, since, found)
    except AuthError as error:
        found.unread = str(error)
    return found


def _read(home: Home, since: float | None, found: Others) -> None:
    store = primary(home.store)
    ring, me = rings.stored(store), stored(store)
    if ring is None or me is None:
        return
    with closing(State(os.path.join(home.settings.home, FILE))) as state:
        members = state.members(ring.keys.vault)
        if members is None:
            return
        found.me = me.id
        called = (statement.device for statement in members.statements)
        found.names = {device.id: device.name for device in called}
        with required(store, home.settings).cloud() as cloud:
            reader = Reader(CloudWire(cloud), state, ring.keys, members, since)
            for dev in sorted({*state.heads()} - {me.id}):
                reader.read(dev, found)


class Reader:
    """Reads trails from `wire`, down to the moment `since`. Raises what `Wire` raises."""

    def __init__(
        self, wire: Wire, state: State, keys: VaultKeys, members: Membership, since: float | None
    ) -> None:
        self._wire = wire
        self._state = state
        self._keys = keys
        self._members = members
        self._since = since

    def read(self, dev: str, found: Others) -> None:
        """Adds the trail of a device to what was found."""
        for _ in range(LOOKS):
            look = _Look(self._wire, self._state, self._keys, self._since)
            head = look.head(dev, self._members.live.get(dev))
            if head.audit is None or head.trail is None:
                if look.findings:
                    found.checked[dev] = Checked(0, "", tuple(look.findings), {})
                return
            checked = look.trail(head, head.trail, head.audit)
            if not checked.findings:
                break
        marked = tuple(replace(finding, device=dev) for finding in checked.findings)
        found.checked[dev] = replace(checked, findings=marked)
        found.entries += look.entries
        if self._since is None and not marked:
            with self._state.transaction():
                self._state.settle_points(head)


class _Look:
    """One look at one trail."""

    def __init__(self, wire: Wire, state: State, keys: VaultKeys, since: float | None) -> None:
        self._wire = wire
        self._state = state
        self._keys = keys
        self._since = since
        self.entries: list[Entry] = []
        self.findings: list[Finding] = []

    def head(self, dev: str, public: bytes | None) -> Head:
        """The newest head of a device: as the server shows it, if `public` has signed that."""
        known = self._state.heads()[dev].head
        if public is None:  # it was revoked: the last head that counts is known
            return known
        row = self._wire.row(self._keys.head(dev))
        if row is None or row.sealed is None:
            self._find("missing", 0, "Its head is not shown by the server.")
            return known
        try:
            plain = self._keys.open_meta(row.name, row.sealed)
            shown = heads.read(plain, vault=self._keys.vault, dev=dev, public=public)
        except ValueError:
            self._find("changed", 0, "Its head is not the one that it has signed.")
            return known
        if shown.n < known.n:
            self._find("rolled back", 0, "The server shows an older head of it than before.")
            return known
        return shown

    def trail(self, head: Head, span: Span, end: tuple[int, str]) -> Checked:
        """What lies in rows, down to the moment asked for, against what was signed and seen."""
        first, last = rows.place(span.first), rows.place(end[0])
        if last - first >= MOST:
            self._find("inserted", span.first, "It says that more lies in rows than may.")
            return self._checked(Walk(None))
        low, pieces = first, dict[int, "Piece"]()
        for i in range(last, first - 1, -1):
            low, piece = i, self._piece(head, i)
            if piece is not None:
                pieces[i] = piece
            if self._since is not None and (piece is None or self._is_before(piece)):
                break
        points = self._state.points(head.dev)
        start = max(span.first, rows.begin(low))
        before = span.before if low == first else pieces[low].before if low in pieces else ""
        walk = Walk(bytes.fromhex(before) or None, last=start - 1, at=[point.n for point in points])
        for n, text in (each for i in sorted(pieces) for each in pieces[i].entries):
            if start <= n <= end[0]:  # the row may be newer than the head
                walk.step(n, text.encode())
                self._keep(n, text, head.dev)
        walk.end(Tail(end[0], bytes.fromhex(end[1])))
        self._against(points, start, span, end, walk)
        return self._checked(walk)

    def _piece(self, head: Head, i: int) -> Piece | None:
        name = self._keys.trail(head.dev, i)
        row = self._wire.row(name)
        if row is None or row.sealed is None:
            return None
        try:
            plain = self._keys.open_meta(name, row.sealed)
            return rows.load(plain, self._keys.vault, head.dev, i)
        except ValueError:
            self._find("changed", rows.begin(i), "A row of it is not what was written there.")
            return None

    def _is_before(self, piece: Piece) -> bool:
        assert self._since is not None
        entry = _entry(*piece.entries[0], "")
        return entry is not None and entry.time < self._since

    def _keep(self, n: int, text: str, dev: str) -> None:
        entry = _entry(n, text, dev)
        if entry is not None and (self._since is None or entry.time >= self._since):
            self.entries.append(entry)

    def _against(
        self, points: list[Passed], start: int, span: Span, end: tuple[int, str], walk: Walk
    ) -> None:
        """Whether it goes on from what its heads have said before."""
        same = [point for point in points if point.trail == span.trail]
        for gone in {point.trail: point for point in points if point not in same}.values():
            text = f"It was begun anew: what was there before, to entry {gone.n}, is gone."
            self._find("cut off", gone.n, text)
        if same and same[-1].n > end[0]:
            text = f"It ends at {end[0]}, and went to {same[-1].n} before."
            self._find("rolled back", end[0], text)
        for point in same:
            read = start <= point.n <= end[0] and not walk.findings
            if read and walk.hashes.get(point.n) != point.hash:
                text = f"It does not lead to entry {point.n} as it was told before."
                self._find("rolled back", point.n, text)
                break

    def _checked(self, walk: Walk) -> Checked:
        found = walk.checked()
        return replace(found, findings=(*self.findings, *found.findings))

    def _find(self, what: What, n: int, text: str) -> None:
        self.findings.append(Finding(what, n, text))


def _entry(n: int, text: str, dev: str) -> Entry | None:
    try:
        return entry_of(n, fields_of(text.encode()), dev)
    except (ValueError, TypeError):
        return None
