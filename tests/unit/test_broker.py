"""The verbs of the door, against the embedded provider."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
import trio

import arcrun_auth
from arcrun_auth import agreement, errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.world import Told, broker_for, home_with

HANG = 20


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider):
    """A broker with everything in memory, and a person who says yes."""
    broker = broker_for(home_with(tmp_path, provider), provider, store=Memory())
    yield broker
    broker.close()


def alone(desk: Broker) -> Broker:
    desk._person = Nobody()
    return desk


# -- bind ----------------------------------------------------------------------------------


def test_the_first_bind_logs_in_and_the_second_is_silent(desk, provider) -> None:
    with desk.bind("demo") as client:
        assert client.get("/me").json()["email"] == "ada@example.com"
    with desk.bind("demo") as client:
        client.get("/me")
    assert len(provider.authorizations) == 1
    assert provider.token_requests == {"authorization_code": 1}
    record = desk.store.get(Key("credential", "demo"))
    assert record.identity == "ada@example.com"
    assert record.consents["demo"].hosts == (provider.authorities[0],)


def test_binding_sends_nothing_before_the_caller_does(desk, provider) -> None:
    desk.setup("demo")
    before = sum(provider.requests.values())
    desk.bind("demo").close()
    assert sum(provider.requests.values()) == before


def test_a_wrong_name_fails_at_once_with_similar_ones(desk) -> None:
    for call in (desk.bind, desk.bind_async, desk.get_token, desk.setup, desk.test, desk.remove):
        with pytest.raises(errors.UnknownService) as caught:
            call("demoo")
        assert "demo" in caught.value.similar
        assert caught.value.hint == "arcrun setup demo"


@pytest.mark.parametrize("name", ["Demo", "de mo", "a__b", "../demo", "", "demo\n"])
def test_a_name_that_cannot_be_one_is_unknown(desk, name) -> None:
    with pytest.raises(errors.UnknownService):
        desk.bind(name)


@pytest.mark.parametrize("instance", ["Work", "-x", "a b", "x" * 65])
def test_an_instance_that_cannot_be_one_is_a_value_error(desk, instance) -> None:
    with pytest.raises(ValueError, match="instance"):
        desk.bind("demo", instance)


def test_instances_are_separate_and_go_by_one_word_or_two(desk, provider) -> None:
    desk.bind("demo", "work").close()
    desk.bind("demo@home").close()
    assert len(provider.authorizations) == 2
    assert {str(key) for key in desk.store.keys() if key.kind == "credential"} == {
        "demo@work",
        "demo@home",
    }
    with desk.bind("demo@work") as client:
        assert client.get("/me").status_code == 200


def test_with_nobody_there_a_login_is_required(desk) -> None:
    for person in (None, Nobody()):
        if person is not None:
            desk._person = person
        with pytest.raises(errors.LoginRequired) as caught:
            desk.bind("demo", interactive=False)
        assert (caught.value.why, caught.value.hint) == ("never", "arcrun setup demo")
        with pytest.raises(errors.MissingSecret) as missing:
            desk.bind("keyed", interactive=False)
        assert missing.value.key == "keyed_key"


def test_a_revoked_login_is_told_as_such_and_made_again_when_somebody_is_there(
    desk, provider
) -> None:
    desk.setup("demo")
    record = desk.store.get(Key("credential", "demo"))
    dead = record.replace(grant=record.grant.replace(dead="revoked"))
    desk.store.put(dead, expect=record.generation)
    with pytest.raises(errors.LoginRequired) as caught:
        desk.bind("demo", interactive=False)
    assert caught.value.why == "revoked"
    with desk.bind("demo") as client:
        assert client.get("/me").status_code == 200
    assert len(provider.authorizations) == 2


def test_a_secret_for_this_call_is_stored_nowhere(desk, provider) -> None:
    with desk.bind("keyed", secret={"key": provider.static_key}) as client:
        assert client.get("/static").status_code == 200
    assert [key for key in desk.store.keys() if key.kind == "credential"] == []


def test_an_access_token_for_this_call_serves_an_oauth_service(desk, provider) -> None:
    token = desk.get_token("demo").access_token
    desk.remove("demo")
    with desk.bind("demo", secret={"access_token": token}) as client:
        assert client.get("/me").status_code == 200
    assert desk.store.get(Key("credential", "demo")) is None


@pytest.mark.parametrize("given", [{"nope": "x"}, {}])
def test_a_secret_by_a_wrong_name_is_refused(desk, given) -> None:
    with pytest.raises(errors.AuthError):
        desk.bind("keyed", secret=given)


def test_what_was_asked_for_once_is_asked_for_once_by_many_threads(desk, provider) -> None:
    results = []

    def one() -> None:
        with desk.bind("demo") as client:
            results.append(client.get("/me").status_code)

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [200] * 16
    assert len(provider.authorizations) == 1


def test_a_login_that_waits_for_its_person_holds_up_no_other_service(desk, provider) -> None:
    desk.setup("keyed", key=provider.static_key)
    opened, go_on, got = threading.Event(), threading.Event(), []

    def open_url(url):
        opened.set()
        go_on.wait(2 * HANG)
        provider.follow(url)

    desk._connections._open_url = open_url
    login = threading.Thread(target=lambda: desk.bind("demo").close())
    other = threading.Thread(target=lambda: got.append(desk.get_token("keyed").access_token))
    login.start()
    assert opened.wait(HANG)
    other.start()
    other.join(HANG)
    before_the_login = list(got)
    go_on.set()
    login.join(HANG)
    other.join(HANG)
    assert before_the_login == got == [provider.static_key]


# -- scopes --------------------------------------------------------------------------------


def test_scopes_that_are_missing_are_named_or_asked_for(desk, provider) -> None:
    desk.setup("demo", scopes=["read"])
    with pytest.raises(errors.MissingScope) as caught:
        desk.bind("demo", scopes=["read", "write"], interactive=False)
    assert caught.value.scope == "write"
    assert caught.value.hint == "arcrun setup demo --scopes +write"
    desk.bind("demo", scopes="write").close()
    assert provider.authorizations[-1]["scope"] == "read write"
    desk.bind("demo", scopes=["write"], interactive=False).close()


# -- async ---------------------------------------------------------------------------------


async def use(desk: Broker) -> int:
    async with desk.bind_async("demo") as client:
        return (await client.get("/me")).status_code


def test_async_logs_in_on_entering_in_asyncio_and_in_trio(desk, provider) -> None:
    waiting = desk.bind_async("demo")
    assert provider.authorizations == []
    del waiting
    assert asyncio.run(use(desk)) == 200
    assert trio.run(use, desk) == 200
    assert len(provider.authorizations) == 1


def test_many_tasks_share_one_login(desk, provider) -> None:
    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(use(desk) for _ in range(20)))

    assert asyncio.run(all_of_them()) == [200] * 20
    assert len(provider.authorizations) == 1


def test_an_async_binding_is_entered_once(desk) -> None:
    async def twice() -> None:
        bound = desk.bind_async("demo")
        async with bound:
            pass
        async with bound:
            pass

    with pytest.raises(RuntimeError, match="entered before"):
        asyncio.run(twice())


def test_get_token_async_gives_what_get_token_gives(desk) -> None:
    async def twice() -> list[str]:
        return [(await desk.get_token_async("demo")).access_token for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == second == desk.get_token("demo").access_token


# -- tokens --------------------------------------------------------------------------------


def test_get_token_renews_what_has_expired(tmp_path, provider) -> None:
    now = [1_700_000_000.0]
    provider.authority.clock = lambda: now[0]
    desk = broker_for(home_with(tmp_path, provider), provider, store=Memory(), clock=lambda: now[0])
    first = desk.get_token("demo")
    assert first.expires_at.timestamp() == now[0] + 3600
    assert first.scopes == {"read", "write"}
    now[0] += 3601
    second = desk.get_token("demo")
    assert second.access_token != first.access_token
    assert provider.refreshes == 1


def test_a_grant_that_may_rotate_is_not_renewed_on_a_network_file_system(
    desk, provider, monkeypatch
) -> None:
    from arcrun_auth import locks

    desk.setup("demo")
    # A mount of another machine would be needed for a real one.
    monkeypatch.setattr(locks, "network_filesystem", lambda path: "nfs4")
    provider.authority.expire_access_tokens()
    with desk.bind("demo") as client, pytest.raises(errors.StoreError, match="nfs4"):
        client.get("/me")
    assert provider.token_requests["refresh_token"] == 0


def test_a_static_key_is_its_own_token(desk, provider) -> None:
    desk.setup("keyed", key=provider.static_key)
    token = desk.get_token("keyed")
    assert (token.access_token, token.expires_at) == (provider.static_key, None)


TWO_SECRETS = """\
service: twofold
primitive: static_key
base_url: https://api.example.com
required_secrets:
  - {key: user}
  - {key: phrase}
inject:
  header: {Authorization: "Basic {{secret.user}}:{{secret.phrase}}"}
"""


def test_two_secrets_are_no_token(tmp_path, provider) -> None:
    home = home_with(tmp_path, provider, twofold=TWO_SECRETS)
    desk = broker_for(home, provider, Told(), store=Memory())
    desk.setup("twofold", user=canary.fresh(), phrase=canary.fresh())
    with pytest.raises(errors.NoToken, match="no single token"):
        desk.get_token("twofold")


def test_a_401_is_renewed_and_sent_again_once(desk, provider) -> None:
    with desk.bind("demo") as client:
        desk.get_token("demo")
        provider.authority.expire_access_tokens()
        assert client.get("/me").status_code == 200
    assert provider.refreshes == 1


# -- setup ---------------------------------------------------------------------------------


def test_a_key_is_asked_for_hidden_tried_and_kept(tmp_path, provider) -> None:
    person = Told(f"  {provider.static_key} ")
    desk = broker_for(home_with(tmp_path, provider), provider, person, store=Memory())
    service = desk.setup("keyed")
    assert service.instances["default"].status == "connected"
    assert len(person.hidden) == 1
    assert any("White space" in line for line in person.said)
    assert any("OK" in line for line in person.said)
    assert any("keyed@default" in line for line in person.said)
    with desk.bind("keyed") as client:
        assert client.get("/static").status_code == 200


def test_a_refused_key_is_not_kept(desk) -> None:
    with pytest.raises(errors.TokenRefused):
        desk.setup("keyed", key=canary.fresh("wrong"))
    assert desk.store.get(Key("credential", "keyed")) is None


def test_a_key_that_cannot_be_tried_is_kept(tmp_path) -> None:
    with Provider() as provider:
        desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        key = provider.static_key
    desk.setup("keyed", key=key)
    assert desk.store.get(Key("credential", "keyed")).secrets["keyed_key"] == Secret(key)
    assert any("untested" in line for line in desk.person.said)
    assert desk.why("keyed").status == "untested"
    assert desk.list_services()["keyed"].instances["default"].status == "untested"
    with pytest.raises(errors.ProviderUnavailable):
        desk.test("keyed")
    assert desk.why("keyed").status == "untested"


def test_a_key_from_a_program_that_could_not_be_kept_is_sent_nowhere(
    desk, provider, monkeypatch
) -> None:
    monkeypatch.setattr(type(desk.person), "reach", None)

    def prepare() -> None:
        raise errors.NoStore("There is no place for it.")

    monkeypatch.setattr(desk.store, "prepare", prepare)
    with pytest.raises(errors.NoStore):
        desk.setup("keyed", key=provider.static_key)
    assert provider.requests.total() == 0
    assert desk.person.said[-1].startswith("The recipe of keyed")


def test_an_unanswered_question_stores_nothing(desk) -> None:
    with pytest.raises(errors.MissingSecret):
        desk.setup("keyed")
    assert desk.store.get(Key("credential", "keyed")) is None


def test_a_cancelled_login_stores_nothing(tmp_path, provider) -> None:
    home = home_with(tmp_path, provider)
    desk = broker_for(
        home, provider, store=Memory(), open_url=lambda url: provider.follow(url, allow=False)
    )
    with pytest.raises(errors.LoginFailed) as caught:
        desk.setup("demo")
    assert caught.value.error == "access_denied"
    assert desk.store.get(Key("credential", "demo")) is None


def test_a_login_asks_for_ones_own_app_and_keeps_it(tmp_path, provider) -> None:
    desk = Broker(
        home=home_with(tmp_path, provider),
        store=Memory(),
        person=Told("demo"),
        open_url=provider.follow,
        allow_hosts=[provider.issuer],
    )
    desk.setup("demo")
    desk.setup("demo", "again")
    assert desk.person.asked == ["Client ID, or the path of the downloaded client file"] or (
        "Client ID, or the path of the downloaded client file" in desk.person.asked
    )
    assert desk.store.get(Key("app", "demo")).secrets["client_id"] == Secret("demo")
    assert len(provider.authorizations) == 2


def test_an_unknown_param_is_named(desk) -> None:
    with pytest.raises(errors.AuthError, match="no parameter 'shop'"):
        desk.setup("keyed", params={"shop": "x"}, key="x")


BOTH = """\
service: both
primitive: static_key
base_url: {issuer}/api
required_secrets:
  - {{key: both_token}}
inject:
  header: {{Authorization: "Bearer {{{{secret.both_token}}}}"}}
methods:
  - id: oauth
    primitive: oauth2
    oauth2:
      authorization_endpoint: {issuer}/authorize
      token_endpoint: {issuer}/token
      client: {{auth: none, secret_required: false, app: demo}}
"""


@pytest.fixture
def both(tmp_path, provider):
    home = home_with(tmp_path, provider, both=BOTH.format(issuer=provider.issuer))
    return broker_for(home, provider, store=Memory())


def test_another_method_replaces_the_first_after_asking(both, provider) -> None:
    both.setup("both", token=provider.static_key)
    with pytest.raises(errors.AuthError, match="by the method 'key'"):
        both.bind("both", method="oauth")
    both.person.yes = False
    # a local recipe is agreed to as well: the one question here is about replacing
    with pytest.raises(errors.AuthError, match="left as it is"):
        both.setup("both", method="oauth")
    assert both.get_token("both").access_token == provider.static_key
    both.person.yes = True
    both.setup("both", method="oauth")
    with both.bind("both") as client:
        assert client.get("/me").status_code == 200
    assert both.list_services()["both"].instances["default"].method == "oauth"


def test_an_unknown_method_is_named(both) -> None:
    with pytest.raises(errors.RecipeError, match="nope"):
        both.bind("both", method="nope")


# -- consent -------------------------------------------------------------------------------


def test_a_local_recipe_is_shown_and_agreed_to(tmp_path, provider) -> None:
    person = Told(yes=False)
    desk = broker_for(home_with(tmp_path, provider), provider, person, store=Memory())
    with pytest.raises(errors.ConsentRequired):
        desk.setup("keyed", key=provider.static_key)
    assert provider.requests == {}
    assert provider.authorities[0] in "\n".join(person.said)


def test_a_recipe_that_changed_its_host_sends_nothing(tmp_path, provider) -> None:
    """The hijack: the same service, another address."""
    home = home_with(tmp_path, provider)
    store = Memory()
    desk = broker_for(home, provider, store=store)
    desk.setup("keyed", key=provider.static_key)
    with Provider() as evil:
        path = f"{home}/recipes/keyed.yaml"
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace(provider.issuer, evil.issuer))
        again = Broker(
            home=home, store=store, person=Told(), allow_hosts=[provider.issuer, evil.issuer]
        )
        for call in (again.bind, again.get_token, again.test):
            with pytest.raises(errors.ConsentRequired) as caught:
                call("keyed")
            assert evil.authorities[0] in str(caught.value)
        assert evil.requests == {}


def test_a_secret_of_this_call_for_a_local_recipe_needs_the_users_word(tmp_path, provider) -> None:
    home = home_with(tmp_path, provider)
    desk = Broker(home=home, store=Memory(), person=Told())
    with pytest.raises(errors.ConsentRequired, match="nobody has agreed"):
        desk.bind("keyed", secret={"key": provider.static_key})


def test_a_change_that_comes_with_a_release_needs_no_new_consent(desk) -> None:
    """Bundled recipes are part of the wheel, and the wheel is code."""
    with desk.bind("notion", secret={"token": canary.fresh()}):
        pass
    entry = desk.recipes.entry("notion")
    recipe = desk.recipes.recipe("notion")
    way = recipe.way(None)
    key = Key("credential", "notion")
    record = Credential(key, method=way.id, secrets={"notion_token": Secret(canary.fresh())})
    agreed = agreement.made(entry, recipe, way, record)
    older = dict(agreed.projection) | {"base_url": "https://api.notion.com/v0"}
    for release, passes in (("0.0.1", True), (entry.release, False)):
        from arcrun_auth import consent as rules
        from arcrun_auth.tokens import Consent

        held = desk.store.get(key)
        was = Consent(
            digest=rules.digest(older),
            projection=older,
            hosts=agreed.hosts,
            tier="bundled",
            release=release,
        )
        desk.store.put(
            record.replace(consents={"notion": was}), expect=held.generation if held else 0
        )
        if passes:
            desk.bind("notion").close()
            assert any("changed with this release" in line for line in desk.person.said)
            assert desk.store.get(key).consents["notion"].digest == agreed.digest
        else:
            with pytest.raises(errors.ConsentRequired):
                desk.bind("notion")


def test_a_closed_service_names_its_successor(desk) -> None:
    with pytest.raises(errors.AuthError, match="shut down") as caught:
        desk.bind("line_notify")
    assert caught.value.hint == "arcrun setup line"
    assert "line_notify" not in desk.list_services()


# -- the rest ------------------------------------------------------------------------------


def test_removing_forgets_and_says_whether_there_was_something(desk) -> None:
    desk.setup("demo")
    assert desk.remove("demo")
    assert not desk.remove("demo")
    with pytest.raises(errors.LoginRequired):
        desk.get_token("demo", interactive=False)


def test_test_tells_whose_account_it_is(desk, provider) -> None:
    desk.setup("demo")
    checked = desk.test("demo")
    assert (checked.status, checked.identity) == (200, "ada@example.com")
    with pytest.raises(errors.LoginRequired):
        desk.test("demo", "nobody")


def test_the_list_tells_what_is_known(desk, provider) -> None:
    desk.setup("demo", "work")
    listed = desk.list_services()
    assert {"demo", "keyed", "notion", "google_drive"} <= set(listed)
    demo = listed["demo"]
    assert (demo.display_name, demo.tier, demo.methods) == ("Demo", "local", ("oauth",))
    instance = demo.instances["work"]
    assert (instance.status, instance.identity) == ("connected", "ada@example.com")
    assert instance.expires_at is not None
    assert not listed["notion"].connected
    assert canary.hits(repr(listed)) == []


def test_why_tells_where_everything_comes_from(desk) -> None:
    desk.setup("demo")
    why = desk.why("demo")
    assert (why.status, why.can_renew, why.scopes) == ("connected", True, ("read", "write"))
    assert [(origin.key, origin.store) for origin in why.origins] == [("grant", "memory")]
    assert desk.why("keyed").status == "not connected"
    assert canary.hits(repr(why)) == []


def test_closing_and_going_on_is_allowed(desk) -> None:
    desk.setup("demo")
    desk.close()
    assert desk.recipes.entry("demo").service == "demo"


def test_the_door_is_one_broker_per_process(monkeypatch, tmp_path, provider) -> None:
    from arcrun_auth import shared as module

    desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
    monkeypatch.setattr(module, "_default", desk)
    assert module.default() is desk
    assert isinstance(arcrun_auth.bind("demo"), httpx.Client)
    assert arcrun_auth.get_token("demo").access_token
    assert arcrun_auth.setup("demo").service == "demo"
    assert arcrun_auth.test("demo").status == 200
    assert arcrun_auth.list_services()["demo"].connected

    async def both() -> str:
        async with arcrun_auth.bind_async("demo") as client:
            assert (await client.get("/me")).status_code == 200
        return (await arcrun_auth.get_token_async("demo")).access_token

    assert asyncio.run(both()) == arcrun_auth.get_token("demo").access_token
    assert arcrun_auth.remove("demo").name == "demo"
    monkeypatch.setattr(module, "_default", None)
    assert module.default() is module.default()
