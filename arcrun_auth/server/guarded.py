"""uvicorn's HTTP protocol, with an end to the head of a request: in bytes, and in seconds.

It has neither itself: whoever sends a header without an end would fill the memory, without any
key, and whoever sends a byte a minute holds a connection for as long as they like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD = 64 << 10
"""How many bytes may come before the head of a request is whole?"""
HEAD_SECONDS = 20.0
"""How long may that take, from the first byte of a request or from the connection on?"""


class Guarded(HttpToolsProtocol):
    """Closes a connection whose head is too large or too slow."""

    _head = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.access_log = False  # it would name the path; `logs` names the route

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head > MAX_HEAD:  # and it is not whole yet
                self._close()
                return
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head:  # most heads come whole: they cost no timer
            self._start()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head = True, 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._stop()
        self.transport.abort()
