"""A home with a real vault, brokers on it in this process, and callers in others."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from arcrun_auth.tokens import Key
from tests.world import broker_for, home_with, master_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from arcrun_auth.broker import Broker
    from arcrun_auth.testing import Provider
    from arcrun_auth.tokens import Credential, Grant

GUARD = 90.0
"""After how many seconds does a row that hangs fail? No measure of anything."""

DEMO = Key("credential", "demo")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATHS = os.pathsep.join((ROOT, os.path.join(ROOT, "cli")))
"""The PYTHONPATH of other processes: they run the code that stands beside these tests."""

CALLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "caller.py")


class Desk:
    """One home, its key, and whoever uses it."""

    def __init__(self, folder: Path, provider: Provider, **recipes: str) -> None:
        self.provider = provider
        self.home = home_with(folder, provider, **recipes)
        self.key = master_key()
        self._brokers: list[Broker] = []
        self.broker = self.another()

    def another(self, **settings: Any) -> Broker:
        """One more broker on the same vault, with nothing in memory."""
        made = broker_for(self.home, self.provider, environ=self.key, **settings)
        self._brokers.append(made)
        return made

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to be one more user of this vault."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PYTHONPATH": PATHS,
            "ARCRUN_HOME": self.home,
            "ARCRUN_ALLOW_HOSTS": self.provider.issuer,
            "ARCRUN_INTERACTIVE": "0",
            **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
            **self.key,
        }

    @property
    def record(self) -> Credential:
        found = self.broker.store.get(DEMO)
        assert found is not None
        return found

    @property
    def grant(self) -> Grant:
        assert self.record.grant is not None
        return self.record.grant

    def expire(self) -> None:
        """The stored access token is past its end, as after a night."""
        record = self.record
        now = time.time()
        over = self.grant.replace(issued=now - 7200, expires=now - 3600)
        self.broker.store.put(record.replace(grant=over), expect=record.generation)

    def login_again(self) -> None:
        """Whatever the last round did to it: `demo` is connected anew."""
        self.broker.setup("demo")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self._brokers:
            broker.close()


class Caller:
    """Another process, which does what it is told by a line: `caller.py`, on the same vault."""

    def __init__(self, environ: Mapping[str, str], program: str = CALLER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environ),
        )
        self._buffer = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, do: str, **how: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **how}).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """Its next answer; None when it has died."""
        assert self.process.stdout is not None
        until = time.monotonic() + GUARD
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            assert left > 0, "a caller hangs"
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 1 << 16)
                if not piece:
                    return None
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def ask(self, do: str, **how: Any) -> Any:
        self.tell(do, **how)
        return self.hear()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(GUARD)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(GUARD)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Callers:
    """So many of them, ready: everything imported, standing before the barrier."""

    def __init__(self, desk: Desk, number: int) -> None:
        self.all = [Caller(desk.environ) for _ in range(number)]
        for caller in self.all:
            assert caller.ask("ready") == "ready"

    def each(self, do: str, **how: Any) -> list[Any]:
        """All of them at once; the answers of all their threads in one list."""
        for caller in self.all:
            caller.tell(do, **how)
        return [answer for caller in self.all for answer in caller.hear() or ["died"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for caller in self.all:
            caller.close()
