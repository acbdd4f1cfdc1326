"""OAuth 1.0 signatures (RFC 5849): what the `Authorization` header of one request says. Pure.

Base strings are made of Authlib's parts. The HMAC is ours, since Authlib has no SHA-256,
and so is the reading of query and form: its own takes a parameter that is merely called
`realm` out of the signature, and decodes one whose name begins with `oauth_` twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from typing import Final

FORM: Final = "application/x-www-form-urlencoded"
"""The content type whose body takes part in the signature (RFC 5849 §3.4.1.3.1)."""
HASHES: Final = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
"""Which signature methods are there, and what is each one's hash?"""
NONCE_BYTES: Final = 16

_NOT_SIGNED: Final = b"oauth_signature"


class Keys(NamedTuple):
    """By what a client and its user are known (RFC 5849 §1.1).

    The token is empty where the client speaks for itself alone ("two-legged").
    """

    consumer_key: Secret
    consumer_secret: Secret
    token: Secret = Secret("")
    token_secret: Secret = Secret("")


def authorization(
    *,
    method: str,
    url: str,
    keys: Keys,
    form: bytes = b"",
    signature_method: str = "HMAC-SHA1",
    realm: str = "",
    nonce: str,
    timestamp: int,
) -> str:
    """The value of the `Authorization` header (RFC 5849 §3.5.1) for this very request.

    `url` is the whole one, as it is sent; `form` the body, if its type is `FORM`, and
    empty for every other; `timestamp` counts seconds since the epoch. ValueError for a
    signature method that is none of `HASHES`, and for a realm that is no header's.

    >>> authorization(
    ...     method="GET", url="https://api.example.com/1", nonce="n", timestamp=137131200,
    ...     keys=Keys(Secret("key"), Secret("secret")),
    ... )[:66]
    'OAuth oauth_consumer_key="key", oauth_signature_method="HMAC-SHA1"'
    """
    if signature_method not in HASHES:
        raise ValueError(f"signature_method is {' or '.join(HASHES)}, not {signature_method!r}")
    protocol = {
        "oauth_consumer_key": keys.consumer_key.reveal(),
        "oauth_signature_method": signature_method,
        "oauth_timestamp": str(timestamp),
        "oauth_nonce": nonce,
        "oauth_version": "1.0",
    }
    if keys.token:
        protocol["oauth_token"] = keys.token.reveal()
    base = base_string(method, url, form, protocol)
    protocol["oauth_signature"] = signature(base, keys, signature_method)
    pairs = [f'{name}="{_escaped(value)}"' for name, value in protocol.items()]
    return "OAuth " + ", ".join([*_realm(realm), *pairs])


def base_string(method: str, url: str, form: bytes, protocol: dict[str, str]) -> str:
    """What is signed (RFC 5849 §3.4.1.1). `protocol` are the header's parameters, decoded."""
    from authlib.oauth1.rfc5849.signature import (  # type: ignore[import-untyped]
        normalize_base_string_uri,
        normalize_parameters,
    )

    _, _, query = url.partition("#")[0].partition("?")
    pairs = [*_decoded(query.encode()), *_decoded(form)]
    pairs += [(name.encode(), value.encode()) for name, value in protocol.items()]
    signed = normalize_parameters(pair for pair in pairs if pair[0] != _NOT_SIGNED)
    return "&".join(map(_escaped, (method.upper(), normalize_base_string_uri(url), signed)))


def signature(base: str, keys: Keys, signature_method: str) -> str:
    """The HMAC of a base string under both secrets (RFC 5849 §3.4.2), in base64."""
    import base64
    import hmac

    key = "&".join(_escaped(each.reveal()) for each in (keys.consumer_secret, keys.token_secret))
    digest = hmac.digest(key.encode(), base.encode(), HASHES[signature_method])
    return base64.b64encode(digest).decode()


def fresh_nonce() -> str:
    """A nonce that no other request of this second has (RFC 5849 §3.3)."""
    import secrets

    return secrets.token_hex(NONCE_BYTES)


def _escaped(text: str) -> str:
    """RFC 5849 §3.6: all but the unreserved characters."""
    from authlib.oauth1.rfc5849.util import escape  # type: ignore[import-untyped]

    return str(escape(text))


def _decoded(form: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a query or form, as bytes: what is encoded need not be UTF-8."""
    from urllib.parse import parse_qsl

    pairs = parse_qsl(form.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _realm(realm: str) -> list[str]:
    """The realm is a quoted string (RFC 9110 §11.5), and no part of the signature."""
    if not realm:
        return []
    if not (realm.isascii() and realm.isprintable()):
        raise ValueError("a realm is printable ASCII")
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return [f'realm="{quoted}"']
