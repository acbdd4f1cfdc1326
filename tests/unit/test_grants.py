"""Grants and client authentication, end to end: setup, a call, a renewal, for each of them."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import errors
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Key, Secret
from tests.servers import free_port
from tests.unit.test_quirky_logins import DEMO, app_of, desk, works

APP = Key("app", "demo")


@pytest.fixture
def provider():
    with Provider(device_interval=0.1) as running:
        yield running


def renewed(broker) -> bool:
    """Whether a refused token is replaced by another one that works."""
    before = broker.get_token("demo", interactive=False).access_token
    after = broker._connections.known("demo", None).token(rejected=before).access_token
    return after != before and works(broker)


# -- client authentication -----------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "post", "basic", "client_secret_jwt", "private_key_jwt"])
def test_the_client_proves_itself_as_the_recipe_says(tmp_path, provider, auth) -> None:
    broker = desk(tmp_path, provider, app=auth, auth=auth)
    broker.setup("demo")
    assert works(broker)
    assert renewed(broker)


@pytest.mark.parametrize("auth", ["private_key_jwt", "client_secret_jwt", "post"])
def test_an_app_without_its_proof_is_none(tmp_path, provider, auth) -> None:
    store = Memory()
    app = Credential(APP, secrets={"client_id": Secret(f"demo-{auth}")})
    store.put(app, expect=0)
    broker = desk(tmp_path, provider, app=None, auth=auth, store=store)
    with pytest.raises(errors.MissingSecret, match="OAuth app"):
        broker.setup("demo")
    assert provider.authorizations == []


# -- grants without a person ---------------------------------------------------------------


def test_client_credentials_need_no_person(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant="client_credentials")
    assert works(broker)  # without any setup: the app is all it takes
    assert provider.token_requests == {"client_credentials": 1}
    assert broker.store.get(DEMO) is None
    assert renewed(broker)
    assert provider.token_requests == {"client_credentials": 2}


def test_client_credentials_that_were_set_up_share_one_token(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app="basic", auth="basic", grant="client_credentials")
    broker.setup("demo")
    store = broker.store
    again = desk(tmp_path, provider, app=None, store=store)
    assert works(again)
    assert provider.token_requests == {"client_credentials": 1}
    assert provider.authorizations == []
    assert renewed(again)
    assert store.get(DEMO).grant.since <= store.get(DEMO).grant.issued


def test_client_credentials_without_an_app_name_what_is_missing(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app=None, auth="post", grant="client_credentials")
    with pytest.raises(errors.LoginRequired):
        broker.bind("demo", interactive=False)
    with pytest.raises(errors.MissingSecret) as caught:
        broker.setup("demo")
    assert caught.value.key == "client_id"


def test_a_refused_app_never_marks_a_grant_dead(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant="client_credentials")
    broker.setup("demo")
    held = broker.store.get(APP)
    wrong = held.replace(secrets={**held.secrets, "client_secret": Secret("wrong-canary")})
    broker.store.put(wrong, expect=held.generation)
    source = broker._connections.get("demo", None, person=None)[1]
    with pytest.raises(errors.TokenRefused, match="invalid_client"):
        source.token(rejected=source.token().access_token)
    assert broker.store.get(DEMO).grant.dead is None


def test_an_assertion_is_signed_with_the_key_that_was_given(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app=None, grant="jwt_bearer")
    broker.setup("demo", key=provider.private_key)
    assert works(broker)
    assert renewed(broker)
    assert set(provider.token_requests) == {"urn:ietf:params:oauth:grant-type:jwt-bearer"}


def test_an_assertion_needs_its_key(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app=None, grant="jwt_bearer")
    with pytest.raises(errors.MissingSecret):
        broker.setup("demo")
    with pytest.raises(errors.AuthError, match="key"):
        broker.setup("demo", key="-----BEGIN nothing-canary")
    assert broker.store.get(DEMO) is None


def test_a_token_is_exchanged_for_another(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant="token_exchange")
    subject = provider.subject_token()
    broker.setup("demo", subject_token=subject)
    assert works(broker)
    assert renewed(broker)


# -- another device ------------------------------------------------------------------------


def agreeing(provider, *, allow=True):
    """Somebody at another device, who goes where the screen says and types the code."""

    def say(text):
        if "enter the code" in text:
            # At once: where a clock stands still, one that is asked too early stays so.
            provider.approve(text.rpartition(" ")[2], allow=allow)

    return say


def device_desk(tmp_path, provider, *, allow=True, **options):
    broker = desk(tmp_path, provider, grant="device_code", **options)
    broker.person.say = agreeing(provider, allow=allow)
    return broker


def test_a_login_by_another_device(tmp_path, provider) -> None:
    broker = device_desk(tmp_path, provider)
    broker.setup("demo")
    assert works(broker)
    assert renewed(broker)
    assert provider.authorizations == []


def test_a_provider_may_want_the_scopes_with_the_code_of_a_device_too(tmp_path) -> None:
    quirks = Quirks(scope_again=True, scope_param="scopes", scope_separator=",")
    with Provider(device_interval=0.1, quirks=quirks) as provider:
        broker = device_desk(tmp_path / "says", provider)
        broker.setup("demo")
        assert works(broker)
        broker = device_desk(tmp_path / "not", provider)
        path = tmp_path / "not" / "home" / "recipes" / "demo.yaml"
        path.write_text(path.read_text().replace("send_scope: true", "send_scope: false"))
        with pytest.raises(errors.LoginFailed, match="invalid_scope"):
            broker.setup("demo")


def test_a_device_that_says_no_ends_the_login(tmp_path, provider) -> None:
    broker = device_desk(tmp_path, provider, allow=False)
    with pytest.raises(errors.LoginFailed, match="cancelled") as caught:
        broker.setup("demo")
    assert caught.value.error == "access_denied"
    assert broker.store.get(DEMO) is None


def test_a_wish_for_a_device_where_there_is_none_is_told(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    with pytest.raises(errors.AuthError, match="no login by a code") as caught:
        broker.setup("demo", login="device")
    assert caught.value.hint == "arcrun setup demo --no-browser"


# -- metadata and registration -------------------------------------------------------------


@pytest.mark.parametrize("published", ["both", "oauth", "openid"])
def test_an_issuer_names_its_endpoints_once(tmp_path, published) -> None:
    with Provider(quirks=Quirks(metadata=published)) as provider:
        broker = desk(tmp_path, provider, discovery=True)
        broker.setup("demo")
        asked = sum(n for path, n in provider.requests.items() if "well-known" in path)
        assert broker.store.get(DEMO).endpoints["token_endpoint"] == f"{provider.issuer}/token"
        assert works(broker)
        assert renewed(broker)
        assert asked == sum(n for path, n in provider.requests.items() if "well-known" in path)


@pytest.mark.parametrize(
    ("quirks", "said"),
    [
        ({"wrong_issuer": True}, "those of another issuer"),
        ({"foreign_token_endpoint": True}, "lies on another origin"),
        ({"metadata": "none"}, "publishes no metadata"),
    ],
)
def test_metadata_that_cannot_be_right_send_nothing_anywhere(tmp_path, quirks, said) -> None:
    with Provider(quirks=Quirks(**quirks)) as provider:
        broker = desk(tmp_path, provider, discovery=True)
        with pytest.raises(errors.LoginFailed, match=said):
            broker.setup("demo")
        assert provider.authorizations == []
        assert provider.token_requests == {}


@pytest.mark.parametrize("auth", ["none", "post", "basic"])
def test_a_client_that_registers_itself(tmp_path, provider, auth) -> None:
    broker = desk(tmp_path, provider, app=None, auth=auth, registration="dcr")
    broker.setup("demo")
    app = broker.store.get(APP)
    assert app.secrets["client_id"].reveal() not in ("demo", f"demo-{auth}")
    assert "registration_access_token" in app.secrets
    broker.setup("demo", replace=True)
    assert provider.requests["/register"] == 1
    assert works(broker)
    assert renewed(broker)


def test_a_client_that_registered_itself_is_shown_to_no_other_server(tmp_path, provider) -> None:
    """One recipe, two tenants with a server each: the secret of one is none of the other's."""
    with Provider() as other:
        broker = desk(tmp_path, provider, app=None, auth="post", registration="dcr")
        broker._connections.resolver.allow += (other.issuer,)
        path = tmp_path / "home" / "recipes" / "demo.yaml"
        two = [p.issuer.partition("//")[2] for p in (provider, other)]
        text = path.read_text().replace(two[0], "{{param.site}}")
        path.write_text(f"{text}params:\n  site: {{type: enum, enum: {json.dumps(two)}}}\n")
        broker.setup("demo", params={"site": two[0]})
        broker._connections._open_url = other.follow
        broker.setup("demo@b", params={"site": two[1]})
        assert [p.requests["/register"] for p in (provider, other)] == [1, 1]
        for name in ("demo", "demo@b"):
            _, source = broker._connections.get(name, None, person=Nobody)
            token = source.token().access_token
            assert source.token(rejected=token).access_token != token
        assert [p.requests["/register"] for p in (provider, other)] == [1, 1]


def test_a_registered_secret_that_ends_is_known_to_end(tmp_path) -> None:
    with Provider(quirks=Quirks(secret_seconds=3600)) as provider:
        broker = desk(tmp_path, provider, app=None, auth="post", registration="dcr")
        broker.setup("demo")
        assert broker.store.get(APP).ends is not None


# -- redirects -----------------------------------------------------------------------------


def test_where_only_https_is_taken_the_address_is_pasted(tmp_path) -> None:
    with Provider(quirks=Quirks(https_only=True)) as provider:
        broker = desk(tmp_path, provider, open_url=lambda url: None)
        shown = []
        broker.person.say = shown.append

        def paste(stop):
            url = next(line for line in shown if line.startswith("http"))
            return provider.redirected(url)

        broker.person.paste = paste
        broker.setup("demo")
        assert works(broker)
        assert provider.authorizations[0]["redirect_uri"].startswith("https://")


OWN = "https://app.example.com/callback?from=arcrun"


def own_desk(tmp_path, provider, redirect_uri=OWN):
    """A broker whose app is registered with an address of its owner's."""
    store = Memory()
    app = app_of(provider)
    parts = {**app.secrets, "redirect_uri": Secret(redirect_uri)}
    store.put(app.replace(secrets=parts), expect=0)
    return desk(tmp_path, provider, app=None, store=store, open_url=lambda url: None)


@pytest.mark.parametrize("quirks", [{}, {"ports": (8423,)}, {"https_only": True}])
def test_an_app_of_one_s_own_address_comes_back_there_and_what_it_ends_on_is_pasted(
    tmp_path, quirks
) -> None:
    """Whatever the recipe says of this machine: some providers take that for tests only."""
    with Provider(quirks=Quirks(**quirks)) as provider:
        provider.register("demo", redirect_uris=(OWN,))
        broker = own_desk(tmp_path, provider)
        shown = []
        broker.person.say = shown.append

        def paste(stop):
            return provider.redirected(next(line for line in shown if line.startswith("http")))

        broker.person.paste = paste
        broker.setup("demo")
        assert works(broker)
        assert [asked["redirect_uri"] for asked in provider.authorizations] == [OWN]
        assert renewed(broker)


def test_where_nobody_finishes_it_names_the_address_that_is_used(tmp_path, provider) -> None:
    broker = own_desk(tmp_path, provider)
    broker.person.paste = lambda stop: None
    with pytest.raises(errors.LoginFailed, match=r"register this one: https://app\.example\.com"):
        broker.setup("demo")


BAD = (
    "http://app.example.com/cb", "http://127.0.0.1/cb", "app.example.com", "https://",
    "https:///x", "https://a@b.example/", "https://a.example/#x", "https://a.example/ x",
    "https://a.example:x/", "javascript:alert(1)", "https://é.example/",
)  # fmt: skip


def test_an_address_that_no_code_may_go_to_is_refused_before_anything_is_shown(
    tmp_path, provider
) -> None:
    for url in BAD:
        broker = own_desk(tmp_path, provider, url)
        with pytest.raises(errors.AuthError, match="cannot be used") as caught:
            broker.setup("demo")
        assert "https://example.com/callback" in caught.value.hint
        assert not any("redirect_uri=" in line for line in broker.person.said)
        broker.close()
    assert provider.authorizations == []


def test_a_fixed_port_is_the_one_that_is_registered(tmp_path) -> None:
    port = free_port()
    with Provider(quirks=Quirks(ports=(port,))) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        assert f":{port}/" in provider.authorizations[0]["redirect_uri"]


@pytest.mark.parametrize("wish", ["no_browser", "paste"])
def test_a_wish_opens_no_browser(tmp_path, provider, wish) -> None:
    opened, shown = [], []
    broker = desk(tmp_path, provider, open_url=opened.append)
    broker.person.say = shown.append
    broker.person.paste = lambda stop: provider.redirected(
        next(line for line in shown if line.startswith("http"))
    )
    broker.setup("demo", login=wish)
    assert opened == []
    assert works(broker)


# -- scopes --------------------------------------------------------------------------------


def test_a_partial_grant_is_kept_told_and_not_asked_for_again(tmp_path) -> None:
    with Provider(quirks=Quirks(granted=("read",))) as provider:
        broker = desk(tmp_path, provider)
        said = []
        broker.person.say = said.append
        broker.setup("demo")
        assert "Not granted: write. What needs it will not work." in said
        assert works(broker)
        assert broker.why("demo").missing_scopes == ("write",)
        for _ in range(2):
            with pytest.raises(errors.MissingScope) as caught:
                broker.bind("demo", scopes=["write"])
            assert caught.value.scope == "write"
            assert caught.value.hint == "arcrun setup demo --scopes +write"
        assert len(provider.authorizations) == 1  # it never loops
        assert renewed(broker)  # and a renewal names no scope


def test_more_is_asked_for_beside_what_was_asked_for_before(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo", scopes=["read"])
    broker.setup("demo", scopes=["+write"])
    assert provider.authorizations[-1]["scope"] == "read write"


def test_a_login_without_a_refresh_token_is_told(tmp_path) -> None:
    with Provider(quirks=Quirks(renewal="no")) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        token = broker.get_token("demo").access_token
        with pytest.raises(errors.LoginRequired) as caught:
            broker._connections.known("demo", None).token(rejected=token)
        assert caught.value.why == "expired"


def test_a_mistyped_set_is_asked_back_before_anything_is_sent(tmp_path, provider) -> None:
    recipe = provider.recipe_yaml("demo").replace(
        "  pkce:", "  scope_sets: {readonly: [read]}\n  pkce:"
    )
    broker = desk(tmp_path, provider)
    (tmp_path / "home" / "recipes" / "demo.yaml").write_text(recipe)
    with pytest.raises(errors.AuthError, match="Did you mean 'readonly'") as caught:
        broker.setup("demo", scopes=["readonyl"])
    assert caught.value.hint == "arcrun setup demo --scopes readonly"
    assert provider.requests == {}
