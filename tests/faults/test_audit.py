"""Row 31: the audit trail, tampered with in five ways; on its device, and as it was told."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import trail_kit
from tests.audit_kit import TAMPERINGS, House
from tests.faults.board import count

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.board import Board
    from tests.sync_kit import Server
    from tests.trail_kit import Keeper

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
    server, told = trail_kit.told(tmp_path / "told")
    foreign, looks, alarms = _of_another(server, told, chance)
    for keeper in told:
        keeper.close()
    kinds = sum(detected[kind] and foreign[kind] for kind in TAMPERINGS)
    board.note(
        31,
        "audit trail edited, shortened, reordered",
        injected=f"{', '.join(TAMPERINGS)}: {done} trails of {LINES} lines, and {looks} times what "
        "another device has told, by its server and by a member",
        must_hold="5 of 5 kinds found each time, no false alarm",
        figure=f"{kinds} of {len(TAMPERINGS)} kinds; "
        f"{false_alarms + alarms} false alarms in {2 + looks}",
        held=kinds == len(TAMPERINGS) and not false_alarms and not alarms,
    )


def _of_another(
    server: Server, told: list[Keeper], chance: random.Random
) -> tuple[dict[str, bool], int, int]:
    """Which kinds are found in a foreign trail each time; how often it was looked at, and how
    often something was found in it when it was whole."""
    looker, one, other = told
    honest, detected = dict(server.rows), {}
    looks = alarms = 0
    for kind, ways in trail_kit.TAMPERINGS.items():
        times = max(count(TIMES), len(ways))
        hits = 0
        for turn in range(times):
            ways[turn % len(ways)](server, one, other, chance.randrange(2, 20))
            hits += bool(looker.findings())
            server.rows = dict(honest)
            alarms += bool(looker.findings())
            looks += 1
        detected[kind] = hits == times
    return detected, looks, alarms
