"""What an authorization server says of itself: RFC 8414, and OpenID Connect Discovery. Pure.

Metadata name where a code and a refresh token are sent. So they are believed only from the
issuer itself, and only for places on its own origin: what lies elsewhere, a recipe has to
name, whose hosts are consented to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.answers import json_object
from arcrun_auth.errors import LoginFailed, ProviderUnavailable, may_pass, printable
from arcrun_auth.hosts import DEFAULT_PORTS, address_fault

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ENDPOINTS = (
    "authorization_endpoint", "token_endpoint", "device_authorization_endpoint",
    "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    "registration_endpoint",
)  # fmt: skip
"""Which places do we ask for? They have the same names in a recipe."""
ALIASED = frozenset({
    "token_endpoint", "device_authorization_endpoint", "revocation_endpoint",
    "introspection_endpoint",
})  # fmt: skip
"""At which of them does the client prove itself, so that they may have an alias for clients
with a certificate (RFC 8705 §5)?"""
OK = 200

# What RFC 3986 lets stand in a URL, more or less: no blank, control, quote or backslash,
# which some parsers drop and others take for something else; and no brace: a template has it.
_URL = re.compile(
    r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!#-;=?-\[\]_a-z~]*)?"
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of an authorization server's metadata that a login needs."""

    endpoints: Mapping[str, str]
    """The places it named, by the names of RFC 8414 §2."""
    pkce: bool | None
    """Whether it takes S256 (RFC 7636); None where it does not say."""
    iss_in_callback: bool
    """Whether each of its callbacks has an `iss` (RFC 9207 §3)."""


def well_known(issuer: str) -> tuple[str, ...]:
    """Where the metadata of `issuer` may lie, in the order to ask. LoginFailed if it is none.

    >>> well_known("https://id.example.com/a")[0]
    'https://id.example.com/.well-known/oauth-authorization-server/a'
    """
    if origin(issuer) is None or "?" in issuer or "#" in issuer:
        raise LoginFailed(
            f"{printable(issuer, 100)!r} is no issuer: an https URL without a query (RFC 8414 §2)."
        )
    url = urlsplit(issuer)
    base, path = f"{url.scheme}://{url.netloc}/.well-known", url.path.rstrip("/")
    found = (
        f"{base}/oauth-authorization-server{path}",  # RFC 8414 §3.1
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",  # OIDC Discovery §4
        f"{base}/openid-configuration{path}",  # RFC 8414 §5
    )
    return tuple(dict.fromkeys(found))


def read_metadata(
    issuer: str,
    status: int,
    body: bytes,
    *,
    named: Collection[str] = (),
    by_certificate: bool = False,
) -> Metadata | None:
    """The metadata in an answer of `issuer`; None where there are none: ask the next place.

    `named` are the endpoints that the recipe names itself: what is said of them is not read.
    `by_certificate`: the client proves itself in TLS, and goes to the endpoints for that.
    Raises LoginFailed where the answer must not be used, and ProviderUnavailable.
    """
    if may_pass(status):
        raise ProviderUnavailable(
            f"{printable(issuer, 100)} could not tell its metadata now (HTTP {status}).",
            status=status,
        )
    data = json_object(body) if status == OK else None
    if data is None:
        return None
    # RFC 8414 §3.3: by plain string comparison, or not to be used.
    if data.get("issuer") != issuer:
        raise LoginFailed(
            f"The metadata of {printable(issuer, 100)} are those of another issuer: "
            f"{printable(str(data.get('issuer')), 100)}.",
            error="issuer_mismatch",
            hint="the recipe's `oauth2.issuer` is written exactly as the server writes it",
        )
    told = {name: data.get(name) for name in ENDPOINTS}
    if by_certificate:
        told |= _aliases(data.get("mtls_endpoint_aliases"))
    wanted = {n: url for n, url in told.items() if n not in named and url is not None}
    return Metadata(
        endpoints={name: _endpoint(issuer, name, url) for name, url in wanted.items()},
        pkce=_takes_s256(data.get("code_challenge_methods_supported")),
        iss_in_callback=data.get("authorization_response_iss_parameter_supported") is True,
    )


def _aliases(told: object) -> dict[str, object]:
    """RFC 8705 §5: they go before the endpoints of the same names."""
    aliases = told if isinstance(told, dict) else {}
    return {name: aliases[name] for name in ALIASED if aliases.get(name) is not None}


def _takes_s256(methods: object) -> bool | None:
    return None if methods is None else isinstance(methods, list) and "S256" in methods


def _endpoint(issuer: str, name: str, url: object) -> str:
    """`url`, if it is on the issuer's origin; LoginFailed that tells how else it can be used."""
    place = origin(url) if isinstance(url, str) else None
    if isinstance(url, str) and place is not None and place == origin(issuer):
        return url
    what = "is no URL that can be used" if place is None else "lies on another origin"
    raise LoginFailed(
        f"The {name} that {printable(issuer, 100)} names {what}: {printable(str(url), 200)}. "
        "Nothing was sent to it.",
        error="foreign_endpoint",
        hint=f"if it is right, name it in the recipe: `oauth2.{name}`",
    )


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an https URL, or of an http one of this machine."""
    match = _URL.fullmatch(url)
    if match is None or "#" in url:
        return None
    scheme, host, port, _ = match.groups()
    host = host.lower()
    if scheme == "http" and host != "localhost" and address_fault(host.strip("[]")) != "loopback":
        return None
    return scheme, host, int(port[1:]) if port else DEFAULT_PORTS[scheme]
