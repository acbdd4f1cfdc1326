"""A platform's recipes: fetched as it gives them, below all others, whatever they say."""

from __future__ import annotations

import json

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    HostNotAllowed,
    ProviderUnavailable,
    UnknownService,
)
from arcrun_auth.people import Nobody
from arcrun_auth.remote import platform as platform_module
from arcrun_auth.remote import update
from arcrun_auth.remote.download import Budget
from tests import canary, mirror, servers
from tests.mirror import NOW
from tests.world import Told, master_key

KEY = "ak_" + "0" * 48


def item(service: str, host: str = "", **more) -> dict:
    """A recipe as the platform lists it."""
    return {
        "kind": "auth_recipe",
        "service": service,
        "version": 1,
        "primitive": "static_key",
        "base_url": f"https://{host or f'api.{service}.com'}",
        "display_name": service.title(),
        "required_secrets": [
            {"key": f"{service}_key", "label": "Key", "help_url": f"https://{service}.com"}
        ],
        "inject": {"header": {"Authorization": f"Bearer {{{{secret.{service}_key}}}}"}},
        **more,
    }


class Platform(servers.Recorder):
    """Answers as the public platform was recorded, its way of failing included."""

    def __init__(self, *items: dict) -> None:
        self.items = list(items)
        self.etag = ""
        self.lie: servers.Reply | None = None
        super().__init__(self._give)

    def _give(self, seen: servers.Seen) -> servers.Reply:
        if self.lie is not None:
            return self.lie
        place = seen.target.partition("/auth-recipes")[2].strip("/")
        if place:
            found = next((i for i in self.items if i.get("service") == place), None)
            if found is None:
                return reply({"success": False, "error": "找不到"}, 404)
            return reply({"success": True, "recipe": found})
        if self.etag and seen.headers.get("if-none-match") == self.etag:
            return servers.Reply(304, body=b"")
        made = reply({"success": True, "recipes": self.items, "count": len(self.items)})
        return servers.Reply(200, {"etag": self.etag} if self.etag else {}, made.body)


def reply(body: object, status: int = 200) -> servers.Reply:
    return servers.Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())


@pytest.fixture
def platform():
    running = Platform(item("three"), item("four"))
    yield running
    running.close()


@pytest.fixture
def home(tmp_path, platform):
    return mirror.Home(tmp_path, ARCRUN_SERVER=platform.origin, ARCRUN_ALLOW_HOSTS=platform.origin)


def test_its_recipes_stand_beside_ours(home, platform) -> None:
    assert home.update().changed
    catalog = home.catalog
    assert catalog.names() == ["four", "one", "three", "two"]
    entry = catalog.entry("three")
    assert (entry.tier, entry.release, entry.trusted) == ("platform", "", False)
    assert catalog.recipe("three").base_url == "https://api.three.com"
    assert catalog.problems == []
    (seen,) = platform.seen
    assert seen.target == "/auth-recipes"
    lock = json.loads(home.lock.read_text())["platform"]
    assert lock["source"] == f"{platform.origin}/"
    assert set(lock["recipes"]) == {"three.yaml", "four.yaml"}


def test_no_key_of_an_account_goes_along(home, platform) -> None:
    home.environ["ARCRUN_API_KEY"] = KEY
    home.update()
    assert KEY not in platform.raw


def test_a_list_that_has_not_changed_is_not_sent_again(home, platform) -> None:
    platform.etag = '"7"'
    home.update()
    assert not home.update().changed
    assert platform.seen[1].headers["if-none-match"] == '"7"'
    assert home.catalog.entry("three").tier == "platform"
    platform.etag = '"8"'
    platform.items.pop()
    assert home.update().changed
    assert "four" not in home.catalog.names()


def test_the_mark_of_one_place_is_not_told_to_another(home, platform) -> None:
    platform.etag = '"7"'
    home.update()
    other = Platform(item("five"))
    try:
        home.environ |= {"ARCRUN_SERVER": other.origin, "ARCRUN_ALLOW_HOSTS": other.origin}
        home.update()
        assert "if-none-match" not in other.seen[0].headers
    finally:
        other.close()
    assert home.catalog.names() == ["five", "one", "two"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply({"success": False, "error": "資料庫忙碌"}), "資料庫忙碌"),
        (reply({"error": "no"}, 400), "answered 400: no"),
        (reply({"error": "no"}), "answered 200: no"),
        (servers.Reply(404, body=b"404 Not Found"), "answered 404: 404 Not Found"),
        (servers.Reply(500, body=b"Internal Server Error"), "Internal Server Error"),
        (servers.Reply(302, {"location": "https://elsewhere.example/"}, b""), "answered 302"),
        (servers.Reply(200, body=b"<html>"), "no platform answers"),
        (servers.Reply(200, body=b"[]"), "no platform answers"),
        (servers.Reply(200, body=b"[" * 100_000), "no platform answers"),
        (reply({"success": True, "recipes": "none"}), "without a list"),
        (servers.Reply(500, body=b"\x1b[31mred\xff"), "[31mred"),
    ],
)
def test_a_failure_is_told_in_its_words_and_takes_nothing(home, platform, answer, words) -> None:
    home.update()
    before = home.lock.read_bytes()
    platform.lie = answer
    error = home.update().error
    assert isinstance(error, ProviderUnavailable if answer.status == 500 else AuthError)
    assert words in str(error)
    assert "\x1b" not in str(error)
    assert home.lock.read_bytes() == before
    assert home.catalog.entry("three").tier == "platform"


def test_what_is_no_recipe_is_left_out_by_itself(home, platform) -> None:
    platform.items += [
        {"service": "bad"},
        {"service": "Three", **{k: v for k, v in item("x").items() if k != "service"}},
        {"service": "../evil"},
        {"service": 7},
        "nothing",
        item("_base"),
        item("halves", description="\ud800"),
        item("deep", inject={"header": {"a": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}}),
        item("five", a_field_of_its_own={"x": 1}),
    ]
    result = home.update()
    assert set(result.unusable) == {
        "bad",
        "Three",
        "../evil",
        "7",
        "None",
        "_base",
        "halves",
        "deep",
    }
    assert home.catalog.names() == ["five", "four", "one", "three", "two"]
    assert home.catalog.problems == []


def test_a_list_has_an_end_and_so_has_its_depth(home, platform, monkeypatch) -> None:
    deep = "[" * 600 + "]" * 600
    text = json.dumps({"success": True, "recipes": [item("deep", tags="DEEP")]})
    platform.lie = servers.Reply(body=text.replace('"DEEP"', deep).encode())
    assert list(home.update().unusable) == ["deep"]
    platform.lie = None
    monkeypatch.setattr("arcrun_auth.remote.platform.MAX_RECIPES", 1)
    assert home.update().unusable == {"four": "there are more than 1"}
    assert home.catalog.names() == ["one", "three", "two"]


def test_what_is_listed_is_counted_usable_or_not(home, platform, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.remote.platform.MAX_RECIPES", 2)
    platform.items = [{"service": f"No. {number}"} for number in range(50)]
    assert home.update().unusable == {
        "No. 0": "this is no name of a service",
        "No. 1": "this is no name of a service",
        "No. 2": "there are more than 2",
    }


def test_reading_a_list_ends_with_the_time_of_the_update(monkeypatch) -> None:
    budget = Budget(600)
    read = []

    def check(document) -> None:
        read.append(document)
        monkeypatch.setattr("time.monotonic", lambda: budget._end)

    monkeypatch.setattr(platform_module, "_check", check)
    with pytest.raises(ProviderUnavailable, match="no list that could be read within 600 seconds"):
        platform_module._texts([item("one"), item("two")], budget, "a.example")
    assert len(read) == 1


def test_what_is_read_is_never_too_deep_to_be_written() -> None:
    """The parser and the writer of JSON give up at other depths, from Python 3.12 on."""
    for depth in range(500, 3000, 100):
        nested = "[" * depth + "]" * depth
        try:
            listed = json.loads(f'[{{"service": "deep", "tags": {nested}}}]')
        except RecursionError:
            break
        assert platform_module._texts(listed, Budget(600), "a.example")[1].keys() == {"deep"}


def test_no_recipe_of_its_takes_a_variable_of_ours_for_its_secret(home, platform) -> None:
    secrets = [{"key": "url", "label": "x", "help_url": "https://x.io"}]
    platform.items = [item("master"), item("recipes", required_secrets=secrets)]
    platform.items[1]["inject"] = {"header": {"A": "{{secret.url}}"}}
    found = home.update().unusable
    assert "reserved" in found["master"]
    assert "ARCRUN_RECIPES_URL is a setting" in found["recipes"]


def test_a_name_that_is_listed_twice_is_the_first_one(home, platform) -> None:
    platform.items.append(item("three", "evil.example"))
    home.update()
    assert home.catalog.recipe("three").base_url == "https://api.three.com"


# -- the lowest tier -------------------------------------------------------------------


def test_who_replaces_a_bundled_service_there_changes_nothing_here(home, platform) -> None:
    """Anybody may write on the public platform: no login is asked for."""
    before = home.catalog.bodies()
    platform.items = [item("one", "evil.example"), item("two", "evil.example")]
    home.update()
    assert home.catalog.bodies() == before
    assert home.catalog.problems == []


def test_it_takes_no_name_that_is_an_alias_and_no_name_of_a_file_of_ours(home, platform) -> None:
    (home.bundled / "two.yaml").write_text(mirror.recipe("two", aliases=["deux"]))
    local = home.path / "recipes"
    local.mkdir(parents=True, mode=0o700)
    (local / "mine.yaml").write_text(mirror.recipe("mine"))
    platform.items = [
        item("deux", "evil.example"),
        item("mine", "evil.example"),
        item("evil", aliases=["two", "mine", "deux"]),
    ]
    home.update()
    catalog = home.catalog
    assert catalog.entry("deux").service == "two"
    assert catalog.entry("mine").tier == "local"
    assert catalog.entry("two").tier == "bundled"
    assert catalog.names() == ["evil", "mine", "one", "two"]
    assert catalog.problems == []


def test_it_has_no_alias_that_is_a_name_of_the_community(home, platform) -> None:
    platform.items = [item("evil", aliases=["ok", "acme/shop"]), item("three")]
    assert "what an author signed" in home.update().unusable["evil"]
    assert home.catalog.names() == ["one", "three", "two"]
    with pytest.raises(UnknownService):
        home.catalog.entry("acme/shop")


def test_a_service_may_have_the_name_of_a_device(home, platform) -> None:
    """On Windows `nul.yaml` is no file, and what is written there is gone."""
    platform.items = [item(name) for name in ("nul", "con", "com1", "lpt9", "conical")]
    home.update()
    catalog = home.catalog
    assert catalog.names() == ["com1", "con", "conical", "lpt9", "nul", "one", "two"]
    assert catalog.problems == []
    files = {path.stem for path in (home.path / "recipes/.fetched/platform").glob("*/*.yaml")}
    assert files == {"the-com1", "the-con", "conical", "the-lpt9", "the-nul"}
    assert not home.update().changed


def test_its_recipe_reads_no_variable_that_it_names(home, platform) -> None:
    platform.items = [item("three")]
    platform.items[0]["required_secrets"][0]["env"] = ["AWS_SECRET_ACCESS_KEY"]
    home.update()
    (secret,) = home.catalog.entry("three").methods[0].secrets
    assert secret[2] == ("ARCRUN_THREE_KEY",)


@pytest.fixture
def broker(home):
    made, key = [], master_key()

    def make(person=None, **environ: str) -> Broker:
        here = Broker(
            home=str(home.path), recipes=home.catalog, person=person or Nobody(),
            environ={**home.environ, **key, **environ},
        )  # fmt: skip
        made.append(here)
        return here

    yield make
    for each in made:
        each.close()


def test_a_secret_of_the_environment_is_not_sent_by_its_recipe(home, broker) -> None:
    home.update()
    with pytest.raises(ConsentRequired, match="platform recipe"):
        broker(ARCRUN_THREE_KEY=canary.fresh()).get_token("three")


def test_a_recipe_of_its_own_that_changes_is_asked_about(home, platform, broker) -> None:
    home.update()
    broker(Told()).setup("three", three_key=canary.fresh())
    assert broker().get_token("three").access_token
    platform.items[0] = item("three", "evil.example")
    home.update()
    with pytest.raises(ConsentRequired, match=r"evil\.example"):
        broker().get_token("three")


# -- one service -----------------------------------------------------------------------


def test_an_unknown_service_is_asked_for_once_a_day(home, platform) -> None:
    assert home.updates().look_for("four", Told())
    assert [seen.target for seen in platform.seen] == ["/auth-recipes/four"]
    assert home.catalog.entry("four").tier == "platform"
    assert not home.updates().look_for("five", Told())
    assert not home.updates().look_for("five", Told())
    assert len(platform.seen) == 2
    platform.items.append(item("five"))
    assert home.updates(NOW + update.DAY + 1).look_for("five", Told())
    assert home.catalog.names() == ["five", "four", "one", "two"]


def test_nobody_reachable_nothing_asked(home, platform) -> None:
    assert not home.updates().look_for("four", Nobody())
    assert home.updates().run_if_due(Nobody()) == []
    home.environ["CI"] = "true"
    assert not home.updates().look_for("four", Told())
    assert home.updates().run_if_due(Told()) == []
    assert platform.seen == []


@pytest.mark.parametrize("service", ["a/b", "Four", "_base", "x" * 25])
def test_a_name_that_it_cannot_have_is_not_asked_for(home, platform, service) -> None:
    assert not home.updates().look_for(service, Told())
    assert platform.seen == []


def test_another_recipe_than_was_asked_for_is_not_taken(home, platform) -> None:
    platform.lie = reply({"success": True, "recipe": item("one", "evil.example")})
    assert not home.updates().look_for("five", Told())
    platform.lie = reply({"success": True})
    assert not home.updates().look_for("six", Told())
    with pytest.raises(UnknownService):
        home.catalog.entry("five")


def test_a_platform_that_is_down_is_not_asked_again_for_a_day(home, platform) -> None:
    platform.lie = servers.Reply(500)
    assert not home.updates().look_for("five", Told())
    assert not home.updates().look_for("six", Told())
    assert home.updates().run_if_due(Told()) == []
    assert len(platform.seen) == 1


def test_one_service_says_nothing_of_the_others(home, platform) -> None:
    home.updates().look_for("four", Told())
    (result,) = home.updates().run_if_due(Told())
    assert result.changed
    assert home.catalog.entry("three").tier == "platform"


def test_a_list_is_fetched_again_after_one_service_took_its_place(home, platform) -> None:
    """Its mark was given with all of them; with one more, or without a damaged one, it lies."""
    platform.etag = '"7"'
    home.update()
    place = home.path / "recipes/.fetched/platform"
    for path in place.glob("*/three.yaml"):
        path.write_text("damaged: yes\n")
    platform.items.append(item("five"))
    assert home.updates().look_for("five", Told())
    assert home.update().error is None
    assert home.catalog.names() == ["five", "four", "one", "three", "two"]


def test_the_mark_of_a_place_stays_there_when_one_service_came_from_another(home, platform) -> None:
    platform.etag = '"7"'
    home.update()
    other = Platform(item("five"), item("six"))
    other.etag = '"7"'
    try:
        home.environ |= {"ARCRUN_SERVER": other.origin, "ARCRUN_ALLOW_HOSTS": other.origin}
        assert home.updates().look_for("five", Told())
        home.update()
        assert "if-none-match" not in other.seen[-1].headers
        assert home.catalog.names() == ["five", "one", "six", "two"]
    finally:
        other.close()


# -- by itself -------------------------------------------------------------------------


def test_it_is_asked_by_itself_once_a_week(home, platform) -> None:
    assert home.updates().run_if_due(Told())
    assert home.updates().run_if_due(Told()) == []
    assert home.updates(NOW + update.WEEK).run_if_due(Told()) == []
    assert home.updates(NOW + update.WEEK + 1).run_if_due(Told())
    assert len(platform.seen) == 2


def test_a_failure_is_not_tried_again_by_itself_for_a_day(home, platform) -> None:
    platform.lie = servers.Reply(500)
    (result,) = home.updates().run_if_due(Told())
    assert result.error is not None
    assert home.updates(NOW + 3600).run_if_due(Told()) == []
    assert home.updates(NOW + update.DAY + 1).run_if_due(Told())


def test_a_clock_that_went_ahead_stops_nothing(home, platform) -> None:
    late = NOW + 1000 * update.DAY
    home.updates(late).run()
    assert not home.updates(late).look_for("five", Told())
    platform.items.append(item("five"))
    assert home.updates().look_for("five", Told())
    ((_, well, words),) = home.updates().health()
    assert (well, words) == (False, "was last fetched in the future: a clock is or was wrong")
    assert home.updates().run_if_due(Told())
    assert home.updates().run_if_due(Told()) == []


def test_without_a_setting_nothing_is_asked(home, platform) -> None:
    del home.environ["ARCRUN_SERVER"]
    assert home.updates().run() == []
    assert home.updates().run_if_due(Told()) == []
    assert not home.updates().look_for("four", Told())
    assert list(home.updates().health()) == []
    assert platform.seen == []


def test_no_way_to_a_token_asks_anybody(home, platform, broker) -> None:
    """However old it is, and although somebody is there."""
    home.update()
    platform.seen.clear()
    here = broker(Told(), ARCRUN_ONE_KEY=canary.fresh())
    assert here.get_token("one").access_token
    with here.bind("one"):
        pass
    with pytest.raises(UnknownService):
        here.get_token("seven")
    with pytest.raises(UnknownService):
        here.bind("seven")
    here.list_services()
    assert platform.seen == []


def test_a_host_that_is_not_public_needs_the_users_word(home, platform) -> None:
    del home.environ["ARCRUN_ALLOW_HOSTS"]
    assert isinstance(home.update().error, HostNotAllowed)
    assert platform.seen == []


def test_differences_are_by_service() -> None:
    before = {"a": b"1", "b": b"1", "c": b"1"}
    found = update.differences(before, {"b": b"2", "c": b"1", "d": b"1"})
    assert [(c.service, c.kind) for c in found] == [
        ("a", "removed"),
        ("b", "changed"),
        ("d", "new"),
    ]
