"""One sync: look at what the server shows, judge it, join it with what is here, send the rest.

Every step may be the last: a record is put into the store first and noted afterwards, a batch is
noted first and sent afterwards, and whatever was done twice is seen to be the same.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, ProviderUnavailable, SyncAlarm
from arcrun_auth.protocol import envelope, handover, log, membership
from arcrun_auth.protocol.membership import BadMembership
from arcrun_auth.seal import encode
from arcrun_auth.sync import removed
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.joining import REMOVED, Here, missing
from arcrun_auth.sync.judge import Copied, Judge, Suspicion
from arcrun_auth.sync.outbox import LARGEST, Change, Outbox, batches, land
from arcrun_auth.sync.state import MEMORY, Base, State
from arcrun_auth.sync.wire import Conflict, Delta, everything_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.identity import Identity
    from arcrun_auth.sync.joining import Report
    from arcrun_auth.sync.judge import News
    from arcrun_auth.sync.state import Placed
    from arcrun_auth.sync.wire import Wire
    from arcrun_auth.tokens import Credential

LOOKS = (0.2, 1.0, 3.0)
"""How many seconds until we look again at what does not hold together? Then it is an alarm."""
TRIES = 20
"""How often do others get in between before we give up for now?"""
JITTER = 0.05
"""And how many seconds at most do we wait after the first time? Longer each time."""
DAY = 86400.0
SILENCE = 14 * DAY
"""After which time without a word of any other device may a server be showing an old state?"""
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
        audit: Callable[[], tuple[int, str] | None] = lambda: None,
    ) -> None:
        """`login` says what becomes of a record's grant; `audit` gives the head of the trail."""
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
            if here.report.pulled or here.report.removed:
                self._forget_notes(here)
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
            raise alarm(suspicion, members_of(self.state, self.keys.vault)) from None
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
                    raise alarm(suspicion, members_of(self.state, self.keys.vault)) from None
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
        known = members_of(self.state, self.keys.vault)
        row = delta.get(self.keys.members)
        if row is None or row.sealed is None:
            if known is None or row is not None:
                raise Suspicion("withheld", self.keys.members)
            return known
        try:
            plain = self.keys.open_meta(self.keys.members, row.sealed)
        except ValueError:
            raise Suspicion("damaged", self.keys.members) from None
        try:
            found = membership.load(plain, self.keys.vault)
        except BadMembership:
            raise Suspicion("unknown device", self.keys.members) from None
        told = known.tip if known is not None else self.state.pins()[0]
        if told is not None and not found.holds(told):
            back = found.tip[0] < told[0]
            raise Suspicion("rolled back" if back else "forked", self.keys.members)
        return found

    def _take_epoch(self, members: Membership, delta: Delta) -> None:
        """Gets the content key of a new epoch, which was wrapped for this device."""
        if members.epoch <= self.keys.epoch or self._identity.id not in members.live:
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
        if (given.vault, given.root) != (self.keys.vault, self.keys.root):
            raise Suspicion("swapped", name)
        for number, content in given.contents.items():
            if number not in self.keys.contents:
                self.keys = rings.with_epoch(self._store, number, content).keys
        if epoch != members.epoch:
            raise Suspicion("rolled back", name)

    def _join(self, here: Here, news: News) -> None:
        bases = self.state.bases()
        agreed: dict[str, Base] = {}
        # What is new comes first: among it may be the copy that a conflict would make again.
        fresh = sorted(news.records.items(), key=lambda item: item[0] in here.records)
        for name, (placed, env) in fresh:
            base = bases.get(name)
            if base is not None and (base.ver, base.hash) == (placed.entry.ver, placed.entry.hash):
                continue
            agreed[name] = here.join(name, placed, env, base)
            if len(agreed) >= NOTED:
                self._agree(agreed)
                agreed = {}
        self._agree(agreed)

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
            self.state.set(members=members.dump().decode(), cursor=delta.cursor)

    def _restore(self, here: Here) -> None:
        """Gets back what is missing here though nobody removed it."""
        bases = self.state.bases()
        gone = {self.keys.record(key) for key in removed.noted(self._store)}
        names = missing(bases, here, gone)
        for name in names:
            placed = current_of(self.state, name)
            row = self._wire.row(name)
            if placed is None or row is None or row.sealed is None:
                continue
            if row.sealed.hash != placed.entry.hash:  # newer than what we have judged: next time
                continue
            env = envelope.opened(self.keys, name, row.sealed, placed.entry.epoch)
            if env.body is not None:
                here.restore(name, env)
                mac = here.records[name].mac
                self._agree({name: Base(placed.entry.ver, placed.entry.hash, mac)})

    def _forget_notes(self, here: Here) -> None:
        """What was removed here, and changed elsewhere meanwhile, is there again."""
        back = {*here.report.pulled}
        removed.drop(self._store, [key for key in removed.noted(self._store) if key in back])

    # -- push --------------------------------------------------------------------------------

    def _push(self, here: Here, members: Membership) -> None:
        outbox = Outbox(
            self._store, self.state, self._wire, self.keys, self._identity,
            members=members.tip, clock=self._clock, audit=self._audit(),
        )  # fmt: skip
        current = self.state.current()
        mine = [p.entry for p in self.state.log_of(self._identity.id)
                if current[p.entry.name] == p]  # fmt: skip
        head = outbox.head()
        if log.too_long(head.seq - head.base, len(mine)):
            outbox.rewrite(mine)
        changes = list(self._changes(here, members, current))
        for batch in batches(changes, _size):
            outbox.send(batch)
            here.report.pushed += [change.key for change in batch if change.key is not None]
        head = outbox.head()
        if not head.n or self._clock() - head.time > DAY:
            outbox.send([])  # so that the others see how far we have seen
        outbox.sweep()
        self._drop_notes(here)

    def _changes(
        self, here: Here, members: Membership, current: Mapping[str, Placed]
    ) -> Iterator[Change]:
        bases, told = self.state.bases(), set()
        for change in (*self._edits(here, bases, current), *self._removals(here, bases, current)):
            if _size(change) > LARGEST:
                assert change.key is not None
                here.report.too_large.append(change.key)
                continue
            told.add(change.name)
            yield change
        yield from self._reseals(members, bases, current, told)
        yield from self._purges(members, bases, current, told)

    def _edits(
        self, here: Here, bases: Mapping[str, Base], current: Mapping[str, Placed]
    ) -> Iterator[Change]:
        for name, local in sorted(here.records.items()):
            base = bases.get(name)
            if base is not None and base.mac == local.mac:
                continue
            body = here.body(local.record)
            yield _change(name, current.get(name), local.mac, local.record, body)

    def _removals(
        self, here: Here, bases: Mapping[str, Base], current: Mapping[str, Placed]
    ) -> Iterator[Change]:
        for key in sorted(removed.noted(self._store)):
            name = self.keys.record(key)
            base, placed = bases.get(name), current.get(name)
            if name in here.records or base is None or placed is None or base.mac == REMOVED:
                continue
            yield Change(name, placed.entry.ver + 1, REMOVED, key, None, placed.entry.hash)

    def _reseals(
        self, members: Membership, bases: Mapping[str, Base], current: Mapping[str, Placed],
        told: set[str],
    ) -> Iterator[Change]:  # fmt: skip
        """Rows that a former member could read, or that only its log answers for."""
        stale = {
            name: placed
            for name, placed in current.items()
            if name not in told
            and not placed.entry.gone
            and (placed.entry.epoch < members.epoch or placed.dev not in members.live)
        }
        rows = everything_since(self._wire, 0) if stale else Delta()
        for name, placed in stale.items():
            row, base = rows.get(name), bases.get(name)
            if row is None or row.sealed is None or base is None:
                raise Conflict
            if row.sealed.hash != placed.entry.hash:
                raise Conflict
            env = envelope.opened(self.keys, name, row.sealed, placed.entry.epoch)
            ver = placed.entry.ver + 1
            yield Change(name, ver, base.mac, env.key, env.body, placed.entry.hash)

    def _purges(
        self, members: Membership, bases: Mapping[str, Base], current: Mapping[str, Placed],
        told: set[str],
    ) -> Iterator[Change]:  # fmt: skip
        """Rows of removed records that every device has seen to be removed."""
        me, heads = self._identity.id, self.state.heads()
        others = [dev for dev in members.live if dev != me]
        if any(dev not in heads for dev in others):
            return
        seen = min((heads[dev].head.seen.get(me, 0) for dev in others), default=None)
        for name, placed in current.items():
            base = bases.get(name)
            ours = placed.dev == me and not placed.entry.gone and name not in told
            if not ours or base is None or base.mac != REMOVED:
                continue
            if seen is None or seen >= placed.seq:
                yield Change(name, placed.entry.ver + 1, REMOVED)

    def _drop_notes(self, here: Here) -> None:
        """What all have been told, and what is there again though it was to be removed."""
        bases = self.state.bases()
        done = []
        for key, generation in removed.noted(self._store).items():
            name = self.keys.record(key)
            local, base = here.records.get(name), bases.get(name)
            again = local is not None and local.record.generation != generation
            if again or (local is None and (base is None or base.mac == REMOVED)):
                done.append(key)
        removed.drop(self._store, done)


def _change(
    name: str, placed: Placed | None, mac: str, record: Credential, body: envelope.Body
) -> Change:
    if placed is None:
        return Change(name, 1, mac, record.key, body)
    return Change(name, placed.entry.ver + 1, mac, record.key, body, placed.entry.hash)


def _size(change: Change) -> int:
    from arcrun_auth.protocol.words import canonical

    return len(canonical(change.body)) + 512  # its envelope, and what pads it


def current_of(state: State, name: str) -> Placed | None:
    """The entry that counts for a row."""
    return max(state.entries(name), key=lambda placed: placed.rank, default=None)


def members_of(state: State, vault: str) -> Membership | None:
    """The members as we knew them last; None before the first look."""
    text = state.get("members")
    return None if text is None else membership.load(text.encode(), vault)


def silent(state: State, me: str, now: float) -> bool:
    """Whether the server has shown no word of any other device for two weeks.

    They may all be at rest. Or it shows an old state for ever: then no device can prove it, and
    a person can, by comparing what `verify` says on two of them.
    """
    others = [known.head.time for dev, known in state.heads().items() if dev != me]
    return bool(others) and now - max(others) > SILENCE


def code(members: tuple[int, str], heads: Mapping[str, str]) -> str:
    """Five groups of four letters and digits, of who writes and the hashes of all heads."""
    from base64 import b32encode
    from hashlib import sha256

    pairs = (part.encode() for pair in sorted(heads.items()) for part in pair)
    digest = sha256(encode(b"arcrun/v1/verify", members[1].encode(), *pairs)).digest()
    text = b32encode(digest).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, 20, 4))


def alarm(suspicion: Suspicion, members: Membership | None) -> SyncAlarm:
    """What to say of something that still does not hold after every look."""
    dev = suspicion.device
    device = members.members.get(dev) if members is not None and dev else None
    whose = f" of {device.name}" if device is not None else ""
    text = {
        "swapped": f"A row{whose} holds the content of another.",
        "damaged": f"A row{whose} is not what was written.",
        "rolled back": f"What the server shows{whose} is older than what it showed before.",
        "forked": f"There are two histories{whose}.",
        "withheld": f"Something{whose} that another device knows of is not shown.",
        "unknown device": "Somebody writes whom no device of this vault has let in.",
    }[suspicion.what]
    return SyncAlarm(
        f"{text} Nothing was taken from the server.",
        what=suspicion.what,
        device=dev,
        hint="arcrun sync verify; docs/sync.md says what may have happened and what to do",
    )
