"""Forks processes that have everything imported, for tests that kill many. To be told by lines.

    {"do": "sync", "env": {...}}           one `arcrun sync` of that home
    {"do": "serve", "folder": F, "port": N}  the platform on F/server.db, until it is ended

Each says its number and stops itself, so that whoever wants to trace it misses nothing. When it
has ended, the forker says how.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from importlib import import_module

from arcrun_auth import _http
from arcrun_auth.broker import Broker
from arcrun_auth.server import running
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.database import open_database
from arcrun_auth.sync.session import session

LATER = (
    "arcrun_auth.catalog", "arcrun_auth.catalog.index", "arcrun_auth.scrub",
    "arcrun_auth.server.guarded", "arcrun_auth.server.migrations", "arcrun_auth.server.sqlite",
    "arcrun_auth.settings", "arcrun_auth.stores.create", "arcrun_auth.stores.kdf",
    "arcrun_auth.stores.upkeep", "arcrun_auth.stores.vault", "arcrun_auth.threads", "click",
    "ctypes.util", "filelock", "httpcore", "httpx", "uvicorn",
    "uvicorn.protocols.http.httptools_impl", "uvicorn.loops.auto",
    "cryptography.hazmat.primitives.asymmetric.rsa", "h11", "idna", "certifi",
)  # fmt: skip
"""What these programs import when they get there: so much is traced, or is not."""

PR_SET_PDEATHSIG = 1
PR_SET_PTRACER = 0x59616D61
ANYBODY = ctypes.c_ulong(-1)


def sync(env):
    os.environ.update(env)
    broker = Broker()
    with session(broker) as here:
        here.sync()
    broker.close()


def serve(folder, port):
    database = open_database(f"{folder}/server.db")
    sock = running.listening("127.0.0.1", port)
    limits = Limits(key_rate=0, address_rate=0)
    app = running.application(database, Config(registration="open", limits=limits))
    say({"port": sock.getsockname()[1]})
    running.run(app, sock, running.Reach())
    database.close()


def say(what):
    os.write(1, json.dumps(what).encode() + b"\n")


def child(order):
    """Does it, and ends the process: nothing of the forker's goes on in it."""
    prctl = ctypes.CDLL(None).prctl  # Linux has it, and so has whoever has strace
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # none of them outlives the forker
    prctl(PR_SET_PTRACER, ANYBODY)  # some systems let only ancestors trace
    say({"pid": os.getpid()})
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        {"sync": sync, "serve": serve}[order.pop("do")](**order)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    for name in LATER:
        import_module(name)
    _http.ssl_context()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            child(json.loads(line))
        say({"ended": os.waitpid(pid, 0)[1]})
