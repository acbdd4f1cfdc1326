"""Homes that sync, and an honest server in memory, page by page as the real one."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from arcrun_auth.protocol import membership, portable
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync import removed
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.engine import Engine
from arcrun_auth.sync.founding import founded
from arcrun_auth.sync.identity import identity
from arcrun_auth.sync.state import MEMORY, State
from arcrun_auth.sync.wire import Conflict, Page, Row, Wire, Write, Written
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.joining import Report

PAGE = 7
"""So few rows in an answer, that every test turns pages."""


class Server(Wire):
    """One account's rows: the contract of a batch, of versions and of pages, and nothing more."""

    def __init__(self, *, page: int = PAGE) -> None:
        self.rows: dict[str, Row] = {}
        self.seq = 0
        self.page = page
        self.requests = 0
        self.batches: list[list[Write]] = []

    def rows_since(self, cursor: int) -> Page:
        self.requests += 1
        found = sorted(
            (row for row in self.rows.values() if row.version > cursor), key=lambda r: r.version
        )
        return Page(found[: self.page], self.seq, len(found) > self.page)

    def row(self, name: str) -> Row | None:
        self.requests += 1
        row = self.rows.get(name)
        return None if row is None or row.sealed is None else row

    def write(self, batch: Sequence[Write]) -> Written:
        self.requests += 1
        assert len(batch) <= 500
        assert len({write.name for write in batch}) == len(batch)
        for write in batch:
            if write.expect is not None and write.expect != self._version(write.name):
                raise Conflict
        self.batches.append(list(batch))
        for write in batch:
            self.seq += 1
            self.rows[write.name] = Row(write.name, self.seq, write.sealed)
        return Written(self.seq, {w.name: self.rows[w.name].version for w in batch})

    def _version(self, name: str) -> int:
        row = self.rows.get(name)
        return 0 if row is None or row.sealed is None else row.version

    @property
    def live(self) -> dict[str, Row]:
        return {name: row for name, row in self.rows.items() if row.sealed is not None}


class Home:
    """One device: its store, its memory of the server, and a clock that a test can set."""

    def __init__(
        self, name: str, wire: Wire, *, store: Store | None = None, state: State | None = None
    ) -> None:
        self.name = name
        self.wire = wire
        self.now = 1_800_000_000.0
        self.store = store or Memory(clock=lambda: self.now)
        self.state = state or State(MEMORY)
        self.identity = identity(self.store, name=name)
        self.slept: list[float] = []
        self.rotating: set[Key] = set()
        """Which records have a grant that stays."""

    def login(self, record: Credential) -> portable.Login:
        return "stays" if record.key in self.rotating else "travels"

    def engine(self) -> Engine:
        return Engine(
            self.store, self.state, self.wire, self.identity, login=self.login,
            clock=lambda: self.now, sleep=self.slept.append,
        )  # fmt: skip

    def sync(self) -> Report:
        founded(self.store, self.state, self.wire, self.identity, now=self.now)
        return self.engine().sync()

    # -- what a person does ------------------------------------------------------------------

    def set(self, name: str, secret: str | None = None, **fields) -> str:
        """Stores a key under `account` or `account@instance`; gives the key."""
        key = key_of(name)
        value = secret or canary.fresh("key")
        held = self.store.get(key)
        record = (held or Credential(key)).replace(secrets={"token": Secret(value)}, **fields)
        self.store.put(record, expect=held.generation if held else 0)
        return value

    def log_in(self, name: str, refresh: str | None = None, **fields) -> Grant:
        key = key_of(name)
        fields.setdefault("access_token", Secret(canary.fresh("access")))
        grant = Grant(
            refresh_token=Secret(refresh or canary.fresh("refresh")), issued=self.now, **fields
        )
        held = self.store.get(key)
        record = (held or Credential(key)).replace(grant=grant)
        self.store.put(record, expect=held.generation if held else 0)
        return grant

    def remove(self, name: str) -> None:
        record = self.store.get(key_of(name))
        assert record is not None
        removed.note(self.store, record)
        self.store.delete(record.key, expect=record.generation)

    def get(self, name: str) -> str | None:
        record = self.store.get(key_of(name))
        return None if record is None else record.secrets["token"].reveal()

    def secrets(self) -> dict[str, str]:
        """All keys here, by the names of their records."""
        found = {}
        for key in self.store.keys():
            record = self.store.get(key)
            if key.kind in portable.KINDS and record is not None and record.secrets:
                found[str(key)] = record.secrets["token"].reveal()
        return found


def key_of(name: str) -> Key:
    account, _, instance = name.partition("@")
    return Key("credential", account, instance or "default")


def pair(wire: Wire, *names: str) -> list[Home]:
    """Homes of one vault that have synced once."""
    first, *others = (Home(name, wire) for name in names or ("laptop", "desktop"))
    first.sync()
    for other in others:
        enrol(first, other)
    return [first, *others]


def enrol(old: Home, new: Home) -> None:
    """Lets `new` into the vault of `old`, as `arcrun devices` does once both have said yes."""
    old.sync()
    ring = rings.stored(old.store)
    assert ring is not None
    keys = ring.keys
    members = old.state.members(keys.vault)
    assert members is not None
    more = members.add(new.identity.device, by=old.identity.id, sign=old.identity.sign, at=old.now)
    write_members(old, keys, more)
    new.state.forget()
    rings.begin(new.store, VaultKeys(keys.vault, keys.root, keys.contents))
    old.sync()
    heads = old.state.heads().items()
    new.state.pin(more.tip, {dev: (known.head.n, known.hash) for dev, known in heads})
    new.sync()


def write_members(home: Home, keys: VaultKeys, members: membership.Membership, *more: Write):
    name = keys.members
    sealed = keys.seal_meta(name, members.dump())
    home.wire.write([Write(name, sealed, home.state.version(name)), *more])


def settle(homes: Iterable[Home], *, rounds: int = 4) -> None:
    """Syncs in turns until nothing moves any more."""
    homes = list(homes)
    for _ in range(rounds):
        moved = False
        for home in homes:
            report = home.sync()
            moved = moved or bool(report.pushed or report.pulled or report.removed)
        if not moved:
            return
    raise AssertionError(f"they go on and on: {report}")


def shuffled(seed: int, things: Iterable) -> list:
    found = list(things)
    random.Random(seed).shuffle(found)
    return found


def names(count: int) -> Iterable[str]:
    return itertools.islice((f"service{i}" for i in itertools.count()), count)
