"""The proxy as a whole: a session, where it listens, and the gateway behind it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_auth.agents.proxy import address, listening
from arcrun_auth.agents.proxy.forwarding import Forwarder
from arcrun_auth.agents.proxy.server import Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.proxy.session import Session


class Proxy:
    """Listens as soon as it is made; `serve` answers.

    `port` is one of this machine's loopback addresses, 0 for any that is free; with `path` it
    listens at that Unix socket instead. `origins` are web pages that may ask, as a browser names
    them. Raises AuthError where it cannot listen.
    """

    def __init__(
        self,
        gateway: Gateway,
        session: Session,
        *,
        port: int = 0,
        path: str | None = None,
        origins: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.session, self.socket = session, path
        found: tuple[socket.socket, ...]
        if path is None:
            found = listening.on_loopback(port)
            self.port = int(found[0].getsockname()[1])
            self.origin = f"http://127.0.0.1:{self.port}"
            hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        else:
            found = (listening.at_socket(path),)
            self.port = 0
            self.origin = "http://localhost"  # what clients send for want of a name
            hosts = {"localhost"}
        self._server = Server(found)
        self._forwarder = Forwarder(
            gateway,
            session,
            watching=self._server.watching,
            hosts=hosts,
            origins=[each.lower() for each in origins],
            clock=clock,
        )

    def base_url(self, service: str, instance: str | None = None) -> str:
        """What stands for the base URL of a service."""
        return address.base(self.origin, service, instance)

    def serve(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Answers until the session ends, `ended()`, or `stop` is called."""
        try:
            self._server.serve(self._forwarder, lambda: ended() or self._forwarder.is_over())
        finally:
            if self.socket is not None:
                with suppress(OSError):
                    os.unlink(self.socket)

    def stop(self) -> None:
        """Ends `serve`, from wherever: a signal, another thread."""
        self._server.stop()
