"""Closes the doors by which another process of the same user reads a secret out of this one.

Memory and environment in /proc, and core dumps. A bump, not a wall: whoever may run our
code as this user can ask the vault as well.
"""

from __future__ import annotations

import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def apply() -> None:
    """No core dump, and on Linux no look into /proc/<pid>/{environ,mem,maps}. Never raises."""
    if sys.platform == "win32":
        return
    import resource

    try:  # noqa: SIM105 - contextlib costs more than all of this
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):  # a sandbox that forbids even less
        pass
    if sys.platform == "linux":
        _not_dumpable()


def _not_dumpable() -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):  # a Python without ctypes, or another libc
        pass
