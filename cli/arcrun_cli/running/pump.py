"""Passes on what a command prints, masked, as soon as it may be shown."""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING, Protocol

from arcrun_auth.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIZE = 1 << 16

PAUSE = 0.1
"""After how many seconds of silence may the first bytes of what is held back be seen?"""

LINGER = 0.5
"""How many seconds of silence end the output of what a command has left running behind it?"""


class Stream:
    """One output of the command: read from `source`, masked, written to `target`."""

    def __init__(self, source: int, target: int, values: Iterable[str]) -> None:
        self.source = source
        self._target = target
        self._masker = Masker(values)

    @property
    def holds(self) -> bool:
        """Whether something is held back that somebody may wait for."""
        return self._masker.holds

    def pass_on(self) -> bool:
        """Passes on what is there to read. False at the end, on either side."""
        try:
            data = os.read(self.source, SIZE)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the other end of a pseudo-terminal is closed
            data = b""
        if data and self._write(self._masker.feed(data)):
            return True
        self.end()
        return False

    def glimpse(self) -> None:
        """Somebody may be waiting for these very bytes: a prompt, a key that was pressed."""
        self._write(self._masker.glimpse())

    def end(self) -> None:
        """What was held back goes out. The command gets SIGPIPE if it goes on."""
        self._write(self._masker.end())
        os.close(self.source)

    def _write(self, data: bytes) -> bool:
        try:
            write(self._target, data)
        except OSError:  # nobody reads it any more
            return False
        return True


class Desk(Protocol):
    """What else is waited for while a command runs."""

    def reads(self) -> Sequence[int]:
        """Descriptors to read from."""

    def writes(self) -> Sequence[int]:
        """Descriptors to write to."""

    def ready(self, descriptor: int) -> None:
        """One of them is ready."""

    @property
    def over(self) -> bool:
        """Whether the command has ended."""


def run(streams: Iterable[Stream], desk: Desk) -> None:
    """Until the command has ended, and all that it printed is out."""
    running = {stream.source: stream for stream in streams}
    while running or not desk.over:
        over = desk.over
        others, writes = ([], []) if over else (desk.reads(), desk.writes())
        holds = any(stream.holds for stream in running.values())
        wait = LINGER if over else PAUSE if holds else None
        ready = _ready([*running, *others], writes, wait)
        if not ready:
            if over:
                break
            for stream in running.values():
                stream.glimpse()
        for descriptor in ready:
            if descriptor not in running:
                desk.ready(descriptor)
            elif not running[descriptor].pass_on():
                del running[descriptor]
    for stream in running.values():
        stream.end()


def _ready(reads: Sequence[int], writes: Sequence[int], wait: float | None) -> list[int]:
    """Those that are ready, or at their end. Empty after so many seconds.

    `select` knows no descriptor beyond 1023, and whoever started us may have left us many
    open; `poll` of macOS knows no terminal.
    """
    if sys.platform == "darwin":
        readable, writable, _ = select.select(reads, writes, [], wait)
        return [*readable, *writable]
    poll = select.poll()
    for descriptors, event in ((reads, select.POLLIN), (writes, select.POLLOUT)):
        for descriptor in descriptors:
            poll.register(descriptor, event)
    found = {each for each, _ in poll.poll(None if wait is None else wait * 1000)}
    return [each for each in (*reads, *writes) if each in found]


def write(target: int, data: bytes) -> None:
    """All of it, also where somebody has made the descriptor non-blocking."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            select.select([], [target], [])
