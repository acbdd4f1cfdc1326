"""A listener on this machine alone, for one browser: it waits for one request and no other.

One thread, one selector, and a reader of requests that knows a few headers. A standard-library
HTTP server would have to be taught to refuse: it takes any method, any `Host`, lines without
an end, and gives every slow client a thread.

Anybody on this machine can connect, and so can any web page the user has open. What is asked
under a foreign name or from a foreign page is refused here; what makes a request the right
one is the business of whoever waits.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from arcrun_auth import ports, threads
from arcrun_auth.landing import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
PAGE_BUFFER = 128 * 1024
"""How much may a page have that is sent while others are heard?"""
TICK = 0.1
"""How often do we look whether the wait has ended elsewhere? Windows delivers Ctrl-C only
between two waits."""

_NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""By which errors does a system say that it has no room for a connection?"""

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")
_ONCE = ("host", "content-length", "transfer-encoding", "origin")  # RFC 9112 §3.2, §6.3
_LENGTH = re.compile(r"[0-9]{1,9}")

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
}

_NO = b"This is not the answer that the login waits for.\n"


class Request(NamedTuple):
    """A complete request under our own name, and not from a foreign page."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""

    def __repr__(self) -> str:  # a code stands in the query, a key in the body
        return f"Request({self.method!r}, {len(self.query)} + {len(self.body)} bytes)"


class Reply(NamedTuple):
    """What a client is told: a refusal if no page is given."""

    status: int
    page: bytes | None = None
    policy: str = POLICY
    """The Content-Security-Policy of the page."""
    referrer: str = "no-referrer"  # the address may hold a code
    allow: str = "GET"
    """Which methods there are, where another was used."""


class _Client:
    """A connection, what it has said so far, and until when it may go on."""

    __slots__ = ("asked", "deadline", "heard", "length", "refused", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = b""
        """The head, until it is complete; then the body."""
        self.asked: Request | None = None
        self.length = 0
        self.refused = False
        self.deadline = time.monotonic() + CONNECTION_SECONDS


class Listener:
    """A listener on 127.0.0.1, and on ::1 at the same port where there is one.

    The first free of the `wanted` ports is taken, or any if none is wanted; LoginFailed where
    none is free. `names` are hosts that it is asked under beside its addresses. With
    `max_body` a POST may have a body, of so many bytes. Use it in a `with` statement: it is
    closed on every way out.
    """

    def __init__(
        self,
        wanted: tuple[int, ...] = (),
        *,
        names: Iterable[str] = (),
        max_body: int = 0,
        service: str | None = None,
    ) -> None:
        self._listeners = ports.bind(wanted or ports.ANY, service)
        self.port: int = self._listeners[0].getsockname()[1]
        # DNS rebinding: a page under a name of its own that resolves to 127.0.0.1 is refused.
        self._hosts = frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "[::1]", *names))
        self._max_body = max_body
        self._clients: dict[socket.socket, _Client] = {}
        self._winner: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ)

    def first(
        self,
        judge: Callable[[Request], Reply | None],
        *,
        until: float,
        ended: Callable[[], bool],
    ) -> Request | None:
        """The first request that `judge` has no reply to; all others get theirs.

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
                    request = self._hear(self._clients[sock], judge)
                    if request is not None:
                        return request
        return None

    def answer(self, page: bytes) -> None:
        """Show the browser that won how it ended, and wait for nothing. Whoever has left
        misses it."""
        sock = self._winner
        if sock is None:
            return
        with suppress(OSError):
            sock.settimeout(ANSWER_SECONDS)
            sock.sendall(_response(Reply(200, page)))
            sock.shutdown(socket.SHUT_WR)
        self._winner = None
        threads.start(lambda: _linger(sock), "arcrun-page")

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
        try:
            sock, _ = listener.accept()
        except OSError as error:  # it has gone again, or the process is out of descriptors
            if error.errno in _NONE_LEFT:
                time.sleep(TICK)  # it goes on knocking, and nobody can be let in before one is free
            return
        with suppress(OSError):
            sock.setblocking(False)  # whatever socket.setdefaulttimeout says
            self._clients[sock] = _Client(sock)
            self._selector.register(sock, selectors.EVENT_READ)

    def _hear(self, client: _Client, judge: Callable[[Request], Reply | None]) -> Request | None:
        """Read on; the request, if it is complete and the one we wait for."""
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
        client.heard += data
        refusal = self._read_head(client) if client.asked is None else None
        if refusal is None and client.asked is not None and len(client.heard) >= client.length:
            request = client.asked._replace(body=client.heard[: client.length])
            refusal = judge(request)
            if refusal is None:
                self._selector.unregister(client.sock)
                self._winner = self._clients.pop(client.sock).sock
                return request
        if refusal is not None:
            self._reply(client, refusal)
        return None

    def _read_head(self, client: _Client) -> Reply | None:
        """Take the head off what was heard, if it is complete; why it is refused, if it is."""
        head, blank_line, rest = client.heard.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            return Reply(431)
        if not blank_line:
            return None
        request = self._parsed(head)
        if isinstance(request, Reply):
            return request
        length = self._length_of(request)
        if isinstance(length, Reply):
            return length
        client.asked, client.length, client.heard = request, length, rest
        return None

    def _parsed(self, head: bytes) -> Request | Reply:
        line, *fields = head.split(b"\r\n")
        request = _REQUEST.fullmatch(line)
        headers = _headers(fields)
        if request is None or headers is None:
            return Reply(400)
        if headers.get("host", "").lower() not in self._hosts:
            return Reply(421)
        origin = headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self._hosts:
            return Reply(403)
        path, _, query = request[2].decode("ascii").partition("?")
        return Request(request[1].decode("ascii"), path, query, headers)

    def _length_of(self, request: Request) -> int | Reply:
        """How long the body is that will be read; only a POST has one, where one is wanted."""
        if request.method != "POST" or not self._max_body:
            return 0
        length = request.headers.get("content-length", "")
        if "transfer-encoding" in request.headers or not _LENGTH.fullmatch(length):
            return Reply(411)
        return int(length) if int(length) <= self._max_body else Reply(413)

    def _reply(self, client: _Client, reply: Reply) -> None:
        """Say it, and read until the client has understood or its time is over."""
        client.refused = True
        client.heard = b""
        with suppress(OSError):
            # Sent in one piece: a page is smaller than this by far.
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAGE_BUFFER)
            client.sock.send(_response(reply))
            client.sock.shutdown(socket.SHUT_WR)

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        for client in [c for c in self._clients.values() if c.deadline < now]:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.sock]
        self._selector.unregister(client.sock)
        client.sock.close()


def _linger(sock: socket.socket) -> None:
    """Hang up after the browser: closing on unread bytes would reset the connection, and the
    page with it. It may stay as long as it likes, so whoever logs in does not wait for it."""
    with sock, suppress(OSError):
        sock.settimeout(LINGER_SECONDS)
        sock.recv(MAX_HEAD)


def _headers(fields: Iterable[bytes]) -> dict[str, str] | None:
    """By lower-case name; None where one is malformed or folded, or twice there and matters."""
    headers: dict[str, str] = {}
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        name = match[1].decode("ascii").lower()
        if name in _ONCE and name in headers:
            return None
        headers[name] = match[2].decode("latin-1")
    return headers


def _response(reply: Reply) -> bytes:
    refused = reply.page is None
    body = _NO if reply.page is None else reply.page
    head = (
        f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}",
        f"Content-Type: text/{'plain' if refused else 'html'}; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        f"Referrer-Policy: {reply.referrer}",
        "X-Content-Type-Options: nosniff",
        f"Content-Security-Policy: {reply.policy}",
        *((f"Allow: {reply.allow}",) if reply.status == 405 else ()),  # noqa: PLR2004
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + body
