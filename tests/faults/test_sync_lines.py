"""Sync over lines that are slow or cut, and between devices whose clocks are wrong."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.sync.verdict import silent
from tests.faults.board import count
from tests.faults.fleet import Tally, fleet_at, strays, tried
from tests.faults.relay import Relay
from tests.platform_desk import IV, cipher, desk
from tests.sync_kit import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.board import Board
    from tests.platform_desk import Desk

pytestmark = pytest.mark.fault

DAY = 86400.0
LONGEST = {"up": 6000, "down": 9000}
"""About how many bytes go each way in a sync of a handful of changes."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "server").mkdir()
    with desk(tmp_path / "server") as found:
        yield found


def test_a_line_that_is_cut_anywhere_costs_nothing(
    tmp_path: Path, server: Desk, board: Board
) -> None:
    chance, total, tally = random.Random(6), count(300), Tally()
    outcomes: Counter[str] = Counter()
    with (
        Relay(server.port) as relay,
        fleet_at(tmp_path, server, "laptop", "desktop", url=relay.url) as fleet,
    ):
        laptop, desktop = fleet.homes
        for number in range(total):
            fleet.change(number, laptop, desktop)
            way = chance.choice(("up", "down"))
            relay.left[way] = chance.randrange(LONGEST[way])
            outcomes[tried(laptop) or "synced"] += 1
            outcomes[tried(desktop) or "synced"] += 1
            relay.left.clear()
            fleet.settle()
            tally.add(fleet.judge())
        tally.add(fleet.judge(codes=True))
    told = ", ".join(f"{name}: {times}" for name, times in sorted(outcomes.items()))
    board.note(
        "sync", "a connection that is cut",
        injected=f"{relay.cuts} resets in {total} rounds, after any byte of a request or an answer",
        must_hold="a clear error or none; nothing lost, nothing there twice, no row astray",
        figure=f"{told}; {tally}",
        held=tally.clean and relay.cuts >= total / 2 and outcomes["ProviderUnavailable"] > 0,
    )  # fmt: skip


def test_a_slow_line_only_takes_its_time(tmp_path: Path, server: Desk, board: Board) -> None:
    total, tally = count(40), Tally()
    outcomes: Counter[str] = Counter()
    with (
        Relay(server.port) as relay,
        fleet_at(tmp_path, server, "laptop", "desktop", url=relay.url) as fleet,
    ):
        for number in range(total):
            for relay.piece, relay.delay in ((97, 0.001), (1 << 16, 0.05)):
                fleet.change(2 * number + (relay.piece > 97), *fleet.homes)
                for home in fleet.homes:
                    outcomes[tried(home) or "synced"] += 1
            relay.piece, relay.delay = 1 << 16, 0.0
            fleet.settle()
            tally.add(fleet.judge())
    board.note(
        "sync", "a slow connection",
        injected=f"97 bytes each ms, then 50 ms for each piece; {outcomes.total()} syncs",
        must_hold="all of them succeed; nothing lost, nothing there twice",
        figure=f"{outcomes['synced']} of {outcomes.total()} synced; {tally}",
        held=tally.clean and outcomes["synced"] == outcomes.total() > 0,
    )  # fmt: skip


def test_wrong_clocks_decide_nothing(tmp_path: Path, server: Desk, board: Board) -> None:
    """Who wrote last has seen what was there before, whatever any clock says."""
    total, won, quiet, tally = count(120), 0, 0, Tally()
    chance = random.Random(24)
    with fleet_at(tmp_path, server, "late", "right", "early") as fleet:
        for number in range(total):
            skews = chance.sample((-DAY, 0.0, DAY), 3)  # clocks are set, too
            for home, skew in zip(fleet.homes, skews, strict=True):
                home.now = server_now(server) + skew
            for writer in chance.sample(fleet.homes, 3):
                writer.sync()
                fleet.drop_copies(writer)
                fleet.set(writer, "one")  # the last of the three has seen the others'
                writer.sync()
            fleet.settle()
            won += len({home.get("one") for home in fleet.homes} & {writer.get("one")})
            won -= any(".conflict-" in name for name in writer.secrets())
            fleet.change(number, *fleet.homes)
            fleet.settle()
            quiet += sum(silent(h.state, h.identity.id, h.now) for h in fleet.homes)
            tally.add(fleet.judge())
        tally.add(fleet.judge(codes=True))
    board.note(
        "sync", "clocks that are wrong, and are set",
        injected=f"3 devices, each a day behind, right or a day ahead; {total} rounds",
        must_hold="the last writer wins; no alarm, nobody called silent; nothing lost or doubled",
        figure=f"{won} of {total} by the last writer, {quiet} called silent; {tally}",
        held=tally.clean and won == total and not quiet,
    )  # fmt: skip


def server_now(server: Desk) -> float:
    return server.database.read(lambda tx: tx.shared_now())


def test_what_is_lost_doubled_or_astray_is_found(tmp_path: Path, server: Desk) -> None:
    """Else the rows prove nothing."""
    with fleet_at(tmp_path, server, "laptop", "desktop") as fleet, fleet.cloud() as cloud:
        laptop, desktop = fleet.homes
        fleet.change(0, *fleet.homes)
        fleet.settle()
        assert fleet.judge(codes=True).clean
        fleet.values.add("gone")
        assert fleet.judge() == Tally(lost=2)
        fleet.values.remove("gone")
        laptop.set("twice", laptop.get("laptop"))
        assert fleet.judge() == Tally(doubled=2, apart=0)
        desktop.set("twice")
        assert fleet.judge() == Tally(doubled=2, apart=1)
        cloud.put_row(f"s_{'f' * 40}", cipher(), IV)
        assert fleet.judge().stray == 1
        cloud.delete_row(laptop.engine().keys.record(key_of("laptop")))
        assert strays(laptop) == 2
