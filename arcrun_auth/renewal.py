"""The token request that renews a grant, put together from recipe, app and record."""

from __future__ import annotations

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.tokens import Credential, Grant, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth import TokenCall
    from arcrun_auth.recipe.model import OAuth2
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import GrantSource
    from arcrun_auth.stores.base import Store


def send_to(oauth2: OAuth2, call: TokenCall, *, service: str, allow: tuple[str, ...]) -> Answer:
    """Sends a token request to the endpoints of the recipe, and to no other host."""
    from urllib.parse import urlsplit

    from arcrun_auth._http import send_token
    from arcrun_auth.hosts import Fence

    endpoints = (oauth2.token_endpoint, oauth2.refresh.url)
    hosts = [urlsplit(url).netloc for url in endpoints if url]
    try:
        return send_token(call, guard=Fence(hosts, allow))
    except AuthError as error:
        error.service = service
        raise


def grant_source(resolver: Resolver, connection: Connection) -> GrantSource:
    """The renewing source of an OAuth connection. Recipe and app are read when they are needed."""
    from arcrun_auth.sources import GrantSource

    def renew(record: Credential) -> Grant:
        return _renew(resolver, connection, record)

    def lock(timeout: float) -> AbstractContextManager[object]:
        from arcrun_auth.locks import CredentialLock

        folder = resolver.settings.locks_path
        _check_locks(folder, connection)
        return CredentialLock(folder, connection.key).acquire(timeout)

    return GrantSource(
        _store_of(resolver, connection),
        connection.key,
        renew=renew,
        lock=lock,
        service=connection.name,
        rotates=connection.method.rotates,
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
    """The store, or a read-only picture of a refresh token that came from the environment."""
    record = connection.record
    assert record is not None
    given = record.secrets.get("refresh_token")
    if given is None:
        return resolver.store
    from arcrun_auth.stores.given import Given

    grant = Grant(access_token=Secret(""), refresh_token=given, issued=0.0, expires=0.0)
    return Given(record.replace(grant=grant))


def _renew(resolver: Resolver, connection: Connection, record: Credential) -> Grant:
    from arcrun_auth import apps, rendering
    from arcrun_auth.oauth import refresh_request
    from arcrun_auth.token_answer import read_token

    _, way = resolver.way(connection)
    oauth2 = rendering.endpoints(way, record.params, connection.service)
    app = apps.stored(resolver.store, connection.service, way)
    if app is None:
        raise apps.missing(connection.service, way)
    assert record.grant is not None
    assert record.grant.refresh_token is not None
    call = refresh_request(
        oauth2,
        client_id=app.client_id,
        client_secret=app.client_secret,
        refresh_token=record.grant.refresh_token,
        params=record.params,
    )
    answer = send_to(oauth2, call, service=connection.service, allow=resolver.allow)
    return read_token(
        oauth2,
        answer.status,
        answer.headers,
        answer.body,
        now=resolver.clock(),
        previous=record.grant,
        requested=record.grant.requested,
        secrets=call.secrets,
        service=connection.service,
    )
