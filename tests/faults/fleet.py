"""Homes of one vault, every value that must be there, and what is missing or there twice."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from arcrun_auth.cloud import Cloud
from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.protocol import log
from arcrun_auth.protocol.keys import BEACON
from arcrun_auth.sync import telling
from arcrun_auth.sync.wire import everything_since
from tests.sync_homes import opened
from tests.sync_kit import enrol, settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arcrun_auth.tokens import Secret
    from tests.platform_desk import Desk
    from tests.sync_kit import Home

BOTH = "both"
"""The record that every device sets, so that there is a conflict each time."""


@dataclass
class Tally:
    """What is not as it should be, over all homes and the server's rows."""

    lost: int = 0
    """Values that were set, and that nothing has replaced, but that a home does not hold."""
    doubled: int = 0
    """Values that a home holds twice, or although they were replaced or removed."""
    apart: int = 0
    """Homes that do not hold the same as the first, or do not show its code."""
    stray: int = 0
    """Rows of the server that no log accounts for, or that a log names and are not there."""

    def add(self, other: Tally) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)

    @property
    def clean(self) -> bool:
        return not any(vars(self).values())

    def __str__(self) -> str:
        return ", ".join(f"{number} {name}" for name, number in vars(self).items())


class Fleet:
    """Homes in `folder` that sync with the account of `key` at `url`."""

    def __init__(self, folder: Path, url: str, key: Secret, *names: str) -> None:
        self.folder = folder
        self.url = url
        self.key = key
        self.values: set[str] = set()
        self._stack = ExitStack()
        self.homes: list[Home] = []
        for name in names:
            self.let_in(name)

    def let_in(self, name: str) -> Home:
        """One more home; the first founds the vault."""
        home = opened(self._stack, self.path(name), name, self.cloud())
        if self.homes:
            enrol(self.homes[0], home)
        else:
            home.sync()
        self.homes.append(home)
        return home

    def cloud(self) -> Cloud:
        return Cloud(self.url, self.key, allow=[self.url])

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def set(self, home: Home, name: str) -> None:
        """A new value, in place of the one that this home holds."""
        before = home.get(name)
        self.values.discard(before or "")
        self.values.add(home.set(name))

    def remove(self, home: Home, name: str) -> None:
        before = home.get(name)
        if before is not None:
            self.values.discard(before)
            home.remove(name)

    def drop_copies(self, home: Home) -> None:
        """What a person does once it is known which version of a record is right."""
        for name in home.secrets():
            if ".conflict-" in name:
                self.remove(home, name)

    def change(self, number: int, *homes: Home) -> None:
        """Something of everything on each of `homes`: new, changed, removed, in conflict."""
        for home in homes:
            self.drop_copies(home)
            self.change_own(number, home)
            self.set(home, BOTH)

    def change_own(self, number: int, home: Home) -> None:
        """The same without a conflict: what becomes of one among many who never stop is moot."""
        own = home.name.replace("-", "_")
        self.set(home, own)
        self.set(home, f"{own}_{number}")
        self.remove(home, f"{own}_{number - 2}")

    def settle(self) -> None:
        settle(self.homes, rounds=6)

    def judge(self, *, codes: bool = False) -> Tally:
        """Looks at all homes and at the server, once everybody has synced to the end."""
        for home in self.homes:
            home.sync()
        tally = Tally()
        first = self.homes[0].secrets()
        for home in self.homes:
            held = home.secrets()
            times = Counter(held.values())
            tally.lost += len(self.values - set(times))
            tally.doubled += sum(times.values()) - len(self.values & set(times))
            tally.apart += held != first
        tally.stray = strays(self.homes[-1])
        if codes:
            tally.apart += len({home.engine().verify() for home in self.homes}) - 1
        return tally

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@contextmanager
def fleet_at(folder: Path, server: Desk, *names: str, url: str = "") -> Iterator[Fleet]:
    """Homes of a new account at `server`, which they reach at `url` where that is another."""
    with server.account() as account:
        assert account.key is not None
        with Fleet(folder, url or server.url, account.key, *names) as fleet:
            yield fleet


def strays(home: Home) -> int:
    """How many rows are on the server and should not be, or the other way round."""
    keys, state = home.engine().keys, home.state
    rows = everything_since(home.wire, 0)
    live = {name for name, row in rows.items() if row.sealed is not None}
    named = {name for name, placed in state.current().items() if not placed.entry.gone}
    named |= {BEACON, keys.members}
    access = set()
    for dev, known in state.heads().items():
        head = known.head
        access.add(keys.name(b"access", dev.encode()))
        named.add(keys.head(dev))
        last = log.segment_at(head.seq, head.base) if head.seq > head.base else -1
        named |= {keys.segment(dev, head.gen, number) for number in range(last + 1)}
        named |= {*telling.names(head, keys)}
    records = {keys.record(key) for key in home.store.keys() if key.kind == "credential"}
    return len(live - named - access) + len((named | records) - live)


def tried(home: Home) -> str:
    """One sync that may fail as syncs do when something is broken; the type of its error, or ""."""
    try:
        home.sync()
    except ProviderUnavailable as error:
        return type(error).__name__
    return ""
