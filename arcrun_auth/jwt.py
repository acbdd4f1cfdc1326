"""Signed JSON Web Tokens (RFC 7519): by which a client proves itself, or asks for a token.

Pure, but for the random `jti`. The algorithm is always the caller's, and what key fits it
is said in `signing_key.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from arcrun_auth.errors import AuthError
from arcrun_auth.signing_key import own_id, read_key
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

    from arcrun_auth.recipe.model import Jwt

LIFETIME: Final = 120
"""For how many seconds does the assertion of a client hold, if nobody says?"""
LIFETIMES: Final = range(60, 301)
"""Which lifetimes may it have? Less fails on a clock that is late, more is worth stealing."""
JTI_BYTES: Final = 16
_NUMERIC_DATES: Final = frozenset({"nbf"})
"""Which claims of a recipe are numbers (RFC 7519 §4.1)? `iat` and `exp` are never a recipe's."""


def signed(
    *,
    alg: str,
    key: Secret,
    key_encoding: str = "pem",
    header: Mapping[str, str],
    claims: Mapping[str, object],
    checked: bool = False,
) -> str:
    """A JWT as a compact JWS (RFC 7515 §3.1), its `typ` and `alg` added to the header.

    `key` is a PEM or a JWK; with `key_encoding` hex, base64 or utf8 its octets. `checked`
    says that `check_key` took this very key once: an RSA key is then not checked again,
    which takes far longer than to sign. AuthError where the key is not fit for `alg`.
    """
    from joserfc.jws import JWSRegistry
    from joserfc.util import urlsafe_b64encode
    from msgspec.json import encode

    signer = read_key(alg, key, key_encoding, checked=checked)
    payload = urlsafe_b64encode(encode(claims))
    content = (
        _header_part(alg, tuple({"typ": "JWT", **header, "alg": alg}.items())) + b"." + payload
    )
    signature = JWSRegistry.algorithms[alg].sign(content, signer)
    return (content + b"." + urlsafe_b64encode(signature)).decode()


@lru_cache(maxsize=64)
def _header_part(alg: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    """The header, checked and encoded. A provider's own fields may be in it. The algorithm is
    what the provider calls it: EdDSA, not Ed25519 (RFC 9864).
    """
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry
    from joserfc.util import json_b64encode

    try:
        JWSRegistry(algorithms=[alg], strict_check_header=False).check_header(dict(fields))
    except JoseError:
        raise AuthError("A JWT cannot have this header (RFC 7515 §4.1).") from None
    return json_b64encode(dict(fields))


def check_key(*, alg: str, key: Secret, key_encoding: str = "pem") -> None:
    """AuthError unless `key` can sign with `alg`; it says what is wrong, and what to do."""
    read_key(alg, key, key_encoding)


def client_assertion(
    *,
    client_id: str,
    audience: str,
    alg: str,
    key: Secret,
    key_id: str = "",
    key_encoding: str = "pem",
    now: float,
    lifetime: int = LIFETIME,
    checked: bool = False,
) -> str:
    """The JWT by which a client authenticates (RFC 7523 §2.2, §3).

    There is no `nbf`: with it a clock that is a second ahead would not get in.
    """
    if lifetime not in LIFETIMES:
        raise ValueError(f"lifetime is {LIFETIMES[0]} to {LIFETIMES[-1]} seconds, not {lifetime}")
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "jti": _new_id(),
    }
    header = {"kid": key_id} if key_id else own_id(key)
    return signed(
        alg=alg, key=key, key_encoding=key_encoding, header=header, claims=claims, checked=checked
    )


def bearer_assertion(
    jwt: Jwt,
    *,
    key: Secret,
    audience: str,
    now: float,
    render: Callable[[str], str],
    scopes: Sequence[str] = (),
    checked: bool = False,
) -> str:
    """The JWT that is itself the grant (RFC 7523 §2.1), as the recipe's `jwt` says."""
    return by_recipe(
        jwt,
        key=key,
        usual=_of_a_grant(jwt, audience),
        now=now,
        render=render,
        scopes=scopes,
        checked=checked,
    )


def by_recipe(
    jwt: Jwt,
    *,
    key: Secret,
    usual: Mapping[str, str],
    now: float,
    render: Callable[[str], str],
    scopes: Sequence[str] = (),
    checked: bool = False,
) -> str:
    """A JWT as the recipe's `jwt` says. `key` is the whole secret; `usual` are the claims
    that it has if the recipe says nothing of them. A header field that renders empty is left
    out.
    """
    header = {name: render(text) for name, text in jwt.header.items()}
    return signed(
        alg=jwt.alg,
        key=key_in(jwt, key),
        key_encoding=jwt.key_encoding,
        header=own_id(key) | {name: text for name, text in header.items() if text},
        claims=_claims(jwt, usual=usual, now=now, render=render, scopes=scopes),
        checked=checked,
    )


def bearer_claims(
    jwt: Jwt,
    *,
    audience: str,
    now: float,
    render: Callable[[str], str],
    scopes: Sequence[str] = (),
) -> dict[str, object]:
    """The claims of a JWT that is itself the grant."""
    usual = _of_a_grant(jwt, audience)
    return _claims(jwt, usual=usual, now=now, render=render, scopes=scopes)


def _of_a_grant(jwt: Jwt, audience: str) -> dict[str, str]:
    """What such a JWT says if the recipe does not; it is for one use, so it has a `jti`."""
    return {"aud": audience} if "jti" in jwt.claims else {"aud": audience, "jti": _new_id()}


def _claims(
    jwt: Jwt,
    *,
    usual: Mapping[str, str],
    now: float,
    render: Callable[[str], str],
    scopes: Sequence[str],
) -> dict[str, object]:
    """What the recipe says wins, but for the times.

    A claim that renders empty is left out, and so is the subject: nobody is acted for then.
    """
    claims: dict[str, object] = {**usual, "sub": render(jwt.subject)}
    if jwt.scope_claim:
        claims[jwt.scope_claim] = " ".join(scopes)  # RFC 6749 §3.3
    claims |= {name: _claim(name, render(text)) for name, text in jwt.claims.items()}
    claims = {name: value for name, value in claims.items() if value != ""}
    return claims | {"iat": int(now) - jwt.backdate_s, "exp": int(now) + jwt.ttl_s}


def key_in(jwt: Jwt, secret: Secret) -> Secret:
    """The key that signs, in what the user pasted. AuthError where it is not in there."""
    if not jwt.take:
        return secret
    found = re.search(jwt.take, secret.reveal())
    if found is None:
        raise AuthError(
            "The key cannot sign. It is not written as the service writes it.",
            hint="paste all of it, as the service shows it",
        )
    return Secret(found[1])


def _claim(name: str, text: str) -> str | int:
    return int(text) if name in _NUMERIC_DATES and text.isascii() and text.isdigit() else text


def _new_id() -> str:
    """A fresh `jti`: a provider may refuse one that it has seen (RFC 7523 §3)."""
    import secrets

    return secrets.token_urlsafe(JTI_BYTES)
