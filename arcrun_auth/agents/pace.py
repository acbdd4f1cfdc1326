"""How often may a client send? So many times in any minute."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from arcrun_auth.errors import PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60.0


class Pace:
    """Counts the requests of the last minute. Safe to share between threads."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._times: deque[float] = deque(maxlen=most)

    def step(self) -> None:
        """Counts one. PolicyRefused where there were as many as may be; that one counts not."""
        now = self._clock()
        with self._lock:
            full = len(self._times) == self._times.maxlen
            wait = self._times[0] + _MINUTE - now if full else 0.0
            if wait <= 0:
                self._times.append(now)
                return
        raise PolicyRefused(
            f"More than {self._times.maxlen} requests in a minute. Nothing was sent.",
            rule="rate-limit",
            hint=f"try again in {int(wait) + 1} seconds",
        )
