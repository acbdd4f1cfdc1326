"""Apps for a fleet: by variables, client files and config.toml; and what is told of them."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import apps
from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    MissingSecret,
    StoreError,
    UnknownService,
)
from arcrun_auth.report import Origin, origins_of
from arcrun_auth.stores.apps import ClientFiles, ConfigApps
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.unit.test_apps import CERTIFICATE, PEM
from tests.world import Told, broker_for, home_with, master_key

APP = Key("app", "fleet")


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def world(tmp_path, provider):
    """Gives a broker: `one` and `two` share the app `fleet`, `demo` has one for itself."""

    def shared(name: str) -> str:
        text = provider.recipe_yaml(name, auth="post")
        return text.replace("  client:\n", "  client:\n    app: fleet\n")

    home = home_with(tmp_path, provider, one=shared("one"), two=shared("two"))

    def make(toml: str = "", person=None, **environ: str):
        (tmp_path / "home" / "config.toml").write_text(toml)
        environ |= master_key() if not hasattr(make, "key") else make.key
        make.key = {name: environ[name] for name in ("ARCRUN_MASTER_KEY", "ARCRUN_KEYRING")}
        return broker_for(home, provider, person, environ=environ)

    return make


def app_of(broker, service: str = "one"):
    recipe = broker.recipes.recipe(service)
    return apps.stored(broker.store, service, recipe.way())


def file_with(tmp_path, name: str, text: str) -> str:
    given = tmp_path / "given"
    given.mkdir(exist_ok=True)
    (given / name).write_text(text)
    return str(given / name)


def client_file(tmp_path, client_id: str, secret: str) -> str:
    data = {"installed": {"client_id": client_id, "client_secret": secret}}
    return file_with(tmp_path, f"{client_id}.json", json.dumps(data))


def test_a_table_of_config_toml_is_an_app_for_its_whole_family(world, tmp_path) -> None:
    secret = canary.fresh()
    path = file_with(tmp_path, "secret", f"{secret}\n")
    broker = world(f'[apps.fleet]\nclient_id = "id-1"\nclient_secret_file = "{path}"')
    for service in ("one", "two"):
        app = app_of(broker, service)
        assert app is not None
        assert (app.client_id, app.client_secret) == ("id-1", Secret(secret))
    assert app_of(broker, "demo").client_id == "demo"


def test_a_path_in_it_begins_at_the_home_and_changes_are_seen(world, tmp_path) -> None:
    first, second = canary.fresh(), canary.fresh()
    broker = world('[apps.fleet]\nclient_file = "../given/id-2.json"')
    for secret in (first, second):
        client_file(tmp_path, "id-2", secret)
        assert app_of(broker).client_secret == Secret(secret)


def test_keys_and_certificates_come_from_files_too(tmp_path) -> None:
    key, chain = file_with(tmp_path, "key.pem", PEM), file_with(tmp_path, "own.crt", CERTIFICATE)
    store = ConfigApps(
        {"fleet": {"private_key_file": key, "certificate_file": chain, "key_id": "k"}}, "/"
    )
    record = store.get(APP)
    assert record is not None
    assert record.secrets == {
        "private_key": Secret(PEM), "certificate": Secret(CERTIFICATE), "key_id": Secret("k"),
    }  # fmt: skip
    assert store.origin(APP)["certificate"] == "apps.fleet.certificate_file"
    assert list(store.keys()) == [APP]
    for other in (Key("credential", "fleet"), Key("app", "fleet", "work"), Key("app", "none")):
        assert store.get(other) is None
    assert store.origin(Key("app", "none")) == {}


def test_a_variable_names_a_client_file(world, tmp_path) -> None:
    secret = canary.fresh()
    broker = world(ARCRUN_FLEET_CLIENT_FILE=client_file(tmp_path, "id-3", secret))
    app = app_of(broker)
    assert (app.client_id, app.client_secret) == ("id-3", Secret(secret))


def test_client_files_hold_apps_and_nothing_else(tmp_path) -> None:
    store = ClientFiles({"ARCRUN_FLEET_CLIENT_FILE": client_file(tmp_path, "id-3", "x")})
    assert store.get(Key("credential", "fleet")) is None
    assert store.origin(APP) == dict.fromkeys(
        ("client_id", "client_secret"), "ARCRUN_FLEET_CLIENT_FILE"
    )
    assert store.origin(Key("app", "other")) == {}
    assert list(store.keys()) == []
    with pytest.raises(StoreError, match="read-only"):
        store.delete(APP, expect=0)


def test_the_environment_stands_over_config_toml_and_that_over_the_vault(world, tmp_path) -> None:
    saved, filed, given = canary.fresh(), canary.fresh(), canary.fresh()
    broker = world()
    way = broker.recipes.recipe("one").way()
    apps.keep(broker.store, "one", way, apps.App("saved", Secret(saved)))
    assert app_of(broker).client_id == "saved"
    broker.close()

    toml = f'[apps.fleet]\nclient_file = "{client_file(tmp_path, "filed", filed)}"'
    broker = world(toml)
    assert (app_of(broker).client_id, app_of(broker).client_secret) == ("filed", Secret(filed))
    broker.close()

    broker = world(toml, ARCRUN_FLEET_CLIENT_SECRET=given)
    assert (app_of(broker).client_id, app_of(broker).client_secret) == ("filed", Secret(given))
    assert origins_of(broker.store, APP, broker.store.get(APP)) == (
        Origin("client_secret", "environment", "ARCRUN_FLEET_CLIENT_SECRET"),
        Origin("client_id", "config.toml", "apps.fleet.client_file"),
    )


def test_what_is_saved_under_a_variable_of_the_same_value_is_saved(world) -> None:
    broker = world(ARCRUN_FLEET_CLIENT_ID="same")
    secret = Secret(canary.fresh())
    apps.keep(broker.store, "one", broker.recipes.recipe("one").way(), apps.App("same", secret))
    broker.close()
    assert app_of(world()).client_id == "same"


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("[1]", "holds no client"), ('{"web": 1}', "Web client")],
)
def test_a_file_of_no_use_is_an_error_where_the_app_is_needed(world, tmp_path, text, said) -> None:
    path = tmp_path / "client.json"
    if text is not None:
        path.write_text(text)
    broker = world(f'[apps.fleet]\nclient_file = "{path}"')
    with pytest.raises(AuthError, match=said):
        app_of(broker)
    assert app_of(broker, "demo") is not None


# -- what is told --------------------------------------------------------------------------


def test_the_apps_that_there_are_and_who_uses_them(world, tmp_path) -> None:
    broker = world('[apps.fleet]\nclient_id = "id-1"')
    stranger = Credential(Key("app", "gone", "x"), secrets={"client_id": Secret("id-0")})
    broker.store.put(stranger, expect=0)
    way = broker.recipes.recipe("demo").way()
    apps.keep(broker.store, "demo", way, apps.App("demo", Secret(canary.fresh())), ends=9.0)
    found = {app.name: app for app in apps.registered(broker.store, apps.uses(broker.recipes))}
    assert set(found) == {"demo", "fleet", "gone@x"}
    assert (found["fleet"].services, found["fleet"].complete) == (("one", "two"), False)
    assert found["fleet"].origins == (Origin("client_id", "config.toml", "apps.fleet.client_id"),)
    assert (found["gone@x"].services, found["gone@x"].complete) == ((), True)
    assert found["demo"].ends == 9.0


def test_the_end_of_a_saved_secret_says_nothing_about_another_one(world) -> None:
    broker = world(ARCRUN_FLEET_CLIENT_SECRET=canary.fresh())
    way = broker.recipes.recipe("one").way()
    apps.keep(broker.store, "one", way, apps.App("id", Secret(canary.fresh())), ends=9.0)
    found = {app.name: app for app in apps.registered(broker.store, apps.uses(broker.recipes))}
    assert found["fleet"].ends is None


def test_an_app_is_found_by_its_name_and_by_a_service_s(world) -> None:
    recipes = world().recipes
    assert [use.service for use in apps.find(recipes, "fleet")[1]] == ["one", "two"]
    name, group = apps.find(recipes, "two")
    assert (name, [use.service for use in group]) == ("fleet", ["two"])
    with pytest.raises(AuthError, match="needs no OAuth app"):
        apps.find(recipes, "keyed")
    with pytest.raises(UnknownService):
        apps.find(recipes, "nowhere")


def test_a_client_that_comes_with_the_recipe_or_registers_itself_needs_no_app(
    tmp_path, provider
) -> None:
    text = provider.recipe_yaml("own")
    home = home_with(
        tmp_path, provider, own=text.replace("  client:\n", "  client:\n    id: public-1\n")
    )
    assert "own" not in apps.uses(broker_for(home, provider, environ=master_key()).recipes)


def test_why_names_the_source_of_the_app(world, tmp_path) -> None:
    broker = world('[apps.fleet]\nclient_id = "id-1"')
    assert broker.why("one").app == (Origin("client_id", "config.toml", "apps.fleet.client_id"),)
    assert broker.why("keyed").app == ()


def test_a_login_that_needs_an_app_asks_for_it_and_keeps_it(world, provider) -> None:
    provider.register("own-app", auth="post")
    person = Told("own-app", provider.client_secret)
    broker = world(person=person)
    assert broker.setup("one").connected
    assert person.hidden == ["Client secret"]
    assert app_of(broker, "two").client_id == "own-app"


def test_a_client_file_without_the_secret_that_is_demanded_is_refused(world, tmp_path) -> None:
    path = file_with(tmp_path, "half.json", '{"client_id": "id-1"}')
    with pytest.raises(MissingSecret) as caught:
        world().setup("one", client_file=path)
    assert caught.value.key == "client_secret"


def test_a_client_file_is_kept_only_once_its_recipe_is_agreed_to(world, tmp_path) -> None:
    """Before that a stranger's recipe could put its own in the place of a family's app."""
    broker = world(person=Told(yes=False))
    kept = Credential(APP, secrets={"client_id": Secret("id-0")})
    broker.store.put(kept, expect=0)
    path = client_file(tmp_path, "id-9", canary.fresh())
    with pytest.raises(ConsentRequired):
        broker.setup("one", client_file=path)
    assert broker.store.get(APP).secrets["client_id"].reveal() == "id-0"


def test_a_client_file_is_kept_for_later_though_its_login_fails(world, tmp_path, provider) -> None:
    provider.register("own-app", auth="post")
    broker = world()
    path = client_file(tmp_path, "own-app", canary.fresh())
    with pytest.raises(AuthError, match="invalid_client"):
        broker.setup("one", client_file=path)
    assert app_of(broker, "two").client_id == "own-app"


@pytest.mark.parametrize(
    ("uri", "serves"),
    [
        ("http://127.0.0.1:8423/callback", True),
        ("http://localhost:8423/callback", True),
        ("https://localhost/callback", True),
        ("https://site.example/callback", False),
        ("http://localhost.evil.example/", False),
        ("http://[x", False),
        (7, False),
    ],
)
def test_a_web_client_that_is_laid_down_serves_if_a_login_could_come_back(
    world, tmp_path, uri, serves
) -> None:
    """Which services use it is not known there: at `--client-file` the exact URI is asked for."""
    web = {"client_id": "id-7", "client_secret": canary.fresh(), "redirect_uris": [uri]}
    path = file_with(tmp_path, "web.json", json.dumps({"web": web}))
    for broker in (
        world(f'[apps.fleet]\nclient_file = "{path}"'),
        world(ARCRUN_FLEET_CLIENT_FILE=path),
    ):
        if serves:
            assert app_of(broker).client_id == "id-7"
        else:
            with pytest.raises(AuthError, match="Web client"):
                app_of(broker)
        broker.close()


def test_what_is_used_before_a_client_file_is_told(world, tmp_path, provider) -> None:
    provider.register("own-app", auth="post")
    path = client_file(tmp_path, "filed", provider.client_secret)
    person = Told()
    world(person=person, ARCRUN_FLEET_CLIENT_ID="own-app").setup("one", client_file=path)
    assert provider.authorizations[0]["client_id"] == "own-app"
    assert "What stands in ARCRUN_FLEET_CLIENT_ID is used before the client file." in person.said
    person.said.clear()
    path = client_file(tmp_path, "own-app", provider.client_secret)
    world(person=person).setup("one", client_file=path)
    assert not any("is used before" in line for line in person.said)
