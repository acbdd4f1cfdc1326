"""Who knows the keys and means harm: one that was shut out, or a member that is going to be."""

from __future__ import annotations

from arcrun_auth.protocol import log
from arcrun_auth.protocol.envelope import Envelope
from arcrun_auth.protocol.head import Head
from arcrun_auth.protocol.log import Entry
from arcrun_auth.sync.wire import Row
from tests import canary
from tests.sync_kit import Home, Server, key_of, pair, settle
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
    except Exception:  # noqa: BLE001 - an alarm is as good as being left out
        return


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
