"""Which of two grants of a shared login is the newer one, whoever asks, in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.protocol import portable
from arcrun_auth.protocol.portable import (
    merged,
    relogged,
    share,
    take_back,
    taken_back,
    turn_of,
    with_login,
)
from arcrun_auth.tokens import Credential, Grant, Intent, Key, Secret
from tests import canary

KEY = Key("credential", "demo")


def login(turn: int | None = None, since: float = 1.0, name: str = "x", **fields) -> Credential:
    grant = Grant(
        access_token=Secret(f"{canary.WORD}-at-{name}-{turn}"),
        refresh_token=Secret(f"{canary.WORD}-rt-{name}-{turn}"),
        issued=since, since=since, turn=turn,
    )  # fmt: skip
    return Credential(KEY, grant=grant, **fields)


def body_of(record: Credential) -> portable.Body:
    return portable.portable(record, "stays")


def told(record: Credential) -> tuple[object, ...]:
    """What of a record is to be the same on all devices."""
    grant = record.grant.dump() if record.shared and record.grant is not None else None
    return record.shared, grant, taken_back(record)


def joined(local: Credential, other: Credential) -> Credential:
    own = portable.own_login(local, "stays")
    return merged(local, KEY, body_of(other), own=own)


records = st.builds(
    lambda shared, turn, since, issued, name, until: login(
        turn if shared else None, since, name, shared=shared,
        extra={"taken_back": until} if until else {},
    ),
    st.booleans(), st.integers(1, 4), st.sampled_from([1.0, 2.0]), st.just(1.0),
    st.sampled_from("ab"), st.integers(0, 3),
)  # fmt: skip


@given(st.permutations([0, 1, 2]), st.lists(records, min_size=3, max_size=3))
def test_devices_that_hear_of_each_other_agree_in_whatever_order(order, found) -> None:
    first, second = list(found), [found[number] for number in order]
    for devices in (first, second):
        for _ in range(3):
            for here in range(3):
                for there in range(3):
                    devices[here] = joined(devices[here], devices[there])
    sharing = {str(told(record)) for record in (*first, *second) if record.shared}
    assert len(sharing) <= 1
    assert len({taken_back(record) for record in (*first, *second)}) == 1


@given(records, records)
def test_nothing_replaces_a_newer_login_that_is_shared(one, other) -> None:
    until = max(taken_back(one), taken_back(other))
    after = with_login(one, other)
    ages = [portable._age(r) for r in (one, other) if r.shared and turn_of(r) > until]
    assert after.shared == bool(ages)
    if ages:
        assert portable._age(after) == max(ages)


@given(records)
def test_a_join_with_what_is_the_same_changes_nothing(record) -> None:
    noted = Intent(refresh_hash="0" * 32, time=1.0, pid=1, boot_id="")
    assert record.grant is not None
    record = record.replace(grant=record.grant.replace(intent=noted, dead="revoked"), generation=7)
    valid = record.shared and turn_of(record) > taken_back(record)
    if valid or not record.shared:
        assert joined(record, record).dump() == record.dump(), "its intent and all"


def test_what_only_this_device_knows_of_a_token_outlives_what_others_say_of_it() -> None:
    here = share(login())
    assert here.grant is not None
    noted = Intent(refresh_hash="0" * 32, time=1.0, pid=1, boot_id="")
    there = here.replace(grant=here.grant.replace(issued=9.0))
    here = here.replace(grant=here.grant.replace(intent=noted))
    after = joined(here, there).grant
    assert after is not None
    assert (after.intent, after.issued) == (noted, 9.0)
    newer = here.replace(grant=login(turn=2).grant)
    assert joined(here, newer).grant.intent is None


def test_sharing_travels_and_so_does_its_end() -> None:
    laptop = share(login(name="l"))
    assert (laptop.shared, turn_of(laptop)) == (True, 1)
    desktop = merged(None, KEY, body_of(laptop))
    assert desktop.grant is not None
    assert laptop.grant is not None
    assert desktop.grant.refresh_token == laptop.grant.refresh_token
    laptop = take_back(laptop)
    desktop = joined(desktop, laptop)
    assert (desktop.shared, desktop.grant) == (False, None)
    assert laptop.grant.refresh_token == login(name="l").grant.refresh_token
    laptop = joined(laptop, desktop)
    assert laptop.grant is not None, "whoever took it back has it"
    again = share(laptop)
    assert turn_of(again) > taken_back(again)
    assert joined(desktop, again).shared


def test_what_an_offline_device_has_of_a_sharing_that_ended_comes_not_back() -> None:
    old = share(login())
    laptop = take_back(old)
    assert joined(laptop, old).dump() == laptop.dump()
    assert not joined(old, laptop).shared
    assert joined(old, take_back(old)).grant is None


def test_who_renewed_after_the_sharing_ended_has_the_only_one_that_works() -> None:
    old = share(login())
    laptop = take_back(old)
    late = login(turn=2, shared=True)
    assert joined(laptop, late).shared
    assert joined(late, laptop).grant == late.grant


def test_a_new_login_is_later_than_that_which_it_replaces_whatever_the_clock_says() -> None:
    held = login(turn=9, since=5000.0, shared=True, extra={"taken_back": 4})
    fresh = relogged(held, login(since=10.0, name="new"))
    assert fresh.shared
    assert turn_of(fresh) == portable.LOGIN
    assert turn_of(relogged(fresh, login())) == 2 * portable.LOGIN
    assert joined(held, fresh).grant.access_token == fresh.grant.access_token
    assert joined(fresh, held).grant.access_token == fresh.grant.access_token
    own = take_back(held)
    again = relogged(own, login(since=10.0))
    assert not again.shared
    assert taken_back(again) == 9
    key = Credential(KEY, secrets={})
    assert relogged(held, key) is key
    assert relogged(None, fresh) is fresh
    lost = held.replace(grant=None)
    assert not relogged(lost, login()).shared


@pytest.mark.parametrize("theirs", [{"identity": "bob"}, {"method": "other"}])
def test_another_persons_login_is_neither_taken_nor_lost(theirs) -> None:
    ada = share(login(name="a", identity="ada"))
    bob = login(name="b", **{"identity": "ada"} | theirs)
    assert joined(bob, ada) is bob
    assert joined(ada, bob) is ada
    unknown = login(name="c")
    assert joined(unknown, ada).identity == "ada"
