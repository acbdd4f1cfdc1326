"""How a test runs the command: by a process that is warm, where it is the same as a new one."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND = [sys.executable, "-m", "arcrun_cli"]
ROOT = Path(__file__).parents[2]
PIECE = 1 << 16
AT_THE_START = ("PYTHON", "LANG", "LC_", "TZ", "COVERAGE")
"""How do the variables begin that Python reads when it starts?"""


class Warm:
    """The process of `tests.cli.warm`, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def close(self) -> None:
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.communicate(timeout=60)

    def _started(self, env: Mapping[str, str]) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            number = theirs.fileno()
            with theirs:
                # Pipes, as a command has: what its streams are is found out when Python starts.
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.cli.warm", str(number)],
                    env={**env, "PYTHONPATH": str(ROOT)}, pass_fds=(number,),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )  # fmt: skip
        return self._control

    def run(
        self, args: Sequence[str], data: bytes, *, env: Mapping[str, str], cwd: str, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        """As `subprocess.run` does it."""
        (stdin, write), (read, stdout), (read_err, stderr) = (os.pipe() for _ in range(3))
        ours, theirs = socket.socketpair()
        given = [stdin, stdout, stderr, theirs.fileno()]
        message = json.dumps({"args": list(args), "env": dict(env), "cwd": cwd}).encode()
        with self._lock, theirs:
            socket.send_fds(self._started(env), [message], given)
        for number in given[:3]:
            os.close(number)
        with ours, ours.makefile("rb") as told:
            pid = int(told.readline())
            try:
                out, err = _talk(write, data, read, read_err, timeout=timeout)
            except subprocess.TimeoutExpired:
                os.kill(pid, signal.SIGKILL)
                raise
            code = int(told.readline())
        return subprocess.CompletedProcess([*COMMAND, *args], code, out, err)


def _talk(stdin: int, data: bytes, *outputs: int, timeout: float) -> list[bytes]:
    """What came out at each of `outputs` while `data` went in."""
    found = {number: bytearray() for number in outputs}
    until = time.monotonic() + timeout
    os.set_blocking(stdin, False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(stdin, selectors.EVENT_WRITE)
        for number in outputs:
            waiting.register(number, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0, until - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(COMMAND, timeout)
            for key, _ in ready:
                if key.fd == stdin:
                    more = data = _rest(stdin, data)
                else:
                    more = os.read(key.fd, PIECE)
                    found[key.fd] += more
                if not more:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(found[number]) for number in outputs]


def _rest(stdin: int, data: bytes) -> bytes:
    """What is still to be written; nothing where nobody reads it."""
    try:
        return data[os.write(stdin, data[:PIECE]) :] if data else b""
    except BrokenPipeError:
        return b""


WARM = Warm()


def run(
    args: Sequence[str], data: bytes, *, env: Mapping[str, str], own: Mapping[str, str],
    cwd: str | None, timeout: float,
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    """The command with these arguments and this input. `own` of `env` is for this run alone: what
    Python reads when it starts takes a process that starts."""
    started = any(name.startswith(AT_THE_START) for name in own)
    if sys.platform != "linux" or started:
        command = [*COMMAND, *args]
        return subprocess.run(
            command, input=data, capture_output=True, env=env, timeout=timeout, cwd=cwd
        )
    return WARM.run(args, data, env=env, cwd=cwd or os.getcwd(), timeout=timeout)
