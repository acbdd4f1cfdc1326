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
        _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _prctl(*arguments: int) -> None:
    # ctypes itself costs a sixteenth of `arcrun token`; the module under it next to nothing.
    try:
        import _ctypes

        libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type] # NULL: what is loaded already
        address = _ctypes.dlsym(libc, "prctl")
        _ctypes.call_function(address, arguments)
    except (ImportError, AttributeError, OSError):
        _prctl_by_ctypes(*arguments)


def _prctl_by_ctypes(*arguments: int) -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(*arguments)
    except (ImportError, AttributeError, OSError):  # no libffi, or another libc
        pass
