"""Who knows the keys and means harm: one that was shut out, or a member that is going to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arcrun_auth.errors import ProviderUnavailable, SyncAlarm
from arcrun_auth.protocol import log
from arcrun_auth.protocol.envelope import Envelope
from arcrun_auth.protocol.handover import Handover
from arcrun_auth.protocol.head import Head
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.log import Entry
from arcrun_auth.protocol.membership import BadMembership, Device, Statement
from arcrun_auth.protocol.wraps import wrap
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.outbox import Change, Outbox
from arcrun_auth.sync.wire import Row, Write
from tests import canary
from tests.sync_kit import Home, Server, enrol, key_of, pair, settle, write_members
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


# -- what a member can write into a record --------------------------------------------------


def told(evil: Home, name: str, body: object, *, ver: int = 1) -> None:
    """Writes a record as the device `evil`, with whatever body."""
    keys, key = evil.engine().keys, key_of(name)
    change = Change(keys.record(key), ver, "x", key, body)  # type: ignore[arg-type]
    box = Outbox(
        evil.store, evil.state, evil.wire, keys, evil.identity,
        members=evil.state.members(keys.vault).tip, clock=lambda: evil.now,
    )  # fmt: skip
    box.send([change])


@pytest.mark.parametrize(
    "body",
    [
        {"secrets": 3}, {"secrets": {"a": 3}}, {"grant": []}, {"shared": 3}, {"consents": 3},
        {"grant": {"issued": "x"}}, {"grant": {"expires": float(1 << 60) * 1e300 * 1e300}},
        {"grant": {"access_token": 3}}, {"grant": {"secrets": ["x"]}}, {"grant": {"scopes": "x"}},
        {"grant": {"intent": {}}}, {"consents": {"x": 3}}, {"consents": {"x": {"digest": "y"}}},
        {"params": ["x"]}, {"ends": "never"}, {"ends": True}, {"identity": 3}, {"extra": {}},
        {"key": []},
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_an_alarm_and_no_crash(body) -> None:
    laptop, desktop = pair(Server(), "laptop", "desktop")
    settle([laptop, desktop])
    key = laptop.set("notion")
    laptop.sync()
    try:
        told(desktop, "slack", body)
    except ValueError:
        assert "expires" in str(body)  # infinity is no JSON
        return
    with pytest.raises(SyncAlarm) as alarm:
        laptop.sync()
    assert alarm.value.what == "damaged"
    assert laptop.get("notion") == key


def test_a_record_with_fields_of_a_newer_version_is_one() -> None:
    laptop, desktop = pair(Server(), "laptop", "desktop")
    settle([laptop, desktop])
    told(desktop, "slack", {"never": ["heard", "of"], "grant": {"new": 1}, "params": {"a": "b"}})
    laptop.sync()
    told(desktop, "slack", {"never": ["heard", "of"], "params": {"a": "b"}}, ver=2)
    laptop.sync()
    record = laptop.store.get(key_of("slack"))
    assert record is not None
    assert (record.extra, record.params) == ({"never": ["heard", "of"]}, {"a": "b"})


@pytest.mark.parametrize("name", ["not\x1b[2Jion", "no\u202etion", "\ud800", "x" * 301])
def test_a_name_that_a_terminal_would_obey_is_none(name) -> None:
    laptop, desktop = pair(Server(), "laptop", "desktop")
    settle([laptop, desktop])
    try:
        told(desktop, name, {})
    except ValueError:
        assert name == "\ud800"  # it has no bytes
        return
    with pytest.raises(SyncAlarm):
        laptop.sync()


def test_a_number_that_no_database_holds_is_none() -> None:
    for number in (1 << 53, 1 << 64, 10**40):
        with pytest.raises(ValueError, match="no number"):
            Entry.of(["0" * 40, number, "0" * 64, 1])


# -- what is left of one that was shut out --------------------------------------------------


def test_a_removal_by_one_that_was_shut_out_stays_one_without_its_log() -> None:
    """Its rows are its own to spoil while its API key holds: nothing may hang on them."""
    server = Server()
    laptop, stolen = pair(server, "laptop", "stolen")
    laptop.set("notion")
    key = laptop.set("slack")
    settle([laptop, stolen])
    stolen.remove("notion")
    settle([laptop, stolen])
    assert laptop.get("notion") is None
    laptop.set("later")  # whose head tells that it has seen the removal
    settle([laptop, stolen])
    assert any(placed.entry.gone for placed in laptop.state.log_of(stolen.identity.id))
    gone(laptop, stolen.identity.device)
    settle([laptop])
    keys = laptop.engine().keys
    for name in (keys.head(stolen.identity.id), keys.segment(stolen.identity.id, 0, 0)):
        server.write([Write(name, keys.seal_meta(name, b"{}"))])
    laptop.sync()
    phone = Home("phone", server)
    meet(laptop, phone)
    phone.sync()
    assert (phone.get("notion"), phone.get("slack")) == (None, key)
    assert laptop.engine().verify()
    settle([laptop, phone])


# -- a server that makes a home believe that it is a copy ------------------------------------


class Forking(Server):
    """Takes one batch, says that it has failed, and shows it to one of two homes alone."""

    def __init__(self) -> None:
        super().__init__(page=1000)
        self.fails = False
        self.hidden: dict[str, Row] = {}

    def write(self, batch):
        if not self.fails:
            return super().write(batch)
        self.fails, before = False, dict(self.rows)
        super().write(batch)
        self.hidden, self.rows = dict(self.rows), before
        raise ProviderUnavailable("no answer", sent=True)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_server_cannot_make_a_home_take_itself_for_a_copy(goes_on) -> None:
    """It would take new keys, and give up each login that only one home can use."""
    server = Forking()
    laptop, desktop = pair(server, "laptop", "desktop")
    settle([laptop, desktop])
    for name in ("one", "two"):
        laptop.set(name)
    server.fails = True
    with pytest.raises(ProviderUnavailable):
        laptop.sync()
    shown_to_laptop, server.rows = server.rows, server.hidden
    desktop.set("three")
    desktop.sync()
    # The desktop's head says that it has seen what the laptop has never heard to have arrived.
    head = desktop.engine().keys.head(desktop.identity.id)
    ours = {laptop.engine().keys.head(laptop.identity.id)}
    lies = {name: row for name, row in server.rows.items() if name not in ours}
    if goes_on:
        server.rows = shown_to_laptop
        laptop.store.delete(key_of("two"), expect=laptop.store.get(key_of("two")).generation)
        laptop.sync()
        lies = {**server.rows, head: lies[head]}
    server.seq += 1
    server.rows = {**lies, head: Row(head, server.seq, lies[head].sealed)}
    with pytest.raises(SyncAlarm):
        laptop.sync()


# -- a member that is there only so that nobody can be shut out ------------------------------


@pytest.mark.parametrize("box", [bytes(32), b"\x01" + bytes(31), b"\xed" + b"\xff" * 30 + b"\x7f"])
def test_a_device_that_no_key_can_be_wrapped_for_is_none(box) -> None:
    """RFC 7748 §6.1: with such a point every exchange ends in zeros, and HPKE refuses it. Each
    new epoch would fail of it, so whoever brought it in could not be revoked."""
    server = Server()
    laptop, evil = pair(server, "laptop", "evil")
    settle([laptop, evil])
    ghost = Device("ghost", bytes(range(32)), box)
    members = evil.state.members(evil.engine().keys.vault)
    with pytest.raises(BadMembership):
        members.add(ghost, by=evil.identity.id, sign=evil.identity.sign, at=evil.now)
    # By hand, as a member that does not look would write it:
    n, prev = members.tip
    plain = Statement(n + 1, prev, "add", ghost, members.epoch, evil.identity.id, int(evil.now))
    added = replace(plain, sig=evil.identity.sign(plain.signed()))
    forged = replace(members, statements=(*members.statements, added))
    write_members(evil, evil.engine().keys, forged)
    with pytest.raises(SyncAlarm):
        laptop.sync()
