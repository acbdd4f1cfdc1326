"""Whose turn it is to renew a login that several homes share.

A rotated refresh token that is used twice ends the login for all (RFC 9700 §4.14.2), so one home
at a time renews, under a lease of the server:

    the lock of this home → the lease → pull, read again: good now → no request
        → begin → the intent, the request, the store → push → release

A turn that was begun and never ended is told to the next home. Whoever had it may hold the new
login and not have been able to tell: it gets time to come back before the old token is tried.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from arcrun_auth import cloud as clouds
from arcrun_auth.custody import interrupted, untold
from arcrun_auth.errors import (
    AuthError,
    ProviderUnavailable,
    RefreshBusy,
    StoreConflict,
    StoreError,
    SyncAlarm,
)
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.account import account
from arcrun_auth.sync.identity import identity
from arcrun_auth.sync.logins import primary
from arcrun_auth.sync.session import session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from arcrun_auth.cloud_answers import Lease
    from arcrun_auth.protocol.keys import VaultKeys
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.session import Home
    from arcrun_auth.tokens import Credential, Grant, Key

TTL = 90.0
"""How many seconds does a turn last, if nobody ends it? Longer than two token requests, which take
30 at most; counted anew once it begins."""
WAIT = 45.0
"""How long do we wait for another home's turn to end, if nobody says?"""
POLLS = (0.05, 1.0)
"""The first and the longest pause between two questions whether it has."""
PUSHES = (0.2, 1.0)
"""After how many seconds is it tried again to tell the others? They wait for it."""
GRACE = 600.0
"""For how many seconds is a home waited for that may hold the new login? It may have lost its
network in the wrong moment, or its power. The old token is tried afterwards, and if it was spent,
the login is lost."""

_logger = logging.getLogger("arcrun_auth")


class Turn:
    """This home's turn to renew one login, for as long as `with` holds it. Takes it, and pulls.

    Entering it raises ProviderUnavailable where the platform cannot be reached, SyncAlarm, and
    RefreshBusy for all else that keeps a home from its turn.
    """

    def __init__(self, home: Home, record: Credential, name: str, *, wait: float = WAIT) -> None:
        """`wait` is for how many seconds it is waited for another home's turn to end."""
        self._wait = wait
        self._home = home
        self._store = primary(home.store)
        self._key: Key = record.key
        self._known = record.grant.turn or 0 if record.grant is not None else 0
        self._name = name
        self._stack = ExitStack()
        self._begun = False
        self.interrupted = False
        """Whether a turn before ended between its request and what it was to tell."""

    # -- taking it ---------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as stack, self._translated():
            self._enter(stack)
            self._stack = stack.pop_all()
        return self

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What the platform says is nothing that a provider has said of a login."""
        try:
            yield
        except (RefreshBusy, StoreError, SyncAlarm):
            raise
        except ProviderUnavailable as error:
            error.sent = False  # no token request
            raise
        except AuthError as error:
            raise RefreshBusy(
                f"{self._name} is shared with other devices, and cannot be renewed here now: "
                f"{error.message}",
                service=self._name,
                hint=error.hint,
            ) from None

    def _enter(self, stack: ExitStack) -> None:
        ring = rings.stored(self._store)
        who = account(self._store, self._home.settings)
        if ring is None or who is None:
            hint = "arcrun login" if who is None else "arcrun sync"
            text = "nobody is logged in to a platform" if who is None else "this home does not sync"
            raise AuthError(f"{text}.", hint=hint)
        self._keys = ring.keys
        self._me = holder(ring.keys, identity(self._store).id)
        self._row = lease_of(ring.keys, self._key)
        self._cloud = stack.enter_context(who.cloud())
        self._lease = self._taken()
        try:
            self.sync()
            self._alone = settled(self._store, self._key)
        except AuthError:
            self._leave()
            raise

    def _taken(self) -> Lease:
        until = time.monotonic() + self._wait
        pause, longest = POLLS
        while True:
            self._clock = _Clock()
            try:
                return self._cloud.take_lease(self._row, TTL, self._me, after=self._known)
            except clouds.Conflict:
                if time.monotonic() >= until:
                    raise RefreshBusy(
                        f"Another device has been renewing {self._name} for more than "
                        f"{self._wait:g} seconds.",
                        service=self._name,
                        hint="try again",
                    ) from None
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not all at the same moment
            pause = min(pause * 2, longest)

    def sync(self) -> None:
        """Pulls and pushes. Raises what `Session.sync` does."""
        with session(self._home, cloud=self._cloud) as here:
            here.sync()
            if here.copied is not None:  # the turn was taken as the device that this is a copy of
                raise RefreshBusy(
                    "This home was a copy of another, and is a device of its own now.",
                    service=self._name,
                    hint="try again",
                )
            by = self._lease.interrupted_by
            members = here.state.members(self._keys.vault)
            devices = members.members.values() if members is not None else ()
            self._who = next((d.name for d in devices if holder(self._keys, d.id) == by), "")

    # -- the request -------------------------------------------------------------------------

    def check(self, grant: Grant) -> None:
        """Before `grant` is renewed, which is what the other homes know. RefreshBusy while one of
        them may hold a newer one.
        """
        lease = self._lease
        # What the interrupted turn has brought carries its number, so this was before it.
        self.interrupted = lease.interrupted and (grant.turn or 0) < (lease.interrupted_fence or 0)
        # By our own intent we know that it was us, and no copy of this home.
        ours = lease.interrupted_by == self._me and interrupted(grant)
        if self.interrupted and lease.interrupted_by is not None and not ours:
            self._check_grace()

    def begin(self, grant: Grant) -> int | None:
        """Just before the request: the number of the grant that it brings; None where it is
        shared no more. RefreshBusy where the turn is over.
        """
        if self._alone:
            return None
        with self._translated():
            self._cloud.renew_lease(self._row, self._lease.lease, TTL, begins=True)
        self._begun = True
        return max((grant.turn or 0) + 1, self._lease.fence)

    def _check_grace(self) -> None:
        passed = (self._lease.interrupted_s or 0.0) + self._clock.passed
        if passed < GRACE:
            who = f"the device {self._who}" if self._who else "another device"
            raise RefreshBusy(
                f"{self._name}: {who} was interrupted while it renewed the login that is shared, "
                f"and may hold the new one. The old one is tried in {GRACE - passed:.0f} seconds.",
                service=self._name,
                hint="on that device: arcrun sync",
            )

    # -- ending it ---------------------------------------------------------------------------

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if not self._begun:
                self._leave()
            elif error is None:
                self._tell()
            elif isinstance(error, AuthError):
                self._leave(unknown=self.interrupted)
            # Any other may have come anywhere: the turn is left to end, and to be told of.

    def _tell(self) -> None:
        """Pushes the new grant. If that fails the turn is left to end: this home holds it."""
        try:
            self._push()
            record = self._store.get(self._key)
            # An intent of this very token says that the new one could not be saved.
            if record is None or record.grant is None or not interrupted(record.grant):
                self._leave()
            settled(self._store, self._key)
        except AuthError as error:
            _logger.warning(
                "%s was renewed, and the devices that share it could not be told (%s). They wait "
                "for the next use or sync here.",
                self._name,
                error.message,
            )

    def _push(self) -> None:
        """The others wait for it: a moment without a network is not to keep it from them."""
        for pause in PUSHES:
            try:
                return self.sync()
            except ProviderUnavailable:
                time.sleep(pause)
        return self.sync()

    def _leave(self, *, unknown: bool = False) -> None:
        try:
            self._cloud.release_lease(self._row, self._lease.lease, unknown=unknown)
        except AuthError:  # it ends by itself, or is another's by now
            _logger.debug("The turn of %s could not be given back.", self._name)


@dataclass
class _Clock:
    """How many seconds have passed, by the clock that says more: a machine may have slept."""

    def __post_init__(self) -> None:
        self._began = time.monotonic(), time.time()

    @property
    def passed(self) -> float:
        return max(time.monotonic() - self._began[0], time.time() - self._began[1])


def settled(store: Store, key: Key) -> bool:
    """Notes that all is told of a record. Whether it is this home's alone, and so asks nobody."""
    while True:
        record = store.get(key)
        if record is None or record.grant is None:
            return False
        alone, grant = not record.shared, record.grant
        fresh = grant.replace(turn=None) if alone and grant.turn else grant
        if untold(record):
            fresh = fresh.replace(intent=None)
        if fresh is not grant:
            try:
                store.put(record.replace(grant=fresh), expect=record.generation)
            except StoreConflict:
                continue
        return alone


def lease_of(keys: VaultKeys, key: Key) -> str:
    """What the lease on a record is called: the server learns no name from it."""
    return keys.name(b"lease", *(part.encode() for part in key.parts))


def holder(keys: VaultKeys, dev: str) -> str:
    """What a device is called as the holder of leases."""
    return keys.name(b"holder", dev.encode())
