"""A device is revoked: a new epoch, every row sealed anew, nothing more for the one that left."""

from __future__ import annotations

import itertools

import pytest

from arcrun_auth.errors import AuthError, SyncAlarm
from arcrun_auth.protocol import envelope
from arcrun_auth.protocol.handover import Handover
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.wraps import wrap
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.wire import Write
from tests.sync_crashing import dies
from tests.sync_kit import Home, Server, enrol, key_of, names, pair, settle, write_members

FRESH = b"n" * 32


def revoke(home: Home, gone: Home, *, after: bool = True) -> None:
    """As `arcrun devices revoke` does: the statement, the wraps; the rows follow with the sync."""
    home.sync()
    ring = rings.stored(home.store)
    assert ring is not None
    old = ring.keys
    members = home.state.members(old.vault)
    assert members is not None
    known = home.state.heads()
    end = known[gone.identity.id]
    more = members.revoke(
        gone.identity.id, by=home.identity.id, sign=home.identity.sign, at=home.now,
        last=(end.head.seq, end.hash),
    )  # fmt: skip
    keys = VaultKeys(old.vault, old.root, {**old.contents, more.epoch: FRESH})
    heads = {dev: (each.head.n, each.hash) for dev, each in known.items()}
    plain = Handover(keys, more.tip, heads).dump()
    writes = []
    for device in more.members.values():
        wrapped = wrap(
            plain, vault=keys.vault, epoch=more.epoch, to=device, by=home.identity.id,
            sign=home.identity.sign,
        )  # fmt: skip
        writes.append(Write(keys.wrap(device.id), keys.seal_meta(keys.wrap(device.id), wrapped)))
    write_members(home, keys, more, *writes)
    if after:
        home.sync()


def readable(server: Server, keys: VaultKeys) -> int:
    """How many records on the server the keys of a device open."""
    found = 0
    for name, row in server.live.items():
        for epoch in keys.contents:
            try:
                envelope.opened(keys, name, row.sealed, epoch)
            except ValueError:
                continue
            found += 1
    return found


@pytest.fixture
def three() -> list[Home]:
    homes = pair(Server(), "laptop", "desktop", "stolen")
    for home in homes:
        home.set(home.name)
    settle(homes)
    return homes


def test_what_the_one_that_left_had_opens_nothing_that_is_written_afterwards(three) -> None:
    laptop, desktop, stolen = three
    keys = stolen.engine().keys
    assert readable(laptop.wire, keys) == 3
    revoke(laptop, stolen)
    assert readable(laptop.wire, keys) == 0
    key = laptop.set("notion")
    laptop.sync()
    desktop.sync()
    assert desktop.get("notion") == key
    assert desktop.get("stolen") == laptop.get("stolen")  # what it brought stays
    settle([laptop, desktop])
    assert readable(laptop.wire, keys) == 0
    assert readable(laptop.wire, desktop.engine().keys) == 4


def test_the_one_that_left_is_told_and_cannot_write(three) -> None:
    laptop, desktop, stolen = three
    revoke(laptop, stolen)
    stolen.set("evil")
    with pytest.raises(AuthError, match="removed from the vault"):
        stolen.sync()
    # And if the server helps it: it knows the keys of heads and segments, and signs as itself.
    members = stolen.state.members(stolen.engine().keys.vault)
    stolen.engine()._push(here_of(stolen), members)
    for home in (laptop, desktop):
        home.sync()
        assert home.get("evil") is None


def here_of(home: Home):
    from arcrun_auth.sync.joining import Here

    return Here(home.store, home.engine().keys, home.identity.id, home.login)


def test_a_row_that_the_one_that_left_writes_over_is_an_alarm(three) -> None:
    laptop, desktop, stolen = three
    revoke(laptop, stolen)
    settle([laptop, desktop])
    stolen.set("laptop")
    name = stolen.engine().keys.record(key_of("laptop"))
    stolen.state.note_row(name, laptop.state.version(name), "")
    members = stolen.state.members(stolen.engine().keys.vault)
    stolen.engine()._push(here_of(stolen), members)
    with pytest.raises(SyncAlarm):
        desktop.sync()


def test_a_revocation_that_dies_while_rows_are_sealed_anew_is_gone_on_with() -> None:
    for steps in itertools.count():
        laptop, desktop, stolen = homes = pair(Server(), "laptop", "desktop", "stolen")
        for home, name in zip(homes * 2, names(6), strict=True):
            home.set(name)
        settle(homes)
        keys = stolen.engine().keys
        revoke(laptop, stolen, after=False)
        died = dies(laptop, steps)
        desktop.set("service0")
        desktop.sync()
        settle([laptop, desktop])
        assert readable(laptop.wire, keys) == 0
        assert laptop.secrets() == desktop.secrets()
        assert len(laptop.secrets()) == 6
        if not died:
            break
    assert steps > 8


def test_a_device_that_was_away_during_a_revocation_pushes_under_the_new_key(three) -> None:
    laptop, desktop, stolen = three
    keys = stolen.engine().keys
    desktop.set("notion")
    desktop.set("laptop")
    revoke(laptop, stolen)
    settle([desktop, laptop])
    assert readable(laptop.wire, keys) == 0
    assert laptop.secrets() == desktop.secrets()


def test_a_new_device_gets_all_epochs_and_reads_all(three) -> None:
    laptop, desktop, stolen = three
    revoke(laptop, stolen)
    phone = Home("phone", laptop.wire)
    enrol(laptop, phone)
    settle([laptop, desktop, phone])
    assert phone.secrets() == laptop.secrets()


def test_a_withheld_or_forged_wrap_is_an_alarm(three) -> None:
    laptop, desktop, stolen = three
    revoke(laptop, stolen)
    server = laptop.wire
    name = laptop.engine().keys.wrap(desktop.identity.id)
    row = server.rows.pop(name)
    with pytest.raises(SyncAlarm) as alarm:
        desktop.sync()
    assert alarm.value.what == "withheld"
    other = server.rows[laptop.engine().keys.wrap(laptop.identity.id)]
    server.rows[name] = type(row)(name, row.version, other.sealed)
    with pytest.raises(SyncAlarm) as alarm:
        desktop.sync()
    assert alarm.value.what == "damaged"
    server.rows[name] = row
    settle([laptop, desktop])
