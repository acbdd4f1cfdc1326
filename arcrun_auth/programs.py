"""Programs that are started for what they print: never by a shell, and never for long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from arcrun_auth import threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OUTPUT = 1 << 20
"""How many bytes may a program print?"""


class Failed(Exception):
    """A program gave no output. Its text says why, in words that follow the program's name."""


def without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is none of ours: keys and settings of ours stay here."""
    return {name: value for name, value in environ.items() if not is_own(name)}


def is_own(variable: str) -> bool:
    """Whether a variable is one of ours. On Windows they have no case."""
    return variable.upper().startswith("ARCRUN_")


def output_of(argv: Sequence[str], *, environ: Mapping[str, str], seconds: float) -> bytes:
    """What the program prints in so many seconds, if it then ends well. Failed says why not."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the user allowed it by name
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=without_ours(environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # a NUL, or what this system cannot encode
        why = getattr(error, "strerror", None) or "no command line, or no environment, can be that"
        raise Failed(f"could not be started ({why})") from None
    return _read(process, time.monotonic() + seconds)


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    assert process.stdout is not None
    stream, found, done = process.stdout, bytearray(), threading.Event()

    def read() -> None:
        # A pipe that is being read cannot be closed by others, and what was started may have left
        # somebody at its other end whom nothing ends: this thread alone waits for that.
        with contextlib.suppress(OSError, ValueError), stream:
            found.extend(stream.read(MAX_OUTPUT + 1))
        done.set()

    threads.start(read, "arcrun-program")
    try:
        if not done.wait(deadline - time.monotonic()):
            raise Failed("did not end in time")
        if len(found) > MAX_OUTPUT:
            raise Failed("printed more than 1 MB")
        code = process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        raise Failed("did not end in time") from None
    finally:
        if process.poll() is None or not done.is_set():  # or what it started holds the pipe
            _end(process)
            done.wait(1)  # till the last of them has let go of the pipe
    if code:
        raise Failed(f"ended with the status {code}")
    return bytes(found)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # one that we may not end goes on
        process.wait(1)
