"""Signals, passed on to the command that runs below us."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from arcrun_auth import threads

if TYPE_CHECKING:
    from collections.abc import Callable

FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
"""What whoever started us may want to tell the command."""

_FROM_KEYS = {signal.SIGINT, signal.SIGQUIT}


def hold() -> None:
    """Lets the forwarded signals wait, until there is a command to pass them on to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)


def as_before_python() -> None:
    """In the process that becomes the command: the signals as a shell would hand them on."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def forward(send: Callable[[int], None], *, shared: bool) -> None:
    """Passes each of them on, in a thread of its own. They are held before.

    `shared`: the command is in our process group, so that what the terminal sends (Ctrl-C, a
    hang-up) has reached it already, and would reach it twice.
    """

    def work() -> None:
        while True:
            number, to_group = _next()
            if not (shared and to_group):
                send(number)

    threads.start(work, "arcrun-signals")


def _next() -> tuple[int, bool]:
    """The next signal, and whether the terminal sent it, to the whole of our group."""
    if hasattr(signal, "sigwaitinfo"):
        found = signal.sigwaitinfo(FORWARDED)
        return found.si_signo, found.si_code > 0  # sigaction(2): SI_USER and its like are not
    number = signal.sigwait(FORWARDED)  # macOS does not say who sent it
    return number, number in _FROM_KEYS and in_front()


def in_front() -> bool:
    """Whether our process group is the one that the terminal at standard input listens to."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # no terminal, or not the one that controls us
        return False


def wake() -> int:
    """A descriptor that becomes readable when a signal with a handler of ours arrives."""
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    return reads
