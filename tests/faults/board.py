"""The board: each row's figure, and how it is turned into a table.

A row is `(label, fault, injected, must hold)`. Its test computes the figure, asserts what
must hold and records both; how long it took is printed and never asserted.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG = "ARCRUN_TEST_FAULTS"
"""The variable that names the file where rows are noted, one line of JSON each."""

FULL = os.environ.get("FULL") == "1"
SHARE = 20
"""Which part of the full count is run unless FULL=1? One in so many."""


def count(full: int, *, share: int = SHARE) -> int:
    """How often it is done: `full` times with FULL=1, else one in `share`, a twentieth at most."""
    return full if FULL else max(1, full // share)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    label: str
    """Its number on the scoreboard, or `storm`, or `trace`."""
    fault: str
    injected: str
    must_hold: str
    figure: str
    held: bool
    seconds: float


class Board:
    """Where the tests of one run note their rows."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.started = time.monotonic()

    def note(
        self,
        label: int | str,
        fault: str,
        *,
        injected: str,
        must_hold: str,
        figure: str,
        held: bool,
    ) -> None:
        """Keep the row and print it; then fail the test if it did not hold."""
        seconds = time.monotonic() - self.started
        row = Row(str(label), fault, injected, must_hold, figure, held, round(seconds, 2))
        print(f"row {label}: {fault}: {figure}")
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        assert held, f"row {label}: {fault}: {figure}; must hold: {must_hold}"


def read(path: str) -> list[Row]:
    """The rows of a finished run by number, the named ones last; as they came where equal."""
    with open(path, encoding="utf-8") as file:
        rows = [Row(**json.loads(line)) for line in file]
    return sorted(rows, key=lambda row: int(row.label) if row.label.isdecimal() else 99)


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    head = ("#", "Fault or attack", "Injected", "Must hold", "Figure", "Holds", "Seconds")
    lines = [head, ("---:", "---", "---", "---", "---", "---", "---:")]
    for row in rows:
        holds = "yes" if row.held else "**no**"
        cells = (row.label, row.fault, row.injected, row.must_hold, row.figure, holds)
        lines.append((*(cell.replace("|", "\\|") for cell in cells), f"{row.seconds:.1f}"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
