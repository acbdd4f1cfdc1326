"""Homes on disk that sync over HTTP: real vaults, the real server, one account."""

from __future__ import annotations

import os
import time
from base64 import b64decode
from contextlib import ExitStack
from typing import TYPE_CHECKING

from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.state import FILE, State
from tests.platform_desk import Desk
from tests.sync_kit import Home

if TYPE_CHECKING:
    from pathlib import Path

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.tokens import Secret

MASTER = b64decode("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
"""What opens each of these vaults: what `inside` runs commands with."""


def opened(stack: ExitStack, path: str, name: str, cloud: Cloud) -> Home:
    """The home at `path`, its files made as they are needed; `stack` closes it and the client."""
    stack.enter_context(cloud)
    os.makedirs(path, mode=0o700, exist_ok=True)
    store = Vault(f"{path}/secrets.db", keys=Keys(key=MASTER, environ={}))
    state = State(f"{path}/{FILE}")
    stack.callback(state.close)
    stack.callback(store.close)
    home = Home(name, CloudWire(cloud), store=store, state=state)
    home.now = time.time()
    return home


class Homes:
    """A server, an account on it, and homes by their names."""

    def __init__(self, folder: Path, desk: Desk | None = None) -> None:
        self.folder = folder
        self.stack = ExitStack()
        if desk is None:
            (folder / "server").mkdir()
            desk = Desk(folder / "server")
        self.desk = desk
        self.stack.callback(self.desk.close)
        with self.desk.account() as client:
            assert client.key is not None
            self.key: Secret = client.key

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def __call__(self, name: str) -> Home:
        """The home of that name, opened; its files are made as they are needed."""
        return opened(self.stack, self.path(name), name, self.desk.cloud(self.key))

    def env(self, name: str) -> dict[str, str]:
        """With which a command is run there."""
        return {
            "ARCRUN_HOME": self.path(name), "ARCRUN_SERVER": self.desk.url,
            "ARCRUN_API_KEY": self.key.reveal(), "ARCRUN_ALLOW_HOSTS": self.desk.origin,
        }  # fmt: skip

    def close(self) -> None:
        self.stack.close()
