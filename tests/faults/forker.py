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

import arcrun_auth.server.sqlite  # noqa: F401 - imported before the fork, not behind it
from arcrun_auth import _http
from arcrun_auth.broker import Broker
from arcrun_auth.server import migrations, running  # noqa: F401
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.database import open_database
from arcrun_auth.sync.session import session

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
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):  # some systems let only ancestors trace
        libc.prctl(PR_SET_PTRACER, ANYBODY)
    say({"pid": os.getpid()})
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        {"sync": sync, "serve": serve}[order.pop("do")](**order)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _http.ssl_context()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            child(json.loads(line))
        say({"ended": os.waitpid(pid, 0)[1]})
