"""Work that outlives one call of a tool: whoever calls again joins it, and starts nothing twice.

Clients give a tool up after a minute; a person at a browser takes longer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from anyio.abc import TaskGroup

T = TypeVar("T")

KEPT = 600.0
"""For how many seconds does an end wait for whoever calls again?"""


class StillRunning(Exception):
    """It takes longer than a call may. Calling again with the same arguments goes on waiting."""


class _Job:
    def __init__(self) -> None:
        self.done = anyio.Event()
        self.result: Any = None
        self.error: Exception | None = None
        self.ended: float | None = None


class Jobs:
    """`group` runs the work."""

    def __init__(self, group: TaskGroup, clock: Callable[[], float] = time.monotonic) -> None:
        self._group = group
        self._clock = clock
        self._jobs: dict[Hashable, _Job] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]], until: float) -> T:
        """What `work` gives, or raises. Joins what already runs under `key`.

        An end is told once. StillRunning at the moment `until`, by the event loop's clock; the
        work goes on.
        """
        self._forget()
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job()
            self._group.start_soon(self._do, job, work)
        with anyio.CancelScope(deadline=until):
            await job.done.wait()
        if not job.done.is_set():
            raise StillRunning
        if self._jobs.get(key) is job:
            del self._jobs[key]
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def _do(self, job: _Job, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            job.result = await work()
        except Exception as error:  # noqa: BLE001 - told to whoever asked for it
            job.error = error
        finally:
            job.ended = self._clock()
            job.done.set()

    def _forget(self) -> None:
        old = self._clock() - KEPT
        for key, job in list(self._jobs.items()):
            if job.ended is not None and job.ended < old:
                del self._jobs[key]
