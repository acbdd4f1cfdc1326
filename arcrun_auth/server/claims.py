"""An identity token (a JWT) of an issuer: believed only after every check that there is. Pure.

OpenID Connect Core §3.1.3.7, RFC 7519 §7.2, RFC 8725. What a token says decides nothing before:
which algorithm is taken and which keys there are, is the server's own word.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joserfc.jwk import Key

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)
"""Which algorithms do we take? Those with a public key: a shared secret would make a signer of
whoever checks, and `none` of everybody (RFC 8725 §2.1)."""
SKEW = 60.0
"""How far may an issuer's clock be off, in seconds?"""
MAX_TOKEN = 16 * 1024
"""How long may a token be, in characters? Those of CI systems have some 2,000."""
MAX_SUBJECT = 255  # OpenID Connect Core §2

_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
"""Which kind of key goes with an algorithm, by its first letters?"""


class BadToken(AuthError):
    """An identity token that is not believed. The text says why, and nothing out of it."""

    def __init__(self, why: str, *, unknown_key: bool = False) -> None:
        super().__init__(f"The identity token is not taken: {why}.")
        self.unknown_key = unknown_key
        """Whether it may be signed by a key that was made since the keys were read."""


def verified(
    token: str,
    keys: Mapping[str, Any],
    *,
    issuer: str,
    audience: str,
    now: float,
    nonce: str | None = None,
) -> dict[str, Any]:
    """The claims of `token`, if `issuer` made it for `audience` and it holds now; else BadToken.

    `keys` are the issuer's, as a JWK Set (RFC 7517 §5). With `nonce` it has to have that very
    one: it was made for this login and for no other.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry, extract_compact

    if len(token) > MAX_TOKEN or not token.isascii():
        raise BadToken("it is too long, or no text")
    try:
        header = extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise BadToken("it is no signed JWT") from None
    key, alg = _key(header, keys)
    registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
    try:
        claims = jwt.decode(token, key, algorithms=[alg], registry=registry).claims
    except (JoseError, ValueError, TypeError):
        raise BadToken("its signature does not fit") from None
    _check(claims, issuer=issuer, audience=audience, now=now, nonce=nonce)
    return dict(claims)


def _key(header: Mapping[str, Any], keys: Mapping[str, Any]) -> tuple[Key, str]:
    """The key that must have signed, and by which algorithm. A key in the header is no key."""
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise BadToken("it is signed in a way that is not taken")
    if "crit" in header:  # RFC 7515 §4.1.11: we understand no extension
        raise BadToken("it wants an extension to be understood")
    kid = header.get("kid")
    fits = [key for key in _usable(keys, alg) if kid is None or key.get("kid") == kid]
    if len(fits) != 1:  # two of one name, or no name and several: nobody guesses here
        raise BadToken("no single key of the issuer fits it", unknown_key=True)
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        # Only what is public of it, and by its kind: a private or shared part has no use here.
        return import_key(dict(fits[0])), alg
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadToken("the issuer's key cannot be read") from None


def _usable(keys: Mapping[str, Any], alg: str) -> list[Mapping[str, Any]]:
    """The keys of a set that may check signatures of this algorithm (RFC 7517 §4.2, §4.4)."""
    found = keys.get("keys")
    each = found if isinstance(found, list) else []
    return [
        key
        for key in each
        if isinstance(key, dict)
        and key.get("kty") == _FAMILIES[alg[:2]]
        and key.get("use", "sig") == "sig"
        and key.get("alg", alg) == alg
    ]


def _check(
    claims: Mapping[str, Any], *, issuer: str, audience: str, now: float, nonce: str | None
) -> None:
    """What it says: whose it is, for whom, until when, for which login."""
    meant = claims.get("aud")
    audiences = meant if isinstance(meant, list) else [meant]
    subject, azp = claims.get("sub"), claims.get("azp", audience)
    for wrong, why in (
        (claims.get("iss") != issuer, "another issuer made it"),
        # §3.1.3.7, 3: one that is for others as well is for nobody we know.
        (audiences != [audience], "it is for somebody else"),
        (azp != audience, "it was given to somebody else"),
        (not _is_text(subject, MAX_SUBJECT), "it names nobody"),
        (nonce is not None and claims.get("nonce") != nonce, "it is of another login"),
    ):
        if wrong:
            raise BadToken(why)
    _check_times(claims, now)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    ends, made = moment(claims.get("exp")), moment(claims.get("iat"))
    starts = moment(claims.get("nbf", 0))
    if ends is None or made is None or starts is None:
        raise BadToken("its times are missing, or are none")
    if ends <= now:
        raise BadToken("it has ended")
    if max(made, starts) > now + SKEW:
        raise BadToken("it does not hold yet")


def moment(value: object) -> float | None:
    """A NumericDate (RFC 7519 §2); None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of any length is JSON
        return None


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest


def subject_fits(pattern: str, subject: str) -> bool:
    """Whether a subject is one that a pattern means: `*` stands for any text without a `:`, all
    else for itself.

    >>> subject_fits("repo:ada/site:ref:refs/heads/*", "repo:ada/site:ref:refs/heads/main")
    True
    >>> subject_fits("repo:ada/site:*", "repo:ada/site:ref:refs/heads/main")
    False
    """
    import re

    parts: Sequence[str] = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch("[^:]*".join(parts), subject) is not None
