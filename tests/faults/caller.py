"""One of many processes that share a vault. Reads orders from stdin, answers on stdout.

A program like any user's: it knows `arcrun_auth` and its environment, nothing of the tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

import httpx  # noqa: F401 - imported before the barrier, not behind it

from arcrun_auth import _http
from arcrun_auth.authority import Authority
from arcrun_auth.broker import Broker
from arcrun_auth.tokens import Credential, Key, Secret

_clients = []


def _at_once(number, work):
    """`work` in so many threads; "ok" or the error of each."""
    outcomes = []
    barrier = threading.Barrier(number)

    def one():
        barrier.wait()
        try:
            work()
        except Exception as error:
            outcomes.append(f"{type(error).__name__}: {error}")
        else:
            outcomes.append("ok")

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def ready():
    _http.ssl_context()
    return "ready"


def token(threads=1):
    """A token by a broker that has nothing in memory."""
    broker = Broker()
    outcomes = _at_once(threads, lambda: broker.get_token("demo"))
    broker.close()
    return outcomes


def bind():
    """A client that holds a token; it is kept for `call`."""
    client = Broker().bind("demo")
    client.get("/me").raise_for_status()
    _clients[:] = [client]
    return ["ok"]


def call(threads=1):
    """A request by the client of `bind`, whatever has become of its token."""
    return _at_once(threads, lambda: _clients[0].get("/me").raise_for_status())


def hold():
    """Begins a renewal and stops with the lock held, the request not sent."""

    def stop(*_, **__):
        _answer("holding")
        threading.Event().wait()

    Authority.send = stop
    token()


def die(where):
    """Begins a renewal and is killed at a named point of it."""
    send = Authority.send

    def sent(*args, **kwargs):
        if where == "before the request":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = send(*args, **kwargs)
        if where == "after the answer":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Authority.send = sent
    broker = Broker()
    if where == "after the commit":
        put = broker.store.put

        def stored(record, *, expect):
            done = put(record, expect=expect)
            if record.grant is not None and record.grant.intent is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        broker.store.put = stored
    broker.get_token("demo")
    return ["lived"]


def forked(children):
    """As many children of this process, which has the vault open, each with its own renewal."""
    broker = Broker()
    broker.why("demo")
    begin, go = os.pipe()
    outcomes, pids = os.pipe(), []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            os.close(go)
            os.read(begin, 1)  # ends when the parent closes its side, for all at once
            (said,) = _at_once(1, lambda: broker.get_token("demo"))
            os.write(outcomes[1], said.encode() + b"\n")
            os._exit(0)
        pids.append(pid)
    os.close(go)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(outcomes[1])
    with os.fdopen(outcomes[0]) as lines:
        return lines.read().split("\n")[:-1]


def put(name):
    """A first record, in whatever vault there is or is not."""
    broker = Broker()
    record = Credential(Key("credential", name), secrets={"s": Secret(name)})
    said = _at_once(1, lambda: broker.store.put(record, expect=0))
    broker.close()
    return said


def _answer(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


ORDERS = {f.__name__: f for f in (ready, token, bind, call, forked, put, hold, die)}


if __name__ == "__main__":
    for line in sys.stdin:
        order = json.loads(line)
        _answer(ORDERS[order.pop("do")](**order))
