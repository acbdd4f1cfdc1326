"""The shipped recipe of GitHub by an app: a JWT of the app for a token of one installation."""

from __future__ import annotations

import time

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key
from tests import canary, servers
from tests.accounts_world import key_pem, said
from tests.world import Told

HOST = "api.github.com"
APP, INSTALLATION = "Iv23liexample", "12345678"
EXCHANGE = f"/app/installations/{INSTALLATION}/access_tokens"


class GitHub(servers.Recorder):
    """Knows the app's public key. `refuse` is what the next exchange is answered."""

    def __init__(self, context) -> None:
        super().__init__(self._answer, context)
        self.living: set[str] = set()
        self.claims: list[dict] = []
        self.refuse: servers.Reply | None = None

    def _answer(self, seen: servers.Seen) -> servers.Reply:
        given = seen.headers["authorization"].removeprefix("Bearer ")
        if seen.target != EXCHANGE:
            body = {"total_count": 1, "repositories": [{"owner": {"login": "acme"}}]}
            return said(body) if given in self.living else servers.Reply(401)
        if self.refuse is not None:
            return self.refuse
        assert seen.method == "POST"
        public = RSAKey.import_key(RSAKey.import_key(key_pem(APP)).as_pem(private=False))
        self.claims.append(jwt.decode(given, public, algorithms=["RS256"]).claims)
        token = canary.fresh("ghs")
        self.living.add(token)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return said({"token": token, "expires_at": ends, "permissions": {}}, 201)


@pytest.fixture
def github(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    ca, context = servers.authority(tmp_path / "given", HOST)
    found = GitHub(context)
    with servers.proxy(lambda host, tls: found.port if host == HOST else 9) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        yield found
    found.close()


@pytest.fixture
def broker(tmp_path, github):
    broker = Broker(home=str(tmp_path / "home"), store=Memory(), person=Told(), environ={})
    yield broker
    broker.close()


PARAMS = {"app_id": APP, "installation_id": INSTALLATION}


def test_an_app_gets_a_token_of_its_installation(broker, github, tmp_path) -> None:
    path = tmp_path / "given" / "app.pem"
    path.write_text(key_pem(APP))
    before = int(time.time())
    broker.setup("github", method="app", key_file=str(path), params=PARAMS)
    (claims,) = github.claims
    assert set(claims) == {"iss", "iat", "exp"}
    assert claims["iss"] == APP
    assert before - 60 <= claims["iat"] <= int(time.time()) - 60
    assert claims["exp"] - claims["iat"] == 600
    record = broker.store.get(Key("credential", "github"))
    assert record.identity == "acme"
    assert 3500 < record.grant.expires - record.grant.issued <= 3600
    with broker.bind("github", interactive=False) as client:
        assert client.get("/installation/repositories").status_code == 200
    assert len(github.claims) == 1


def test_a_token_that_is_refused_is_exchanged_anew(broker, github) -> None:
    broker.setup("github", method="app", app_key=key_pem(APP), params=PARAMS)
    github.living.clear()
    with broker.bind("github") as client:
        assert client.get("/installation/repositories").status_code == 200
    assert len(github.claims) == 2


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        (401, "A JSON web token could not be decoded", "does not know this key"),
        (401, "'Issued at' claim ('iat') must be an Integer representing the time", "clock"),
        (403, "This installation has been suspended", "suspended"),
    ],
)
def test_what_github_refuses_is_explained(broker, github, status, message, says) -> None:
    github.refuse = said({"message": message, "status": str(status)}, status)
    with pytest.raises(errors.TokenRefused) as caught:
        broker.setup("github", method="app", app_key=key_pem(APP), params=PARAMS)
    assert says in str(caught.value)
    assert broker.store.get(Key("credential", "github")) is None


def test_what_is_no_key_is_refused_before_anything_is_sent(broker, github) -> None:
    with pytest.raises(errors.AuthError, match="neither a PEM nor a JWK"):
        broker.setup("github", method="app", app_key="ghp_no_key", params=PARAMS)
    assert github.seen == []
