"""Leases and the mailbox of enrolments, on both databases."""

from __future__ import annotations

import threading

from arcrun_auth.server import leases, mailbox
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import NewLease, ReleaseLease, RenewLease
from tests.unit.server.test_rows import refused


def take(database, who, name="grant", *, holder="laptop", after=0):
    asked = NewLease(name=name, ttl_s=60.0, holder=holder, after=after)
    return database.write(lambda tx: leases.take(tx, who, asked))


def renew(database, who, lease, ttl=60.0, *, begins=False):
    asked = RenewLease(lease=lease, ttl_s=ttl, begins=begins)
    return database.write(lambda tx: leases.renew(tx, who, "grant", asked))


def release(database, who, lease, *, unknown=False):
    asked = ReleaseLease(lease=lease, unknown=unknown)
    database.write(lambda tx: leases.release(tx, who, "grant", asked))


def before(lease):
    """What a lease tells of whoever was interrupted."""
    told = lease.interrupted_fence, lease.interrupted_by, lease.interrupted_s
    assert lease.interrupted == (told[0] is not None)
    return told


NOBODY = (None, None, None)


def test_one_has_a_lease_and_the_next_gets_a_higher_fence(database, anna, bob, clock) -> None:
    first = take(database, anna)
    assert (first.fence, before(first)) == (1, NOBODY)
    clock.now += 20
    with refused(409) as caught:
        take(database, anna, holder="desktop")
    assert caught.value.more == {"retry_after": 40}
    assert caught.value.headers == {"retry-after": "40"}
    assert take(database, bob).fence == 1, "another account's lease of that name is another"
    assert take(database, anna, "other").fence == 1
    release(database, anna, first.lease)
    second = take(database, anna, holder="desktop")
    assert (second.fence, before(second)) == (2, NOBODY)
    assert second.lease != first.lease


def test_a_fence_is_above_what_a_holder_has_seen_elsewhere(database, anna) -> None:
    """As of a server that was put back to an older state, or another one."""
    assert take(database, anna, after=41).fence == 42
    assert take(database, anna, after=7).fence == 43


def test_who_began_and_never_released_is_told_to_all_until_one_of_them_begins(
    database, anna, clock
) -> None:
    first = take(database, anna)
    renew(database, anna, first.lease, begins=True)
    clock.now += 70
    for fence, ago in ((2, 10.0), (3, 40.0)):  # two that look, and begin nothing
        looking = take(database, anna, holder="desktop")
        assert (looking.fence, before(looking)) == (fence, (1, "laptop", ago))
        release(database, anna, looking.lease)
        clock.now += 30
    last = take(database, anna, holder="phone")
    begun = renew(database, anna, last.lease, begins=True)
    assert before(begun) == (1, None, None), "it was interrupted, and is waited for no more"
    release(database, anna, last.lease)
    assert before(take(database, anna)) == NOBODY


def test_who_never_released_and_had_not_begun_is_not_told_of(database, anna, clock) -> None:
    take(database, anna)
    clock.now += 60
    assert before(take(database, anna, holder="desktop")) == NOBODY


def test_who_looks_and_dies_hides_nobody_who_began(database, anna, clock) -> None:
    first = take(database, anna)
    renew(database, anna, first.lease, begins=True)
    clock.now += 60
    take(database, anna, holder="desktop")
    clock.now += 60
    assert before(take(database, anna, holder="phone")) == (1, "laptop", 60.0)


def test_the_same_holder_gets_it_again_at_once(database, anna, clock) -> None:
    first = take(database, anna)
    renew(database, anna, first.lease, begins=True)
    clock.now += 20
    again = take(database, anna)
    assert (again.fence, before(again)) == (2, (1, "laptop", 0.0))
    with refused(409):
        release(database, anna, first.lease)
    with refused(409):
        take(database, anna, holder="desktop")


def test_what_nobody_knows_is_told_and_nobody_is_waited_for(database, anna) -> None:
    first = take(database, anna)
    renew(database, anna, first.lease, begins=True)
    release(database, anna, first.lease, unknown=True)
    second = take(database, anna, holder="desktop")
    assert before(second) == (1, None, None)
    release(database, anna, second.lease)
    assert before(take(database, anna)) == (1, None, None), "who only looked has changed nothing"


def test_a_lease_is_kept_by_renewing_it(database, anna, bob, clock) -> None:
    first = take(database, anna)
    clock.now += 50
    assert renew(database, anna, first.lease).fence == 1
    clock.now += 50
    with refused(409):
        take(database, anna, holder="desktop")
    with refused(409):
        renew(database, bob, first.lease)
    clock.now += 10
    with refused(409):
        renew(database, anna, first.lease)
    release(database, anna, first.lease)
    with refused(409):
        release(database, anna, first.lease)
    assert before(take(database, anna, holder="desktop")) == NOBODY


def test_of_many_who_want_it_at_once_one_gets_it(database, anna) -> None:
    got: list[int] = []

    def want(holder: str) -> None:
        try:
            got.append(take(database, anna, holder=holder).fence)
        except Problem as problem:
            if problem.status != 409:
                raise

    threads = [threading.Thread(target=want, args=(f"home{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1]


def begin(database, who, body=b'{"a": 1}', most=9) -> str:
    return database.write(lambda tx: mailbox.begin(tx, who, body, most)).id


def send(database, who, id_, sender="old", body=b'"hi"') -> int:
    return database.write(lambda tx: mailbox.send(tx, who, id_, sender, body))


def test_two_devices_hear_each_other_in_order_and_nobody_else_does(database, anna, bob) -> None:
    id_ = begin(database, anna)
    assert [send(database, anna, id_), send(database, anna, id_, "new", b"[2]")] == [2, 3]
    found = database.read(lambda tx: mailbox.read(tx, anna, id_))
    assert [(m.n, m.sender, bytes(m.body)) for m in found.messages] == [
        (1, "new", b'{"a": 1}'), (2, "old", b'"hi"'), (3, "new", b"[2]"),
    ]  # fmt: skip
    (listed,) = database.read(lambda tx: mailbox.listed(tx, anna))
    assert (listed.id, listed.messages) == (id_, 3)
    assert database.read(lambda tx: mailbox.listed(tx, bob)) == []
    for foreign in (
        lambda: database.read(lambda tx: mailbox.read(tx, bob, id_)),
        lambda: send(database, bob, id_),
        lambda: database.write(lambda tx: mailbox.end(tx, bob, id_)),
    ):
        with refused(404):
            foreign()
    database.write(lambda tx: mailbox.end(tx, anna, id_))
    with refused(404):
        database.read(lambda tx: mailbox.read(tx, anna, id_))


def test_an_enrolment_has_few_and_small_messages(database, anna) -> None:
    id_ = begin(database, anna)
    for number in range(mailbox.MESSAGES - 1):
        assert send(database, anna, id_) == number + 2
    with refused(409):
        send(database, anna, id_)
    large = b'"' + b"x" * mailbox.BODY + b'"'
    for sending in (
        lambda: begin(database, anna, large),
        lambda: send(database, anna, id_, "old", large),
    ):
        with refused(413):
            sending()


def test_an_enrolment_is_gone_after_ten_minutes(database, anna, clock) -> None:
    first = begin(database, anna, most=1)
    with refused(429):
        begin(database, anna, most=1)
    clock.now += mailbox.SECONDS
    assert database.read(lambda tx: mailbox.listed(tx, anna)) == []
    for late in (lambda: send(database, anna, first),
                 lambda: database.read(lambda tx: mailbox.read(tx, anna, first))):  # fmt: skip
        with refused(404):
            late()
    begin(database, anna, most=1)
    left = database.database.read(lambda tx: tx.all("SELECT n FROM enrolment_messages"))
    assert len(left) == 1, "what has ended is deleted with the next one"


def test_an_account_has_only_so_many_names_of_leases(database, anna, bob, monkeypatch) -> None:
    """They are kept for good: `fence` grows with each holder, also a year later."""
    monkeypatch.setattr(leases, "MOST", 2)
    first = take(database, anna)
    take(database, anna, "other")
    with refused(413):
        take(database, anna, "third")
    release(database, anna, first.lease)
    assert take(database, anna).fence == 2
    assert take(database, bob, "third").fence == 1
