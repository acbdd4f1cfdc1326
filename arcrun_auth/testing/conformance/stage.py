"""Every host of a recipe, on this machine: one server, and the way that connections find it.

A recipe is run as it is, `https://` addresses and all. Names are not looked up and TLS is left
out: what a client would have sent to `https://api.example.com` comes to a port of 127.0.0.1,
and the server knows by the connection which host was dialled.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import httpcore
import httpx

from arcrun_auth import _http, network
from arcrun_auth.testing.conformance import certificates
from arcrun_auth.testing.conformance.rendered import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PUBLIC = ("198.41.0.4", 443)
"""At which address do hosts seem to stand? A root server of DNS: a public one, never dialled."""
TLS = b"\x16"
"""With what does a TLS handshake begin (RFC 8446 §5.1)?"""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Arrived:
    """One request as it arrived. `origin` is what was dialled, header names are lower-case."""

    origin: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    shown: bytes | None = None
    """The certificate that TLS showed, in DER; None where it showed none."""

    @property
    def path(self) -> str:
        """Decoded: how a client spells it is its own matter."""
        return unquote(urlsplit(self.target).path)

    @property
    def url(self) -> str:
        return self.origin + self.path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def fields(self) -> dict[str, str]:
        """The texts of the body: of a form, or of a JSON object with dots for its depth."""
        if self.kind == FORM:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        with suppress(ValueError):
            return dict(_flat(json.loads(self.body or b"{}")))
        return {}

    @property
    def places(self) -> Places:
        """All of it by the places of `inject`."""
        crumbs = self.headers.get("cookie", "").split("; ")
        cookies = dict(crumb.partition("=")[::2] for crumb in crumbs if crumb)
        return Places(
            header=self.headers,
            query=self.query,
            body=self.fields,
            cookie={name: unquote(value) for name, value in cookies.items()},
        )


def _flat(data: Any, above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, str(value)


@dataclass(frozen=True)
class Reply:
    """An answer; `data` is JSON, or a text as it is."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        if isinstance(self.data, str):
            return self.data.encode()
        return b"" if self.data is None else json.dumps(self.data).encode()


class Stage:
    """The server, while it stands. `answer` says what each request gets; `dialled` is where
    connections went, in order."""

    def __init__(self) -> None:
        self.answer: Callable[[Arrived], Reply] = lambda _: Reply(404)
        self.dialled: list[str] = []
        self._origins: dict[Any, str] = {}
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="conformance", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def leads(self) -> Iterator[None]:
        """Whatever this context connects to is this server."""
        before = network.transport.set(lambda tls: _Transport(self, tls))
        try:
            yield
        finally:
            network.transport.reset(before)

    def connect(self, host: str, port: int, timeout: float | None) -> httpcore.NetworkStream:
        """A connection, as to `host`."""
        stream = httpcore.SyncBackend().connect_tcp(
            "127.0.0.1", self._server.server_port, timeout=timeout
        )
        origin = f"http://{host}" + ("" if port == 80 else f":{port}")  # noqa: PLR2004
        return _Stream(self, stream, origin)

    def dials(self, stream: httpcore.NetworkStream, origin: str) -> None:
        """`stream` is one to `origin`, from now on."""
        self._origins[stream.get_extra_info("client_addr")] = origin
        self.dialled.append(origin)

    def origin(self, address: object) -> str:
        return self._origins.get(address, "")


class _Transport(httpx.HTTPTransport):
    """The library's own, over connections of the stage."""

    def __init__(self, stage: Stage, tls: ssl.SSLContext | bool) -> None:
        context = httpx.create_ssl_context(tls)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Backend(stage))


class _Backend(httpcore.NetworkBackend):
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        del local_address, socket_options
        return self._stage.connect(host, port, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection to the stage that seems to be one to somewhere else."""

    def __init__(self, stage: Stage, inner: httpcore.NetworkStream, origin: str) -> None:
        self._stage = stage
        self._inner = inner
        self._origin = origin
        stage.dials(inner, origin)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner
        if ssl_context is not _http.ssl_context():
            # A client's own: it shows a certificate, which only a handshake brings to light.
            ssl_context.load_verify_locations(cadata=certificates.trusted())
            inner = inner.start_tls(ssl_context, server_hostname, timeout)
        port = self._origin.removeprefix("http://").partition(":")[2]
        ending = "" if port in ("", "443") else f":{port}"
        return _Stream(self._stage, inner, f"https://{server_hostname}{ending}")

    def get_extra_info(self, info: str) -> Any:
        return PUBLIC if info == "server_addr" else self._inner.get_extra_info(info)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if request.recv(1, socket.MSG_PEEK) == TLS:
            with certificates.any_server().wrap_socket(request, server_side=True) as shown:
                _Handler(shown, client_address, self)
        else:
            _Handler(request, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is told by what did not arrive."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Requests carry secrets: they are never printed."""

    def _any(self) -> None:
        length = int(self.headers.get("content-length") or "0")
        stage = self.server.stage
        arrived = Arrived(
            stage.origin(self.client_address),
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
            self._shown(),
        )
        reply = stage.answer(arrived)
        self.send_response(reply.status)
        kind = "text/plain" if isinstance(reply.data, str) else "application/json"
        for name, value in {"content-type": kind, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        with suppress(OSError):
            self.wfile.flush()

    def _shown(self) -> bytes | None:
        is_tls = isinstance(self.connection, ssl.SSLSocket)
        return self.connection.getpeercert(binary_form=True) if is_tls else None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815
