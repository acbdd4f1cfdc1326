"""Each quirk of the embedded provider, on and off; and that the recipe it prints tells of it."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from arcrun_auth.testing import Provider, Quirks
from tests.provider_calls import (
    REDIRECT,
    Clock,
    answer_of,
    authorization_url,
    code,
    grant,
    http_call,
    redeem,
    refresh,
)
from tests.recipe_client import RecipeClient, Refused

QUIRKS = {
    "none": Quirks(),
    "root": Quirks(root="data.tokens"),
    "paths": Quirks(paths={"access_token": "user.token", "scope": "user.scopes",
                           "error": "fault.code", "error_description": "fault.text"}),
    "ok": Quirks(ok=True),
    "form": Quirks(encoding="form"),
    "201": Quirks(status=201),
    **{how: Quirks(expires=how, refresh_expires_in=90)
       for how in ("in", "text", "ms", "at", "at_ms", "at_date", "absent")},
    "scope_list": Quirks(scope_list=True),
    "scope_aliases": Quirks(scope_aliases={"read": "demo:read", "write": ""}),
    "commas": Quirks(scope_separator=",", scope_param="user_scope"),
    "pluses": Quirks(scope_separator="+"),
    "names": Quirks(param_names={"client_id": "client_key", "grant_type": "kind"}),
    "get": Quirks(request_method="GET", request_body="query"),
    "query": Quirks(request_body="query"),
    "json": Quirks(request_body="json"),
    "strict form": Quirks(request_body="form"),
    **{f"pkce {how}": Quirks(pkce=how) for how in ("optional", "ignored", "refused")},
    "state": Quirks(state_again=True),
    "resource": Quirks(resource_required=True),
    "https": Quirks(https_only=True),
    "ports": Quirks(ports=(8123, 8124)),
    "localhost": Quirks(host="localhost"),
    "redirect": Quirks(code_param="auth_code", redirect_params={"realmId": "4620", "zone": "eu"}),
    "elsewhere": Quirks(refresh_elsewhere=True),
    "repeats": Quirks(repeats_refresh_token=True),
    "offline": Quirks(offline=True),
    "exchange": Quirks(renewal="exchange"),
    "instance": Quirks(api_host="token"),
    "region": Quirks(api_host="redirect"),
    "sites": Quirks(sites={"s1": "Ada's site", "s2": "Another"}),
    "sites of a region": Quirks(sites={"s1": "Ada's site"}, api_host="redirect"),
    "a region that one types": Quirks(sites={"s1": "Ada's site"}, api_host="user"),
    "site header": Quirks(sites={"s1": "Ada's site", "s2": "Another"}, site_header="X-Site"),
    "many": Quirks(root="data", expires="ms", ok=True, param_names={"client_id": "client_key"},
                   request_body="json", scope_separator=",", pkce="refused", status=201,
                   refresh_elsewhere=True, code_param="auth", api_host="token"),
}  # fmt: skip


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[False, True], ids=["keeps", "rotates"])
def rotates(request):
    return request.param


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS)
def test_the_recipe_is_all_that_a_client_has_to_know(quirks, clock, rotates):
    with Provider(quirks=quirks, rotates=rotates, clock=clock) as provider:
        client = RecipeClient(provider)
        client.log_in()
        assert client.me() == "ada"
        assert client.scopes == ["read", "write"]
        assert abs(client.lifetime - 3600) < 1
        first = client.token
        client.renew()
        assert client.token != first
        assert client.me() == "ada"
        assert provider.refreshes == 1
        client.revoke()
        with pytest.raises(Refused):
            client.me()


@pytest.mark.parametrize("auth", ["post", "basic"])
@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS)
def test_with_a_secret_too(quirks, auth):
    with Provider(quirks=quirks) as provider:
        client = RecipeClient(
            provider, client=f"demo-{auth}", secret=provider.client_secret, auth=auth
        )
        client.log_in()
        client.renew()
        assert client.me() == "ada"


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS)
def test_a_refusal_is_found_where_the_recipe_says(quirks):
    with Provider(quirks=quirks) as provider, pytest.raises(Refused, match="invalid_grant"):
        RecipeClient(provider).ask({"grant_type": "authorization_code", "code": "forged"})


@pytest.mark.parametrize("name", [
    "root", "paths", "names", "get", "query", "json", "commas", "pkce refused",
    "resource", "state", "https", "ports", "redirect", "elsewhere", "exchange", "instance",
    "region", "sites", "a region that one types", "site header",
])  # fmt: skip
def test_the_plain_recipe_fails_at_a_provider_with_the_quirk(name):
    """Or the tests above would prove nothing."""
    with Provider() as plain, Provider(quirks=QUIRKS[name]) as provider:
        text = plain.recipe_yaml().replace(plain.issuer, provider.issuer)
        assert not _serves(RecipeClient(provider, text=text))
        assert _serves(RecipeClient(provider))


def _serves(client) -> bool:
    try:
        client.log_in()
        client.me()
        client.renew()
    except (Refused, LookupError, ValueError, TypeError, AttributeError, HTTPError):
        return False
    return client.token is not None


class TestAnswers:
    def answer(self, quirks, clock, **provider):
        with Provider(quirks=quirks, clock=clock, **provider) as running:
            status, headers, body = self.call(running, code(running))
            return status, headers["Content-Type"], body.decode()

    @staticmethod
    def call(provider, code_, **changes):
        form = {"grant_type": "authorization_code", "code": code_, "redirect_uri": REDIRECT,
                "code_verifier": "v" * 43, "client_id": "demo"} | changes  # fmt: skip
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return http_call(provider, "POST", "/token", urlencode(form), kind)

    def test_nested(self, clock):
        answer = json.loads(self.answer(Quirks(root="a.b", ok=True), clock)[2])
        assert set(answer) == {"a", "ok"}
        assert answer["ok"] is True
        assert answer["a"]["b"]["token_type"] == "Bearer"

    def test_a_single_field_elsewhere(self, clock):
        quirks = Quirks(root="data", paths={"access_token": "user.token"})
        answer = json.loads(self.answer(quirks, clock)[2])
        assert answer["data"]["user"]["token"]
        assert "access_token" not in answer["data"]

    def test_form_encoded(self, clock):
        status, kind, body = self.answer(Quirks(encoding="form", status=201), clock)
        assert (status, kind) == (201, "application/x-www-form-urlencoded")
        assert "&expires_in=3600&scope=read+write&" in body

    @pytest.mark.parametrize(
        ("how", "told"),
        [
            ("in", {"expires_in": 3600}),
            ("text", {"expires_in": "3600"}),
            ("ms", {"expires_in": 3_600_000}),
            ("at", {"expires_at": 1_003_600}),
            ("at_ms", {"expires_at": 1_003_600_000}),
            ("at_date", {"expires_at": "1970-01-12T14:46:40Z"}),
            ("absent", {}),
        ],
    )
    def test_the_end(self, clock, how, told):
        answer = json.loads(self.answer(Quirks(expires=how), clock)[2])
        ends = {name: value for name, value in answer.items() if name.startswith("expires")}
        assert ends == told

    @pytest.mark.parametrize(("how", "told"), [("in", 90), ("text", "90"), ("at_ms", 90_000)])
    def test_the_refresh_token_ends_when_it_is_told_to(self, clock, how, told):
        with Provider(quirks=Quirks(expires=how, refresh_expires_in=90), clock=clock) as provider:
            answer = grant(provider)
            assert answer["refresh_token_expires_in"] == told
            clock.now += 89
            status, answer = refresh(provider, answer["refresh_token"])
            assert status == 200
            clock.now += 90
            assert refresh(provider, answer["refresh_token"])[1]["error"] == "invalid_grant"

    def test_scopes(self, clock):
        aliases = {"read": "demo:read", "write": ""}
        for quirks, told in (
            (Quirks(scope_list=True), ["read", "write"]),
            (Quirks(scope_aliases=aliases), "demo:read"),
            (Quirks(scope_aliases=aliases, scope_list=True), ["demo:read"]),
            (Quirks(granted=("write", "admin")), "write"),
            (Quirks(granted=()), ""),
        ):
            assert json.loads(self.answer(quirks, clock)[2])["scope"] == told

    def test_ok_false_under_200(self):
        with Provider(quirks=Quirks(ok=True, paths={"error": "why"})) as provider:
            status, _, body = self.call(provider, "forged")
            answer = json.loads(body)
            assert (status, answer["ok"], answer["why"]) == (200, False, "invalid_grant")
            status, _, body = self.call(provider, "x", client_id="nobody")
            assert (status, json.loads(body)["why"]) == (200, "invalid_client")

    def test_html_under_200(self):
        with Provider(quirks=Quirks(html=True)) as provider:
            status, headers, body = self.call(provider, "forged")
            assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert b"no such code" in body
            assert self.call(provider, code(provider))[0] == 200

    def test_a_form_encoded_refusal(self):
        with Provider(quirks=Quirks(encoding="form")) as provider:
            status, _, body = self.call(provider, "forged")
            assert status == 400
            assert body.startswith(b"error=invalid_grant&error_description=")


class TestRequests:
    def test_a_standard_name_is_refused_where_another_is_used(self):
        with Provider(quirks=Quirks(param_names={"client_id": "client_key"})) as provider:
            url = urlsplit(authorization_url(provider))
            assert http_call(provider, "GET", f"{url.path}?{url.query}")[0] == 400
            assert redeem(provider, "x")[1]["error"] == "invalid_request"

    def test_scopes_under_another_name_and_with_another_separator(self):
        quirks = Quirks(scope_param="user_scope", scope_separator=",")
        with Provider(quirks=quirks) as provider:
            url = urlsplit(authorization_url(provider))
            assert http_call(provider, "GET", f"{url.path}?{url.query}")[0] == 400
            for scope, error in (("read write", "invalid_scope"), ("read,write", None)):
                url = authorization_url(provider, scope=None, user_scope=scope)
                assert answer_of(provider.redirected(url)).get("error") == error

    @pytest.mark.parametrize(
        ("quirks", "fits"),
        [
            (Quirks(), {"form", "json"}),
            (Quirks(request_body="form"), {"form"}),
            (Quirks(request_body="json"), {"json"}),
            (Quirks(request_body="query"), {"query"}),
            (Quirks(request_method="GET", request_body="query"), {"get"}),
        ],
    )
    def test_a_token_request_comes_in_one_way(self, quirks, fits):
        fields = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "demo"}
        form = urlencode(fields)
        ways = {
            "form": ("POST", "/token", form, "application/x-www-form-urlencoded"),
            "json": ("POST", "/token", json.dumps(fields), "application/json"),
            "query": ("POST", f"/token?{form}", None, ""),
            "get": ("GET", f"/token?{form}", None, ""),
            "both": ("POST", "/token?x=1", form, "application/x-www-form-urlencoded"),
            "text": ("POST", "/token", form, "text/plain"),
        }
        with Provider(quirks=quirks) as provider:
            for name, (method, path, body, kind) in ways.items():
                headers = {"Content-Type": kind} if kind else {}
                answer = json.loads(http_call(provider, method, path, body, headers)[2])
                expected = "invalid_grant" if name in fits else "invalid_request"
                assert answer["error"] == expected, name
            assert provider.token_requests == {"refresh_token": len(ways)}

    @pytest.mark.parametrize(
        ("pkce", "challenge", "method", "error"),
        [
            ("required", None, None, "invalid_request"),
            ("required", "x" * 43, "plain", "invalid_request"),
            ("optional", None, None, None),
            ("optional", None, "S256", "invalid_request"),
            ("optional", "x" * 43, "plain", "invalid_request"),
            ("optional", "x" * 43, "S256", None),
            ("ignored", "x", "odd", None),
            ("refused", None, None, None),
            ("refused", "x" * 43, "S256", "invalid_request"),
        ],
    )
    def test_pkce(self, pkce, challenge, method, error):
        with Provider(quirks=Quirks(pkce=pkce)) as provider:
            url = authorization_url(
                provider, code_challenge=challenge, code_challenge_method=method
            )
            assert answer_of(provider.redirected(url)).get("error") == error

    def test_a_verifier_is_checked_where_pkce_is_known(self):
        bare = {"code_challenge": None, "code_challenge_method": None}
        for pkce, verifier, error in (
            ("optional", None, None),
            ("optional", "v" * 43, "invalid_grant"),
            ("ignored", "v" * 43, None),
            ("refused", None, None),
            ("refused", "v" * 43, "invalid_request"),
        ):
            with Provider(quirks=Quirks(pkce=pkce)) as provider:
                answer = redeem(provider, code(provider, **bare), code_verifier=verifier)[1]
                assert answer.get("error") == error

    def test_a_resource_is_recorded_and_must_be_the_api_that_was_agreed(self):
        with Provider() as provider:
            api = f"{provider.issuer}/api"
            url = authorization_url(provider, resource="https://other.example/api")
            assert answer_of(provider.redirected(url))["error"] == "invalid_target"
            first = code(provider, resource=api)
            assert redeem(provider, first, resource="x")[1]["error"] == "invalid_target"
            assert redeem(provider, first, resource=api)[0] == 200
            assert provider.resources == [
                ("/authorize", "https://other.example/api"),
                ("/authorize", api),
                ("/token", "x"),
                ("/token", api),
            ]

    def test_a_resource_can_be_required(self):
        with Provider(quirks=Quirks(resource_required=True)) as provider:
            api = f"{provider.issuer}/api"
            url = authorization_url(provider)
            assert answer_of(provider.redirected(url))["error"] == "invalid_target"
            first = code(provider, resource=api)
            assert redeem(provider, first)[1]["error"] == "invalid_target"
            token = redeem(provider, first, resource=api)[1]["refresh_token"]
            assert refresh(provider, token)[1]["error"] == "invalid_target"
            assert refresh(provider, token, resource=api)[0] == 200


class TestRedirects:
    @pytest.mark.parametrize(
        ("quirks", "good", "bad"),
        [
            (Quirks(https_only=True), "https://127.0.0.1/callback", REDIRECT),
            (Quirks(host="localhost"), "http://localhost:9/callback", REDIRECT),
            (Quirks(host="127.0.0.1"), REDIRECT, "http://localhost:1/callback"),
            (Quirks(ports=(8123,)), "http://localhost:8123/callback", REDIRECT),
        ],
    )
    def test_which_are_taken(self, quirks, good, bad):
        with Provider(quirks=quirks) as provider:
            location = provider.redirected(authorization_url(provider, redirect_uri=good))
            assert location.startswith(f"{good}?code=")
            url = urlsplit(authorization_url(provider, redirect_uri=bad))
            assert http_call(provider, "GET", f"{url.path}?{url.query}")[0] == 400

    def test_what_they_bring(self):
        quirks = Quirks(code_param="auth_code", redirect_params={"realmId": "1"})
        with Provider(quirks=quirks) as provider:
            answer = answer_of(provider.redirected(authorization_url(provider)))
            assert set(answer) == {"auth_code", "realmId", "state", "iss"}
            assert answer["realmId"] == "1"


class TestRenewals:
    @pytest.mark.parametrize("mode", ["no", "exchange"])
    def test_without_refresh_tokens(self, mode):
        with Provider(quirks=Quirks(renewal=mode)) as provider:
            assert "refresh_token" not in grant(provider)
            assert refresh(provider, "x")[1]["error"] == "unsupported_grant_type"
            assert RecipeClient(provider).oauth2.refresh.mode == mode
            assert "refresh_token" not in provider.metadata["grant_types_supported"]

    def test_a_live_token_is_exchanged_for_one_that_lives_longer(self, clock):
        with Provider(quirks=Quirks(renewal="exchange"), clock=clock) as provider:
            client = RecipeClient(provider)
            client.log_in()
            client.renew()
            assert client.lifetime == 60 * 86400
            clock.now += 3601
            assert client.me() == "ada"
            assert provider.token_requests["exchange"] == 1
            clock.now += 60 * 86400
            with pytest.raises(Refused, match="invalid_grant"):
                client.renew()
            secret = http_call(provider, "GET", "/exchange?client_secret=x")[2]
            assert json.loads(secret)["error"] == "invalid_request"
        with Provider() as provider:
            assert http_call(provider, "GET", "/exchange")[0] == 404

    def test_a_short_token_is_swapped_by_the_app_and_the_long_one_alone_renewed(self, clock):
        quirks = Quirks(renewal="exchange", swap=True)
        with Provider(quirks=quirks, clock=clock) as provider:
            for auth in ("post", "basic"):
                client = RecipeClient(
                    provider, client=f"demo-{auth}", secret=provider.client_secret, auth=auth
                )
                client.log_in()
                assert client.lifetime == 60 * 86400
                clock.now += 3601
                client.renew()
                assert client.me() == "ada"
            short = RecipeClient(provider)
            short.oauth2 = msgspec.structs.replace(short.oauth2, swap=None)
            short.log_in()
            assert short.lifetime == 3600
            with pytest.raises(Refused, match="invalid_grant"):
                short.renew()
            other = urlencode({"grant_type": "swap_token", "access_token": short.token,
                               "client_id": "demo-post", "client_secret": "x"})  # fmt: skip
            assert http_call(provider, "GET", f"/swap?{other}")[0] == 401
        with Provider() as provider:
            assert http_call(provider, "GET", "/swap")[0] == 404
        with pytest.raises(ValueError, match="goes with"):
            Quirks(swap=True)

    def test_each_url_serves_its_own_grants(self):
        with Provider(quirks=Quirks(refresh_elsewhere=True)) as provider:
            token = grant(provider)["refresh_token"]
            assert refresh(provider, token)[1]["error"] == "unsupported_grant_type"
        with Provider() as provider:
            form = urlencode({"grant_type": "refresh_token"})
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = json.loads(http_call(provider, "POST", "/refresh", form, kind)[2])
            assert answer["error"] in ("invalid_client", "unsupported_grant_type")

    def test_a_refresh_token_that_stays_may_be_repeated(self):
        with Provider(quirks=Quirks(repeats_refresh_token=True), rotates=False) as provider:
            token = grant(provider)["refresh_token"]
            assert refresh(provider, token)[1]["refresh_token"] == token

    def test_offline_has_to_be_asked_for_and_consented_to_again(self):
        with Provider(quirks=Quirks(offline=True)) as provider:

            def lasts(**query):
                return "refresh_token" in redeem(provider, code(provider, **query))[1]

            assert not lasts()
            assert not lasts(access_type="offline"), "the user has logged in before"
            assert lasts(access_type="offline", prompt="consent")
            assert not lasts(prompt="consent")
        with Provider(quirks=Quirks(offline=True)) as provider:
            assert "refresh_token" in redeem(provider, code(provider, access_type="offline"))[1]


class TestTheApi:
    def test_it_stands_on_the_host_that_is_told_alone(self):
        for how in ("token", "redirect"):
            with Provider(quirks=Quirks(api_host=how)) as provider:
                assert provider.api_host == provider.authorities[1]
                client = RecipeClient(provider)
                client.log_in()
                assert client.get(f"http://{provider.api_host}/api/me")[0] == 200
                assert client.get(f"{provider.issuer}/api/me")[0] == 404
        with Provider() as provider:
            assert f"http://{provider.api_host}" == provider.issuer

    def test_sites_are_listed_and_stand_in_the_path(self):
        with Provider(quirks=Quirks(sites={"s1": "One", "s2": "Two"})) as provider:
            client = RecipeClient(provider)
            client.log_in()
            listed = json.loads(client.get(f"{provider.issuer}/sites")[1])
            assert listed == [{"id": "s1", "name": "One"}, {"id": "s2", "name": "Two"}]
            for path, status in (("s1/me", 200), ("s2/me", 200), ("s3/me", 404), ("me", 404)):
                assert client.get(f"{provider.issuer}/api/{path}")[0] == status
            page = json.loads(client.get(f"{provider.issuer}/api/s1/items")[1])
            assert page["next"] == f"{provider.issuer}/api/s1/items?page=2"
            key = {"X-API-Key": provider.static_key}
            assert http_call(provider, "GET", "/api/static", headers=key)[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": "form", "root": "data"},
        {"encoding": "form", "ok": True},
        {"ok": True, "html": True},
        {"sites": {"a": "A"}, "redirect_params": {"b": "B"}},
        {"request_method": "GET"},
    ],
)
def test_quirks_that_contradict_each_other_are_refused(fields):
    with pytest.raises(ValueError, match=r"\."):
        Quirks(**fields)
