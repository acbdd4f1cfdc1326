"""Sync of one home: its store, its account on a platform, and one process at a time.

with session(resolver) as here:
    here.sync()
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from arcrun_auth.errors import AuthError, RefreshBusy
from arcrun_auth.locks import CredentialLock
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.account import required
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.engine import Engine
from arcrun_auth.sync.founding import founded
from arcrun_auth.sync.identity import identity, stored
from arcrun_auth.sync.joining import Here
from arcrun_auth.sync.judge import Copied
from arcrun_auth.sync.state import FILE, State
from arcrun_auth.sync.verdict import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.cloud import Cloud
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.joining import Report
    from arcrun_auth.sync.wire import Wire
    from arcrun_auth.tokens import Credential


class Home(Protocol):
    """What sync needs of a home; a broker has it."""

    @property
    def store(self) -> Store: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def recipes(self) -> Catalog: ...


@dataclass(frozen=True)
class Place:
    """The same for who has no broker."""

    store: Store
    settings: Settings
    recipes: Catalog


LOCK_SECONDS = 30.0
"""How long to wait for another process of this home that syncs?"""


@dataclass(frozen=True)
class Device:
    """A device as sync sees it."""

    id: str
    name: str
    ours: bool
    written: float | None
    """When it wrote last, by its own clock; None where it has not yet."""


@dataclass(frozen=True)
class Status:
    """How sync stands here. Sends nothing."""

    server: str
    account: str
    vault: str | None
    """The id of the vault; None before the first sync."""
    epoch: int
    devices: tuple[Device, ...]
    synced: float | None
    """When this home last synced to the end."""
    waiting: tuple[str, ...]
    """What has changed here since."""
    device_local: tuple[str, ...]
    """Whose login stays on this device."""
    shared: tuple[str, ...]
    """Whose login all devices share, and renew in turns."""
    silent: bool
    """Whether no other device has written for two weeks, as far as the server shows."""


class Session:
    """One home while it syncs: nobody else of it does meanwhile."""

    def __init__(self, home: Home, wire: Wire, state: State) -> None:
        self._home = home
        self.store = primary(home.store)
        self.wire = wire
        self.state = state
        self.founded = False
        """Whether this was the first sync of the account."""

    def engine(self) -> Engine:
        """The engine; the account's vault is founded before, if there is none."""
        me = identity(self.store)
        now = time.time()
        self.founded = founded(self.store, self.state, self.wire, me, now=now) or self.founded
        login = Logins(self._home.recipes).of
        return Engine(self.store, self.state, self.wire, me, login=login)

    def sync(self) -> Report:
        """Syncs once. Raises SyncAlarm, ProviderUnavailable, TokenRefused, StoreError."""
        try:
            return self.engine().sync()
        except Copied:
            raise AuthError(
                "This home is a copy of another, or a restored backup: two devices would write "
                "as one. Nothing was synced.",
                hint="arcrun devices join makes it a device of its own",
            ) from None

    def verify(self) -> str:
        """Checks everything, and gives the code to compare. Raises what `sync` raises."""
        return self.engine().verify()


@contextmanager
def session(
    home: Home, *, wait: float = LOCK_SECONDS, cloud: Cloud | None = None
) -> Iterator[Session]:
    """A home, for as long as `with` holds it. `cloud` is a client to use in place of an own.

    Raises LoginRequired where nobody is logged in, RefreshBusy where another process of this
    home syncs for longer than `wait` seconds.
    """
    account = required(primary(home.store), home.settings) if cloud is None else None
    lock = CredentialLock(home.settings.locks_path, rings.KEY)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(wait))
        except RefreshBusy:
            raise RefreshBusy(
                "Another process of this home is syncing.", hint="arcrun sync"
            ) from None
        state = State(os.path.join(home.settings.home, FILE))
        stack.callback(state.close)
        if account is not None:
            cloud = stack.enter_context(account.cloud())
        assert cloud is not None
        yield Session(home, CloudWire(cloud), state)


def primary(store: Store) -> Store:
    """The store itself: what the environment gives is nobody's to send."""
    found: Store = getattr(store, "primary", store)
    return found


def syncs(store: Store) -> bool:
    """Whether this home belongs to a synced vault."""
    return primary(store).get(rings.KEY) is not None


class Logins:
    """What becomes of the grant of a record, by the recipes that are here."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._services: dict[str, list[str]] = {}
        for entry in catalog.entries():
            self._services.setdefault(entry.account, []).append(entry.service)

    def of(self, record: Credential) -> Login:
        """Where no recipe tells, it stays: a login that is used twice may end for both."""
        for service in self._services.get(record.key.account, ()):
            try:
                way = self._catalog.entry(service).method(record.method)
            except AuthError:  # another service of this account has that way in
                continue
            if way.unattended:
                return "anew"
            if way.refresh == "no" or (way.refresh == "yes" and way.rotates == "no"):
                return "travels"
            return "stays"
        return "stays"


def status(home: Home) -> Status:
    """How sync stands here: read from this home alone. LoginRequired where nobody is logged in."""
    store = primary(home.store)
    account = required(store, home.settings)
    ring, me = rings.stored(store), stored(store)
    if ring is None or me is None:
        return Status(account.server, account.email, None, 0, (), None, (), (), (), silent=False)
    here = Here(store, ring.keys, me.id, Logins(home.recipes).of)
    state = State(os.path.join(home.settings.home, FILE))
    try:
        members, bases, heads = state.members(ring.keys.vault), state.bases(), state.heads()
        synced, quiet = state.get("synced"), silent(state, me.id, time.time())
    finally:
        state.close()
    devices = tuple(
        Device(
            device.id, device.name, device.id == me.id,
            float(heads[device.id].head.time) if device.id in heads else None,
        )
        for device in (members.members.values() if members is not None else ())
        if device.kind == "device"
    )  # fmt: skip
    waiting = [
        local.record.key
        for name, local in here.records.items()
        if name not in bases or bases[name].mac != local.mac
    ]
    own = [local.record.key for local in here.records.values() if here.own_login(local.record)]
    shared = [local.record.key for local in here.records.values() if local.record.shared]
    return Status(
        server=account.server, account=account.email or account.account, vault=ring.keys.vault,
        epoch=ring.keys.epoch, devices=devices, synced=synced,
        waiting=tuple(map(str, sorted(waiting))), device_local=tuple(map(str, sorted(own))),
        shared=tuple(map(str, sorted(shared))), silent=quiet,
    )  # fmt: skip
