"""A server that lies: it honours every request, and tampers with what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.protocol.keys import Sealed
from arcrun_auth.sync.wire import Page, Row
from tests.sync_kit import Server

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from arcrun_auth.sync.wire import Write, Written

    Rows = dict[str, Row]


class Liar(Server):
    """Honest until `lie` is set: that changes the rows that somebody asks for."""

    def __init__(self) -> None:
        super().__init__(page=1000)
        self.history: dict[str, list[Sealed]] = {}
        self.past: list[tuple[int, Rows]] = []
        self.lie: Callable[[Rows], None] | None = None
        self.claimed: int | None = None
        """The number that it says it is at, if not the true one."""

    def write(self, batch: Sequence[Write]) -> Written:
        self.past.append((self.seq, dict(self.rows)))
        done = super().write(batch)
        for write in batch:
            if write.sealed is not None:
                self.history.setdefault(write.name, []).append(write.sealed)
        return done

    def rows_since(self, cursor: int) -> Page:
        page = super().rows_since(cursor)
        if self.lie is None:
            return page
        shown = {row.name: row for row in page.rows}
        self.lie(shown)
        return Page(list(shown.values()), page.cursor if self.claimed is None else self.claimed)


def swap(server: Liar, chance: random.Random, names: Sequence[str], others: Sequence[str]) -> None:
    """Two rows change places; one of them is new to whoever looks."""
    one = chance.choice(names)
    other = chance.choice([name for name in others if name != one])
    first, second = server.rows[one].sealed, server.rows[other].sealed

    def lie(shown: Rows) -> None:
        for name, sealed in ((one, second), (other, first)):
            if name in shown:
                shown[name] = Row(name, shown[name].version, sealed)

    server.lie = lie


def flip(server: Liar, chance: random.Random, names: Sequence[str]) -> None:
    """One bit of one row."""
    name = chance.choice(names)
    sealed = server.rows[name].sealed
    assert sealed is not None
    whole = bytearray(sealed.iv + sealed.data)
    bit = chance.randrange(len(whole) * 8)
    whole[bit // 8] ^= 1 << bit % 8
    damaged = Sealed(bytes(whole[: len(sealed.iv)]), bytes(whole[len(sealed.iv) :]))

    def lie(shown: Rows) -> None:
        if name in shown:
            shown[name] = Row(name, shown[name].version, damaged)

    server.lie = lie


def roll_back_one(server: Liar, chance: random.Random, names: Sequence[str]) -> None:
    """One row is shown as it was before."""
    name = chance.choice([name for name in names if len(server.history.get(name, ())) > 1])
    older = chance.choice(server.history[name][:-1])

    def lie(shown: Rows) -> None:
        if name in shown:
            shown[name] = Row(name, shown[name].version, older)

    server.lie = lie


def roll_back_all(server: Liar, chance: random.Random, since: int, *, openly: bool) -> None:
    """A copy of the database that was taken before is put in place of it.

    Openly, the number that it is at tells; else the rows get new numbers, as if they were new.
    """
    seq, rows = chance.choice([(seq, rows) for seq, rows in server.past if seq < since])
    if openly:
        server.claimed = seq

    def lie(shown: Rows) -> None:
        shown.clear()
        if not openly:
            for number, row in enumerate(rows.values(), server.seq + 1):
                shown[row.name] = Row(row.name, number, row.sealed)
            server.claimed = server.seq + len(rows)

    server.lie = lie


def withhold(server: Liar, names: Sequence[str]) -> None:
    """Rows are not shown."""

    def lie(shown: Rows) -> None:
        for name in names:
            shown.pop(name, None)

    server.lie = lie


def stop(server: Liar) -> None:
    """From now on it is honest."""
    server.lie = server.claimed = None
