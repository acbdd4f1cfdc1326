"""Clients that are entered later, and clients for one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.enrol import match_secrets
from arcrun_auth.resolve import Connection
from arcrun_auth.tokens import Credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import httpx

    from arcrun_auth.broker import Http
    from arcrun_auth.catalog import Entry, MethodEntry
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Secret

GRANT_KEYS = ("access_token", "refresh_token")
"""What a caller may hand over of a grant, in place of the secrets of a key."""


class AsyncBound:
    """`async with auth.bind_async("google_drive") as drive:` gives an `httpx.AsyncClient`.

    Works in asyncio and in trio, and can be entered once. All clients of a connection
    share its token: a hundred of them cause one renewal.
    """

    def __init__(self, prepare: Callable[[], tuple[Binding, Source]], http: Http) -> None:
        self._prepare = prepare
        self._http = http
        self._client: httpx.AsyncClient | None = None
        self._entered = False

    async def __aenter__(self) -> httpx.AsyncClient:
        from arcrun_auth.client import bound_async_client, in_thread

        if self._entered:
            raise RuntimeError("This was entered before: call bind_async again for another client.")
        self._entered = True
        binding, source = await in_thread(self._prepare)
        self._client = bound_async_client(binding, source, http=self._http)
        return await self._client.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._client is not None
        await self._client.__aexit__(kind, error, trace)


def for_this_call(
    resolver: Resolver,
    service: str,
    instance: str | None,
    *,
    method: str | None,
    secrets: Mapping[str, str | Secret],
    params: Mapping[str, str],
) -> tuple[Connection, Source]:
    """A connection out of what the caller gave, and of nothing that is stored.

    Such a secret carries no consent: below the bundled tier its hosts need `allow_hosts`.
    Raises AuthError for names that no secret has, MissingSecret for what is not given.
    """
    entry, named = resolver.entry(service, instance)
    way = _way_for(entry, method, secrets)
    found = match_secrets(secrets, _keys(way), entry.service)
    record = Credential(
        Connection(entry, named, way, None).key, method=way.id, secrets=found, params=params
    )
    connection = Connection(entry, named, way, record)
    resolver.complete(connection)
    resolver.require(connection)
    resolver.check(connection)
    if way.source != "grant":  # nor may a stored key stand in for one that is refused
        return connection, resolver.trial(connection)
    return connection, resolver.source(connection)


def _keys(way: MethodEntry) -> list[str]:
    return [key for key, _, _ in way.secrets] or list(GRANT_KEYS)


def _way_for(entry: Entry, method: str | None, secrets: Mapping[str, str | Secret]) -> MethodEntry:
    """The method that was named, or the first one that has a place for all that is given."""
    if method is None:
        for way in entry.methods:
            keys = _keys(way)
            if all(any(key == n or key.endswith(f"_{n}") for key in keys) for n in secrets):
                return way
    return entry.method(method or "")
