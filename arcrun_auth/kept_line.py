"""One connection to one origin, kept for the next request: for who asks one server often.

Each request is an `Exchange` like any other, with the same guard and the same end to
everything; what is shared is the client below it. One request at a time goes over it.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from arcrun_auth import forks
from arcrun_auth._http import TOTAL_SECONDS
from arcrun_auth.exchange import Exchange, perform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth._http import Answer, Call, Guard

MAX_ANSWER = 16 << 20
"""How large may an answer be, in bytes? A page of rows is a quarter of it."""


class Line:
    """Where requests to one origin go. Threads may share it; a forked child opens its own."""

    def __init__(self, guard: Guard, total: float = TOTAL_SECONDS) -> None:
        self.guard = guard
        self.total = total
        self.client: Any = None
        self.stream: Any = None
        self._lock = Lock()
        self._generation = forks.generation

    def send(self, call: Call) -> Answer:
        """Sends a request; see `_http.send_token`. After an error the connection is a new one."""
        if self._generation != forks.generation:
            # The parent's connection is the parent's: to close it here would end it there.
            self.client = self.stream = None
            self._lock, self._generation = Lock(), forks.generation
        with self._lock:
            exchange = _Kept(self, call)
            try:
                answer = perform(exchange)
            except BaseException:
                if exchange.is_left_behind():
                    self.client = self.stream = None
                self._close()
                raise
            self.stream = exchange.stream
            return answer

    def close(self) -> None:
        """Ends the connection. The next request opens another one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        client, self.client, self.stream = self.client, None, None
        if client is not None:
            client.close()


class _Kept(Exchange):
    noun = "platform"
    limit = MAX_ANSWER
    connection = "keep-alive"

    def __init__(self, line: Line, call: Call) -> None:
        super().__init__(call, line.guard, line.total)
        self.line = line
        self.stream = line.stream
        self._client = line.client
        self._left = False
        """Whether the thread needs the client no more."""

    def is_left_behind(self) -> bool:
        """Whether it was given up while its thread had the client, which the thread closes then.

        Closed by anybody else, the number of the descriptor that it waits at could be that of the
        next connection by the time it wakes: it would wait on, and read what is another's.
        """
        with self._lock:
            return self._abandoned and not self._left

    @contextmanager
    def client(self) -> Iterator[Any]:
        client = self._client
        if client is None:
            client = self._made()
        try:
            yield client
        finally:
            with self._lock:
                self._left = True
                is_mine = self._abandoned
            if is_mine:
                client.close()

    def _made(self) -> Any:
        """A client, the line's from now on."""
        client = super().client()
        with self._lock:
            self._check_wanted()  # else the line has gone on, maybe with another one
            self.line.client = client
        return client
