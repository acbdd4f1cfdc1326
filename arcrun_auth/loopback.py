"""The address on this machine to which a provider sends the browser back (RFC 8252 §7.3).

One thread, one selector, and a reader of requests that knows a single one: GET, our path,
our host. A standard-library HTTP server would have to be taught to refuse: it takes any
method, any `Host`, lines without an end, and gives every slow client a thread.

Anybody on this machine can connect, and so can any web page the user has open. What makes
a request ours is the state it carries, 256 random bits. The path is the recipe's, exactly:
many providers compare it, so a random one would be refused and adds nothing to the state.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from arcrun_auth import oauth
from arcrun_auth.errors import LoginFailed
from arcrun_auth.landing import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arcrun_auth import recipe

MAX_HEAD = 16 * 1024
"""How long may a request be, headers included? Codes take a few kilobytes at most."""
MAX_CONNECTIONS = 64
"""How many clients do we hear at once? One more, and the oldest has to go: a browser says
all it has to say at once, and whoever sits and waits is none."""
CONNECTION_SECONDS = 5.0
"""How long may a client take to say it?"""
ANSWER_SECONDS = 5.0
"""How long may the browser take to take the page?"""
LINGER_SECONDS = 1.0
"""How long do we wait for it to hang up, so that nothing of the page is lost?"""
TICK = 0.1
"""How often do we look whether the login has ended elsewhere? Windows delivers Ctrl-C only
between two waits."""
RANDOM_PORTS = 20
"""How many random ports do we try until one is free on both loopback addresses?"""

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
}


class _Verdict(NamedTuple):
    status: int
    query: str = ""


class _Client:
    """A connection, what it has said so far, and until when it may go on."""

    __slots__ = ("deadline", "head", "refused", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""
        self.refused = False
        self.deadline = time.monotonic() + CONNECTION_SECONDS


class Loopback:
    """A listener on 127.0.0.1, and on ::1 at the same port where there is one.

    `port` overrides the recipe's ports. Raises LoginFailed where none is free. Use it in a
    `with` statement: it is closed on every way out.
    """

    def __init__(
        self, redirect: recipe.Redirect, *, port: int | None = None, service: str | None = None
    ) -> None:
        ports = redirect.ports if redirect.policy == "fixed_port" else ()
        if port is not None:
            ports = (port,)
        self._listeners = _bind(ports or (0,) * RANDOM_PORTS, service)
        self.port: int = self._listeners[0].getsockname()[1]
        self.redirect_uri = oauth.redirect_uri(redirect, self.port)
        self._path = redirect.path
        # DNS rebinding: a page under a name of its own that resolves to 127.0.0.1 is refused.
        names = {"127.0.0.1", "[::1]", redirect.host}
        self._hosts = frozenset(f"{name}:{self.port}" for name in names)
        self._clients: dict[socket.socket, _Client] = {}
        self._winner: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ)

    def wait(
        self, accept: Callable[[str], bool], *, until: float, ended: Callable[[], bool]
    ) -> str | None:
        """The query of the first request that `accept` takes; all others get an error.

        None once `ended()`, or after `until` (by `time.monotonic`). The browser that won is
        kept waiting for `answer`.
        """
        while time.monotonic() < until and not ended():
            self._drop_overdue()
            for key, _ in self._selector.select(TICK):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock in self._listeners:
                    self._welcome(sock)
                elif sock in self._clients:
                    query = self._hear(self._clients[sock], accept)
                    if query is not None:
                        return query
        return None

    def answer(self, page: bytes) -> None:
        """Show the browser that won how the login ended. Whoever has left misses it."""
        sock, self._winner = self._winner, None
        if sock is None:
            return
        with sock, suppress(OSError):
            sock.settimeout(ANSWER_SECONDS)
            sock.sendall(_response(200, page, "text/html; charset=utf-8"))
            # Closing on unread bytes would reset the connection, and the page with it.
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(LINGER_SECONDS)
            sock.recv(MAX_HEAD)

    def close(self) -> None:
        self._selector.close()
        winner = () if self._winner is None else (self._winner,)
        for sock in (*self._listeners, *self._clients, *winner):
            sock.close()
        self._clients.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _welcome(self, listener: socket.socket) -> None:
        if len(self._clients) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._clients.values())))
        with suppress(OSError):  # it has gone again, or the process is out of descriptors
            sock, _ = listener.accept()
            sock.setblocking(False)  # whatever socket.setdefaulttimeout says
            self._clients[sock] = _Client(sock)
            self._selector.register(sock, selectors.EVENT_READ)

    def _hear(self, client: _Client, accept: Callable[[str], bool]) -> str | None:
        """Read on; the query, if the request is complete and the one we wait for."""
        try:
            data = client.sock.recv(MAX_HEAD)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return None
        if client.refused:
            return None
        client.head += data
        head, blank_line, _ = client.head.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            self._refuse(client, 431)
        elif blank_line:
            verdict = self._judge(head)
            if verdict.status == 200 and accept(verdict.query):  # noqa: PLR2004
                self._selector.unregister(client.sock)
                self._winner = self._clients.pop(client.sock).sock
                return verdict.query
            self._refuse(client, 404 if verdict.status == 200 else verdict.status)  # noqa: PLR2004
        return None

    def _judge(self, head: bytes) -> _Verdict:
        """Whether a request is one for us, so far as can be told without its state."""
        line, *fields = head.split(b"\r\n")
        request = _REQUEST.fullmatch(line)
        headers = _headers(fields)
        if request is None or headers is None:
            return _Verdict(400)
        if headers.get("host", "").lower() not in self._hosts:
            return _Verdict(421)
        origin = headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self._hosts:
            return _Verdict(403)
        if request[1] != b"GET":
            return _Verdict(405)
        path, _, query = request[2].decode("ascii").partition("?")
        return _Verdict(200, query) if path == self._path else _Verdict(404)

    def _refuse(self, client: _Client, status: int) -> None:
        """Say no, and read until the client has understood or its time is over."""
        client.refused = True
        text = "This is not the answer that the login waits for.\n"
        with suppress(OSError):
            client.sock.send(_response(status, text.encode(), "text/plain; charset=utf-8"))
            client.sock.shutdown(socket.SHUT_WR)

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        for client in [c for c in self._clients.values() if c.deadline < now]:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.sock]
        self._selector.unregister(client.sock)
        client.sock.close()


def _headers(fields: Iterable[bytes]) -> dict[str, str] | None:
    """By lower-case name; None where one is malformed, folded, or `Host` stands there twice."""
    headers: dict[str, str] = {}
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        name = match[1].decode("ascii").lower()
        if name == "host" and name in headers:  # RFC 9112 §3.2
            return None
        headers[name] = match[2].decode("latin-1")
    return headers


def _response(status: int, body: bytes, kind: str) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",  # the address of this page holds the code
        "X-Content-Type-Options: nosniff",
        f"Content-Security-Policy: {POLICY}",
        *(("Allow: GET",) if status == 405 else ()),  # noqa: PLR2004
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + body


def _bind(ports: Iterable[int], service: str | None) -> tuple[socket.socket, ...]:
    tried: list[str] = []
    for port in ports:
        try:
            return _listen_on_both(port)
        except OSError:
            tried.append(str(port))
    named = " ".join(sorted(set(tried) - {"0"}))
    raise LoginFailed(
        f"The port that the provider sends the browser back to is taken: {named}. "
        "Close what listens there (another login?)."
        if named
        else "No port of this machine's loopback address is free.",
        service=service,
        hint=f"arcrun setup {service}" if service else "Log in again.",
    )


def _listen_on_both(port: int) -> tuple[socket.socket, ...]:
    """127.0.0.1 and ::1 on one port: browsers ask either when the name is localhost."""
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    try:
        return first, _listen(socket.AF_INET6, "::1", first.getsockname()[1])
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):  # a stranger would get the code
            first.close()
            raise
        return (first,)  # a machine without IPv6


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take a port over that is in use.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Here it does not; it only lets a second login follow within a minute (TIME_WAIT).
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(MAX_CONNECTIONS)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
