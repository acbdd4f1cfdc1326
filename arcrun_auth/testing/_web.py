"""The embedded provider's HTTP side: a server for many at once, reading and sending."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from arcrun_auth.testing import _api, _oauth, _pages
from arcrun_auth.testing._records import UNAUTHORIZED, Drop, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing.provider import Provider

MAX_BODY = 64 * 1024


class Server(ThreadingHTTPServer):
    """Threads, a long queue, and a close that leaves no socket open."""

    request_queue_size = 512
    daemon_threads = True
    block_on_close = False

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: object, client_address: object) -> None:
        with self._open_lock:
            self._open.add(request)  # type: ignore[arg-type]
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.closing.set()
        with suppress(OSError):  # wakes it, where the system does that: it ends at once
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:  # wakes the threads that wait for a next request
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection. What it may answer is written in the `ROUTES` of `_oauth` and `_api`."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "arcrun-demo"
    sys_version = ""
    timeout = 30
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for an answer, not one for each line of it

    def log_message(self, *_: object) -> None:  # requests carry codes: they are never printed
        pass

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    @property
    def provider(self) -> Provider:
        return self.server.provider

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    def _serve(self, method: str) -> None:
        url = urlsplit(self.path)
        self.url_path, self.argument = url.path, ""
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.provider.count(url.path)
        try:
            self.sent = self._body()
            self.form = {name: str(value) for name, value in self.sent.items()}
            if self.host not in self.provider.authorities:  # DNS rebinding
                self.page(421, "Not here", "This name does not belong to the demo provider.")
            else:
                self._route(method)
        except Refusal as refusal:
            self._refuse(refusal)
        except (Drop, ConnectionError, TimeoutError):
            self.close_connection = True

    def _route(self, method: str) -> None:
        path = _api.without_tenant(self)
        found = _oauth.ROUTES.get((method, path)) or _api.ROUTES.get((method, path))
        if found is None:
            first, _, self.argument = path.removeprefix("/").partition("/")
            found = _oauth.BELOW.get((method, first)) if self.argument else None
        if found is None:
            self.json(404, {"error": "not_found", "path": path})
        else:
            found(self)

    def _body(self) -> dict[str, object]:
        length = self.headers.get("content-length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise Drop
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        self.kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.kind == "application/json":
            with suppress(ValueError):
                data = json.loads(body)
                return data if isinstance(data, dict) else {}
            return {}
        return dict(parse_qsl(body, keep_blank_values=True))

    # Answers.

    def _refuse(self, refusal: Refusal) -> None:
        if refusal.location is not None:
            self.send(303, b"", "text/plain", {"Location": refusal.location})
        elif self.url_path in ("/authorize", "/consent", "/activate"):
            self.page(refusal.status, refusal.error, refusal.description)
        elif self.url_path in _oauth.TOKEN_PATHS:
            _oauth.refuse(self, refusal)
        else:
            headers = {"WWW-Authenticate": "Basic"} if refusal.status == UNAUTHORIZED else {}
            answer = {"error": refusal.error, "error_description": refusal.description}
            self.json(refusal.status, answer, headers)

    def page(self, status: int, title: str, text: str) -> None:
        self.html(_pages.message(title, text), status)

    def html(self, page: bytes, status: int = 200) -> None:
        self.send(status, page, "text/html; charset=utf-8")

    def json(self, status: int, data: object, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(data).encode(), "application/json", headers)

    def send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": _pages.POLICY,
            **(headers or {}),
        }.items():
            if (status, name) != (204, "Content-Length"):  # RFC 9110 §8.6
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
