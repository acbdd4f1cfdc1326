"""Whole processes: started directly, timed from outside, weighed from inside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PYTHON = sys.executable
"""The interpreter of this environment itself: no shim of a version manager stands before it."""

_WEIGH = """
{code}
import sys
try:
    with open("/proc/self/status") as file:
        print([line.split()[1] for line in file if line.startswith("VmHWM")][0])
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def script(name: str) -> str | None:
    """The path of a command that is installed beside the interpreter."""
    path = os.path.join(os.path.dirname(PYTHON), name)
    return path if os.access(path, os.X_OK) else None


def environment(**more: str) -> dict[str, str]:
    """What a child gets: the path, a home that is not there, and `more`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": "/nonexistent", **more}


def command(args: Sequence[str], env: Mapping[str, str]) -> Callable[[], tuple[float, float]]:
    """A subject: the process from start to end, in wall and CPU seconds. RuntimeError if it fails.

    Its output goes to a pipe that we read afterwards: a token or two fits into it.
    """

    def timed() -> tuple[float, float]:
        read, write = os.pipe()
        started = time.perf_counter()
        pid = os.posix_spawn(
            args[0], args, env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, write, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_CLOSE, read),
            ],
        )  # fmt: skip
        os.close(write)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
        output = os.read(read, 1 << 16)
        os.close(read)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"{args[0]} {args[1]} has failed")
        if not output and args[0] != PYTHON:
            raise RuntimeError(f"{args[0]} {args[1]} has printed nothing")
        return wall, usage.ru_utime + usage.ru_stime

    return timed


def weigh(code: str, env: Mapping[str, str]) -> float:
    """The most memory, in MB, that an interpreter held which ran `code`."""
    output = subprocess.run(
        [PYTHON, "-c", _WEIGH.format(code=code)], env=env, check=True, capture_output=True
    ).stdout
    return int(output.split()[-1]) / 1024
