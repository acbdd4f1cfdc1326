"""Row 16, the other half: honest devices that sync at once cause no alarm, and a server learns
nothing from all that they leave in its database."""

from __future__ import annotations

import base64
import random
import threading
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import ProviderUnavailable, SyncAlarm
from arcrun_auth.sync.engine import JITTER, TRIES
from tests import canary
from tests.faults.board import count
from tests.sync_homes import Homes
from tests.sync_kit import enrol, settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.board import Board
    from tests.sync_kit import Home

pytestmark = pytest.mark.fault

SYNCS = 1000
DEVICES = ("laptop-of-ada", "desktop-of-ada", "phone-of-ada", "build-server")
SERVICES = ("notion", "stripe", "google_drive@work", "a-stranger/weather@eu-west.1")
GUARD = 300
SHORTEST = 6
"""How many characters at least are searched for? Fewer stand in any ciphertext by chance."""


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    made = Homes(tmp_path)
    yield made
    made.close()


class Device:
    """One home in a thread of its own, that sets keys and syncs as fast as it can."""

    def __init__(self, home: Home, rounds: int, seed: int) -> None:
        self.home = home
        self.rounds = rounds
        self.chance = random.Random(seed)
        self.alarms: list[str] = []
        self.gave_up = 0
        self.mine: dict[str, str] = {}
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        for number in range(self.rounds):
            name = f"own_{self.home.name.replace('-', '_')}_{number % 3}"
            self.mine[name] = self.home.set(name)
            self.home.set(self.chance.choice(SERVICES))
            try:
                self.home.sync()
            except SyncAlarm as alarm:
                self.alarms.append(alarm.what)
            except ProviderUnavailable:  # the others were faster twenty times
                self.gave_up += 1


def test_honest_devices_that_sync_at_once_cause_no_alarm(board: Board, homes: Homes) -> None:
    total = count(SYNCS)
    first, *others = (homes(name) for name in DEVICES)
    first.sync()
    for other in others:
        enrol(first, other)
    devices = [
        Device(home, -(-total // len(DEVICES)), seed) for seed, home in enumerate((first, *others))
    ]
    for device in devices:
        device.thread.start()
    for device in devices:
        device.thread.join(GUARD)
        assert not device.thread.is_alive()
    alarms = [what for device in devices for what in device.alarms]
    # Who looked twice before it believed what is shown has slept longer than for a conflict.
    doubts = [s for d in devices for s in d.home.slept if s > JITTER * TRIES]
    settle([device.home for device in devices], rounds=8)
    held = [device.home.secrets() for device in devices]
    same = all(each == held[0] for each in held)
    kept = all(
        held[0][f"{name}@default"] == value for d in devices for name, value in d.mine.items()
    )
    done = sum(device.rounds - device.gave_up for device in devices)
    board.note(
        16, "honest devices sync at once", injected=f"{len(DEVICES)} devices, {total} syncs, HTTP",
        must_hold="no alarm, no second look; all hold the same, nothing is lost",
        figure=f"{len(alarms)} alarms, {len(doubts)} second looks, {done} syncs",
        held=not alarms and not doubts and same and kept,
    )  # fmt: skip
    learnt = traces(homes.folder / "server")
    board.note(
        16, "a sync server reads its database",
        injected=f"{len(held[0])} records of {len(DEVICES)} devices; the file and its log searched",
        must_hold="no secret, no name of a service, an instance or a device, however encoded",
        figure=f"{len(learnt)} found", held=not learnt,
    )  # fmt: skip


def traces(folder: Path) -> list[str]:
    """What in the server's files tells something."""
    words = {part for name in (*SERVICES, *DEVICES) for part in name.replace("@", "/").split("/")}
    words |= {f"own_{name.replace('-', '_')}" for name in DEVICES} | {"refresh_token", "consents"}
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        found += canary.hits(data)
        found += [f"{path.name}: {word}" for word in sorted(words) if shows(data, word)]
    return found


def shows(data: bytes, word: str) -> bool:
    raw = word.encode()
    forms = {raw, raw.hex().encode(), raw[::-1]}
    for shift in range(3):
        # Of its base64 the digits that what stands before and behind it has no part in.
        encoded = base64.b64encode(b"\0" * shift + raw)
        forms.add(encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
    return any(form in data for form in forms if len(form) >= SHORTEST)


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Each form, in a file that holds it: else the row above proves nothing."""
    assert traces(tmp_path) == []
    for number, plain in enumerate((b"xx google_drive", canary.fresh().encode(), b"\0notion")):
        (tmp_path / f"given{number}").write_bytes(b"\1\2" + base64.b64encode(plain))
    assert len(traces(tmp_path)) >= 3
    for path in tmp_path.iterdir():
        path.unlink()
