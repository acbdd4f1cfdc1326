"""A command in our own process group, with our standard input.

What it prints comes through a pipe; where ours goes to a terminal, through a terminal, so
that the command sees one. That one does not control it: Ctrl-C, Ctrl-Z and what it reads
come from the terminal in front of us, as if we were not there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_cli.running import NotStarted, code_of, pump, signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_cli.running import Task


OUTPUTS = (1, 2)


def run(task: Task) -> int:
    """See `running.run`."""
    channels = [Channel(targets) for targets in targets()]
    ends = {target: channel.end for channel in channels for target in channel.targets}
    signals.hold()
    try:
        process = subprocess.Popen(  # noqa: S603 - what this command is for
            task.argv,
            executable=task.program,
            env=task.environ,
            stdout=ends.get(1),
            stderr=ends.get(2),
            close_fds=False,  # ours close by themselves; what we were given is meant for it
            preexec_fn=signals.as_before_python,  # noqa: PLW1509 - there is one thread as yet
        )
    except OSError as error:
        raise NotStarted.by(task.argv[0], error) from None
    for channel in channels:
        os.close(channel.end)
    desk = _Desk(process, channels)
    signals.forward(process.send_signal, shared=True)
    streams = [pump.Stream(channel.source, channel.targets[0], task.masked) for channel in channels]
    pump.run(streams, desk)
    return code_of(process.wait())


def targets() -> list[tuple[int, ...]]:
    """Standard output and error, together where both go to the same place: in one order then."""
    open_ones = [target for target in OUTPUTS if _is_open(target)]
    if len(open_ones) == len(OUTPUTS) and os.path.sameopenfile(*OUTPUTS):
        return [OUTPUTS]
    return [(target,) for target in open_ones]


def _is_open(target: int) -> bool:
    try:
        os.fstat(target)
    except OSError:
        return False
    return True


class Channel:
    """Where a command prints to, instead of to `targets`: `end` is its, `source` is ours."""

    def __init__(self, targets: tuple[int, ...]) -> None:
        self.targets = targets
        self.is_terminal = os.isatty(targets[0])
        if not self.is_terminal:
            self.source, self.end = os.pipe()
            return
        self.source, self.end = os.openpty()
        how = termios.tcgetattr(self.end)
        how[1] &= ~termios.OPOST  # the terminal in front of us does that
        termios.tcsetattr(self.end, termios.TCSANOW, how)
        self.fit()

    def fit(self) -> None:
        """Makes it as large as the terminal it stands for."""
        if self.is_terminal:
            with suppress(OSError, termios.error):  # closed meanwhile
                termios.tcsetwinsize(self.source, termios.tcgetwinsize(self.targets[0]))


class _Desk:
    """Waits for the end of the command, and for a change of the window."""

    def __init__(self, process: subprocess.Popen[bytes], channels: Sequence[Channel]) -> None:
        self._process = process
        self._channels = channels
        self._resized = False
        self._wake = signals.wake()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGWINCH, self._resize)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def reads(self) -> list[int]:
        return [self._wake]

    def writes(self) -> list[int]:
        return []

    def ready(self, descriptor: int) -> None:
        os.read(descriptor, pump.SIZE)
        if self._resized:
            self._resized = False
            for channel in self._channels:
                channel.fit()
            # It has been told already, and may have looked too early.
            self._process.send_signal(signal.SIGWINCH)

    def _resize(self, *_: object) -> None:
        self._resized = True
