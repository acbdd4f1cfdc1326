"""Processes that `forker` makes: traced from their first step on, and killed at any of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from tests.faults import strace
from tests.faults.desk import GUARD, PATHS, Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

GRACE = 5.0
"""How many seconds may strace take to follow the process that it has killed?"""

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forker.py")


class Forker:
    """Makes one process at a time, in no time."""

    def __init__(self) -> None:
        environ = {**os.environ, "PYTHONPATH": PATHS, "PYTHONDONTWRITEBYTECODE": "1"}
        self.caller = Caller(environ, PROGRAM)

    def begin(self, do: str, **how: Any) -> int:
        """The number of a process that waits to be let go."""
        pid = self.caller.ask(do, **how)["pid"]
        _until(lambda: _field(pid, "State").startswith("T"))
        return int(pid)

    def ended(self) -> int:
        """How the process ended, as `waitpid` says it."""
        return int(self.caller.hear()["ended"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.caller.close()


class Traced:
    """strace at the threads of a process, until `with` ends."""

    def __init__(self, pid: int, calls: Sequence[str], *options: str, log: str = "/dev/null"):
        self._process = subprocess.Popen([*strace.command(log, calls, *options), "-p", str(pid)])
        _until(lambda: all(_field(thread, "TracerPid") != "0" for thread in _threads(pid)))

    def over(self, expected: bool) -> bool:
        """Whether the process has ended; where that is `expected`, it may be about to."""
        if expected:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()  # it lets go of the process, which goes on
        self._process.wait(GUARD)


def go(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def kill_at(call: str, number: int) -> tuple[str, str]:
    """The option by which a process is killed on entering its n-th call of that name."""
    return "-e", f"inject={call}:signal=KILL:when={number}"


def points(log: str) -> list[tuple[str, int]]:
    """Each call of a trace as (name, which one of its thread's)."""
    made = Counter((call.pid, call.name) for call in strace.read(log))
    most: dict[str, int] = {}
    for (_, name), times in made.items():
        most[name] = max(most.get(name, 0), times)
    return [(name, number) for name, times in most.items() for number in range(1, times + 1)]


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def _field(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    except FileNotFoundError:
        return ""
    return lines[name].strip()


def _until(happened) -> None:
    until = time.monotonic() + GUARD
    while not happened():
        assert time.monotonic() < until, "a process hangs"
        time.sleep(0.002)
