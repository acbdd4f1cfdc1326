"""The embedded provider is a strict one: what a real server checks, it checks."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
import pytest
import yaml

from arcrun_auth import testing
from arcrun_auth.recipe.model import OAuth2
from arcrun_auth.testing import Provider
from tests.provider_calls import (
    HANG,
    REDIRECT,
    VERIFIER,
    Clock,
    answer_of,
    authorization_url,
    code,
    grant,
    http_call,
    me,
    post,
    redeem,
    refresh,
)
from tests.waiting import until


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    with Provider(clock=clock) as running:
        yield running


class TestAuthorizing:
    def test_a_good_request_ends_in_a_code_with_state_and_issuer(self, provider):
        location = provider.redirected(authorization_url(provider))
        assert location.startswith(f"{REDIRECT}?")
        answer = answer_of(location)
        assert set(answer) == {"code", "state", "iss"}
        assert (answer["state"], answer["iss"]) == ("st", provider.issuer)
        assert provider.authorizations[0]["client_id"] == "demo"

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "nobody"},
            {"client_id": None},
            {"redirect_uri": None},
            {"redirect_uri": "https://evil.example/callback"},
            {"redirect_uri": "http://127.0.0.1:1/callback/"},
            {"redirect_uri": "http://127.0.0.1:1/other"},
            {"redirect_uri": "http://127.0.0.1:1/callback?x=1"},
            {"redirect_uri": "http://x@127.0.0.1:1/callback"},
            {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
            {"redirect_uri": "https://127.0.0.1:1/callback"},
        ],
    )
    def test_an_unknown_app_or_redirect_uri_is_never_redirected(self, provider, changes):
        url = urlsplit(authorization_url(provider, **changes))
        status, headers, page = http_call(provider, "GET", f"{url.path}?{url.query}")
        assert status == 400
        assert "Location" not in headers
        assert b"not registered" in page or b"No app" in page

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"state": None}, "invalid_request"),
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
        ],
    )
    def test_other_faults_are_told_to_the_app(self, provider, changes, error):
        answer = answer_of(provider.redirected(authorization_url(provider, **changes)))
        assert (answer["error"], answer["iss"]) == (error, provider.issuer)
        assert "code" not in answer

    def test_a_cancel_is_access_denied(self, provider):
        answer = answer_of(provider.redirected(authorization_url(provider), allow=False))
        assert (answer["error"], answer["state"]) == ("access_denied", "st")

    def test_the_decision_works_once(self, provider):
        ticket, _ = provider.authority.begin(answer_of(authorization_url(provider)))
        form = urlencode({"ticket": ticket, "decision": "allow"})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http_call(provider, "POST", "/consent", form, kind)[0] == 303
        status, _, page = http_call(provider, "POST", "/consent", form, kind)
        assert status == 400
        assert b"used already" in page

    def test_any_loopback_port_is_the_registered_one_and_no_other_uri_is(self, provider):
        provider.register("web", redirect_uris=("https://app.example/cb?a=1",))
        exact = "https://app.example/cb?a=1"
        url = authorization_url(provider, client_id="web", redirect_uri=exact)
        assert provider.redirected(url).startswith(f"{exact}&code=")
        for port in (1, 65535):
            uri = f"http://localhost:{port}/callback"
            assert provider.redirected(authorization_url(provider, redirect_uri=uri))

    def test_the_consent_page_escapes_what_it_shows(self, provider):
        url = urlsplit(authorization_url(provider, scope="<script>alert(1)</script>"))
        page = http_call(provider, "GET", f"{url.path}?{url.query}")[2]
        assert b"<script" not in page
        url = urlsplit(authorization_url(provider, scope=None))
        assert b"your name" in http_call(provider, "GET", f"{url.path}?{url.query}")[2]


class TestRedeeming:
    def test_a_good_code_becomes_tokens(self, provider):
        answer = grant(provider)
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
        assert answer["scope"] == "read write"
        assert me(provider, answer["access_token"]) == 200
        assert provider.token_requests == {"authorization_code": 1}

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_verifier": None},
            {"code_verifier": "w" * 43},
            {"code_verifier": "é"},
            {"redirect_uri": "http://127.0.0.1:2/callback"},
            {"redirect_uri": None},
            {"code": "forged"},
            {"code": None},
        ],
    )
    def test_what_does_not_fit_the_request_is_refused(self, provider, changes):
        status, answer = redeem(provider, code(provider), **changes)
        assert (status, answer["error"]) == (400, "invalid_grant")

    def test_a_code_of_another_app_is_refused(self, provider):
        provider.register("other")
        status, answer = redeem(provider, code(provider), client_id="other")
        assert (status, answer["error"]) == (400, "invalid_grant")

    def test_a_code_works_once_and_its_reuse_ends_what_it_gave(self, provider):
        once = code(provider)
        tokens = redeem(provider, once)[1]
        status, answer = redeem(provider, once)
        assert (status, answer["error"]) == (400, "invalid_grant")
        assert me(provider, tokens["access_token"]) == 401
        assert refresh(provider, tokens["refresh_token"])[0] == 400
        assert provider.families_revoked == 1

    def test_a_code_lives_ten_minutes(self, provider, clock):
        fresh, stale = code(provider), code(provider)
        clock.now += 600
        assert redeem(provider, fresh)[0] == 200
        clock.now += 1
        assert redeem(provider, stale)[1]["error"] == "invalid_grant"

    def test_a_body_in_json_is_read_too(self, provider):
        form = {
            "grant_type": "authorization_code",
            "code": code(provider),
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            "client_id": "demo",
        }
        kind = {"Content-Type": "application/json"}
        assert http_call(provider, "POST", "/token", json.dumps(form), kind)[0] == 200
        for garbage in ("[]", "{"):
            assert http_call(provider, "POST", "/token", garbage, kind)[0] == 401

    def test_other_grants_are_refused(self, provider):
        status, answer = post(provider, "/token", {"client_id": "demo", "grant_type": "password"})
        assert (status, answer["error"]) == (400, "unsupported_grant_type")

    @pytest.mark.parametrize("length", ["100000", "-1", "x", "9" * 5000])
    def test_a_body_without_a_sane_length_is_not_read(self, provider, length):
        with pytest.raises((http.client.HTTPException, OSError)):
            http_call(provider, "POST", "/token", b"", {"Content-Length": length})
        assert provider.token_requests == {}


class TestClientAuthentication:
    def basic(self, client, secret, encode=quote_plus):
        pair = f"{encode(client)}:{encode(secret)}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def test_by_the_method_it_is_registered_with(self, provider):
        secret = provider.client_secret
        posted = code(provider, client_id="demo-post")
        assert redeem(provider, posted, client_id="demo-post", client_secret=secret)[0] == 200
        basic = code(provider, client_id="demo-basic")
        headers = self.basic("demo-basic", secret)
        assert redeem(provider, basic, headers=headers, client_id=None)[0] == 200

    def test_by_no_other_method_and_no_other_secret(self, provider):
        secret = provider.client_secret
        for form, headers in (
            ({"client_id": "nobody"}, {}),
            ({"client_id": "demo-post"}, {}),
            ({"client_id": "demo-post", "client_secret": "wrong"}, {}),
            ({"client_id": "demo-basic", "client_secret": secret}, {}),
            ({"client_id": "demo", "client_secret": secret}, {}),
            ({}, self.basic("demo-post", secret)),
            ({}, self.basic("demo-basic", "wrong")),
            ({}, self.basic("demo-basic", secret, encode=str)),  # not form-encoded
            ({}, {"Authorization": "Basic !"}),
        ):
            fields = {"client_id": None} | form
            status, answer = redeem(provider, "x", headers=headers, **fields)
            assert (status, answer["error"]) == (401, "invalid_client")


class TestRenewing:
    def test_each_renewal_brings_a_new_pair(self, provider):
        first = grant(provider)
        status, second = refresh(provider, first["refresh_token"])
        assert status == 200
        assert second["access_token"] != first["access_token"]
        assert second["refresh_token"] != first["refresh_token"]
        assert (provider.refreshes, provider.token_requests["refresh_token"]) == (1, 1)

    def test_reuse_revokes_the_whole_family_and_no_other(self, provider):
        other, first = grant(provider), grant(provider)
        second = refresh(provider, first["refresh_token"])[1]
        status, answer = refresh(provider, first["refresh_token"])
        assert (status, answer["error"]) == (400, "invalid_grant")
        assert refresh(provider, second["refresh_token"])[0] == 400
        assert me(provider, second["access_token"]) == 401
        assert (provider.reuses, provider.families_revoked) == (1, 1)
        assert me(provider, other["access_token"]) == 200

    def test_within_the_grace_a_second_use_is_a_retry(self, provider, clock):
        provider.authority.reuse_grace = 10
        token = grant(provider)["refresh_token"]
        assert refresh(provider, token)[0] == 200
        clock.now += 9
        assert refresh(provider, token)[0] == 200
        clock.now += 1
        assert refresh(provider, token)[0] == 400
        assert (provider.refreshes, provider.reuses) == (2, 1)

    def test_without_rotation_the_token_stays(self, provider):
        provider.authority.rotates = False
        token = grant(provider)["refresh_token"]
        for _ in range(3):
            status, answer = refresh(provider, token)
            assert status == 200
            assert "refresh_token" not in answer
        assert provider.reuses == 0

    def test_what_is_not_valid_is_refused(self, provider):
        provider.register("other")
        token = grant(provider)["refresh_token"]
        assert refresh(provider, "forged")[1]["error"] == "invalid_grant"
        assert refresh(provider, token, client_id="other")[1]["error"] == "invalid_grant"
        assert refresh(provider, token, scope="read admin")[1]["error"] == "invalid_scope"
        assert refresh(provider, token, scope="read")[0] == 200

    def test_an_access_token_ends_by_the_providers_clock(self, provider, clock):
        token = grant(provider)["access_token"]
        clock.now += 3599
        assert me(provider, token) == 200
        clock.now += 1
        assert me(provider, token) == 401

    def test_all_access_tokens_can_be_ended_at_once(self, provider):
        tokens = grant(provider)
        provider.authority.expire_access_tokens()
        assert me(provider, tokens["access_token"]) == 401
        assert refresh(provider, tokens["refresh_token"])[0] == 200

    def test_revocation_ends_the_family_and_an_unknown_token_is_no_error(self, provider):
        provider.register("other")
        for name in ("access_token", "refresh_token"):
            tokens = grant(provider)
            for form in ({"client_id": "other", "token": tokens[name]}, {"token": "unknown"}):
                assert post(provider, "/revoke", {"client_id": "demo"} | form)[0] == 200
            assert me(provider, tokens["access_token"]) == 200
            form = {"client_id": "demo", "token": tokens[name]}
            assert [post(provider, "/revoke", form)[0] for _ in range(2)] == [200, 200]
            assert me(provider, tokens["access_token"]) == 401
        assert provider.families_revoked == 2


class TestFaults:
    def test_a_status_for_so_many_requests(self, provider):
        once = code(provider)
        provider.fail_next(2, 503)
        provider.fail_next(1, 429)
        assert redeem(provider, once)[0] == 503
        assert redeem(provider, once)[0] == 503
        assert redeem(provider, once)[0] == 429
        assert redeem(provider, once)[0] == 200
        assert provider.token_requests["authorization_code"] == 4

    def test_garbage_under_200(self, provider):
        provider.fail_next(1, "garbage")
        status, headers, body = http_call(provider, "POST", "/token")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b"captive portal" in body

    def test_no_answer(self, provider):
        token = grant(provider)["refresh_token"]
        provider.fail_next(1, "drop")
        with pytest.raises((http.client.HTTPException, OSError)):
            refresh(provider, token)
        assert provider.refreshes == 0
        assert refresh(provider, token)[0] == 200

    def test_an_answer_that_is_lost_has_rotated_all_the_same(self, provider):
        token = grant(provider)["refresh_token"]
        provider.fail_next(1, "lost")
        with pytest.raises((http.client.HTTPException, OSError)):
            refresh(provider, token)
        assert provider.refreshes == 1
        assert refresh(provider, token)[1]["error"] == "invalid_grant"
        assert provider.reuses == 1

    def test_an_endpoint_that_hangs_is_let_go_at_the_end(self):
        failed = []

        def hang():
            try:
                http_call(provider, "POST", "/token")
            except (http.client.HTTPException, OSError) as error:
                failed.append(error)

        with Provider() as provider:
            provider.fail_next(1, "hang")
            client = threading.Thread(target=hang, daemon=True)
            client.start()
            until(lambda: provider.requests["/token"] == 1)
        client.join(HANG)
        assert len(failed) == 1

    def test_latency_holds_the_answer_back_and_not_the_end(self):
        with Provider(latency=0.001) as provider:
            assert redeem(provider, code(provider))[0] == 200
            provider.latency = 3600
            client = threading.Thread(target=self._quiet, args=(provider,), daemon=True)
            client.start()
            until(lambda: provider.requests["/token"] == 2)
        client.join(HANG)
        assert not client.is_alive()

    @staticmethod
    def _quiet(provider):
        with suppress(http.client.HTTPException, OSError):
            http_call(provider, "POST", "/token")


class TestTheApi:
    def test_user_and_items_need_a_token(self, provider):
        for path in ("/userinfo", "/api/me", "/api/items"):
            assert http_call(provider, "GET", path)[0] == 401
        token = {"Authorization": f"Bearer {grant(provider)['access_token']}"}
        body = http_call(provider, "GET", "/userinfo", headers=token)[2]
        assert json.loads(body) == {"sub": "ada", "name": "Ada", "email": "ada@example.com"}

    def test_items_come_in_pages_with_absolute_links(self, provider):
        headers = {"Authorization": f"Bearer {grant(provider)['access_token']}"}
        seen, link = [], f"{provider.issuer}/api/items"
        while link:
            assert link.startswith(provider.issuer)
            url = urlsplit(link)
            path = f"{url.path}?{url.query}"
            page = json.loads(http_call(provider, "GET", path, headers=headers)[2])
            seen += [item["id"] for item in page["items"]]
            link = page["next"]
        assert seen == [1, 2, 3, 4, 5, 6, 7, 8]
        for odd in ("x", "-1", "", "99"):
            assert http_call(provider, "GET", f"/api/items?page={odd}", headers=headers)[0] == 200

    def test_the_echo_shows_no_credential(self, provider):
        headers = {
            "Authorization": "Bearer canary",
            "X-API-Key": "canary",
            "Cookie": "s=canary",
            "X-Plain": "shown",
        }
        for method in ("GET", "POST"):
            body = http_call(provider, method, "/api/echo?api_key=canary", headers=headers)[2]
            assert b"canary" not in body
            answer = json.loads(body)
            assert answer["headers"]["x-plain"] == "shown"
            digest = hashlib.sha256(b"canary").hexdigest()
            assert (
                answer["headers"]["x-api-key"] == answer["query"]["api_key"] == f"sha256:{digest}"
            )

    def test_the_static_key_works_in_either_header(self, provider):
        key = provider.static_key
        for headers, expected in (
            ({"Authorization": f"Bearer {key}"}, 200),
            ({"X-API-Key": key}, 200),
            ({"Authorization": key}, 401),
            ({"X-API-Key": "demo_wrong"}, 401),
            ({}, 401),
        ):
            assert http_call(provider, "GET", "/api/static", headers=headers)[0] == expected

    def test_metadata_is_of_the_issuer_it_was_asked_from(self, provider):
        path = "/.well-known/oauth-authorization-server"
        metadata = json.loads(http_call(provider, "GET", path)[2])
        assert metadata["issuer"] == provider.issuer
        assert all(
            value.startswith(f"{provider.issuer}/")
            for name, value in metadata.items()
            if name.endswith("_endpoint")
        )

    def test_requests_are_counted_by_path_and_unknown_ones_not_found(self, provider):
        assert http_call(provider, "GET", "/")[0] == 200
        assert http_call(provider, "GET", "/nothing?x=1")[0] == 404
        assert http_call(provider, "POST", "/")[0] == 404
        assert provider.requests == {"/": 2, "/nothing": 1}

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", ""])
    def test_a_foreign_host_is_refused(self, provider, host):
        assert http_call(provider, "GET", "/", headers={"Host": host})[0] == 421


class TestRunning:
    def test_two_hundred_clients_at_once(self, provider):
        token = grant(provider)["access_token"]
        barrier = threading.Barrier(200)

        def call(_):
            barrier.wait(HANG)
            return me(provider, token)

        with ThreadPoolExecutor(200) as pool:
            assert list(pool.map(call, range(200))) == [200] * 200
        assert provider.requests["/api/me"] == 200

    def test_one_refresh_of_many_at_once_succeeds_and_the_family_dies(self, provider):
        token = grant(provider)["refresh_token"]
        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(lambda _: refresh(provider, token)[0], range(20)))
        assert sorted(statuses) == [200] + [400] * 19
        assert (provider.refreshes, provider.families_revoked) == (1, 1)

    def test_a_connection_is_kept_and_closed_at_the_end(self):
        with Provider() as provider:
            url = urlsplit(provider.issuer)
            connection = http.client.HTTPConnection(url.netloc, timeout=HANG)
            for _ in range(3):
                connection.request("GET", "/")
                connection.getresponse().read()
                assert connection.sock is not None
        assert connection.sock.recv(1) == b""
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            http_call(provider, "GET", "/")

    def test_leaving_twice_is_harmless(self):
        provider = Provider()
        provider.__exit__(None, None, None)
        with provider:
            pass
        provider.__exit__(None, None, None)


class TestItsRecipes:
    @pytest.mark.parametrize("auth", ["none", "post", "basic"])
    def test_the_oauth_one_fits_its_metadata(self, provider, auth):
        data = yaml.safe_load(provider.recipe_yaml("my_demo", auth=auth))
        assert (data["service"], data["primitive"]) == ("my_demo", "oauth2")
        oauth2 = msgspec.convert(data["oauth2"], OAuth2)
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint",
                     "userinfo_endpoint"):  # fmt: skip
            assert getattr(oauth2, name) == provider.metadata[name]
        assert (oauth2.client.auth, oauth2.client.secret_required) == (auth, auth != "none")
        assert data["inject"]["header"] == {"Authorization": "Bearer {{token.access_token}}"}

    def test_the_one_with_a_key(self, provider):
        data = yaml.safe_load(provider.recipe_yaml("demo", primitive="static_key"))
        assert data["required_secrets"][0]["key"] == "demo_key"
        assert data["inject"]["header"] == {"Authorization": "Bearer {{secret.demo_key}}"}
        assert provider.static_key not in str(data)


def test_follow_ends_on_the_page_the_browser_would_show(provider):
    with Provider() as landing:
        uri = f"{landing.issuer}/"
        provider.register("web", redirect_uris=(uri,))
        url = authorization_url(provider, client_id="web", redirect_uri=uri)
        assert "keeps nothing" in provider.follow(url)
        assert landing.requests == {"/": 1}
        missing = f"{landing.issuer}/missing"
        provider.register("web", redirect_uris=(missing,))
        url = authorization_url(provider, client_id="web", redirect_uri=missing)
        assert "not_found" in provider.follow(url)


def test_the_testing_package_loads_its_parts_when_asked():
    assert testing.Provider is Provider
    with pytest.raises(AttributeError, match="nothing"):
        testing.nothing  # noqa: B018
