"""Is somebody reachable, and how are they asked?

Promise 9: nobody reachable, no browser, no prompt. Questions go to the terminal itself
and never through the caller's output; talk goes to stderr.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod

from arcrun_auth import notebook
from arcrun_auth.errors import clean_lines, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from typing import Literal

    Reach = Literal["terminal", "notebook", "desktop"]


_GLANCE = 0.2
"""How many seconds between two looks at the keyboard, while a browser may answer first?"""


_YES = ("y", "yes")
_WORDS = (*_YES, "n", "no", "")
_TRIES = 5
"""How many words that are neither a yes nor a no do we take before that is a no?"""


class Person(ABC):
    """Whoever sits in front of this process."""

    @property
    @abstractmethod
    def reach(self) -> Reach | None:
        """How they are reached; None if nobody is there."""

    @property
    def back(self) -> str:
        """Where a page that has asked them something leads; empty if it ends there."""
        return ""

    @abstractmethod
    def say(self, text: str) -> None:
        """Tell them something. Never fails, never a secret."""

    def show_link(self, url: str, text: str) -> None:
        """An address to open, whole and on a line of its own. `text` is for where it can be
        clicked."""
        del text
        self.say(printable(url, len(url) + 1))

    @abstractmethod
    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        """A line from them, or None where nobody can type. `hidden` does not echo it."""

    def paste(self, stop: threading.Event) -> str | None:
        """A line that they type while something else may end the wait (`stop`); else None."""
        del stop
        return None

    def confirm(self, question: str) -> bool:
        """A yes or no, asked again for what is neither; no where nobody can type."""
        for _ in range(_TRIES):
            answer = self.ask(f"{question} [y/N]")
            word = (answer or "").strip().lower()
            if answer is None or word in _WORDS:
                return word in _YES
            self.say("Type y for yes, or n for no.")
        return False


def ask_hidden(person: Person, question: str, *, confirm: bool) -> str | None:
    """The vault's passphrase, from whoever is there; twice for a new one."""
    while person.reach is not None:
        first = person.ask(question, hidden=True)
        if not first or not confirm or person.ask("Once more", hidden=True) == first:
            return first
        person.say("The two are not the same.")
    return None


class Here(Person):
    """The person at this process's terminal, notebook or desktop."""

    def __init__(
        self, *, interactive: bool | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._interactive = interactive
        self._environ = os.environ if environ is None else environ

    @property
    def reach(self) -> Reach | None:
        if self._interactive is False:
            return None
        from arcrun_auth.surroundings import unattended

        if self._interactive is None and unattended(self._environ):
            return None
        if _has_terminal():
            return "terminal"
        if notebook.can_type():
            return "notebook"
        from arcrun_auth.browser import available

        # Told that somebody is there, but not how: a browser is the one way left.
        return "desktop" if self._interactive or available(self._environ) else None

    def say(self, text: str) -> None:
        print(clean_lines(text), file=sys.stderr, flush=True)

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        reach = self.reach
        if reach == "desktop" or reach is None:
            return None
        prompt = f"{printable(question)}: "
        if reach == "notebook":
            return notebook.ask(prompt, hidden=hidden)
        if hidden:
            import getpass

            return getpass.getpass(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:  # Ctrl-D leaves what comes next on the line of the question
            print(file=sys.stderr)
        return line.rstrip("\r\n") if line else None

    def show_link(self, url: str, text: str) -> None:
        if self.reach != "notebook" or not notebook.show_link(url, text):
            super().show_link(url, text)

    def paste(self, stop: threading.Event) -> str | None:
        if self.reach == "notebook":
            return notebook.ask_until("The address, if the page cannot be reached: ", stop)
        # A thread left behind in readline would swallow the next line of the program.
        if sys.platform == "win32":
            import msvcrt

            while not msvcrt.kbhit():
                if stop.wait(_GLANCE):
                    return None
        else:
            import select

            while not select.select([sys.stdin], [], [], 0)[0]:
                if stop.wait(_GLANCE):
                    return None
        return sys.stdin.readline() or None


class Nobody(Person):
    """Nobody is there: every question is unanswered, every word lost."""

    @property
    def reach(self) -> Reach | None:
        return None

    def say(self, text: str) -> None:
        del text

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        del question, hidden
        return None


def _has_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # no stream at all (pythonw), or a closed one
        return False
