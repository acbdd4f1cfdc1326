"""Row 1: a process that dies while it saves."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import StoreError
from arcrun_auth.stores import export
from arcrun_auth.stores.vault import Vault
from tests.faults import strace, writer
from tests.faults.board import FULL, count
from tests.faults.desk import GUARD, PATHS
from tests.needs import needs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": PATHS, "PYTHONDONTWRITEBYTECODE": "1"}
"""No bytecode: its files would be among the calls that are counted."""
WRITER = [sys.executable, "-m", "tests.faults.writer"]

STATES = ("pwrite64", "fdatasync", "fsync", "link", "unlink", "rename", "ftruncate", "write")
"""The system calls between which a kill leaves the disk in another state."""


class Damage:
    """What a kill did to a vault: the acknowledged writes that are gone, the torn ones."""

    def __init__(self) -> None:
        self.kills = self.acknowledged = self.lost = self.torn = 0

    def judge(self, path: str, output: bytes) -> None:
        """Open the vault as the next process does, and compare with what was acknowledged."""
        self.kills += 1
        acks = [line.split()[1:] for line in output.split(b"\n")[:-1] if line.startswith(b"ack")]
        last = {name.decode(): int(generation) for name, generation in acks if name != b"export"}
        self.acknowledged += len(acks)
        if not os.path.lexists(path):
            self.lost += bool(last)
            return
        vault = Vault(path, keys=writer.keys())
        try:
            for name in writer.NAMES:
                self._judge_one(vault, name, last.get(name, 0))
        finally:
            vault.close()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            self.torn += connection.execute("PRAGMA integrity_check").fetchone() != ("ok",)

    def _judge_one(self, vault: Vault, name: str, acknowledged: int) -> None:
        try:
            record = vault.get(writer.key(name))
        except StoreError:
            self.torn += 1
            return
        generation = record.generation if record else 0
        self.lost += generation < acknowledged
        # One more than was acknowledged: it was killed between the commit and the word.
        self.torn += acknowledged > 0 and generation > acknowledged + 1
        if record:
            self.torn += record.secrets["s"].reveal() != writer.value(name, generation)

    def judge_export(self, path: str, output: bytes) -> None:
        """An export is there as a whole or not at all."""
        if not os.path.lexists(path):
            self.lost += b"ack export" in output
            return
        try:
            found = list(export.EncFile(path, keys=writer.keys()).keys())
        except StoreError:
            self.torn += 1
        else:
            self.torn += len(found) != len(writer.NAMES)

    @property
    def figure(self) -> str:
        return f"{self.lost} lost, {self.torn} torn of {self.acknowledged} acknowledged"


def test_row_1_random_kills_lose_nothing(tmp_path, board) -> None:
    kills, damage = count(1000), Damage()
    path = str(tmp_path / "home" / "secrets.db")
    chance = random.Random(1)
    while damage.kills < kills:
        process = subprocess.Popen([*WRITER, path], stdout=subprocess.PIPE, env=ENVIRON)
        assert process.stdout is not None
        begun = process.stdout.readline()  # it writes now
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        output = begun + process.stdout.read()
        assert process.wait(GUARD) == -signal.SIGKILL
        process.stdout.close()
        damage.judge(path, output)
    board.note(
        1,
        "kill -9 while saving",
        injected=f"{damage.kills} kills at random moments",
        must_hold="no acknowledged write lost, none torn",
        figure=damage.figure,
        held=(damage.lost, damage.torn) == (0, 0) and damage.acknowledged >= kills,
    )


def test_row_1_kills_at_every_system_call_lose_nothing(tmp_path, board) -> None:
    """Killed on entering the n-th write, sync, link ... of making a vault and writing to it."""
    needs(sys.platform == "linux", "Linux (strace)")
    damage, points = Damage(), _kill_points(tmp_path)
    for name, number in points[:: 1 if FULL else max(1, len(points) // 12)]:
        home = tmp_path / f"{name}-{number}"
        path, exported = str(home / "secrets.db"), str(home / "secrets.enc")
        words = strace.command(
            "/dev/null", STATES, "-e", f"inject={name}:signal=KILL:when={number}"
        )
        ended = subprocess.run(
            [*words, *WRITER, path, "2", exported],
            stdout=subprocess.PIPE,
            env=ENVIRON,
            timeout=GUARD,
        )
        assert ended.returncode != 0, f"{name} number {number} was not reached"
        damage.judge(path, ended.stdout)
        damage.judge_export(exported, ended.stdout)
        _goes_on(path)
    board.note(
        1,
        "kill -9 at every system call of creating, saving and exporting",
        injected=f"{damage.kills} of {len(points)} calls",
        must_hold="no acknowledged write lost, none torn, the next process goes on",
        figure=damage.figure,
        held=(damage.lost, damage.torn) == (0, 0) and damage.kills > 0,
    )


def _kill_points(tmp_path: Path) -> list[tuple[str, int]]:
    """(call, which one of its name) for each call of a whole run, as strace counts them."""
    log, home = str(tmp_path / "calls"), tmp_path / "whole"
    run = [*WRITER, str(home / "secrets.db"), "2", str(home / "secrets.enc")]
    words = strace.command(log, STATES)
    subprocess.run([*words, *run], stdout=subprocess.DEVNULL, env=ENVIRON, check=True)
    made = Counter(call.name for call in strace.read(log))
    return [(name, number) for name in STATES for number in range(1, made[name] + 1)]


def _goes_on(path: str) -> None:
    ended = subprocess.run([*WRITER, path, "1"], stdout=subprocess.PIPE, env=ENVIRON, timeout=GUARD)
    assert ended.stdout.count(b"ack") == len(writer.NAMES), "the next process cannot write"
