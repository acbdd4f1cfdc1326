"""What an issuer tells about itself: where it is asked, what is believed, what is kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import errors, rendering
from arcrun_auth.discovery import discover
from arcrun_auth.oauth.registration import read_registration, redirect_uris, registration_request
from arcrun_auth.recipe import OAuth2, Redirect
from arcrun_auth.recipe.model import Method
from arcrun_auth.recipe.oauth2 import ClientAuth
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key
from tests import canary
from tests.servers import Reply, recorder
from tests.unit.test_device_login import JSON
from tests.unit.test_quirky_logins import DEMO, desk, works

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


class Issuer:
    """Answers with the metadata that are written down for a place. A stub, since the embedded
    provider publishes sound ones, or the few unsound ones of its quirks."""

    def __init__(self, server, places) -> None:
        self.server = server
        self.places = places

    def __call__(self, seen):
        status, changes = self.places.get(seen.target, (404, None))
        if changes is None:
            return Reply(status, body=b"<html>")
        data = {
            "issuer": self.server.origin,
            "authorization_endpoint": f"{self.server.origin}/authorize",
            "token_endpoint": f"{self.server.origin}/token",
        } | changes
        data = {name: value for name, value in data.items() if value is not None}
        return Reply(status, body=json.dumps(data).encode())


@pytest.fixture
def asked(tmp_path, provider):
    """A setup against an issuer whose metadata are written down: its places, its error."""
    with recorder() as server:

        def ask(places):
            server.answer = Issuer(server, places)
            broker = desk(tmp_path, provider, discovery=True)
            broker._connections.resolver.allow += (server.origin,)
            path = tmp_path / "home" / "recipes" / "demo.yaml"
            own = f"issuer: {provider.issuer}"
            path.write_text(path.read_text().replace(own, f"issuer: {server.origin}"))
            with pytest.raises(errors.AuthError) as caught:
                broker.setup("demo")
            return caught.value, [seen.target for seen in server.seen]

        yield ask
    assert provider.authorizations == []


NO_S256 = {"code_challenge_methods_supported": ["plain"]}


@pytest.mark.parametrize(
    ("places", "kind", "text", "targets"),
    [
        ({}, errors.LoginFailed, "publishes no metadata", [OAUTH, OPENID]),
        ({OAUTH: (503, None)}, errors.ProviderUnavailable, "503", [OAUTH, OPENID]),
        (
            {OAUTH: (503, None), OPENID: (429, None)},
            errors.ProviderUnavailable, "429", [OAUTH, OPENID],
        ),
        ({OAUTH: (200, {"issuer": "https://evil.example"}), OPENID: (200, {})},
         errors.LoginFailed, "another issuer", [OAUTH]),
        ({OAUTH: (200, NO_S256)}, errors.LoginFailed, "S256 is not one of them", [OAUTH]),
        ({OAUTH: (503, None), OPENID: (200, NO_S256)},
         errors.LoginFailed, "S256 is not one", [OAUTH, OPENID]),
        ({OAUTH: (200, {"token_endpoint": None})}, errors.LoginFailed, "name no token_endpoint",
         [OAUTH]),
        ({OAUTH: (200, {"authorization_endpoint": None})}, errors.LoginFailed,
         "name no authorization_endpoint", [OAUTH]),
    ],
)  # fmt: skip
def test_metadata_that_are_no_use_send_nobody_anywhere(asked, places, kind, text, targets) -> None:
    error, seen = asked(places)
    assert type(error) is kind
    assert text in error.message
    assert error.service == "demo"
    assert error.hint
    assert seen == targets


def test_an_issuer_that_cannot_be_reached_is_unavailable(tmp_path, provider) -> None:
    with recorder() as gone:
        pass
    broker = desk(tmp_path, provider, discovery=True)
    broker._connections.resolver.allow += (gone.origin,)
    path = tmp_path / "home" / "recipes" / "demo.yaml"
    own = f"issuer: {provider.issuer}"
    path.write_text(path.read_text().replace(own, f"issuer: {gone.origin}"))
    with pytest.raises(errors.ProviderUnavailable) as caught:
        broker.setup("demo")
    assert caught.value.service == "demo"
    assert broker.store.get(DEMO) is None


@pytest.mark.parametrize("first", [503, 404, 429])
def test_the_next_place_is_asked_where_the_first_cannot_say(
    tmp_path, provider, monkeypatch, first
) -> None:
    from arcrun_auth.testing import _oauth
    from arcrun_auth.testing._records import Refusal

    def down(handler):
        raise Refusal("temporarily_unavailable", "Later.", status=first)

    monkeypatch.setattr(_oauth, "ROUTES", {**_oauth.ROUTES, ("GET", OAUTH): down})
    broker = desk(tmp_path, provider, discovery=True)
    broker.setup("demo")
    assert works(broker)
    assert (provider.requests[OAUTH], provider.requests[OPENID]) == (1, 1)


def test_what_forbids_pkce_is_believed_where_the_recipe_does_without(tmp_path, monkeypatch) -> None:
    from arcrun_auth.testing import Quirks

    with Provider(quirks=Quirks(pkce="refused")) as provider:
        metadata = type(provider).metadata.fget(provider)
        monkeypatch.setattr(
            type(provider), "metadata",
            {**metadata, "code_challenge_methods_supported": ["plain"]},
        )  # fmt: skip
        broker = desk(tmp_path, provider, discovery=True)
        broker.setup("demo")
        assert works(broker)
        assert "code_challenge" not in provider.authorizations[0]


@pytest.mark.parametrize(
    ("auth", "place"), [("tls_client_auth", "mtls"), ("private_key_jwt", "token")]
)
def test_the_alias_for_a_certificate_is_pinned_where_one_is_shown(
    tmp_path, provider, auth, place
) -> None:
    with recorder() as server:
        aliases = {"token_endpoint": f"{server.origin}/mtls"}
        server.answer = Issuer(server, {OAUTH: (200, {"mtls_endpoint_aliases": aliases})})
        resolver = desk(tmp_path, provider)._connections.resolver
        demo = resolver.find("demo", None)
        resolver.allow += (server.origin,)
        oauth2 = OAuth2(issuer=server.origin, discovery=True, client=ClientAuth(auth=auth))
        way = Method(primitive="oauth2", oauth2=oauth2)
        found = discover(resolver, demo, way, Credential(DEMO))
        assert found.endpoints["token_endpoint"] == f"{server.origin}/{place}"


# -- what is pinned ------------------------------------------------------------------------


def test_pinned_endpoints_fill_what_is_open_and_never_stand_over_the_recipe() -> None:
    way = Method(primitive="oauth2", oauth2=OAuth2(token_endpoint="https://a.example/token"))
    pinned = {
        "token_endpoint": "https://evil.example/token",
        "revocation_endpoint": "https://a.example/revoke",
        "client": "evil",
        "no_such_field": "https://evil.example/",
    }
    found = rendering.endpoints(way, {}, "demo", pinned)
    assert found.token_endpoint == "https://a.example/token"
    assert found.revocation_endpoint == "https://a.example/revoke"
    assert found.client == OAuth2().client


def test_a_renewal_goes_where_the_login_went_whatever_is_published_now(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, discovery=True)
    broker.setup("demo")
    asked = provider.requests[OAUTH]
    before = broker.get_token("demo").access_token
    after = broker._connections.known("demo", None).token(rejected=before).access_token
    assert after != before
    assert provider.requests[OAUTH] == asked


def test_a_param_that_is_missing_is_named() -> None:
    way = Method(primitive="oauth2", oauth2=OAuth2(token_endpoint="https://x.example/{{param.t}}"))
    with pytest.raises(errors.RecipeError, match=r"param\.t") as caught:
        rendering.endpoints(way, {}, "demo")
    assert (caught.value.service, caught.value.hint) == ("demo", "arcrun setup demo")


# -- registration --------------------------------------------------------------------------


def sent(**fields):
    oauth2 = OAuth2(registration_endpoint="https://id.example/register", **fields)
    call = registration_request(oauth2, scopes=("read",) if fields.get("scopes") else ())
    return json.loads(call.content)


def test_a_registration_asks_for_what_the_recipe_needs_and_no_more() -> None:
    assert sent() == {
        "client_name": "arcrun-auth",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    device = sent(grants=("device_code",), scopes=("read",))
    assert device["grant_types"] == ["urn:ietf:params:oauth:grant-type:device_code"]
    assert device["response_types"] == []
    assert device["scope"] == "read"


def test_every_port_that_is_compared_is_registered() -> None:
    fixed = Redirect(policy="fixed_port", ports=(8001, 8002))
    assert redirect_uris(fixed) == [
        "http://127.0.0.1:8001/callback",
        "http://127.0.0.1:8002/callback",
    ]


def test_a_registered_client_is_read_with_its_secret_and_its_end() -> None:
    body = json.dumps(
        {
            "client_id": "cid",
            "client_secret": canary.fresh(),
            "client_secret_expires_at": 1_900_000_000,
            "registration_access_token": canary.fresh("rat"),
        }
    ).encode()
    app, ends, manage = read_registration(201, body)
    assert (app.client_id, ends) == ("cid", 1_900_000_000.0)
    assert app.client_secret.reveal().startswith(canary.WORD)
    assert manage.reveal().startswith(canary.WORD)


@pytest.mark.parametrize("ends", [0, None, -1, True, "soon", 10**400, 1e400, [], {}])
def test_an_end_that_is_none_is_never(ends) -> None:
    body = json.dumps({"client_id": "cid", "client_secret_expires_at": ends}).encode()
    app, found, manage = read_registration(200, body)
    assert (app.client_secret, found, manage) == (None, None, None)


@pytest.mark.parametrize("value", ["a\nb", "\ud800", "\x00", 7, [], ""])
def test_what_can_stand_in_no_request_is_no_client(value) -> None:
    body = json.dumps({"client_id": value, "client_secret": value}).encode()
    with pytest.raises(errors.LoginFailed, match="it answered 201"):
        read_registration(201, body)
    named = json.dumps({"client_id": "cid", "client_secret": value}).encode()
    assert read_registration(201, named)[0].client_secret is None


NAMES = ("client_id", "client_secret", "client_secret_expires_at", "registration_access_token",
         "error", "error_description")  # fmt: skip


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda d: json.dumps(d).encode()),
    st.integers(100, 599),
)
def test_whatever_is_answered_it_is_a_client_or_a_failed_login(body, status) -> None:
    try:
        app, ends, _ = read_registration(status, body)
    except errors.LoginFailed as error:
        str(error)
    else:
        app.client_id.encode()
        assert ends is None or ends > 0


def test_a_client_that_registered_itself_is_there_before_it_is_used(tmp_path, provider) -> None:
    store = Memory()

    def refusing(url):
        assert store.get(Key("app", "demo")) is not None
        return provider.follow(url, allow=False)

    broker = desk(tmp_path, provider, app=None, store=store, open_url=refusing, registration="dcr")
    for _ in range(2):
        with pytest.raises(errors.LoginFailed, match="cancelled"):
            broker.setup("demo")
    assert provider.requests["/register"] == 1  # a second try uses the same client
