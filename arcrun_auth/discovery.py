"""What an issuer tells about itself, and a client that registers itself there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth import apps, rendering
from arcrun_auth._http import send_token
from arcrun_auth.errors import AuthError, LoginFailed, ProviderUnavailable
from arcrun_auth.hosts import Fence
from arcrun_auth.oauth.metadata import read_metadata, well_known
from arcrun_auth.oauth.registration import read_registration, registration_request
from arcrun_auth.oauth.requests import get_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.authority import Authority
    from arcrun_auth.oauth.app import App
    from arcrun_auth.oauth.metadata import Metadata
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential

FOUND = 200


def discover(resolver: Resolver, service: str, way: Method, record: Credential) -> Metadata:
    """The issuer's metadata: RFC 8414 §3, or OpenID Connect Discovery §4, whichever is there.

    Asked for once, at the login, and kept with the grant: a renewal goes where the login went.
    Raises LoginFailed where there is none or it is another issuer's, ProviderUnavailable.
    """
    issuer = rendering.endpoints(way, record.params, service).issuer
    fence = Fence([urlsplit(issuer).netloc], resolver.allow)
    statuses: list[str] = []
    for url in well_known(issuer):
        try:
            answer = send_token(get_request(url), guard=fence)
        except AuthError as error:
            error.service = service
            raise
        if answer.status == FOUND:
            found = read_metadata(issuer, answer.body)
            _check_pkce(found, way, service)
            return found
        statuses.append(str(answer.status))
    if any(status.startswith("5") for status in statuses):
        raise ProviderUnavailable(
            f"{issuer} does not tell about itself now ({', '.join(statuses)}).",
            service=service,
            hint=f"arcrun setup {service}",
        )
    raise LoginFailed(
        f"{issuer} publishes no metadata (RFC 8414): {', '.join(statuses)}.",
        service=service,
        hint="name the endpoints in the recipe, and leave discovery out",
    )


def _check_pkce(found: Metadata, way: Method, service: str) -> None:
    assert way.oauth2 is not None
    if found.pkce is False and way.oauth2.pkce != "no":
        raise LoginFailed(
            "The issuer's metadata name code challenge methods, and S256 is not one of them.",
            service=service,
            hint="write pkce: no into the recipe only if the provider rejects PKCE",
        )


def register(authority: Authority, *, scopes: Sequence[str]) -> App:
    """A client of our own at this server (RFC 7591), kept before it is used."""
    call = registration_request(authority.oauth2, scopes=scopes)
    answer = authority.send(call)
    try:
        app, ends, manage = read_registration(answer.status, answer.body)
    except LoginFailed as error:
        error.service, error.hint = authority.service, f"arcrun app add {authority.service}"
        raise
    apps.keep(
        authority.resolver.store, authority.service, authority.way, app, ends=ends, manage=manage
    )
    authority.app = app
    return app
