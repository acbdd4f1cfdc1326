"""The person at the terminal, and what they see while something takes its time."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from arcrun_auth.errors import printable
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
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the line away."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        started = time.monotonic()
        if self._done.wait(PATIENCE):
            return
        if not sys.stderr.isatty():
            ui.tell(f"{self._what}…")
            return
        while True:
            sys.stderr.write(f"\r{self._what}… {time.monotonic() - started:.0f} s")
            sys.stderr.flush()
            if self._done.wait(PATIENCE):
                break
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class Terminal(Here):
    """Whoever sits at this terminal: what is said is wrapped and freed of control characters."""

    _doing: str | None = None
    _waiting: Waiting | None = None
    _pasting = False

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """While this lasts, a long silence is filled with `what` and a count of seconds."""
        self._doing = what
        try:
            self._resume()
            yield
        finally:
            self._pause()
            self._doing = None

    def say(self, text: str) -> None:
        self._pause()
        for line in text.split("\n"):
            ui.tell(printable(line, 2000))
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
        if self._doing is not None and self._waiting is None and not self._pasting:
            self._waiting = Waiting(self._doing)
            self._waiting.__enter__()

    def _pause(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None
