"""kill -9 of whoever syncs and of the server, at every step: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import sys
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.cloud import Cloud
from arcrun_auth.tokens import Secret
from tests.faults.board import FULL
from tests.faults.fleet import Fleet, Tally, tried
from tests.faults.forked import Forker, Traced, go, kill_at, points
from tests.faults.test_crashes import STATES
from tests.needs import needs
from tests.platform_desk import desk
from tests.sync_homes import MASTER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.board import Board

pytestmark = pytest.mark.fault

CALLS = (*STATES, "connect", "recvfrom", "sendto")
"""The system calls between which a kill leaves the disk, or the other side, in another state."""
SOME = 8
"""At how many of them is a process killed unless FULL=1?"""


def chosen(log: str) -> list[tuple[str, int]]:
    every = points(log)
    return every if FULL else every[:: max(1, len(every) // SOME)]


@pytest.fixture(autouse=True)
def _strace() -> None:
    needs(sys.platform == "linux", "Linux (strace)")


def test_a_sync_that_is_killed_anywhere_is_gone_on_with(tmp_path: Path, board: Board) -> None:
    (tmp_path / "server").mkdir()
    log, killed, tally = str(tmp_path / "calls"), 0, Tally()
    with desk(tmp_path / "server") as server, server.account() as account, Forker() as forker:
        assert account.key is not None
        with Fleet(tmp_path, server.url, account.key, "victim", "witness") as fleet:
            victim, witness = fleet.homes

            def dies(number: int, *options: str, log: str = "/dev/null") -> bool:
                fleet.change(number, *fleet.homes)
                witness.sync()
                pid = forker.begin("sync", env=environment(fleet, victim.name))
                with Traced(pid, CALLS, *options, log=log):
                    go(pid)
                    ended = forker.ended()
                fleet.settle()
                tally.add(fleet.judge())
                assert os.WIFSIGNALED(ended) or not ended, "a sync failed"
                return os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL

            assert not dies(0)  # the first one tells the platform which key it uses
            assert not dies(1, log=log)
            steps = chosen(log)
            for number, point in enumerate(steps, 2):
                killed += dies(number, *kill_at(*point))
            tally.add(fleet.judge(codes=True))
    board.note(
        "sync", "kill -9 of a sync at every system call",
        injected=f"{killed} of {len(points(log))} calls; new, changed, removed, in conflict",
        must_hold="the next sync goes on: nothing lost, nothing there twice, no row astray",
        figure=str(tally), held=tally.clean and killed >= len(steps) * 0.8,
    )  # fmt: skip


def environment(fleet: Fleet, name: str) -> dict[str, str]:
    return {
        "ARCRUN_HOME": fleet.path(name), "ARCRUN_SERVER": fleet.url,
        "ARCRUN_API_KEY": fleet.key.reveal(), "ARCRUN_ALLOW_HOSTS": fleet.url,
        "ARCRUN_MASTER_KEY": b64encode(MASTER).decode(), "ARCRUN_KEYRING": "off",
    }  # fmt: skip


class Platform:
    """The server in a process of its own, that comes back at the same address."""

    def __init__(self, forker: Forker, folder: Path) -> None:
        self._forker = forker
        self._folder = str(folder)
        self.port = 0
        self.start()

    def start(self) -> None:
        self.pid = self._forker.begin("serve", folder=self._folder, port=self.port)
        go(self.pid)
        self.port = self._forker.caller.hear()["port"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart(self) -> None:
        """As what watches over a server does; one that still runs is killed."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert os.WIFSIGNALED(self._forker.ended()), "the server gave up"
        self.start()


def test_a_server_that_is_killed_anywhere_loses_nothing(tmp_path: Path, board: Board) -> None:
    (tmp_path / "server").mkdir()
    log, killed, unkept, tally = str(tmp_path / "calls"), 0, 0, Tally()
    with Forker() as forker:
        server = Platform(forker, tmp_path / "server")
        with Cloud(server.url, None, allow=[server.url]) as nobody:
            key = Secret(nobody.register().api_key)
        with Fleet(tmp_path, server.url, key, "laptop", "desktop") as fleet:
            laptop, desktop = fleet.homes

            def struck(number: int, *options: str, log: str = "/dev/null") -> tuple[bool, int]:
                """Whether it was killed, and what of an acknowledged sync it did not keep."""
                fleet.change(number, *fleet.homes)
                with Traced(server.pid, CALLS, *options, log=log) as tracer:
                    said = tried(laptop)
                    died = tracer.over(bool(said))
                server.restart()
                desktop.sync()
                held = set(laptop.secrets().values())
                sent = set() if said else held & fleet.values
                unkept = len(sent - set(desktop.secrets().values()))
                fleet.settle()
                tally.add(fleet.judge())
                return died, unkept

            assert struck(1, log=log) == (False, 0)
            steps = chosen(log)
            for number, point in enumerate(steps, 2):
                died, missed = struck(number, *kill_at(*point))
                killed, unkept = killed + died, unkept + missed
            tally.add(fleet.judge(codes=True))
    board.note(
        "sync", "kill -9 of the server at every system call of a sync",
        injected=f"{killed} of {len(points(log))} calls; new, changed, removed, in conflict",
        must_hold="what was acknowledged is there; nothing lost, nothing there twice, none astray",
        figure=f"{unkept} acknowledged and gone, {tally}",
        held=tally.clean and not unkept and killed >= len(steps) * 0.8,
    )  # fmt: skip
