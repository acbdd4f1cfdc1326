"""A login that rotates, on several homes: one of them renews it at a time."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import sources
from arcrun_auth.authority import Authority
from arcrun_auth.custody import interrupted
from arcrun_auth.errors import (
    AuthError,
    LoginRequired,
    ProviderUnavailable,
    RefreshBusy,
    StoreConflict,
    StoreError,
    SyncAlarm,
)
from arcrun_auth.stores.vault import Vault
from arcrun_auth.sync import ring, turns
from arcrun_auth.sync.shares import share, unshare
from arcrun_auth.sync.turns import Turn
from arcrun_auth.testing import Provider
from tests import waiting
from tests.sync_sharing import DEMO, Sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = ("laptop", "desktop")
FREE = [(False, False, False)]
"""A lease that was released, and of which nothing is left."""


class Crash(BaseException):
    """The process is gone: nothing of ours catches this."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory, provider) -> Iterator[Sharing]:
    made = Sharing(tmp_path_factory.mktemp("world"), provider)
    yield made
    made.close()


@pytest.fixture
def sharing(world: Sharing) -> Sharing:
    """Two homes with a fresh login that they share."""
    world.begin()
    return world


@pytest.fixture
def own(tmp_path, provider) -> Iterator[Sharing]:
    """Two that nobody else uses, with a login on the first alone."""
    made = Sharing(tmp_path, provider)
    made.before = made._counted
    yield made
    made.close()


@contextmanager
def instead(monkeypatch, where: type, name: str, what) -> Iterator[None]:
    """`what` in place of a method, given the real one first."""
    real = getattr(where, name)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, lambda *args, **more: what(real, *args, **more))
        yield


def dies(monkeypatch, sharing: Sharing, name: str, where: str) -> None:
    """A process that renews there, and is gone at that point."""

    def sent(real, *args, **more):
        if where == "before the request":
            raise Crash
        answer = real(*args, **more)
        if where == "after the answer":
            raise Crash
        return answer

    def told(real, *args):
        raise Crash

    sharing.expire(name)
    with instead(monkeypatch, Authority, "send", sent), monkeypatch.context() as patch:
        if where == "after the commit":
            patch.setattr(Turn, "_tell", lambda _: told(None))
        if where == "before it begins":
            patch.setattr(Turn, "begin", told)
        with pytest.raises(Crash):
            sharing.token(name)


# -- all is well -----------------------------------------------------------------------------


def test_a_shared_login_is_on_all_homes_after_a_sync(sharing: Sharing) -> None:
    assert sharing.grant("desktop").refresh_token == sharing.grant("laptop").refresh_token
    assert sharing.token("desktop") == sharing.token("laptop")
    assert sharing.requests == 0
    assert sharing.leases() == [], "who has a good token asks nobody"


def test_what_one_home_renews_the_others_take_without_a_request(sharing: Sharing) -> None:
    for number in range(1, 4):
        sharing.expire(*BOTH)
        first, second = BOTH if number % 2 else reversed(BOTH)
        fresh = sharing.token(first)
        assert sharing.token(second) == fresh
        assert sharing.requests == number
        assert [sharing.grant(name).turn for name in BOTH] == [sharing.grant("laptop").turn] * 2
    assert sharing.well
    assert sharing.leases() == FREE


def test_a_token_that_is_refused_is_renewed_once_for_all(sharing: Sharing) -> None:
    clients = [sharing.broker(name).bind("demo", interactive=False) for name in BOTH]
    for client in clients:
        assert client.get("/me").status_code == 200
    sharing.provider.authority.expire_access_tokens()
    for client in clients:
        assert client.get("/me").status_code == 200
        client.close()
    assert sharing.requests == 1
    assert sharing.well


def test_the_server_learns_no_name_from_a_lease(sharing: Sharing) -> None:
    sharing.expire("laptop")
    sharing.token("laptop")
    file = sharing.homes.folder / "server" / "server.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        ((name, holder),) = connection.execute("SELECT name, holder FROM leases")
    connection.close()
    device = sharing.opened["laptop"].identity.id
    assert "demo" not in name
    assert device not in holder
    assert {len(name), len(holder)} == {42}


def test_a_login_anew_is_shared_and_wins_though_that_clock_is_behind(sharing: Sharing) -> None:
    behind = sharing.another("desktop", clock=lambda: 1_000_000_000.0)
    behind.setup("demo")
    sharing.sync("desktop", "laptop")
    new = sharing.grant("desktop").refresh_token
    assert new is not None
    assert sharing.grant("laptop").refresh_token == new
    record = sharing.record("laptop")
    assert record is not None
    assert record.shared
    sharing.expire("laptop")
    sharing.token("laptop")
    sharing.sync("desktop")
    assert sharing.grant("desktop").refresh_token == sharing.grant("laptop").refresh_token
    assert sharing.well


def test_an_edit_elsewhere_keeps_the_newer_login_whoever_wins(sharing: Sharing) -> None:
    for editor, renewer in (BOTH, BOTH[::-1]):
        store = sharing.broker(editor).store
        record = store.get(DEMO)
        assert record is not None
        store.put(record.replace(ends=2e9), expect=record.generation)
        sharing.expire(renewer)
        fresh = sharing.token(renewer)
        for _ in range(2):
            sharing.sync(editor, renewer)
        assert sharing.token(editor) == sharing.token(renewer) == fresh
    assert sharing.requests == 2
    assert sharing.well


# -- whom a home needs for it ----------------------------------------------------------------


def test_without_the_server_the_old_token_is_used_to_its_end_and_nothing_is_asked(
    own: Sharing,
) -> None:
    own.begin()
    store, record = own.broker("laptop").store, own.record("laptop")
    assert record is not None
    assert record.grant is not None
    now = time.time()
    soon = record.grant.replace(issued=now - 3590, expires=now + 10)
    store.put(record.replace(grant=soon), expect=record.generation)
    own.homes.desk.close()
    assert own.token("laptop") == soon.access_token.reveal()
    own.expire("laptop")
    with pytest.raises(ProviderUnavailable):
        own.token("laptop")
    assert own.requests == 0
    assert own.grant("laptop").intent is None


def test_who_is_not_logged_in_or_syncs_no_more_is_told_so(own: Sharing) -> None:
    own.begin()
    own.expire("laptop")
    nobody = own.another("laptop", environ={"ARCRUN_API_KEY": "", "ARCRUN_SERVER": ""})
    with pytest.raises(RefreshBusy, match="nobody is logged in") as caught:
        nobody.get_token("demo", interactive=False)
    assert caught.value.hint == "arcrun login"
    wrong = own.another("laptop", environ={"ARCRUN_API_KEY": "ak_" + "0" * 48})
    with pytest.raises(RefreshBusy, match="cannot be renewed here now"):
        wrong.get_token("demo", interactive=False)
    ring.leave(own.broker("laptop").store)
    with pytest.raises(RefreshBusy, match="does not sync") as caught:
        own.token("laptop")
    assert caught.value.hint == "arcrun sync"
    assert own.requests == 0


def test_a_server_that_lies_gets_no_request_sent(sharing: Sharing, monkeypatch) -> None:
    def lies(self) -> None:
        raise SyncAlarm("There are two histories.", what="forked")

    sharing.expire("laptop")
    monkeypatch.setattr(Turn, "sync", lies)
    with pytest.raises(SyncAlarm):
        sharing.token("laptop")
    assert sharing.requests == 0
    assert sharing.leases() == FREE


def test_while_another_home_has_its_turn_a_home_waits_and_then_takes_what_that_got(
    sharing: Sharing, monkeypatch
) -> None:
    """The second asks while the first is in its request; the first ends while that one waits."""
    monkeypatch.setattr(sources, "LOCK_WAIT", 0.0)

    def sent(real, *args, **more):
        with pytest.raises(RefreshBusy, match="Another device has been renewing"):
            sharing.token("desktop")
        return real(*args, **more)

    sharing.expire(*BOTH)
    with instead(monkeypatch, Authority, "send", sent):
        fresh = sharing.token("laptop")
    monkeypatch.setattr(sources, "LOCK_WAIT", 45.0)
    pauses: list[float] = []
    account = sharing.homes.desk.cloud(sharing.homes.key)
    keys = sharing.opened["laptop"].engine().keys
    name = turns.lease_of(keys, DEMO)
    held = account.take_lease(name, 60, "somebody")

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            account.release_lease(name, held.lease)

    monkeypatch.setattr(turns, "time", waiting.clock(sleep))
    assert sharing.token("desktop") == fresh
    account.close()
    assert len(pauses) == 8
    assert max(pauses) <= turns.POLLS[1]
    assert sharing.requests == 1


def test_a_turn_that_is_over_before_it_begins_sends_nothing(sharing: Sharing, monkeypatch) -> None:
    def begins(real, self, grant):
        sharing.lapse()
        return real(self, grant)

    sharing.expire("laptop")
    with (
        instead(monkeypatch, Turn, "begin", begins),
        pytest.raises(RefreshBusy, match="not yours, or not any more"),
    ):
        sharing.token("laptop")
    assert sharing.requests == 0
    assert sharing.token("laptop")


# -- who was interrupted ---------------------------------------------------------------------


def test_who_died_before_it_began_keeps_nobody_waiting_but_for_its_turn(
    sharing: Sharing, monkeypatch
) -> None:
    dies(monkeypatch, sharing, "laptop", "before it begins")
    sharing.lapse()
    sharing.expire("desktop")
    assert sharing.token("desktop")
    assert sharing.token("laptop") == sharing.token("desktop")
    assert (sharing.requests, sharing.well) == (1, True)


@pytest.mark.parametrize("where", ["before the request", "after the commit"])
def test_the_home_that_died_goes_on_at_once_and_nothing_is_lost(
    sharing: Sharing, monkeypatch, where
) -> None:
    dies(monkeypatch, sharing, "laptop", where)
    fresh = sharing.token("laptop")
    assert not sharing.leases()[0][0]
    sharing.expire("desktop")
    assert sharing.token("desktop") == fresh
    assert (sharing.requests, sharing.well) == (1, True)


def test_a_home_that_may_hold_the_new_login_is_waited_for(sharing: Sharing, monkeypatch) -> None:
    dies(monkeypatch, sharing, "laptop", "after the commit")
    sharing.lapse()
    sharing.expire("desktop")
    for _ in range(2):  # whoever only looks does not make it forgotten
        with pytest.raises(RefreshBusy, match="laptop was interrupted") as caught:
            sharing.token("desktop")
        assert caught.value.hint is not None
        assert "arcrun sync" in caught.value.hint
    assert sharing.requests == 1
    sharing.sync("laptop")
    assert sharing.token("desktop") == sharing.token("laptop")
    assert (sharing.requests, sharing.well) == (1, True)
    sharing.expire("desktop")  # what that one brought is of its turn, so nothing is open
    assert sharing.token("desktop")
    assert (sharing.requests, sharing.well) == (2, True)


@pytest.mark.parametrize("who", BOTH)
def test_once_somebody_has_logged_in_anew_nobody_is_waited_for(
    sharing: Sharing, monkeypatch, who
) -> None:
    dies(monkeypatch, sharing, "laptop", "after the answer")
    sharing.lapse()
    sharing.broker(who).setup("demo")
    sharing.sync(who)
    for name in BOTH:
        sharing.sync(name)
        sharing.expire(name)
        assert sharing.token(name)
    assert sharing.well


def test_after_a_while_the_old_token_is_tried_once(sharing: Sharing, monkeypatch) -> None:
    dies(monkeypatch, sharing, "laptop", "before the request")
    sharing.lapse()
    monkeypatch.setattr(turns, "GRACE", 0.0)
    sharing.expire("desktop")
    fresh = sharing.token("desktop")
    assert sharing.token("laptop") == fresh
    assert (sharing.requests, sharing.well) == (1, True)


def test_where_that_was_spent_it_is_told_exactly_and_the_home_that_has_the_new_one_heals_it(
    sharing: Sharing, monkeypatch
) -> None:
    """The provider only refuses here: one that ends the family at reuse leaves nothing to heal."""
    dies(monkeypatch, sharing, "laptop", "after the commit")
    sharing.lapse()
    monkeypatch.setattr(turns, "GRACE", 0.0)
    monkeypatch.setattr(sharing.provider.authority, "_revoke", lambda _: None)
    sharing.expire("desktop")
    with pytest.raises(LoginRequired, match="rotation interrupted") as caught:
        sharing.token("desktop")
    assert caught.value.why == "revoked"
    assert sharing.grant("desktop").dead
    sharing.sync("laptop", "desktop")
    assert sharing.token("desktop") == sharing.token("laptop")


def test_a_lost_rotation_is_told_exactly_on_every_home(sharing: Sharing, monkeypatch) -> None:
    dies(monkeypatch, sharing, "laptop", "after the answer")
    for name in BOTH:
        sharing.expire(name)
        with pytest.raises(LoginRequired, match="rotation interrupted"):
            sharing.token(name)
    kept = {sharing.grant(name).refresh_token for name in BOTH}
    assert len(kept) == 1, "nothing is wiped"
    sharing.broker("desktop").setup("demo")
    sharing.sync("desktop", "laptop")
    assert sharing.token("laptop") == sharing.token("desktop")


def test_an_answer_that_was_lost_keeps_nobody_waiting_for_who_cannot_know_it(
    sharing: Sharing,
) -> None:
    sharing.provider.fail_next(2, "lost")
    sharing.expire(*BOTH)
    with pytest.raises((ProviderUnavailable, LoginRequired)):
        sharing.token("laptop")
    with pytest.raises(LoginRequired, match="rotation interrupted"):
        sharing.token("desktop")


def test_a_provider_that_is_down_costs_no_home_its_turn(sharing: Sharing) -> None:
    sharing.provider.fail_next(1, 503)
    sharing.expire(*BOTH)
    with pytest.raises(ProviderUnavailable):
        sharing.token("laptop")
    assert sharing.token("desktop")
    assert sharing.well


def test_a_push_that_fails_costs_nobody_the_login_and_is_made_up_for_at_the_next_use(
    sharing: Sharing, monkeypatch, caplog
) -> None:
    pauses: list[float] = []
    cuts: list[None] = []
    monkeypatch.setattr(turns, "time", waiting.clock(pauses.append))

    def cut(real, self) -> None:
        cuts.append(None)
        raise ProviderUnavailable("cut", sent=True)

    def told(real, self):
        with instead(monkeypatch, Turn, "sync", cut):
            return real(self)

    def token() -> str:
        return laptop.get_token("demo", interactive=False).access_token

    sharing.expire(*BOTH)
    laptop = sharing.broker("laptop")
    with instead(monkeypatch, Turn, "_tell", told), caplog.at_level(logging.WARNING):
        fresh = token()
    assert "could not be told (cut)" in caplog.text
    assert tuple(pauses) == turns.PUSHES
    with monkeypatch.context() as patch:
        patch.setattr(sources, "LOCK_WAIT", 0.0)
        with pytest.raises(RefreshBusy, match="Another device"):
            sharing.token("desktop")
    sharing.lapse()
    with pytest.raises(RefreshBusy, match="laptop was interrupted"):
        sharing.token("desktop")
    with instead(monkeypatch, Turn, "sync", cut), monkeypatch.context() as patch:
        cuts.clear()
        assert [token() for _ in range(3)] == [fresh] * 3
        assert len(cuts) == 1, "not at each use"
        patch.setattr(sources, "BACK_OFF", (0.0, 0.0))
        other = sharing.another("laptop")
        assert other.get_token("demo", interactive=False).access_token == fresh
        assert len(cuts) == 2
    assert other.get_token("demo", interactive=False).access_token == fresh
    assert sharing.grant("laptop").intent is None
    assert not sharing.leases()[0][0], "and its turn has ended"
    assert sharing.token("desktop") == fresh
    assert (sharing.requests, sharing.well) == (1, True)


def test_a_moment_without_a_network_is_no_failure_of_the_push(
    sharing: Sharing, monkeypatch
) -> None:
    monkeypatch.setattr(turns, "time", waiting.clock(lambda _: None))
    fails = [ProviderUnavailable("cut", sent=True)]

    def tells(real, self):
        with instead(monkeypatch, Turn, "sync", once):
            return real(self)

    def once(real, self):
        if fails:
            raise fails.pop()
        return real(self)

    sharing.expire(*BOTH)
    with instead(monkeypatch, Turn, "_tell", tells):
        fresh = sharing.token("laptop")
    assert sharing.leases() == FREE
    assert sharing.token("desktop") == fresh


def test_a_login_that_could_not_be_saved_is_waited_for_too(sharing: Sharing, monkeypatch) -> None:
    def full(real, self, record, *, expect):
        if record.key == DEMO and not interrupted(record.grant):
            raise StoreError("the disk is full")
        return real(self, record, expect=expect)

    sharing.expire(*BOTH)
    broker = sharing.another("laptop")
    with instead(monkeypatch, Vault, "put", full):
        fresh = broker.get_token("demo", interactive=False).access_token
    sharing.lapse()
    with pytest.raises(RefreshBusy, match="was interrupted"):
        sharing.token("desktop")
    sharing.provider.authority.expire_access_tokens()
    with broker.bind("demo", interactive=False) as client:
        assert client.get("/me").status_code == 200, "what is in memory it saves at the next turn"
    assert sharing.token("desktop") != fresh
    assert sharing.well


def test_who_lost_its_turn_in_its_request_still_tells_what_it_got(
    sharing: Sharing, monkeypatch
) -> None:
    def sent(real, *args, **more):
        answer = real(*args, **more)
        sharing.lapse()
        with pytest.raises(RefreshBusy, match="was interrupted"):
            sharing.token("desktop")
        return answer

    sharing.expire(*BOTH)
    with instead(monkeypatch, Authority, "send", sent):
        fresh = sharing.token("laptop")
    assert sharing.token("desktop") == fresh
    assert (sharing.requests, sharing.well) == (1, True)


def test_an_older_login_that_is_told_late_replaces_no_newer_one(
    sharing: Sharing, monkeypatch
) -> None:
    """The provider forgives a second use here, so both homes get one; the later turn counts."""
    monkeypatch.setattr(turns, "GRACE", 0.0)
    monkeypatch.setattr(sharing.provider.authority, "reuse_grace", 60.0)
    later: list[str] = []

    def sent(real, *args, **more):
        answer = real(*args, **more)
        if not later:
            later.append("")
            sharing.lapse()
            later[0] = sharing.token("desktop")
        return answer

    sharing.expire(*BOTH)
    with instead(monkeypatch, Authority, "send", sent):
        sharing.token("laptop")
    sharing.sync(*BOTH)
    assert sharing.token("laptop") == sharing.token("desktop") == later[0]


# -- sharing and taking it back --------------------------------------------------------------


def test_what_travels_anyhow_or_is_not_there_is_not_shared(sharing: Sharing) -> None:
    laptop = sharing.broker("laptop")
    assert not share(laptop, "demo", "default"), "it is already"
    laptop.setup("keyed", key=sharing.provider.static_key)
    with pytest.raises(AuthError, match="is a key"):
        share(laptop, "keyed", "default")
    with pytest.raises(LoginRequired, match="is not connected"):
        share(laptop, "demo", "work")
    store, record = laptop.store, sharing.record("laptop")
    assert record is not None
    assert record.grant is not None
    store.put(record.replace(grant=record.grant.replace(dead="revoked")), expect=record.generation)
    with pytest.raises(LoginRequired, match="has ended"):
        share(laptop, "demo", "default")


def test_a_login_that_stays_the_same_needs_no_sharing(tmp_path) -> None:
    with Provider(rotates=False) as provider:
        yaml, words = provider.recipe_yaml, ("rotates: maybe", 'rotates: "no"')
        provider.recipe_yaml = lambda *a, **k: yaml(*a, **k).replace(*words)
        sharing = Sharing(tmp_path, provider)
        try:
            with pytest.raises(AuthError, match="needs no sharing"):
                share(sharing.broker("laptop"), "demo", "default")
        finally:
            sharing.close()


def test_a_home_that_does_not_sync_shares_nothing(own: Sharing) -> None:
    ring.leave(own.broker("laptop").store)
    with pytest.raises(AuthError, match="does not sync") as caught:
        share(own.broker("laptop"), "demo", "default")
    assert caught.value.hint == "arcrun sync"


def test_a_write_that_comes_in_between_is_no_reason_to_stop(sharing: Sharing, monkeypatch) -> None:
    """Before each write of what is noted here another process edits the record."""
    edits: list[float] = []

    def between(real, self, record, *, expect):
        if record.key == DEMO and expect not in edits:
            held = self.get(DEMO)
            edits.extend((expect, held.generation + 1))  # the next try gets through
            real(self, held.replace(ends=2e9 + expect), expect=held.generation)
        return real(self, record, expect=expect)

    laptop = sharing.broker("laptop")
    with instead(monkeypatch, Vault, "put", between):
        assert unshare(laptop, "demo", "default")
    record = sharing.record("laptop")
    assert record is not None
    assert (record.shared, sharing.grant("laptop").turn) == (False, None)
    assert record.ends is not None, "and the edits are there"


def test_what_is_removed_meanwhile_is_shared_by_nobody(sharing: Sharing, monkeypatch) -> None:
    def removed(real, self, record, *, expect):
        if record.key == DEMO and self.get(DEMO) is not None:
            self.delete(DEMO, expect=expect)
        return real(self, record, expect=expect)

    laptop = sharing.broker("laptop")
    with instead(monkeypatch, Vault, "put", removed), pytest.raises(StoreConflict):
        unshare(laptop, "demo", "default")
    assert sharing.record("laptop") is None


def test_a_copied_home_takes_no_turn_as_the_one_that_it_is_a_copy_of(own: Sharing) -> None:
    own.begin()
    shutil.copytree(own.homes.path("laptop"), own.homes.path("copy"))
    own.broker("laptop").setup("keyed", key=own.provider.static_key)
    own.sync("laptop")
    own.expire("copy")
    with pytest.raises(RefreshBusy, match="a copy of another, and is a device of its own now"):
        own.token("copy")
    assert own.requests == 0
    fresh = own.token("copy")
    own.expire("laptop")
    assert own.token("laptop") == fresh
    assert (own.requests, own.well) == (1, True)


def test_what_is_shared_no_more_stays_with_who_said_so(sharing: Sharing) -> None:
    assert unshare(sharing.broker("desktop"), "demo", "default")
    assert not unshare(sharing.broker("desktop"), "demo", "default")
    sharing.expire(*BOTH)
    with pytest.raises(LoginRequired, match="is not connected"):  # it asks before it renews
        sharing.token("laptop")
    leases = sharing.leases()
    assert sharing.token("desktop")
    assert sharing.leases() == leases, "nobody else has it, so nobody is asked"
    assert sharing.grant("desktop").turn is None
    assert (sharing.requests, sharing.well) == (1, True)
    sharing.broker("laptop").setup("demo")
    sharing.sync(*BOTH)
    assert sharing.grant("laptop").refresh_token != sharing.grant("desktop").refresh_token


def test_a_crash_before_the_others_know_it_leaves_nobody_renewing_alone(
    sharing: Sharing, monkeypatch
) -> None:
    syncs = iter([Turn.sync])

    def once(self) -> None:
        found = next(syncs, None)
        if found is None:
            raise Crash
        found(self)

    with monkeypatch.context() as patch:
        patch.setattr(Turn, "sync", once)
        with pytest.raises(Crash):
            unshare(sharing.broker("laptop"), "demo", "default")
    record = sharing.record("laptop")
    assert record is not None
    assert not record.shared
    sharing.expire(*BOTH)
    assert sharing.token("laptop"), "it has told them by now"
    assert sharing.grant("laptop").turn is None
    with pytest.raises(LoginRequired, match="is not connected"):
        sharing.token("desktop")
    assert (sharing.requests, sharing.well) == (1, True)


def test_a_login_of_ones_own_gives_way_to_the_shared_one_of_the_same_person(own: Sharing) -> None:
    own.broker("desktop").setup("demo")
    share(own.broker("laptop"), "demo", "default")
    own.sync("desktop")
    assert own.token("desktop") == own.token("laptop")
    record = own.record("desktop")
    assert record is not None
    assert record.shared


def test_a_login_of_another_person_is_left_alone(own: Sharing) -> None:
    desktop = own.broker("desktop")
    desktop.setup("demo")
    record = own.record("desktop")
    assert record is not None
    assert record.identity
    desktop.store.put(record.replace(identity="bob@example.com"), expect=record.generation)
    bobs = own.grant("desktop").refresh_token
    share(own.broker("laptop"), "demo", "default")
    for _ in range(2):
        own.sync(*BOTH)
    assert own.grant("desktop").refresh_token == bobs
    shared = own.record("laptop")
    assert shared is not None
    assert shared.shared, "theirs is none of its business"
    own.expire(*BOTH)
    assert len({own.token(name) for name in BOTH}) == 2
    assert own.well
