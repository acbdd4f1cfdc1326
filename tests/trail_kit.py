"""Devices of one vault that keep trails and tell them, and ways to tamper with what was told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from arcrun_auth.protocol import trail as rows
from arcrun_auth.protocol.keys import Sealed
from arcrun_auth.sync.engine import Engine
from arcrun_auth.sync.trails import Others, Reader
from tests.audit_kit import START, House
from tests.sync_kit import Home, Server, enrol

if TYPE_CHECKING:
    from pathlib import Path

    from arcrun_auth.protocol.head import Head
    from arcrun_auth.protocol.trail import Piece
    from arcrun_auth.sync.wire import Wire


class Keeper(Home):
    """A device with a vault on disk, and a trail beside it."""

    def __init__(self, folder: Path, name: str, wire: Wire) -> None:
        self.house = House(folder, name)
        super().__init__(name, wire, store=self.house.vault)
        self.now = START

    def engine(self) -> Engine:
        return Engine(
            self.store, self.state, self.wire, self.identity, login=self.login,
            clock=lambda: self.now, sleep=self.slept.append, audit=self.house.recorder,
        )  # fmt: skip

    def act(self, lines: int, name: str = "notion") -> None:
        """So many lines, and a sync that tells them."""
        for _ in range(lines):
            assert self.house.recorder.note("use", name)
        self.sync()

    def own(self, other: Keeper) -> Head:
        """The last head of another, as this one knows it."""
        return self.state.heads()[other.identity.id].head

    def look(self, since: float | None = None) -> Others:
        """What this one is shown of the others."""
        members = self.state.members(self.engine().keys.vault)
        assert members is not None
        found = Others()
        reader = Reader(self.wire, self.state, self.engine().keys, members, since)
        for dev in self.state.heads():
            if dev != self.identity.id:
                reader.read(dev, found)
        return found

    def findings(self) -> list[str]:
        return [finding.what for finding in self.look().findings]

    def numbers(self, other: Keeper, since: float | None = None) -> list[int]:
        """Which entries of another it is shown."""
        found = self.look(since).entries
        return sorted(entry.n for entry in found if entry.device == other.identity.id)

    def close(self) -> None:
        self.house.close()
        self.state.close()


def keepers(folder: Path, server: Server, *names: str) -> list[Keeper]:
    """Devices of one vault, each with a trail, that know each other."""
    first, *others = (Keeper(folder, name, server) for name in names or ("laptop", "desktop"))
    first.act(1)
    for other in others:
        enrol(first, other)
        other.act(1)
    first.sync()
    return [first, *others]


def row(keeper: Keeper, i: int) -> str:
    return keeper.engine().keys.trail(keeper.identity.id, i)


def put(server: Server, name: str, sealed: Sealed | None) -> None:
    """The server shows another content of a row."""
    server.rows[name] = replace(server.rows[name], sealed=sealed)


def rewritten(server: Server, keeper: Keeper, i: int, change) -> None:
    """What a member of the vault can do to a row of another: it has the key."""
    keys, name = keeper.engine().keys, row(keeper, i)
    sealed = server.rows[name].sealed
    assert sealed is not None
    piece: Piece = rows.load(keys.open_meta(name, sealed), keys.vault, keeper.identity.id, i)
    change(piece.entries)
    plain = rows.dump(keys.vault, keeper.identity.id, i, piece)
    put(server, name, keys.seal_meta(name, plain))


# -- tamperings: of the trail of `one`, which has two rows, and of that of `other` ----------------


def flip(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """One bit of one row."""
    del other
    name = row(one, n % 2)
    sealed = server.rows[name].sealed
    assert sealed is not None
    data = bytearray(sealed.data)
    data[n] ^= 1
    put(server, name, Sealed(sealed.iv, bytes(data)))


def reword(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """One entry says something else."""
    del other

    def change(entries: list[tuple[int, str]]) -> None:
        at = n % len(entries)
        number, text = entries[at]
        entries[at] = (number, text.replace('"use"', '"nay"'))

    rewritten(server, one, n % 2, change)


def drop_row(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """A row is not shown."""
    del other
    put(server, row(one, n % 2), None)


def drop_entry(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """One entry is left out."""
    del other
    rewritten(server, one, n % 2, lambda entries: entries.pop(n % (len(entries) - 1)))


def drop_first(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The first entries that were told are left out."""
    del other
    rewritten(server, one, 0, lambda entries: entries.__delitem__(slice(0, n)))


def reorder_rows(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """Two rows change their places."""
    del other, n
    first, second = (server.rows[row(one, i)].sealed for i in (0, 1))
    put(server, row(one, 0), second)
    put(server, row(one, 1), first)


def reorder_entries(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """Two entries change their places."""
    del other

    def change(entries: list[tuple[int, str]]) -> None:
        at = n % (len(entries) - 1)
        (a, first), (b, second) = entries[at : at + 2]
        entries[at : at + 2] = [(a, second), (b, first)]

    rewritten(server, one, n % 2, change)


def put_back(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The last row as it was before."""
    del other
    name = row(one, 1)
    older = [write.sealed for batch in server.batches for write in batch if write.name == name]
    put(server, name, older[n % (len(older) - 1)])


def put_all_back(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The last row, and the head that named it then: together they fit."""
    del other
    head, name = one.engine().keys.head(one.identity.id), row(one, 1)
    both = [
        {write.name: write.sealed for write in batch}
        for batch in server.batches
        if {head, name} <= {write.name for write in batch}
    ]
    older = both[n % (len(both) - 1)]
    put(server, head, older[head])
    put(server, name, older[name])


def cut(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The last entries are left out."""
    del other
    rewritten(server, one, 1, lambda entries: entries.__delitem__(slice(-1 - n % 9, None)))


def swap_ends(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The last rows of two devices change places."""
    del n
    first, second = server.rows[row(one, 1)].sealed, server.rows[row(other, 1)].sealed
    put(server, row(one, 1), second)
    put(server, row(other, 1), first)


def swap_contents(server: Server, one: Keeper, other: Keeper, n: int) -> None:
    """The same by somebody who can seal them for their places."""
    del n
    held: list[list[tuple[int, str]]] = []
    rewritten(server, other, 1, lambda entries: held.append(list(entries)))
    rewritten(server, one, 1, lambda entries: entries.__setitem__(slice(None), held[0]))


TAMPERINGS = {
    "edit": (flip, reword),
    "delete": (drop_row, drop_entry, drop_first),
    "insert or reorder": (reorder_rows, reorder_entries),
    "truncate": (put_back, put_all_back, cut),
    "swap of two files' ends": (swap_ends, swap_contents),
}
"""The five kinds, by a server and by a member of the vault."""


def told(folder: Path) -> tuple[Server, list[Keeper]]:
    """Three devices; two of them have told two rows, a few lines at a time."""
    server = Server(page=1000)
    made = keepers(folder, server, "laptop", "desktop", "phone")
    for keeper in made[1:]:
        keeper.act(60, keeper.name)
        for _ in range(4):
            keeper.act(6, keeper.name)
    made[0].sync()
    return server, made
