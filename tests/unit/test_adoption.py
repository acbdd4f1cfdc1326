"""A login of another program, taken over: its app comes along, and both are proven at once."""

from __future__ import annotations

import pytest

from arcrun_auth import errors
from arcrun_auth.adoption import is_of
from arcrun_auth.broker import Broker
from arcrun_auth.oauth.app import App
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.testing._records import Family
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests.world import Told, home_with, master_key

DEMO = Key("credential", "demo")


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def desk(tmp_path, provider, *, auth="post", person=None, clock=None, **recipes) -> Broker:
    """A broker that has no app, and whose recipe `demo` wants one that proves itself."""
    texts = {"demo": provider.recipe_yaml("demo", auth=auth), **recipes}
    return Broker(
        home=home_with(tmp_path, provider, **texts),
        store=Memory(),
        person=person or Told(),
        allow_hosts=[provider.issuer],
        **({"clock": clock} if clock else {}),
    )


def login_of(provider, client: str = "demo-post", *, scope: str = "read write") -> Grant:
    """What a program has on its disk that logged in as `client`."""
    authority = provider.authority
    with authority.lock:
        answer = authority.issue(Family(authority.apps[client], "ada", scope))
    return Grant(
        access_token=Secret(answer["access_token"]),
        refresh_token=Secret(answer["refresh_token"]),
        issued=0.0,
        expires=0.0,
    )


def app_of(provider, client: str = "demo-post") -> App:
    return App(client, Secret(provider.client_secret))


def test_it_is_renewed_with_its_own_app_tested_and_kept(tmp_path, provider) -> None:
    person = Told()
    broker = desk(tmp_path, provider, person=person)
    grant = login_of(provider)

    service = broker.adopt("demo", grant=grant, app=app_of(provider))

    assert service.instances["default"].identity == "ada@example.com"
    assert provider.refreshes == 1
    record = broker.store.get(DEMO)
    assert record.grant.refresh_token != grant.refresh_token
    assert record.grant.scopes == ("read", "write")
    assert record.consents["demo"].tier == "local"
    assert broker.store.get(Key("app", "demo")).secrets["client_id"].reveal() == "demo-post"
    assert "Do you agree?" in person.asked
    assert "Its OAuth app is kept as demo: later logins use it as well." in person.said
    provider.authority.expire_access_tokens()
    with broker.bind("demo", interactive=False) as client:
        assert client.get("/me").status_code == 200
    assert provider.refreshes == 2
    assert provider.reuses == 0


def test_in_another_instance_its_app_serves_that_one_alone(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    family = Credential(
        Key("app", "demo"),
        secrets={"client_id": Secret("mine"), "client_secret": Secret("s")},
    )
    broker.store.put(family, expect=0)

    broker.adopt("demo", "old", grant=login_of(provider), app=app_of(provider))

    assert broker.store.get(Key("app", "demo")).secrets["client_id"].reveal() == "mine"
    assert broker.store.get(Key("app", "demo", "old")).secrets["client_id"].reveal() == "demo-post"
    provider.authority.expire_access_tokens()
    assert broker.get_token("demo", "old").access_token
    assert {origin.key for origin in broker.why("demo", "old").app} == {
        "client_id", "client_secret",
    }  # fmt: skip
    assert broker.why("demo").app[0].store == "memory"
    assert broker.remove("demo", "old", revoke=True).told


def test_an_instance_s_own_app_may_come_from_the_environment(tmp_path, provider) -> None:
    """It stands before the family's, at a login as at a renewal."""
    desk(tmp_path, provider).close()
    broker = Broker(
        home=str(tmp_path / "home"),
        person=Told(),
        allow_hosts=[provider.issuer],
        open_url=provider.follow,
        environ={
            **master_key(),
            "ARCRUN_DEMO_CLIENT_ID": "mine",
            "ARCRUN_DEMO_CLIENT_SECRET": "s",
            "ARCRUN_DEMO__WORK__CLIENT_ID": "demo-post",
            "ARCRUN_DEMO__WORK__CLIENT_SECRET": provider.client_secret,
        },
    )
    broker.setup("demo", "work")
    provider.authority.expire_access_tokens()
    assert broker.get_token("demo", "work").access_token
    assert broker.why("demo", "work").app[0].place == "ARCRUN_DEMO__WORK__CLIENT_ID"
    broker.close()


def test_a_login_is_known_again_by_its_first_refresh_token(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    grant = login_of(provider)
    broker.adopt("demo", grant=grant, app=app_of(provider))
    record = broker.store.get(DEMO)
    assert is_of(record, grant)
    assert is_of(record, record.grant)
    assert is_of(type(record).load(record.dump()), grant), "it outlives the process"
    assert not is_of(record, login_of(provider))
    token = record.grant.replace(refresh_token=None)
    assert is_of(record, token)
    assert not is_of(record.replace(grant=None), token)


def test_a_login_that_rotates_is_not_adopted_a_second_time(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    grant = login_of(provider)
    broker.adopt("demo", grant=grant, app=app_of(provider))

    with pytest.raises(errors.AuthError, match=r"kept as .*demo.* already"):
        broker.adopt("demo", "second", grant=grant, app=app_of(provider))

    assert (provider.refreshes, provider.reuses) == (1, 0)
    provider.authority.expire_access_tokens()
    with broker.bind("demo", interactive=False) as client:
        assert client.get("/me").status_code == 200


def test_where_another_app_stands_nothing_is_sent(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    other = {"client_id": Secret("mine"), "client_secret": Secret("s")}
    broker.store.put(Credential(Key("app", "demo"), secrets=other), expect=0)

    with pytest.raises(errors.AuthError, match="OAuth app demo that is kept already") as caught:
        broker.adopt("demo", grant=login_of(provider), app=app_of(provider))

    assert "demo@another" in caught.value.hint
    assert provider.token_requests.total() == 0
    assert broker.store.get(DEMO) is None


def test_the_app_that_is_kept_already_is_the_same_one(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    app = Credential(
        Key("app", "demo"),
        secrets={"client_id": Secret("demo-post"), "client_secret": Secret(provider.client_secret)},
    )
    broker.store.put(app, expect=0)

    broker.adopt("demo", grant=login_of(provider), app=App("demo-post", Secret("an old one")))
    broker.adopt("demo", "two", grant=login_of(provider), app=app_of(provider))
    broker.adopt("demo", "three", grant=login_of(provider))

    assert [key for key in broker.store.keys() if key.kind == "app"] == [Key("app", "demo")]


def test_what_is_connected_is_left_as_it_is(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.adopt("demo", grant=login_of(provider), app=app_of(provider))
    before = broker.store.get(DEMO)

    with pytest.raises(errors.AuthError, match="connected already"):
        broker.adopt("demo", grant=login_of(provider), app=app_of(provider))

    assert broker.store.get(DEMO) is before


def test_a_refused_refresh_token_leaves_nothing_behind(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    dead = login_of(provider).replace(refresh_token=Secret("rt_unknown"))

    with pytest.raises(errors.TokenRefused):
        broker.adopt("demo", grant=dead, app=app_of(provider))

    assert list(broker.store.keys()) == []


def test_a_provider_that_is_away_leaves_nothing_behind(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    provider.fail_next(9, 503)

    with pytest.raises(errors.ProviderUnavailable):
        broker.adopt("demo", grant=login_of(provider), app=app_of(provider))

    assert list(broker.store.keys()) == []


def test_half_an_app_and_none_at_all_are_told_before_anything_is_sent(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    for app, missing in ((App("demo-post"), "client_secret"), (None, "client_id")):
        with pytest.raises(errors.MissingSecret) as caught:
            broker.adopt("demo", grant=login_of(provider), app=app)
        assert caught.value.key == missing
    assert provider.token_requests.total() == 0


def test_a_recipe_with_an_app_of_its_own_takes_no_login_of_another(tmp_path, provider) -> None:
    recipe = provider.recipe_yaml("demo").replace("auth: none", "auth: none\n    id: demo")
    broker = desk(tmp_path, provider, demo=recipe)
    with pytest.raises(errors.AuthError, match="app of the recipe's own"):
        broker.adopt("demo", grant=login_of(provider), app=app_of(provider))
    broker.adopt("demo", grant=login_of(provider, "demo"))
    assert [key.kind for key in broker.store.keys()] == ["credential"]


def test_without_a_refresh_token_it_is_taken_while_it_lasts(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, clock=lambda: 1000.0)
    grant = login_of(provider).replace(refresh_token=None, expires=2000.0)

    with pytest.raises(errors.LoginRequired) as caught:
        broker.adopt("demo", grant=grant.replace(expires=1000.0), app=app_of(provider))
    assert caught.value.why == "expired"
    broker.adopt("demo", grant=grant, app=app_of(provider))

    assert provider.token_requests.total() == 0
    assert broker.store.get(DEMO).identity == "ada@example.com"


def test_what_it_was_not_granted_is_told(tmp_path, provider) -> None:
    person = Told()
    broker = desk(tmp_path, provider, person=person)
    broker.adopt("demo", grant=login_of(provider, scope="read"), app=app_of(provider))
    assert any("It was not granted: write." in line for line in person.said)


def test_endpoints_that_the_issuer_names_are_pinned(tmp_path, provider) -> None:
    recipe = provider.recipe_yaml("demo", auth="post", discovery=True)
    broker = desk(tmp_path, provider, demo=recipe)
    broker.adopt("demo", grant=login_of(provider), app=app_of(provider))
    assert broker.store.get(DEMO).endpoints["token_endpoint"] == f"{provider.issuer}/token"


def test_a_service_by_key_has_no_login(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    with pytest.raises(errors.AuthError, match="takes a key"):
        broker.adopt("keyed", grant=login_of(provider), app=app_of(provider))


def test_nobody_who_agrees_to_a_strangers_recipe_and_nothing_is_sent(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    with pytest.raises(errors.ConsentRequired):
        broker.adopt("demo", grant=login_of(provider), app=app_of(provider), interactive=False)
    assert provider.token_requests.total() == 0
