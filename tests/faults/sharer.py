"""Homes that share a login, each a process of its own that renews it as fast as it can.

`python sharer.py homes`: a warm process that forks one for each line of JSON on stdin (`env`, and
`log`, where that one notes how each renewal ended), and answers with its number.
`python sharer.py serve FOLDER`: the platform that they sync with; it says where it is.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

from arcrun_auth import _http, sources
from arcrun_auth.broker import Broker
from arcrun_auth.errors import AuthError, LoginRequired
from arcrun_auth.sync import turns
from arcrun_auth.sync.session import session


def live(env: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    # All goes round faster than it ever does; who was cut off does not sulk.
    turns.POLLS, turns.PUSHES, sources.BACK_OFF = (0.01, 0.1), (0.02, 0.02), (0.02, 0.1)
    broker, source = Broker(), None
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    while True:
        try:
            if source is None:
                _, source = broker.prepare("demo", interactive=False)()
            old = source.token().access_token
            source.token(rejected=old)
            ended = "ok"
        except LoginRequired as error:
            ended = _told(error)
            source = None
            try:  # somebody may have logged in meanwhile, and this home does not know
                with session(broker) as here:
                    here.sync()
            except AuthError:
                pass
        except AuthError as error:
            ended = _told(error)
        except Exception as error:
            ended = f"untyped {error!r}"
        os.write(out, ended.encode() + b"\n")
        time.sleep(random.uniform(0, 0.2))  # not all want it all the time


def _told(error: AuthError) -> str:
    return f"{type(error).__name__}: {error.message}".replace("\n", " ")


def homes() -> None:
    _http.ssl_context()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that who was killed is gone at once
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            live(**order)
        print(pid, flush=True)


def serve(folder: str) -> None:
    from pathlib import Path

    from tests.platform_desk import Desk

    desk = Desk(Path(folder))
    print(desk.url, flush=True)
    sys.stdin.read()  # until whoever began this ends
    desk.close()


if __name__ == "__main__":
    {"homes": homes, "serve": serve}[sys.argv[1]](*sys.argv[2:])
