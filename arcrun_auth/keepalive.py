"""Keeping logins alive that nobody uses, and saying what will end all the same.

A renewal here is the one of every other use: through the source of the connection, which
is told that the token it has was refused. So lock, intent and custody hold as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth import lifetimes
from arcrun_auth.ends import warnings_of
from arcrun_auth.errors import AuthError, LoginRequired
from arcrun_auth.people import Nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.connections import Connections
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Grant


@dataclass(frozen=True)
class Kept:
    """What `keepalive` did for one connection."""

    name: str
    """As it is typed: `google_drive@work`."""
    services: tuple[str, ...]
    """All services that use this login."""
    outcome: Literal["renewed", "fine", "left", "failed"]
    """`fine`: not due yet. `left`: a key, or a login that cannot be renewed."""
    error: AuthError | None = None
    """Why it failed; LoginRequired where the login has ended and a person is needed."""
    warnings: tuple[str, ...] = ()
    """What will end soon, and after the arrow the command to type."""


def keepalive(connections: Connections) -> list[Kept]:
    """Renews what would end of idleness, one after the other. A failure stops no other."""
    return [
        _keep(connections, connection, services)
        for connection, services in by_record(connections.resolver)
    ]


def by_record(resolver: Resolver) -> Iterator[tuple[Connection, tuple[str, ...]]]:
    """Each stored credential once, by a service that uses it, with all services that do."""
    for key in sorted(resolver.store.keys()):
        if key.kind != "credential":
            continue
        services = users(resolver, key.account)
        try:
            record = resolver.store.get(key)
            agreed = record.consents if record is not None else ()
            first = sorted(services, key=lambda service: (service not in agreed, service))
            connection = resolver.find(first[0], key.instance) if first else None
        except AuthError:  # a damaged record: it was set aside; or a method no recipe has
            continue
        if connection is not None and connection.record is not None:
            yield connection, services


def users(resolver: Resolver, account: str) -> tuple[str, ...]:
    """The services whose credential is kept under this name."""
    entries = resolver.catalog.entries()
    return tuple(e.service for e in entries if e.account == account and e.status != "closed")


def _keep(connections: Connections, connection: Connection, services: tuple[str, ...]) -> Kept:
    outcome: Literal["renewed", "fine", "left", "failed"] = "left"
    failure: AuthError | None = None
    resolver, name = connections.resolver, connection.name
    assert connection.record is not None
    grant = connection.record.grant
    try:
        if grant is not None:
            _, way = resolver.way(connection)
            outcome = _keep_grant(connections, connection, way, grant)
            connection = resolver.find(connection.service, connection.instance)
    except AuthError as error:
        outcome, failure = "failed", error
    return Kept(name, services, outcome, failure, warnings_of(resolver, connection))


def _keep_grant(
    connections: Connections, connection: Connection, way: Method, grant: Grant
) -> Literal["renewed", "fine", "left"]:
    refresh, now = way.renewal, connections.resolver.clock()
    if lifetimes.ended(grant, now):
        raise LoginRequired(
            f"{connection.name}: this login has ended.",
            service=connection.service,
            why="revoked" if grant.dead == "revoked" else "expired",
            hint=f"arcrun setup {connection.name}",
        )
    if not lifetimes.can_renew(grant, refresh, now):
        return "left"
    if not lifetimes.due(grant, refresh, now):
        return "fine"
    connections.warned.add(connection.key)  # by what this gives back
    _, source = connections.get(connection.service, connection.instance, person=Nobody)
    source.token(rejected=grant.access_token.reveal())
    return "renewed"
