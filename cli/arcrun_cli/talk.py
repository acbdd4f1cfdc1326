"""The person at the terminal, and what they see while something takes its time."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from arcrun_auth import threads
from arcrun_auth.errors import clean_lines, printable
from arcrun_auth.people import Here
from arcrun_cli import ui

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

PATIENCE = 1.0
"""After how many seconds of silence do we say that we are still at it?"""


class Waiting:
    """Says what is going on if it takes longer than a second: `with Waiting("Testing"):`.

    On a terminal a line that counts the seconds and goes away; elsewhere one plain line.
    Any thread may `pause` it to write, and `resume` it after.
    """

    current: Waiting | None = None
    """The one that writes now: a process has one terminal, and who asks there pauses it."""

    def __init__(self, what: str) -> None:
        self._what = what
        # A bare lock and flags: Ctrl-C amid threading.Event can leave its lock held.
        self._lock = threading.Lock()
        self._over = False
        self._silent_since: float | None = None
        self._shown = False
        self._before: Waiting | None = None

    def __enter__(self) -> Self:
        self._before, Waiting.current = Waiting.current, self
        self.resume()
        threads.start(self._show, "arcrun-waiting")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        Waiting.current = self._before
        self.close()

    def resume(self) -> None:
        with self._lock:
            self._silent_since = time.monotonic()

    def pause(self) -> None:
        """Take the line away, until `resume`."""
        with self._lock:
            self._silent_since = None
            self._wipe()

    def close(self) -> None:
        """Take the line away for good."""
        with self._lock:
            self._over = True
            self._wipe()

    def _wipe(self) -> None:
        if self._shown and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def _show(self) -> None:
        while True:
            time.sleep(PATIENCE)
            with self._lock:
                if self._over:
                    return
                if self._silent_since is not None:
                    self._write(time.monotonic() - self._silent_since)

    def _write(self, silent: float) -> None:
        if silent < PATIENCE:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{self._what}… {silent:.0f} s")
            sys.stderr.flush()
        elif not self._shown:
            ui.tell(f"{self._what}…")
        self._shown = True


class Terminal(Here):
    """Whoever sits at this terminal: what is said is wrapped and freed of control characters."""

    _pasting = False

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """While this lasts, a long silence is filled with `what` and a count of seconds."""
        with Waiting(what):
            yield

    def say(self, text: str) -> None:
        self._pause()
        ui.tell(clean_lines(text))
        self._resume()

    def show_link(self, url: str, text: str) -> None:
        del text
        self._pause()
        ui.tell(printable(url, len(url) + 1))  # half an address is none
        self._resume()

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        *before, question = question.rstrip(": ").split("\n")
        for line in before:
            self.say(line)
        self._pause()
        answer = super().ask(question, hidden=hidden)
        if answer is not None:
            self._resume()
        return answer

    def paste(self, stop: threading.Event) -> str | None:
        self._pause()
        self._pasting = True  # what counts the seconds would write over what is typed
        try:
            return super().paste(stop)
        finally:
            self._pasting = False

    def _resume(self) -> None:
        waiting = Waiting.current  # the thread that pastes comes here too
        if waiting is not None and not self._pasting:
            waiting.resume()

    def _pause(self) -> None:
        waiting = Waiting.current
        if waiting is not None:
            waiting.pause()
