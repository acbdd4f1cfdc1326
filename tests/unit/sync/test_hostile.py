"""Who knows the keys and means harm: one that was shut out, or a member that is going to be."""

from __future__ import annotations

import pytest

from arcrun_auth.errors import SyncAlarm
from arcrun_auth.protocol import log
from arcrun_auth.protocol.envelope import Envelope
from arcrun_auth.protocol.handover import Handover
from arcrun_auth.protocol.head import Head
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.log import Entry
from arcrun_auth.protocol.wraps import wrap
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.wire import Row, Write
from tests import canary
from tests.sync_kit import Home, Server, enrol, key_of, pair, settle
from tests.unit.sync.test_devices import gone, meet


def forge(server: Server, evil: Home, victim: str, *, n: int, seq: int, epoch: int) -> str:
    """Puts a history of its own in place of the one that `evil` had: what a server that helps a
    device can show, or a device whose API key still works. The secret that it smuggles in.
    """
    keys, me = evil.engine().keys, evil.identity
    key, name = key_of(victim), keys.record(key_of(victim))
    secret = canary.fresh("evil")
    body = {"secrets": {"token": secret}}
    versions = range(1000, 1000 + seq)
    sealed = [Envelope(key, ver, me.id, body).sealed(keys, epoch) for ver in versions]
    entries = [
        Entry(name, ver, each.hash, epoch) for ver, each in zip(versions, sealed, strict=True)
    ]
    tip = log.chained(log.start(keys.vault, me.id, 0, 0), entries)
    members = evil.state.members(keys.vault).tip
    head = Head(keys.vault, me.id, n, 0, 0, seq, tip, members=members)
    segment = keys.segment(me.id, 0, 0)
    rows = {
        name: sealed[-1],
        segment: keys.seal_meta(segment, log.dump_segment(keys.vault, me.id, 0, 0, entries)),
        keys.head(me.id): keys.seal_meta(keys.head(me.id), head.signed(me.sign)),
    }
    for each, content in rows.items():
        server.seq += 1
        server.rows[each] = Row(each, server.seq, content)
    return secret


def attempt(home: Home) -> None:
    """A sync, whatever comes of it."""
    try:
        home.sync()
    except Exception:
        return  # an alarm is as good as being left out


def test_one_that_was_shut_out_cannot_write_its_past_anew_for_one_that_was_away() -> None:
    server = Server()
    laptop, desktop, stolen = pair(server, "laptop", "desktop", "stolen")
    key = laptop.set("notion")
    settle([laptop, desktop, stolen])
    for number in range(3):  # which the desktop does not see
        stolen.set(f"its{number}")
        stolen.sync()
    gone(laptop, stolen.identity.device)
    evil = forge(server, stolen, "notion", n=50, seq=3, epoch=1)
    attempt(desktop)
    assert desktop.get("notion") == key
    assert evil not in desktop.secrets().values()


def test_nor_for_one_that_comes_in_afterwards() -> None:
    server = Server()
    laptop, stolen = pair(server, "laptop", "stolen")
    key = laptop.set("notion")
    stolen.set("its")
    settle([laptop, stolen])
    gone(laptop, stolen.identity.device)
    settle([laptop])
    phone = Home("phone", server)
    meet(laptop, phone)
    evil = forge(server, stolen, "notion", n=50, seq=1, epoch=1)
    attempt(phone)
    assert phone.get("notion") in (None, key)
    assert evil not in phone.secrets().values()


def test_the_forgery_would_count_if_it_were_a_members() -> None:
    server = Server()
    laptop, member = pair(server, "laptop", "member")
    laptop.set("notion")
    laptop.sync()
    evil = forge(server, member, "notion", n=50, seq=3, epoch=1)
    phone = Home("phone", server)
    meet(laptop, phone)
    phone.sync()
    assert phone.get("notion") == evil


# -- keys of epochs that are still to come --------------------------------------------------


PLANTED = b"p" * 32


def wrapped_by(evil: Home, to: Home, *, epoch: int, contents: dict[int, bytes]) -> bytes:
    keys = evil.engine().keys
    given = Handover(VaultKeys(keys.vault, keys.root, contents), evil.state.members(keys.vault).tip)
    return wrap(
        given.dump(), vault=keys.vault, epoch=epoch, to=to.identity.device, by=evil.identity.id,
        sign=evil.identity.sign,
    )  # fmt: skip


def opens(keys: VaultKeys, content: bytes, server: Server, name: str) -> bool:
    """Whether a record on the server opens by a key that somebody has chosen."""
    sealed = server.rows[keys.record(key_of(name))].sealed
    known = VaultKeys(keys.vault, keys.root, dict.fromkeys(range(1, 10), content))
    for epoch in range(1, 10):
        try:
            known.open(keys.record(key_of(name)), sealed, epoch)
        except ValueError:
            continue
        return True
    return False


def test_a_member_cannot_plant_the_key_of_an_epoch_that_is_to_come() -> None:
    """It would read on when it is shut out: whoever has a key of that epoch asks for none."""
    server = Server()
    laptop, desktop, evil, phone = pair(server, "laptop", "desktop", "evil", "phone")
    settle([laptop, desktop, evil, phone])
    gone(evil, phone.identity.device)  # an honest epoch 2, with a wrap for the desktop that is not
    keys = evil.engine().keys
    name = keys.wrap(desktop.identity.id)
    contents = {**keys.contents, 3: PLANTED}
    plain = wrapped_by(evil, desktop, epoch=2, contents=contents)
    server.write([Write(name, keys.seal_meta(name, plain))])
    attempt(desktop)
    attempt(laptop)
    gone(laptop, evil.identity.device)
    attempt(desktop)
    desktop.set("later")
    attempt(desktop)
    row = desktop.engine().keys.record(key_of("later"))
    assert row not in server.live or not opens(keys, PLANTED, server, "later")
    assert 3 not in desktop.engine().keys.contents or desktop.engine().keys.contents[3] != PLANTED


def test_nor_by_letting_somebody_in() -> None:
    server = Server()
    laptop, evil = pair(server, "laptop", "evil")
    settle([laptop, evil])
    desktop = Home("desktop", server)
    enrol(laptop, desktop)
    keys = evil.engine().keys
    rings.with_epoch(desktop.store, 7, PLANTED)  # as it came with the welcome
    desktop.set("later")
    with pytest.raises(SyncAlarm):
        desktop.sync()
    assert keys.record(key_of("later")) not in server.live
