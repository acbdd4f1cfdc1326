"""The requests of OAuth 2.0: what is opened, what came back, what is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from itertools import product
from urllib.parse import parse_qs, parse_qsl, quote, unquote_plus, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import oauth
from arcrun_auth.errors import LoginFailed
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


class TestCallback:
    def test_gives_the_code_from_a_url_and_from_its_query(self):
        for callback in (
            "http://127.0.0.1:5/callback?code=c%2F1&state=st",
            "code=c%2F1&state=st",
            "?code=c%2F1&state=st",
            "https://localhost/callback?state=st&code=c%2F1#_=_",
        ):
            assert oauth.read_callback(callback, state="st").reveal() == "c/1"

    @pytest.mark.parametrize(
        "query",
        ["", "code=c", "code=c&state=", "code=c&state=ST", "code=c&state=st&state=st",
         "code=c&state=st&state=x", "code=c&state=%ed%a0%80", "error=access_denied",
         "state=st&" + "&".join(f"a{n}=1" for n in range(60))],
    )  # fmt: skip
    def test_without_our_state_it_is_not_our_answer(self, query):
        assert not oauth.is_answer(query, state="st")
        with pytest.raises(LoginFailed, match="state differs") as caught:
            oauth.read_callback(query, state="st", service="demo")
        assert "arcrun setup demo" in caught.value.hint

    @pytest.mark.parametrize("query", ["state=st", "state=st&code=", "state=st&code=a&code=b"])
    def test_with_our_state_but_no_single_code_the_login_has_failed(self, query):
        with pytest.raises(LoginFailed, match="neither a code nor an error"):
            oauth.read_callback(query, state="st")

    @pytest.mark.parametrize(
        ("known", "answer"),
        list(
            product(
                [ISSUER, ""],
                [None, ISSUER, ISSUER + "/", ISSUER.upper(), "https://evil.example", "", "twice"],
            )
        ),
    )
    @pytest.mark.parametrize("outcome", ["code=c", "error=access_denied&error_description=LIES"])
    def test_the_issuer_is_compared_as_plain_text_on_errors_too(self, known, answer, outcome):
        # RFC 9207 §2.4; what the recipe does not know cannot be compared, and a server that
        # sends no issuer cannot be told from one that does not know the parameter.
        iss = {None: "", "twice": f"&iss={ISSUER}&iss={ISSUER}"}.get(answer, f"&iss={answer}")
        matches = not known or answer in (None, ISSUER)
        if matches and outcome == "code=c":
            code = oauth.read_callback(f"state=st&{outcome}{iss}", state="st", issuer=known)
            assert code.reveal() == "c"
            return
        with pytest.raises(LoginFailed) as caught:
            oauth.read_callback(f"state=st&{outcome}{iss}", state="st", issuer=known)
        error = caught.value
        assert error.error == ("access_denied" if matches else "issuer_mismatch")
        assert ("LIES" in str(error)) is matches
        assert error.description == ("LIES" if matches else None)

    @pytest.mark.parametrize(
        ("error", "text", "hint"),
        [
            ("access_denied", "was cancelled", "allow"),
            ("server_error", "could not do it now", "in a few minutes"),
            ("temporarily_unavailable", "could not do it now", "in a few minutes"),
            ("invalid_scope", r"refused the login \(invalid_scope\)", "arcrun setup demo"),
        ],
    )
    def test_an_error_is_told_with_its_evidence_and_what_to_do(self, error, text, hint):
        query = urlencode(
            {"state": "st", "error": error, "error_description": "why\x1b[2J", "error_uri": "u"}
        )
        with pytest.raises(LoginFailed, match=text) as caught:
            oauth.read_callback(query, state="st", service="demo")
        assert caught.value.error == error
        assert (caught.value.description, caught.value.uri) == ("why[2J", "u")
        assert "\x1b" not in str(caught.value)
        assert hint in caught.value.hint

    @given(st.text(max_size=300))
    def test_no_text_but_the_state_itself_passes_for_it(self, text):
        assert not oauth.is_answer(text, state="0123456789" * 5)

    @given(st.text(max_size=100), st.text(min_size=1, max_size=100))
    def test_any_code_comes_through_as_it_was_sent(self, state, code):
        query = urlencode({"code": code, "state": state}, errors="replace")
        code = code.encode(errors="replace").decode()
        state = state.encode(errors="replace").decode()
        assert oauth.read_callback(query, state=state).reveal() == code

    def test_malformed_callbacks_are_refused_without_ado(self):
        for text in ("http://[::1/?state=x", "a" * 1_000_000, "&" * 100_000, "%" * 99_999, "\x00"):
            with pytest.raises(LoginFailed):
                oauth.read_callback(text, state="st")


def fields_of(call):
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    return {k: v[0] for k, v in parse_qs(call.content.decode(), strict_parsing=True).items()}


def code_call(oauth2, secret="s3cret", **changes):
    fields = {
        "client_id": "cid",
        "client_secret": secret and Secret(secret),
        "code": Secret("the-code"),
        "redirect_uri": "http://127.0.0.1:5/callback",
        "verifier": Secret("v" * 43),
    }
    return oauth.code_request(oauth2, **(fields | changes))


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
        fields = {
            "client_id": "cid",
            "client_secret": None,
            "refresh_token": Secret("rt"),
        }
        return oauth.refresh_request(oauth2, **(fields | changes))

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
        oauth2 = server(
            refresh=Refresh(url="https://{{param.t}}.example.com/refresh", params={"a": "b"})
        )
        call = self.call(oauth2, params={"t": "acme"}, client_secret=Secret("s"))
        assert call.url == "https://acme.example.com/refresh"
        assert fields_of(call)["a"] == "b"
        assert {s.reveal() for s in call.secrets} == {"rt", "s"}


@given(st.text(max_size=60), st.text(max_size=60))
def test_basic_credentials_are_read_back_by_a_server_that_follows_the_rfc(client, secret):
    client, secret = (t.encode(errors="replace").decode() for t in (client, secret))
    encoded = base64.b64decode(oauth.basic_credentials(client, secret)).decode()
    left, _, right = encoded.partition(":")
    assert (unquote_plus(left), unquote_plus(right)) == (client, secret)
    assert ":" not in right
    if secret == quote(secret, safe=""):
        assert right == secret  # what needs no encoding is understood by the others too
