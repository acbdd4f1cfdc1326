"""How apps prove themselves to the embedded provider, register, find and leave it."""

from __future__ import annotations

import base64
import json
import uuid
from urllib.parse import quote_plus, urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, import_key

from arcrun_auth.recipe import read
from arcrun_auth.testing import Provider, Quirks
from tests.provider_calls import (
    REDIRECT,
    Clock,
    authorization_url,
    code,
    grant,
    http_call,
    me,
    post,
    redeem,
    refresh,
)
from tests.recipe_client import RecipeClient

JWT_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    with Provider(clock=clock) as running:
        yield running


def basic(client, secret):
    pair = f"{quote_plus(client)}:{quote_plus(secret)}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


class TestAssertions:
    KINDS = ("private_key_jwt", "client_secret_jwt")

    def assertion(self, provider, kind, *, key=None, alg=None, **changes):
        now = provider.authority.clock()
        claims = {
            "iss": f"demo-{kind}", "sub": f"demo-{kind}", "aud": f"{provider.issuer}/token",
            "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex,
        } | changes  # fmt: skip
        private = import_key(provider.private_key, "EC")
        if kind == "client_secret_jwt":
            key, alg = key or OctKey.import_key(provider.client_secret), alg or "HS256"
        token = jwt.encode({"alg": alg or "ES256"}, claims, key or private)
        return {"client_assertion_type": JWT_TYPE, "client_assertion": token}

    def redeem(self, provider, kind, proof, **changes):
        once = code(provider, client_id=f"demo-{kind}")
        return redeem(provider, once, **{"client_id": None, **proof, **changes})

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_signed_assertion_proves_the_app(self, provider, kind):
        _ = provider.private_key
        proof = self.assertion(provider, kind)
        assert self.redeem(provider, kind, proof)[0] == 200
        named = self.assertion(provider, kind, aud=provider.issuer)
        assert self.redeem(provider, kind, named, client_id=f"demo-{kind}")[0] == 200

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_proves_it_once_and_for_five_minutes(self, provider, clock, kind):
        _ = provider.private_key
        proof = self.assertion(provider, kind)
        assert self.redeem(provider, kind, proof)[0] == 200
        for other in (
            proof,
            self.assertion(provider, kind, exp=clock.now + 400),
            self.assertion(provider, kind, exp=clock.now),
            self.assertion(provider, kind, aud="https://other.example/token"),
            self.assertion(provider, kind, sub="demo"),
            self.assertion(provider, kind, iss="nobody", sub="nobody"),
            self.assertion(provider, kind, iss="demo", sub="demo"),
        ):
            status, answer = self.redeem(provider, kind, other)
            assert (status, answer["error"]) == (401, "invalid_client")

    def test_by_no_other_key_and_no_other_way(self, provider):
        secret = OctKey.import_key(provider.client_secret)
        for kind, proof in (
            ("private_key_jwt",
             self.assertion(provider, "private_key_jwt", key=ECKey.generate_key("P-256"))),
            ("private_key_jwt",
             self.assertion(provider, "private_key_jwt", key=secret, alg="HS256")),
            ("client_secret_jwt",
             self.assertion(provider, "client_secret_jwt",
                            key=import_key(provider.private_key, "EC"), alg="ES256")),
            ("client_secret_jwt", {"client_secret": provider.client_secret,
                                   "client_id": "demo-client_secret_jwt"}),
            ("private_key_jwt", {"client_id": "demo-private_key_jwt"}),
        ):  # fmt: skip
            status, answer = self.redeem(provider, kind, proof)
            assert (status, answer["error"]) == (401, "invalid_client")
        good = self.assertion(provider, "private_key_jwt")
        for more in ({"client_assertion_type": "urn:other"}, {"client_secret": "x"}):
            answer = self.redeem(provider, "private_key_jwt", {**good, **more})[1]
            assert answer["error"] == "invalid_request"
        status, _ = self.redeem(provider, "private_key_jwt", good, client_id="demo")
        assert status == 401

    def test_two_ways_at_once_are_refused(self, provider):
        secret = provider.client_secret
        once = code(provider, client_id="demo-basic")
        headers = basic("demo-basic", secret)
        for more in ({"client_id": "demo-basic", "client_secret": secret}, {"client_id": "demo"}):
            answer = redeem(provider, once, headers=headers, **more)[1]
            assert answer["error"] == "invalid_request"
        assert redeem(provider, once, headers=headers, client_id="demo-basic")[0] == 200

    def test_the_recipes_name_the_way(self, provider):
        for auth, alg in (("private_key_jwt", "ES256"), ("client_secret_jwt", "")):
            client = read(provider.recipe_yaml(auth=auth)).oauth2.client
            assert (client.auth, client.alg) == (auth, alg)
            assert client.secret_required == (auth == "client_secret_jwt")


class TestRegistration:
    def register(self, provider, **metadata):
        status, _, body = http_call(provider, "POST", "/register", json.dumps(metadata), JSON)
        return status, json.loads(body)

    @pytest.mark.parametrize(
        ("method", "has_secret"),
        [("none", False), ("client_secret_post", True), ("client_secret_basic", True),
         (None, True)],
    )  # fmt: skip
    def test_a_client_registers_itself_and_logs_in(self, provider, method, has_secret):
        metadata = {"redirect_uris": ["http://127.0.0.1/callback"], "client_name": "Mine"}
        metadata |= {"token_endpoint_auth_method": method} if method else {}
        status, client = self.register(provider, **metadata)
        assert status == 201
        assert client["client_name"] == "Mine"
        assert client["token_endpoint_auth_method"] == (method or "client_secret_basic")
        assert ("client_secret" in client) == has_secret
        assert client.get("client_secret_expires_at") == (0 if has_secret else None)
        once = code(provider, client_id=client["client_id"])
        form, headers = {"client_id": client["client_id"]}, {}
        if method == "client_secret_post":
            form["client_secret"] = client["client_secret"]
        elif has_secret:
            headers = basic(client["client_id"], client["client_secret"])
        assert redeem(provider, once, headers=headers, **form)[0] == 200

    @pytest.mark.parametrize(
        ("metadata", "error"),
        [
            ({}, "invalid_redirect_uri"),
            ({"redirect_uris": []}, "invalid_redirect_uri"),
            ({"redirect_uris": "http://127.0.0.1/callback"}, "invalid_redirect_uri"),
            ({"redirect_uris": ["http://app.example/callback"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["https://app.example/callback#x"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["https:///callback"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["app:/callback"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["https://app.example/\r\nX-A: b"]}, "invalid_redirect_uri"),
            ({"redirect_uris": [7]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["https://app.example/c"], "token_endpoint_auth_method": "odd"},
             "invalid_client_metadata"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, provider, metadata, error):
        status, answer = self.register(provider, **metadata)
        assert (status, answer["error"]) == (400, error)
        form = urlencode({"redirect_uris": "http://127.0.0.1/callback"})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http_call(provider, "POST", "/register", form, kind)[0] == 400

    def test_the_redirect_policy_holds_here_too(self):
        for quirks, good, bad in (
            (Quirks(https_only=True), "https://127.0.0.1/c", "http://127.0.0.1/c"),
            (Quirks(host="localhost"), "http://localhost/c", "http://127.0.0.1/c"),
            (Quirks(), "http://[::1]/c", "http://10.0.0.1/c"),
        ):
            with Provider(quirks=quirks) as provider:
                assert self.register(provider, redirect_uris=[good])[0] == 201
                assert self.register(provider, redirect_uris=[bad])[0] == 400

    def test_a_client_without_a_redirect_is_one_without_that_grant(self, provider):
        status, client = self.register(provider, grant_types=["client_credentials"])
        assert (status, client["redirect_uris"]) == (201, [])

    def test_a_secret_can_end(self, clock):
        with Provider(quirks=Quirks(secret_seconds=60), clock=clock) as provider:
            client = self.register(
                provider,
                redirect_uris=["http://127.0.0.1/callback"],
                token_endpoint_auth_method="client_secret_post",
            )[1]
            assert client["client_secret_expires_at"] == clock.now + 60
            form = {name: client[name] for name in ("client_id", "client_secret")}
            once = code(provider, client_id=client["client_id"])
            clock.now += 60
            assert redeem(provider, once, **form)[1]["error"] == "invalid_client"
            clock.now -= 1
            assert redeem(provider, once, **form)[0] == 200

    def test_its_own_token_manages_it(self, provider):
        client = self.register(
            provider, redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
        )[1]
        path = client["registration_client_uri"].removeprefix(provider.issuer)
        mine = {"Authorization": f"Bearer {client['registration_access_token']}"}
        tokens = redeem(
            provider, code(provider, client_id=client["client_id"]), client_id=client["client_id"]
        )[1]
        for headers, where, status in (
            ({}, path, 401),
            ({"Authorization": "Bearer x"}, path, 401),
            (mine, "/register/other", 401),
            (mine, path, 200),
        ):
            assert http_call(provider, "GET", where, headers=headers)[0] == status
        assert http_call(provider, "DELETE", path, headers=mine)[0] == 204
        assert http_call(provider, "GET", path, headers=mine)[0] == 401
        assert me(provider, tokens["access_token"]) == 401

    def test_the_recipe_names_the_endpoint(self, provider):
        oauth2 = read(provider.recipe_yaml(registration="dcr")).oauth2
        assert oauth2.client.registration == "dcr"
        assert oauth2.registration_endpoint == f"{provider.issuer}/register"


class TestMetadata:
    OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"

    def get(self, quirks, path):
        with Provider(quirks=quirks) as provider:
            status, _, body = http_call(provider, "GET", path)
            return status, json.loads(body), provider

    @pytest.mark.parametrize(
        ("published", "oauth", "openid"),
        [("both", 200, 200), ("oauth", 200, 404), ("openid", 404, 200), ("none", 404, 404)],
    )
    def test_what_is_published(self, published, oauth, openid):
        quirks = Quirks(metadata=published)
        assert self.get(quirks, self.OAUTH)[0] == oauth
        assert self.get(quirks, self.OPENID)[0] == openid

    def test_both_name_all_that_there_is(self):
        for path in (self.OAUTH, self.OPENID):
            _, found, provider = self.get(Quirks(), path)
            assert found["issuer"] == provider.issuer
            for name in ("device_authorization", "registration", "revocation", "userinfo"):
                assert found[f"{name}_endpoint"].startswith(f"{provider.issuer}/")
            assert found["code_challenge_methods_supported"] == ["S256"]
            assert ("jwks_uri" in found) == (path == self.OPENID)

    def test_what_can_be_wrong_with_them(self):
        _, found, provider = self.get(Quirks(wrong_issuer=True), self.OAUTH)
        assert found["issuer"] == f"{provider.issuer}/other"
        _, found, provider = self.get(Quirks(foreign_token_endpoint=True), self.OAUTH)
        assert found["token_endpoint"] == f"http://{provider.authorities[1]}/token"
        assert not found["token_endpoint"].startswith(provider.issuer)
        for quirks in (Quirks(hides_pkce=True), Quirks(pkce="refused"), Quirks(pkce="ignored")):
            assert "code_challenge_methods_supported" not in self.get(quirks, self.OAUTH)[1]

    def test_a_recipe_can_leave_the_endpoints_to_them(self, provider):
        oauth2 = read(provider.recipe_yaml(discovery=True)).oauth2
        assert (oauth2.issuer, oauth2.discovery) == (provider.issuer, True)
        assert oauth2.token_endpoint == ""


class TestRevocation:
    WAYS = ("standard", "delete", "grant", "bearer", "get", "open")

    @pytest.mark.parametrize("how", WAYS)
    def test_the_recipe_says_how_a_grant_ends(self, how):
        with Provider(quirks=Quirks(revoke=how)) as provider:
            client = RecipeClient(
                provider, client="demo-post", secret=provider.client_secret, auth="post"
            )
            client.log_in()
            client.revoke()
            assert me(provider, client.token) == 401
            assert provider.families_revoked == 1

    @pytest.mark.parametrize("how", WAYS)
    def test_it_ends_in_no_other_way(self, how):
        with Provider(quirks=Quirks(revoke=how)) as provider:
            tokens, access = grant(provider), ""
            access = tokens["access_token"]
            proof = basic("demo-post", provider.client_secret)
            bearer = {"Authorization": f"Bearer {tokens['refresh_token']}"}
            body = json.dumps({"access_token": access})
            for method, path, text, headers in (
                ("DELETE", "/revoke", body, {**JSON}),
                ("DELETE", "/revoke", body, {**JSON, **proof}),  # another app's
                ("DELETE", "/revoke", None, proof),
                ("DELETE", "/applications/demo-post/grant", body, {**JSON, **proof}),
                ("DELETE", "/applications/demo/grant", body, {**JSON, **proof}),
                ("DELETE", "/applications/demo/grant", body, JSON),
                ("DELETE", "/applications/demo", body, {**JSON, **proof}),
                ("DELETE", "/applications", body, {**JSON, **proof}),
                ("POST", "/revoke", None, bearer),
                ("POST", "/revoke", None, {}),
                ("GET", "/revoke", None, {}),
                ("GET", "/revoke?token=forged", None, {}),
            ):
                assert http_call(provider, method, path, text, headers)[0] >= 400
            assert me(provider, access) == 200
            assert refresh(provider, tokens["refresh_token"])[0] == 200

    @pytest.mark.parametrize(
        ("how", "path"), [("delete", "/revoke"), ("grant", "/applications/demo-post/grant")]
    )
    def test_it_wants_an_access_token_and_the_apps_own_address(self, how, path):
        with Provider(quirks=Quirks(revoke=how)) as provider:
            secret = provider.client_secret
            proof = {**JSON, **basic("demo-post", secret)}
            once = code(provider, client_id="demo-post")
            tokens = redeem(provider, once, client_id="demo-post", client_secret=secret)[1]
            refresh_token = json.dumps({"access_token": tokens["refresh_token"]})
            access_token = json.dumps({"access_token": tokens["access_token"]})
            other = path.replace("demo-post", "demo-basic").replace("/revoke", "/revoke/")
            for where, body, status in (
                (path, refresh_token, 404),
                (other, access_token, 404),
                (path, access_token, 204),
                (path, access_token, 404),
            ):
                assert http_call(provider, "DELETE", where, body, proof)[0] == status

    def test_a_dead_token_is_revoked_once_where_that_is_told(self):
        with Provider(quirks=Quirks(revoke="get")) as provider:
            path = f"/revoke?token={grant(provider)['access_token']}"
            assert [http_call(provider, "GET", path)[0] for _ in range(2)] == [200, 401]

    def test_it_is_part_of_the_renamed_parameters(self):
        with Provider(quirks=Quirks(param_names={"client_id": "client_key"})) as provider:
            answer = post(provider, "/revoke", {"client_id": "demo", "token": "x"})[1]
            assert answer["error"] == "invalid_request"
            assert post(provider, "/revoke", {"client_key": "demo", "token": "x"})[0] == 200


def test_redirected_gives_the_address_to_paste_where_only_https_is_taken():
    with Provider(quirks=Quirks(https_only=True)) as provider:
        uri = "https://localhost/callback"
        assert provider.redirected(authorization_url(provider, redirect_uri=uri)).startswith(uri)
