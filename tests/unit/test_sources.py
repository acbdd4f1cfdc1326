"""Renewal: one request, nothing lost, whatever goes wrong and whoever else asks."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import sources
from arcrun_auth.errors import (
    LoginRequired,
    ProviderUnavailable,
    RefreshBusy,
    StoreConflict,
    StoreError,
    TokenRefused,
)
from arcrun_auth.sources import FixedSource, GrantSource
from arcrun_auth.stores.given import Given
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Grant, Intent, Key, Secret, Token
from tests import canary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = Key("credential", "demo")
START = 1_700_000_000.0


class World:
    """A clock, a store with one grant, and a provider that counts what it is asked."""

    def __init__(self, *, lifetime: float = 3600.0, rotates: bool = True) -> None:
        self.now = START
        self.lifetime = lifetime
        self.rotates = rotates
        self.calls = 0
        self.script: list[BaseException | Callable[[], None]] = []
        self.live = canary.fresh("rt")
        self.store = Memory(clock=lambda: self.now)
        self.lock_held = False
        self.seen_intents: list[Intent | None] = []
        self.put(self.grant(self.live))

    def grant(self, refresh_token: str | None, *, expires: float | None = None, **more) -> Grant:
        return Grant(
            access_token=Secret(canary.fresh("at")),
            refresh_token=None if refresh_token is None else Secret(refresh_token),
            issued=self.now,
            expires=self.now + self.lifetime if expires is None else expires,
            **more,
        )

    def put(self, grant: Grant) -> Credential:
        held = self.store.get(KEY)
        record = (held or Credential(KEY)).replace(grant=grant)
        return self.store.put(record, expect=held.generation if held else 0)

    @property
    def stored(self) -> Grant:
        record = self.store.get(KEY)
        assert record is not None
        assert record.grant is not None
        return record.grant

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        assert timeout == sources.LOCK_WAIT
        assert not self.lock_held
        self.lock_held = True
        try:
            yield
        finally:
            self.lock_held = False

    def renew(self, record: Credential) -> Grant:
        assert self.lock_held, "a token request went out without the lock"
        self.calls += 1
        assert record.grant is not None
        self.seen_intents.append(self.stored.intent)
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, BaseException):
                raise step
            step()
        assert record.grant.refresh_token is not None
        if record.grant.refresh_token.reveal() != self.live:
            raise TokenRefused("no", error="invalid_grant")
        if self.rotates:
            self.live = canary.fresh("rt")
        return self.grant(self.live)

    def source(self, **changes) -> GrantSource:
        settings = {
            "renew": self.renew,
            "lock": self.lock,
            "service": "demo",
            "rotates": "yes",
            "clock": lambda: self.now,
        }
        return GrantSource(changes.pop("store", self.store), KEY, **(settings | changes))

    def expire(self) -> None:
        self.now += self.lifetime


def test_a_valid_token_costs_no_request() -> None:
    world = World()
    source = world.source()
    assert source.peek() is None
    token = source.token()
    assert token.access_token == world.stored.access_token.reveal()
    assert source.peek() is token
    assert source.token() is token
    assert world.calls == 0


def test_an_expired_token_is_renewed_once_and_kept() -> None:
    world = World()
    source = world.source()
    old = source.token()
    world.expire()
    assert source.peek() is None
    new = source.token()
    assert new.access_token != old.access_token
    assert source.token() is new
    assert world.calls == 1
    assert world.stored.refresh_token == Secret(world.live)
    assert world.stored.intent is None


def test_the_intent_is_in_the_store_before_the_request_goes_out() -> None:
    world = World()
    world.expire()
    world.source().token()
    (intent,) = world.seen_intents
    assert intent is not None
    assert intent.pid == os.getpid()
    assert world.live not in intent.refresh_hash


def test_a_refused_token_is_renewed_even_if_its_time_is_not_up() -> None:
    world = World()
    source = world.source()
    old = source.token()
    new = source.token(rejected=old.access_token)
    assert new.access_token != old.access_token
    assert source.token(rejected=old.access_token) is new
    assert world.calls == 1


def test_a_token_that_another_process_renewed_is_adopted() -> None:
    world = World()
    source = world.source()
    old = source.token()
    world.put(world.grant(world.live))
    assert source.token(rejected=old.access_token).access_token == (
        world.stored.access_token.reveal()
    )
    assert world.calls == 0


def test_an_expiry_that_nobody_told_lasts_until_a_refusal() -> None:
    world = World()
    world.put(world.grant(world.live).replace(expires=None))
    source = world.source()
    old = source.token()
    world.now += 10 * 365 * 86400
    assert source.token() is old
    source.token(rejected=old.access_token)
    assert world.calls == 1


@pytest.mark.parametrize(("lifetime", "early"), [(3600.0, 60.0), (10.0, 2.0)])
def test_renewal_begins_a_little_early_but_not_by_more_than_a_share(lifetime, early) -> None:
    world = World(lifetime=lifetime)
    source = world.source()
    source.token()
    world.now = START + lifetime - early - 0.5
    source.token()
    assert world.calls == 0
    world.now = START + lifetime - early + 0.5
    source.token()
    assert world.calls == 1


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_a_clock_that_jumps_costs_one_renewal_at_most(jump) -> None:
    world = World()
    source = world.source()
    source.token()
    world.now += jump
    for _ in range(5):
        source.token()
    assert world.calls <= 1


def test_a_clock_set_back_does_not_lengthen_a_tokens_life(monkeypatch) -> None:
    world = World()
    source = world.source()
    ticks = sources.time.monotonic()
    source.token()
    world.now -= 86400
    monkeypatch.setattr(sources.time, "monotonic", lambda: ticks + world.lifetime)
    source.token()
    assert world.calls == 1


def test_nothing_stored_means_log_in() -> None:
    world = World()
    world.store.delete(KEY, expect=1)
    with pytest.raises(LoginRequired) as caught:
        world.source().token()
    assert caught.value.why == "never"


def test_without_a_refresh_token_the_end_is_the_end() -> None:
    world = World()
    world.put(world.grant(None))
    world.expire()
    with pytest.raises(LoginRequired) as caught:
        world.source().token()
    assert caught.value.why == "expired"
    assert world.calls == 0


def test_a_refresh_token_past_its_own_end_is_not_sent() -> None:
    world = World()
    world.put(world.grant(world.live, refresh_expires=START + 10))
    world.expire()
    with pytest.raises(LoginRequired) as caught:
        world.source().token()
    assert caught.value.why == "expired"
    assert world.calls == 0


# -- R17: refusals -------------------------------------------------------------------------


def test_invalid_grant_marks_the_grant_dead_and_deletes_nothing() -> None:
    world = World()
    refresh = world.stored.refresh_token
    world.live = "another"
    world.expire()
    source = world.source()
    for _ in range(3):
        with pytest.raises(LoginRequired) as caught:
            source.token()
        assert caught.value.why == "revoked"
    assert world.calls == 1
    assert world.stored.dead == "revoked"
    assert world.stored.refresh_token == refresh


def test_invalid_grant_from_a_lost_race_adopts_the_siblings_token() -> None:
    world = World()
    world.expire()

    def sibling() -> None:
        world.live = canary.fresh("rt")
        world.put(world.grant(world.live))

    world.script = [sibling]
    token = world.source().token()
    assert token.access_token == world.stored.access_token.reveal()
    assert world.stored.dead is None
    assert world.calls == 1


@pytest.mark.parametrize("refusing", [True, False])
def test_a_newer_grant_that_has_ended_too_is_renewed_and_not_handed_out(refusing) -> None:
    """A machine that slept between the request and its answer."""
    world = World()
    world.expire()
    newer = world.grant(canary.fresh("rt-of-new-login"))

    def log_in_and_sleep() -> None:
        world.put(newer)
        world.expire()
        if refusing:
            world.live = newer.refresh_token.reveal()

    def accept() -> None:
        world.live = newer.refresh_token.reveal()

    world.script = [log_in_and_sleep, accept]
    token = world.source().token()
    assert token.access_token != newer.access_token.reveal()
    assert token.access_token == world.stored.access_token.reveal()
    assert token.expires > world.now
    assert world.calls == 2


def test_a_newer_grant_that_is_dead_is_not_handed_out_either() -> None:
    world = World()
    world.expire()

    def log_in_and_lose_it() -> None:
        world.live = "another"
        world.put(world.grant(canary.fresh("rt"), expires=0.0, dead="revoked"))

    world.script = [log_in_and_lose_it]
    with pytest.raises(LoginRequired):
        world.source().token()
    assert world.calls == 1


def test_a_refusal_is_noted_though_somebody_edits_the_record_meanwhile() -> None:
    world = World()
    world.live = "another"
    world.expire()

    class Edited(Full):
        def put(self, record, *, expect):
            if record.grant.dead and expect == self.inner.get(KEY).generation and self.left:
                self.left = 0
                held = self.inner.get(KEY)
                self.inner.put(held.replace(identity="ada"), expect=expect)
            return self.inner.put(record, expect=expect)

    source = world.source(store=Edited(world.store, 1))
    for _ in range(2):
        with pytest.raises(LoginRequired):
            source.token()
    assert world.stored.dead == "revoked"
    assert world.store.get(KEY).identity == "ada"
    assert world.calls == 1


def test_a_refusal_is_told_though_it_can_never_be_noted(caplog) -> None:
    world = World()
    world.live = "another"
    world.expire()
    with pytest.raises(LoginRequired):
        world.source(store=Contended(world.store, 1)).token()
    assert "could not be noted" in caplog.text
    assert world.stored.dead is None


def test_a_refusal_of_what_the_environment_gave_is_noted_nowhere(caplog) -> None:
    world = World(rotates=False)
    given = Given(Credential(KEY, grant=world.grant("another", expires=0.0)))
    with pytest.raises(LoginRequired):
        world.source(store=given, rotates="no").token()
    assert not caplog.records


@pytest.mark.parametrize("refused", [True, False])
def test_without_refresh_tokens_a_newer_login_is_told_by_its_token(refused) -> None:
    """A live token that is exchanged for a newer one, while somebody logs in."""
    world = World()
    world.put(world.grant(None))
    world.now = START + world.lifetime - 30
    newer = world.grant(None)

    def renew(record: Credential) -> Grant:
        world.calls += 1
        world.put(newer)
        if refused:
            raise TokenRefused("no", error="invalid_grant")
        return world.grant(None)

    token = world.source(renew=renew, mode="exchange").token()
    assert token.access_token == newer.access_token.reveal()
    assert world.stored.access_token == newer.access_token
    assert world.stored.dead is None
    assert world.calls == 1


def test_a_wrong_client_is_no_reason_to_give_the_grant_up() -> None:
    world = World()
    world.expire()
    world.script = [TokenRefused("no", error="invalid_client")]
    source = world.source()
    with pytest.raises(TokenRefused):
        source.token()
    assert world.stored.dead is None
    assert source.token().access_token
    assert world.calls == 2


def test_a_grant_removed_meanwhile_stays_removed() -> None:
    world = World()
    world.expire()

    def remove() -> None:
        held = world.store.get(KEY)
        world.store.delete(KEY, expect=held.generation)

    world.script = [remove]
    world.source().token()
    assert world.store.get(KEY) is None


def test_a_login_made_during_the_request_wins() -> None:
    world = World()
    world.expire()
    newer = world.grant(canary.fresh("rt-of-new-login"))
    world.script = [lambda: world.put(newer)]
    assert world.source().token().access_token == newer.access_token.reveal()
    assert world.stored.refresh_token == newer.refresh_token


def test_an_edit_made_during_the_request_is_kept_beside_the_new_grant() -> None:
    world = World()
    world.expire()

    def edit() -> None:
        held = world.store.get(KEY)
        world.store.put(held.replace(identity="ada"), expect=held.generation)

    world.script = [edit]
    token = world.source().token()
    assert world.store.get(KEY).identity == "ada"
    assert world.stored.access_token.reveal() == token.access_token


def test_a_login_made_before_the_request_is_seen() -> None:
    """The intent meets a conflict: nothing was sent yet, so it starts over."""
    world = World()
    world.expire()
    fresh = []

    class Busy(Memory):
        def put(self, record, *, expect):
            if not fresh:
                fresh.append(world.put(world.grant(canary.fresh("rt"))))
            return world.store.put(record, expect=expect)

        def get(self, key):
            return world.store.get(key)

    token = world.source(store=Busy()).token()
    assert token.access_token == fresh[0].grant.access_token.reveal()
    assert world.calls == 0


# -- R14: a crash between the server's rotation and our commit -----------------------------


def interrupted(world: World) -> None:
    """As a process leaves it that dies after the server has rotated."""
    first = world.source()

    def die() -> None:
        world.live = canary.fresh("rt")
        raise KeyboardInterrupt

    world.script = [die]
    world.expire()
    with pytest.raises(KeyboardInterrupt):
        first.token()


def test_an_interrupted_rotation_is_tried_once_more_and_then_told_exactly() -> None:
    world = World()
    refresh = world.stored.refresh_token
    interrupted(world)
    with pytest.raises(LoginRequired, match="rotation interrupted") as caught:
        world.source().token()
    assert caught.value.why == "revoked"
    assert world.calls == 2
    assert world.stored.refresh_token == refresh
    with pytest.raises(LoginRequired, match="rotation interrupted"):
        world.source().token()
    assert world.calls == 2


def test_an_interrupted_renewal_recovers_where_the_server_allows_it() -> None:
    world = World(rotates=False)
    world.script = [KeyboardInterrupt()]
    world.expire()
    with pytest.raises(KeyboardInterrupt):
        world.source().token()
    assert world.stored.intent is not None
    assert world.source().token().access_token
    assert world.stored.intent is None


def test_a_lost_answer_is_as_ambiguous_as_a_crash_and_is_asked_for_once_more() -> None:
    world = World(rotates=False)
    world.expire()
    world.script = [ProviderUnavailable("slow", sent=True)]
    assert world.source().token().access_token
    assert world.calls == 2


def test_a_lost_answer_of_a_rotation_says_so() -> None:
    world = World()
    world.expire()

    def rotate_and_lose() -> None:
        world.live = canary.fresh("rt")
        raise ProviderUnavailable("slow", sent=True)

    world.script = [rotate_and_lose]
    with pytest.raises(LoginRequired, match="rotation interrupted"):
        world.source().token()
    assert world.calls == 2


# -- R17, R24: what passes -----------------------------------------------------------------


def test_a_failure_that_may_pass_never_costs_the_grant(monkeypatch) -> None:
    world = World()
    world.expire()
    source = world.source()
    ticks = [sources.time.monotonic()]
    monkeypatch.setattr(sources.time, "monotonic", lambda: ticks[0])
    for _ in range(50):
        world.script = [ProviderUnavailable("down", status=503)]
        with pytest.raises(ProviderUnavailable):
            source.token()
        ticks[0] += sources.BACK_OFF[1] + 1
    assert world.calls == 50
    assert world.stored.dead is None
    assert source.token().access_token


def test_after_a_failure_the_provider_is_left_alone_for_a_while(monkeypatch) -> None:
    world = World()
    world.expire()
    source = world.source()
    ticks = [sources.time.monotonic()]
    monkeypatch.setattr(sources.time, "monotonic", lambda: ticks[0])
    world.script = [ProviderUnavailable("wait", status=429, retry_after=30.0)]
    for _ in range(10):
        with pytest.raises(ProviderUnavailable) as caught:
            source.token()
    assert world.calls == 1
    assert caught.value.retry_after == pytest.approx(30.0)
    ticks[0] += 31
    assert source.token().access_token
    assert world.calls == 2


@pytest.mark.parametrize(("says", "waits"), [(300.0, 300.0), (1e9, sources.LONGEST_ASKED)])
def test_a_server_that_says_when_is_asked_no_sooner(monkeypatch, says, waits) -> None:
    world = World()
    world.expire()
    source = world.source()
    ticks = [0.0]
    monkeypatch.setattr(sources.time, "monotonic", lambda: ticks[0])
    world.script = [ProviderUnavailable("wait", status=429, retry_after=says)]
    for ticks[0] in (0.0, 61.0, waits - 1):
        with pytest.raises(ProviderUnavailable) as caught:
            source.token()
    assert (world.calls, caught.value.retry_after) == (1, pytest.approx(1.0))
    ticks[0] = waits + 1
    assert source.token().access_token
    assert world.calls == 2


@pytest.mark.parametrize("says", [None, 0.0, 0.5])
def test_the_pause_grows_whatever_a_failing_server_says_and_however_long_it_fails(
    monkeypatch, says
) -> None:
    world = World()
    world.expire()
    source = world.source()
    ticks, pauses = [0.0], []
    monkeypatch.setattr(sources.time, "monotonic", lambda: ticks[0])
    for _ in range(1100):  # 2 ** 1024 is more than a float holds
        world.script = [ProviderUnavailable("down", status=503, retry_after=says)]
        with pytest.raises(ProviderUnavailable):
            source.token()
        with pytest.raises(ProviderUnavailable) as caught:
            source.token()
        pauses.append(caught.value.retry_after)
        ticks[0] += pauses[-1]
    first, longest = sources.BACK_OFF
    assert pauses[:3] == [first, 2 * first, 4 * first]
    assert pauses[-1] == longest
    assert world.calls == 1100


def test_a_token_with_some_seconds_left_is_used_while_renewal_fails() -> None:
    world = World()
    source = world.source()
    old = source.token()
    world.now = START + world.lifetime - 5
    world.script = [ProviderUnavailable("down", status=500)]
    for _ in range(3):
        assert source.token().access_token == old.access_token
    assert world.calls == 1
    with pytest.raises(ProviderUnavailable):
        source.token(rejected=old.access_token)


def test_a_lock_that_nobody_releases_ends_in_a_retryable_error_or_the_old_token() -> None:
    world = World()

    @contextmanager
    def busy(timeout: float) -> Iterator[None]:
        raise RefreshBusy("busy", service="demo")
        yield

    source = world.source(lock=busy)
    old = source.token()
    world.now = START + world.lifetime - 5
    assert source.token().access_token == old.access_token
    world.expire()
    with pytest.raises(RefreshBusy):
        source.token()
    assert world.calls == 0


# -- R15: a store that cannot write --------------------------------------------------------


class Full(Memory):
    """A disk that is full after so many writes."""

    def __init__(self, inner: Memory, writes: int) -> None:
        super().__init__()
        self.inner, self.left = inner, writes

    def get(self, key):
        return self.inner.get(key)

    def put(self, record, *, expect):
        if self.left == 0:
            raise StoreError("database or disk is full")
        self.left -= 1
        return self.inner.put(record, expect=expect)


def test_nothing_is_sent_where_the_intent_cannot_be_written() -> None:
    world = World()
    world.expire()
    with pytest.raises(StoreError, match="full"):
        world.source(store=Full(world.store, 0)).token()
    assert world.calls == 0


def test_a_renewed_token_that_cannot_be_saved_works_and_is_saved_later(caplog) -> None:
    world = World()
    world.expire()
    full = Full(world.store, 1)  # the intent goes through, the commit does not
    source = world.source(store=full)
    token = source.token()
    assert token.access_token
    assert "could not be saved" in caplog.text
    assert world.stored.refresh_token != Secret(world.live)
    full.left = 10
    world.expire()
    assert source.token().access_token != token.access_token
    assert world.stored.refresh_token == Secret(world.live)
    assert world.calls == 2


def test_what_is_unsaved_is_saved_under_the_lock_alone() -> None:
    """A sibling that renews the old one just now would take it for a new login, and yield."""
    world = World()
    world.expire()
    full = Full(world.store, 1)
    busy = []

    @contextmanager
    def lock(timeout: float) -> Iterator[None]:
        if busy:
            raise RefreshBusy("busy", service="demo")
        with world.lock(timeout):
            yield

    source = world.source(store=full, lock=lock)
    source.token()
    full.left, before = 10, world.store.get(KEY).generation
    world.expire()
    busy.append(True)
    with pytest.raises(RefreshBusy):
        source.token()
    assert world.store.get(KEY).generation == before
    busy.clear()
    source.token()
    assert world.stored.refresh_token == Secret(world.live)


def test_an_unsaved_grant_gives_way_to_a_newer_login() -> None:
    world = World()
    world.expire()
    full = Full(world.store, 1)
    source = world.source(store=full)
    source.token()
    newer = world.put(world.grant(canary.fresh("rt")))
    full.left = 10
    world.now += world.lifetime / 2
    old = source.peek()
    assert old is not None
    assert source.token(rejected=old.access_token).access_token == (
        newer.grant.access_token.reveal()
    )


def test_a_refusal_that_cannot_be_noted_is_told_all_the_same(caplog) -> None:
    world = World()
    world.live = "another"
    world.expire()
    with pytest.raises(LoginRequired):
        world.source(store=Full(world.store, 1)).token()
    assert "could not be noted" in caplog.text
    assert world.stored.dead is None


def test_a_refusal_after_a_removal_is_a_refusal() -> None:
    world = World()
    world.expire()

    def remove_and_refuse() -> None:
        world.store.delete(KEY, expect=world.store.get(KEY).generation)
        world.live = "another"

    world.script = [remove_and_refuse]
    with pytest.raises(LoginRequired):
        world.source().token()
    assert world.store.get(KEY) is None


class Contended(Full):
    """Somebody else writes between each of our readings and our writing."""

    def put(self, record, *, expect):
        if self.left == 0:
            raise StoreConflict("changed meanwhile")
        return super().put(record, expect=expect)


def test_a_record_that_changes_all_the_time_costs_no_token() -> None:
    world = World()
    world.expire()
    contended = Contended(world.store, 1)
    source = world.source(store=contended)
    token = source.token()
    assert world.stored.refresh_token != Secret(world.live)
    world.now += world.lifetime
    contended.left = 10
    assert source.token().access_token != token.access_token
    assert world.stored.refresh_token == Secret(world.live)
    assert world.calls == 2


@pytest.mark.parametrize("kind", [Full, Contended])
def test_what_could_not_be_saved_is_kept_until_it_can_be(kind) -> None:
    world = World()
    world.expire()
    store = kind(world.store, 1)
    source = world.source(store=store)
    source.token()
    for _ in range(3):  # the late saving fails again: nothing is sent, nothing is lost
        world.now += world.lifetime
        with pytest.raises(StoreError):
            source.token()
    assert world.calls == 1
    store.left = 10
    source.token()
    assert world.stored.refresh_token == Secret(world.live)


def test_a_rotating_refresh_token_of_the_environment_is_never_sent() -> None:
    world = World()
    given = Given(Credential(KEY, grant=world.grant(world.live, expires=0.0)))
    for rotates in ("yes", "maybe"):
        with pytest.raises(StoreError, match="cannot keep it"):
            world.source(store=given, rotates=rotates).token()
    assert world.calls == 0


def test_one_that_does_not_rotate_is_renewed_in_memory() -> None:
    world = World(rotates=False)
    given = Given(Credential(KEY, grant=world.grant(world.live, expires=0.0)))
    source = world.source(store=given, rotates="no")
    token = source.token()
    assert source.token() is token
    world.expire()
    assert source.token() is not token
    assert world.calls == 2


# -- many at once --------------------------------------------------------------------------


def run(count: int, work: Callable[[], object]) -> list[object]:
    results: list[object] = []
    barrier = threading.Barrier(count)

    def one() -> None:
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_a_hundred_threads_cause_one_request() -> None:
    world = World()
    world.expire()
    source = world.source()
    results = run(100, source.token)
    assert world.calls == 1
    assert len({token.access_token for token in results}) == 1


def test_a_hundred_threads_with_the_same_dead_token_cause_one_request() -> None:
    world = World()
    source = world.source()
    dead = source.token().access_token
    results = run(100, lambda: source.token(rejected=dead))
    assert world.calls == 1
    assert {token.access_token for token in results} == {world.stored.access_token.reveal()}


def test_one_failure_serves_everybody_who_waited_for_it() -> None:
    world = World()
    world.expire()
    source = world.source()
    asking = threading.Semaphore(0)

    def fail_when_all_have_come() -> None:
        for _ in range(21):
            assert asking.acquire(timeout=30)
        raise ProviderUnavailable("down", status=502)

    def ask() -> Token:
        asking.release()
        return source.token()

    world.script = [fail_when_all_have_come]
    results = run(21, ask)
    assert all(isinstance(result, ProviderUnavailable) for result in results)
    assert world.calls == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_while_a_thread_renews_is_not_locked_out() -> None:
    world = World()
    world.expire()
    source = world.source()
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with source._mutex:
            holding.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(30)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the case itself
        pid = os.fork()
    if pid == 0:
        import signal

        signal.alarm(20)
        try:
            os._exit(0 if source.token().access_token else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    release.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


# -- secrets that do not change by themselves ----------------------------------------------


def test_a_static_key_is_read_again_after_a_refusal() -> None:
    old, new = (Token(canary.fresh("key")) for _ in range(2))
    stored = [old]
    source = FixedSource(old, lambda: stored[0])
    assert source.peek() is old
    assert source.token(rejected=old.access_token) is old
    stored[0] = new
    assert source.token() is old
    assert source.token(rejected=old.access_token) is new
    assert source.peek() is new
    stored[0] = None
    assert source.token(rejected=new.access_token) is new


# -- grants that are renewed otherwise -----------------------------------------------------


class Swaps(World):
    """A provider that gives a newer token for a live one, or for nothing but the asking."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.put(self.grant(None))

    def renew(self, record: Credential) -> Grant:
        assert self.lock_held
        self.calls += 1
        if self.script:
            step = self.script.pop(0)
            assert isinstance(step, BaseException)
            raise step
        return self.grant(None)


DAY = 86400.0


@pytest.mark.parametrize(("lifetime", "left"), [(60 * DAY, 12 * DAY), (3600.0, 720.0), (10.0, 2.0)])
def test_a_live_token_is_exchanged_long_before_its_end(lifetime, left) -> None:
    world = Swaps(lifetime=lifetime)
    source = world.source(mode="exchange")
    before = source.token()
    world.now += lifetime - left - 1
    assert source.token() is before
    world.now += 2  # by a share of its life, and not in its last minute
    assert source.token().access_token != before.access_token
    assert world.calls == 1
    assert world.stored.access_token.reveal() == source.token().access_token


def test_a_token_that_is_renewed_by_another_waits_for_its_last_minute() -> None:
    world = World(lifetime=60 * DAY)
    source = world.source()
    before = source.token()
    world.now += 60 * DAY - sources.EARLY - 1
    assert source.token() is before
    world.now += 2
    assert source.token() is not before


def test_a_token_that_has_died_cannot_be_exchanged_any_more() -> None:
    world = Swaps()
    source = world.source(mode="exchange")
    source.token()
    world.expire()
    with pytest.raises(LoginRequired, match="expired") as caught:
        source.token()
    assert caught.value.why == "expired"
    assert world.calls == 0
    assert world.stored.dead is None


def test_a_live_token_that_the_provider_refuses_is_a_login_that_has_ended() -> None:
    world = Swaps()
    source = world.source(mode="exchange")
    world.script = [TokenRefused("no", error="invalid_grant", meaning="Gone.", hint="do this")]
    with pytest.raises(LoginRequired, match=r"ended this login .* Gone\.") as caught:
        source.token(rejected=source.token().access_token)
    assert (caught.value.why, caught.value.hint) == ("revoked", "do this")
    assert world.stored.dead == "revoked"


@pytest.mark.parametrize("mode", ["exchange", "reissue"])
def test_a_failed_exchange_leaves_the_token_for_its_last_use(mode) -> None:
    world = Swaps()
    source = world.source(mode=mode)
    before = source.token()
    world.now += world.lifetime - 1
    world.script = [ProviderUnavailable("down")]
    assert source.token().access_token == before.access_token
    assert world.stored.intent is None


def test_what_can_be_asked_for_again_needs_no_refresh_token_and_never_dies() -> None:
    world = Swaps()
    source = world.source(mode="reissue")
    before = source.token()
    world.expire()
    assert source.token().access_token != before.access_token
    world.script = [TokenRefused("no", error="invalid_grant")]
    with pytest.raises(TokenRefused):
        source.token(rejected=source.token().access_token)
    assert world.stored.dead is None
    assert source.token(rejected=source.token().access_token)


def test_what_is_not_renewed_at_all_sends_nothing() -> None:
    world = World()  # there even is a refresh token
    source = world.source(mode="no")
    with pytest.raises(LoginRequired) as caught:
        source.token(rejected=source.token().access_token)
    assert caught.value.why == "expired"
    assert world.calls == 0


@pytest.mark.parametrize("mode", ["exchange", "reissue"])
def test_a_lost_answer_is_asked_for_once_more(mode) -> None:
    world = Swaps()
    source = world.source(mode=mode)
    world.script = [ProviderUnavailable("cut off", sent=True)]
    before = source.token().access_token
    assert source.token(rejected=before).access_token != before
    assert world.calls == 2


def test_an_exchange_needs_no_store_that_can_be_written() -> None:
    world = Swaps()
    given = Given(world.store.get(KEY))
    source = world.source(mode="exchange", store=given)
    before = source.token().access_token
    assert source.token(rejected=before).access_token != before
