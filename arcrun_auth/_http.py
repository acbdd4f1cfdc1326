"""The HTTP library, and the private client for token traffic.

Only this module names httpx and its continuation httpx2, and it imports neither before
one is needed: that costs more than all else on the way to a stored token.

Token requests never pass through a user's client: a refresh token in `auth_flow` ends
up in `response.history` and in event hooks. They go through `send_token`, which follows
no redirect, keeps no cookie, reads no more than a megabyte and ends in bounded time.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

from arcrun_auth import __version__, network
from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any, Final, Literal, Protocol

    from arcrun_auth.tokens import Secret

    Library = Literal["httpx", "httpx2"]

    class Call(Protocol):
        """One request to a token endpoint."""

        @property
        def method(self) -> str: ...
        @property
        def url(self) -> str: ...
        @property
        def headers(self) -> Mapping[str, str]: ...
        @property
        def content(self) -> bytes | None: ...
        @property
        def secrets(self) -> tuple[Secret, ...]: ...
        @property
        def certificate(self) -> tuple[Secret, Secret] | None:
            """What the client proves itself by in TLS (RFC 8705): its chain, and the key."""

    class Guard(Protocol):
        """What decides where a token request may go: a `hosts.Fence`."""

        def permits(self, scheme: str, host: str | bytes, port: int | None) -> bool: ...
        def check_address(
            self, address: str, scheme: str, host: str | bytes, port: int | None
        ) -> str | None: ...


CONNECT_SECONDS: Final = 10.0
"""How long may one connection take to come about?"""
TOTAL_SECONDS: Final = 30.0
"""How long may a token request take in all, a server that drips bytes included?"""
MAX_ANSWER: Final = 1 << 20
"""How many bytes of an answer do we read, before and after decompression?"""
USER_AGENT: Final = f"arcrun-auth/{__version__}"

_LIBRARIES: Final = ("httpx", "httpx2")


class Answer:
    """What a token endpoint said. Header names are lower-case; the body is decompressed."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:  # the body holds tokens
        return f"Answer(status={self.status}, {len(self.body)} bytes)"


def library(name: str = "httpx") -> Any:
    """The module `httpx` or `httpx2`, imported now. AuthError with the cure if it is missing."""
    if name not in _LIBRARIES:
        raise ValueError(f"http is one of {', '.join(_LIBRARIES)}, not {name!r}")
    try:
        return import_module(name)
    except ImportError:
        raise AuthError(
            f"{name} is not installed.", hint=f"pip install 'arcrun-auth[{name}]'"
        ) from None


def installed() -> list[Any]:
    """Whichever of the two libraries there are, imported now."""
    from importlib.util import find_spec

    return [library(name) for name in _LIBRARIES if find_spec(name) is not None]


def library_of(request: object) -> Any:
    """The library that a request belongs to. TypeError for what is none of either."""
    for name in _LIBRARIES:
        lib = sys.modules.get(name)  # whoever has a request of it has imported it
        if lib is not None and isinstance(request, lib.Request):
            return lib
    raise TypeError(f"{type(request).__name__} is no request of {' or '.join(_LIBRARIES)}")


_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}


def ssl_context(*, http2: bool = False, trust_env: bool = True) -> ssl.SSLContext:
    """A TLS client context on the operating system's trust store, one per process and kind.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` replace that store, as they do in httpx. HTTP/2 has
    a context of its own, since the library sets the ALPN names on the context it is given.
    """
    kind = (http2, *(_trusted() if trust_env else (None, None)))
    if kind not in _contexts:
        _contexts[kind] = _new_context(*kind[1:])
    return _contexts[kind]


def _trusted() -> tuple[str | None, str | None]:
    return os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None


def _new_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    import ssl

    if file or folder:
        return ssl.create_default_context(cafile=file, capath=folder)
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def own_context(*, trust_env: bool = True) -> ssl.SSLContext:
    """A context that nobody shares: what it shows of a client, no other client shows."""
    return _new_context(*(_trusted() if trust_env else (None, None)))


def tls_options(
    *, verify: ssl.SSLContext | str | bool = True, cert: Any = None, http2: bool = False,
    trust_env: bool = True,
) -> ssl.SSLContext | bool:  # fmt: skip
    """httpx's options `verify` and `cert` as the one `verify` that it does not call deprecated."""
    if verify is True and cert is None:
        return ssl_context(http2=http2, trust_env=trust_env)
    if isinstance(verify, str):
        folder = os.path.isdir(verify)
        verify = _new_context(None if folder else verify, verify if folder else None)
    if cert is None:
        return verify
    if verify is True:
        verify = _new_context(*_trusted())
    elif verify is False:
        import ssl

        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        verify.check_hostname, verify.verify_mode = False, ssl.CERT_NONE
    verify.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return verify


class AddressWatch:
    """Judges the address of each new connection, by the events of httpcore's `trace` extension.

    Between the TCP connection and the first byte of TLS or HTTP an error is handed back, with
    the stream for the caller to close. A connection to elsewhere than `url` is one to a proxy:
    who resolves the name there is the proxy, and only literal addresses can be judged.
    """

    __slots__ = ("_direct", "_guard", "_url")

    def __init__(self, url: Any, guard: Guard) -> None:
        self._url = url
        self._guard = guard
        self._direct = False

    def _check(self, address: str) -> str | None:
        url = self._url
        return self._guard.check_address(address, url.scheme, url.raw_host, url.port)

    def __call__(self, event: str, info: Mapping[str, Any]) -> HostNotAllowed | None:
        if event == "connection.connect_tcp.started":
            port = self._url.port or {"https": 443, "http": 80}.get(self._url.scheme)
            self._direct = (info["host"].encode(), info["port"]) == (self._url.raw_host, port)
        elif event == "connection.connect_tcp.complete" and self._direct:
            fault = self._check(str(info["return_value"].get_extra_info("server_addr")[0]))
            if fault is not None:
                host = self._url.raw_host.decode("ascii", "replace")
                return HostNotAllowed(
                    f"{host} resolves to an address that is not public ({fault}). "
                    "Nothing was sent.",
                    host=host,
                    hint="if you want that, name its origin in ARCRUN_ALLOW_HOSTS",
                )
        return None


def send_token(call: Call, *, guard: Guard, total: float = TOTAL_SECONDS) -> Answer:
    """Send one request to a token endpoint and read its answer, whatever its status.

    Blocking, at most `total` seconds. A redirect is an answer like any other and never
    followed: the refresh token would go along (RFC 9700 §4.12). Raises HostNotAllowed
    (nothing was sent) and ProviderUnavailable; `sent` False is sure: nothing reached the server.
    """
    from arcrun_auth import threads

    exchange = _Exchange(call, guard, total)
    exchange.check_url()
    # The time limits of a socket are per operation: a server that sends a byte now and
    # then outlives all of them. A thread can be left behind; its socket is shut down.
    try:
        threads.start(exchange.run, "arcrun-token")
        ended = exchange.done.wait(total)
    finally:
        if not exchange.done.is_set():
            exchange.abandon()
    if not ended:
        raise exchange.failure(f"did not answer within {total:g} seconds")
    if exchange.error is not None:
        raise exchange.error
    assert exchange.answer is not None
    return exchange.answer


class _Exchange:
    """One token request in its own thread, with its own short-lived client.

    A new client each time: nothing to share with a child after fork, no cookie kept, and
    the proxies of the environment as they are now.
    """

    def __init__(self, call: Call, guard: Guard, total: float) -> None:
        self.httpx = library("httpx")
        self.call = call
        self.secrets: tuple[Secret | str, ...] = call.secrets
        self.guard = guard
        self.total = total
        self.url = self._parse(call.url)
        self.watch = AddressWatch(self.url, guard)
        self.done = threading.Event()
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.sent = False
        self._lock = threading.Lock()
        self._abandoned = False
        self._stream: Any = None

    def _parse(self, url: str) -> Any:
        try:
            return self.httpx.URL(url)
        except (self.httpx.InvalidURL, UnicodeEncodeError):
            raise HostNotAllowed("The token endpoint is no valid URL.", host="") from None

    @property
    def origin(self) -> tuple[str, bytes, int | None]:
        return self.url.scheme, self.url.raw_host, self.url.port

    @property
    def host(self) -> str:
        return str(self.url.raw_host.decode("ascii", "replace"))

    def failure(self, what: str, *, status: int | None = None) -> ProviderUnavailable:
        hint = None if self.sent else "check the network, then try again"
        return ProviderUnavailable(f"{self.host} {what}.", sent=self.sent, status=status, hint=hint)

    def check_url(self) -> None:
        if self.url.userinfo or not self.guard.permits(*self.origin):
            raise HostNotAllowed(
                f"The token endpoint is on {self.host}, which was not agreed to. Nothing was sent.",
                host=self.host,
            )

    def abandon(self) -> None:
        """Give up now: nothing more is sent, and a thread that waits for the server wakes."""
        import socket
        from contextlib import suppress

        with self._lock:
            self._abandoned = True
            stream = self._stream
        sock = stream.get_extra_info("socket") if stream is not None else None
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            self.answer = self._send()
        except AuthError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - whatever the library raises becomes one of ours
            # Its text may hold the URL, its attributes hold the body: neither goes on.
            self.error = self.failure(self._reason(error))
        finally:
            self.done.set()

    def _reason(self, error: Exception) -> str:
        from arcrun_auth.mtls import was_refused

        httpx = self.httpx
        if was_refused(error):
            return "did not take the client certificate, or wants one"
        for kind, reason in (
            (httpx.ConnectTimeout, f"took no connection within {CONNECT_SECONDS:g} seconds"),
            (httpx.ConnectError, "could not be reached (no such host, nobody listens, or TLS)"),
            (ImportError, "needs a SOCKS proxy, and: pip install 'httpx[socks]'"),
            (httpx.ProxyError, "could not be reached through the proxy"),
            (httpx.TimeoutException, f"did not answer within {self.total:g} seconds"),
        ):
            if isinstance(error, kind):
                return reason
        return f"gave no complete answer ({type(error).__name__})"

    def _send(self) -> Answer:
        from arcrun_auth import scrub

        scrub.watch(self)  # a query with a token in it stands in the library's log
        httpx = self.httpx
        timeout = httpx.Timeout(self.total, connect=min(CONNECT_SECONDS, self.total))
        headers: dict[str, Any] = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": USER_AGENT,
            "connection": "close",
            **{name.lower(): value.encode() for name, value in self.call.headers.items()},
        }
        tls = self._context()
        led = network.options(tls)
        with (
            httpx.Client(verify=tls, timeout=timeout, follow_redirects=False, **led) as client,
            client.stream(
                self.call.method,
                self.url,
                content=self.call.content,
                headers=headers,
                extensions={"trace": self._trace},
            ) as response,
        ):
            body = self._read(response)
            return Answer(response.status_code, dict(response.headers), body)

    def _context(self) -> ssl.SSLContext:
        if self.call.certificate is None:
            return ssl_context()
        from arcrun_auth.mtls import present

        # Never the shared one: it would show the certificate to whoever asks.
        context = own_context()
        present(context, *self.call.certificate)
        return context

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's documented `trace` extension: what happens on the connection, in order."""
        if event == "connection.connect_tcp.complete":
            with self._lock:
                self._stream = info["return_value"]
        if event.endswith("receive_response_headers.complete"):
            from arcrun_auth.scrub import unusual

            # They are logged next, and some services answer a token in a header.
            self.secrets = (*self.secrets, *unusual(info["return_value"]))
        error = self.watch(event, info)
        if error is not None:
            info["return_value"].close()
            raise error
        # A proxy's CONNECT carries nothing of the request itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._about_to_send()

    def _about_to_send(self) -> None:
        with self._lock:
            if self._abandoned:
                raise self.failure("was given up before anything was sent")
            self.sent = True

    def _read(self, response: Any) -> bytes:
        """The decoded body. Both sides of the decompression are capped (RFC 9110 §8.4)."""
        decode = _decoder(response.headers.get("content-encoding", ""))
        if decode is None:
            raise self.failure("answered in an encoding nobody asked for")
        raw, body = 0, bytearray()
        for chunk in response.iter_raw():
            raw += len(chunk)
            body += decode(chunk, MAX_ANSWER + 1 - len(body))
            if max(raw, len(body)) > MAX_ANSWER:
                raise self.failure("answered with more than 1 MB", status=response.status_code)
        return bytes(body)


def _decoder(encoding: str) -> Callable[[bytes, int], bytes] | None:
    """Decoding with a limit on what comes out: a bomb is never unpacked."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return lambda chunk, limit: chunk[:limit]
    if name in {"gzip", "x-gzip", "deflate"}:
        import zlib

        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    return None
