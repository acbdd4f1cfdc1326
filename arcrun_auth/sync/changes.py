"""What this home has to write: what was changed or removed here, and what keeps order there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.protocol import envelope
from arcrun_auth.protocol.words import canonical
from arcrun_auth.sync import removed
from arcrun_auth.sync.joining import REMOVED
from arcrun_auth.sync.outbox import LARGEST, Change
from arcrun_auth.sync.wire import Conflict, Delta, everything_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.protocol.keys import VaultKeys
    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.sync.joining import Here
    from arcrun_auth.sync.state import Placed, State
    from arcrun_auth.sync.wire import Wire

_ENVELOPE = 512
"""How many bytes does a record's envelope add, its padding included?"""


class Changes:
    """The changes of one home, right after it has taken in what the others wrote."""

    def __init__(
        self,
        here: Here,
        state: State,
        wire: Wire,
        *,
        keys: VaultKeys,
        members: Membership,
        me: str,
    ) -> None:
        self._here = here
        self._state = state
        self._wire = wire
        self._keys = keys
        self._members = members
        self._me = me
        self._bases = state.bases()
        self._noted = removed.noted(here.store)
        self.current = state.current()

    @property
    def needed(self) -> list[Placed]:
        """The entries of our own log that count, in their order."""
        return [p for p in self._state.log_of(self._me) if self.current[p.entry.name] == p]

    def all(self) -> list[Change]:
        """Each row at most once. Conflict where a row is not what was judged."""
        found: dict[str, Change] = {}
        for change in (*self._edits(), *self._removals()):
            if size(change) <= LARGEST:
                found[change.name] = change
            elif change.key is not None:
                self._here.report.too_large.append(change.key)
        for change in (*self._reseals(), *self._orphans(), *self._purges()):
            found.setdefault(change.name, change)
        return list(found.values())

    def _edits(self) -> Iterator[Change]:
        """Records that are not what their row says."""
        for name, local in sorted(self._here.records.items()):
            base, placed = self._bases.get(name), self.current.get(name)
            if base is None or base.mac != local.mac:
                ver, prev = (placed.entry.ver, placed.entry.hash) if placed else (0, "")
                body = self._here.body(local.record)
                yield Change(name, ver + 1, local.mac, local.record.key, body, prev)

    def _removals(self) -> Iterator[Change]:
        """Records that somebody removed here."""
        for key in sorted(self._noted):
            name = self._keys.record(key)
            base, placed = self._bases.get(name), self.current.get(name)
            if name in self._here.records or base is None or placed is None:
                continue
            if base.mac != REMOVED:
                ver, prev = placed.entry.ver + 1, placed.entry.hash
                yield Change(name, ver, REMOVED, key, None, prev)

    def _reseals(self) -> Iterator[Change]:
        """Rows that a former member could read, or that only its log answers for."""
        stale = [
            (name, placed)
            for name, placed in self.current.items()
            if not placed.entry.gone
            and (placed.entry.epoch < self._members.epoch or placed.dev not in self._members.live)
        ]
        rows = everything_since(self._wire, 0) if stale else Delta()
        for name, placed in stale:
            row, base = rows.get(name), self._bases.get(name)
            sealed = row.sealed if row is not None else None
            if base is None or sealed is None or sealed.hash != placed.entry.hash:
                raise Conflict  # written meanwhile: look again
            env = envelope.opened(self._keys, name, sealed, placed.entry.epoch)
            yield Change(name, env.ver + 1, base.mac, env.key, env.body, placed.entry.hash)

    def _orphans(self) -> Iterator[Change]:
        """Rows that are gone, and of which only the log of a former member tells: whoever comes in
        without it would miss them, and it can be spoilt by whoever wrote it."""
        for name, placed in self.current.items():
            if placed.entry.gone and placed.dev not in self._members.live:
                yield Change(name, placed.entry.ver + 1, REMOVED)

    def _purges(self) -> Iterator[Change]:
        """Rows of removed records that every device has seen to be removed."""
        heads = self._state.heads()
        others = [dev for dev in self._members.live if dev != self._me]
        if any(dev not in heads for dev in others):
            return
        seen = min((heads[dev].head.seen.get(self._me, 0) for dev in others), default=None)
        for name, placed in self.current.items():
            base = self._bases.get(name)
            ours = placed.dev == self._me and not placed.entry.gone
            known = seen is None or seen >= placed.seq
            if ours and known and base is not None and base.mac == REMOVED:
                yield Change(name, placed.entry.ver + 1, REMOVED)


def drop_notes(here: Here, state: State, keys: VaultKeys) -> None:
    """Forgets of what was removed here what all have been told, and what is there again."""
    bases, done = state.bases(), []
    for key, generation in removed.noted(here.store).items():
        name = keys.record(key)
        local, base = here.records.get(name), bases.get(name)
        again = local is not None and local.record.generation != generation
        told = local is None and (base is None or base.mac == REMOVED)
        if again or told or key in here.report.pulled:
            done.append(key)
    removed.drop(here.store, done)


def size(change: Change) -> int:
    """About how many bytes the row has."""
    return len(canonical(change.body)) + _ENVELOPE
