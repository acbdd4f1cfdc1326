"""Service accounts at a loopback provider, with the shapes of the shipped recipes.

It verifies assertions with joserfc, exchanges workloads' tokens, lets one account act as
another, and has a small API behind all that.
"""

from __future__ import annotations

import json
import time
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests import canary
from tests.servers import Recorder, Reply, Seen

if TYPE_CHECKING:
    import ssl

ROBOT = "robot@demo.iam.example"
OTHER = "other@demo.iam.example"
USER = "ada@example.com"
FORM = "application/x-www-form-urlencoded"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DRIVE = "https://www.googleapis.com/auth/drive"
IAM = "https://www.googleapis.com/auth/iam"

RECIPE = """
service: demo
display_name: Demo
primitive: service_account
service_account_kind: google_jwt
base_url: {origin}/api
token_exchange: {{endpoint: "{origin}/token", scopes: ["{scope}"]}}
service_account:
  federation: {{endpoint: "{origin}/sts"}}
  impersonation:
    url: "{origin}/accounts/{{{{param.impersonate}}}}:generateAccessToken"
    sign_url: "{origin}/accounts/{{{{param.impersonate}}}}:signJwt"
test: {{path: /about, identity: user.emailAddress}}
"""


@cache
def key_pem(name: str) -> str:
    """A key for each name, made once: they take their time."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_file(**changes: object) -> str:
    """What the provider's console lets one download. A member that is None is left out."""
    data = {
        "type": "service_account",
        "project_id": "demo",
        "private_key_id": "kid-1",
        "private_key": key_pem(ROBOT),
        "client_email": ROBOT,
        "client_id": "123",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
        "note": canary.fresh("file"),  # of no use, but to find the file where it must not be
    }
    return json.dumps({name: v for name, v in {**data, **changes}.items() if v is not None})


class World(Recorder):
    """The provider. `assertions` are the verified JWTs (header, claims), in order; `living` the
    tokens: whose, and for which scopes; `refuse` what the next token request is answered;
    `signs` whose own signature the API takes for a token."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(self._answer, context)
        self.assertions: list[tuple[dict, dict]] = []
        self.living: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.workloads: dict[str, str] = {}
        self.refuse: Reply | None = None
        self.signs: set[str] = set()
        self.job = canary.fresh("job")

    @property
    def recipe(self) -> str:
        return RECIPE.format(origin=self.origin, scope=DRIVE)

    def to(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if urlsplit(seen.target).path == path]

    def token(self, who: str, scopes: tuple[str, ...]) -> str:
        found = canary.fresh("access")
        self.living[found] = who, scopes
        return found

    def _answer(self, seen: Seen) -> Reply:
        path = self.path(seen)
        if path.startswith("/api/"):
            return self._api(seen)
        if self.refuse is not None:
            reply, self.refuse = self.refuse, None
            return reply
        if path.startswith("/accounts/"):
            return self._account(path, seen)
        return {"/token": self._token, "/sts": self._sts, "/oidc": self._oidc}[path](seen)

    def path(self, seen: Seen) -> str:
        """Which part of the provider a request is for."""
        return urlsplit(seen.target).path

    def _api(self, seen: Seen) -> Reply:
        given = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if given.count(".") == 2 and self.signs:
            claims = verified(given, drift=3600)[1]
            assert claims["iss"] == claims["sub"]
            assert claims["iss"] in self.signs
            return said({"user": {"emailAddress": claims["sub"]}})
        who = self.living.get(given)
        return Reply(401) if who is None else said({"user": {"emailAddress": who[0]}})

    def _oidc(self, seen: Seen) -> Reply:
        """What a CI gives a job for its own run, for the audience that it asks for."""
        assert seen.headers["authorization"] == f"Bearer {self.job}"
        audience = dict(parse_qsl(urlsplit(seen.target).query))["audience"]
        token = canary.fresh("oidc")
        self.workloads[token] = f"job for {audience}"
        return said({"count": 1, "value": token})

    def _token(self, seen: Seen) -> Reply:
        sent = form(seen)
        if sent["grant_type"] == "refresh_token":
            assert sent["client_secret"] == "client-secret"
            return said({"access_token": self.token(USER, (DRIVE,)), "expires_in": 3599})
        assert sent["grant_type"] == JWT_BEARER
        header, claims = verified(sent["assertion"])
        self.assertions.append((header, claims))
        who = claims.get("sub", claims["iss"])
        if "target_audience" in claims:
            return said({"id_token": self.token(who, (claims["target_audience"],))})
        token = self.token(who, tuple(claims["scope"].split()))
        return said({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _sts(self, seen: Seen) -> Reply:
        sent = form(seen)
        who = self.workloads.get(sent["subject_token"])
        if sent["grant_type"] != EXCHANGE or who is None:
            return said({"error": "invalid_grant", "error_description": "No such workload."}, 400)
        token = self.token(who, tuple(sent["scope"].split()))
        return said({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _account(self, path: str, seen: Seen) -> Reply:
        target, _, verb = path.removeprefix("/accounts/").rpartition(":")
        who = self.living.get(seen.headers["authorization"].removeprefix("Bearer "))
        if who is None or IAM not in who[1]:
            error = {"code": 403, "message": "May not act as it.", "status": "PERMISSION_DENIED"}
            return said({"error": error}, 403)
        body = json.loads(seen.body)
        if verb == "signJwt":
            key = RSAKey.import_key(key_pem(target))
            signed = jwt.encode({"alg": "RS256", "kid": "theirs"}, json.loads(body["payload"]), key)
            return said({"keyId": "theirs", "signedJwt": signed})
        if verb == "generateIdToken":
            return said({"token": self.token(target, (body["audience"],))})
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        token = self.token(target, tuple(body["scope"]))
        return said({"accessToken": token, "expireTime": ends})


def verified(assertion: str, drift: float = 0) -> tuple[dict, dict]:
    """Header and claims (RFC 7523 §3): by joserfc, with the public half of its issuer's key."""
    issuer = json.loads(unpadded(assertion.split(".")[1]))["iss"]
    public = RSAKey.import_key(RSAKey.import_key(key_pem(issuer)).as_pem(private=False))
    token = jwt.decode(assertion, public, algorithms=["RS256"])
    now = time.time()
    assert now - 60 <= token.claims["iat"] <= now + drift
    assert token.claims["exp"] == token.claims["iat"] + 3600
    return token.header, token.claims


def form(seen: Seen) -> dict[str, str]:
    assert seen.headers["content-type"].startswith(FORM)
    return dict(parse_qsl(seen.body.decode(), strict_parsing=True))


def said(body: object, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())


def unpadded(part: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
