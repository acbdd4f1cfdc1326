"""Where the server keeps its rows: a disk that is full, a PostgreSQL that is restarted."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import ProviderUnavailable
from tests.faults.board import count
from tests.faults.desk import GUARD
from tests.faults.fleet import Tally, fleet_at
from tests.platform_desk import desk
from tests.postgres_desk import cluster

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.board import Board
    from tests.faults.fleet import Fleet
    from tests.sync_kit import Home

pytestmark = pytest.mark.fault

BLOCK = 4096
NAMES = ("one", "two", "three", "four")


def test_a_server_whose_disk_is_full_loses_nothing(
    tmp_path: Path, small_disk: Path, board: Board
) -> None:
    """Each time with another number of blocks that are free: the disk fills at another write."""
    total, tally, said = count(240), Tally(), Counter[str]()
    subprocess.run(["mount", "-o", "remount,size=12m", str(small_disk)], check=True)
    ballast = small_disk / "ballast"
    (small_disk / "server").mkdir(mode=0o700)
    with (
        desk(small_disk / "server") as server,
        fleet_at(tmp_path, server, "laptop", "desktop") as fleet,
    ):
        for number in range(total):
            fleet.change(number, *fleet.homes)
            fill(ballast, but=number % 12 * 4)
            for home in fleet.homes:
                said[why(home)] += 1
            ballast.unlink()
            fleet.settle()
            tally.add(fleet.judge())
        fill(ballast, but=0)
        # The log of the database has room of its own, until that is used up, too.
        for number in range(total, total + 200):
            fleet.change(number, *fleet.homes)
            last = why(fleet.homes[0])
            if last:
                break
        said[last] += 1
        with fleet.cloud() as cloud:
            reads = cloud.me().account != ""
        subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
        fleet.settle()  # with the ballast still there
        tally.add(fleet.judge(codes=True))
    full = sum(times for words, times in said.items() if "507" in words)
    other = [words for words in said if words and "507" not in words]
    board.note(
        "sync", "the server's disk is full",
        injected=f"a disk of 12 MB, 0 to 44 blocks free, {total} rounds of 2 devices",
        must_hold="507 told, reads go on; goes on with more room, nothing lost or half written",
        figure=f"{full} of {said.total()} syncs told, {len(other)} otherwise; {tally}",
        held=tally.clean and full > 0 and not other and "507" in last and reads,
    )  # fmt: skip


def fill(ballast: Path, *, but: int) -> None:
    """Takes every block of the disk but so many."""
    with suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(bytes(BLOCK)) == BLOCK:
            pass
    with open(ballast, "r+b") as file:
        file.truncate(max(0, os.path.getsize(ballast) // BLOCK - but) * BLOCK)


def why(home: Home) -> str:
    """What a sync failed with, or ""."""
    try:
        home.sync()
    except ProviderUnavailable as error:
        return error.message
    return ""


class Writer:
    """A device that sets keys and syncs as fast as it can, until it is stopped."""

    def __init__(self, fleet: Fleet, home: Home, over: threading.Event) -> None:
        self.fleet = fleet
        self.home = home
        self.over = over
        self.outcomes: Counter[str] = Counter()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            self.fleet.change_own(number, self.home)
            try:
                said = why(self.home)
            except Exception as error:
                self.outcomes[f"{type(error).__name__}: {error}"] += 1
                return
            # The words of the server, not its address.
            self.outcomes[said.partition(" answered ")[2] or said or "synced"] += 1
            number += 1


@pytest.mark.peer
def test_a_postgresql_that_is_restarted_under_load_loses_nothing(
    tmp_path: Path, board: Board
) -> None:
    goal, stops, over = count(40), 0, threading.Event()
    with ExitStack() as stack:
        postgres = stack.enter_context(cluster())
        server = stack.enter_context(desk(tmp_path, url=postgres.url))
        fleet = stack.enter_context(fleet_at(tmp_path, server, *NAMES))
        stack.callback(over.set)
        writers = [Writer(fleet, home, over) for home in fleet.homes]
        while away(writers) < goal and stops < 10 * goal:
            progress(writers)
            postgres.stop()  # whose request is under way is told
            stops += 1
            over.wait(0.1)
            postgres.start()
        progress(writers)
        over.set()
        for writer in writers:
            writer.thread.join(GUARD)
            assert not writer.thread.is_alive()
        fleet.change(-1, *fleet.homes)
        fleet.settle()
        tally = fleet.judge(codes=True)
    outcomes = sum((writer.outcomes for writer in writers), Counter[str]())
    other = {w for w in outcomes if not w.startswith(("503", "synced", "Other devices write"))}
    told = f"; {min(other)}" if other else ""
    board.note(
        "sync", "PostgreSQL is restarted under load",
        injected=f"{stops} immediate stops while {len(NAMES)} devices sync without a pause",
        must_hold="503 told; nothing lost, nothing there twice, no row astray",
        figure=f"{outcomes['synced']} synced, {away(writers)} told, {len(other)} otherwise{told}; "
        f"{tally}",
        held=tally.clean and away(writers) >= goal and not other and outcomes["synced"] > 0,
    )  # fmt: skip


def away(writers: list[Writer]) -> int:
    """How many syncs were told that the database is away."""
    counts = [writer.outcomes.copy() for writer in writers]
    return sum(n for each in counts for words, n in each.items() if words.startswith("503"))


def progress(writers: list[Writer]) -> None:
    """Until each of them has synced twice more: a pool of dead connections heals, too."""
    goals = [(writer, writer.outcomes["synced"] + 2) for writer in writers]
    for writer, goal in goals:
        until = GUARD / 0.02
        while writer.outcomes["synced"] < goal and until > 0:
            assert writer.thread.is_alive(), writer.outcomes
            until -= 1
            writer.over.wait(0.02)
        assert writer.outcomes["synced"] >= goal, "a device never gets through again"
