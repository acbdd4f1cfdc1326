"""Row 16: what a server may try with rows that it cannot read."""

from __future__ import annotations

import collections
import random
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import SyncAlarm
from arcrun_auth.sync.verdict import silent
from tests import sync_liar
from tests.faults.board import count
from tests.sync_kit import Home, key_of, pair, settle
from tests.sync_liar import Liar

if TYPE_CHECKING:
    from tests.faults.board import Board

pytestmark = pytest.mark.fault

NAMES = [f"service{i}" for i in range(6)]
EACH = 200


class Vault:
    """Three homes: what one wrote and another has seen is new to the third, the victim."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.server = Liar()
        self.homes = pair(self.server, "writer", "witness", "victim")
        self.writer, self.witness, self.victim = self.homes
        for name in NAMES:
            self.writer.set(name)
        settle(self.homes)
        for _ in range(3):  # so that each row has a past
            for home in (self.writer, self.witness):
                for name in NAMES:
                    home.set(name)
                home.sync()
        settle(self.homes)

    def news(self) -> dict[str, list[str]]:
        """Something that the victim has not seen: the rows, by what they are."""
        self.cursor = self.victim.state.cursor
        self.changed = self.chance.sample(NAMES, 3)
        for name in self.changed:
            self.writer.set(name)
        self.writer.sync()
        self.witness.sync()
        self.witness.set(next(name for name in NAMES if name not in self.changed))
        self.witness.sync()
        keys, me = self.writer.engine().keys, self.writer.identity.id
        head = self.writer.state.heads()[me].head
        last = (head.seq - head.base - 1) // 32
        return {
            "record": [keys.record(key_of(name)) for name in self.changed],
            "segment": [keys.segment(me, head.gen, last)],
            "head": [keys.head(me)],
        }

    def caught(self) -> str | None:
        """What the victim calls it; None if it takes what it is shown."""
        before = self.victim.secrets()
        try:
            self.victim.sync()
        except SyncAlarm as alarm:
            assert self.victim.secrets() == before, "something of it was applied"
            return alarm.what
        return None

    def recovers(self) -> bool:
        """Once the server is honest, whether all is as if nothing had been."""
        sync_liar.stop(self.server)
        settle(self.homes)
        first, *others = (home.secrets() for home in self.homes)
        return all(other == first for other in others)


def attacked(board: Board, name: str, injected: str, attack) -> None:
    total, calls, whole = count(EACH), collections.Counter(), True
    vault = Vault(16)
    for _ in range(total):
        rows = vault.news()
        attack(vault, rows)
        calls[vault.caught()] += 1
        whole = vault.recovers() and whole
    detected = total - calls[None]
    said = ", ".join(f"{what} {number}" for what, number in calls.most_common())
    board.note(
        16, f"a sync server tampers: {name}", injected=injected,
        must_hold="detected each time, nothing applied, all well once it stops",
        figure=f"{detected} of {total} detected ({said})", held=detected == total and whole,
    )  # fmt: skip


def new(rows: dict[str, list[str]]) -> list[str]:
    return [name for group in rows.values() for name in group]


def test_swapped_rows_are_detected(board: Board) -> None:
    def attack(vault: Vault, rows: dict[str, list[str]]) -> None:
        sync_liar.swap(vault.server, vault.chance, new(rows), list(vault.server.live))

    attacked(board, "swap", "two rows change places: records, segments, heads", attack)


def test_a_flipped_bit_is_detected(board: Board) -> None:
    def attack(vault: Vault, rows: dict[str, list[str]]) -> None:
        sync_liar.flip(vault.server, vault.chance, new(rows))

    attacked(board, "bit flip", "one bit of a record, a segment or a head", attack)


def test_one_row_that_is_rolled_back_is_detected(board: Board) -> None:
    def attack(vault: Vault, rows: dict[str, list[str]]) -> None:
        sync_liar.roll_back_one(vault.server, vault.chance, new(rows))

    attacked(board, "rollback of one", "an older version of a record, segment or head", attack)


def test_a_database_that_is_rolled_back_is_detected(board: Board) -> None:
    def attack(vault: Vault, rows: dict[str, list[str]]) -> None:
        openly = vault.chance.random() < 0.5
        sync_liar.roll_back_all(vault.server, vault.chance, vault.cursor, openly=openly)

    attacked(board, "rollback of all", "an older database, its number told or disguised", attack)


def test_what_is_withheld_is_detected(board: Board) -> None:
    """A record, the end of a log, or all that a device wrote while another has seen it."""

    def attack(vault: Vault, rows: dict[str, list[str]]) -> None:
        whole = new(rows)
        some = vault.chance.choice([rows["record"][:1], rows["segment"], rows["head"], whole])
        sync_liar.withhold(vault.server, some)

    attacked(board, "withholding", "a record, a segment, a head, or all of them", attack)


def test_a_device_that_only_ever_reads_is_told_of_a_server_that_shows_nothing_new() -> None:
    """What no device can prove it can at least say: everybody else is silent."""
    vault = Vault(1)
    home: Home = vault.victim
    assert not silent(home.state, home.identity.id, home.now)
    home.now += 15 * 86400.0
    home.sync()
    assert silent(home.state, home.identity.id, home.now)
