"""AWS for tests that need no signature to be checked: a server that records, and the recipes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from tests import aws_desk, canary
from tests.servers import Recorder, Reply, recorder
from tests.world import Told

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": canary.fresh("aws")}


class Aws:
    """`server` answers everything, and says what it was asked; `now` is the brokers' clock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(recorder())
        self.catalog = aws_desk.catalog(self._folder, self.server.origin)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fresh(self) -> Recorder:
        """The server as it was in the beginning."""
        self.now = 1_800_000_000.0
        self.server.seen.clear()
        self.server.answer = lambda _: Reply()
        return self.server

    def broker(self, folder: Path, **settings) -> Broker:
        return Broker(
            home=str(folder / "home"),
            recipes=self.catalog,
            allow_hosts=[self.server.origin],
            person=Told(),
            clock=lambda: self.now,
            **({"store": Memory()} | settings),
        )
