"""A command in a terminal of its own, with us between that one and the one in front of us.

    terminal in front of us ── arcrun ── pseudo-terminal ── monitor ── command

The terminal in front of us is raw meanwhile: each key goes to the pseudo-terminal, which
echoes, edits lines and turns Ctrl-C and Ctrl-Z into signals for whatever runs in front
there. Ctrl-Z stops the command, and with it this process: the shell has the terminal then,
and `fg` continues both.
"""

from __future__ import annotations

import os
import signal
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_cli.running import NotStarted, code_of, monitor, pump, signals

if TYPE_CHECKING:
    from arcrun_cli.running import Task

    Attributes = list[int | list[bytes | int]]

LOOK_AGAIN = 0.2
"""How often, in seconds, do we look in the background whether we are in front again?"""


def is_ours() -> bool:
    """Whether standard input and output are a terminal that listens to us.

    In a pipeline it is shared with others (`arcrun run -- cmd | less`), and in the background
    it is somebody else's: it is left alone then.
    """
    return os.isatty(0) and os.isatty(1) and signals.in_front()


def run(task: Task) -> int:
    """See `running.run`."""
    ours, its = os.openpty()
    before = termios.tcgetattr(0)
    termios.tcsetattr(its, termios.TCSANOW, before)
    streams = [pump.Stream(ours, 1, task.masked)]
    error: int | None = None
    if not (os.isatty(2) and os.path.sameopenfile(1, 2)):
        source, error = os.pipe()
        streams.append(pump.Stream(source, 2, task.masked))
    signals.hold()
    watched = monitor.start(task, its, error, unused=[stream.source for stream in streams])
    os.close(its)
    if error is not None:
        os.close(error)
    desk = _Desk(watched, os.dup(ours), before)
    try:
        signals.forward(watched.send, shared=False)
        pump.run(streams, desk)
    finally:
        desk.leave()
    return desk.code(task.argv[0])


class _Desk:
    """The terminal in front of us, its keys, and what the monitor tells."""

    def __init__(self, watched: monitor.Monitor, keys: int, before: Attributes) -> None:
        self._monitor = watched
        self._before = before
        self._keys = keys
        self._typed = b""
        self._has_input = True
        self._raw = False
        self._wake = signals.wake()
        os.set_blocking(keys, False)
        for number in (signal.SIGWINCH, signal.SIGCONT, signal.SIGALRM):
            signal.signal(number, lambda *_: None)  # `ready` hears of them
        self._take()

    @property
    def over(self) -> bool:
        return self._monitor.ended is not None

    def code(self, command: str) -> int:
        """The exit code of the command. NotStarted where it could not be."""
        kind, number = self._monitor.ended or ("exit", 0)
        if kind == "error":
            raise NotStarted.by(command, OSError(number, os.strerror(number)))
        return code_of(os.waitstatus_to_exitcode(number))

    def reads(self) -> list[int]:
        wanted = [self._wake, self._monitor.report]
        return [*wanted, 0] if self._raw and self._has_input and not self._typed else wanted

    def writes(self) -> list[int]:
        return [self._keys] if self._typed else []

    def ready(self, descriptor: int) -> None:
        if descriptor == self._monitor.report:
            if self._monitor.read() == "stop":
                self._stop()
        elif descriptor == self._keys:
            self._type()
        elif descriptor == 0:
            self._read()
        else:
            os.read(self._wake, pump.SIZE)
            self._take()

    def leave(self) -> None:
        """Gives the terminal back as it was."""
        if self._raw:
            self._raw = False
            with suppress(termios.error):  # it has gone
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def _take(self) -> None:
        """Makes the terminal raw, if it listens to us, and ours as large as it is."""
        if not signals.in_front():
            # A shell need not tell that it brings a running job to the front.
            signal.setitimer(signal.ITIMER_REAL, LOOK_AGAIN)
        else:  # each time: a shell that had it in between has left it as it likes it
            tty.setraw(0, termios.TCSADRAIN)
            self._raw = True
        with suppress(OSError, termios.error):
            termios.tcsetwinsize(self._keys, termios.tcgetwinsize(1))

    def _stop(self) -> None:
        """The command was stopped: so are we, until somebody continues us."""
        self.leave()
        os.kill(0, signal.SIGTSTP)
        self._take()
        self._monitor.send(signal.SIGCONT)

    def _read(self) -> None:
        try:
            self._typed = os.read(0, pump.SIZE)
        except OSError:  # hung up
            self._typed = b""
        self._has_input = bool(self._typed)
        self._type()

    def _type(self) -> None:
        with suppress(BlockingIOError, OSError):  # full; or nobody reads there any more
            self._typed = self._typed[os.write(self._keys, self._typed) :]
