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
from arcrun_auth.sync import access, founding
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.account import required
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.copied import become_new_device
from arcrun_auth.sync.engine import Engine
from arcrun_auth.sync.identity import identity, stored
from arcrun_auth.sync.joining import Here
from arcrun_auth.sync.judge import Copied
from arcrun_auth.sync.logins import Logins, primary
from arcrun_auth.sync.roster import Vault
from arcrun_auth.sync.state import FILE, State
from arcrun_auth.sync.verdict import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.cloud import Cloud
    from arcrun_auth.recording import Recorder
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.joining import Report
    from arcrun_auth.tokens import Key


class Home(Protocol):
    """What sync needs of a home; a broker has it."""

    @property
    def store(self) -> Store: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def recipes(self) -> Catalog: ...
    @property
    def audit(self) -> Recorder: ...


@dataclass(frozen=True)
class Place:
    """The same for who has no broker."""

    store: Store
    settings: Settings
    recipes: Catalog
    audit: Recorder


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

    def __init__(self, home: Home, cloud: Cloud, state: State) -> None:
        self.home = home
        self.store = primary(home.store)
        self.cloud = cloud
        self.wire = CloudWire(cloud)
        self.state = state
        self.login = Logins(home.recipes).of
        self.founded = False
        """Whether this was the first sync of the account."""
        self.copied: list[Key] | None = None
        """Which logins have to be done again, where this home was found to be a copy."""

    def engine(self) -> Engine:
        """The engine; the account's vault is founded before, if there is none."""
        me = identity(self.store)
        now = time.time()
        if founding.founded(self.store, self.state, self.wire, me, now=now):
            self.founded = True
        audit = self.home.audit
        return Engine(self.store, self.state, self.wire, me, login=self.login, audit=audit)

    def vault(self) -> Vault:
        """The vault as this device sees it. AuthError where this home belongs to none."""
        ring, me = rings.stored(self.store), stored(self.store)
        if ring is None or me is None:
            raise AuthError("This home belongs to no synced vault.", hint="arcrun sync")
        return Vault(self.wire, self.state, ring.keys, me)

    def sync(self) -> Report:
        """Syncs once. Raises SyncAlarm, ProviderUnavailable, TokenRefused, StoreError.

        Where this home turns out to be a copy of another, or a restored backup, it becomes a
        device of its own first.
        """
        try:
            report = self.engine().sync()
        except Copied:
            self._become_new_device()
            report = self.engine().sync()
        access.note(self.vault(), self.cloud)
        if any(vars(report).values()):
            self.home.audit.note("sync")
        return report

    def _become_new_device(self) -> None:
        me, self.copied = become_new_device(
            self.vault(), self.store, login=self.login, now=time.time()
        )
        access.own_key(self.store, self.cloud, f"{me.name} {me.id}")

    def start_over(self) -> Report:
        """A new vault with what is here, in place of the one that there is, and a first sync.

        The other devices have to be let in anew; what they hold stays there.
        """
        me = identity(self.store)
        founding.start_over(self.store, self.state, self.wire, me)
        return self.sync()

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
        yield Session(home, cloud, state)


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
