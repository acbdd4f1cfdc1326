"""Which record an app is: an instance's own, the family's, or the one of a server that gave it."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import apps, errors
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.unit.test_adoption import login_of
from tests.unit.test_apps import way
from tests.unit.test_quirky_logins import desk
from tests.world import broker_for, home_with

HERE, THERE = "https://a.example/register", "https://b.example/register"


def keep(store, name: str, **where: str) -> None:
    apps.keep(store, "drive", way(), apps.App(name, Secret(canary.fresh())), **where)


def used(store, instance: str = "default", server: str = "") -> str | None:
    """The app that is used, by its id: by its name in the store, and out of it."""
    key = apps.key_for(store, "drive", way(), instance, server)
    record = store.get(key)
    named = record.secrets["client_id"].reveal() if record is not None else None
    app = apps.stored(store, "drive", way(), server, instance=instance)
    assert named == (app.client_id if app is not None else None)
    return named


def test_an_instance_s_own_comes_first_then_the_family_s() -> None:
    store = Memory()
    assert used(store) is used(store, "old") is None
    keep(store, "family")
    keep(store, "own", instance="old")
    assert [used(store, name) for name in ("default", "old", "new")] == ["family", "own", "family"]
    for server in (HERE, THERE):  # what a person gave is theirs to place
        assert [used(store, name, server) for name in ("default", "old")] == ["family", "own"]


def test_a_client_that_registered_itself_is_shown_to_its_server_alone() -> None:
    """RFC 7591 §5: its secret is shared with that server, whatever the instance is called."""
    store = Memory()
    keep(store, "here", server=HERE)
    assert [used(store, name, THERE) for name in ("default", "old")] == [None, None]
    keep(store, "there", server=THERE)
    for instance in ("default", "old"):
        assert [used(store, instance, server) for server in (HERE, THERE)] == ["here", "there"]


def test_an_instance_s_own_stands_before_one_that_registered_itself() -> None:
    store = Memory()
    keep(store, "here", server=HERE)
    keep(store, "own", instance="old")
    assert [used(store, name, HERE) for name in ("default", "old")] == ["here", "own"]

    def registered(instance: str) -> Credential | None:
        return apps.registration(store, "drive", way(), HERE, instance=instance)

    assert registered("default") is not None
    assert registered("old") is None, "what a person gave is never replaced"


def test_the_keys_of_an_app_are_those_of_its_servers_and_not_of_its_instances() -> None:
    store = Memory()
    for server in (HERE, THERE):
        keep(store, server, server=server)
    keep(store, "own", instance="old")
    assert apps.keys(store, "drive", "old") == [Key("app", "drive", "old")]
    assert len(apps.keys(store, "drive")) == 2
    assert Key("app", "drive", "old") not in apps.keys(store, "drive")
    assert apps.keys(store, "mail") == apps.keys(store, "drive", "new") == []


# -- at a login ----------------------------------------------------------------------------


@pytest.fixture
def provider():
    with Provider(quirks=Quirks(secret_seconds=3600)) as running:
        yield running


def renewed(broker, instance: str | None = None) -> bool:
    _, source = broker._connections.get("demo", instance, person=Nobody)
    token = source.token().access_token
    return source.token(rejected=token).access_token != token


def own_of(broker, provider, name: str = "own-app") -> None:
    provider.register(name, auth="post")
    record = Credential(
        Key("app", "demo", "old"),
        secrets={"client_id": Secret(name), "client_secret": Secret(provider.client_secret)},
    )
    held = broker.store.get(record.key)
    broker.store.put(record, expect=held.generation if held else 0)


def test_where_clients_register_an_instance_logs_in_with_its_own(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app=None, auth="post", registration="dcr")
    own_of(broker, provider)
    broker.setup("demo", "old")
    assert provider.requests["/register"] == 0
    broker.setup("demo")
    assert provider.requests["/register"] == 1
    assert renewed(broker)
    assert renewed(broker, "old")
    assert broker.store.get(Key("app", "demo", "old")).secrets["client_id"].reveal() == "own-app"


def test_why_shows_the_app_that_is_used(tmp_path, provider) -> None:
    """And not the family's, which registered itself elsewhere."""
    broker = desk(tmp_path, provider, app=None, auth="post", registration="dcr")
    demo = broker.recipes.recipe("demo").way()
    apps.keep(broker.store, "demo", demo, apps.App("elsewhere"), server=HERE)
    broker.setup("demo")
    assert {origin.key for origin in broker.why("demo").app} >= {"client_id", "client_secret"}
    assert broker.store.get(Key("app", "demo")).secrets.keys() == {"client_id"}


def test_a_client_file_goes_where_the_instance_s_own_app_is(tmp_path, provider) -> None:
    """Kept for the family it would not be used, and the login would be another client's."""
    recipe = provider.recipe_yaml("demo", auth="post")
    broker = broker_for(home_with(tmp_path, provider, demo=recipe), provider, store=Memory())
    own_of(broker, provider, "first-app")
    provider.register("second-app", auth="post")
    path = tmp_path / "given" / "client.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps({"client_id": "second-app", "client_secret": provider.client_secret})
    )
    broker.setup("demo", "old", client_file=str(path))
    own = broker.store.get(Key("app", "demo", "old"))
    assert own.secrets["client_id"].reveal() == "second-app"
    assert broker.store.get(Key("app", "demo")).secrets["client_id"].reveal() == "demo"
    assert renewed(broker, "old")


def test_the_end_of_an_app_s_secret_is_noted_at_the_one_that_is_used(tmp_path, provider) -> None:
    recipe = provider.recipe_yaml("demo", auth="post")
    broker = broker_for(home_with(tmp_path, provider, demo=recipe), provider, store=Memory())
    own_of(broker, provider)
    broker.setup("demo", "old", expires="2090-01-01")
    assert broker.store.get(Key("app", "demo", "old")).ends is not None
    assert broker.store.get(Key("app", "demo")).ends is None


def test_nothing_is_sent_where_a_login_could_not_be_kept(tmp_path, provider, monkeypatch) -> None:
    """A refresh token that rotates is spent by the renewal that proves it."""
    recipe = provider.recipe_yaml("demo")
    broker = broker_for(home_with(tmp_path, provider, demo=recipe), provider, store=Memory())

    def prepare() -> None:
        raise errors.NoStore("There is no place for it.")

    monkeypatch.setattr(broker.store, "prepare", prepare)
    with pytest.raises(errors.NoStore):
        broker.adopt("demo", grant=login_of(provider, "demo"))
    assert provider.token_requests.total() == 0
