"""When a key, or the secret of an OAuth app, ends by itself: learned, kept, warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import lifetimes
from arcrun_auth.errors import AuthError, StoreConflict
from arcrun_auth.moments import epoch_of

if TYPE_CHECKING:
    from datetime import datetime

    from arcrun_auth.authority import Authority
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Credential


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
    login = way.primitive == "oauth2"
    key = _authority(resolver, connection, way).app_key if login else connection.key
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


def warnings_of(resolver: Resolver, connection: Connection) -> tuple[str, ...]:
    """What will end soon, or has, and after the arrow the command to type."""
    record = connection.record
    if record is None:  # removed meanwhile
        return ()
    refresh, app, registers = None, None, False
    if connection.method.source == "grant":
        try:
            _, way = resolver.way(connection)
            app = _app(resolver, connection, way) if way.primitive == "oauth2" else None
        except AuthError:  # a recipe or an app that fails is told where it is used
            return ()
        refresh, registers = way.renewal, _registers(way)
    return lifetimes.warnings(
        record,
        refresh,
        app.ends if app is not None else None,
        name=connection.name,
        now=resolver.clock(),
        registers=registers,
    )


def _registers(way: Method) -> bool:
    return way.oauth2 is not None and way.oauth2.client.registration == "dcr"


def _app(resolver: Resolver, connection: Connection, way: Method) -> Credential | None:
    authority = _authority(resolver, connection, way)
    if authority.registers:
        return authority.registration()
    return resolver.store.get(authority.app_key)


def _authority(resolver: Resolver, connection: Connection, way: Method) -> Authority:
    from arcrun_auth.authority import Authority

    assert connection.record is not None
    return Authority(resolver, connection.name, way, connection.record)
