"""Homes that share a login: brokers on real vaults, the real server, a strict provider."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING

from arcrun_auth.broker import Broker
from arcrun_auth.sync.session import session
from arcrun_auth.sync.shares import share
from arcrun_auth.tokens import Credential, Key, Secret
from tests.sync_homes import MASTER, Homes
from tests.sync_kit import Home, enrol
from tests.world import Told

if TYPE_CHECKING:
    from pathlib import Path

    from arcrun_auth.sync.joining import Report
    from arcrun_auth.testing import Provider
    from arcrun_auth.tokens import Grant
    from tests.platform_desk import Desk

DEMO = Key("credential", "demo")


class Sharing:
    """The first home is logged in to `demo`, and all homes are of one vault."""

    def __init__(
        self, folder: Path, provider: Provider, *names: str, desk: Desk | None = None
    ) -> None:
        self.provider = provider
        self.homes = Homes(folder, desk)
        self.brokers: dict[str, Broker] = {}
        self.opened: dict[str, Home] = {}
        first, *others = map(self._made, names or ("laptop", "desktop"))
        self.first = first.name
        self.another(self.first).setup("demo")
        first.sync()
        for other in others:
            enrol(first, other)
        self.before = (0, 0, 0)

    def begin(self) -> None:
        """A fresh login, shared by all homes; what was counted before counts no more."""
        for broker in self.brokers.values():
            broker.close()
        self.brokers.clear()
        self.homes.desk.database.write(lambda tx: tx.run("DELETE FROM leases"))
        self.broker(self.first).setup("demo")
        self.share()
        self.before = self._counted

    def share(self) -> None:
        """The first one's login is shared, and all others have it."""
        share(self.broker(self.first), "demo", "default")
        self.sync(*self.opened)

    def _made(self, name: str) -> Home:
        home = self.homes(name)
        recipes = self.homes.folder / name / "recipes"
        recipes.mkdir(mode=0o700)
        (recipes / "demo.yaml").write_text(self.provider.recipe_yaml("demo"))
        keyed = self.provider.recipe_yaml("keyed", primitive="static_key")
        (recipes / "keyed.yaml").write_text(keyed)
        home.rotating.add(DEMO)
        self.opened[name] = home
        if len(self.opened) == 1:
            app = Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")})
            home.store.put(app, expect=0)
        return home

    def env(self, name: str) -> dict[str, str]:
        allow = f"{self.homes.desk.origin},{self.provider.issuer}"
        master = b64encode(MASTER).decode()
        return {
            **self.homes.env(name), "ARCRUN_ALLOW_HOSTS": allow, "ARCRUN_MASTER_KEY": master,
            "ARCRUN_KEYRING": "off",
        }  # fmt: skip

    def another(self, name: str, **more) -> Broker:
        """One more process on that home, as far as that is possible: nothing is in memory."""
        env = {**self.env(name), **more.pop("environ", {})}
        broker = Broker(
            home=self.homes.path(name), environ=env, person=Told(), open_url=self.provider.follow,
            allow_hosts=env["ARCRUN_ALLOW_HOSTS"].split(","), **more,
        )  # fmt: skip
        self.homes.stack.callback(broker.close)
        return broker

    def broker(self, name: str) -> Broker:
        """The one that stays."""
        if name not in self.brokers:
            self.brokers[name] = self.another(name)
        return self.brokers[name]

    def sync(self, *names: str) -> list[Report]:
        found = []
        for name in names:
            with session(self.broker(name)) as here:
                found.append(here.sync())
        return found

    def record(self, name: str) -> Credential | None:
        return self.broker(name).store.get(DEMO)

    def grant(self, name: str) -> Grant:
        record = self.record(name)
        assert record is not None
        assert record.grant is not None
        return record.grant

    def expire(self, *names: str) -> None:
        """The access token is past its end at all of them, as after a night."""
        for name in names:
            store, now = self.broker(name).store, time.time()
            record = store.get(DEMO)
            assert record is not None
            assert record.grant is not None
            over = record.grant.replace(issued=now - 7200, expires=now - 3600)
            store.put(record.replace(grant=over), expect=record.generation)

    def token(self, name: str) -> str:
        """Of a process that has nothing in memory."""
        with_nothing = self.another(name)
        try:
            return with_nothing.get_token("demo", interactive=False).access_token
        finally:
            with_nothing.close()

    def lapse(self) -> None:
        """Whoever has a lease has had it for long enough."""
        database = self.homes.desk.database
        database.write(lambda tx: tx.run("UPDATE leases SET expires_at = ?", tx.shared_now() - 1))

    def leases(self) -> list[tuple]:
        """(held, whether somebody was interrupted, and whether it may still know)."""
        columns = "held, interrupted_fence IS NOT NULL, interrupted_by IS NOT NULL"
        sql = f"SELECT {columns} FROM leases"
        return [tuple(map(bool, r)) for r in self.homes.desk.database.read(lambda tx: tx.all(sql))]

    @property
    def _counted(self) -> tuple[int, int, int]:
        provider = self.provider
        return (
            provider.token_requests["refresh_token"], provider.reuses, provider.families_revoked
        )  # fmt: skip

    @property
    def requests(self) -> int:
        """How many renewals the provider was asked for."""
        return self._counted[0] - self.before[0]

    @property
    def well(self) -> bool:
        """Whether the provider has seen nothing that it takes for a theft."""
        return self._counted[1:] == self.before[1:]

    def close(self) -> None:
        self.homes.close()
