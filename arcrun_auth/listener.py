"""A listener on this machine alone, for one browser: it waits for one request and no other, or
answers many for as long as a page is open.

One thread, one selector, and a reader of requests that knows a few headers. A standard-library
HTTP server would have to be taught to refuse: it takes any method, any `Host`, lines without
an end, and gives every slow client a thread.

Anybody on this machine can connect, and so can any web page the user has open. What is asked
under a foreign name or from a foreign page is refused here; what makes a request the right
one is the business of whoever waits.
"""

from __future__ import annotations

import errno
import queue
import selectors
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from arcrun_auth import callers, http1, ports, threads
from arcrun_auth.http1 import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Listener", "Reply", "Request"]

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
"""How often do we look whether the wait has ended elsewhere? Windows delivers Ctrl-C only
between two waits."""

_NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""By which errors does a system say that it has no room for a connection?"""


class _Client:
    """A connection, what it has said so far, and until when it may go on."""

    __slots__ = ("asked", "deadline", "done", "heard", "length", "sock", "unsent", "waits")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = b""
        """The head, until it is complete; then the body."""
        self.asked: Request | None = None
        self.length = 0
        self.done = False
        """Whether it has said what it had to say: nothing more of it is heard."""
        self.waits = False
        """Whether its answer is still being made."""
        self.unsent = memoryview(b"")
        self.deadline = time.monotonic() + CONNECTION_SECONDS


class Listener:
    """A listener on 127.0.0.1, and on ::1 at the same port where there is one.

    The first free of the `wanted` ports is taken, or any if none is wanted; LoginFailed where
    none is free. `names` are hosts that it is asked under beside its addresses. With
    `max_body` a POST may have a body, of so many bytes; with `own` programs of other users are
    not heard, where the system tells whose they are. Use it in a `with` statement: it is
    closed on every way out.
    """

    def __init__(
        self,
        wanted: tuple[int, ...] = (),
        *,
        names: Iterable[str] = (),
        max_body: int = 0,
        service: str | None = None,
        own: bool = False,
    ) -> None:
        self._listeners = ports.bind(wanted or ports.ANY, service)
        self.port: int = self._listeners[0].getsockname()[1]
        # DNS rebinding: a page under a name of its own that resolves to 127.0.0.1 is refused.
        self._hosts = frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "[::1]", *names))
        self._max_body = max_body
        self.own = own
        """Whether programs of another user of this machine are hung up on."""
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
            for client, request in self._turn():
                reply = judge(request)
                if reply is None:
                    self._selector.unregister(client.sock)
                    self._winner = self._clients.pop(client.sock).sock
                    return request
                self._reply(client, reply)
        return None

    def serve(
        self,
        answer: Callable[[Request, Callable[[Reply], None]], None],
        *,
        ended: Callable[[], bool],
    ) -> None:
        """Answers every request, until `ended()`; what was asked by then still has its answer, if
        that comes soon.

        `answer(request, respond)` is called in this thread. It calls `respond(reply)` once, now
        or later, from whatever thread: nobody else waits for it.
        """
        replies: queue.SimpleQueue[tuple[_Client, Reply]] = queue.SimpleQueue()

        def respond_to(client: _Client) -> Callable[[Reply], None]:
            return lambda reply: replies.put((client, reply))

        while not ended():
            for client, request in self._turn():
                client.waits, client.deadline = True, float("inf")
                answer(request, respond_to(client))
            self._pass_on(replies)
        until = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < until:
            self._pass_on(replies)
            if not any(client.waits or client.unsent for client in self._clients.values()):
                break
            for client, _ in self._turn():
                self._reply(client, Reply(503))

    def _pass_on(self, replies: queue.SimpleQueue[tuple[_Client, Reply]]) -> None:
        while not replies.empty():
            client, reply = replies.get()
            if client.sock in self._clients:  # else it has left meanwhile
                self._reply(client, reply)

    def _turn(self) -> Iterator[tuple[_Client, Request]]:
        """The complete requests that this moment brings; what is half sent goes on."""
        self._drop_overdue()
        for key, events in self._selector.select(TICK):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock in self._listeners:
                self._welcome(sock)
            elif sock in self._clients:
                client = self._clients[sock]
                if events & selectors.EVENT_WRITE:
                    self._send(client)
                if events & selectors.EVENT_READ and sock in self._clients:
                    request = self._hear(client)
                    if request is not None:
                        yield client, request

    def answer(self, page: bytes) -> None:
        """Show the browser that won how it ended, and wait for nothing. Whoever has left
        misses it."""
        sock = self._winner
        if sock is None:
            return
        with suppress(OSError):
            sock.settimeout(ANSWER_SECONDS)
            sock.sendall(http1.response(Reply(200, page)))
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
            silent = (client for client in self._clients.values() if not client.waits)
            self._drop(next(silent, next(iter(self._clients.values()))))
        try:
            sock, _ = listener.accept()
        except OSError as error:  # it has gone again, or the process is out of descriptors
            if error.errno in _NONE_LEFT:
                time.sleep(TICK)  # it goes on knocking, and nobody can be let in before one is free
            return
        if self.own and callers.is_stranger(sock):
            sock.close()
            return
        with suppress(OSError):
            sock.setblocking(False)  # whatever socket.setdefaulttimeout says
            self._clients[sock] = _Client(sock)
            self._selector.register(sock, selectors.EVENT_READ)

    def _hear(self, client: _Client) -> Request | None:
        """Read on; the request, if it is complete now."""
        try:
            data = client.sock.recv(MAX_HEAD)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return None
        if client.done:
            return None
        client.heard += data
        refusal = self._read_head(client) if client.asked is None else None
        if refusal is not None:
            self._reply(client, refusal)
        elif client.asked is not None and len(client.heard) >= client.length:
            client.done = True
            request = client.asked._replace(body=client.heard[: client.length])
            client.heard = b""
            return request
        return None

    def _read_head(self, client: _Client) -> Reply | None:
        """Take the head off what was heard, if it is complete; why it is refused, if it is."""
        head, blank_line, rest = client.heard.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            return Reply(431)
        if not blank_line:
            return None
        request = http1.parsed(head, self._hosts)
        if isinstance(request, Reply):
            return request
        length = http1.body_length(request, self._max_body)
        if isinstance(length, Reply):
            return length
        client.asked, client.length, client.heard = request, length, rest
        return None

    def _reply(self, client: _Client, reply: Reply) -> None:
        """Say it, and read until the client has understood or its time is over."""
        client.done, client.waits, client.heard = True, False, b""
        client.unsent = memoryview(http1.response(reply))
        client.deadline = time.monotonic() + ANSWER_SECONDS
        self._send(client)

    def _send(self, client: _Client) -> None:
        """As much as the client takes now: what is left goes when it takes more."""
        try:
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if not client.unsent:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_WR)
        more = selectors.EVENT_WRITE if client.unsent else 0
        self._selector.modify(client.sock, selectors.EVENT_READ | more)

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
