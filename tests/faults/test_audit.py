"""Row 31: the audit trail, tampered with in five ways."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.audit_kit import TAMPERINGS, House
from tests.faults.board import count

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.board import Board

pytestmark = pytest.mark.fault

LINES = 12
TIMES = 200
"""How often is each done with FULL=1?"""


def test_a_trail_that_was_tampered_with_is_found_out(tmp_path: Path, board: Board) -> None:
    false_alarms = 0
    for name in ("home", "other"):
        made = House(tmp_path / "honest", name)
        made.write(LINES)
        false_alarms += bool(made.findings())
        made.whole()
    detected, done = {}, 0
    chance = random.Random(31)
    for kind, ways in TAMPERINGS.items():
        times = max(count(TIMES), len(ways))
        hits = 0
        for turn in range(times):
            folder = tmp_path / f"turn-{done}"
            shutil.copytree(tmp_path / "honest", folder)
            house, other = House(folder, "home"), House(folder, "other")
            ways[turn % len(ways)](house, other, chance.randrange(2, LINES - 2))
            hits += bool(house.findings())
            house.close()
            other.close()
            done += 1
        detected[kind] = hits == times
    board.note(
        31,
        "audit trail edited, shortened, reordered",
        injected=f"{', '.join(TAMPERINGS)}: {done} trails of {LINES} lines",
        must_hold="5 of 5 kinds found each time, no false alarm",
        figure=f"{sum(detected.values())} of {len(detected)} kinds; "
        f"{false_alarms} false alarms in 2",
        held=all(detected.values()) and not false_alarms,
    )
