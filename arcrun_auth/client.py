"""The bound client: an httpx client whose requests are signed, and go nowhere else.

It is a real subclass of the library's own client: streaming, multipart uploads, event
hooks, cookies, redirects and proxies from the environment work as they do there. What
it adds: relative URLs know the recipe's root paths, URLs off the consented hosts are
refused, and every transport is wrapped by one that signs (`transport.py`).
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from arcrun_auth import _http, network
from arcrun_auth.flow import REPLAY, Rules
from arcrun_auth.transport import AsyncTransport, Transport, in_thread

if TYPE_CHECKING:
    import ssl
    from typing import Final

    from httpx import URL, AsyncClient, Client, Request, Response

    from arcrun_auth._http import Library
    from arcrun_auth.flow import Source
    from arcrun_auth.signing import Binding

    BaseClient = Client
else:  # at run time these are mixins: the library's own classes are joined to them in `_kit`
    BaseClient = Client = AsyncClient = object

__all__ = ["bound_async_client", "bound_client", "in_thread"]

_NETWORK: Final = frozenset({
    "cert", "http1", "http2", "limits", "mounts", "proxy", "transport", "trust_env", "verify",
})  # fmt: skip
"""Which options of the library's client decide how its transports are made?"""


def bound_client(
    binding: Binding, source: Source, *, http: Library = "httpx", **options: Any
) -> Client:
    """A subclass of `httpx.Client` (or httpx2's) that signs for `binding` with `source`.

    `options` are those of the library's client, except `base_url`. A given `transport`
    or `mounts` is wrapped like any other. Safe to share between threads. Requests to
    other hosts raise HostNotAllowed before anything is sent.
    """
    kit = _kit(http)
    return cast("Client", kit.client(Rules(kit.lib, binding, source), options))


def bound_async_client(
    binding: Binding, source: Source, *, http: Library = "httpx", **options: Any
) -> AsyncClient:
    """The same as a subclass of `httpx.AsyncClient`, for asyncio and trio."""
    kit = _kit(http)
    return cast("AsyncClient", kit.async_client(Rules(kit.lib, binding, source), options))


class _Kit(NamedTuple):
    """Our classes joined to those of one library."""

    lib: Any
    client: Any
    async_client: Any


@cache
def _kit(name: Library) -> _Kit:
    lib = _http.library(name)
    transport = type("BoundTransport", (Transport, lib.BaseTransport), {})
    async_transport = type("AsyncBoundTransport", (AsyncTransport, lib.AsyncBaseTransport), {})
    return _Kit(
        lib,
        type("BoundClient", (_Sync, lib.Client), {"wrap": transport, "plain": lib.Client}),
        type(
            "AsyncBoundClient",
            (_Async, lib.AsyncClient),
            {"wrap": async_transport, "plain": lib.AsyncClient},
        ),
    )


class _Bound(BaseClient):
    """What the sync and the async client have in common."""

    wrap: Any
    plain: Any

    def __init__(self, rules: Rules, options: dict[str, Any]) -> None:
        headers = rules.lib.Headers(dict(rules.binding.static_headers))
        headers.update(options.pop("headers", None))
        if rules.signer.proves:
            rules.tls = _own_context(options)
        options["verify"] = rules.tls or _tls(options, cert=options.pop("cert", None))
        options = {**network.options(options["verify"]), **options}
        super().__init__(base_url=rules.binding.base_url, headers=headers, **options)
        self._rules = rules
        self._network = {name: it for name, it in options.items() if name in _NETWORK}
        self._pid = os.getpid()
        self._adopt(self)

    def build_request(self, method: str, url: URL | str, **options: Any) -> Request:
        """As in the library; a relative URL under a root path stands at the origin."""
        request = super().build_request(method, self._rules.absolute(url), **options)
        files = options.get("files")
        if files and all(map(_rewinds, files.values() if hasattr(files, "values") else files)):
            request.extensions[REPLAY] = True
        return request

    def _ready(self, url: URL) -> None:
        """Before every request: is the host ours, and are the connections?"""
        self._rules.check(url)
        if self._pid != os.getpid():
            # After a fork the parent goes on using its connections: a child that wrote
            # into the same sockets would mix two conversations. Drop them, make new ones.
            self._pid = os.getpid()
            self._adopt(self.plain(**self._network))

    def _adopt(self, client: Any) -> None:
        """Wrap every transport of `client`: its proxies and exceptions are worked out there."""
        others = self._strangers()
        mounts = others._mounts if others is not None else {}  # noqa: SLF001
        self._transport = self.wrap(self._rules, client._transport, others and others._transport)  # noqa: SLF001
        self._mounts = {
            pattern: inner and self.wrap(self._rules, inner, mounts.get(pattern))
            for pattern, inner in client._mounts.items()  # noqa: SLF001
        }

    def _strangers(self) -> Any:
        """A client whose transports show no certificate; None where there is none to show."""
        if self._rules.tls is None:
            return None
        options = {name: it for name, it in self._network.items() if name != "verify"}
        return self.plain(**options, verify=_tls(options))


class _Sync(_Bound):
    def send(self, request: Request, **options: Any) -> Response:
        """As in the library; HostNotAllowed for a URL off the consented hosts."""
        self._ready(request.url)
        return super().send(request, **options)


class _Async(_Bound):
    async def send(self, request: Request, **options: Any) -> Response:  # type: ignore[override]  # as above
        """As in the library; HostNotAllowed for a URL off the consented hosts."""
        self._ready(request.url)
        return cast("Response", await super().send(request, **options))  # type: ignore[misc]  # AsyncClient's, in `_kit`


def _tls(options: dict[str, Any], cert: Any = None) -> ssl.SSLContext | bool:
    named = {name: options[name] for name in ("http2", "trust_env", "verify") if name in options}
    return _http.tls_options(**named, cert=cert)


def _own_context(options: dict[str, Any]) -> ssl.SSLContext:
    """The TLS context of a client that shows a certificate. ValueError where another is given."""
    if options.pop("verify", True) is not True or options.pop("cert", None) is not None:
        raise ValueError("the certificate of this service is the connection's: no verify, no cert")
    return _http.own_context(trust_env=options.get("trust_env", True))


def _rewinds(item: Any) -> bool:
    """Whether one of the library's `files` can be sent twice: text, bytes, a seekable file.

    In a mapping it is the value, in a list a pair of name and value; the value is the
    content, or a tuple of file name, content and so on.
    """
    if isinstance(item, tuple):
        item = item[1]
        if isinstance(item, tuple):
            item = item[1]
    if isinstance(item, (str, bytes)):
        return True
    seekable = getattr(item, "seekable", None)
    return seekable is not None and bool(seekable())
