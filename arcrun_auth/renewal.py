"""The renewing source of a connection, put together from recipe, app, record and lock."""

from __future__ import annotations

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.tokens import Credential, Grant, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import GrantSource
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.turns import Turn


def grant_source(resolver: Resolver, connection: Connection) -> GrantSource:
    """The renewing source of an OAuth connection. Recipe and app are read when they are needed."""
    from arcrun_auth.sources import GrantSource

    def renew(record: Credential) -> Grant:
        from arcrun_auth.desk import open_desk

        _, way = resolver.way(connection)
        assert record.grant is not None
        try:
            grant = open_desk(resolver, connection.name, way, record).renewed(record.grant)
        except AuthError as error:
            resolver.audit.renewed(connection, error)
            raise
        resolver.audit.renewed(connection)
        return grant

    def lock(timeout: float) -> AbstractContextManager[object]:
        from arcrun_auth.locks import CredentialLock

        folder = resolver.settings.locks_path
        _check_locks(folder, connection)
        return CredentialLock(folder, connection.key).acquire(timeout)

    def turns(record: Credential, wait: float) -> Turn:
        from arcrun_auth.sync.session import Place
        from arcrun_auth.sync.turns import Turn

        home = Place(resolver.store, resolver.settings, resolver.catalog, resolver.audit)
        return Turn(home, record, connection.name, wait=wait)

    def check(stored: Credential) -> None:
        if resolver.is_elsewhere(connection, stored):
            resolver.moved(connection)
            raise AuthError(
                f"{connection.name} was set up anew with other parameters: this client is bound to "
                "those of before. Nothing was sent.",
                service=connection.service,
                hint=f"bind it again: auth.bind({connection.name!r})",
            )

    return GrantSource(
        _store_of(resolver, connection),
        connection.key,
        renew=renew,
        lock=lock,
        service=connection.name,
        rotates=connection.method.rotates,
        mode=connection.method.refresh,
        injected=connection.method.injected,
        check=check,
        turns=turns,
        clock=resolver.clock,
    )


def _check_locks(folder: str, connection: Connection) -> None:
    """Two machines that renew the same rotating grant end it: their locks must be real ones."""
    from arcrun_auth.locks import network_filesystem

    kind = network_filesystem(folder) if connection.method.rotates != "no" else None
    if kind is not None:
        raise StoreError(
            f"{connection.name}: the vault lies on a network file system ({kind}), where a lock "
            "is not sure to hold, and a renewal may bring a new refresh token. Nothing was sent.",
            service=connection.service,
            hint="export ARCRUN_HOME to a folder on a local disk, and log in there",
        )


def _store_of(resolver: Resolver, connection: Connection) -> Store:
    """The store, or a read-only picture of what came from the environment."""
    record = connection.record
    assert record is not None
    given = record.secrets.get("refresh_token")
    if given is None and record.generation:
        return resolver.store
    from arcrun_auth.stores.given import Given

    # Nothing to begin with: the first use renews, or asks for the grant itself.
    asked = record.grant.requested if record.grant is not None else ()
    grant = Grant(
        access_token=Secret(""), refresh_token=given, issued=0.0, expires=0.0, requested=asked
    )
    return Given(record.replace(grant=grant))
