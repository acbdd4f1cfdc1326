"""Running the application: the socket it listens at, the server below it, and how it ends."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth.server import browsing, first, logs
from arcrun_auth.server.routes import ROUTES
from arcrun_auth.server.web import Server

if TYPE_CHECKING:
    from types import FrameType

    from arcrun_auth.server.config import Config
    from arcrun_auth.server.database import Database

ALL_ROUTES = [*ROUTES, *first.ROUTES, *browsing.ROUTES]
"""All that `arcrun serve` answers, but for what tells of it."""
KEEP_ALIVE = 60
"""After how many seconds is a connection closed that nobody uses?"""
GRACE = 20
"""How many seconds may requests take that are under way when the server is told to end?"""


@dataclass(frozen=True)
class Reach:
    """How the server is reached. `proxy` are the addresses whose `X-Forwarded-For` is believed."""

    tls_certificate: str = ""
    tls_key: str = ""
    proxy: str = ""


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 for one that is free. OSError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY on what says that it is TCP alone: else every answer waits 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError:
        sock.close()
        raise
    return sock


def application(database: Database, config: Config) -> Server:
    """What `arcrun serve` runs. AuthError where an app of the configuration cannot be shared."""
    return Server(database, config, ALL_ROUTES)


def server(app: Server, reach: Reach | None = None) -> Any:
    """The server for an application: `run(sockets=[…])` until it is told to end."""
    import uvicorn

    from arcrun_auth.server.guarded import Guarded

    class Calm(uvicorn.Server):
        """Ends with what is under way done, and the process goes on to its own end."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            del frame
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    reach = reach or Reach()
    config = uvicorn.Config(
        app, http=Guarded, log_config=None, access_log=False, lifespan="off", ws="none",
        server_header=False,
        proxy_headers=bool(reach.proxy), forwarded_allow_ips=reach.proxy or None,
        ssl_certfile=reach.tls_certificate or None, ssl_keyfile=reach.tls_key or None,
        timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GRACE,
    )  # fmt: skip
    return Calm(config)


def run(app: Server, sock: socket.socket, reach: Reach) -> None:
    """Serves at a socket until a signal ends it."""
    logs.LOGGER.info("started")
    server(app, reach).run(sockets=[sock])
    logs.LOGGER.info("ended")


def log_to_stderr() -> None:
    """The server's log, and what the library below it says, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.Lines())
    for name, level in (("arcrun_auth.server", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
