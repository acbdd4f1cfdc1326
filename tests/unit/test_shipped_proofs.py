"""The shipped recipes of services whose requests are signed: what really goes on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from oauthlib.oauth1.rfc5849 import signature as oauthlib

from tests import canary
from tests.certificates import pem
from tests.digest_desk import Desk
from tests.internet import Internet
from tests.servers import Reply

NOW = 1_800_000_000.5


@pytest.fixture
def internet(tmp_path, monkeypatch):
    def start(*hosts: str) -> Internet:
        return Internet(tmp_path, monkeypatch, *hosts)

    return start


def token_of(seen, scheme: str = "Bearer") -> str:
    given, _, token = seen.headers["authorization"].partition(" ")
    assert given == scheme
    return token


def header_of(token: str) -> dict:
    part = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_ghost_gets_the_id_as_kid_and_a_signature_by_the_octets_of_the_rest(internet) -> None:
    octets = canary.WORD.encode().ljust(32, b"!")
    key = f"{'0a' * 12}:{octets.hex()}"
    with internet("acme.ghost.io") as net:
        broker = net.broker(clock=lambda: NOW)
        broker.setup("ghost", admin_key=key, params={"ghost_site": "acme.ghost.io"})
        (seen,) = net.seen
    assert (seen.method, seen.target) == ("GET", "/ghost/api/admin/users/?limit=1")
    assert seen.headers["accept-version"] == "v5.0"
    token = token_of(seen, "Ghost")
    assert header_of(token) == {"alg": "HS256", "kid": "0a" * 12, "typ": "JWT"}
    # A token for many requests: no `jti` that a server could take for a replay.
    claims = jwt.decode(token, OctKey.import_key(octets)).claims
    assert claims == {"aud": "/admin/", "iat": int(NOW), "exp": int(NOW) + 300}


def test_a_key_of_ghost_without_its_colon_is_told_and_not_kept(internet) -> None:
    from arcrun_auth.errors import AuthError
    from arcrun_auth.tokens import Key

    with internet("acme.ghost.io") as net:
        broker = net.broker()
        with pytest.raises(AuthError, match="as the service writes it") as caught:
            broker.setup("ghost", admin_key="0a" * 32, params={"ghost_site": "acme"})
        assert net.seen == []
        assert broker.store.get(Key("credential", "ghost")) is None
    assert caught.value.hint == "paste all of it, as the service shows it"


def test_a_key_of_ghost_in_the_environment_is_enough(internet) -> None:
    octets = canary.WORD.encode().ljust(32, b"?")
    with internet("acme.ghost.io") as net:
        broker = net.broker()
        given = {"admin_key": f"{'0b' * 12}:{octets.hex()}"}
        with broker.bind("ghost", secret=given, params={"ghost_site": "acme"}) as client:
            client.get("/posts/")
            client.get("/ghost/api/content/")
        first, second = net.seen
    assert header_of(token_of(first, "Ghost"))["kid"] == "0b" * 12
    assert first.headers["authorization"] == second.headers["authorization"]
    assert second.target == "/ghost/api/content/"


def test_snowflake_gets_the_fingerprint_of_the_public_key(internet) -> None:
    key = rsa.generate_private_key(65537, 2048)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    fingerprint = base64.b64encode(hashlib.sha256(der).digest()).decode()
    with internet("acme-dev.snowflakecomputing.com") as net:
        net.answer = lambda seen: Reply(body=b'{"data": [["ADA"]]}')
        broker = net.broker(clock=lambda: NOW)
        broker.setup(
            "snowflake",
            private_key=pem(key),
            params={"snowflake_account": "acme-dev", "snowflake_user": "ada"},
        )
        (seen,) = net.seen
        assert broker.list_services()["snowflake"].instances["default"].identity == "ADA"
    assert (seen.method, seen.target) == ("POST", "/api/v2/statements")
    assert json.loads(seen.body) == {"statement": "select current_user()"}
    assert seen.headers["x-snowflake-authorization-token-type"] == "KEYPAIR_JWT"
    claims = jwt.decode(token_of(seen), RSAKey.import_key(key)).claims
    assert claims == {
        "iss": f"ACME-DEV.ADA.SHA256:{fingerprint}",
        "sub": "ACME-DEV.ADA",
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }


def test_app_store_connect_gets_a_token_of_less_than_twenty_minutes(internet) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = "57246542-96fe-1a63-e053-0824d011072a"
    with internet("api.appstoreconnect.apple.com") as net:
        now = [NOW]
        broker = net.broker(clock=lambda: now[0])
        broker.setup(
            "app_store_connect",
            key=pem(key),
            params={"issuer_id": issuer, "key_id": "2X9R4HXF34"},
        )
        with broker.bind("app_store_connect") as client:
            client.get("/apps")
            now[0] += 19 * 60
            client.get("/v2/sandboxTesters")
        first, second = net.seen[-2:]
    assert header_of(token_of(first)) == {"alg": "ES256", "kid": "2X9R4HXF34", "typ": "JWT"}
    claims = jwt.decode(token_of(first), ECKey.import_key(key)).claims
    assert claims == {
        "iss": issuer, "aud": "appstoreconnect-v1", "iat": int(NOW), "exp": int(NOW) + 1140,
    }  # fmt: skip
    later = jwt.decode(token_of(second), ECKey.import_key(key)).claims
    assert later["iat"] == int(NOW) + 19 * 60
    assert second.target == "/v2/sandboxTesters"


def test_docker_hub_exchanges_the_token_that_was_pasted(internet) -> None:
    def answer(seen) -> Reply:
        if seen.target == "/v2/auth/token":
            return Reply(body=json.dumps({"access_token": f"{canary.WORD}.a.b"}).encode())
        return Reply(body=b'{"username": "moby"}')

    with internet("hub.docker.com") as net:
        net.answer = answer
        broker = net.broker()
        secret = canary.fresh("dckr")
        broker.setup("docker_hub", user="moby", docker_hub_secret=secret)
        login, seen = net.seen
        assert broker.list_services()["docker_hub"].instances["default"].identity == "moby"
    assert json.loads(login.body) == {"identifier": "moby", "secret": secret}
    assert token_of(seen) == f"{canary.WORD}.a.b"
    assert secret not in seen.raw


def test_tailscale_takes_a_key_or_a_client(internet) -> None:
    token = {"access_token": canary.fresh(), "expires_in": 3600}
    with internet("api.tailscale.com") as net:
        net.answer = lambda seen: Reply(body=json.dumps(token).encode())
        broker = net.broker()
        key = canary.fresh("key")
        broker.setup("tailscale", api_key=key)
        assert token_of(net.seen[-1]) == key
        secret = canary.fresh("client")
        broker.setup("tailscale@ci", method="client", client_id="c1", client_secret=secret)
        login, seen = net.seen[-2:]
    assert login.target == "/api/v2/oauth/token"
    assert parse_qs(login.body.decode()) == {"client_id": ["c1"], "client_secret": [secret]}
    assert token_of(seen) == token["access_token"]


def test_netsuite_is_signed_with_sha_256_and_told_the_account(internet) -> None:
    names = ("consumer_key", "consumer_secret", "token", "token_secret")
    keys = {name: canary.fresh(name) for name in names}
    host = "1234567-sb1.suitetalk.api.netsuite.com"
    with internet(host) as net:
        broker = net.broker()
        broker.setup(
            "netsuite",
            params={"netsuite_account": "1234567-sb1", "netsuite_realm": "1234567_SB1"},
            **{f"netsuite_{name}": value for name, value in keys.items()},
        )
        with broker.bind("netsuite") as client:
            client.post("/services/rest/query/v1/suiteql?limit=5", json={"q": "SELECT 1"})
        seen = net.seen[-1]
    header = seen.headers["authorization"]
    assert header.startswith('OAuth realm="1234567_SB1", ')
    params = oauthlib.collect_parameters(
        uri_query=seen.target.partition("?")[2], headers={"Authorization": header}
    )
    base = oauthlib.signature_base_string(
        "POST",
        oauthlib.base_string_uri(f"https://{host}{seen.target}"),
        oauthlib.normalize_parameters(params),
    )
    secret = f"{keys['consumer_secret']}&{keys['token_secret']}".encode()
    expected = base64.b64encode(hmac.digest(secret, base.encode(), "sha256")).decode()
    signature = re.search('oauth_signature="([^"]+)"', header)[1]
    assert signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=") == expected
    stamp = int(re.search('oauth_timestamp="([0-9]+)"', header)[1])
    assert abs(stamp - time.time()) < 600


def test_mongodb_atlas_is_answered_without_the_private_key(internet) -> None:
    desk = Desk("public-key", canary.fresh("private"), algorithm="MD5")
    with internet("cloud.mongodb.com") as net:
        net.answer = desk
        broker = net.broker()
        given = {"public_key": desk.username, "private_key": desk.password}
        broker.setup("mongodb_atlas", **given)
        with broker.bind("mongodb_atlas") as client:
            assert client.get("/groups").status_code == 200
        assert not canary.hits(net.server.raw)
        assert net.seen[-1].headers["accept"] == "application/vnd.atlas.2023-11-15+json"
    assert desk.counts == [1, 1]
