"""Some devices that do anything in any order: at the end all hold the same, and all of it.

What a person does, syncs in turns, processes that die, requests that never arrive and answers
that never do. A key is only gone if somebody who had it put another in its place, or removed it.
"""

from __future__ import annotations

import os
import random

import pytest

from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.protocol import log
from arcrun_auth.sync.engine import DAY
from arcrun_auth.sync.wire import Wire
from tests.sync_crashing import dies
from tests.sync_kit import Home, Server, enrol, pair, settle

RUNS = 400 if os.environ.get("FULL") == "1" else 4
NAMES = ("notion", "slack", "github", "drive@work")


class Cut(Wire):
    """A network that is sometimes not there; what was sent may have arrived."""

    def __init__(self, inner: Wire, chance: random.Random) -> None:
        self.inner = inner
        self.chance = chance
        self.bad = 0.0

    def _send(self, call, *args):
        luck = self.chance.random()
        if luck < self.bad / 2:
            raise ProviderUnavailable("never sent")
        done = call(*args)
        if luck < self.bad:
            raise ProviderUnavailable("no answer", sent=True)
        return done

    def rows_since(self, cursor):
        return self._send(self.inner.rows_since, cursor)

    def row(self, name):
        return self._send(self.inner.row, name)

    def write(self, batch):
        return self._send(self.inner.write, batch)


class World:
    """The devices, and what has become of each key that was ever set."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.server = Server()
        self.homes: list[Home] = []
        for home in pair(self.server, "one", "two", "three"):
            self.add(home)
        self.due: set[str] = set()
        """Keys that have to be somewhere."""

    def add(self, home: Home) -> None:
        home.wire = Cut(self.server, self.chance)
        self.homes.append(home)

    def step(self) -> None:
        home = self.chance.choice(self.homes)
        act = self.chance.choices(
            (self.set, self.remove, self.sync, self.die, self.cut, self.away, self.join),
            (30, 8, 30, 10, 10, 3, 1),
        )[0]
        act(home)

    def _had(self, home: Home, name: str) -> None:
        """Whoever had this one has decided about it."""
        self.due.discard(home.get(name) or "")

    def set(self, home: Home) -> None:
        name = self.chance.choice(NAMES)
        self._had(home, name)
        self.due.add(home.set(name))

    def remove(self, home: Home) -> None:
        name = self.chance.choice(NAMES)
        if home.get(name) is not None:
            self._had(home, name)
            home.remove(name)

    def sync(self, home: Home) -> None:
        home.sync()

    def die(self, home: Home) -> None:
        dies(home, self.chance.randrange(60))

    def cut(self, home: Home) -> None:
        home.wire.bad = 0.3
        try:
            home.sync()
        except ProviderUnavailable:
            pass
        finally:
            home.wire.bad = 0.0

    def away(self, home: Home) -> None:
        for each in self.homes:
            each.now += 10 * DAY

    def join(self, home: Home) -> None:
        if len(self.homes) < 5:
            fresh = Home(f"more{len(self.homes)}", self.server)
            enrol(home, fresh)
            self.add(fresh)


@pytest.mark.parametrize("seed", range(RUNS))
def test_whatever_the_devices_do_they_come_to_hold_the_same_and_all_of_it(
    seed: int, monkeypatch
) -> None:
    monkeypatch.setattr(log, "SEGMENT", 4)
    monkeypatch.setattr(log, "SPARE", 8)
    world = World(seed)
    for _ in range(120):
        world.step()
    settle(world.homes, rounds=8)
    held = [home.secrets() for home in world.homes]
    assert all(each == held[0] for each in held)
    values = list(held[0].values())
    assert world.due <= set(values), "a key is lost"
    assert len(values) == len(set(values)), "a key is there twice"
    assert len({home.engine().verify() for home in world.homes}) == 1
    assert all(not home.slept or max(home.slept) < 0.2 for home in world.homes), "a false suspicion"
    for home in world.homes:  # and every row on the server is one that somebody answers for
        assert not home.state.garbage()
