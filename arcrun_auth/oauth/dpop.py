"""Proof of a key, RFC 9449: who holds it signs method and address of each request. Pure,
but for the random key and `jti`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

ALG = "ES256"
"""RFC 9449 §11.6 wants an asymmetric one: this is the one that every library has."""
TYPE = "dpop+jwt"
HEADER = "dpop"
NONCE_HEADER = "dpop-nonce"
USE_NONCE = "use_dpop_nonce"
"""§8: how does a server say that it wants a nonce of its own in the proof?"""


def new_key() -> Secret:
    """A fresh key, as a PEM: it signs proofs, and is shown to nobody."""
    from joserfc.jwk import ECKey

    return Secret(ECKey.generate_key("P-256").as_pem(private=True).decode())


def proof(key: Secret, method: str, url: str, *, now: float, nonce: str = "") -> Secret:
    """The proof for one request (§4.2). `url` is the whole address, its query left out.

    It is a secret while it holds: who has it can send this one request in our name.
    """
    import secrets

    from joserfc import jwt

    signer = _read(key)
    header = {"alg": ALG, "typ": TYPE, "jwk": signer.as_dict(private=False)}
    claims = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(now),
        **({"nonce": nonce} if nonce else {}),
    }
    return Secret(jwt.encode(header, claims, signer, algorithms=[ALG]))


def _read(key: Secret) -> ECKey:
    from joserfc.jwk import ECKey

    return ECKey.import_key(key.reveal())
