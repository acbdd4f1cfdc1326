"""Questions in a row: each with its default, asked again until the answer fits.

Where nobody can be asked, what is missing is a usage fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.people import Person


class Questions:
    """What is asked of whoever is there. `usage` is the command line that needs no answer."""

    def __init__(self, person: Person, usage: str) -> None:
        self.person = person
        self._usage = usage

    @property
    def can_ask(self) -> bool:
        return self.person.reach in ("terminal", "notebook")

    def ask(self, question: str, default: str = "", *, missing: str = "") -> str:
        """An answer, else the default. UsageFault with `missing` where nobody can be asked."""
        if not self.can_ask:
            if missing and not default:
                raise UsageFault(f"Nobody can be asked here: {missing} is missing.", self._usage)
            return default
        answer = self.person.ask(f"{question} [{default}]" if default else question)
        if answer is None:
            raise UsageFault("There was no answer.", self._usage)
        return answer.strip() or default

    def until(
        self, question: str, fault: Callable[[str], str], default: str = "", *, missing: str
    ) -> str:
        """The same, until there is no `fault` in it. A default has none."""
        while True:
            answer = self.ask(question, default, missing=missing)
            why = fault(answer)
            if not why:
                return answer
            self.person.say(f"  {why}")
