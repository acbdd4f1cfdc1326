"""Somebody who can be asked, where nobody sits: for tests of logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.people import Person

if TYPE_CHECKING:
    import threading
    from typing import Literal

GLANCE = 0.01
"""How many seconds between two looks at what was pasted?"""


class Somebody(Person):
    """A person who agrees to everything, and types the given lines where one is asked for.

        >>> ada = Somebody("shop-7")
        >>> ada.ask("Which shop?"), ada.ask("Which other?"), ada.confirm("Sure?")
        ('shop-7', None, True)

    `said` is what they were told, `asked` what they were asked.
    """

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.said: list[str] = []
        self.asked: list[str] = []
        self._pasted: list[str] = []

    @property
    def reach(self) -> Literal["terminal"]:
        return "terminal"

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        del hidden
        self.asked.append(question)
        return self.lines.pop(0) if self.lines else None

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return True

    def pastes(self, text: str) -> None:
        """Paste the address that a browser ended on into a login that waits, now or later."""
        self._pasted.append(text)

    def paste(self, stop: threading.Event) -> str | None:
        while not self._pasted:
            if stop.wait(GLANCE):
                return None
        return self._pasted.pop(0)
