"""The OAuth apps that this server shares: what the admin has written, joined to the recipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth import rendering
from arcrun_auth.errors import AuthError
from arcrun_auth.oauth.app import App
from arcrun_auth.server.providers import secret_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.recipe.model import Method, OAuth2
    from arcrun_auth.server.providers import SharedApp

PROOFS = ("none", "post", "basic", "client_secret_jwt")
"""By which kinds of client authentication can a client secret prove an app?"""


@dataclass(frozen=True)
class Offer:
    """One app, and the authorization server that it is for."""

    service: str
    title: str
    oauth2: OAuth2
    app: App
    scopes: tuple[str, ...]
    """What a login may ask for."""
    without_account: bool

    def beyond(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Which of these scopes the admin has not allowed."""
        aliases = self.oauth2.scope_aliases
        allowed = {*self.scopes, *(aliases[s] for s in self.scopes if s in aliases)}
        return tuple(scope for scope in scopes if scope not in allowed)


def offers(apps: Mapping[str, SharedApp], catalog: Catalog) -> dict[str, Offer]:
    """All of them, by service. AuthError for one that cannot be shared: told at the start."""
    return {service: _offer(service, entry, catalog) for service, entry in apps.items()}


def _offer(service: str, entry: SharedApp, catalog: Catalog) -> Offer:
    recipe = catalog.recipe(service)
    way = _way(service, [w for w in recipe.ways if entry.method in ("", w.id)])
    oauth2 = rendering.endpoints(way, entry.params, service)
    fault = _fault(oauth2, way)
    if fault:
        raise AuthError(f"The app of {service} cannot be shared: {fault}.", service=service)
    app = App(entry.client_id, secret_of(entry, service))
    if app.client_secret is None and oauth2.client.auth != "none":
        raise AuthError(
            f"The app of {service} needs its secret.",
            service=service,
            hint=f"name its file as client_secret_file of apps.{service}",
        )
    return Offer(
        recipe.service, recipe.display_name or recipe.service, oauth2, app, entry.scopes,
        entry.without_account,
    )  # fmt: skip


def _way(service: str, ways: list[Method]) -> Method:
    """The first way in by which a person logs in at a browser."""
    for way in ways:
        if way.oauth2 is not None and "authorization_code" in way.oauth2.grants:
            return way
    raise AuthError(f"{service} has no such login through the browser.", service=service)


def _fault(oauth2: OAuth2, way: Method) -> str:
    """Why nothing but code and refresh token could be exchanged here; or nothing."""
    request = oauth2.token_request
    texts = [*request.params.values(), *request.headers.values(), *oauth2.refresh.params.values()]
    for wrong, why in (
        (not oauth2.authorization_endpoint or not oauth2.token_endpoint,
         "its recipe does not name the endpoints"),
        (oauth2.client.auth not in PROOFS, "its client proves itself by a key or a certificate"),
        (oauth2.swap is not None or oauth2.refresh.mode not in ("yes", "no"),
         "it is renewed otherwise than by a refresh token"),
        (any("{{secret." in text or "{{token." in text for text in texts),
         "its requests carry further secrets"),
        (bool(way.jwt), "it logs in by a signed token"),
    ):  # fmt: skip
        if wrong:
            return why
    return ""
