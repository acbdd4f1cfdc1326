"""What an authorization server says of itself: RFC 8414, OpenID Connect Discovery. Pure."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from arcrun_auth.errors import LoginFailed, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ENDPOINTS = (
    "authorization_endpoint", "token_endpoint", "device_authorization_endpoint",
    "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    "registration_endpoint",
)  # fmt: skip

_PORTS = {"https": 443, "http": 80}


class Metadata:
    """The endpoints by their names, and what else decides about a login."""

    __slots__ = ("endpoints", "iss_in_callback", "pkce")

    def __init__(
        self, endpoints: Mapping[str, str], *, pkce: bool | None, iss_in_callback: bool
    ) -> None:
        self.endpoints = endpoints
        self.pkce = pkce
        """Whether S256 is among the code challenge methods; None where none are named."""
        self.iss_in_callback = iss_in_callback
        """Whether redirects carry `iss` (RFC 9207 §3)."""


def well_known(issuer: str) -> tuple[str, ...]:
    """Where the metadata of `issuer` may lie, in the order in which to ask.

    >>> well_known("https://id.example/tenant")[0]
    'https://id.example/.well-known/oauth-authorization-server/tenant'
    """
    url = urlsplit(issuer)
    origin, path = f"{url.scheme}://{url.netloc}", url.path.rstrip("/")
    found = [
        f"{origin}/.well-known/oauth-authorization-server{path}",  # RFC 8414 §3.1
        f"{origin}{path}/.well-known/openid-configuration",  # OpenID Connect Discovery §4
    ]
    if path:
        found.append(f"{origin}/.well-known/openid-configuration{path}")  # RFC 8414 §5
    return tuple(found)


def read_metadata(issuer: str, body: bytes) -> Metadata:
    """The metadata in a document. LoginFailed where it is none, or not that of `issuer`.

    Every endpoint has to be on the issuer's own origin: a document that sends the code or
    the refresh token elsewhere is refused, and a recipe may name such an endpoint itself.
    """
    data = _object(body)
    said = data.get("issuer")
    if said != issuer:  # RFC 8414 §3.3: by plain string comparison
        shown = printable(said, 200) if isinstance(said, str) else "nobody"
        raise LoginFailed(
            f"The metadata of {issuer} say that they are those of {shown}. Nothing was sent.",
            error="issuer_mismatch",
            hint="check the issuer in the recipe: it must be the same to the letter",
        )
    endpoints = {name: url for name in ENDPOINTS if isinstance(url := data.get(name), str) and url}
    for name, url in endpoints.items():
        if _origin(url) != _origin(issuer):
            raise LoginFailed(
                f"The metadata of {issuer} name a {name} on another origin: "
                f"{printable(url, 200)}. Nothing was sent.",
                error="foreign_endpoint",
                hint=f"if that is right, write {name} into the recipe",
            )
    methods = data.get("code_challenge_methods_supported")
    return Metadata(
        endpoints,
        pkce="S256" in methods if isinstance(methods, list) else None,
        iss_in_callback=data.get("authorization_response_iss_parameter_supported") is True,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, dict) else {}


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port
