"""A line between a client and a server that is as bad as a test wants it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Self

from tests.servers import GUARD

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the other side sees a reset, as from a router that was switched off."""


class Relay:
    """Forwards connections to a port of 127.0.0.1. What is set holds from the next byte on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.piece = 1 << 16
        """How many bytes go at once?"""
        self.delay = 0.0
        """How many seconds does each piece wait?"""
        self.left: dict[str, int] = {}
        """After how many more bytes "up" (to the server) or "down" is everything cut off?"""
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for sock in (near, far):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [near, far]
                for way in (("up", near, far), ("down", far, near)):
                    thread = threading.Thread(target=self._pump, args=way, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(self.piece):
                if self.delay:
                    time.sleep(self.delay)
                allowed = self._allowed(way, len(data))
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    self._cut()
                    return
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _allowed(self, way: str, wanted: int) -> int:
        with self._lock:
            if way not in self.left:
                return wanted
            allowed = min(self.left[way], wanted)
            self.left[way] -= allowed
            return allowed

    def _cut(self) -> None:
        """Ends all connections. The next ones are let through."""
        with self._lock:
            self.left.clear()
            self.cuts += 1
            gone, self._open = self._open, []
        for sock in gone:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        for thread in self._threads:
            thread.join(GUARD)
