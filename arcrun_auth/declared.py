"""What the project declares, held against what is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    LoginRequired,
    MissingScope,
    MissingSecret,
    StoreCorrupt,
    StoreError,
    UnknownService,
)
from arcrun_auth.report import status_of

if TYPE_CHECKING:
    from arcrun_auth.project import Need
    from arcrun_auth.resolve import Connection, Resolver


@dataclass(frozen=True)
class Needed:
    """One connection that the project declares, and how it stands."""

    name: str
    status: str
    """As in `Why`; or `missing scopes`, `not agreed`, `unknown service`, `unusable`."""
    missing: tuple[str, ...] = ()
    """The keys of secrets, or the scopes, that are not there; `login` for a login."""
    error: AuthError | None = None
    """What `bind` would raise where nobody can be asked; None where it can be used."""

    @property
    def ok(self) -> bool:
        """Whether it can be used as it stands: `expired` can, if it is renewed by itself."""
        return self.error is None


def check(resolver: Resolver) -> tuple[Needed, ...]:
    """Each declared connection, in the order of the file. Sends nothing, asks nobody.

    Raises AuthError for a file of a wrong shape, StoreError where the store cannot be read.
    """
    project = resolver.settings.project
    return tuple(_look(resolver, need) for need in project.needs) if project else ()


def _look(resolver: Resolver, need: Need) -> Needed:
    try:
        connection = resolver.find(need.service, need.instance)
    except UnknownService as error:
        return Needed(need.name, "unknown service", error=error)
    except AuthError as error:
        if isinstance(error, StoreError) and not isinstance(error, StoreCorrupt):
            raise  # no record can be read, not only this one
        return Needed(need.name, "unusable", error=error)
    try:
        _require(resolver, connection, need)
    except AuthError as error:
        status, missing = _told(resolver, connection, error)
        return Needed(need.name, status, missing, error)
    return Needed(need.name, status_of(resolver, connection))


def _require(resolver: Resolver, connection: Connection, need: Need) -> None:
    """Raises what `bind` and the first request would, as far as that is known here."""
    resolver.require(connection)
    if status_of(resolver, connection) == "expired":
        _require_renewal(resolver, connection)
    resolver.require(connection, resolver.missing_scopes(connection, need.scopes))
    resolver.check(connection)


def _require_renewal(resolver: Resolver, connection: Connection) -> None:
    from arcrun_auth import apps, lifetimes
    from arcrun_auth.desk import open_desk

    assert connection.record is not None
    grant = connection.record.grant
    _, way = resolver.way(connection)
    assert grant is not None
    if not lifetimes.can_renew(grant, way.renewal, resolver.clock()):
        raise LoginRequired(
            f"{connection.name}: its token has ended, and there is none to renew it with.",
            service=connection.service,
            why="expired",
            hint=f"arcrun setup {connection.name}",
        )
    if open_desk(resolver, connection.name, way, connection.record).needs_app:
        raise apps.missing(connection.service, way)


def _told(
    resolver: Resolver, connection: Connection, error: AuthError
) -> tuple[str, tuple[str, ...]]:
    """An error in one word, and what is missing."""
    if isinstance(error, MissingScope):
        return "missing scopes", tuple(error.scope.split())
    if isinstance(error, ConsentRequired):
        return "not agreed", ()
    status = status_of(resolver, connection)
    if isinstance(error, LoginRequired):
        return status, ("login",)
    if isinstance(error, MissingSecret):
        return status, connection.missing() or (error.key,)
    return "unusable", ()
