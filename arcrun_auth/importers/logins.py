"""A login in a file, of whichever program: the grant, its app, and the service it is good for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arcrun_auth.importers.model import Found, text_of
from arcrun_auth.moments import epoch_of
from arcrun_auth.oauth.app import App
from arcrun_auth.tokens import Grant, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.importers.services import Services


def grant_of(
    access_token: str, refresh_token: str, *, expires: object = None, scopes: Iterable[str] = ()
) -> Grant:
    """The grant that these fields are. A date that is none is taken for long past."""
    end = epoch_of(expires) if isinstance(expires, (str, int, float)) and expires else None
    unknown = 0.0 if refresh_token else None
    listed = tuple(scopes)
    return Grant(
        access_token=Secret(access_token),
        refresh_token=Secret(refresh_token) if refresh_token else None,
        issued=0.0,
        expires=unknown if end is None else end,
        scopes=listed,
        requested=listed,
    )


def app_of(data: Mapping[str, Any]) -> App | None:
    """The app that `client_id` and `client_secret` name; None where there is none."""
    client_id, secret = text_of(data, "client_id"), text_of(data, "client_secret")
    return App(client_id, Secret(secret) if secret else None) if client_id else None


def rotating(services: Services, service: str, program: str) -> tuple[str, ...]:
    """What to know before a login is taken over that only one program can go on with."""
    if not services.rotates(service):
        return ()
    said = "This login may change with each renewal, and then one program alone can go on with it:"
    return (f"{said} {program} may lose it. Stop using it there.",)


def without_app(found: Found, service: str, program: str) -> Found:
    """A login whose app only that program has."""
    return replace(
        found,
        grant=None,
        why_not=f"it belongs to an OAuth app that only {program} has",
        hint=f"arcrun setup {service}",
    )
