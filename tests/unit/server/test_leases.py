"""Leases and the mailbox of enrolments, on both databases."""

from __future__ import annotations

import threading

from arcrun_auth.server import leases, mailbox
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import NewLease
from tests.unit.server.test_rows import refused


def take(database, who, name="grant", ttl=60.0):
    asked = NewLease(name=name, ttl_s=ttl, holder="laptop")
    return database.write(lambda tx: leases.take(tx, who, asked))


def renew(database, who, lease, ttl=60.0):
    return database.write(lambda tx: leases.renew(tx, who, "grant", lease, ttl))


def release(database, who, lease):
    database.write(lambda tx: leases.release(tx, who, "grant", lease))


def test_one_has_a_lease_and_the_next_gets_a_higher_fence(database, anna, bob, clock) -> None:
    first = take(database, anna)
    assert (first.fence, first.interrupted) == (1, False)
    clock.now += 20
    with refused(409) as caught:
        take(database, anna)
    assert caught.value.more == {"retry_after": 40}
    assert caught.value.headers == {"retry-after": "40"}
    assert take(database, bob).fence == 1, "another account's lease of that name is another"
    assert take(database, anna, "other").fence == 1
    release(database, anna, first.lease)
    second = take(database, anna)
    assert (second.fence, second.interrupted) == (2, False)
    assert second.lease != first.lease


def test_a_lease_that_was_never_released_is_told_to_the_next(database, anna, clock) -> None:
    first = take(database, anna)
    clock.now += 60
    second = take(database, anna)
    assert (second.fence, second.interrupted) == (2, True)
    for lost in (lambda: renew(database, anna, first.lease),
                 lambda: release(database, anna, first.lease)):  # fmt: skip
        with refused(409):
            lost()
    release(database, anna, second.lease)
    assert not take(database, anna).interrupted


def test_a_lease_is_kept_by_renewing_it(database, anna, bob, clock) -> None:
    first = take(database, anna)
    clock.now += 50
    assert renew(database, anna, first.lease).fence == 1
    clock.now += 50
    with refused(409):
        take(database, anna)
    with refused(409):
        renew(database, bob, first.lease)
    clock.now += 10
    with refused(409):
        renew(database, anna, first.lease)
    release(database, anna, first.lease)
    with refused(409):
        release(database, anna, first.lease)
    assert not take(database, anna).interrupted


def test_of_many_who_want_it_at_once_one_gets_it(database, anna) -> None:
    got: list[int] = []

    def want() -> None:
        try:
            got.append(take(database, anna).fence)
        except Problem as problem:
            if problem.status != 409:
                raise

    threads = [threading.Thread(target=want) for _ in range(8)]
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
