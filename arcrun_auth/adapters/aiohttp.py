"""A client middleware for aiohttp: called for each hop, below aiohttp's own redirects."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.access import Access, arenewed
from arcrun_auth.adapters.gate import Gate
from arcrun_auth.adapters.sdk import load
from arcrun_auth.transport import token_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import ClientRequest, ClientResponse

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Token

    Handler = Callable[[ClientRequest], Awaitable[ClientResponse]]

UNAUTHORIZED = 401

REDIRECTS = (301, 302, 303, 307, 308)

_LED_TO: ContextVar[str | None] = ContextVar("arcrun_auth_led_to", default=None)
"""Where the service has just redirected this task to: a foreign host that nobody asked for."""


class _Before:
    """A request as it was before it was signed."""

    def __init__(self, request: ClientRequest) -> None:
        self.url = request.url
        self._headers = request.headers.copy()
        self._body = request.body

    @property
    def is_used_up(self) -> bool:
        """Whether its body was a stream, which is gone."""
        return bool(getattr(self._body, "consumed", False))

    async def put_back(self, request: ClientRequest) -> None:
        """Afterwards it is that again: aiohttp takes the body along on a redirect, and an
        error's repr shows the headers, by `response.request_info`."""
        if request.body is not self._body:
            await request.update_body(self._body or None)
        request.headers.clear()
        request.headers.extend(self._headers)


class Middleware:
    """`ClientSession(middlewares=(...,))`. See `aiohttp_middleware`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._url = load("yarl", "aiohttp").URL
        self._payload = load("aiohttp.payload", "aiohttp")
        self._made: Gate | None = None

    def __repr__(self) -> str:
        return f"Middleware({self._access.service!r})"

    async def __call__(self, request: ClientRequest, handler: Handler) -> ClientResponse:
        """Sign the request, send it, and after a 401 renew and send once more."""
        binding, source = await self._access.aparts()
        gate = self._made = Gate.of(binding, self._made)
        led_to = _LED_TO.get()
        _LED_TO.set(None)
        if gate.permits(str(request.url)):
            response = await self._signed(gate, source, request, handler)
        else:
            self._leave(gate, request, led_to)
            response = await handler(request)
        location = response.headers.get("location")
        if response.status in REDIRECTS and location is not None:
            _LED_TO.set(self._plain(request.url.join(self._url(location))))
        return response

    def _plain(self, url: Any) -> str:
        return str(self._url(str(url)).with_fragment(None))

    def _leave(self, gate: Gate, request: ClientRequest, led_to: str | None) -> None:
        """A hop to another host goes without what we put in: aiohttp made it of what we put back.

        Only its URL is the service's. HostNotAllowed for one of the caller's own.
        """
        url = str(request.url)
        if led_to != self._plain(request.url):
            gate.check(url)
        gate.leave(url, body=False)
        request.url = self._url(gate.signer.unsigned_url(url), encoded=True)

    async def _signed(
        self, gate: Gate, source: Source, request: ClientRequest, handler: Handler
    ) -> ClientResponse:
        before = _Before(request)
        token = await token_from(source)
        try:
            await self._sign(gate, request, token)
            response = await handler(request)
            if response.status != UNAUTHORIZED or before.is_used_up:
                return response
            fresh = await arenewed(source, token)
            if fresh is None:
                return response
            response.release()
            request.url = before.url
            await self._sign(gate, request, fresh)
            return await handler(request)
        finally:
            await before.put_back(request)

    async def _sign(self, gate: Gate, request: ClientRequest, token: Token) -> None:
        signed = gate.signer.sign(
            method=request.method,
            url=str(request.url),
            headers=request.headers,
            body=self._bytes(request.body) if gate.signer.reads_body else None,
            token=token,
        )
        request.url = self._url(signed.url, encoded=True)
        if signed.body is not None:
            await request.update_body(signed.body)
        request.headers.update(signed.headers)

    def _bytes(self, body: Any) -> bytes | None:
        """A body as bytes; None for a stream."""
        if not isinstance(body, self._payload.BytesPayload):
            return b"" if not body else None
        return bytes(body._value)  # noqa: SLF001 - `as_bytes` is newer than what we support


def aiohttp_middleware(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> Middleware:
    """`aiohttp.ClientSession(middlewares=(auth.aiohttp_middleware("notion"),))`.

    Signs every hop as the bound client does, refuses URLs off the consented hosts
    (HostNotAllowed), and renews once after a 401. A redirect to another public https host is
    followed without the secret. Needs aiohttp 3.12. The addresses that hosts resolve to are
    not judged: that is what `auth.bind_async` has over it.

    >>> aiohttp_middleware("notion")  # doctest: +SKIP
    Middleware('notion')
    """
    return Middleware(Access(service, instance, scopes=scopes, broker=broker))
