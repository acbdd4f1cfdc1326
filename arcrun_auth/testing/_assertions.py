"""Signed assertions (RFC 7523 §3), checked as a strict server does. Joserfc verifies them."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

from arcrun_auth.testing._records import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA")
SYMMETRIC = ("HS256",)

SKEW = 60
"""By how many seconds may a client's clock be ahead?"""


class Assertions:
    """Checks assertions, and remembers each: none works twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()

    def verify(
        self,
        token: str,
        key: str,
        algorithms: tuple[str, ...],
        *,
        audiences: tuple[str, ...],
        now: float,
        seconds: float,
        error: str,
        status: int = 400,
    ) -> dict[str, Any]:
        """The claims; Refusal with `error` at the first thing that is wrong."""
        claims = _read(token, key, algorithms)
        if claims is None:
            raise Refusal(error, "The signature is not good.", status=status)
        fault = _fault(claims, audiences, now, seconds) or self._again(claims["iss"], claims["jti"])
        if fault:
            raise Refusal(error, fault, status=status)
        return claims

    def _again(self, issuer: str, jti: str) -> str:
        with self._lock:
            if (issuer, jti) in self._seen:
                return "This jti has been used already."
            self._seen.add((issuer, jti))
            return ""


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token that nobody checked: to find the key by, and for nothing else."""
    parts = token.split(".")
    try:
        data = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _read(token: str, key: str, algorithms: tuple[str, ...]) -> dict[str, Any] | None:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        checker = OctKey.import_key(key) if algorithms == SYMMETRIC else public_key(key)
        return dict(jwt.decode(token, checker, algorithms=list(algorithms)).claims)
    except (JoseError, ValueError):
        return None


def public_key(pem: str) -> Any:
    """The key of a PEM, whatever its kind."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    for kind in ("EC", "RSA", "OKP"):
        try:
            return import_key(pem, kind)
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError("This is no key that can sign.")


def _fault(claims: Mapping[str, Any], audiences: tuple[str, ...], now: float, most: float) -> str:
    """The first thing that is wrong with the claims (RFC 7523 §3); nothing if empty."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    end: Any = claims.get("exp")
    start = (claims.get("iat", now), claims.get("nbf", now))
    numbers = all(isinstance(moment, int | float) for moment in (end, *start))
    texts = all(isinstance(claims.get(name), str) and claims[name] for name in ("iss", "sub"))
    for wrong, fault in (
        (not texts, "iss and sub are required."),
        (not named or not set(map(str, named)) <= set(audiences),
         f"aud must be one of: {', '.join(audiences)}"),
        (not numbers, "exp is required, and it, iat and nbf are numbers."),
        (numbers and end <= now, "The assertion has expired."),
        (numbers and max(start) > now + SKEW, "The assertion is not valid yet."),
        (numbers and end > now + most + SKEW, f"exp must be within {most:.0f} seconds."),
        (not isinstance(claims.get("jti"), str) or not claims["jti"], "A jti is required."),
    ):  # fmt: skip
        if wrong:
            return fault
    return ""
