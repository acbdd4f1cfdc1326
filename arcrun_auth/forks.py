"""How often has this process descended by fork()? What must not cross a fork is kept by it.

A child that uses or even closes its parent's SQLite connection can damage the file, and a
lock held by a thread that does not exist in the child is never released. So whatever holds
such a thing keeps it under `generation`, and the child, which counts one more, starts anew.
"""

from __future__ import annotations

import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

generation = 0


class Mutex:
    """A re-entrant lock for `with`, which a forked child finds open whoever holds it."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks = {generation: RLock()}

    def _lock(self) -> RLock:
        lock = self._locks.get(generation)
        return lock or self._locks.setdefault(generation, RLock())

    def __enter__(self) -> None:
        self._lock().acquire()

    def __exit__(self, *_: object) -> Literal[False]:
        self._lock().release()
        return False


def _in_child() -> None:
    global generation  # noqa: PLW0603 - one counter per process is the point
    generation += 1


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_in_child)
