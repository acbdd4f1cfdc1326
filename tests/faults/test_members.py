"""Row 30: a device is revoked, by a process that dies at every step in turn."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.protocol import envelope
from arcrun_auth.sync import devices
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.roster import Vault
from tests.faults.board import FULL
from tests.sync_crashing import Crash, FragileStore, FragileWire, Fuse
from tests.sync_kit import Home, Server, names, pair, settle

if TYPE_CHECKING:
    from arcrun_auth.protocol.keys import VaultKeys
    from tests.faults.board import Board

pytestmark = pytest.mark.fault

RECORDS = 1000 if FULL else 40


def revoke(home: Home, device) -> None:
    home.sync()
    keys = rings.stored(home.store).keys
    devices.revoke(Vault(home.wire, home.state, keys, home.identity), device, now=home.now)
    home.sync()


def opened(keys: VaultKeys, server: Server) -> int:
    """How many rows these keys open, each tried with the key of every epoch."""
    found = 0
    for (name, row), epoch in itertools.product(server.live.items(), keys.contents):
        try:
            envelope.opened(keys, name, row.sealed, epoch)
        except ValueError:
            continue
        found += 1
    return found


def test_row_30_whoever_was_revoked_opens_nothing_and_nothing_is_lost(board: Board) -> None:
    lost = steps = tried = by_former = before = 0
    for steps in itertools.count():
        server = Server(page=500)
        writer, witness, former = pair(server, "writer", "witness", "former")
        for home, name in zip(itertools.cycle([writer, former]), names(RECORDS), strict=False):
            home.set(name)
        settle([writer, former, witness])
        held, keys = writer.secrets(), rings.stored(former.store).keys
        before += opened(keys, server)
        died = dies(writer, former.identity.device, steps)
        revoke(writer, former.identity.device)  # the same command again
        witness.set("later")
        settle([witness, writer])
        held["later@default"] = witness.secrets()["later@default"]
        tried += len(held)
        lost += sum(home.secrets() != held for home in (writer, witness))
        by_former += opened(keys, server)
        if not died:
            break
    board.note(
        30,
        "a device is revoked, and dies who revokes it",
        injected=f"the end of the process at each of {steps} steps, with {RECORDS} records",
        must_hold="all readable for the others; nothing for who was revoked",
        figure=f"lost in {lost} of {steps + 1} runs; opened by its keys: {by_former} of {tried} "
        f"records ({before} before)",
        held=not lost and not by_former and before == RECORDS * (steps + 1) and steps > 15,
    )


def dies(home: Home, device, steps: int) -> bool:
    fuse, wire, store = Fuse(steps), home.wire, home.store
    home.wire, home.store = FragileWire(wire, fuse), FragileStore(store, fuse)
    try:
        revoke(home, device)
    except Crash:
        return True
    finally:
        home.wire, home.store = wire, store
    return False
