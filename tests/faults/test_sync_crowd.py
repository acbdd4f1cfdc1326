"""Many at once: devices of one vault, clients of one server."""

from __future__ import annotations

import base64
import os
import threading
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import ProviderUnavailable
from tests.faults.board import FULL, count
from tests.faults.desk import GUARD, PATHS
from tests.faults.fleet import BOTH, Fleet
from tests.faults.load import Client, Load
from tests.platform_desk import desk
from tests.serving import Served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.board import Board
    from tests.sync_kit import Home

pytestmark = pytest.mark.fault

DEVICES = 50 if FULL else 20
"""What they do grows with the square of their number."""
CLIENTS = 200
RECORDS = 10_000
KEYS = 50
"""How many of the clients share an account? Each has a key of its own."""


def test_many_devices_at_once_lose_nothing(tmp_path: Path, board: Board) -> None:
    """Each sets a key of its own, and all of them the same one: all but one are kept as copies."""
    rounds, errors, gave_up = count(3), [], []
    (tmp_path / "server").mkdir()
    with desk(tmp_path / "server") as server, server.account() as account:
        names = [f"device-{number}" for number in range(DEVICES)]
        with Fleet(tmp_path, server.url, account.key, *names) as fleet:

            def work(home: Home, barrier: threading.Barrier) -> None:
                barrier.wait(GUARD)
                try:
                    home.sync()
                except ProviderUnavailable:  # the others were faster twenty times
                    gave_up.append(home.name)
                except Exception as error:
                    errors.append(error)

            for number in range(rounds):
                fleet.change(number, *fleet.homes)
                barrier = threading.Barrier(DEVICES)
                threads = [
                    threading.Thread(target=work, args=(home, barrier), daemon=True)
                    for home in fleet.homes
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(GUARD)
                    assert not thread.is_alive()
                fleet.settle()
            tally = fleet.judge(codes=FULL)
            copies = sum(name.partition("@")[0].endswith(BOTH) for name in fleet.homes[0].secrets())
    board.note(
        "sync", f"{DEVICES} devices sync at once",
        injected=f"one new key each and one that all of them set, a barrier, {rounds} rounds",
        must_hold="no error; all hold all keys once, the versions that did not win among them",
        figure=f"{len(errors)} errors, {copies} versions of {DEVICES} kept; {len(gave_up)} had to "
        f"sync again; {tally}" + (f"; {errors[0]!r}" if errors else ""),
        held=tally.clean and not errors and copies == DEVICES,
    )  # fmt: skip


def test_a_server_under_load_loses_nothing(tmp_path: Path, board: Board) -> None:
    each = max(1, count(RECORDS) // CLIENTS)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": PATHS,
           "ARCRUN_HOME": str(tmp_path / "home")}  # fmt: skip
    with Served(env, "--registration", "open") as server:
        port, keys = int(server.url.rpartition(":")[2]), []
        for _ in range(CLIENTS // KEYS):
            with server.cloud() as nobody, server.cloud(nobody.register().api_key) as owner:
                keys += [owner.create_key("device", f"d{n}").api_key for n in range(KEYS)]
        rows = {
            key: [row(f"s_{client:020x}{number:020x}") for number in range(each)]
            for client, key in enumerate(keys)
        }
        writes = Load([
            Client(port, key, [("POST", "/credentials", row) for row in rows[key]]) for key in keys
        ])  # fmt: skip
        reads = Load([
            Client(port, key, [("GET", f"/credentials/{row['name']}", None) for row in rows[key]])
            for key in keys
        ])  # fmt: skip
        pages = Load([Client(port, key, [("GET", "/credentials?since=0", None)]) for key in keys])
        memory = most_memory(server.process.pid)
    total = each * CLIENTS
    refused = sum(status >= 300 for load in (writes, reads, pages) for status, _ in load.answers())
    sent = [row for key in keys for row in rows[key]]
    same = sum(
        all(got.get(name) == row[name] for name in row)
        for row, (_, got) in zip(sent, reads.answers(), strict=True)
    )
    versions = {
        (number // (KEYS * each), got.get("version"))
        for number, (_, got) in enumerate(writes.answers())
    }
    board.note(
        "load", f"{CLIENTS} clients of one arcrun serve",
        injected=f"{total} records written, read one by one, and in pages of 500; SQLite",
        must_hold="none refused, every record as it was written, no version given twice",
        figure=f"{total - same} lost, {refused} refused; writes {writes}; reads {reads}; pages "
        f"{pages}; {memory:.0f} MB at most",
        held=same == total == len(versions) and not refused,
    )  # fmt: skip


def row(name: str) -> dict[str, str]:
    """A row as sync writes it: a record's ciphertext, padded to 512 bytes."""
    return {
        "name": name,
        "encrypted": base64.b64encode(os.urandom(512)).decode(),
        "iv": base64.b64encode(os.urandom(12)).decode(),
    }


def most_memory(pid: int) -> float:
    """How much a process has used at most, in MB; NaN where the system does not tell."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
    except FileNotFoundError:
        return float("nan")
    return int(line.split()[1]) / 1024
