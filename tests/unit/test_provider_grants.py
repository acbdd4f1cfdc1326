"""The embedded provider's grants without a redirect, each by its RFC."""

from __future__ import annotations

import json
import uuid
from urllib.parse import urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, import_key

from arcrun_auth.testing import Provider, Quirks
from tests.provider_calls import Clock, code, grant, http_call, me, post, redeem, refresh

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    with Provider(clock=clock) as running:
        yield running


def signed(key, **claims):
    return jwt.encode({"alg": "ES256"}, claims, import_key(key, "EC"))


class TestDevices:
    def start(self, provider, **form):
        status, answer = post(provider, "/device", {"client_id": "demo", "scope": "read"} | form)
        assert status == 200, answer
        return answer

    def poll(self, provider, device, **form):
        form = {"grant_type": DEVICE, "device_code": device["device_code"], "client_id": "demo"}
        return post(provider, "/token", form)[1]

    def test_a_device_gets_tokens_once_its_user_agrees(self, provider, clock):
        device = self.start(provider, scope="read write")
        assert device["verification_uri"] == f"{provider.issuer}/activate"
        assert device["verification_uri_complete"].endswith(f"?user_code={device['user_code']}")
        assert (device["expires_in"], device["interval"]) == (600, 5)
        assert self.poll(provider, device)["error"] == "authorization_pending"
        assert "is connected" in provider.approve(device["user_code"], user="grace")
        clock.now += 5
        answer = self.poll(provider, device)
        assert answer["scope"] == "read write"
        assert me(provider, answer["access_token"]) == 200
        assert provider.authority.holder(f"Bearer {answer['access_token']}").user == "grace"
        assert refresh(provider, answer["refresh_token"])[0] == 200
        assert self.poll(provider, device)["error"] == "invalid_grant"
        assert provider.device_polls == [0, 5]

    def test_follow_agrees_too(self, provider):
        device = self.start(provider)
        assert "is connected" in provider.follow(device["verification_uri_complete"])
        assert "access_token" in self.poll(provider, device)

    def test_a_cancel_is_access_denied(self, provider):
        device = self.start(provider)
        assert "was refused" in provider.approve(device["user_code"], allow=False)
        assert self.poll(provider, device)["error"] == "access_denied"

    def test_to_ask_too_soon_makes_the_interval_longer(self, provider, clock):
        device = self.start(provider)
        errors = []
        for wait in (0, 4.9, 9.9, 14.9, 20):
            clock.now += wait
            errors.append(self.poll(provider, device)["error"])
        slow, wait = "slow_down", "authorization_pending"
        assert errors == [wait, slow, slow, slow, wait]
        assert [round(gap, 1) for gap in provider.device_polls] == [0, 4.9, 9.9, 14.9, 20]

    def test_the_interval_can_be_chosen(self, clock):
        with Provider(clock=clock, device_interval=0) as provider:
            device = self.start(provider)
            assert device["interval"] == 0
            for _ in range(3):
                assert self.poll(provider, device)["error"] == "authorization_pending"

    def test_a_device_code_ends(self, provider, clock):
        device = self.start(provider)
        clock.now += 601
        assert self.poll(provider, device)["error"] == "expired_token"
        assert "No device waits" in provider.approve(device["user_code"])

    def test_a_device_code_is_its_apps(self, provider):
        provider.register("other")
        device = self.start(provider)
        form = {"grant_type": DEVICE, "device_code": device["device_code"], "client_id": "other"}
        assert post(provider, "/token", form)[1]["error"] == "invalid_grant"
        assert post(provider, "/device", {"client_id": "nobody"})[0] == 401

    def test_the_page_asks_for_a_code_and_takes_it_however_it_is_typed(self, provider):
        device = self.start(provider, scope="<b>")
        page = http_call(provider, "GET", "/activate")[2].decode()
        assert "Type the code" in page
        seen = urlsplit(device["verification_uri_complete"])
        page = http_call(provider, "GET", f"{seen.path}?{seen.query}")[2].decode()
        assert device["user_code"] in page
        assert "<b>" not in page
        form = {"user_code": device["user_code"].lower().replace("-", " "), "decision": "allow"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        for status in (200, 400):  # a code works once
            assert http_call(provider, "POST", "/activate", urlencode(form), kind)[0] == status
        assert http_call(provider, "GET", "/activate?user_code=NONE")[0] == 400

    def test_two_devices_wait_side_by_side(self, provider):
        first, second = self.start(provider), self.start(provider)
        provider.approve(second["user_code"])
        assert self.poll(provider, first)["error"] == "authorization_pending"
        assert "access_token" in self.poll(provider, second)

    def test_the_quirks_hold_here_too(self, clock):
        quirks = Quirks(
            param_names={"client_id": "client_key"}, root="data", granted=("read",),
            resource_required=True,
        )  # fmt: skip
        with Provider(quirks=quirks, clock=clock) as provider:
            form = {"client_key": "demo", "scope": "read write"}
            assert post(provider, "/device", form)[1]["error"] == "invalid_target"
            resource = {"resource": f"{provider.issuer}/api"}
            device = post(provider, "/device", form | resource)[1]
            provider.approve(device["user_code"])
            form = {"grant_type": DEVICE, "device_code": device["device_code"]}
            answer = post(provider, "/token", form | resource | {"client_key": "demo"})[1]
            assert answer["data"]["scope"] == "read"
            paths = [path for path, _ in provider.resources]
            assert paths == ["/device", "/device", "/token"]


class TestClientCredentials:
    def ask(self, provider, **form):
        return post(provider, "/token", {"grant_type": "client_credentials", **form})

    def test_a_confidential_client_gets_an_access_token_alone(self, provider):
        secret = provider.client_secret
        status, answer = self.ask(
            provider, client_id="demo-post", client_secret=secret, scope="read"
        )
        assert status == 200
        assert me(provider, answer["access_token"]) == 200
        assert answer["scope"] == "read"
        assert "refresh_token" not in answer
        assert provider.token_requests == {"client_credentials": 1}

    def test_a_public_one_gets_none(self, provider):
        assert self.ask(provider, client_id="demo")[1]["error"] == "unauthorized_client"


class TestJwtBearer:
    def ask(self, provider, assertion, **form):
        return post(provider, "/token", {"grant_type": JWT_BEARER, "assertion": assertion, **form})

    def claims(self, provider, clock, **changes):
        claims = {
            "iss": provider.robot, "sub": "ada", "aud": f"{provider.issuer}/token",
            "iat": clock.now, "exp": clock.now + 3600, "jti": uuid.uuid4().hex,
        } | changes  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def test_an_assertion_becomes_a_token_for_its_subject(self, provider, clock):
        for audience in (f"{provider.issuer}/token", provider.issuer, [provider.issuer]):
            assertion = signed(provider.private_key, **self.claims(provider, clock, aud=audience))
            status, answer = self.ask(provider, assertion, scope="read")
            assert (status, answer["scope"]) == (200, "read")
            assert provider.authority.holder(f"Bearer {answer['access_token']}").user == "ada"
            assert "refresh_token" not in answer
        assert provider.token_requests == {JWT_BEARER: 3}

    def test_a_client_that_is_named_has_to_prove_itself(self, provider, clock):
        def answer(**form):
            assertion = signed(provider.private_key, **self.claims(provider, clock))
            return self.ask(provider, assertion, **form)[0]

        assert answer(client_id="nobody") == 401
        assert answer(client_id="demo") == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "somebody"},
            {"iss": None},
            {"sub": None},
            {"sub": ""},
            {"aud": None},
            {"aud": []},
            {"aud": "https://other.example/token"},
            {"aud": ["https://other.example/token"]},
            {"exp": None},
            {"exp": 1_000_000},
            {"exp": 1_003_661},
            {"exp": "soon"},
            {"iat": 1_000_061},
            {"nbf": 1_000_061},
            {"nbf": "now"},
            {"jti": None},
            {"jti": ""},
        ],
    )
    def test_claims_that_are_not_good(self, provider, clock, changes):
        assertion = signed(provider.private_key, **self.claims(provider, clock, **changes))
        status, answer = self.ask(provider, assertion)
        assert (status, answer["error"]) == (400, "invalid_grant")

    def test_another_key_another_algorithm_and_no_token_at_all(self, provider, clock):
        claims = self.claims(provider, clock)
        good = signed(provider.private_key, **claims)
        other = ECKey.generate_key("P-256").as_pem(private=True)
        head, body, _ = good.split(".")
        for assertion in (signed(other, **claims), f"{head}.{body}.", f"{head}.{body}", "x", "",
                          "a.WzFd.c"):  # fmt: skip
            assert self.ask(provider, assertion)[1]["error"] == "invalid_grant"
        assert self.ask(provider, good)[0] == 200

    def test_an_assertion_works_once(self, provider, clock):
        assertion = signed(provider.private_key, **self.claims(provider, clock))
        assert self.ask(provider, assertion)[0] == 200
        assert "jti" in self.ask(provider, assertion)[1]["error_description"]

    def test_an_rsa_key_can_be_registered_and_what_is_no_key_verifies_nothing(
        self, provider, clock
    ):
        from joserfc.jwk import RSAKey

        key = RSAKey.generate_key(2048)
        provider.authority.keys["rsa"] = key.as_pem(private=False).decode()
        provider.authority.keys["broken"] = "-----BEGIN"
        for issuer, status in (("rsa", 200), ("broken", 400)):
            claims = self.claims(provider, clock, iss=issuer)
            assert self.ask(provider, jwt.encode({"alg": "RS256"}, claims, key))[0] == status


class TestTokenExchange:
    def ask(self, provider, token, **form):
        form = {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS,
        } | form
        return post(provider, "/token", form)

    def test_a_live_token_or_a_registered_one_becomes_another(self, provider):
        live = grant(provider)["access_token"]
        for token, user, form in (
            (live, "ada", {}),
            (provider.subject_token("grace"), "grace", {"requested_token_type": ACCESS}),
            (provider.subject_token(), "ada", {"client_id": "demo"}),
        ):
            status, answer = self.ask(provider, token, scope="read", **form)
            assert status == 200
            assert answer["issued_token_type"] == ACCESS
            assert answer["access_token"] != token
            assert provider.authority.holder(f"Bearer {answer['access_token']}").user == user

    def test_what_is_not_valid_is_refused(self, provider, clock):
        live = grant(provider)["access_token"]
        for token, form in (
            ("forged", {}),
            ("", {}),
            (live, {"subject_token_type": "urn:other"}),
            (live, {"requested_token_type": "urn:other"}),
        ):
            assert self.ask(provider, token, **form)[1]["error"] == "invalid_request"
        clock.now += 3600
        assert self.ask(provider, live)[1]["error"] == "invalid_request"


def test_the_recipes_of_these_grants_say_what_they_need():
    from arcrun_auth.recipe import read

    with Provider() as provider:
        device = read(provider.recipe_yaml(grant="device_code"))
        assert device.oauth2.device_authorization_endpoint == f"{provider.issuer}/device"
        assert device.oauth2.grants == ("device_code", "refresh_token")
        robot = read(provider.recipe_yaml(grant="client_credentials", auth="basic"))
        assert robot.oauth2.grants == ("client_credentials",)
        assert robot.oauth2.refresh.mode == "reissue"
        bearer = read(provider.recipe_yaml("svc", grant="jwt_bearer"))
        assert [secret.key for secret in bearer.required_secrets] == ["svc_private_key"]
        assert (bearer.jwt.key, bearer.jwt.claims["iss"]) == ("svc_private_key", provider.robot)
        exchange = read(provider.recipe_yaml("svc", grant="token_exchange"))
        assert exchange.oauth2.token_request.params == {
            "subject_token": "{{secret.svc_subject_token}}",
            "subject_token_type": ACCESS,
        }


def test_faults_and_counts_hold_for_every_grant(provider):
    provider.fail_next(1, 503)
    form = {"grant_type": "client_credentials", "client_id": "demo"}
    assert post(provider, "/token", form)[0] == 503
    assert redeem(provider, code(provider))[0] == 200
    assert provider.token_requests == {"client_credentials": 1, "authorization_code": 1}
    assert json.loads(http_call(provider, "GET", "/token")[2])["error"] == "invalid_request"
