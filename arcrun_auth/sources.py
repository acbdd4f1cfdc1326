"""Where tokens come from.

A `Source` is anything that gives a valid `Token`, and gives a newer one when it is told
that a server has just refused the one it gave. `GrantSource` is the one that matters:
it renews a grant so that, however many threads, tasks and processes ask at once, the
provider sees one request, and nothing that happens in between loses the grant.

Most callers want `arcrun_auth.bind` and never see this module.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from arcrun_auth.custody import CONFLICTS, Custody, ended, forbidden, interrupted, untold
from arcrun_auth.errors import (
    AuthError,
    ProviderUnavailable,
    RefreshBusy,
    StoreConflict,
    StoreError,
    SyncAlarm,
    TokenRefused,
)
from arcrun_auth.forks import Mutex
from arcrun_auth.tokens import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from arcrun_auth.custody import Turn, Turns
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential, Grant, Key, Secret

    Renew = Callable[[Credential], Grant]
    """Sends the one token request. Raises TokenRefused or ProviderUnavailable."""
    Lock = Callable[[float], AbstractContextManager[object]]
    """Holds the lock of this credential across processes; RefreshBusy after so many seconds."""

EARLY = 60.0
"""How many seconds before its end do we call a token expired? Clocks differ that much."""

EARLY_SHARE = 0.2
"""And at most which share of its life? A token of ten seconds has to be of some use."""

LOCK_WAIT = 45.0
"""How long to wait for another process that is renewing? Longer than a token request may take."""

BACK_OFF = (1.0, 60.0)
"""After a failure that may pass: the first and the longest pause before the next request."""

LONGEST_ASKED = 3600.0
"""And if a server names the pause itself? What says more than an hour is a mistake, or means no."""

PERMANENT = "invalid_grant"
"""Which refusal says that the grant itself is dead? RFC 6749 §5.2; others blame the request."""


class Source(ABC):
    """Gives tokens. Safe to share between threads; blocks; async callers use a thread."""

    @abstractmethod
    def token(self, *, rejected: str | None = None) -> Token:
        """A token to use now. `rejected` is the access token that a server has just refused.

        The identical object as before means that there is no newer one.
        """

    def peek(self) -> Token | None:
        """The token, if it is in memory and valid: never blocks. None sends you to `token`."""
        return None


class FixedSource(Source):
    """Secrets that do not change by themselves: a static key, or what the caller gave.

    `reload` reads them again after a refusal: another process may have stored a new key.
    """

    def __init__(self, token: Token, reload: Callable[[], Token | None] | None = None) -> None:
        self._token = token
        self._reload = reload

    def token(self, *, rejected: str | None = None) -> Token:
        if rejected is not None and self._reload is not None:
            fresh, known = self._reload(), self._token
            if fresh is not None and (
                fresh.access_token != known.access_token or fresh.secrets != known.secrets
            ):
                self._token = fresh
        return self._token

    def peek(self) -> Token | None:
        return self._token


class MadeSource(Source):
    """Tokens that are made here, without a request and without a trace in the store.

    One serves everybody until shortly before its end, or until a server refuses it.
    """

    def __init__(self, make: Callable[[], Grant], clock: Callable[[], float] = time.time) -> None:
        self._make = make
        self._clock = clock
        self._mutex = Mutex()
        self._held: _Held | None = None

    def peek(self) -> Token | None:
        held = self._held
        return held.token if held is not None and held.fresh(self._clock()) else None

    def token(self, *, rejected: str | None = None) -> Token:
        """A token made now or before. Raises what making it raises: MissingSecret, AuthError."""
        held = self._held
        if held is None or not held.good(self._clock(), rejected):
            with self._mutex:
                held = self._held
                if held is None or not held.good(self._clock(), rejected):
                    grant = self._make()
                    held = _Held(token_of(grant), grant, self._clock(), early=EARLY)
                    self._held = held
        return held.token


class GrantSource(Source):
    """An OAuth grant in a store, renewed under a lock that every process shares.

    The order is what makes it safe (RFC 9700 §4.14.2: a rotated refresh token used twice
    revokes the family): lock, read again, write down the intent, one request, commit,
    and only then hand the new token out.
    """

    def __init__(
        self,
        store: Store,
        key: Key,
        *,
        renew: Renew,
        lock: Lock,
        service: str,
        rotates: str = "maybe",
        mode: str = "yes",
        injected: Sequence[str] = (),
        check: Callable[[Credential], None] = lambda _: None,
        turns: Turns | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`rotates` is the recipe's word on its refresh tokens: yes, no, maybe. `mode` says how
        it is renewed: yes (by a refresh token), reissue (asked for again), exchange (the live
        token for a newer one), no. `injected` are the stored secrets that sign with the token,
        `check` raises for a stored record that is not for this source. `turns` is asked before a
        login that several homes share is renewed.
        """
        self._custody = Custody(store, key, service, check)
        self._renew = renew
        self._lock = lock
        self._service = service
        self._rotates = rotates
        self._mode = mode
        self._injected = tuple(injected)
        self._turns = turns
        self._clock = clock
        self._mutex = Mutex()
        self._held: _Held | None = None
        self._failed: ProviderUnavailable | None = None
        self._failures = 0
        self._not_before = self._tell_at = 0.0
        self._told = True
        """Whether nobody waits to be told of the last renewal; until then the store is read."""

    def peek(self) -> Token | None:
        held = self._held
        return held.token if held is not None and held.fresh(self._clock()) else None

    def token(self, *, rejected: str | None = None) -> Token:
        """A valid token, renewed if need be: at most one token request, whoever else asks.

        Raises LoginRequired (revoked, or expired with nothing to renew it by),
        TokenRefused (the client is wrong, not the grant), ProviderUnavailable,
        RefreshBusy, StoreError.
        """
        held = self._in_memory(rejected)
        if held is not None:
            return held.token
        arrived = self._failures
        with self._mutex:
            held = self._in_memory(rejected) or self._read(rejected)
            if held is None:
                held = self._renewed(rejected, arrived)
            self._held = held if self._told else None
            return held.token

    def _in_memory(self, rejected: str | None) -> _Held | None:
        held = self._held
        return held if held is not None and held.good(self._clock(), rejected) else None

    def _read(self, rejected: str | None) -> _Held | None:
        record = self._custody.read()
        held = self._in_store(record, rejected)
        if held is not None:
            self._told = not untold(record) or self._tell(record)
        return held

    def _tell(self, record: Credential) -> bool:
        """Tells the other homes what they wait for, if that is possible now. Whether it was."""
        assert self._turns is not None
        if time.monotonic() < self._tell_at:
            return False
        try:
            with self._turns(record, 0.0):  # taking it tells them
                return True
        except AuthError:
            self._tell_at = time.monotonic() + BACK_OFF[1]
            return False

    def _in_store(self, record: Credential, rejected: str | None) -> _Held | None:
        """What the store holds, if it is good: perhaps another process has renewed it."""
        held = self._of(record)
        return held if held.good(self._clock(), rejected) else None

    def _of(self, record: Credential) -> _Held:
        """The record's token. One that is in memory already keeps the end it has there."""
        assert record.grant is not None
        held, fresh = self._held, self._holding(record, record.grant)
        return held if held is not None and held.same(fresh) else fresh

    def _holding(self, record: Credential, grant: Grant) -> _Held:
        signing = {k: s for k, s in record.secrets.items() if k in self._injected}
        token = token_of(grant, signing)
        # A token that can be exchanged only while it lives is exchanged long before its end.
        early = EARLY if self._mode != "exchange" else None
        return _Held(token, grant, self._clock(), early=early)

    def _renewed(self, rejected: str | None, arrived: int) -> _Held:
        failed = self._recent_failure(arrived)
        if failed is not None:
            return self._last_use(rejected, failed)
        try:
            with self._lock(LOCK_WAIT):
                return self._under_lock(rejected)
        except (RefreshBusy, StoreError, SyncAlarm) as error:
            return self._last_use(rejected, error)
        except ProviderUnavailable as error:
            self._remember(error)
            return self._last_use(rejected, error)

    def _under_lock(self, rejected: str | None) -> _Held:
        record = self._custody.read(locked=True)
        held = self._in_store(record, rejected)
        if held is not None:
            return held
        if self._turns is None or not (record.shared or (record.grant and record.grant.turn)):
            return self._ours(record, rejected)
        with self._turns(record, LOCK_WAIT) as turn:  # it may be another one's by now
            held = self._ours(self._custody.read(locked=True), rejected, turn)
        self._told = not untold(self._custody.read(locked=True))
        return held

    def _ours(self, record: Credential, rejected: str | None, turn: Turn | None = None) -> _Held:
        tries = CONFLICTS
        while True:
            held = self._in_store(record, rejected)
            if held is not None:
                return held
            try:
                grant = self._request(record, turn)
            except StoreConflict:  # a login wrote it without the lock: its grant may be good
                tries -= 1
                if not tries:
                    raise
                record = self._custody.read(locked=True)
                continue
            self._failed, self._failures = None, 0
            return self._holding(record, grant)

    def _request(self, record: Credential, turn: Turn | None = None) -> Grant:
        assert record.grant is not None
        forbidden(
            record.grant, self._custody, rotates=self._rotates, mode=self._mode, now=self._clock()
        )
        if turn is not None:
            turn.check(record.grant)
        was_interrupted = interrupted(record.grant) or (turn is not None and turn.interrupted)
        if self._mode == "yes":
            record = self._custody.intend(record, self._clock())
        assert record.grant is not None
        number = None if turn is None else turn.begin(record.grant)
        try:
            try:
                grant = self._renew(record)
            except ProviderUnavailable as error:
                if not error.sent:
                    raise
                # Its fate is unknown, as after a crash: one more try tells.
                was_interrupted = True
                if turn is not None:
                    turn.interrupted = True
                grant = self._renew(record)
        except TokenRefused as error:
            # Where the same can simply be asked for again, nothing has died.
            if error.error != PERMANENT or self._mode == "reissue":
                raise
            self._custody.bury(record)
            raise ended(self._service, was_interrupted, error) from None
        if number is not None:  # the intent stays until the other homes are told: see `untold`
            rotated = grant.refresh_token != record.grant.refresh_token
            intent = record.grant.intent if rotated else None
            grant = grant.replace(turn=number, intent=intent)
        return self._custody.commit(record, grant)

    def _recent_failure(self, arrived: int) -> ProviderUnavailable | None:
        """One failure serves everybody who was waiting for it, and those who come too soon."""
        failed = self._failed
        wait = self._not_before - time.monotonic()
        if failed is None or (self._failures == arrived and wait <= 0):
            return None
        return ProviderUnavailable(
            failed.message,
            service=self._service,
            hint=failed.hint,
            status=failed.status,
            retry_after=max(wait, 0.0),
            sent=failed.sent,
        )

    def _remember(self, error: ProviderUnavailable) -> None:
        first, longest = BACK_OFF
        # A server that says "at once" is heard no sooner; and no float holds 2 ** 1024.
        wait = min(first * 2 ** min(self._failures, 10), longest)
        wait = max(min(error.retry_after or 0.0, LONGEST_ASKED), wait)
        self._failures += 1
        self._failed = error
        self._not_before = time.monotonic() + wait

    def _last_use(self, rejected: str | None, error: AuthError) -> _Held:
        """We renew early: if that fails, the old token may have some seconds left."""
        held = self._of(self._custody.read())
        if held.token.access_token == rejected or not held.alive(self._clock()):
            raise error
        return held


class _Held:
    """A grant in memory: its token, and its end by two clocks (a wall clock may jump)."""

    __slots__ = ("_deadline", "_end", "_grace", "token")

    def __init__(self, token: Token, grant: Grant, now: float, *, early: float | None) -> None:
        """`early`: how many seconds before its end to renew at most; None: by its share alone."""
        self.token = token
        self._end = grant.expires
        self._grace = 0.0
        self._deadline = 0.0
        if grant.expires is not None:
            life = max(grant.expires - grant.issued, 0.0)
            share = life * EARLY_SHARE
            self._grace = share if early is None else min(early, share)
            # A clock set back makes the end look further away than the token ever lived.
            self._deadline = time.monotonic() + min(grant.expires - now, life)

    def _left(self, now: float) -> float:
        assert self._end is not None
        return min(self._end - now, self._deadline - time.monotonic())

    def same(self, other: _Held) -> bool:
        mine, theirs = self.token, other.token
        known = (mine.access_token, mine.expires, mine.secrets)
        return known == (theirs.access_token, theirs.expires, theirs.secrets)

    def good(self, now: float, rejected: str | None) -> bool:
        """Good for use, and not the one that a server has just refused.

        Where only further secrets sign, no refusal can name the one that it was.
        """
        return (not rejected or self.token.access_token != rejected) and self.fresh(now)

    def fresh(self, now: float) -> bool:
        """Good for use without a thought of renewing it."""
        return self._end is None or self._left(now) > self._grace

    def alive(self, now: float) -> bool:
        """Good for a last use."""
        return self._end is None or self._left(now) > 0


def token_of(grant: Grant, secrets: Mapping[str, Secret] | None = None) -> Token:
    """The token to sign with, out of a grant and of the stored `secrets` that sign with it."""
    return Token(
        grant.access_token.reveal(),
        token_type=grant.token_type,
        expires=grant.expires,
        scopes=grant.scopes,
        secrets={**(secrets or {}), **grant.secrets},
        kept=grant.kept,
    )
