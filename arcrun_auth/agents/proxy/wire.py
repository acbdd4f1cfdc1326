"""One connection of a client: requests in, answers out, by h11 (RFC 9112).

Blocking, in a thread of its own. Every wait has an end: whoever says half a request, or takes half
an answer, is let go. A body is read when somebody asks for it, so that whoever may not send any
is told before it is in memory.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import h11

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_HEAD = 64 * 1024
"""How long may the head of a request be? Cookies and keys take a few kilobytes at most."""
MAX_HEADERS = 200
"""How many headers may it have?"""
IDLE_SECONDS = 75.0
"""How long may a connection wait for its next request? SDKs keep theirs for about a minute."""
HEAD_SECONDS = 10.0
"""How long may a client take to say the head of a request, once it has begun?"""
BODY_SECONDS = 60.0
"""How long may it take to send the body? It does not come from far."""
WRITE_SECONDS = 60.0
"""How long may it take to take a part of the answer?"""
LINGER_SECONDS = 1.0
"""How long do we wait for it to understand a refusal, so that nothing of that is lost?"""

_SIZE = 1 << 16

GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""What stands in every answer: where a browser shows one, it is a text without any power."""


class Gone(Exception):
    """The client has hung up, or takes too long: there is nobody to tell anything."""


class Unfit(Exception):
    """What was sent is no request that we read. `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.status = status


class Exchange:
    """One request, and its answer: either `reply`, or `start` and as many `write` as it takes."""

    def __init__(self, wire: Wire, request: h11.Request) -> None:
        self._wire = wire
        self.method = request.method.decode("ascii")
        self.target = request.target.decode("ascii")
        self.headers = tuple(
            (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers
        )
        """Names are lower-case."""
        self.started = False

    @property
    def sock(self) -> socket.socket:
        """The client's end, to see whether it is there still."""
        return self._wire.sock

    def values(self, name: str) -> list[str]:
        """What the request says under this name, lower-case."""
        return [value for key, value in self.headers if key == name]

    def body(self, limit: int) -> bytes:
        """All of the body. Unfit (413) where it is longer than `limit` bytes."""
        return self._wire.read_body(limit)

    def reply(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """A whole answer."""
        self.start(status, [*headers, ("Content-Length", str(len(body)))])
        if body and self.method != "HEAD":
            self.write(body)

    def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """The head of the answer. What follows is sent as it is written."""
        self.started = True
        self._wire.send_head(status, headers)

    def write(self, data: bytes) -> None:
        """The next part of its body, at once."""
        if data:
            self._wire.send(h11.Data(data=data))


class Handler(Protocol):
    """Who answers."""

    def handle(self, exchange: Exchange) -> None:
        """Answers a request. May raise Unfit for its body, and Gone to end the connection."""

    def refuse(self, exchange: Exchange, status: int) -> None:
        """Tells what is no request that we read."""


class Wire:
    """A connection that was accepted. `run` is all that its thread does."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.busy = False
        """Whether a request is being answered: what only waits may be let go."""
        self.since = time.monotonic()
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    def run(self, handler: Handler) -> None:
        """Answers requests until one side has enough."""
        with self.sock, suppress(Gone, OSError, h11.LocalProtocolError):
            if self.sock.family != getattr(socket, "AF_UNIX", None):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._one(handler):
                self.busy = False
                self.since = time.monotonic()

    def _one(self, handler: Handler) -> bool:
        """One request and its answer; whether there may be another."""
        try:
            request = self._head()
        except Unfit as unfit:
            handler.refuse(Exchange(self, _NONE), unfit.status)
            self._linger()
            return False
        self.busy = True
        exchange = Exchange(self, request)
        try:
            handler.handle(exchange)
        except Unfit as unfit:
            if exchange.started:
                return False
            handler.refuse(exchange, unfit.status)
        return self._end()

    def _head(self) -> h11.Request:
        until = time.monotonic() + IDLE_SECONDS
        while True:
            event = self._event()
            if isinstance(event, h11.Request):
                if len(event.headers) > MAX_HEADERS:
                    raise Unfit(431)
                if not event.http_version.startswith(b"1."):
                    raise Unfit(505)
                return event
            if event is not h11.NEED_DATA:  # it has closed its side
                raise Gone
            begun = bool(self._h11.trailing_data[0])
            if not self._receive(until):
                raise Unfit(408) if begun else Gone
            if not begun:  # now it is
                until = time.monotonic() + HEAD_SECONDS

    def read_body(self, limit: int) -> bytes:
        """See `Exchange.body`."""
        parts: list[bytes] = []
        size, until = 0, time.monotonic() + BODY_SECONDS
        while True:
            event = self._event()
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > limit:
                    raise Unfit(413)
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            elif event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    self.send(h11.InformationalResponse(status_code=100, headers=[]))
                if not self._receive(until):
                    raise Unfit(408)
            else:
                raise Gone

    def _event(self) -> Any:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise Unfit(error.error_status_hint) from None

    def _receive(self, until: float) -> bool:
        """Reads on. False where nothing came in time; Gone where nobody is there."""
        self.sock.settimeout(max(until - time.monotonic(), 0.001))
        try:
            data = self.sock.recv(_SIZE)
        except TimeoutError:
            return False
        except OSError:
            raise Gone from None
        self._h11.receive_data(data)
        return True

    def send_head(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """See `Exchange.start`. A request that was not read to its end is the last one."""
        found = [*headers, *GUARDS]
        if self._h11.their_state is h11.SEND_BODY:  # so it is where there is no body, too
            with suppress(h11.RemoteProtocolError):
                self._h11.next_event()
        if self._h11.their_state is not h11.DONE:
            found.append(("Connection", "close"))
        self.send(h11.Response(status_code=status, reason=_phrase(status), headers=found))

    def send(self, event: Any) -> None:
        """One event of the answer. Gone where it cannot be sent."""
        data = self._h11.send(event)
        if data:
            try:
                self.sock.settimeout(WRITE_SECONDS)
                self.sock.sendall(data)
            except OSError:
                raise Gone from None

    def _end(self) -> bool:
        """The end of the answer; whether another request may follow."""
        self.send(h11.EndOfMessage())
        if self._h11.our_state is h11.MUST_CLOSE or self._h11.their_state is not h11.DONE:
            self._linger()
            return False
        self._h11.start_next_cycle()
        return True

    def _linger(self) -> None:
        """Hang up after the client: to close on bytes that nobody read would reset the
        connection, and take the answer with it."""
        self.busy = False  # there is nothing more to wait for
        until = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.sock.recv(_SIZE):
                    break


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:  # a service may have one of its own
        return b""


_NONE = h11.Request(method="GET", target="/", headers=[("Host", "unknown")])
"""What is answered where no request could be read."""
