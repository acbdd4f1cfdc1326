"""One sync: look at what the server shows, judge it, join it with what is here, send the rest.

Every step may be the last: a record is put into the store first and noted afterwards, a batch is
noted first and sent afterwards, and whatever was done twice is seen to be the same.
"""

from __future__ import annotations

import random
import time
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from arcrun_auth.errors import AuthError, ProviderUnavailable
from arcrun_auth.protocol import envelope, handover, log
from arcrun_auth.sync import removed, telling
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.changes import Changes, drop_notes, size
from arcrun_auth.sync.joining import Here, missing
from arcrun_auth.sync.judge import Copied, Judge, Suspicion
from arcrun_auth.sync.outbox import Outbox, batches, land
from arcrun_auth.sync.roster import read
from arcrun_auth.sync.state import MEMORY, State
from arcrun_auth.sync.verdict import alarm, code
from arcrun_auth.sync.wire import Conflict, everything_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.recording import Recorder
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.identity import Identity
    from arcrun_auth.sync.joining import Report
    from arcrun_auth.sync.judge import News
    from arcrun_auth.sync.state import Base
    from arcrun_auth.sync.wire import Delta, Wire
    from arcrun_auth.tokens import Credential

T = TypeVar("T")

LOOKS = (0.2, 1.0, 3.0)
"""How many seconds until we look again at what does not hold together? Then it is an alarm."""
TRIES = 20
"""How often do others get in between before we give up for now?"""
JITTER = 0.05
"""And how many seconds at most do we wait after the first time? Longer each time."""
DAY = 86400.0
NOTED = 200
"""How many records are joined before that is noted?"""


class Engine:
    """Syncs one home with one vault. Raises what `Wire` and the store raise, SyncAlarm, Copied."""

    def __init__(
        self,
        store: Store,
        state: State,
        wire: Wire,
        identity: Identity,
        *,
        login: Callable[[Credential], Login],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        audit: Recorder | None = None,
    ) -> None:
        """`login` says what becomes of a record's grant; `audit` has the trail."""
        ring = rings.stored(store)
        if ring is None:
            raise AuthError("This home belongs to no synced vault.", hint="arcrun sync")
        self.keys = ring.keys
        self._mark = ring.mark
        self._store = store
        self.state = state
        self._wire = wire
        self._identity = identity
        self._login = login
        self._clock = clock
        self._sleep = sleep
        self._audit = audit

    # -- the whole of it ---------------------------------------------------------------------

    def sync(self) -> Report:
        """Once: afterwards this home and the server hold the same. What was done."""
        self._check_place()
        here = Here(self._store, self.keys, self._identity.id, self._login)
        for attempt in range(TRIES):
            members = self.pull(here)
            try:
                self._push(here, members)
            except Conflict:  # somebody was faster: look at what they wrote
                self._sleep(random.uniform(0, JITTER * (attempt + 1)))  # noqa: S311 - a pause
                continue
            self.state_synced()
            return here.report
        raise ProviderUnavailable("Other devices write all the time.", hint="arcrun sync")

    def _check_place(self) -> None:
        """Whether store and memory are of one time."""
        vault, sent = self.state.get("vault"), self.state.get("sent", 0)
        if vault is not None and vault != self.keys.vault:
            self.state.forget()
        elif self._mark < sent:
            raise Copied
        with self.state.transaction():
            self.state.set(vault=self.keys.vault)

    def state_synced(self) -> None:
        with self.state.transaction():
            self.state.set(synced=self._clock())

    def verify(self) -> str:
        """Reads all of it again, and checks it against all that was known. A code to compare.

        Two devices that have synced show the same one. Raises SyncAlarm.
        """
        scratch = State(MEMORY)
        try:
            delta = everything_since(self._wire, 0)
            self._land(delta)
            members = self._members(delta)
            known = self.state.heads().items()
            scratch.pin(members.tip, {dev: (each.head.n, each.hash) for dev, each in known})
            news = Judge(self.keys, "", members, scratch, delta).news()
        except Suspicion as suspicion:
            raise alarm(suspicion, self.state.members(self.keys.vault)) from None
        finally:
            scratch.close()
        shown = {head.dev: digest for head, digest in news.heads}
        return code(members.tip, shown)

    # -- pull --------------------------------------------------------------------------------

    def pull(self, here: Here) -> Membership:
        """Takes in what others wrote. Who the members are."""
        delta, members, news = self._looked()
        self._join(here, news)
        self._note(delta, members, news)
        self._restore(here)
        return members

    def _looked(self) -> tuple[Delta, Membership, News]:
        """What the server shows, once it holds together. SyncAlarm if it does not after all."""
        for pause in (*LOOKS, None):
            # The last time at all of it: a gap in what is told since a cursor is no tampering.
            delta = everything_since(self._wire, self.state.cursor if pause is not None else 0)
            try:
                self._land(delta)
                members = self._members(delta)
                self._take_epoch(members, delta)
                return delta, members, self._judged(members, self.state, delta)
            except Suspicion as suspicion:
                if pause is None:
                    raise alarm(suspicion, self.state.members(self.keys.vault)) from None
                self._sleep(pause)
        raise AssertionError  # the last look returns or raises

    def _judged(self, members: Membership, state: State, delta: Delta) -> News:
        if self._identity.id not in members.live:
            raise AuthError("This device was removed from the vault.", hint="arcrun devices join")
        return Judge(self.keys, self._identity.id, members, state, delta).news()

    def _land(self, delta: Delta) -> None:
        """A batch that was sent, and never answered: has it arrived?"""
        row = delta.get(self.keys.head(self._identity.id))
        digest = row.sealed.hash if row is not None and row.sealed is not None else None
        effects = self.state.pendings().get(digest) if digest is not None else None
        if effects is not None:
            assert digest is not None
            with self.state.transaction():
                land(self.state, digest, effects)

    def _members(self, delta: Delta) -> Membership:
        row = delta.get(self.keys.members)
        known = self.state.members(self.keys.vault)
        return known if row is None and known is not None else read(self.keys, self.state, row)

    def _take_epoch(self, members: Membership, delta: Delta) -> None:
        """Gets the content key of a new epoch, which was wrapped for this device."""
        if self.keys.epoch > members.epoch:  # a key before its time is one that somebody chose
            raise Suspicion("rolled back", self.keys.members)
        if members.epoch == self.keys.epoch or self._identity.id not in members.live:
            return
        name = self.keys.wrap(self._identity.id)
        row = delta.get(name) or self._wire.row(name)
        if row is None or row.sealed is None:
            raise Suspicion("withheld", name)
        try:
            wrapped = self.keys.open_meta(name, row.sealed)
            epoch, plain = self._identity.unwrap(
                wrapped, vault=self.keys.vault, signers=members.live
            )
            given = handover.load(plain).keys
        except ValueError:
            raise Suspicion("damaged", name) from None
        # No key of a later epoch: whoever has one asks for none, and would write by it then.
        if (given.vault, given.root, given.epoch) != (self.keys.vault, self.keys.root, epoch):
            raise Suspicion("swapped", name)
        if epoch != members.epoch:
            raise Suspicion("rolled back", name)
        for number, content in given.contents.items():
            if number not in self.keys.contents:
                self.keys = rings.with_epoch(self._store, number, content).keys

    def _join(self, here: Here, news: News) -> None:
        bases = self.state.bases()
        told = {
            name: (placed, env)
            for name, (placed, env) in news.records.items()
            if name not in bases
            or (bases[name].ver, bases[name].hash) != (placed.entry.ver, placed.entry.hash)
        }
        # What is new comes first: among it may be the copy that a conflict would make again.
        new = {
            name: env
            for name, (_, env) in told.items()
            if name not in here.records and env is not None and env.body is not None
        }
        for some in batched(new.items(), NOTED):
            macs = here.take_all(dict(some))
            self._agree({name: told.pop(name)[0].agreed(mac) for name, mac in macs.items()})
        for part in batched(told.items(), NOTED):
            self._agree({
                name: here.join(name, placed, env, bases.get(name)) for name, (placed, env) in part
            })  # fmt: skip

    def _agree(self, agreed: Mapping[str, Base]) -> None:
        with self.state.transaction():
            self.state.note_bases(agreed)

    def _note(self, delta: Delta, members: Membership, news: News) -> None:
        with self.state.transaction():
            for name, row in delta.items():
                digest = row.sealed.hash if row.sealed is not None else None
                self.state.note_row(name, row.version, digest)
            for dev, (anew, entries) in news.logs.items():
                self.state.note_entries(dev, entries, anew=anew)
            for head, digest in news.heads:
                self.state.note_head(head, digest)
                self.state.note_point(head)
            self.state.set(members=members.dump().decode(), cursor=delta.cursor)

    def _restore(self, here: Here) -> None:
        """Gets back what is missing here though nobody removed it."""
        bases = self.state.bases()
        gone = {self.keys.record(key) for key in removed.noted(self._store)}
        names = missing(bases, here, gone)
        for name in names:
            placed = self.state.placed(name)
            row = self._wire.row(name)
            if placed is None or row is None or row.sealed is None:
                continue
            if row.sealed.hash != placed.entry.hash:  # newer than what we have judged: next time
                continue
            env = envelope.opened(self.keys, name, row.sealed, placed.entry.epoch)
            if env.body is not None and here.restore(name, env):
                self._agree({name: placed.agreed(here.records[name].mac)})

    # -- push --------------------------------------------------------------------------------

    def _push(self, here: Here, members: Membership) -> None:
        me = self._identity.id
        outbox = Outbox(
            self._store, self.state, self._wire, self.keys, self._identity,
            members=members.tip, clock=self._clock,
        )  # fmt: skip
        told = outbox.told = telling.told(
            outbox.head(), self._audit, self._wire, self.keys, members.joined(me)
        )
        changes = Changes(here, self.state, self._wire, keys=self.keys, members=members, me=me)
        head, needed = outbox.head(), changes.needed
        if log.too_long(head.seq - head.base, len(needed)):
            outbox.rewrite([placed.entry for placed in needed])
        for batch in batches(changes.all(), size):
            outbox.send(batch)
            here.report.pushed += [change.key for change in batch if change.key is not None]
        head = outbox.head()
        if not head.n or self._clock() - head.time > DAY or head.audit != told.audit:
            outbox.send([])  # so that the others see how far we have seen, and what was done here
        outbox.sweep()
        drop_notes(here, self.state, self.keys)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of so many."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
