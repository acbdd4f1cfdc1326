"""Accounts, keys and invitations, on both databases."""

from __future__ import annotations

import re

import pytest

from arcrun_auth.server import accounts, audit, keys, rows
from arcrun_auth.server.config import Limits
from arcrun_auth.server.shapes import NewKey, Register
from tests.unit.server.conftest import account
from tests.unit.server.test_rows import put, refused


def create(database, who, kind="device", most=9, **more):
    new = NewKey(kind=kind, label="one", **more)
    return database.write(lambda tx: keys.create(tx, who, new, most))


def caller(database, key):
    return database.read(lambda tx: keys.authenticate(tx, key))


def everything(database) -> str:
    """All that the database holds of keys and accounts, as text."""
    texts = []
    for table in ("api_keys", "accounts", "invites"):
        found = database.database.read(lambda tx, table=table: tx.all(f"SELECT * FROM {table}"))
        texts += [str(row) for row in found]
    return "\n".join(texts)


def test_an_account_is_made_with_a_key_that_the_database_does_not_hold(database) -> None:
    made = database.write(lambda tx: accounts.register(tx, Register(email="a@b.c"), "open"))
    assert re.fullmatch(r"ak_[0-9a-f]{48}", made.api_key)
    who = caller(database, made.api_key)
    assert (who.account, who.kind, who.role) == (made.account, "account", "user")
    me = database.read(lambda tx: accounts.me(tx, who))
    assert (me.email, me.api_key, me.created_at) == (
        "a@b.c", f"ak_…{made.api_key[-4:]}", "2027-01-15T08:00:00Z",
    )  # fmt: skip
    assert made.api_key not in everything(database)
    with refused(401):
        caller(database, made.api_key[:-1] + ("0" if made.api_key[-1] != "0" else "1"))


def test_two_accounts_may_name_one_address_since_nobody_checked_it(database) -> None:
    first, second = (account(database, email="a@b.c") for _ in range(2))
    assert first.account != second.account


@pytest.mark.parametrize("registration", ["invite", "closed"])
def test_an_invitation_lets_one_person_in_once(database, clock, registration) -> None:
    with refused(403):
        database.write(lambda tx: accounts.register(tx, Register(), registration))
    code = database.write(lambda tx: accounts.invite(tx, "recipes"))
    assert code not in everything(database)
    asked = Register(invite=code)
    made = database.write(lambda tx: accounts.register(tx, asked, registration))
    assert caller(database, made.api_key).role == "recipes"
    with refused(403):
        database.write(lambda tx: accounts.register(tx, asked, registration))
    late = database.write(accounts.invite)
    clock.now += accounts.INVITE_SECONDS
    with refused(403):
        database.write(lambda tx: accounts.register(tx, Register(invite=late), registration))


def test_the_first_invitation_is_the_admins_and_there_is_none_later(database) -> None:
    code = database.write(accounts.first_invite)
    made = database.write(lambda tx: accounts.register(tx, Register(invite=code), "closed"))
    assert caller(database, made.api_key).role == "admin"
    assert database.write(accounts.first_invite) is None


def test_an_admins_link_that_was_printed_twice_makes_one_admin(database) -> None:
    links = [database.write(accounts.first_invite) for _ in range(2)]
    database.write(lambda tx: accounts.register(tx, Register(invite=links[1]), "closed"))
    with refused(403):
        database.write(lambda tx: accounts.register(tx, Register(invite=links[0]), "closed"))


def test_a_key_that_is_rotated_keeps_its_rows_and_its_id(database, anna) -> None:
    put(database, anna, "s_1")
    text = database.write(lambda tx: keys.rotate(tx, anna))
    who = caller(database, text)
    assert (who.key, who.account, who.kind) == (anna.key, anna.account, anna.kind)
    assert database.read(lambda tx: rows.one(tx, who, "s_1")).version == 1
    assert len(database.read(lambda tx: keys.listed(tx, who))) == 1


def test_a_key_ends_at_its_time(database, anna, clock) -> None:
    made = create(database, anna, expires_in=60)
    assert made.expires_at == "2027-01-15T08:01:00Z"
    clock.now += 59
    assert caller(database, made.api_key).key == made.id
    clock.now += 1
    with refused(401):
        caller(database, made.api_key)


def test_the_use_of_a_key_is_noted_once_an_hour(database, anna, clock) -> None:
    made = create(database, anna)
    who = caller(database, made.api_key)
    assert who.stale
    database.write(lambda tx: keys.used(tx, who))
    assert not caller(database, made.api_key).stale
    clock.now += keys.USED_EVERY + 1
    assert caller(database, made.api_key).stale
    listed = database.read(lambda tx: keys.listed(tx, anna))
    used = {key.id: key.last_used_at for key in listed}
    assert used == {anna.key: None, made.id: "2027-01-15T08:00:00Z"}


def test_a_key_for_ci_names_its_rows_and_no_other_does(database, anna) -> None:
    for kind, given in (("ci", None), ("device", ["s_1"])):
        with refused(400):
            create(database, anna, kind, rows=given)
    made = create(database, anna, "ci", rows=["s_1", "token"])
    ci = caller(database, made.api_key)
    for name in ("s_1", "s_2", "token", "other"):
        put(database, anna, name)
    for name in ("s_1", "token"):
        assert database.read(lambda tx, name=name: rows.one(tx, ci, name)).name == name
    for name in ("s_2", "other", "absent"):
        with refused(403):
            database.read(lambda tx, name=name: rows.one(tx, ci, name))
    page = database.read(lambda tx: rows.since(tx, ci, 0, 9, Limits()))
    assert [row.name for row in page.credentials] == ["s_1"]
    nothing = caller(database, create(database, anna, "ci", rows=[]).api_key)
    assert database.read(lambda tx: rows.since(tx, nothing, 0, 9, Limits())).credentials == []


def test_a_device_may_not_do_what_takes_the_account_from_its_owner(database, anna) -> None:
    device = caller(database, create(database, anna).api_key)
    with refused(403):
        create(database, device, "account")
    with refused(403):
        database.write(lambda tx: keys.remove(tx, device, anna.key))
    other = create(database, device)
    database.write(lambda tx: keys.remove(tx, device, other.id))
    database.write(lambda tx: keys.remove(tx, device, device.key))
    with refused(404):
        database.write(lambda tx: keys.remove(tx, anna, device.key))


def test_a_device_may_end_the_account_as_it_may_delete_every_row_of_it(database, anna) -> None:
    device = caller(database, create(database, anna).api_key)
    database.write(lambda tx: accounts.delete(tx, device))
    with refused(401):
        database.read(lambda tx: keys.authenticate(tx, "ak_" + "0" * 48))
    assert database.read(lambda tx: tx.all("SELECT id FROM api_keys WHERE account = ?",
                                           anna.account)) == []  # fmt: skip


def test_an_account_has_only_so_many_keys(database, anna) -> None:
    create(database, anna, most=2)
    with refused(413):
        create(database, anna, most=2)


def test_an_account_ends_with_all_that_it_has(database, anna, bob) -> None:
    from arcrun_auth.server import leases, mailbox
    from arcrun_auth.server.shapes import NewLease

    for who in (anna, bob):
        put(database, who, "s_1")
        create(database, who)
        lease = NewLease(name="x", ttl_s=9, holder="me")
        database.write(lambda tx, who=who, lease=lease: leases.take(tx, who, lease))
        database.write(lambda tx, who=who: mailbox.begin(tx, who, b'"hi"', 9))
    database.write(lambda tx: accounts.delete(tx, anna))
    for table in ("api_keys", "credentials", "leases", "enrolments", "enrolment_messages", "audit"):
        found = database.database.read(
            lambda tx, table=table: tx.all(f"SELECT DISTINCT account FROM {table}")
        )
        assert found == [(bob.account,)], table


def test_what_happens_to_an_account_is_chained(database, anna, bob) -> None:
    made = create(database, anna)
    database.write(lambda tx: keys.remove(tx, anna, made.id))
    trail = database.read(lambda tx: audit.entries(tx, anna.account, 0))
    assert [(entry.n, entry.action, entry.name) for entry in trail.entries] == [
        (1, "account.create", ""), (2, "key.create", made.id), (3, "key.delete", made.id),
    ]  # fmt: skip
    head = audit.START
    for entry in trail.entries:
        head = audit.chained(head, entry)
        assert head == entry.hash
    assert trail.head == head
    later = database.read(lambda tx: audit.entries(tx, anna.account, 2))
    assert [entry.n for entry in later.entries] == [3]
    assert len(database.read(lambda tx: audit.entries(tx, bob.account, 0)).entries) == 1


def test_a_note_about_an_account_that_has_ended_is_none(database, anna) -> None:
    database.write(lambda tx: accounts.delete(tx, anna))
    database.write(lambda tx: audit.note(tx, anna.account, actor="x", action="key.rotate"))
    trail = database.read(lambda tx: audit.entries(tx, anna.account, 0))
    assert (trail.entries, trail.head) == ([], audit.START)


def test_with_a_devices_key_end_those_that_it_made_for_devices(database, anna, bob) -> None:
    """Whoever has stolen a device's key would stay by another one that it made."""
    stolen = caller(database, create(database, anna).api_key)
    second = caller(database, create(database, stolen).api_key)
    third = create(database, second)
    job = create(database, stolen, "ci", rows=["s_1"])
    other = create(database, anna)
    theirs = create(database, bob)
    database.write(lambda tx: keys.remove(tx, anna, stolen.key))
    for ended in (second.key, third.id):
        with refused(404):
            database.write(lambda tx, ended=ended: keys.remove(tx, anna, ended))
    left = {each.id for each in database.read(lambda tx: keys.listed(tx, anna))}
    assert left == {anna.key, other.id, job.id}
    assert theirs.id in {each.id for each in database.read(lambda tx: keys.listed(tx, bob))}


def test_nor_does_it_stay_by_ending_itself(database, anna) -> None:
    stolen = caller(database, create(database, anna).api_key)
    create(database, stolen)
    database.write(lambda tx: keys.remove(tx, stolen, stolen.key))
    assert [each.id for each in database.read(lambda tx: keys.listed(tx, anna))] == [anna.key]


def test_the_keys_that_an_accounts_own_key_made_outlive_it(database, anna) -> None:
    second = caller(database, create(database, anna, "account").api_key)
    device = create(database, second)
    database.write(lambda tx: keys.remove(tx, second, second.key))
    assert device.id in {each.id for each in database.read(lambda tx: keys.listed(tx, anna))}
