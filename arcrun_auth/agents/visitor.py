"""Whoever sits at a page of ours: what they are told is shown there, what they are asked is asked
there, and what would open a browser sends theirs on.

The thread that connects speaks to the `Visitor`; the threads of the page look at what `news` says.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth import browser
from arcrun_auth.browser import NotOpened, Opened
from arcrun_auth.errors import clean_lines, printable
from arcrun_auth.people import Person

if TYPE_CHECKING:
    from arcrun_auth.people import Reach

SETTLE_SECONDS = 0.7
"""How long do we wait for all that is said at once, before a page shows it?"""
MAX_LINES = 200
"""How much do we keep of what was said?"""


class Line(NamedTuple):
    """What was said: a text, and the address that it is about, if any."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked at the moment."""

    number: int
    text: str
    hidden: bool = False
    yes_no: bool = False


@dataclass(frozen=True)
class News:
    """How things stand; `version` grows with every change."""

    version: int
    lines: tuple[Line, ...]
    question: Question | None
    address: str
    """Where the browser is wanted; empty if nowhere."""
    is_new: bool
    """Whether it has not been sent there yet."""


class Visitor(Person):
    """Somebody at a page, who is led back to `back` by other pages of ours. An answer is waited
    for `patience` seconds."""

    def __init__(self, back: str, *, patience: float) -> None:
        self._back = back
        self._patience = patience
        self.changed = threading.Condition()
        self._version = 0
        self._lines: list[Line] = []
        self._question: Question | None = None
        self._asked = 0
        self._answer: str | None = None
        self._address = ""
        self._sent = False
        self._left = False
        self._over = False

    # -- for the thread that connects ----------------------------------------------------

    @property
    def reach(self) -> Reach | None:
        return "desktop"

    @property
    def back(self) -> str:
        return self._back

    def say(self, text: str) -> None:
        with self.changed:
            bare = text.strip(" ")
            if browser.why_unsafe(bare) is None:
                self._add_link(bare, bare)
            else:
                self._lines.append(Line(clean_lines(text).strip()))
            self._tell()

    def show_link(self, url: str, text: str) -> None:
        with self.changed:
            self._add_link(url, text)
            self._tell()

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        return self._wait_for(question, hidden=hidden)

    def confirm(self, question: str) -> bool:
        return self._wait_for(question, yes_no=True) is not None

    def open_url(self, url: str) -> Opened | NotOpened:
        """Their browser goes there next, if it may."""
        fault = browser.why_unsafe(url)
        if fault is not None:
            return NotOpened(fault)
        with self.changed:
            self._address, self._sent = url, False
            self._tell()
        return Opened("the page")

    # -- for the page --------------------------------------------------------------------

    def news(self, seen: int, seconds: float) -> News:
        """How things stand: at once if they have something to do, else when that is another
        version than `seen`, or after so many seconds."""
        with self.changed:
            if not self.changed.wait_for(self._is_urgent, min(seconds, SETTLE_SECONDS)):
                self.changed.wait_for(lambda: self._is_urgent() or self._version != seen, seconds)
            return News(
                self._version, self._shown(), self._question, self._address, self._is_wanted()
            )

    def finish(self) -> None:
        """There is nothing more to come."""
        with self.changed:
            self._over = True
            self._tell()

    def go(self) -> None:
        """Their browser was sent where it is wanted."""
        with self.changed:
            self._sent = True

    def come_back(self) -> None:
        """Their browser is back from where it was sent."""
        with self.changed:
            self._address = ""

    def answer(self, number: int, text: str | None) -> bool:
        """What they answered to the question of that number, None if nothing; whether it is the
        one that is asked."""
        with self.changed:
            if self._question is None or self._question.number != number:
                return False
            self._question, self._answer = None, text
            self._lines.clear()  # they were read with it
            self._tell()
            return True

    def leave(self) -> None:
        """They are gone: nothing is answered any more."""
        with self.changed:
            self._left = True
            self._question = None
            self._tell()

    # -- under the lock ------------------------------------------------------------------

    def _wait_for(self, text: str, *, hidden: bool = False, yes_no: bool = False) -> str | None:
        with self.changed:
            if self._left:
                return None
            self._asked += 1
            mine = self._question = Question(self._asked, printable(text), hidden, yes_no)
            self._answer = None
            self._tell()
            self.changed.wait_for(lambda: self._question is not mine, self._patience)
            if self._question is mine:
                self._question = None
            answer, self._answer = self._answer, None
            return answer

    def _is_wanted(self) -> bool:
        """Whether their browser is to go somewhere, and does not know it yet."""
        return bool(self._address) and not self._sent

    def _is_urgent(self) -> bool:
        return self._question is not None or self._is_wanted() or self._over

    def _add_link(self, url: str, text: str) -> None:
        """An address belongs to the line before it, where that announces it."""
        caption = text
        if self._lines and _announces(self._lines[-1]):
            caption = self._lines.pop().text
        self._lines.append(Line(caption, url))

    def _shown(self) -> tuple[Line, ...]:
        """All but what sends them where their browser goes by itself, and what is said half."""
        lines = [line for line in self._lines if not line.url or line.url != self._address]
        if lines and _announces(lines[-1]):
            lines.pop()
        return tuple(lines)

    def _tell(self) -> None:
        del self._lines[:-MAX_LINES]
        self._version += 1
        self.changed.notify_all()


def _announces(line: Line) -> bool:
    return not line.url and line.text.endswith(":")
