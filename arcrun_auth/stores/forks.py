"""How often has this process descended by fork()? What must not cross a fork is kept by it.

A child that uses or even closes its parent's SQLite connection can damage the file, and a
lock held by a thread that does not exist in the child is never released. So whatever holds
such a thing keeps it under `generation`, and the child, which counts one more, starts anew.
"""

from __future__ import annotations

import os

generation = 0


def _in_child() -> None:
    global generation  # noqa: PLW0603 - one counter per process is the point
    generation += 1


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_in_child)
