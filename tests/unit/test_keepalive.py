"""Logins that nobody uses stay alive, one after the other, by the ordinary way of renewing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arcrun_auth import errors
from arcrun_auth.lifetimes import DAY
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.world import broker_for, home_with

if TYPE_CHECKING:
    from arcrun_auth.keepalive import Kept

KEY = Key("credential", "demo")


class Clock:
    """The provider's time and ours, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, days: float) -> None:
        self.now += days * DAY


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    with Provider(clock=clock) as running:
        yield running


def desk_for(tmp_path, provider, clock, *, refresh: str = "rotates: maybe", **recipes):
    text = provider.recipe_yaml("demo").replace("rotates: maybe", refresh.replace(", ", "\n    "))
    home = home_with(tmp_path, provider, demo=text, **recipes)
    store = Memory(clock=clock)
    return broker_for(home, provider, store=store, clock=clock)


def outcomes(results: list[Kept]) -> dict[str, str]:
    return {kept.name: kept.outcome for kept in results}


# -- what is renewed -----------------------------------------------------------------------


def test_an_idle_login_is_renewed_once_and_then_left_in_peace(tmp_path, provider, clock) -> None:
    desk = desk_for(tmp_path, provider, clock, refresh=f"idle_s: {int(80 * DAY)}")
    desk.setup("demo")
    assert outcomes(desk.keepalive()) == {"demo": "fine"}
    clock.pass_(21)
    before = desk.store.get(KEY).grant
    assert outcomes(desk.keepalive()) == {"demo": "renewed"}
    after = desk.store.get(KEY).grant
    assert after.issued == clock.now > before.issued
    assert after.refresh_token != before.refresh_token
    assert after.intent is None
    assert outcomes(desk.keepalive()) == {"demo": "fine"}
    assert provider.refreshes == 1


def test_a_token_that_is_still_good_is_no_reason_to_wait(tmp_path, provider, clock) -> None:
    provider.authority.lifetime = 300 * DAY
    desk = desk_for(tmp_path, provider, clock)
    desk.setup("demo")
    token = desk.get_token("demo").access_token
    clock.pass_(8)
    assert outcomes(desk.keepalive()) == {"demo": "renewed"}
    assert desk.get_token("demo").access_token != token
    assert provider.refreshes == 1


def test_keys_and_logins_that_cannot_be_renewed_are_left_alone(tmp_path, provider, clock) -> None:
    desk = desk_for(tmp_path, provider, clock, refresh='mode: "no"')
    desk.setup("demo")
    desk.setup("keyed", key=provider.static_key)
    clock.pass_(300)
    before = provider.requests.total()
    assert outcomes(desk.keepalive()) == {"demo": "left", "keyed": "left"}
    assert provider.requests.total() == before


def test_a_login_that_services_share_is_renewed_once(tmp_path, provider, clock) -> None:
    other = provider.recipe_yaml("another") + "account: demo\n"
    desk = desk_for(tmp_path, provider, clock, another=other)
    desk.setup("demo")
    clock.pass_(8)
    (kept,) = desk.keepalive()
    # By the service that was agreed to: a recipe that nobody saw must not send the token.
    assert (kept.name, kept.services, kept.outcome) == ("demo", ("another", "demo"), "renewed")
    assert provider.refreshes == 1


def test_what_no_recipe_knows_and_what_the_environment_gives_is_passed_over(
    tmp_path, provider, clock
) -> None:
    desk = desk_for(tmp_path, provider, clock)
    lost = Credential(Key("credential", "no_recipe"), secrets={"key": Secret(canary.fresh())})
    desk.store.put(lost, expect=0)
    assert desk.keepalive() == []


def test_a_way_in_that_its_recipe_has_no_more_is_passed_over_and_can_be_removed(
    tmp_path, provider, clock
) -> None:
    desk = desk_for(tmp_path, provider, clock)
    desk.setup("demo")
    record = desk.store.get(KEY)
    desk.store.put(record.replace(method="gone"), expect=record.generation)
    assert desk.keepalive() == []
    assert [removed.name for removed in desk.remove_all()] == ["demo@default"]
    assert desk.store.get(KEY) is None


# -- what fails ----------------------------------------------------------------------------


def test_one_that_has_ended_stops_no_other(tmp_path, provider, clock) -> None:
    desk = desk_for(tmp_path, provider, clock)
    for instance in ("a", "b", "c"):
        desk.setup("demo", instance)
    grant = desk.store.get(Key("credential", "demo", "b")).grant
    provider.authority.revoke({"token": grant.refresh_token.reveal(), "client_id": "demo"}, "")
    clock.pass_(8)
    results = desk.keepalive()
    assert outcomes(results) == {"demo@a": "renewed", "demo@b": "failed", "demo@c": "renewed"}
    failed = results[1].error
    assert isinstance(failed, errors.LoginRequired)
    assert (failed.why, failed.hint) == ("revoked", "arcrun setup demo@b")


def test_one_that_ended_before_is_told_again_and_nothing_is_sent(tmp_path, provider, clock) -> None:
    desk = desk_for(tmp_path, provider, clock, refresh=f"idle_s: {int(80 * DAY)}")
    desk.setup("demo")
    clock.pass_(81)
    before = provider.requests.total()
    (expired,) = desk.keepalive()
    assert (expired.outcome, expired.error.why) == ("failed", "expired")
    assert expired.warnings == ("the login ended 1 day ago → arcrun setup demo",)
    record = desk.store.get(KEY)
    dead = record.replace(grant=record.grant.replace(dead="revoked"))
    desk.store.put(dead, expect=record.generation)
    (revoked,) = desk.keepalive()
    assert (revoked.outcome, revoked.error.why) == ("failed", "revoked")
    assert provider.requests.total() == before


def test_a_provider_that_is_down_costs_nothing(tmp_path, provider, clock) -> None:
    desk = desk_for(tmp_path, provider, clock)
    desk.setup("demo")
    clock.pass_(8)
    provider.fail_next(1, 503)
    (kept,) = desk.keepalive()
    assert (kept.outcome, type(kept.error)) == ("failed", errors.ProviderUnavailable)
    assert desk.store.get(KEY).grant.dead is None


def test_what_will_end_all_the_same_is_told(tmp_path, provider, clock) -> None:
    fixed = f'lifetime_s: {int(10 * DAY)}, rotates: "no"'
    provider.authority.rotates = False
    desk = desk_for(tmp_path, provider, clock, refresh=fixed)
    desk.setup("demo")
    clock.pass_(4)
    (kept,) = desk.keepalive()
    assert kept.outcome == "fine"
    assert kept.warnings == ("the login ends in 6 days → arcrun setup demo",)
