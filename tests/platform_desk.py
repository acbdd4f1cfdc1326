"""A platform of this project in a thread: the real server, on SQLite in a folder, on port 0."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import uvicorn.server

from arcrun_auth.cloud import Cloud
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.database import open_database
from arcrun_auth.server.running import application, listening, server
from arcrun_auth.tokens import Secret
from tests.servers import GUARD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def _nap(_: float) -> None:
    await asyncio.sleep(0.005)


# uvicorn looks every tenth of a second whether it is to end, and then waits for another one.
uvicorn.server.asyncio = SimpleNamespace(**{**vars(asyncio), "sleep": _nap})

IV = base64.b64encode(bytes(12)).decode()


def cipher(text: str = "x") -> str:
    """Something that looks like the ciphertext of a row."""
    return base64.b64encode(text.encode().ljust(32, b".")).decode()


FREE = Limits(key_rate=0, address_rate=0)
"""Limits that no test runs into by its speed."""


class Desk:
    """A running server; `url` is where, `origin` what `allow` has to name."""

    def __init__(self, folder: Path, config: Config | None = None, url: str = "") -> None:
        self.folder = folder
        self.database = open_database(url or str(folder / "server.db"))
        self.config = config or Config(registration="open", limits=FREE)
        self._listener = listening("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self.url = self.origin = f"http://127.0.0.1:{self.port}"
        if not self.config.url:
            self.config = replace(self.config, url=self.url)
        self.app = application(self.database, self.config)
        self._server = server(self.app)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(GUARD)

    def _run(self) -> None:
        async def serve() -> None:
            asyncio.get_running_loop().call_soon(self._started.set)
            await self._server.serve(sockets=[self._listener])

        asyncio.run(serve())

    def cloud(self, key: str | Secret | None = None) -> Cloud:
        """A client with that key."""
        secret = Secret(key) if isinstance(key, str) else key
        return Cloud(self.url, secret, allow=[self.origin])

    def account(self, email: str | None = None) -> Cloud:
        """A client of a new account."""
        with self.cloud() as nobody:
            return self.cloud(nobody.register(email=email).api_key)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(GUARD)
        self.database.close()


@contextlib.contextmanager
def desk(folder: Path, config: Config | None = None, url: str = "") -> Iterator[Desk]:
    """A server that runs inside `with`. `url` names a PostgreSQL in place of the file."""
    found = Desk(folder, config, url)
    try:
        yield found
    finally:
        found.close()
