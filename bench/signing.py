"""Row 14: the JWT of a service account, the first one from the stored key and the next."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from arcrun_auth import signing_key
from arcrun_auth.jwt import bearer_assertion, check_key
from arcrun_auth.oauth.call import plain
from arcrun_auth.tokens import Secret
from bench import place
from bench.board import Goal, Row
from bench.measure import loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RECIPE = "google_drive_sa"
KEY = "google_service_account"
BATCH = 20
"""How many signatures make one sample of the next ones?"""


def row_14(runs: int) -> Row:
    """Ours as the shipped recipe says it, of a key that was checked when it was stored."""
    row = Row(14, "service-account JWT")
    info = _key_file()
    check_key(alg="RS256", key=Secret(info["private_key"]))  # once, on its way into the vault
    ours, alone = _ours(info), _alone(info)

    def first() -> None:
        signing_key.forget()
        ours()

    from google.auth import crypt, jwt

    def theirs() -> None:
        jwt.encode(crypt.RSASigner.from_service_account_info(info), _claims(info))

    found = rounds({"ours": loop(first), "google-auth": loop(theirs)}, runs)
    row.compare("first JWT from the stored key", found, {"google-auth": Goal(0.03)})
    import jwt as pyjwt

    signer = crypt.RSASigner.from_service_account_info(info)
    native = serialization.load_pem_private_key(info["private_key"].encode(), None)
    headers = {"kid": info["private_key_id"]}
    subjects: dict[str, Callable[[], object]] = {
        "ours": ours,
        "cryptography alone": alone,
        "google-auth": lambda: jwt.encode(signer, _claims(info)),
        "PyJWT": lambda: pyjwt.encode(_claims(info), native, "RS256", headers),
    }
    found = rounds({name: loop(work, BATCH) for name, work in subjects.items()}, runs)
    row.compare(
        "the next", found, {"cryptography alone": Goal(1.05)},
        why="the signature takes what it takes; beside it three templates of the recipe are filled "
        "in, and the header is looked up",
    )  # fmt: skip
    return row


def _key_file() -> dict[str, str]:
    """What a provider's console lets one download."""
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "private_key": pem.decode(),
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "client_email": "robot@demo-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def _claims(info: Mapping[str, str]) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": info["client_email"],
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/drive",
        "iat": now,
        "exp": now + 3600,
    }


def _ours(info: Mapping[str, str]) -> Callable[[], str]:
    with place.home() as home:
        way = home.broker().recipes.recipe(RECIPE).way()
    assert way.jwt is not None
    assert way.oauth2 is not None
    known = {
        "secret": {f"{KEY}.{name}": value for name, value in info.items()},
        "param": way.values({}),
    }
    return partial(
        _signed, way.jwt, Secret(info["private_key"]), way.oauth2.token_endpoint,
        way.oauth2.scopes, lambda text: plain(text, known),
    )  # fmt: skip


def _signed(jwt, key, audience, scopes, render) -> str:
    return bearer_assertion(
        jwt, key=key, audience=audience, now=time.time(), render=render, scopes=scopes,
        checked=True,
    )  # fmt: skip


def _alone(info: Mapping[str, str]) -> Callable[[], bytes]:
    """The least that a JWT needs: two JSON texts, three times base64, one signature."""
    key = serialization.load_pem_private_key(info["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    header = {"typ": "JWT", "alg": "RS256", "kid": info["private_key_id"]}

    def encoded(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    def sign() -> bytes:
        parts = (encoded(json.dumps(part).encode()) for part in (header, _claims(info)))
        content = b".".join(parts)
        signature = key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        return content + b"." + encoded(signature)

    return sign
