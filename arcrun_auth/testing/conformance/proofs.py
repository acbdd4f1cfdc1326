"""Signatures of requests, worked out a second time from what arrived, as a server does it.

Each function gives the fault in words, and nothing where the signature is good.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing.conformance.stage import Arrived

    Secrets = Mapping[str, str]

_FIELD = re.compile(r'(\w+\*?)="?([^",]*)"?')
CHALLENGE = 'Digest realm="conformance", nonce="f84f1cec41e6cbe5aea9c8e88d359", qop="auth", algorithm=SHA-256'  # noqa: E501
"""What a server that answers Digest asks with (RFC 7616 §3.3)."""


def sigv4(arrived: Arrived, secrets: Secrets, *, service: str, region: str) -> str:
    """AWS General Reference, "Signature Version 4 signing process"."""
    given = dict(_FIELD.findall(arrived.headers.get("authorization", "").replace(", ", ",")))
    stamp, signed = arrived.headers.get("x-amz-date", ""), given.get("SignedHeaders", "")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    if given.get("Credential") != f"{secrets['access_key_id']}/{scope}":
        return f"the signature is not by the given key for {region}/{service}"
    token = secrets.get("session_token", "")
    if arrived.headers.get("x-amz-security-token", "") != token:
        return "the session token is another one"
    names = signed.split(";")
    if not {"host", "x-amz-date"} <= set(names):
        return "host and date are not signed"
    query = parse_qsl(urlsplit(arrived.target).query, keep_blank_values=True)
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query)
    path = urlsplit(arrived.target).path
    path = path if service == "s3" else quote(path, safe="/~")
    body = hashlib.sha256(arrived.body).hexdigest()
    request = "\n".join(
        [
            arrived.method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{arrived.headers.get(name, '').strip()}" for name in names),
            "",
            signed,
            arrived.headers.get("x-amz-content-sha256", body),
        ]
    )
    key = b"AWS4" + secrets["secret_access_key"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    good = hmac.digest(key, text.encode(), "sha256").hex()
    return "" if given.get("Signature") == good else "the signature is wrong"


def oauth1(arrived: Arrived, keys: tuple[str, str, str, str], *, method: str, realm: str) -> str:
    """RFC 5849 §3.4. `keys`: of the consumer and of the token, each with its secret."""
    given = {
        name: unquote(value)
        for name, value in re.findall(r'(\w+)="([^"]*)"', arrived.headers.get("authorization", ""))
    }
    if given.pop("realm", "") != realm:
        return "the realm is another one"
    consumer, consumer_secret, token, token_secret = keys
    if (given.get("oauth_consumer_key"), given.get("oauth_token", "")) != (consumer, token):
        return "consumer key or token are others"
    signature = given.pop("oauth_signature", "")
    pairs = [*given.items(), *arrived.query.items()]
    pairs += arrived.fields.items() if arrived.kind.endswith("urlencoded") else ()

    def escaped(text: str) -> str:
        return quote(text, safe="~")

    signed = "&".join(
        f"{n}={v}" for n, v in sorted((escaped(name), escaped(value)) for name, value in pairs)
    )
    base = "&".join(
        map(escaped, (arrived.method, arrived.origin + urlsplit(arrived.target).path, signed))
    )
    key = f"{escaped(consumer_secret)}&{escaped(token_secret)}"
    how = "sha256" if method.endswith("256") else "sha1"
    good = base64.b64encode(hmac.digest(key.encode(), base.encode(), how)).decode()
    return "" if signature == good else "the signature is wrong"


def digest(arrived: Arrived, user: str, password: str) -> str:
    """RFC 7616 §3.4, for `CHALLENGE`."""
    given = dict(_FIELD.findall(arrived.headers.get("authorization", "")))
    asked = dict(_FIELD.findall(CHALLENGE))

    def hashed(*texts: str) -> str:
        return hashlib.sha256(":".join(texts).encode()).hexdigest()

    if given.get("uri") != arrived.target:
        return "the answer is for another address"
    name = given.get("username") or unquote(given.get("username*", "")[len("UTF-8''") :])
    good = hashed(
        hashed(user, asked["realm"], password),
        asked["nonce"], given.get("nc", ""), given.get("cnonce", ""), "auth",
        hashed(arrived.method, arrived.target),
    )  # fmt: skip
    return "" if (name, given.get("response")) == (user, good) else "the answer is wrong"


def jwt(token: str, pem_or_key: str | bytes, alg: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT whose signature is good. ValueError for any other."""
    from joserfc import jwt as jwts
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    key: Any = OctKey.import_key(pem_or_key) if alg == "HS256" else _public(str(pem_or_key))
    try:
        found = jwts.decode(token, key, algorithms=[alg])
    except (JoseError, ValueError):
        raise ValueError("the JWT is not signed by the given key") from None
    return dict(found.header), dict(found.claims)


@cache
def _public(pem: str) -> Any:
    from arcrun_auth.testing._assertions import public_key

    return public_key(pem)
