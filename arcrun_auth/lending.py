"""The use of connections without what they are made of, for agents.

Whoever lends sees only what somebody has set up: what is in the vault itself. Secrets that just
happen to be in the environment or in files of this machine are nobody's consent.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from arcrun_auth import _http, held, rendering
from arcrun_auth.client import bound_client
from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.people import Nobody
from arcrun_auth.scrub import SHORTEST, is_address
from arcrun_auth.tokens import Key, Secret
from arcrun_auth.unpacking import ACCEPTED, known, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.connections import Connections
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.stores.base import Store


class Sent:
    """The head of an answer, whose body is read piece by piece. Nothing of it is scrubbed."""

    def __init__(self, response: Any, service: str) -> None:
        self._response = response
        self._service = service
        self.status: int = response.status_code
        self.headers: Sequence[tuple[str, str]] = response.headers.multi_items()

    @property
    def _encoding(self) -> str:
        return str(self._response.headers.get("content-encoding", ""))

    @property
    def readable(self) -> bool:
        """Whether its body comes in a content coding that was asked for."""
        return known(self._encoding)

    def pieces(self) -> Iterator[bytes]:
        """The body, decoded, in pieces of at most 64 KiB. ProviderUnavailable if it is damaged."""
        try:
            yield from unpacked(self._response.iter_raw(), self._encoding)
        except ValueError:
            raise _unreachable(self._service, "the body is damaged") from None

    def abort(self) -> None:
        """Ends it, from another thread: whoever reads the body gets ProviderUnavailable.

        The socket is shut down, not closed: that alone wakes up who waits for it.
        """
        stream = self._response.extensions.get("network_stream")
        found = stream.get_extra_info("socket") if stream is not None else None
        if found is not None:
            with suppress(OSError):  # it has ended by itself
                # Of TLS, too: its own `shutdown` would take apart what the reader uses.
                socket.socket.shutdown(found, socket.SHUT_RDWR)


class Lent:
    """One connection that works as far as is known. Shows nothing of what it signs with."""

    def __init__(self, resolver: Resolver, connection: Connection, source: Source) -> None:
        self._resolver = resolver
        self._connection = connection
        self._source = source
        self.recipe: Recipe
        self._way: Method
        self.recipe, self._way = resolver.way(connection)
        self.binding: Binding = resolver.binding(connection)
        self._lock = RLock()
        self._users = 0
        self._closing = False

    @property
    def name(self) -> str:
        return self._connection.name

    @property
    def state(self) -> tuple[object, ...]:
        """Equal to that of another one where requests are signed by the same, to the same."""
        record = self._connection.record
        assert record is not None
        since = record.grant.since if record.grant is not None else None
        digest = self._connection.method.digest
        return self.name, digest, dict(record.params), dict(record.secrets), since

    @cached_property
    def _client(self) -> Any:
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        return bound_client(
            self.binding,
            self._source,
            headers={"accept-encoding": ACCEPTED, "user-agent": _http.USER_AGENT},
            # One caller's session is none of the next one's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def close(self) -> None:
        """Let go of its connections to the service, when the last request has ended."""
        with self._lock:
            self._closing = True
            self._let_go()

    def _let_go(self) -> None:
        if self._closing and not self._users:
            client = self.__dict__.pop("_client", None)
            if client is not None:
                client.close()

    @contextmanager
    def _used(self) -> Iterator[Any]:
        with self._lock:
            self._users += 1
            client = self._client
        try:
            yield client
        finally:
            with self._lock:
                self._users -= 1
                self._let_go()

    def secrets(self) -> frozenset[Secret]:
        """What an answer may not show: ask after it came, since tokens are renewed."""
        found = held.everything(self._resolver, self._connection, self._way, self._source)
        known = {each if isinstance(each, str) else each.reveal() for each in found}
        rendered = self._client._rules.signer.secrets  # noqa: SLF001 - ours, in `client`
        # Of "Bearer x" x alone is the secret; what it was made into by a step is one of its own.
        made = {e for e in rendered if not any(len(k) >= SHORTEST and k in e for k in known)}
        record = self._connection.record
        user = record.identity if record is not None else None
        # Whose account it is is told anyway, where it is the address of a user.
        public = {user} if user and is_address(user) else set()
        return frozenset(map(Secret, (known | made) - public))

    @property
    def injected_headers(self) -> frozenset[str]:
        """The names of all headers that signing sets, in small letters."""
        names: frozenset[str] = self._client._rules.signer.headers  # noqa: SLF001 - ours, in `client`
        return names

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        seconds: float,
    ) -> Iterator[Sent]:
        """Sends one request to `url`, follows no redirect, and gives the head of its answer.

        `seconds` are for each wait. Raises HostNotAllowed, ProviderUnavailable, and what getting
        a token raises.
        """
        library = _http.library()
        timeout = library.Timeout(seconds, connect=min(seconds, _http.CONNECT_SECONDS))
        try:
            with self._used() as client:
                request = client.build_request(
                    method, url, headers=list(headers), content=body or None, timeout=timeout
                )
                response = client.send(request, stream=True)
                try:
                    yield Sent(response, self.binding.service)
                finally:
                    response.close()
        except library.RequestError as error:
            raise _unreachable(self.binding.service, type(error).__name__) from None

    def __repr__(self) -> str:
        return f"Lent({self.name!r})"


def _unreachable(service: str, why: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{service} cannot be reached ({why}).", service=service, hint="try again later", sent=True
    )


class Lending:
    """Lends the connections of one broker. Asks nobody, and never logs in."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._resolver = connections.resolver

    def is_kept(self, service: str, instance: str | None = None) -> bool:
        """Whether the vault itself has a credential for it. UnknownService, StoreError."""
        entry, named = self._resolver.entry(service, instance)
        store = self._resolver.store
        vault: Store = getattr(store, "primary", store)
        return vault.get(Key("credential", entry.account, named)) is not None

    def open(self, service: str, instance: str | None = None) -> Lent:
        """The connection. Raises what `Broker.bind` raises where nobody can be asked."""
        return Lent(self._resolver, *self._connections.get(service, instance, person=Nobody))

    def base_url(self, service: str, instance: str) -> str:
        """What its paths are relative to. RecipeError where a param of it is not known."""
        connection = self._resolver.find(service, instance)
        _, way = self._resolver.way(connection)
        params = self._resolver.params(way, connection.record) if connection.record else {}
        return rendering.render(way.base_url, rendering.values_of(way, params, connection.name))
