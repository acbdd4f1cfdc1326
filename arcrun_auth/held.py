"""Which secrets does a connection hold? All that an answer of its service might repeat."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError

if TYPE_CHECKING:
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Secret

_PUBLIC = ("client_id", "key_id", "redirect_uri")
"""What of an app is no secret?"""


def in_use(connection: Connection, source: Source) -> list[Secret | str]:
    """The secrets that its requests may have carried."""
    record, token = connection.record, source.peek()
    assert record is not None
    held: list[Secret | str] = list(record.secrets.values())
    held += [record.grant.access_token] if record.grant is not None else []
    return held + ([token.access_token, *token.secrets.values()] if token is not None else [])


def everything(
    resolver: Resolver, connection: Connection, way: Method, source: Source
) -> list[Secret | str]:
    """These; the refresh token, what is looked up on this machine, and the secrets of the app."""
    from arcrun_auth.desk import open_desk

    record = connection.record
    assert record is not None
    held = in_use(connection, source)
    if record.grant is not None and record.grant.refresh_token is not None:
        held.append(record.grant.refresh_token)
    with suppress(AuthError):  # a file of this machine that is not there: then nothing was sent
        desk = open_desk(resolver, connection.name, way, record)
        held += desk.secrets.values()
        held += _of_app(resolver, getattr(desk, "app_key", None))
    return held


def _of_app(resolver: Resolver, key: object) -> list[Secret]:
    record = resolver.store.get(key) if key is not None else None  # type: ignore[arg-type]  # a Key
    if record is None:
        return []
    return [secret for name, secret in record.secrets.items() if name not in _PUBLIC]
