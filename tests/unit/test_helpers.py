"""Whose token is for this host? Nobody is asked, and a host is matched exactly."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import (
    ConsentRequired,
    HostNotAllowed,
    LoginRequired,
    NoToken,
    StoreCorrupt,
)
from arcrun_auth.hosts import parse_origin
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.world import Told, broker_for, home_with

FORGE = textwrap.dedent("""\
    service: forge
    primitive: static_key
    base_url: https://api.forge.example
    required_secrets: [{key: token}]
    inject: {header: {Authorization: "Bearer {{secret.token}}"}}
    git: {hosts: [forge.example, "forge.example:8443"], username: x-token}
    docker: {registries: [registry.forge.example], username: x-token}
    """)

REGISTRY = textwrap.dedent("""\
    service: registry
    primitive: static_key
    base_url: https://api.registry.example
    params: {team: {pattern: "[a-z]+"}}
    required_secrets: [{key: user}, {key: password}]
    token_secret: password
    inject: {header: {Authorization: "Basic {{secret.user}}:{{secret.password}}"}}
    git: {hosts: ["{{param.team}}.registry.example"], username: "{{secret.user}}"}
    docker: {registries: ["{{param.team}}.registry.example"], username: "{{secret.user}}"}
    """)


def origin(text):
    return parse_origin(text)


class World:
    """A broker whose bundled recipes are those of the test, and that keeps all in memory."""

    def __init__(self, folder, *recipes, **settings) -> None:
        bundled = folder / "bundled"
        bundled.mkdir()
        for text in recipes:
            name = text.partition("service: ")[2].partition("\n")[0]
            (bundled / f"{name}.yaml").write_text(text)
        home = str(folder / "home")
        self.store = Memory()
        self.broker = Broker(
            home=home,
            recipes=Catalog(home, bundled=bundled),
            store=self.store,
            person=Nobody(),
            environ={},
            **settings,
        )
        self.helpers = self.broker.helpers

    def put(self, service, instance="default", *, identity=None, params=None, **secrets) -> str:
        values = {name: Secret(canary.fresh(value)) for name, value in secrets.items()}
        self.store.put(
            Credential(
                Key("credential", service, instance),
                method="key",
                secrets=values,
                params=params or {},
                identity=identity,
            ),
            expect=0,
        )
        return values.get("token", Secret("")).reveal()

    def find(self, url, kind="git", **how):
        return self.helpers.find(kind, origin(url), **how)

    def answer(self, url, kind="git", **how):
        match = self.find(url, kind, **how)
        return match.username, self.helpers.token(match).access_token


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, FORGE, REGISTRY, allow_hosts=["http://plain.example:8080"])
    yield made
    made.broker.close()


# -- which host ----------------------------------------------------------------------------


def test_a_connected_service_answers_for_its_hosts_and_no_other(world):
    token = world.put("forge", token="t")
    assert world.answer("https://forge.example") == ("x-token", token)
    assert world.answer("https://forge.example:8443") == ("x-token", token)
    assert world.answer("https://registry.forge.example", "docker") == ("x-token", token)
    for other in (
        "https://forge.example:9443",
        "https://api.forge.example",  # that of requests
        "https://x.forge.example",
        "https://xforge.example",
        "https://forge.example.evil.example",
        "https://registry.forge.example",  # docker's, not git's
    ):
        assert world.find(other) is None
    assert world.find("https://forge.example", "docker") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.from_regex(r"[a-z0-9._-]{0,8}forge\.example[a-z0-9._-]{0,8}", fullmatch=True))
def test_no_name_but_the_very_one_matches(world, host):
    try:
        asked = origin(f"https://{host}")
    except ValueError:
        return
    if world.store.get(Key("credential", "forge")) is None:
        world.put("forge", token="t")
    assert (world.helpers.find("git", asked) is not None) == (host == "forge.example")


def test_over_plain_http_nothing_is_handed_out_and_it_is_said_why(world):
    world.put("forge", token="t")
    with pytest.raises(HostNotAllowed, match="plain http") as caught:
        world.find("http://forge.example")
    assert "https://forge.example" in caught.value.hint
    assert world.find("http://other.example") is None


def test_plain_http_needs_the_very_origin_to_be_allowed(tmp_path):
    plain = FORGE.replace("[forge.example,", "[127.0.0.1,")
    world = World(tmp_path, plain, allow_hosts=["http://127.0.0.1:8080"])
    token = world.put("forge", token="t")
    assert world.answer("http://127.0.0.1:8080") == ("x-token", token)
    for url in ("http://127.0.0.1:8081", "https://127.0.0.1", "https://127.0.0.1:8080"):
        assert world.find(url) is None
    world.broker.close()


def test_a_host_of_params_is_that_of_the_connection(world):
    world.put("registry", params={"team": "acme"}, user="u", password="p")
    match = world.find("https://acme.registry.example", "docker")
    assert (match.host, match.name) == ("acme.registry.example", "registry")
    assert canary.WORD in match.username
    assert world.find("https://other.registry.example", "docker") is None
    assert world.find("https://registry.example", "docker") is None


def test_a_param_that_does_not_fit_is_no_host(world):
    world.put("registry", params={"team": "a.b/"}, user="u", password="p")
    assert world.find("https://acme.registry.example", "docker") is None
    assert world.helpers.connected("docker") == []


# -- which connection ----------------------------------------------------------------------


def test_what_is_not_connected_answers_nothing_and_says_how_to_connect_it(world):
    with pytest.raises(LoginRequired) as caught:
        world.find("https://forge.example")
    assert caught.value.hint == "arcrun setup forge"
    with pytest.raises(LoginRequired) as caught:
        world.find("https://forge.example", instance="work")
    assert caught.value.hint == "arcrun setup forge@work"


def test_the_default_instance_answers_unless_another_one_is_meant(world):
    mine = world.put("forge", identity="ada", token="mine")
    work = world.put("forge", "work", identity="ada@work.example", token="work")
    url = "https://forge.example"
    assert world.answer(url)[1] == mine
    assert world.answer(url, user="x-token")[1] == mine  # the user of all tokens
    assert world.answer(url, user="work")[1] == work
    assert world.answer(url, user="ada@work.example")[1] == work
    assert world.answer(url, user="ada")[1] == mine
    assert world.answer(url, instance="work")[1] == work
    assert world.answer(url, instance="work", user="ada")[1] == work


def test_a_user_that_nobody_is_gets_nobody_else_s_token(world):
    world.put("forge", identity="ada", token="mine")
    with pytest.raises(LoginRequired, match="for the user 'eve'"):
        world.find("https://forge.example", user="eve")


def test_a_user_may_be_the_one_that_the_recipe_takes_from_a_secret(world):
    world.put("registry", params={"team": "acme"}, user="u", password="p")
    world.put("registry", "work", params={"team": "acme"}, user="w", password="p")
    url = "https://acme.registry.example"
    user = world.find(url).username
    assert world.find(url, user=user).name == "registry"
    other = world.find(url, instance="work").username
    assert world.find(url, user=other).name == "registry@work"
    assert world.find(url, user="nobody") is None


def test_the_project_chooses_the_instance(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[tool.arcrun]\nservices = ["forge@work"]\n')
    monkeypatch.chdir(folder)
    world = World(tmp_path, FORGE)
    world.put("forge", token="mine")
    work = world.put("forge", "work", token="work")
    assert world.answer("https://forge.example")[1] == work
    world.broker.close()


def test_of_two_services_the_connected_one_answers(tmp_path):
    anvil = FORGE.replace("service: forge", "service: anvil")
    world = World(tmp_path, anvil, FORGE)
    token = world.put("forge", token="t")
    match = world.find("https://forge.example")
    assert (match.connection.service, world.helpers.token(match).access_token) == ("forge", token)
    world.broker.close()


def test_a_way_in_without_git_does_not_answer(tmp_path):
    way = "methods: [{id: other, primitive: static_key, required_secrets: [{key: k}], git: null}]\n"
    world = World(tmp_path, FORGE + way)
    world.store.put(
        Credential(Key("credential", "forge"), method="other", secrets={"k": Secret("x")}), expect=0
    )
    with pytest.raises(LoginRequired):
        world.find("https://forge.example")
    world.broker.close()


def test_no_single_token_is_no_password(tmp_path):
    world = World(tmp_path, FORGE.replace("[{key: token}]", "[{key: token}, {key: other}]"))
    world.put("forge", token="t", other="o")
    with pytest.raises(NoToken, match="several secrets"):
        world.answer("https://forge.example")
    world.broker.close()


def test_a_password_may_be_another_secret_than_the_token(tmp_path):
    hub = REGISTRY.replace('username: "{{secret.user}}"}\ndocker', "username: u}\ndocker")
    hub = hub.replace("token_secret: password\n", "token_secret: user\n").rstrip("}\n")
    world = World(tmp_path, hub + ", password: '{{secret.password}}'}\n")
    world.put("registry", params={"team": "acme"}, user="u", password="p")
    held = world.store.get(Key("credential", "registry")).secrets
    user, password = (held[name].reveal() for name in ("user", "password"))
    assert world.answer("https://acme.registry.example", "docker") == (user, password)
    assert world.answer("https://acme.registry.example", "git") == ("u", user)
    world.broker.close()


# -- what is there -------------------------------------------------------------------------


def test_what_is_connected_is_listed_by_host(world):
    assert world.helpers.connected("git") == []
    world.put("forge", token="t")
    world.put("registry", params={"team": "acme"}, user="u", password="p")
    found = {match.host: match.name for match in world.helpers.connected("git")}
    assert found == {
        "acme.registry.example": "registry",
        "forge.example": "forge",
        "forge.example:8443": "forge",
    }


def test_a_damaged_record_takes_no_other_with_it(world, monkeypatch):
    world.put("forge", token="t")
    real = world.store.get

    def get(key):
        if key.account == "registry":
            raise StoreCorrupt("This record is damaged.")
        return real(key)

    monkeypatch.setattr(world.store, "get", get)
    assert {match.name for match in world.helpers.connected("git")} == {"forge"}
    assert world.find("https://forge.example").name == "forge"


def test_the_hosts_of_a_service_are_known_before_it_is_connected(world):
    assert world.helpers.hosts("git", "forge") == ["forge.example", "forge.example:8443"]
    assert world.helpers.hosts("git", "registry") == []
    world.put("registry", "work", params={"team": "acme"}, user="u", password="p")
    assert world.helpers.hosts("git", "registry@work") == ["acme.registry.example"]


# -- a login -------------------------------------------------------------------------------


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider):
    git = f"\ngit: {{hosts: ['{provider.authorities[0]}'], username: oauth2}}\n"
    home = home_with(
        tmp_path,
        provider,
        demo=provider.recipe_yaml("demo") + git,
        keyed=provider.recipe_yaml("keyed", primitive="static_key")
        + f"\ndocker: {{registries: ['{provider.authorities[0]}'], username: x}}\n",
    )
    broker = broker_for(home, provider, store=Memory())
    yield broker
    broker.close()


def test_a_person_sees_the_hosts_of_git_before_agreeing(desk, provider):
    desk.setup("demo")
    assert any(
        "will be sent to" in said and provider.authorities[0] in said for said in desk.person.said
    )
    assert desk.why("demo").hosts == (provider.authorities[0],)


def test_a_token_that_is_about_to_end_is_renewed_first(desk, provider):
    desk.setup("demo")
    record = desk.store.get(Key("credential", "demo"))
    ended = record.grant.replace(expires=record.grant.issued)
    desk.store.put(record.replace(grant=ended), expect=record.generation)
    before = provider.refreshes
    match = desk.helpers.find("git", origin(provider.issuer))
    token = desk.helpers.token(match)
    assert token.access_token != record.grant.access_token.reveal()
    assert token.expires is not None
    assert provider.refreshes == before + 1


def test_a_refused_token_is_renewed_once_and_nothing_is_deleted(desk, provider):
    desk.setup("demo")
    here, asked = desk.helpers, origin(provider.issuer)
    refused = here.token(here.find("git", asked)).access_token
    before = provider.refreshes
    assert here.refused("git", asked, "somebody else's") is None
    assert here.refused("git", origin("https://other.example"), refused) is None
    assert provider.refreshes == before
    match, is_new = here.refused("git", asked, refused)
    assert (match.name, is_new) == ("demo", True)
    assert here.refused("git", asked, refused) is None  # that one is history
    assert provider.refreshes == before + 1
    assert here.token(match).access_token != refused


def test_of_several_accounts_the_one_whose_token_it_was_is_renewed(desk, provider):
    """git sends the user of the answer back, and that is the same for all of them."""
    desk.setup("demo")
    desk.setup("demo@work")
    here, asked = desk.helpers, origin(provider.issuer)
    mine = here.token(here.find("git", asked)).access_token
    work = here.token(here.find("git", asked, user="work")).access_token
    match, is_new = here.refused("git", asked, work)
    assert (match.name, is_new) == ("demo@work", True)
    assert here.token(here.find("git", asked)).access_token == mine
    assert provider.refreshes == 1


def test_a_login_that_the_provider_has_ended_is_said_to_be(desk, provider):
    desk.setup("demo")
    here, asked = desk.helpers, origin(provider.issuer)
    refused = here.token(here.find("git", asked)).access_token
    provider.authority.end(refused)
    with pytest.raises(LoginRequired) as caught:
        here.refused("git", asked, refused)
    assert caught.value.why == "revoked"
    assert desk.store.get(Key("credential", "demo")).grant.dead == "revoked"


def test_a_refused_key_is_kept_as_it_is(desk, provider):
    desk.setup("keyed", key=provider.static_key)
    before = desk.store.get(Key("credential", "keyed"))
    match, is_new = desk.helpers.refused("docker", origin(provider.issuer), provider.static_key)
    assert (match.name, is_new) == ("keyed", False)
    after = desk.store.get(Key("credential", "keyed"))
    assert (after.generation, after.secrets) == (before.generation, before.secrets)


def test_a_recipe_that_now_names_another_host_for_git_hands_nothing_out(tmp_path, provider):
    def recipe(host):
        text = provider.recipe_yaml("demo")
        return f"{text}\ngit: {{hosts: ['{host}'], username: oauth2}}\n"

    home = home_with(tmp_path, provider, demo=recipe(provider.authorities[0]))
    store = Memory()
    desk = broker_for(home, provider, store=store)
    desk.setup("demo")
    desk.close()
    with open(f"{home}/recipes/demo.yaml", "w") as file:
        file.write(recipe("evil.example"))
    desk = broker_for(home, provider, Told(), store=store)
    match = desk.helpers.find("git", origin("https://evil.example"))
    before = sum(provider.requests.values())
    with pytest.raises(ConsentRequired, match=r"evil\.example"):
        desk.helpers.token(match)
    assert sum(provider.requests.values()) == before
    desk.close()


def test_a_secret_of_the_environment_goes_to_no_host_that_was_not_allowed(tmp_path, provider):
    text = provider.recipe_yaml("keyed", primitive="static_key")
    home = home_with(
        tmp_path, provider, keyed=f"{text}\ngit: {{hosts: [evil.example], username: x}}\n"
    )
    desk = Broker(
        home=home,
        person=Nobody(),
        allow_hosts=[provider.issuer],
        environ={"ARCRUN_KEYED_KEY": provider.static_key, "ARCRUN_KEYRING": "off"},
        store=None,
    )
    match = desk.helpers.find("git", origin("https://evil.example"))
    with pytest.raises(ConsentRequired, match=r"evil\.example"):
        desk.helpers.token(match)
    desk.close()
