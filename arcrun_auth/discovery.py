"""What an issuer tells about itself, and a client that registers itself there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth import apps, rendering
from arcrun_auth._http import send_token
from arcrun_auth.errors import AuthError, LoginFailed, ProviderUnavailable
from arcrun_auth.hosts import Fence
from arcrun_auth.oauth.metadata import ENDPOINTS, read_metadata, well_known
from arcrun_auth.oauth.registration import read_registration, registration_request
from arcrun_auth.oauth.requests import get_request
from arcrun_auth.scopes import known
from arcrun_auth.server_words import check_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.authority import Authority
    from arcrun_auth.oauth.metadata import Metadata
    from arcrun_auth.recipe.model import Method, OAuth2
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Credential


def discover(
    resolver: Resolver, connection: Connection, way: Method, record: Credential
) -> Metadata:
    """The issuer's metadata: RFC 8414 §3, or OpenID Connect Discovery §4, whichever is there.

    Asked for once, at the login, and kept with the grant: a renewal goes where the login went.
    Raises LoginFailed where there is none or it is another issuer's, ProviderUnavailable.
    """
    oauth2 = rendering.endpoints(way, record.params, connection.name)
    named = [name for name in ENDPOINTS if getattr(oauth2, name)]
    fence = Fence([urlsplit(oauth2.issuer).netloc], resolver.allow)
    by_certificate = oauth2.client.auth == "tls_client_auth"
    failed: ProviderUnavailable | None = None
    try:
        for url in well_known(oauth2.issuer):
            answer = send_token(get_request(url), guard=fence)
            try:
                found = read_metadata(
                    oauth2.issuer, answer.status, answer.body,
                    named=named, by_certificate=by_certificate,
                )  # fmt: skip
            except ProviderUnavailable as error:  # perhaps the next place knows more
                failed = error
                continue
            if found is not None:
                _check_pkce(found, way)
                _check_complete(found, oauth2)
                return found
        raise failed or LoginFailed(
            f"{oauth2.issuer} publishes no metadata (RFC 8414).",
            hint="name the endpoints in the recipe, and leave discovery out",
        )
    except AuthError as error:
        error.service = connection.name
        error.hint = error.hint or connection.setup
        raise


def _check_pkce(found: Metadata, way: Method) -> None:
    assert way.oauth2 is not None
    if found.pkce is False and way.oauth2.pkce != "no":
        raise LoginFailed(
            "The issuer's metadata name code challenge methods, and S256 is not one of them.",
            hint="write pkce: no into the recipe only if the provider rejects PKCE",
        )


def _check_complete(found: Metadata, oauth2: OAuth2) -> None:
    needed = {
        "token_endpoint": True,
        "authorization_endpoint": "authorization_code" in oauth2.grants,
        "registration_endpoint": oauth2.client.registration == "dcr",
    }
    for name, is_needed in needed.items():
        if is_needed and not getattr(oauth2, name) and name not in found.endpoints:
            raise LoginFailed(
                f"The issuer's metadata name no {name}.",
                hint=f"name it in the recipe: `oauth2.{name}`",
            )


def register(authority: Authority, *, scopes: Sequence[str]) -> None:
    """A client of our own at this server (RFC 7591), kept before it is used.

    It names every scope of the recipe beside `scopes`: a later login may want more, and a
    server may let it ask for nothing that it did not name then (RFC 7591 §2).
    """
    named = dict.fromkeys((*scopes, *known(authority.oauth2)))
    call = registration_request(authority.oauth2, scopes=named)
    answer = authority.send(call)
    check_now(
        f"The provider of {authority.name} cannot register a client now",
        answer.status, answer.headers, now=authority.resolver.clock(), service=authority.name,
    )  # fmt: skip
    try:
        app, ends, manage = read_registration(answer.status, answer.body)
    except LoginFailed as error:
        error.service = authority.name
        error.hint = f"arcrun setup {authority.name} --client-file FILE, with an app made there"
        raise
    kept = apps.keep(
        authority.resolver.store, authority.service, authority.way, app,
        ends=ends, manage=manage, server=call.url,
    )  # fmt: skip
    authority.resolver.audit.note("app add", kept)
    authority.app = app
