"""Who comes in, who goes, and what each can read: several homes, one honest server in memory."""

from __future__ import annotations

import functools
import itertools
import sqlite3

import pytest

from arcrun_auth.errors import AuthError, ProviderUnavailable, SyncAlarm
from arcrun_auth.protocol import envelope, handover, membership, recovery, wraps
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.words import canonical
from arcrun_auth.stores import kdf
from arcrun_auth.sync import devices, roster
from arcrun_auth.sync import identity as own
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.identity import Identity
from arcrun_auth.sync.roster import Vault
from arcrun_auth.sync.wire import Conflict, Write
from tests.mailboxes import Honest
from tests.sync_crashing import Crash, FragileStore, FragileWire, Fuse
from tests.sync_kit import Home, Server, names, pair, settle
from tests.unit.test_enrolling import brief, in_two


@pytest.fixture(autouse=True)
def _two_devices_in_two_threads(monkeypatch):
    """Their memories are made by the test, and each used by one thread at a time."""
    connect = functools.partial(sqlite3.connect, check_same_thread=False)
    monkeypatch.setattr(sqlite3, "connect", connect)


def vault(home: Home) -> Vault:
    return Vault(home.wire, home.state, rings.stored(home.store).keys, home.identity)


def members(home: Home) -> membership.Membership:
    return roster.looked(home.wire, vault(home).keys, home.state)[0]


def takes_over(home: Home) -> None:
    """The home of the kit speaks for the identity that lies in its store."""
    home.identity = own.stored(home.store)


def meet(old: Home, new: Home, *, yes: bool = True):
    mailbox = Honest()
    waits = brief(mailbox), brief(mailbox)
    old.sync()
    own.identity(new.store, name=new.name)
    outcome = in_two(
        mailbox,
        lambda: devices.join(new.store, new.state, new.wire, waits[0], lambda *_: yes),
        lambda: devices.admit(vault(old), waits[1], lambda *_: yes, now=old.now),
    )
    takes_over(new)
    return outcome


def gone(home: Home, device) -> None:
    """Revokes a device, as the command does."""
    home.sync()
    devices.revoke(vault(home), device, now=home.now)
    home.sync()


# -- in by another device -------------------------------------------------------------------


def test_a_device_that_was_let_in_has_everything_and_is_heard():
    server = Server()
    laptop, desktop = Home("laptop", server), Home("desktop", server)
    key = laptop.set("notion")
    laptop.sync()
    old, new = meet(laptop, desktop)
    assert (old.name, new.name) == ("laptop", "desktop")
    desktop.sync()
    assert desktop.get("notion") == key
    other = desktop.set("slack")
    settle([laptop, desktop])
    assert laptop.get("slack") == other
    assert set(members(laptop).live) == {laptop.identity.id, desktop.identity.id}


def test_what_it_had_already_is_joined_with_what_is_there():
    server = Server()
    laptop, desktop = Home("laptop", server), Home("desktop", server)
    theirs, mine, only = laptop.set("notion"), desktop.set("notion"), desktop.set("own")
    laptop.sync()
    meet(laptop, desktop)
    settle([desktop, laptop])
    assert laptop.secrets() == desktop.secrets()
    assert set(laptop.secrets().values()) == {theirs, mine, only}


def test_a_no_leaves_both_as_they_were():
    server = Server()
    laptop, desktop = Home("laptop", server), Home("desktop", server)
    laptop.sync()
    before = dict(server.rows)
    new, old = meet(laptop, desktop, yes=False)
    assert isinstance(new, AuthError)
    assert isinstance(old, AuthError)
    assert rings.stored(desktop.store) is None
    assert server.rows == before


def test_a_server_cannot_show_a_newcomer_less_than_the_one_who_let_it_in_has_seen():
    server = Server()
    laptop, phone = pair(server, "laptop", "phone")
    for name in names(5):
        laptop.set(name)
    settle([laptop, phone])
    old = dict(server.rows), server.seq
    laptop.set("service0")
    settle([laptop, phone])
    desktop = Home("desktop", server)
    meet(laptop, desktop)
    now = server.rows[vault(laptop).keys.members]
    server.rows, server.seq = {**old[0], now.name: now}, server.seq
    with pytest.raises(SyncAlarm) as alarmed:
        desktop.sync()
    assert alarmed.value.what in ("rolled back", "withheld")
    assert desktop.secrets() == {}


def test_a_device_joins_once_and_a_revoked_one_comes_back_as_a_new_one():
    server = Server()
    laptop, desktop = pair(server)
    own.identity(desktop.store)
    devices.keep(desktop.store, desktop.identity)
    new, _ = meet(laptop, desktop)
    assert "already" in new.message
    former = desktop.identity
    gone(laptop, former.device)
    with pytest.raises(AuthError, match="removed"):
        desktop.sync()
    key = laptop.set("later")
    laptop.sync()
    assert not isinstance(meet(laptop, desktop)[0], AuthError)
    assert desktop.identity.id != former.id
    desktop.sync()
    assert desktop.get("later") == key


# -- revoking -------------------------------------------------------------------------------


def opened_by(keys: VaultKeys, server: Server) -> list[str]:
    """The records in the server's rows that these keys open, whatever the epoch."""
    found = []
    for name, row in server.live.items():
        for epoch in keys.contents:
            try:
                found.append(str(envelope.opened(keys, name, row.sealed, epoch).key))
            except ValueError:
                continue
    return found


def test_nothing_that_is_written_after_a_device_was_revoked_opens_with_its_keys():
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    for home, name in zip(itertools.cycle([laptop, desktop, phone]), names(30), strict=False):
        home.set(name)
    settle([laptop, desktop, phone])
    former = rings.stored(phone.store).keys
    assert len(opened_by(former, server)) == 30
    gone(laptop, phone.identity.device)
    assert opened_by(former, server) == []
    desktop.set("later")
    desktop.sync()
    settle([laptop, desktop])
    assert opened_by(former, server) == []
    assert len(opened_by(rings.stored(desktop.store).keys, server)) == 31
    assert laptop.secrets() == desktop.secrets()
    assert len(laptop.secrets()) == 31


def test_the_test_above_would_see_an_epoch_whose_key_is_the_old_one(monkeypatch):
    server = Server()
    laptop, phone = pair(server, "laptop", "phone")
    laptop.set("notion")
    settle([laptop, phone])
    former = rings.stored(phone.store).keys
    monkeypatch.setattr("os.urandom", lambda size: former.contents[1][:size])
    devices.revoke(vault(laptop), phone.identity.device, now=1)
    monkeypatch.undo()
    laptop.sync()
    held = VaultKeys(former.vault, former.root, {2: former.contents[1]})
    assert opened_by(held, server) == ["notion@default"]


def test_a_revoked_device_is_told_so_and_keeps_what_it_has():
    laptop, phone = pair(Server(), "laptop", "phone")
    key = laptop.set("notion")
    settle([laptop, phone])
    gone(laptop, phone.identity.device)
    with pytest.raises(AuthError, match="removed"):
        phone.sync()
    assert phone.get("notion") == key


def test_what_a_revoked_device_wrote_before_stays_and_what_it_writes_after_is_nobodys():
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    kept = phone.set("notion")
    phone.sync()
    gone(laptop, phone.identity.device)
    desktop.sync()
    assert desktop.get("notion") == kept
    keys = rings.stored(phone.store).keys
    head = keys.head(phone.identity.id)
    server.write([Write(head, keys.seal_meta(head, b"anything"))])
    settle([laptop, desktop])
    assert laptop.get("notion") == desktop.get("notion") == kept


def test_a_device_that_writes_at_the_very_moment_is_seen_before_it_is_shut_out():
    server = Server()
    laptop, phone = pair(server, "laptop", "phone")
    laptop.sync()
    key = phone.set("notion")
    phone.sync()
    with pytest.raises(Conflict):
        devices.revoke(vault(laptop), phone.identity.device, now=1)
    gone(laptop, phone.identity.device)
    assert laptop.get("notion") == key


def test_one_that_was_away_gets_the_new_keys_when_it_comes_back():
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    key = laptop.set("notion")
    laptop.sync()
    for each in (phone,):
        gone(laptop, each.identity.device)
    mine = desktop.set("slack")
    settle([desktop, laptop])
    assert desktop.get("notion") == key
    assert laptop.get("slack") == mine
    assert rings.stored(desktop.store).keys.epoch == 2


def test_revoking_again_does_nothing_more():
    server = Server()
    laptop, phone = pair(server, "laptop", "phone")
    gone(laptop, phone.identity.device)
    tip = members(laptop).tip
    gone(laptop, phone.identity.device)
    assert members(laptop).tip == tip


def test_a_device_does_not_revoke_itself():
    laptop, _ = pair(Server())
    with pytest.raises(membership.BadMembership):
        devices.revoke(vault(laptop), laptop.identity.device, now=1)


def test_revoking_that_dies_at_any_step_is_gone_on_with():
    for steps in itertools.count():
        server = Server()
        laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
        for home, name in zip(itertools.cycle([laptop, phone]), names(6), strict=False):
            home.set(name)
        settle([laptop, desktop, phone])
        held, former = laptop.secrets(), rings.stored(phone.store).keys
        died = dies_in(laptop, steps, gone, phone.identity.device)
        late = Home("late", server)  # whoever comes in meanwhile can read all of it
        meet(desktop, late)
        settle([desktop, late])
        assert late.secrets() == held, steps
        gone(laptop, phone.identity.device)
        settle([laptop, desktop, late])
        assert opened_by(former, server) == []
        assert laptop.secrets() == desktop.secrets() == late.secrets() == held
        assert len({home.engine().verify() for home in (laptop, desktop, late)}) == 1
        if not died:
            break
    assert steps > 15


def dies_in(home: Home, steps: int, work, *args) -> bool:
    """Does `work`, in a process that ends after so many steps. Whether it was cut short."""
    fuse, wire, store = Fuse(steps), home.wire, home.store
    home.wire, home.store = FragileWire(wire, fuse), FragileStore(store, fuse)
    try:
        work(home, *args)
    except Crash:
        return True
    finally:
        home.wire, home.store = wire, store
    return False


# -- the server -----------------------------------------------------------------------------


def test_a_server_that_adds_a_device_of_its_own_is_an_alarm_and_gets_nothing():
    server = Server()
    laptop, _desktop = pair(server)
    laptop.set("notion")
    laptop.sync()
    evil = Identity.fresh("evil")
    keys = vault(laptop).keys  # more than any server has
    chain = members(laptop)
    plain = membership.Statement(
        chain.tip[0] + 1, chain.tip[1], "add", evil.device, 1, laptop.identity.id, 1
    )
    forged = membership.Statement(
        plain.n,
        plain.prev,
        "add",
        evil.device,
        1,
        laptop.identity.id,
        1,
        None,
        evil.sign(plain.signed()),
    )
    data = {"v": 1, "chain": [each.dump() for each in (*chain.statements, forged)]}
    server.write([Write(keys.members, keys.seal_meta(keys.members, canonical(data)))])
    with pytest.raises(SyncAlarm) as alarmed:
        laptop.sync()
    assert alarmed.value.what == "unknown device"
    for change in (lambda: devices.new_code(vault(laptop), now=1),):
        with pytest.raises(SyncAlarm):
            change()


def test_an_epochs_keys_by_a_stranger_are_not_taken():
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    evil = Identity.fresh("evil")
    gone(laptop, phone.identity.device)
    keys = vault(laptop).keys
    name = keys.wrap(desktop.identity.id)
    theirs = VaultKeys(keys.vault, keys.root, {1: keys.contents[1], 2: b"e" * 32})
    forged = Vault(server, laptop.state, theirs, evil)
    wrapped = roster.wrapped(forged, theirs, members(laptop), desktop.identity.device)
    server.write([Write(name, keys.seal_meta(name, wrapped))])
    with pytest.raises(SyncAlarm):
        desktop.sync()
    assert 2 not in rings.stored(desktop.store).keys.contents


# -- a recovery code ------------------------------------------------------------------------


def recovered(server: Server, code: str, name: str = "fresh") -> Home:
    home = Home(name, server)
    own.identity(home.store, name=name)
    devices.recover(home.store, home.state, home.wire, code, now=home.now)
    takes_over(home)
    home.sync()
    return home


def with_code() -> tuple[Server, Home, str]:
    server = Server()
    laptop = Home("laptop", server)
    laptop.set("notion")
    laptop.sync()
    code = devices.new_code(vault(laptop), now=1)
    laptop.sync()
    return server, laptop, code


def test_a_code_brings_a_new_machine_in_when_no_device_is_left():
    server, laptop, code = with_code()
    fresh = recovered(server, code)
    assert fresh.secrets() == laptop.secrets()
    fresh.set("slack")
    settle([fresh, laptop])
    assert laptop.secrets() == fresh.secrets()


def test_a_code_is_good_after_others_came_and_went():
    server, laptop, code = with_code()
    desktop = Home("desktop", server)
    meet(laptop, desktop)
    desktop.sync()
    gone(laptop, desktop.identity.device)
    laptop.set("later")
    laptop.sync()
    assert recovered(server, code.lower()).secrets() == laptop.secrets()


def test_a_new_code_ends_the_one_before_and_its_keys_open_nothing_new():
    server, laptop, code = with_code()
    paper = devices._paper(kdf.parse_recovery(code))
    former = handover.load(
        paper.unwrap(
            devices._row_of(server, paper, "keys")["wrap"].encode(),
            vault=vault(laptop).keys.vault, signers=members(laptop).live,
        )[1]
    ).keys  # fmt: skip
    assert opened_by(former, server)
    newer = devices.new_code(vault(laptop), now=2)
    laptop.sync()
    assert opened_by(former, server) == []
    with pytest.raises(AuthError, match="no vault that this code opens"):
        recovered(server, code)
    assert recovered(server, newer).secrets() == laptop.secrets()
    assert len(devices.codes_of(members(laptop))) == 1


@pytest.mark.parametrize("code", ["", "AAAA", "7QZK-7QZK-7QZK-7QZK-7QZK-7QZK-7QZK"])
def test_a_slip_in_a_code_is_told_before_anything_is_sent(code):
    server, _, _ = with_code()
    requests = server.requests
    with pytest.raises(AuthError, match="no recovery code"):
        recovered(server, code)
    assert server.requests == requests


def test_another_code_opens_nothing():
    server, _, _ = with_code()
    with pytest.raises(AuthError) as refused:
        recovered(server, kdf.format_recovery(bytes(16)))
    assert "opens another lock" in refused.value.hint


def test_a_former_member_cannot_lead_a_code_into_a_vault_of_his_own():
    """He knows all that members know of the code; the code's own signature he cannot make."""
    server, laptop, code = with_code()
    paper = devices._paper(kdf.parse_recovery(code))
    evil = Identity.fresh("evil")
    trap = membership.found(evil.device, sign=evil.sign, at=1)
    trap = trap.add(paper.device, by=evil.id, sign=evil.sign, at=1)
    forged = Vault(server, laptop.state, VaultKeys.fresh(trap.vault), evil)
    box = paper.device.box
    wrapped = roster.wrapped(forged, forged.keys, trap, paper.device).decode()
    rows = {
        "keys": {"wrap": wrapped, "members": trap.dump().decode()},
        "vault": {"vault": trap.vault, "sig": evil.sign(recovery.vouched(trap.vault)).hex()},
    }
    for what, data in rows.items():
        sealed = recovery.sealed(box, what, canonical(data))
        server.write([Write(recovery.row(box, what), sealed)])
        with pytest.raises(SyncAlarm) as alarmed:
            recovered(server, code)
        assert alarmed.value.what == "swapped"


def test_a_code_is_not_given_keys_with_members_of_an_earlier_time():
    """Whoever was a member then could hand over keys that have ended since."""
    server, _, code = with_code()
    paper = devices._paper(kdf.parse_recovery(code))
    data = devices._row_of(server, paper, "keys")
    chain = membership.load(data["members"].encode(), devices._vouched(server, paper))
    first = {"v": 1, "chain": [chain.statements[0].dump()]}
    earlier = canonical({**data, "members": canonical(first).decode()})
    box = paper.device.box
    server.write([Write(recovery.row(box, "keys"), recovery.sealed(box, "keys", earlier))])
    with pytest.raises(SyncAlarm):
        recovered(server, code)


def test_a_recovery_row_that_was_damaged_is_an_alarm():
    server, _, code = with_code()
    box = devices._paper(kdf.parse_recovery(code)).device.box
    for what in recovery.ROWS:
        held = server.rows[recovery.row(box, what)]
        other = recovery.sealed(bytes(32), what, b"{}")
        server.write([Write(held.name, other)])
        with pytest.raises(SyncAlarm):
            recovered(server, code)
        server.write([Write(held.name, held.sealed)])
    assert recovered(server, code).secrets()


# -- names ----------------------------------------------------------------------------------


def test_a_device_is_named_by_its_name_its_id_or_the_beginning_of_that():
    laptop, desktop, phone = pair(Server(), "laptop", "desktop", "phone")
    chain = members(laptop)
    for name in ("phone", phone.identity.id, phone.identity.id[:6]):
        assert devices.named(chain, name) == phone.identity.device
    with pytest.raises(AuthError, match="No device"):
        devices.named(chain, "tablet")
    gone(laptop, phone.identity.device)
    assert devices.named(members(laptop), "phone") == phone.identity.device
    assert desktop.identity.id in members(laptop).live


def test_of_two_devices_of_one_name_none_is_guessed():
    laptop, *_ = pair(Server(), "laptop", "phone", "phone")
    with pytest.raises(AuthError, match="2 devices"):
        devices.named(members(laptop), "phone")


# -- what goes wrong on the way -------------------------------------------------------------


def test_one_that_lost_its_keys_is_let_in_again_as_the_same_device():
    server = Server()
    laptop, desktop = Home("laptop", server), Home("desktop", server)
    key = laptop.set("notion")
    laptop.sync()
    meet(laptop, desktop)
    me, tip = desktop.identity.id, members(laptop).tip
    rings.leave(desktop.store)
    meet(laptop, desktop)
    desktop.sync()
    assert (desktop.identity.id, members(laptop).tip) == (me, tip)
    assert desktop.get("notion") == key


def test_a_device_that_was_revoked_is_not_let_in_with_the_keys_of_then():
    server = Server()
    laptop, desktop = Home("laptop", server), Home("desktop", server)
    laptop.sync()
    meet(laptop, desktop)
    former = desktop.identity.device
    gone(laptop, former)
    rings.leave(desktop.store)
    new, old = meet(laptop, desktop)
    assert "was a member before" in old.message
    assert isinstance(new, AuthError)


def test_keys_of_an_epoch_that_has_ended_are_not_handed_on():
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    laptop.sync()
    stale = vault(laptop)
    gone(desktop, phone.identity.device)
    with pytest.raises(AuthError, match="revoked meanwhile"):
        devices._added(stale, Identity.fresh("new").device, now=1)


@pytest.mark.parametrize(
    "plain",
    [b"", b"{}", handover.Handover(VaultKeys.fresh("cd" * 32), (0, "ef" * 32)).dump()],
    ids=["nothing", "another shape", "another vault"],
)
def test_keys_that_are_none_are_an_alarm_and_change_nothing(plain):
    old, new = Identity.fresh("old"), Identity.fresh("new")
    given = {"vault": "ab" * 32, "epoch": 1, "to": new.device, "by": old.id, "sign": old.sign}
    with pytest.raises(SyncAlarm) as alarmed:
        devices._opened(new, wraps.wrap(plain, **given), "ab" * 32, {old.id: old.device.sign})
    assert alarmed.value.what == "swapped"


def test_others_that_change_the_members_at_once_are_waited_for():
    server = Server()
    laptop, desktop = pair(server)
    laptop.sync()
    desktop.sync()
    slept, write = [], server.write

    def overtaken(batch):
        server.write = write
        devices.new_code(vault(desktop), now=1)
        return write(batch)

    fresh = Identity.fresh("fresh").device
    server.write = overtaken
    roster.changed(vault(laptop), adding(laptop, fresh), sleep=slept.append)
    assert len(slept) == 1
    assert fresh.id in members(laptop).live
    assert len(devices.codes_of(members(laptop))) == 1


def adding(home: Home, device):
    me = home.identity
    return lambda chain: chain.add(device, by=me.id, sign=me.sign, at=1)


def test_others_that_never_stop_are_given_up_on_for_now():
    server = Server()
    laptop, _ = pair(server)

    def always(batch):
        raise Conflict

    server.write = always
    with pytest.raises(ProviderUnavailable):
        roster.changed(
            vault(laptop), adding(laptop, Identity.fresh("x").device), sleep=lambda _: None
        )


@pytest.mark.parametrize("lie", ["gone", "damaged", "older", "another"])
def test_a_server_that_lies_about_the_members_changes_nothing(lie):
    server = Server()
    laptop, phone = pair(server, "laptop", "phone")
    keys, name = vault(laptop).keys, vault(laptop).keys.members
    first = server.rows[name].sealed
    gone(laptop, phone.identity.device)
    shown = {
        "gone": None,
        "damaged": keys.seal_meta("another row", b"x"),
        "older": first,
        "another": keys.seal_meta(name, b"{}"),
    }[lie]
    server.write([Write(name, shown)])
    with pytest.raises(SyncAlarm):
        devices.new_code(vault(laptop), now=1)


def test_two_processes_that_keep_an_identity_at_once_end_with_the_later_one():
    home = Home("laptop", Server())
    one, other = Identity.fresh("one"), Identity.fresh("other")
    devices.keep(home.store, one)
    put = home.store.put

    def overtaken(record, *, expect):
        home.store.put = put
        devices.keep(home.store, other)
        return put(record, expect=expect)

    home.store.put = overtaken
    devices.keep(home.store, one)
    assert own.stored(home.store).id == one.id
