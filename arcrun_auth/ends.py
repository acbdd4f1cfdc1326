"""When a key, or the secret of an OAuth app, ends by itself: learned, kept, warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import apps, lifetimes
from arcrun_auth.errors import AuthError, StoreConflict
from arcrun_auth.moments import epoch_of

if TYPE_CHECKING:
    from datetime import datetime

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Key


def said(expires: str | float | datetime | None, now: float) -> float | None:
    """The end that a person names. AuthError for what is no date, or one that has passed."""
    if expires is None:
        return None
    end = epoch_of(expires)
    if end is None or end <= now:
        raise AuthError(
            "When a key ends is a date that is still to come.", hint="write it as YYYY-MM-DD"
        )
    return end


def is_stored(resolver: Resolver, connection: Connection) -> bool:
    """Whether what signs is a stored key: not a login, and nothing that the environment gave."""
    record = connection.record
    held = getattr(resolver.store, "primary", resolver.store).get(connection.key)
    if record is None or held is None or record.grant is not None:
        return False
    return bool(held.secrets == record.secrets)


def keep(resolver: Resolver, connection: Connection, end: float) -> None:
    """Notes when the key ends, or for a login the secret of its app."""
    _, way = resolver.way(connection)
    login = way.oauth2 is not None
    key = _app_key(resolver, connection, way) if login else connection.key
    while True:
        record = resolver.store.get(key)
        if record is None or not record.generation or record.ends == end:
            return  # what the environment gives is looked after by whoever set it
        try:
            fresh = resolver.store.put(record.replace(ends=end), expect=record.generation)
        except StoreConflict:
            continue
        if not login:
            connection.record = fresh
        return


def _app_key(resolver: Resolver, connection: Connection, way: Method) -> Key:
    return apps.key_for(resolver.store, connection.service, way, connection.instance)


def warnings_of(resolver: Resolver, connection: Connection) -> tuple[str, ...]:
    """What will end soon, or has, and after the arrow the command to type."""
    record = connection.record
    if record is None:  # removed meanwhile
        return ()
    refresh = app_ends = None
    if connection.method.primitive != "static_key":
        try:
            _, way = resolver.way(connection)
            app = resolver.store.get(_app_key(resolver, connection, way))
        except AuthError:  # a recipe or an app that fails is told where it is used
            return ()
        assert way.oauth2 is not None
        refresh, app_ends = way.oauth2.refresh, app.ends if app is not None else None
    return lifetimes.warnings(record, refresh, app_ends, name=connection.name, now=resolver.clock())
