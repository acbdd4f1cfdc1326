"""What a person names for a setup: another way in, a client file, a key file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import apps, keyfile
from arcrun_auth.errors import AuthError
from arcrun_auth.resolve import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.oauth.app import App
    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Method, Recipe
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Secret


def in_place_of(
    resolver: Resolver,
    service: str,
    instance: str | None,
    method: str | None,
    person: Person | None,
) -> Connection:
    """The connection, by the way in that is named. AuthError where `person` wants to keep the
    other one, by which it is connected."""
    held = resolver.find(service, instance)
    if method is None or held.method.id == held.entry.method(method).id:
        return held
    question = f"{held.name} is connected by {held.method.id}. Replace it by {method}?"
    stands = held.record is not None and bool(held.record.method)
    if stands and person is not None and person.reach and not person.confirm(question):
        raise AuthError(f"{held.name} was left as it is.", service=held.service)
    return Connection(held.entry, held.instance, held.entry.method(method), None)


def with_file(
    recipe: Recipe, method: str | None, secrets: Mapping[str, str | Secret], path: str
) -> tuple[str, Mapping[str, str | Secret]]:
    """The way in that takes the file, and the secrets with what is in it."""
    way, key = keyfile.way_of(recipe, method)
    return way.id, {**secrets, key: keyfile.read(path, recipe.service)}


def app_of(resolver: Resolver, connection: Connection, client_file: str) -> App:
    """The app of a client file. AuthError for what is none, or where the way in takes none;
    MissingSecret where it lacks a part."""
    way = _login_of(resolver, connection)
    app = apps.from_file(client_file, connection.service, way)
    absent = apps.lacking(app, way)
    if absent:
        raise apps.missing(connection.service, way, absent)
    return app


def _login_of(resolver: Resolver, connection: Connection) -> Method:
    """Its way in, which has to be by OAuth. AuthError for a static key."""
    _, way = resolver.way(connection)
    if way.primitive == "oauth2":
        return way
    others = [m.id for m in connection.entry.methods if m.primitive == "oauth2"]
    raise AuthError(
        f"{connection.name} is set up with a key: it takes no client file.",
        service=connection.service,
        hint=f"arcrun setup {connection.name} --method {others[0]}" if others else None,
    )
