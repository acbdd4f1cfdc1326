"""When a key ends: learned from the service or from the user, kept, and told in time."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.lifetimes import DAY
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key
from tests import canary
from tests.servers import Reply, recorder
from tests.world import Told, broker_for, home_with, master_key

NOW = 1_800_000_000.0
KEY = Key("credential", "thing")

RECIPE = """\
service: thing
primitive: static_key
base_url: {origin}
required_secrets:
  - {{key: thing_key}}
inject:
  header: {{Authorization: "Bearer {{{{secret.thing_key}}}}"}}
test:
  path: /me
  expires: "token.ends || header:X-Token-Ends"
"""


@pytest.fixture
def answers():
    with recorder() as server:
        yield server


def say(answers, end: object = None, **headers: str) -> None:
    body = json.dumps({"token": {"ends": end}}).encode()
    answers.answer = lambda _: Reply(200, headers, body=body)


def desk_for(tmp_path, answers, *, store=None, **environ) -> Broker:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700, exist_ok=True)
    (tmp_path / "home").chmod(0o700)
    (recipes / "thing.yaml").write_text(RECIPE.format(origin=answers.origin))
    return Broker(
        home=str(tmp_path / "home"),
        store=store,
        person=Told(),
        allow_hosts=[answers.origin],
        clock=lambda: NOW,
        environ=environ,
    )


@pytest.fixture
def desk(tmp_path, answers):
    say(answers)
    return desk_for(tmp_path, answers, store=Memory())


# -- learned -------------------------------------------------------------------------------


def test_the_test_of_a_new_key_tells_when_it_ends(desk, answers) -> None:
    say(answers, "2027-03-01T00:00:00Z")
    desk.setup("thing", key=canary.fresh())
    assert desk.store.get(KEY).ends == datetime(2027, 3, 1, tzinfo=UTC).timestamp()
    assert desk.why("thing").secret_expires_at == datetime(2027, 3, 1, tzinfo=UTC)


def test_a_later_test_learns_it_anew_and_writes_only_what_changed(desk, answers) -> None:
    desk.setup("thing", key=canary.fresh())
    assert desk.store.get(KEY).ends is None
    say(answers, None, **{"X-Token-Ends": "2027-03-01 00:00:00 UTC"})
    assert desk.test("thing").ends == datetime(2027, 3, 1, tzinfo=UTC).timestamp()
    record = desk.store.get(KEY)
    assert record.ends == datetime(2027, 3, 1, tzinfo=UTC).timestamp()
    desk.test("thing")
    assert desk.store.get(KEY).generation == record.generation
    say(answers, "whenever")
    assert desk.test("thing").ends is None
    assert desk.store.get(KEY).ends == record.ends


def test_somebody_who_writes_at_the_same_time_loses_nothing(desk, answers) -> None:
    desk.setup("thing", key=canary.fresh())
    say(answers, NOW + 90 * DAY)
    store, real, writes = desk.store, desk.store.put, []

    def put(record, *, expect):
        writes.append(expect)
        if len(writes) == 1:
            real(store.get(KEY).replace(identity="ada"), expect=expect)
        return real(record, expect=expect)

    store.put = put  # a writer at the worst moment
    desk.test("thing")
    record = store.get(KEY)
    assert (record.ends, record.identity, len(writes)) == (NOW + 90 * DAY, "ada", 2)


def test_a_key_of_the_environment_says_nothing_about_the_stored_one(tmp_path, answers) -> None:
    say(answers)
    environ = master_key()
    desk = desk_for(tmp_path, answers, **environ)
    desk.setup("thing", key=canary.fresh())
    desk.close()
    say(answers, NOW + 90 * DAY)
    other = desk_for(
        tmp_path, answers, **environ, ARCRUN_THING_KEY=canary.fresh(),
        ARCRUN_ALLOW_HOSTS=answers.origin,
    )  # fmt: skip
    assert other.test("thing").ends == NOW + 90 * DAY
    assert other.store.get(KEY).ends is None
    other.close()
    desk.test("thing")
    assert desk.store.get(KEY).ends == NOW + 90 * DAY
    desk.close()


def test_only_in_the_environment_there_is_nothing_to_keep_it_beside(tmp_path, answers) -> None:
    say(answers, NOW + 90 * DAY)
    environ = {"ARCRUN_THING_KEY": canary.fresh(), "ARCRUN_ALLOW_HOSTS": answers.origin}
    desk = desk_for(tmp_path, answers, **master_key(), **environ)
    assert desk.test("thing").ends == NOW + 90 * DAY
    assert desk.store.get(KEY).generation == 0
    desk.close()


# -- said ----------------------------------------------------------------------------------


@pytest.mark.parametrize("expires", ["2027-03-01", 1803859200, datetime(2027, 3, 1, tzinfo=UTC)])
def test_the_user_can_say_it(desk, expires) -> None:
    desk.setup("thing", key=canary.fresh(), expires=expires)
    assert desk.store.get(KEY).ends == datetime(2027, 3, 1, tzinfo=UTC).timestamp()


def test_the_service_knows_better_than_the_user(desk, answers) -> None:
    say(answers, NOW + 90 * DAY)
    desk.setup("thing", key=canary.fresh(), expires="2040-01-01")
    assert desk.store.get(KEY).ends == NOW + 90 * DAY


@pytest.mark.parametrize("expires", ["soon", "2001-01-01", ""])
def test_an_end_that_is_none_is_refused_before_anything_is_sent(desk, answers, expires) -> None:
    with pytest.raises(errors.AuthError, match="still to come") as caught:
        desk.setup("thing", key=canary.fresh(), expires=expires)
    assert "YYYY-MM-DD" in caught.value.hint
    assert answers.seen == []


def test_a_new_key_has_no_end_of_the_old_one(desk) -> None:
    desk.setup("thing", key=canary.fresh(), expires="2027-03-01")
    desk.setup("thing", key=canary.fresh())
    assert desk.store.get(KEY).ends is None


def test_for_a_login_it_is_the_end_of_the_app_s_secret(tmp_path) -> None:
    with Provider() as provider:
        desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        soon = datetime.now(UTC).timestamp() + 20.5 * DAY
        desk.setup("demo", expires=soon)
        assert desk.store.get(Key("app", "demo")).ends == soon
        assert desk.store.get(Key("credential", "demo")).ends is None
        (warning,) = desk.why("demo").warnings
        assert warning.startswith("the client secret of your OAuth app ends in 20 days → ")


# -- told in time --------------------------------------------------------------------------


def test_use_of_a_key_that_ends_soon_is_logged_once(desk, caplog) -> None:
    desk.setup("thing", key=canary.fresh(), expires=NOW + 3.5 * DAY)
    with caplog.at_level(logging.WARNING, "arcrun_auth"):
        for _ in range(3):
            desk.bind("thing").close()
            desk.get_token("thing")
    said = [record.getMessage() for record in caplog.records if record.name == "arcrun_auth"]
    assert said == ["thing: the key ends in 3 days → arcrun setup thing"]


def test_use_of_a_key_that_does_not_end_soon_is_not(desk, caplog) -> None:
    desk.setup("thing", key=canary.fresh(), expires=NOW + 300 * DAY)
    desk.bind("thing").close()
    assert [record for record in caplog.records if record.name == "arcrun_auth"] == []


def test_an_app_that_ends_soon_is_logged_when_a_renewal_is_to_come(tmp_path, caplog) -> None:
    with Provider(lifetime=0.001) as provider:
        desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        desk.setup("demo", expires=datetime.now(UTC).timestamp() + 20.5 * DAY)
        desk.bind("demo").close()
    said = [record.getMessage() for record in caplog.records if record.name == "arcrun_auth"]
    assert len(said) == 1
    assert "client secret of your OAuth app ends in 20 days" in said[0]


def test_a_token_that_has_ended_is_no_reason_to_warn(tmp_path, caplog) -> None:
    with Provider(lifetime=0.001) as provider:
        desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        desk.setup("demo")
        desk.bind("demo").close()
    assert [record for record in caplog.records if record.name == "arcrun_auth"] == []


def test_what_is_not_connected_ends_never(desk) -> None:
    found = desk.why("thing")
    assert (found.secret_expires_at, found.warnings, found.can_revoke) == (None, (), False)


def test_a_recipe_that_cannot_be_read_warns_of_nothing_and_breaks_no_list(tmp_path) -> None:
    with Provider() as provider:
        desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        desk.setup("demo")
        resolver = desk._connections.resolver

        def broken(_: object) -> None:
            raise errors.RecipeError("broken")

        resolver.way = broken  # as after an edit that went wrong
        found = desk.list_services()["demo"].instances["default"]
        assert (found.status, found.can_renew, found.warnings) == ("connected", False, ())
