"""`arcrun audit` where several devices share a vault, over the real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.sync.wire import Write
from tests.sync_homes import Homes
from tests.sync_kit import enrol

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def two(tmp_path, inside) -> Iterator[Homes]:
    """`laptop` and `desktop`, of one vault, and a line in the trail of each."""
    homes = Homes(tmp_path)
    laptop, desktop = homes("laptop"), homes("desktop")
    laptop.sync()
    enrol(laptop, desktop)
    laptop.set("notion")
    for name in ("laptop", "laptop", "desktop", "desktop"):  # the second tells of the first
        assert inside("sync", **homes.env(name)).code == 0
    yield homes
    homes.close()


def test_the_lines_of_all_devices_are_shown_in_order_with_whose_they_are(inside, two) -> None:
    ran = inside("audit", **two.env("laptop"))
    assert (ran.code, ran.err.strip()) == (0, "")
    head, *lines = ran.out.splitlines()
    assert head.split() == ["TIME", "DEVICE", "ACTION", "PROGRAM"]
    assert [line.split()[2:4] for line in lines] == [["desktop", "sync"], ["laptop", "sync"]]
    data = json.loads(inside("audit", "--json", **two.env("desktop")).out)
    assert data["unread"] == ""
    ids = [two(name).identity.id for name in ("desktop", "laptop")]
    assert [entry["device"] for entry in data["entries"]] == ids


def test_all_trails_are_checked(inside, two) -> None:
    ran = inside("audit", "--verify", **two.env("laptop"))
    assert ran.code == 0
    assert "1 line: nothing is missing." in ran.out
    assert "desktop: 1 line, and nothing is missing." in ran.out
    data = json.loads(inside("audit", "--verify", "--json", **two.env("laptop")).out)
    (other,) = data["others"]
    assert (other["name"], other["count"], data["findings"]) == ("desktop", 1, [])


def test_a_trail_that_is_not_shown_is_found_and_ends_with_1(inside, two) -> None:
    desktop = two("desktop")
    name = desktop.engine().keys.trail(desktop.identity.id, 0)
    assert desktop.wire.row(name) is not None
    desktop.wire.write([Write(name, None)])
    ran = inside("audit", "--verify", **two.env("laptop"))
    assert ran.code == 1
    assert "desktop: The last entries are missing" in ran.out
    data = json.loads(inside("audit", "--verify", "--json", **two.env("laptop")).out)
    assert [f["device"] for f in data["findings"]] == [desktop.identity.id]
    shown = inside("audit", **two.env("laptop"))
    assert shown.code == 0
    assert "arcrun audit --verify says more" in shown.err


def test_without_the_server_this_device_is_shown_and_said_to_be_alone(inside, two) -> None:
    two.desk.close()
    ran = inside("audit", **two.env("laptop"))
    assert ran.code == 0
    assert "What the other devices did could not be fetched" in ran.err
    assert "DEVICE" not in ran.out
    assert len(ran.out.splitlines()) == 2
    ran = inside("audit", "--verify", "--json", **two.env("laptop"))
    data = json.loads(ran.out)
    assert (ran.code, data["others"], data["findings"]) == (0, [], [])
    assert data["unread"]


def test_a_home_that_has_the_keys_and_has_not_synced_yet_shows_its_own(inside, two) -> None:
    laptop = two("laptop")
    laptop.state.forget()
    ran = inside("audit", **two.env("laptop"))
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 2


def test_a_memory_of_sync_that_cannot_be_read_hides_no_own_lines(inside, two, tmp_path) -> None:
    path = tmp_path / "laptop" / "sync.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"no database" * 999)
    ran = inside("audit", **two.env("laptop"))
    assert ran.code == 0
    assert "could not be fetched" in ran.err
    assert len(ran.out.splitlines()) == 2


def test_what_a_device_did_until_it_was_revoked_is_still_shown(inside, two) -> None:
    desktop = two("desktop")
    for words in (["devices", "revoke", desktop.identity.id, "--yes"], ["sync"]):
        ran = inside(*words, **two.env("laptop"))
        assert ran.code == 0, ran.both
    data = json.loads(inside("audit", "--json", **two.env("laptop")).out)
    assert desktop.identity.id in [entry["device"] for entry in data["entries"]]
    assert inside("audit", "--verify", **two.env("laptop")).code == 0
