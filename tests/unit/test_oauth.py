"""The requests of OAuth 2.0: what is opened, and what is sent for a token."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from urllib.parse import parse_qs, parse_qsl, quote, unquote_plus, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import oauth
from arcrun_auth.errors import MissingSecret
from arcrun_auth.oauth import requests
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import Draft, values
from arcrun_auth.oauth.clients import basic_credentials, prove
from arcrun_auth.recipe import ClientAuth, OAuth2, Redirect, Refresh, TokenRequest
from arcrun_auth.tokens import Secret

ISSUER = "https://id.example.com"


def server(**fields):
    defaults = {
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
    }
    return OAuth2(**(defaults | fields))


def url_of(oauth2, **changes):
    fields = {
        "client_id": "cid",
        "redirect_uri": "http://127.0.0.1:5/callback",
        "scopes": ("read", "write"),
        "state": "s" * 43,
        "challenge": "c" * 43,
    }
    return oauth.authorization_url(oauth2, **(fields | changes))


def query_of(url):
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


class TestRandomValues:
    def test_states_have_256_bits_and_never_repeat(self):
        states = {oauth.new_state() for _ in range(10_000)}
        assert len(states) == 10_000
        assert all(len(base64.urlsafe_b64decode(s + "=")) == 32 for s in states)

    def test_verifiers_never_repeat_and_their_challenge_is_s256(self):
        keys = [oauth.new_proof_key() for _ in range(10_000)]
        verifiers = {verifier.reveal() for verifier, _ in keys}
        assert len(verifiers) == 10_000
        for verifier, challenge in keys[:100]:
            text = verifier.reveal()
            assert 43 <= len(text) <= 128  # RFC 7636 §4.1
            digest = hashlib.sha256(text.encode()).digest()
            assert challenge == base64.urlsafe_b64encode(digest).decode().rstrip("=")


class TestRedirectUri:
    @pytest.mark.parametrize(
        ("fields", "port", "expected"),
        [
            ({}, 5000, "http://127.0.0.1:5000/callback"),
            ({}, None, "http://127.0.0.1/callback"),
            ({"ports": (8000,)}, None, "http://127.0.0.1/callback"),
            ({"host": "localhost", "path": "/"}, 1234, "http://localhost:1234/"),
            (
                {"policy": "fixed_port", "ports": (8888, 8889)},
                None,
                "http://127.0.0.1:8888/callback",
            ),
            ({"policy": "https_only", "host": "localhost"}, None, "https://localhost/callback"),
            ({"policy": "https_only", "ports": (8443,)}, None, "https://127.0.0.1:8443/callback"),
        ],
    )
    def test_follows_the_recipe(self, fields, port, expected):
        assert oauth.redirect_uri(Redirect(**fields), port) == expected


class TestAuthorizationUrl:
    def test_carries_what_rfc_6749_and_rfc_7636_ask_for(self):
        assert query_of(url_of(server())) == {
            "response_type": "code",
            "client_id": "cid",
            "redirect_uri": "http://127.0.0.1:5/callback",
            "scope": "read write",
            "state": "s" * 43,
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
        }

    def test_a_recipe_cannot_override_what_binds_the_answer_to_this_login(self):
        evil = dict.fromkeys(oauth.RESERVED, "evil")
        assert "evil" not in query_of(url_of(server(authorize_params=evil))).values()
        no_pkce = query_of(url_of(server(authorize_params=evil), challenge=None))
        assert "evil" not in no_pkce.values()
        assert "code_challenge" not in no_pkce

    def test_extra_parameters_go_along_with_their_params_filled_in(self):
        oauth2 = server(authorize_params={"access_type": "offline", "hd": "{{param.domain}}"})
        query = query_of(url_of(oauth2, params={"domain": "a&b.example"}))
        assert (query["access_type"], query["hd"]) == ("offline", "a&b.example")

    @pytest.mark.parametrize(
        ("separator", "wire"), [(" ", "read+write"), (",", "read%2Cwrite"), ("+", "read%2Bwrite")]
    )
    def test_scopes_are_joined_as_the_provider_wants_them(self, separator, wire):
        url = url_of(server(scope_separator=separator, scope_param="user_scope"))
        assert f"user_scope={wire}" in url
        assert "&scope=" not in url

    def test_without_scopes_there_is_no_scope_parameter(self):
        assert "scope" not in query_of(url_of(server(), scopes=()))

    def test_the_query_of_the_endpoint_is_kept_and_its_fragment_is_not(self):
        url = url_of(server(authorization_endpoint=f"{ISSUER}/a?tenant=x#frag"))
        assert query_of(url)["tenant"] == "x"
        assert "#" not in url


def fields_of(call):
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    return {k: v[0] for k, v in parse_qs(call.content.decode(), strict_parsing=True).items()}


def code_call(oauth2, secret="s3cret", **changes):
    fields = {
        "code": Secret("the-code"),
        "redirect_uri": "http://127.0.0.1:5/callback",
        "state": "the-state",
        "verifier": Secret("v" * 43),
        "values": values(changes.pop("params", {})),
        "now": 1e9,
    }
    app = App("cid", secret and Secret(secret))
    return requests.code_request(oauth2, app, **(fields | changes))


class TestCodeRequest:
    def test_public_client(self):
        call = code_call(server(client=ClientAuth(auth="none")))
        assert (call.method, call.url) == ("POST", f"{ISSUER}/token")
        assert call.headers["accept"] == "application/json"
        assert "authorization" not in call.headers
        assert fields_of(call) == {
            "grant_type": "authorization_code",
            "code": "the-code",
            "redirect_uri": "http://127.0.0.1:5/callback",
            "code_verifier": "v" * 43,
            "client_id": "cid",
        }

    def test_secret_in_the_body(self):
        fields = fields_of(code_call(server()))
        assert (fields["client_id"], fields["client_secret"]) == ("cid", "s3cret")

    def test_secret_in_the_header_is_in_no_other_place(self):
        call = code_call(server(client=ClientAuth(auth="basic")))
        assert call.headers["authorization"] == "Basic " + base64.b64encode(b"cid:s3cret").decode()
        assert not {"client_id", "client_secret"} & set(fields_of(call))

    @pytest.mark.parametrize("auth", ["post", "basic", "none"])
    def test_without_a_secret_the_client_only_names_itself(self, auth):
        call = code_call(server(client=ClientAuth(auth=auth)), secret=None)
        assert fields_of(call)["client_id"] == "cid"
        assert "client_secret" not in fields_of(call)
        assert "authorization" not in call.headers

    def test_without_pkce_there_is_no_verifier(self):
        assert "code_verifier" not in fields_of(code_call(server(), verifier=None))

    def test_json_body_and_the_recipes_parameters_and_headers(self):
        request = TokenRequest(
            body="json",
            params={"audience": "https://{{param.tenant}}.example", "code": "evil"},
            headers={"Notion-Version": "2022-06-28", "Accept": "application/x"},
        )
        call = code_call(server(token_request=request), params={"tenant": "acme"})
        data = json.loads(call.content)
        assert data["audience"] == "https://acme.example"
        assert data["code"] == "the-code"
        assert call.headers["content-type"] == "application/json"
        assert call.headers["notion-version"] == "2022-06-28"
        assert call.headers["accept"] == "application/x"

    def test_it_shows_no_secret_and_is_not_pickled(self):
        call = code_call(server(client=ClientAuth(auth="basic")))
        assert repr(call) == "TokenCall('POST', host='id.example.com')"
        with pytest.raises(TypeError):
            pickle.dumps(call)
        revealed = {secret.reveal() for secret in call.secrets}
        basic = call.headers["authorization"].removeprefix("Basic ")
        assert revealed == {"the-code", "v" * 43, "s3cret", basic}


class TestRefreshRequest:
    def call(self, oauth2, **changes):
        app = App("cid", changes.pop("secret", None))
        fields = {"refresh_token": Secret("rt"), "values": values({}), "now": 1e9}
        return requests.refresh_request(oauth2, app, **(fields | changes))

    def test_the_bare_one(self):
        call = self.call(server(client=ClientAuth(auth="none")))
        assert call.url == f"{ISSUER}/token"
        assert fields_of(call) == {
            "grant_type": "refresh_token",
            "refresh_token": "rt",
            "client_id": "cid",
        }

    def test_it_never_names_a_scope(self):
        oauth2 = server(
            scope_param="user_scope",
            scopes=("a",),
            token_request=TokenRequest(params={"scope": "a", "x": "1"}),
            refresh=Refresh(params={"user_scope": "a", "scope": "a", "y": "2"}),
        )
        assert set(fields_of(self.call(oauth2))) == {
            "grant_type", "refresh_token", "client_id", "x", "y",
        }  # fmt: skip

    def test_its_own_endpoint_and_parameters(self):
        oauth2 = server(refresh=Refresh(url="https://acme.example.com/refresh", params={"a": "b"}))
        call = self.call(oauth2, secret=Secret("s"))
        assert call.url == "https://acme.example.com/refresh"
        assert fields_of(call)["a"] == "b"
        assert {s.reveal() for s in call.secrets} == {"rt", "s"}


@given(st.text(max_size=60), st.text(max_size=60))
def test_basic_credentials_are_read_back_by_a_server_that_follows_the_rfc(client, secret):
    client, secret = (t.encode(errors="replace").decode() for t in (client, secret))
    encoded = base64.b64decode(basic_credentials(client, secret)).decode()
    left, _, right = encoded.partition(":")
    assert (unquote_plus(left), unquote_plus(right)) == (client, secret)
    assert ":" not in right
    if secret == quote(secret, safe=""):
        assert right == secret  # what needs no encoding is understood by the others too


class TestProof:
    """How a request shows which app sends it, and what it must not leave out."""

    def prove(self, auth, app, **client):
        draft = Draft(f"{ISSUER}/token", {})
        prove(draft, server(client=ClientAuth(auth=auth, **client)), app, now=5.0)
        return draft

    def test_a_certificate_goes_into_the_connection_and_not_into_the_body(self):
        app = App("cid", private_key=Secret("key"), certificate=Secret("chain"))
        draft = self.prove("tls_client_auth", app)
        call = draft.call("POST", "form")
        assert [part.reveal() for part in call.certificate] == ["chain", "key"]
        assert call.content == b"client_id=cid"

    @pytest.mark.parametrize(
        ("auth", "name"),
        [
            ("tls_client_auth", "certificate"),
            ("private_key_jwt", "private_key"),
            ("client_secret_jwt", "client_secret"),
        ],
    )
    def test_an_app_without_its_proof_is_named(self, auth, name):
        with pytest.raises(MissingSecret, match=f"has no {name}") as caught:
            self.prove(auth, App("cid"))
        assert (caught.value.key, caught.value.hint) == (name, "arcrun app list")

    @pytest.mark.parametrize("auth", ["post", "basic", "none"])
    def test_a_public_client_names_itself_only(self, auth):
        draft = self.prove(auth, App("cid"))
        assert draft.fields == {"client_id": "cid"}
        assert "authorization" not in draft.headers

    def test_what_is_empty_is_not_sent(self):
        draft = Draft(f"{ISSUER}/token", {"a": "", "b": Secret(""), "c": "1"})
        assert draft.call("POST", "form").content == b"c=1"

    def test_nothing_to_send_is_no_body(self):
        call = Draft(f"{ISSUER}/token", {}).call("POST", "json")
        assert (call.content, call.url) == (None, f"{ISSUER}/token")
        assert "content-type" not in call.headers
