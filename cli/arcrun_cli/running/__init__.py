"""Runs a command with an environment of its own, and masks what it prints.

Which of three ways it takes depends on what there is to mask, and on the terminal:

- nothing is masked: the command takes the place of this process (`execve`);
- input and output are the terminal in front of us: it gets a terminal of its own, and we
  stand between the two (`terminal`);
- anything else: it shares our group and input, and what it prints comes through pipes, or
  through a terminal where ours goes to one (`piped`).
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOT_FOUND = 127
NOT_EXECUTABLE = 126
SIGNALLED = 128
"""What is the exit code of a command that a signal has ended? This and the signal's number."""


class NotStarted(Exception):
    """The command could not be started. `code` is what a shell says then."""

    def __init__(self, command: str, problem: str, code: int) -> None:
        super().__init__(f"{command}: {problem}")
        self.code = code

    @classmethod
    def by(cls, command: str, error: OSError) -> NotStarted:
        """From what the operating system says."""
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        return cls(command, error.strerror or "it cannot be executed", code)


class Task(NamedTuple):
    """A command to run: the path of its program, its words, and what it gets."""

    program: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    masked: tuple[str, ...]
    """The values that it must not print."""


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    masked: Iterable[str],
    *,
    stay: bool = False,
) -> int:
    """The exit code of the command, 128 + N where signal N ended it.

    Where there is nothing to mask, and nobody to `stay` for, this does not return.
    Raises NotStarted.
    """
    task = Task(find(argv[0], environ), tuple(argv), dict(environ), tuple(masked))
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started us
            stream.flush()
    if sys.platform == "win32":
        from arcrun_cli.running import windows

        return windows.run(task)
    if not (task.masked or stay):
        _become(task)
    from arcrun_cli.running import piped, terminal

    return terminal.run(task) if terminal.is_ours() else piped.run(task)


def find(command: str, environ: Mapping[str, str]) -> str:
    """The path of a command, by the `PATH` that it will have itself. NotStarted without one."""
    path = environ.get("PATH", os.defpath)
    found = shutil.which(command, path=path)
    if found is not None:
        return found
    if shutil.which(command, os.F_OK, path) or (os.path.isdir(command) and os.sep in command):
        raise NotStarted(command, "it cannot be executed", NOT_EXECUTABLE)
    raise NotStarted(command, "there is no such command", NOT_FOUND)


def code_of(ended: int) -> int:
    """The exit code for what `subprocess` calls a return code: minus N for signal N."""
    return ended if ended >= 0 else SIGNALLED - ended


def _become(task: Task) -> NoReturn:
    """The command instead of us: with our descriptors, our process id, our parent."""
    from arcrun_cli.running import signals

    signals.as_before_python()
    try:
        os.execve(task.program, task.argv, task.environ)  # noqa: S606 - what this command is for
    except OSError as error:
        raise NotStarted.by(task.argv[0], error) from None
