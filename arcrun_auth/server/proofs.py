"""Is this proof of a key one for this request? RFC 9449 §4.3, rule by rule. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.oauth.dpop import ALG, TYPE
from arcrun_auth.server.claims import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from joserfc.jwk import ECKey

WINDOW = 300.0
"""How far may the clock of a client be off, in seconds, before a nonce of ours has to do? As
long is a proof remembered, so that none is taken twice."""
MAX_PROOF = 4096
_ID = re.compile(r"[!-~]{8,200}")
"""What is a random id? Text that can be remembered, too: JSON has such as no encoding holds."""

_MEMBERS = {"crv", "x", "y", "kty"}
"""What the public half of our kind of key has, and nothing of the private one (RFC 7518 §6.2)."""


class BadProof(ValueError):
    """`nonce` is True where a proof with a nonce of ours would do."""

    def __init__(self, reason: str, *, nonce: bool = False) -> None:
        super().__init__(reason)
        self.nonce = nonce


class Proof:
    """A proof that holds: the thumbprint of its key, and the id by which it is remembered."""

    __slots__ = ("jkt", "jti")

    def __init__(self, jkt: str, jti: str) -> None:
        self.jkt = jkt
        self.jti = jti


def read_proof(
    text: str, method: str, url: str, *, now: float, is_ours: Callable[[str], bool]
) -> Proof:
    """The proof in a header. BadProof with the reason where it is none for this request.

    `is_ours` says of a nonce whether this server gave it, not long ago: then the client's own
    clock does not count. That no proof is used twice is for the caller to see to, by `jti`.
    """
    if len(text) > MAX_PROOF:
        raise BadProof("it is too long")
    key = _key(_header(text))
    claims = _claims(text, key)
    _check(claims, method, url, now=now, is_ours=is_ours)
    return Proof(key.thumbprint(), claims["jti"])


def _header(text: str) -> dict[str, Any]:
    from joserfc.errors import JoseError
    from joserfc.jws import extract_compact

    try:
        return dict(extract_compact(text.encode()).headers())
    except (JoseError, ValueError, TypeError, AttributeError):
        raise BadProof("it is no signed JWT") from None


def _key(header: dict[str, Any]) -> ECKey:
    """The key that it brings along: of our kind, and no more of it than its public half."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey

    jwk = header.get("jwk")
    if header.get("typ") != TYPE or header.get("alg") != ALG or "crit" in header:
        raise BadProof("it has another type or algorithm")
    if not isinstance(jwk, dict) or set(jwk) != _MEMBERS or jwk["crv"] != "P-256":
        raise BadProof("its header has no public key")
    try:
        return ECKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadProof("its key cannot be read") from None


def _claims(text: str, key: ECKey) -> dict[str, Any]:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=[ALG], strict_check_header=False)
    try:
        return dict(jwt.decode(text, key, algorithms=[ALG], registry=registry).claims)
    except (JoseError, ValueError, TypeError):
        raise BadProof("its signature does not fit") from None


def _check(
    claims: dict[str, Any], method: str, url: str, *, now: float, is_ours: Callable[[str], bool]
) -> None:
    jti, iat, nonce = claims.get("jti"), moment(claims.get("iat")), claims.get("nonce")
    if claims.get("htm") != method or claims.get("htu") != url:
        raise BadProof("it is for another request")
    if not isinstance(jti, str) or not _ID.fullmatch(jti):
        raise BadProof("it has no id")
    if nonce is not None:
        if not isinstance(nonce, str) or not is_ours(nonce):
            raise BadProof("its nonce is over", nonce=True)
        return
    if iat is None or abs(iat - now) > WINDOW:
        raise BadProof("its time is not ours", nonce=True)
