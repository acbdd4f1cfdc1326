"""The process that leads the session of a command in a terminal of its own.

A command that led it itself could not be stopped: the kernel ignores Ctrl-Z where no
process of the session looks after the one that is stopped (`setpgid(2)`, orphaned groups).
So it is a child of this one, which tells what becomes of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from arcrun_cli.running import signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_cli.running import Task

KILLED = signal.SIGKILL.value
"""As what does `waitpid` tell the end of a monitor that could tell nothing any more?"""


class Monitor:
    """The monitor, as we see it."""

    def __init__(self, pid: int, report: int) -> None:
        self._pid = pid
        self.report = report
        """Readable when it tells something."""
        self._told = b""
        self.ended: tuple[str, int] | None = None
        """`exit` and what `waitpid` has told of the command, or `error` and an errno."""

    def send(self, number: int) -> None:
        """Sends a signal to the command."""
        os.kill(self._pid, number)

    def read(self) -> str:
        """What has happened: `stop`, `exit` or `error`. Empty for half a word."""
        data = os.read(self.report, 64)
        self._told += data
        if not data:
            self._told = b"exit %d\n" % KILLED
        line, end, self._told = self._told.partition(b"\n")
        if not end:
            self._told = line
            return ""
        kind, number = line.decode().split()
        if kind != "stop":
            self.ended = (kind, int(number))
        return kind


def start(task: Task, terminal: int, error: int | None, *, unused: Sequence[int]) -> Monitor:
    """Starts a monitor, and by it the command, in the given terminal.

    `error` is standard error where that is no terminal. `unused` are our ends, which it closes:
    the terminal would not hang up if we died.
    """
    report, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        return Monitor(pid, report)
    try:
        for descriptor in (*unused, report):
            os.close(descriptor)
        os.login_tty(terminal)
        if error is not None:
            os.dup2(error, 2)
        _watch(task, told)
    finally:
        os._exit(1)  # whatever it was: this process has nothing to say on its own


def _watch(task: Task, told: int) -> None:
    # It hands the terminal over from the background, and later is in the background.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        command = subprocess.Popen(  # noqa: S603 - what this command is for
            task.argv,
            executable=task.program,
            env=task.environ,
            process_group=0,
            close_fds=False,  # ours close by themselves; what we were given is meant for it
            preexec_fn=_in_command,  # noqa: PLW1509 - a forked process has one thread
        )
    except OSError as problem:
        os.write(told, b"error %d\n" % (problem.errno or 0))
        return
    for number in signals.FORWARDED:
        signal.signal(number, lambda number, _: os.kill(command.pid, number))
    signal.signal(signal.SIGCONT, lambda *_: os.killpg(command.pid, signal.SIGCONT))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.FORWARDED)
    status = 0
    while True:
        _, status = os.waitpid(command.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        os.write(told, b"stop %d\n" % os.WSTOPSIG(status))
    os.write(told, b"exit %d\n" % status)


def _in_command() -> None:
    """Between fork and exec: the terminal listens to the command."""
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    signals.as_before_python()
