"""The shipped recipe of Salesforce: a certificate for one user, whose org the answer tells."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key
from tests import canary, servers
from tests.accounts_world import USER, form, key_pem, said, unpadded
from tests.world import Told

HOSTS = ("login.salesforce.com", "acme.my.salesforce.com", "acme--dev.sandbox.my.salesforce.com")
APP = "3MVG9.example_key"


@pytest.fixture
def world(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    ca, context = servers.authority(tmp_path / "given", *HOSTS)
    living: dict[str, str] = {}
    refusals: list[servers.Reply] = []

    def answer(seen: servers.Seen) -> servers.Reply:
        if seen.target == "/services/oauth2/token":
            if refusals:
                return refusals.pop()
            token = canary.fresh("access")
            org = "acme" if seen.headers["host"].startswith("login") else "acme--dev.sandbox"
            living[token] = f"{org}.my.salesforce.com"
            return said({"access_token": token, "instance_url": f"https://{living[token]}"})
        given = seen.headers.get("authorization", "").removeprefix("Bearer ")
        good = living.get(given) == seen.headers["host"]
        return said({"identity": "x"}) if good else servers.Reply(401)

    with (
        servers.recorder(answer, context) as server,
        servers.proxy(lambda host, tls: server.port if host in HOSTS else 9) as proxy,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        server.living, server.refusals = living, refusals
        yield server


@pytest.fixture
def broker(tmp_path, world):
    broker = Broker(home=str(tmp_path / "home"), store=Memory(), person=Told(), environ={})
    yield broker
    broker.close()


def connect(broker: Broker, **params: str) -> None:
    broker.setup(
        "salesforce",
        method="jwt",
        private_key=key_pem(APP),
        params={"consumer_key": APP, "username": USER, **params},
    )


def test_a_certificate_connects_and_the_answer_says_which_org(broker, world) -> None:
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    connect(broker)
    sent = form(world.seen[0])
    assert set(sent) == {"grant_type", "assertion"}
    public = RSAKey.import_key(RSAKey.import_key(key_pem(APP)).as_pem(private=False))
    claims = jwt.decode(sent["assertion"], public, algorithms=["RS256"]).claims
    assert claims["exp"] - claims["iat"] == 180
    assert {n: v for n, v in claims.items() if n not in ("iat", "exp")} == {
        "iss": APP,
        "sub": USER,
        "aud": "https://login.salesforce.com",
    }
    with broker.bind("salesforce") as client:
        assert client.get("/services/data/v60.0/sobjects").status_code == 200
    assert {seen.headers["host"] for seen in world.seen[1:]} == {"acme.my.salesforce.com"}
    assert broker.store.get(Key("credential", "salesforce")).params["instance"] == "acme.my"


def test_a_sandbox_has_another_address_and_another_audience(broker, world) -> None:
    connect(broker, login="acme--dev.sandbox.my", environment="test")
    assertion = form(world.seen[0])["assertion"]
    claims = json.loads(unpadded(assertion.split(".")[1]))
    assert claims["aud"] == "https://test.salesforce.com"
    with broker.bind("salesforce") as client:
        assert client.get("/services/data/v60.0/").status_code == 200
    assert world.seen[-1].headers["host"] == "acme--dev.sandbox.my.salesforce.com"


def test_a_token_that_is_refused_is_asked_for_anew(broker, world) -> None:
    connect(broker)
    world.living.clear()  # the session of the org has timed out: no answer told when
    with broker.bind("salesforce") as client:
        assert client.get("/services/data/v60.0/").status_code == 200
    assert sum(seen.target == "/services/oauth2/token" for seen in world.seen) == 2


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ("user hasn't approved this consumer", "not allowed for this user"),
        ("audience is invalid", "environment=test"),
        ("invalid assertion", "certificate"),
        ("user is inactive", "inactive"),
    ],
)
def test_what_salesforce_refuses_is_explained(broker, world, description, says) -> None:
    world.refusals.append(said({"error": "invalid_grant", "error_description": description}, 400))
    with pytest.raises(errors.TokenRefused) as caught:
        connect(broker)
    assert says in str(caught.value)
    assert broker.store.get(Key("credential", "salesforce")) is None


def test_another_host_in_the_answer_gets_no_token(broker, world) -> None:
    world.refusals.append(said({"access_token": "t", "instance_url": "https://evil.example"}))
    with pytest.raises(errors.AuthError):
        connect(broker)
    assert len(world.seen) == 1
