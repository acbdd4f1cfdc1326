"""The environment in front of the vault: what it may give, and what it may not."""

from __future__ import annotations

import pytest
import yaml

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.world import Told, broker_for, home_with, master_key


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def home(tmp_path, provider):
    return home_with(tmp_path, provider)


def desk(home: str, provider: Provider, **environ: str) -> Broker:
    """A broker with a vault of its own, nobody to ask, and these variables."""
    return Broker(
        home=home,
        person=Nobody(),
        environ=master_key() | {"ARCRUN_ALLOW_HOSTS": provider.issuer} | environ,
        open_url=provider.follow,
    )


def test_a_key_in_a_variable_is_enough(home, provider) -> None:
    broker = desk(home, provider, ARCRUN_KEYED_KEY=provider.static_key)
    with broker.bind("keyed") as client:
        assert client.get("/static").status_code == 200
    assert broker.get_token("keyed").access_token == provider.static_key
    why = broker.why("keyed")
    assert [(o.key, o.store, o.place) for o in why.origins] == [
        ("keyed_key", "environment", "ARCRUN_KEYED_KEY")
    ]
    assert broker.list_services()["keyed"].instances["default"].status == "connected"


def test_an_instance_has_variables_of_its_own(home, provider) -> None:
    broker = desk(home, provider, ARCRUN_KEYED__WORK__KEY=provider.static_key)
    assert broker.get_token("keyed@work").access_token == provider.static_key
    with pytest.raises(errors.MissingSecret):
        broker.get_token("keyed")


def test_a_mounted_secret_is_enough(home, provider, tmp_path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "arcrun_keyed_key").write_text(provider.static_key + "\n")
    broker = desk(home, provider, ARCRUN_SECRETS_DIR=str(folder))
    assert broker.get_token("keyed").access_token == provider.static_key


def test_removing_says_so_where_only_the_environment_has_it(home, provider) -> None:
    broker = desk(home, provider, ARCRUN_KEYED_KEY=provider.static_key)
    assert not broker.remove("keyed")


def test_a_local_recipe_gets_no_secret_of_the_environment_without_the_users_word(
    home, provider
) -> None:
    broker = desk(home, provider, ARCRUN_KEYED_KEY=provider.static_key, ARCRUN_ALLOW_HOSTS="")
    with pytest.raises(errors.ConsentRequired, match="nobody has agreed"):
        broker.get_token("keyed")


def logged_in(home: str, provider: Provider) -> tuple[str, str]:
    """A grant made elsewhere: its access and its refresh token."""
    broker = broker_for(home, provider, Told(), environ=master_key())
    broker.setup("demo")
    grant = broker.store.get(Key("credential", "demo")).grant
    broker.remove("demo")
    broker.close()
    return grant.access_token.reveal(), grant.refresh_token.reveal()


def test_an_access_token_of_the_environment_is_used_as_it_is(tmp_path, provider) -> None:
    access, _ = logged_in(home_with(tmp_path / "a", provider), provider)
    broker = desk(home_with(tmp_path / "b", provider), provider, ARCRUN_DEMO_ACCESS_TOKEN=access)
    with broker.bind("demo") as client:
        assert client.get("/me").status_code == 200
        provider.authority.expire_access_tokens()
        assert client.get("/me").status_code == 401
    assert provider.refreshes == 0


def test_a_refresh_token_that_rotates_is_refused_before_it_is_sent(tmp_path, provider) -> None:
    _, refresh = logged_in(home_with(tmp_path / "a", provider), provider)
    broker = desk(
        home_with(tmp_path / "b", provider),
        provider,
        ARCRUN_DEMO_REFRESH_TOKEN=refresh,
        ARCRUN_DEMO_CLIENT_ID="demo",
    )
    with pytest.raises(errors.StoreError, match="cannot keep it"):
        broker.get_token("demo")
    assert provider.token_requests["refresh_token"] == 0


def test_one_that_does_not_rotate_is_renewed_and_kept_in_memory_only(tmp_path) -> None:
    with Provider(rotates=False) as provider:
        steady = provider.recipe_yaml("demo").replace("rotates: maybe", 'rotates: "no"')
        _, refresh = logged_in(home_with(tmp_path / "a", provider, demo=steady), provider)
        broker = desk(
            home_with(tmp_path / "b", provider, demo=steady),
            provider,
            ARCRUN_DEMO_REFRESH_TOKEN=refresh,
            ARCRUN_DEMO_CLIENT_ID="demo",
        )
        with broker.bind("demo") as client:
            assert client.get("/me").status_code == 200
        assert broker.get_token("demo").access_token
        assert provider.refreshes == 1
        assert list(broker.store.primary.keys()) == []  # type: ignore[attr-defined]


def test_ones_own_app_comes_from_variables_of_the_service(home, provider) -> None:
    person = Told()
    broker = Broker(
        home=home,
        person=person,
        open_url=provider.follow,
        environ=master_key()
        | {"ARCRUN_ALLOW_HOSTS": provider.issuer, "ARCRUN_DEMO_CLIENT_ID": "demo"},
    )
    broker.setup("demo")
    assert not any("Client ID" in question for question in person.asked)
    assert broker.store.primary.get(Key("app", "demo")) is None  # type: ignore[attr-defined]


def test_a_renewal_without_the_app_says_what_is_missing(tmp_path, provider) -> None:
    home = home_with(tmp_path, provider)
    broker = broker_for(home, provider, environ=master_key())
    broker.setup("demo")
    broker.store.delete(Key("app", "demo"), expect=1)
    provider.authority.expire_access_tokens()
    with broker.bind("demo") as client, pytest.raises(errors.MissingSecret) as caught:
        client.get("/me")
    assert caught.value.key == "client_id"


def test_nothing_works_without_a_key_for_the_vault_and_nothing_is_written(
    home, provider, tmp_path
) -> None:
    broker = Broker(
        home=home,
        person=Nobody(),
        environ={"ARCRUN_KEYRING": "off", "ARCRUN_ALLOW_HOSTS": provider.issuer},
    )
    with pytest.raises(errors.NoStore):
        broker.store.put(
            Credential(Key("credential", "keyed"), secrets={"keyed_key": Secret(canary.fresh())}),
            expect=0,
        )
    assert not (tmp_path / "home" / "secrets.db").exists()


def test_a_new_vault_asks_twice_for_its_passphrase(home, provider) -> None:
    passphrase = canary.fresh("passphrase")
    person = Told(passphrase, "something else", passphrase, passphrase)
    environ = {"ARCRUN_KEYRING": "off", "ARCRUN_ALLOW_HOSTS": provider.issuer}
    broker = Broker(home=home, person=person, environ=environ)
    key = Key("credential", "keyed")
    broker.store.put(Credential(key, secrets={"keyed_key": Secret("x")}), expect=0)
    assert any("not the same" in line for line in person.said)
    again = Broker(home=home, person=Told(passphrase), environ=environ)
    assert again.store.get(key).secrets["keyed_key"] == Secret("x")
    locked = Broker(home=home, person=Nobody(), environ=environ)
    with pytest.raises(errors.StoreLocked):
        locked.get_token("keyed")


SHARED = """\
service: {name}
account: family
primitive: static_key
base_url: {issuer}/api
required_secrets:
  - {{key: family_key}}
inject:
  header: {{Authorization: "Bearer {{{{secret.family_key}}}}"}}
"""


@pytest.fixture
def family(tmp_path, provider):
    recipes = {name: SHARED.format(name=name, issuer=provider.issuer) for name in ("one", "two")}
    return home_with(tmp_path, provider, **recipes)


def test_services_of_one_account_share_its_credential(family, provider) -> None:
    broker = broker_for(family, provider, environ=master_key())
    broker.setup("one", key=provider.static_key)
    assert broker.get_token("two").access_token == provider.static_key
    assert set(broker.list_services()["two"].instances) == {"default"}
    broker.remove("two")
    with pytest.raises(errors.MissingSecret):
        broker.get_token("one", interactive=False)


def test_and_so_does_a_variable_of_either(family, provider) -> None:
    for name in ("ONE", "TWO"):
        broker = desk(family, provider, **{f"ARCRUN_{name}_FAMILY_KEY": provider.static_key})
        assert broker.get_token("one").access_token == provider.static_key
        assert broker.get_token("two").access_token == provider.static_key


def test_an_exported_vault_can_stand_in_front(tmp_path, provider) -> None:
    from arcrun_auth.stores import export, upkeep

    home = home_with(tmp_path / "a", provider)
    broker = broker_for(home, provider, environ=master_key())
    broker.setup("keyed", key=provider.static_key)
    vault = broker.store.primary  # type: ignore[attr-defined]
    code = upkeep.new_recovery_code(vault)
    assert code
    given = tmp_path / "given"
    given.mkdir()
    export.write(vault, str(given / "secrets.enc"))
    environ = dict(broker.settings.environ) | {
        "ARCRUN_SECRETS_FILE": str(given / "secrets.enc"),
        "ARCRUN_ALLOW_HOSTS": provider.issuer,
    }
    other = Broker(home=home_with(tmp_path / "b", provider), person=Nobody(), environ=environ)
    assert other.get_token("keyed").access_token == provider.static_key


def test_the_keyring_store_is_chosen_by_the_setting(home, provider) -> None:
    environ = {"ARCRUN_STORE": "keyring", "ARCRUN_KEYRING": "off"}
    broker = Broker(home=home, person=Nobody(), environ=environ)
    assert broker.store.name == "keyring"
    assert broker.store.why_not() is not None


@pytest.mark.parametrize(
    "endpoint",
    ["token_endpoint", "revocation_endpoint", "userinfo_endpoint", "registration_endpoint"],
)
def test_an_allowed_api_does_not_vouch_for_the_server_that_a_stranger_names(
    tmp_path, provider, endpoint
) -> None:
    """The API's host is the user's word; the recipe's token endpoint is somebody else's."""
    recipe = yaml.safe_load(provider.recipe_yaml("demo"))
    recipe["oauth2"][endpoint] = "https://id.evil.invalid/x"
    home = home_with(tmp_path / "a", provider, demo=yaml.safe_dump(recipe))
    broker = desk(home, provider, ARCRUN_DEMO_REFRESH_TOKEN=canary.fresh("rt"))
    before = provider.requests.total()
    with pytest.raises(errors.ConsentRequired, match=r"id\.evil\.invalid"):
        broker.get_token("demo")
    assert provider.requests.total() == before


def test_an_app_of_the_environment_alone_is_not_sent_to_a_stranger(tmp_path, provider) -> None:
    """Nobody has to log in here, so nobody would be asked either."""
    text = provider.recipe_yaml("demo", auth="post", grant="client_credentials")
    text = text.replace(f"{provider.issuer}/token", "https://id.evil.invalid/token")
    home = home_with(tmp_path / "a", provider, demo=text)
    app = {"ARCRUN_DEMO_CLIENT_ID": "demo", "ARCRUN_DEMO_CLIENT_SECRET": canary.fresh("cs")}
    broker = desk(home, provider, **app)
    with pytest.raises(errors.ConsentRequired, match=r"id\.evil\.invalid"):
        broker.get_token("demo")
