"""Two and more homes, one server: what is set on one is on all, and nothing is lost on the way."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from arcrun_auth.errors import AuthError, ProviderUnavailable, SyncAlarm
from arcrun_auth.protocol.keys import BEACON, Sealed, VaultKeys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.engine import DAY, LOOKS, TRIES
from arcrun_auth.sync.founding import start_over
from arcrun_auth.sync.judge import Copied
from arcrun_auth.sync.outbox import CHANGES
from arcrun_auth.sync.wire import Conflict, Row
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.sync_kit import Home, Server, enrol, key_of, names, pair, settle, write_members


def test_a_key_that_is_set_on_one_device_is_on_the_other_after_a_sync_of_each() -> None:
    laptop, desktop = pair(Server())
    key = laptop.set("notion@work", params={"region": "eu"})
    assert [str(k) for k in laptop.sync().pushed] == ["notion@work"]
    assert [str(k) for k in desktop.sync().pulled] == ["notion@work"]
    assert desktop.get("notion@work") == key
    assert desktop.store.get(key_of("notion@work")).params == {"region": "eu"}


def test_a_second_sync_sends_nothing_and_asks_once() -> None:
    server = Server()
    laptop, desktop = pair(server)
    laptop.set("notion")
    settle([laptop, desktop])
    batches, requests = len(server.batches), server.requests
    for home in (laptop, desktop):
        report = home.sync()
        assert not report.pushed
        assert not report.pulled
    assert len(server.batches) == batches
    assert server.requests == requests + 2


def test_a_change_is_three_rows_whatever_the_size_of_the_vault() -> None:
    server = Server(page=500)
    laptop, desktop = pair(server)
    for name in names(1000):
        laptop.set(name)
    laptop.sync()
    desktop.sync()
    before = server.requests
    laptop.set("service7")
    laptop.sync()
    assert len(server.batches[-1]) == 3
    assert server.requests == before + 2
    sent = sum(len(write.sealed.data) for write in server.batches[-1])
    assert sent < 8192
    assert [str(key) for key in desktop.sync().pulled] == ["service7@default"]


def test_what_one_batch_cannot_hold_goes_in_several_each_of_them_whole() -> None:
    server = Server(page=100)
    laptop, desktop = pair(server)
    wanted = {f"{name}@default": laptop.set(name) for name in names(2 * CHANGES + 10)}
    before = len(server.batches)
    laptop.sync()
    assert len(server.batches) == before + 3
    desktop.sync()
    assert desktop.secrets() == wanted


def test_a_removal_reaches_all_devices_and_its_row_goes_when_all_have_seen_it() -> None:
    server = Server()
    laptop, desktop, phone = pair(server, "laptop", "desktop", "phone")
    laptop.set("notion")
    settle([laptop, desktop, phone])
    row = laptop.engine().keys.record(key_of("notion"))
    desktop.remove("notion")
    desktop.sync()
    assert [str(key) for key in laptop.sync().removed] == ["notion@default"]
    assert row in server.live
    for _ in range(2):
        for home in (laptop, phone, desktop):
            home.now += 2 * DAY
            home.sync()
    assert row not in server.live
    settle([laptop, desktop, phone])
    assert not {**laptop.secrets(), **desktop.secrets(), **phone.secrets()}
    key = phone.set("notion")
    settle([phone, laptop, desktop])
    assert laptop.get("notion") == desktop.get("notion") == key


def test_a_record_that_is_missing_though_nobody_removed_it_comes_back() -> None:
    laptop, desktop = pair(Server())
    key = laptop.set("notion")
    settle([laptop, desktop])
    desktop.store.delete(key_of("notion"), expect=1)  # as a damaged row of the vault goes
    assert [str(k) for k in desktop.sync().restored] == ["notion@default"]
    assert desktop.get("notion") == key
    assert not laptop.sync().removed


def test_of_two_keys_set_at_once_one_wins_everywhere_and_the_other_is_kept() -> None:
    laptop, desktop = pair(Server())
    laptop.set("notion")
    settle([laptop, desktop])
    mine, theirs = laptop.set("notion"), desktop.set("notion")
    laptop.sync()
    report = desktop.sync()
    settle([laptop, desktop])
    assert laptop.secrets() == desktop.secrets()
    assert set(laptop.secrets().values()) == {mine, theirs}
    ((key, copy),) = report.conflicts
    assert str(key) == "notion@default"
    assert copy.instance.startswith("default.conflict-")
    assert len(laptop.secrets()) == 2


def test_the_name_of_a_copy_fits_and_is_no_other_records() -> None:
    laptop, desktop = pair(Server())
    name = "notion@" + "x" * 64
    laptop.set(name)
    settle([laptop, desktop])
    values = set()
    for _ in range(3):
        values |= {laptop.set(name), desktop.set(name)}
        settle([laptop, desktop])
    assert len(laptop.secrets()) == 4  # the winner of the last time, and the loser of each
    assert set(laptop.secrets().values()) < values
    assert laptop.secrets() == desktop.secrets()
    assert all(len(key.instance) <= 64 for key in laptop.store.keys())


def test_the_same_change_on_two_devices_is_no_conflict() -> None:
    laptop, desktop = pair(Server())
    key = canary.fresh()
    laptop.set("notion", key)
    desktop.set("notion", key)
    laptop.sync()
    report = desktop.sync()
    assert not report.conflicts
    assert not report.pushed


def test_a_change_outlives_a_removal_on_another_device() -> None:
    laptop, desktop = pair(Server())
    for name in ("notion", "slack"):
        laptop.set(name)
    settle([laptop, desktop])
    laptop.remove("notion")
    changed = desktop.set("notion")
    desktop.remove("slack")
    also = laptop.set("slack")
    laptop.sync()
    assert [str(key) for key in desktop.sync().kept] == ["notion@default"]
    settle([laptop, desktop])
    assert laptop.secrets() == desktop.secrets()
    assert laptop.secrets() == {"notion@default": changed, "slack@default": also}


def test_what_is_set_up_anew_after_a_removal_is_no_removal() -> None:
    laptop, desktop = pair(Server())
    laptop.set("notion")
    settle([laptop, desktop])
    laptop.remove("notion")
    key = laptop.set("notion")
    settle([laptop, desktop])
    assert desktop.get("notion") == laptop.get("notion") == key


def test_two_services_of_one_account_bring_their_consents_together() -> None:
    from arcrun_auth.tokens import Consent

    def consent(service: str) -> dict:
        return {
            service: Consent(digest=service, projection={}, hosts=["h"], tier="local", release="1")
        }

    laptop, desktop = pair(Server())
    key = laptop.set("aws")
    settle([laptop, desktop])
    laptop.set("aws", key, consents=consent("aws_s3"))
    desktop.set("aws", key, consents=consent("aws_ses"))
    settle([laptop, desktop])
    for home in (laptop, desktop):
        assert set(home.store.get(key_of("aws")).consents) == {"aws_s3", "aws_ses"}


def test_a_login_that_many_can_use_travels_and_a_renewal_is_no_change() -> None:
    laptop, desktop = pair(Server())
    grant = laptop.log_in("drive", scopes=("read",), refresh_expires=2e9)
    settle([laptop, desktop])
    key = key_of("drive")
    there = desktop.store.get(key).grant
    assert there.refresh_token == grant.refresh_token
    assert there.scopes == ("read",)
    assert there.refresh_expires == 2e9
    assert not there.access_token  # each device asks for its own
    held = desktop.store.get(key)
    renewed = held.grant.replace(
        access_token=Secret(canary.fresh()), issued=9.0, expires=99.0, refresh_expires=3e9
    )
    desktop.store.put(held.replace(grant=renewed), expect=held.generation)
    assert not desktop.sync().pushed
    fresh = laptop.log_in("drive")
    settle([laptop, desktop])
    now = desktop.store.get(key).grant
    assert now.refresh_token == fresh.refresh_token
    assert not now.access_token


def test_a_login_that_rotates_stays_and_each_device_keeps_its_own() -> None:
    laptop, desktop = pair(Server())
    key = key_of("drive")
    for home in (laptop, desktop):
        home.rotating.add(key)
    laptop.log_in("drive")
    settle([laptop, desktop])
    assert desktop.store.get(key).grant is None
    own = desktop.log_in("drive")
    settle([laptop, desktop])
    assert desktop.store.get(key).grant.refresh_token == own.refresh_token
    assert laptop.store.get(key).grant.refresh_token != own.refresh_token
    laptop.remove("drive")
    laptop.sync()
    assert [str(k) for k in desktop.sync().kept] == ["drive@default"]
    assert desktop.store.get(key).grant.refresh_token == own.refresh_token
    settle([laptop, desktop])
    assert laptop.store.get(key) is None


def test_a_login_of_this_device_is_never_pointed_at_another_tenant() -> None:
    laptop, desktop = pair(Server())
    key = key_of("shop")
    for home in (laptop, desktop):
        home.rotating.add(key)
        home.store.put(Credential(key, params={"shop": "ada"}), expect=0)
    settle([laptop, desktop])
    desktop.log_in("shop")
    held = laptop.store.get(key)
    laptop.store.put(held.replace(params={"shop": "bob"}), expect=held.generation)
    settle([laptop, desktop])
    assert desktop.store.get(key).params == {"shop": "ada"}


def test_devices_that_judge_a_login_differently_do_not_push_it_to_and_fro() -> None:
    laptop, desktop = pair(Server())
    desktop.rotating.add(key_of("drive"))  # its recipes are older
    laptop.log_in("drive")
    settle([laptop, desktop])
    desktop.set("drive")
    settle([laptop, desktop])
    assert laptop.store.get(key_of("drive")).grant is not None


def test_an_app_travels_and_what_belongs_to_the_device_does_not() -> None:
    laptop, desktop = pair(Server())
    app = Key("app", "google")
    laptop.store.put(Credential(app, secrets={"client_secret": Secret(canary.fresh())}), expect=0)
    own = [Key("device", "other"), Key("policy", "agents"), Key("policy", "pending")]
    for key in own:
        laptop.store.put(Credential(key, params={"a": "b"}), expect=0)
    settle([laptop, desktop])
    assert desktop.store.get(app) is not None
    assert [key for key in own if desktop.store.get(key) is not None] == []


def test_a_device_that_was_away_for_weeks_comes_back_to_a_log_that_was_written_anew() -> None:
    server = Server()
    laptop, desktop = pair(server)
    for name in names(5):
        laptop.set(name)
    settle([laptop, desktop])
    for _ in range(60):
        for name in names(3):
            laptop.set(name)
        laptop.sync()
    head = laptop.state.heads()[laptop.identity.id].head
    assert head.gen > 0
    assert len(server.live) < 25  # and the old segments are gone
    desktop.set("service4")
    settle([desktop, laptop])
    assert desktop.secrets() == laptop.secrets()
    assert not desktop.sync().conflicts


def test_a_new_device_reads_all_of_it_and_what_it_had_is_not_lost() -> None:
    laptop, desktop = pair(Server())
    for name in names(10):
        laptop.set(name)
    desktop.set("slack")
    settle([laptop, desktop])
    phone = Home("phone", laptop.wire)
    own = phone.set("service1")
    enrol(desktop, phone)
    settle([laptop, desktop, phone])
    assert phone.secrets() == laptop.secrets() == desktop.secrets()
    assert own in phone.secrets().values()
    assert len(phone.secrets()) == 12


def test_a_second_machine_founds_no_second_vault() -> None:
    server = Server()
    Home("laptop", server).sync()
    stranger = Home("stranger", server)
    with pytest.raises(AuthError, match="has a vault already"):
        stranger.sync()
    assert stranger.state.get("founding") is None


def test_of_two_who_found_a_vault_at_once_one_is_told() -> None:
    class Slow(Server):
        """Between the look and the batch of one, the other founds its own."""

        meanwhile = None

        def row(self, name):
            found = super().row(name)
            if self.meanwhile is not None:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile.sync()
            return found

    server = Slow()
    one, two = Home("one", server), Home("two", server)
    server.meanwhile = one
    for _ in range(2):
        with pytest.raises(AuthError, match="has a vault already"):
            two.sync()
        assert two.store.get(rings.KEY) is None
        one.sync()


def test_a_record_that_is_too_large_is_told_and_the_rest_goes() -> None:
    laptop, desktop = pair(Server())
    laptop.set("huge", canary.WORD + "x" * 400_000)
    small = laptop.set("small")
    report = laptop.sync()
    assert [str(key) for key in report.too_large] == ["huge@default"]
    desktop.sync()
    assert desktop.secrets() == {"small@default": small}


def test_two_devices_show_one_code_and_another_after_a_change() -> None:
    laptop, desktop = pair(Server())
    laptop.set("notion")
    settle([laptop, desktop])
    code = laptop.engine().verify()
    assert code == desktop.engine().verify()
    assert [len(group) for group in code.split("-")] == [4] * 5
    laptop.set("notion")
    settle([laptop, desktop])
    assert laptop.engine().verify() == desktop.engine().verify() != code


def test_starting_over_founds_another_vault_with_what_is_here() -> None:
    server = Server()
    laptop, desktop = pair(server)
    for name in names(3):
        laptop.set(name)
    settle([laptop, desktop])
    vault, before = laptop.engine().keys.vault, dict(server.live)
    start_over(laptop.store, laptop.state, server, laptop.identity)
    assert not server.live
    laptop.now += 1
    laptop.sync()
    assert laptop.engine().keys.vault != vault
    assert not set(server.live) & set(before) - {BEACON}
    with pytest.raises(SyncAlarm, match="not shown"):
        desktop.sync()
    assert len(desktop.secrets()) == 3
    own = desktop.set("service1")
    enrol(laptop, desktop)
    settle([laptop, desktop])
    assert laptop.secrets() == desktop.secrets()
    assert own in laptop.secrets().values()


def test_starting_over_works_without_any_memory_of_the_vault() -> None:
    server = Server()
    laptop = pair(server, "laptop")[0]
    key = laptop.set("notion")
    laptop.sync()
    laptop.state.forget()
    start_over(laptop.store, laptop.state, server, laptop.identity)
    laptop.sync()
    assert laptop.get("notion") == key


def test_a_copy_of_a_home_is_recognised_and_syncs_nothing() -> None:
    server = Server()
    laptop, desktop = pair(server)
    laptop.set("notion")
    laptop.sync()
    copy = Home("laptop", server, store=clone(laptop))
    copy.identity = laptop.identity
    with pytest.raises(Copied):  # it remembers nothing, and its own head is there
        copy.sync()
    laptop.set("notion")
    laptop.sync()
    copy.state = laptop.state  # its vault is older than what it remembers
    with pytest.raises(Copied):
        copy.sync()
    desktop.sync()


def clone(home: Home) -> Memory:
    """As a backup of the vault has it."""
    store = Memory()
    store._records = dict(home.store._records)
    return store


def test_a_head_that_another_device_has_seen_of_us_and_we_have_not_is_a_copys() -> None:
    server = Server()
    laptop, desktop = pair(server)
    laptop.set("notion")
    laptop.sync()
    desktop.set("slack")
    desktop.sync()
    known = laptop.state.heads()[laptop.identity.id]
    laptop.state.note_head(replace(known.head, seq=0), known.hash)
    laptop.state.set(tried=0)  # nor has it ever sent that
    with pytest.raises(Copied):
        laptop.sync()


def test_a_store_that_is_written_in_the_middle_of_a_join_loses_neither() -> None:
    server = Server()
    laptop, desktop = pair(server)
    laptop.set("notion")
    laptop.set("slack")
    settle([laptop, desktop])
    laptop.set("notion")
    laptop.set("github")
    laptop.remove("slack")
    laptop.sync()

    real, busy = desktop.store.put, ["notion", "github", "github"]
    real_delete, deleted = desktop.store.delete, []

    def put(record, *, expect):
        name = record.key.account
        if name in busy:
            busy.remove(name)
            held = desktop.store.get(record.key)
            new = (held or record).replace(identity="somebody")
            real(new, expect=held.generation if held else 0)
        return real(record, expect=expect)

    def delete(key, *, expect):
        if not deleted:
            deleted.append(key)
            real(desktop.store.get(key), expect=expect)
        real_delete(key, expect=desktop.store.get(key).generation if deleted[1:] else expect)

    desktop.store.put, desktop.store.delete = put, delete
    desktop.sync()
    desktop.store.put, desktop.store.delete = real, real_delete
    settle([laptop, desktop])
    assert laptop.secrets() == desktop.secrets()
    assert not busy


def test_one_that_never_gets_its_turn_gives_up_for_now() -> None:
    class Busy(Server):
        busy = False

        def write(self, batch):
            if self.busy:
                raise Conflict
            return super().write(batch)

    server = Busy()
    laptop, desktop = pair(server)
    laptop.set("notion")
    server.busy = True
    with pytest.raises(ProviderUnavailable, match="write all the time"):
        laptop.sync()
    assert len(laptop.slept) == TRIES
    server.busy = False
    settle([laptop, desktop])
    assert desktop.get("notion") == laptop.get("notion")


def test_a_moment_in_which_the_server_shows_too_little_is_no_alarm() -> None:
    class Forgetful(Server):
        forgets = 0
        hidden = ""

        def rows_since(self, cursor):
            page = super().rows_since(cursor)
            self.forgets -= 1
            shown = [row for row in page.rows if self.forgets < 0 or row.name != self.hidden]
            return type(page)(shown, page.cursor)

    server = Forgetful(page=100)
    laptop, desktop = pair(server)
    for name in names(5):
        laptop.set(name)
    laptop.sync()
    server.hidden = laptop.engine().keys.record(key_of("service3"))
    server.forgets = len(LOOKS)
    desktop.sync()
    assert desktop.slept == list(LOOKS)
    assert desktop.secrets() == laptop.secrets()
    laptop.set("service3")
    laptop.sync()
    server.forgets = len(LOOKS) + 1
    with pytest.raises(SyncAlarm) as alarm:
        desktop.sync()
    assert (alarm.value.what, alarm.value.count) == ("withheld", 1)
    desktop.sync()


def test_a_home_without_keys_has_no_engine() -> None:
    with pytest.raises(AuthError, match="belongs to no synced vault"):
        Home("laptop", Server()).engine()


def test_what_the_server_makes_of_the_members_is_an_alarm() -> None:
    server = Server(page=100)
    laptop, desktop = pair(server)
    keys = laptop.engine().keys
    row = server.rows[keys.members]
    other = pair(Server(), "stranger")[0]
    forged = other.state.members(other.engine().keys.vault).dump()
    first = membership_of(laptop, 1)
    cases = {
        "damaged": Sealed(row.sealed.iv, row.sealed.data[::-1]),
        "unknown device": keys.seal_meta(keys.members, forged),
        "rolled back": keys.seal_meta(keys.members, first),
        "withheld": None,
    }
    for what, sealed in cases.items():
        server.seq += 1
        server.rows[keys.members] = Row(keys.members, server.seq, sealed)
        with pytest.raises(SyncAlarm) as alarm:
            desktop.sync()
        assert alarm.value.what == what
        with pytest.raises(SyncAlarm):
            desktop.engine().verify()
    server.seq += 1
    server.rows[keys.members] = Row(keys.members, server.seq, row.sealed)
    settle([laptop, desktop])


def membership_of(home: Home, statements: int) -> bytes:
    """The chain as it was after so many statements."""
    data = json.loads(home.state.members(home.engine().keys.vault).dump())
    data["chain"] = data["chain"][:statements]
    return json.dumps(data).encode()


def test_a_newcomer_is_shown_nothing_older_than_what_it_was_told() -> None:
    server = Server(page=100)
    laptop, desktop = pair(server)
    laptop.set("notion")
    settle([laptop, desktop])
    phone = Home("phone", server)
    enrol(laptop, phone)
    head = server.rows[laptop.engine().keys.head(laptop.identity.id)]
    for told, what in (((99, "00" * 32), "rolled back"), ((3, "00" * 32), "forked")):
        n = laptop.state.heads()[laptop.identity.id].head.n if what == "forked" else told[0]
        fresh = Home("fresh", server)
        members = laptop.state.members(laptop.engine().keys.vault)
        more = members.add(
            fresh.identity.device, by=laptop.identity.id, sign=laptop.identity.sign, at=1
        )
        write_members(laptop, laptop.engine().keys, more)
        keys = laptop.engine().keys
        rings.begin(fresh.store, VaultKeys(keys.vault, keys.root, keys.contents))
        fresh.state.pin(more.tip, {laptop.identity.id: (n, told[1])})
        with pytest.raises(SyncAlarm) as alarm:
            fresh.sync()
        assert alarm.value.what == what
        laptop.sync()
    assert head.sealed is not None
    server.rows.pop(head.name)
    fresh.state.pin(more.tip, {laptop.identity.id: (n, head.sealed.hash)})
    with pytest.raises(SyncAlarm) as alarm:
        fresh.sync()
    assert alarm.value.what == "withheld"
