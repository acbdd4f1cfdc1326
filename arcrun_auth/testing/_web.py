"""The embedded provider's HTTP side: routes, faults, and a server for many at once."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qsl, urlsplit

from arcrun_auth.testing import _pages
from arcrun_auth.testing._authority import UNAUTHORIZED, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.testing.provider import Provider

MAX_BODY = 64 * 1024
PAGE_SIZE = 3
ITEMS = 8

CREDENTIAL_HEADERS = ("authorization", "x-api-key", "cookie")


class _Drop(Exception):
    """Close the connection without an answer."""


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
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:  # wakes the threads that wait for a next request
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection. What it may answer is written in `ROUTES`."""

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

    def _serve(self, method: str) -> None:
        provider = self.server.provider
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        provider.count(url.path)
        route = self.ROUTES.get((method, url.path))
        try:
            self.form = self._form()
            if self.headers.get("host", "") not in provider.authorities:  # DNS rebinding
                self._page(421, "Not here", "This name does not belong to the demo provider.")
            elif route is None:
                self._json(404, {"error": "not_found", "path": url.path})
            else:
                route(self)
        except Refusal as refusal:
            self._refuse(refusal)
        except (_Drop, ConnectionError, TimeoutError):
            self.close_connection = True

    def _form(self) -> dict[str, str]:
        length = self.headers.get("content-length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise _Drop
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        if self.headers.get("content-type", "").startswith("application/json"):
            with suppress(ValueError):
                data = json.loads(body)
                return {k: str(v) for k, v in data.items()} if isinstance(data, dict) else {}
            return {}
        return dict(parse_qsl(body, keep_blank_values=True))

    # What a browser sees.

    def _authorize(self) -> None:
        provider = self.server.provider
        provider.authorizations.append(dict(self.query))
        ticket, request = provider.authority.begin(self.query)
        page = _pages.consent(app=request.app.id, scope=request.scope, ticket=ticket)
        self._send(200, page, "text/html; charset=utf-8")

    def _consent(self) -> None:
        location = self.server.provider.authority.decide(
            self.form.get("ticket", ""),
            user=self.form.get("user", "")[:60] or "ada",
            allow=self.form.get("decision") == "allow",
        )
        self._send(303, b"", "text/plain", {"Location": location})

    def _refuse(self, refusal: Refusal) -> None:
        if refusal.location is not None:
            self._send(303, b"", "text/plain", {"Location": refusal.location})
        elif self.path.startswith(("/authorize", "/consent")):
            self._page(refusal.status, refusal.error, refusal.description)
        else:
            headers = {"WWW-Authenticate": "Basic"} if refusal.status == UNAUTHORIZED else {}
            answer = {"error": refusal.error, "error_description": refusal.description}
            self._json(refusal.status, answer, headers)

    # What a client sees.

    def _metadata(self) -> None:
        self._json(200, self.server.provider.metadata)

    def _token(self) -> None:
        provider = self.server.provider
        fault = provider.count_token(self.form.get("grant_type", ""))
        if provider.latency:
            self.server.closing.wait(provider.latency)
        if fault == "hang":
            self.server.closing.wait()
        if fault in ("drop", "hang"):
            raise _Drop
        if fault == "garbage":
            self._page(200, "Welcome", "A captive portal, or a proxy in a bad mood.")
        elif isinstance(fault, int):
            self._json(fault, {}, {"Retry-After": "1"} if fault == 429 else {})  # noqa: PLR2004
        else:
            authorization = self.headers.get("authorization", "")
            answer = provider.authority.token(self.form, authorization)
            if fault == "lost":
                raise _Drop
            self._json(200, answer)

    def _revoke(self) -> None:
        authorization = self.headers.get("authorization", "")
        self.server.provider.authority.revoke(self.form, authorization)
        self._json(200, {})

    # The API.

    def _user(self) -> str:
        authorization = self.headers.get("authorization", "")
        family = self.server.provider.authority.holder(authorization)
        if family is None:
            raise Refusal("invalid_token", "Expired, revoked or never given.", status=UNAUTHORIZED)
        return family.user

    def _me(self) -> None:
        user = self._user()
        self._json(200, {"sub": user, "name": user.title(), "email": f"{user}@example.com"})

    def _items(self) -> None:
        self._user()
        page = int(self.query.get("page") or 1) if self.query.get("page", "1").isdecimal() else 1
        start = (page - 1) * PAGE_SIZE
        items = [{"id": n, "name": f"Item {n}"} for n in range(1, ITEMS + 1)]
        more = f"{self.server.provider.issuer}/api/items?page={page + 1}"
        self._json(
            200,
            {
                "items": items[start : start + PAGE_SIZE],
                "next": more if start + PAGE_SIZE < ITEMS else None,
            },
        )

    def _echo(self) -> None:
        """What arrived; of credentials only a digest, so that no answer shows one."""
        seen = {
            name: _digest(value) if name in CREDENTIAL_HEADERS else value
            for name, value in ((name.lower(), value) for name, value in self.headers.items())
        }
        query = {name: _digest(value) for name, value in self.query.items()}
        self._json(200, {"method": self.command, "headers": seen, "query": query})

    def _static(self) -> None:
        key = self.server.provider.static_key
        given = (self.headers.get("authorization"), self.headers.get("x-api-key"))
        if given[0] != f"Bearer {key}" and given[1] != key:
            raise Refusal("invalid_key", "This is not the demo key.", status=UNAUTHORIZED)
        self._json(200, {"ok": True, "name": "Demo workspace"})

    def _home(self) -> None:
        self._page(200, "Demo provider", "It runs on this machine and keeps nothing.")

    ROUTES: ClassVar[Mapping[tuple[str, str], Callable[[Handler], None]]] = {
        ("GET", "/"): _home,
        ("GET", "/authorize"): _authorize,
        ("POST", "/consent"): _consent,
        ("POST", "/token"): _token,
        ("POST", "/revoke"): _revoke,
        ("GET", "/.well-known/oauth-authorization-server"): _metadata,
        ("GET", "/userinfo"): _me,
        ("GET", "/api/me"): _me,
        ("GET", "/api/items"): _items,
        ("GET", "/api/echo"): _echo,
        ("POST", "/api/echo"): _echo,
        ("GET", "/api/static"): _static,
    }

    # Answers.

    def _page(self, status: int, title: str, text: str) -> None:
        self._send(status, _pages.message(title, text), "text/html; charset=utf-8")

    def _json(
        self, status: int, data: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> None:
        self._send(status, json.dumps(data).encode(), "application/json", headers)

    def _send(
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
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
