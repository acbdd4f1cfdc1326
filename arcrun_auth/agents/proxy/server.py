"""Accepts connections, gives each a thread, and watches for clients that hang up.

The thread that calls `serve` only waits: for somebody who connects, for a client that leaves while
its answer is still on the way (so that the request upstream ends, too), and for the end.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from arcrun_auth import threads
from arcrun_auth.agents.proxy.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arcrun_auth.agents.proxy.wire import Handler

MAX_CONNECTIONS = 128
"""How many clients are heard at once? One more, and whoever has waited longest has to go."""
TICK = 0.2
"""How often is it looked whether the end has come? Windows delivers Ctrl-C between two waits."""
PATIENCE = 2.0
"""How long do answers have to end when the server does?"""

# By which errors does a system say that it has no room for a connection?
_NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Server:
    """Serves the listening sockets that it is given, and closes them."""

    def __init__(self, listeners: Sequence[socket.socket]) -> None:
        self._listeners = tuple(listeners)
        self._wires: set[Wire] = set()
        self._watched: dict[socket.socket, Callable[[], None]] = {}
        self._changes: list[socket.socket] = []
        self._stopped = False
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def serve(self, handler: Handler, ended: Callable[[], bool]) -> None:
        """Has `handler` answer until `ended()`, or `stop`. Whoever is just being answered then has
        a moment to hear the rest."""
        with selectors.DefaultSelector() as selector:
            for sock in (*self._listeners, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            try:
                while not (self._stopped or ended()):
                    self._wait(selector, handler)
            finally:
                self._close()

    def stop(self) -> None:
        """Ends `serve`, from wherever."""
        self._stopped = True
        self._nudge()

    @contextmanager
    def watching(self, sock: socket.socket, gone: Callable[[], None]) -> Iterator[None]:
        """Calls `gone`, in the thread of `serve`, once the client at `sock` hangs up."""
        self._watched[sock] = gone
        self._changes.append(sock)
        self._nudge()
        try:
            yield
        finally:
            self._watched.pop(sock, None)
            self._changes.append(sock)
            self._nudge()

    def _nudge(self) -> None:
        with suppress(OSError):  # full: it is awake; closed: it is over
            self._wake.send(b"\0")

    def _wait(self, selector: selectors.BaseSelector, handler: Handler) -> None:
        for key, _ in selector.select(TICK):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is self._woken:
                with suppress(OSError):
                    sock.recv(4096)
            elif sock in self._listeners:
                self._welcome(sock, handler)
            else:
                self._look(sock, selector)
        while self._changes:
            self._follow(self._changes.pop(0), selector)

    def _follow(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        """Watches it, or no longer: only this thread touches the selector."""
        with suppress(KeyError, ValueError, OSError):  # closed meanwhile
            selector.unregister(sock)
        if sock in self._watched:
            with suppress(KeyError, ValueError, OSError):
                selector.register(sock, selectors.EVENT_READ)

    def _look(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        """Has it hung up, or is it only early with its next request?"""
        with suppress(KeyError, ValueError):
            selector.unregister(sock)
        try:
            left = not sock.recv(1, socket.MSG_PEEK)
        except OSError:
            left = True
        gone = self._watched.get(sock)
        if left and gone is not None:
            gone()

    def _welcome(self, listener: socket.socket, handler: Handler) -> None:
        if len(self._wires) >= MAX_CONNECTIONS:
            self._make_room()
        try:
            sock, _ = listener.accept()
        except OSError as error:  # it has gone again, or the process is out of descriptors
            if error.errno in _NONE_LEFT:
                self._make_room()
                time.sleep(TICK)  # it goes on knocking, and nobody can be let in before one is free
            return
        if len(self._wires) >= MAX_CONNECTIONS:  # all are being answered
            sock.close()
            return
        sock.setblocking(True)
        wire = Wire(sock)
        self._wires.add(wire)
        threads.start(lambda: self._run(wire, handler), "arcrun-proxy")

    def _run(self, wire: Wire, handler: Handler) -> None:
        try:
            wire.run(handler)
        finally:
            self._wires.discard(wire)

    def _make_room(self) -> None:
        """Lets go of whoever has waited longest without a request."""
        waiting = [wire for wire in tuple(self._wires) if not wire.busy]
        if waiting:
            oldest = min(waiting, key=lambda wire: wire.since)
            self._wires.discard(oldest)
            _hang_up(oldest.sock)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        until = time.monotonic() + PATIENCE
        while any(wire.busy for wire in tuple(self._wires)) and time.monotonic() < until:
            time.sleep(0.01)
        for wire in tuple(self._wires):
            _hang_up(wire.sock)
        until = time.monotonic() + PATIENCE
        while self._wires and time.monotonic() < until:
            time.sleep(0.01)
        self._wake.close()
        self._woken.close()


def _hang_up(sock: socket.socket) -> None:
    """Its thread wakes up, and closes it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
