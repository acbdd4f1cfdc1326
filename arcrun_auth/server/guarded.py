"""uvicorn's HTTP protocol, with an end to each part of a request: in bytes, and in seconds.

It has neither itself: whoever sends a header without an end would fill the memory, without any
key, and whoever sends a byte a minute holds a connection for as long as they like. The same goes
for what stands beside a chunked body, its extensions and trailers (RFC 9112 §7.1), and for a
body that nobody waits for, since the answer is out already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD = 64 << 10
"""How many bytes may come before the head of a request is whole, or between parts of a body?"""
HEAD_SECONDS = 20.0
"""How long may that take, from the first byte of a request or from the connection on?"""
WHOLE_SECONDS = 60.0
"""And how long after it may the body end? Longer than the server waits for one that it reads."""


class Guarded(HttpToolsProtocol):
    """Closes a connection on which a request is too large or too slow."""

    _head = 0
    """How many bytes have come that are no body."""
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.access_log = False  # it would name the path; `logs` names the route

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._head > MAX_HEAD:  # and it is not whole yet
            self._close()
            return
        self._head += len(data)
        super().data_received(data)
        if not self._in_head:
            self._start(WHOLE_SECONDS)
        elif self._head:  # most requests come whole: they cost no timer
            self._start(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._stop()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._head = True, 0
        self._stop()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._stop()
        self.transport.abort()
