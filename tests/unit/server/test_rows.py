"""Rows: versions, batches, pages and preconditions, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from msgspec import UNSET

from arcrun_auth.server import rows
from arcrun_auth.server.config import Limits
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import Change, NewRow
from tests.platform_desk import IV, cipher

LIMITS = Limits()


def put(database, who, name, text="x", *, expect=None, limits=LIMITS) -> int:
    row = NewRow(name=name, encrypted=cipher(text), iv=IV)
    done, _ = database.write(lambda tx: rows.put(tx, who, row, limits, expect=expect))
    return done.version


def change(name, text="x", expect=UNSET) -> Change:
    return Change(name=name, encrypted=cipher(text), iv=IV, expect=expect)


def gone(name, expect=UNSET) -> Change:
    return Change(name=name, deleted=True, expect=expect)


def batch(database, who, *changes, limits=LIMITS):
    return database.write(lambda tx: rows.batch(tx, who, changes, limits))


def since(database, who, cursor=0, limit=500, limits=LIMITS):
    return database.read(lambda tx: rows.since(tx, who, cursor, limit, limits))


def refused(status: int):
    return pytest.raises(Problem, check=lambda problem: problem.status == status)


def test_each_change_gets_the_next_number_of_its_account(database, anna, bob) -> None:
    assert [put(database, anna, name) for name in ("s_1", "plain", "s_1")] == [1, 2, 3]
    assert put(database, bob, "s_1") == 1
    assert batch(database, anna, change("s_2"), change("s_1")).versions == {"s_2": 4, "s_1": 5}
    assert since(database, anna).cursor == 5


def test_a_row_comes_back_as_it_was_sent(database, anna) -> None:
    put(database, anna, "Token_1", "one")
    found = database.read(lambda tx: rows.one(tx, anna, "Token_1"))
    assert (found.name, found.encrypted, found.iv, found.version) == (
        "Token_1", cipher("one"), IV, 1,
    )  # fmt: skip
    with refused(404):
        database.read(lambda tx: rows.one(tx, anna, "token_1"))


def test_a_write_over_another_version_than_expected_changes_nothing(database, anna) -> None:
    assert put(database, anna, "s_1", "one", expect=0) == 1
    for expect in (0, 2, 7):
        with refused(412) as caught:
            put(database, anna, "s_1", "two", expect=expect)
        assert caught.value.more == {"conflicts": [{"name": "s_1", "version": 1}]}
    assert put(database, anna, "s_1", "two", expect=1) == 2, "no number is lost by a refusal"


def test_a_batch_is_written_whole_or_not_at_all(database, anna) -> None:
    batch(database, anna, change("s_1"), change("s_2"))
    with refused(409) as caught:
        batch(database, anna, change("s_1", "new", 1), change("s_2", "new", 1), gone("s_3", 4),
              change("s_4", "new"))  # fmt: skip
    assert caught.value.more["conflicts"] == [
        {"name": "s_2", "version": 2}, {"name": "s_3", "version": 0},
    ]  # fmt: skip
    page = since(database, anna)
    assert [(row.name, row.encrypted) for row in page.credentials] == [
        ("s_1", cipher()), ("s_2", cipher()),
    ]  # fmt: skip
    assert page.cursor == 2


def test_a_deleted_row_of_sync_is_told_and_counts_as_absent(database, anna) -> None:
    batch(database, anna, change("s_1"), change("s_2"))
    done = batch(database, anna, gone("s_1", 1), gone("s_9"))
    assert done.versions == {"s_1": 3, "s_9": 0}
    rows_ = since(database, anna, 2).credentials
    assert [(row.name, row.version, row.deleted) for row in rows_] == [("s_1", 3, True)]
    assert rows_[0].encrypted is UNSET
    with refused(404):
        database.read(lambda tx: rows.one(tx, anna, "s_1"))
    assert put(database, anna, "s_1", expect=0) == 5, "a deleted row is none"
    assert [row.deleted for row in since(database, anna, 4).credentials] == [False]


def test_pages_follow_each_other_and_end_with_the_accounts_number(database, anna) -> None:
    batch(database, anna, *(change(f"s_{n}") for n in range(7)))
    put(database, anna, "plain")
    names, cursor, pages = [], 0, 0
    while True:
        page = since(database, anna, cursor, limit=3)
        names += [row.name for row in page.credentials]
        pages += 1
        if not page.more:
            break
        cursor = page.credentials[-1].version
    assert names == [f"s_{n}" for n in range(7)]
    assert (pages, page.cursor) == (3, 8)
    assert since(database, anna, 8).credentials == []


def test_a_page_ends_where_it_gets_too_large(database, anna) -> None:
    small = replace(LIMITS, page=len(cipher()))
    batch(database, anna, *(change(f"s_{n}") for n in range(5)))
    sizes, cursor = [], 0
    for _ in range(3):
        page = since(database, anna, cursor, limits=small)
        sizes.append(len(page.credentials))
        cursor = page.credentials[-1].version
    assert (sizes, page.more) == ([2, 2, 1], False)


def test_rows_with_names_in_clear_are_listed_apart_from_those_of_sync(database, anna) -> None:
    for name in ("s_1", "beta", "Alpha", "gamma"):
        put(database, anna, name)
    first = database.read(lambda tx: rows.listed(tx, anna, "", 2))
    assert [row.name for row in first.credentials] == ["Alpha", "beta"]
    assert (first.total, first.next) == (3, "beta")
    rest = database.read(lambda tx: rows.listed(tx, anna, first.next, 2))
    assert ([row.name for row in rest.credentials], rest.next) == (["gamma"], None)
    assert [row.name for row in since(database, anna).credentials] == ["s_1"]


def test_names_that_differ_in_case_alone_are_refused(database, anna) -> None:
    put(database, anna, "Token")
    with refused(409):
        put(database, anna, "TOKEN")
    with refused(400):
        put(database, anna, "s_ABC")
    with refused(400):
        batch(database, anna, change("token"), change("Token"))


def test_a_plain_row_that_is_deleted_is_gone(database, anna) -> None:
    put(database, anna, "token")
    with refused(412):
        database.write(lambda tx: rows.delete(tx, anna, "token", LIMITS, expect=7))
    database.write(lambda tx: rows.delete(tx, anna, "token", LIMITS, expect=1))
    with refused(404):
        database.write(lambda tx: rows.delete(tx, anna, "token", LIMITS, expect=None))
    assert database.read(lambda tx: rows.listed(tx, anna, "", 9)).total == 0
    assert put(database, anna, "TOKEN", expect=0) == 3, "its name is free, in another case too"


def test_a_value_in_clear_is_refused_and_not_repeated(database, anna) -> None:
    secret = "tests.canary.PLAIN"
    row = NewRow(name="token", value=secret)
    with refused(400) as caught:
        database.write(lambda tx: rows.put(tx, anna, row, LIMITS, expect=None))
    assert "ciphertext" in caught.value.detail
    assert secret not in str(caught.value.document())
    with refused(400):
        batch(database, anna, Change(name="s_1", encrypted=cipher(), iv=IV, value=secret))


@pytest.mark.parametrize(
    "wrong",
    [
        Change(name="s_1"),
        Change(name="s_1", encrypted=cipher()),
        Change(name="s_1", iv=IV),
        Change(name="s_1", encrypted=cipher(), iv=IV, deleted=True),
        Change(name="s_1", encrypted=cipher(), deleted=True),
    ],
)
def test_a_change_is_a_row_or_its_end(database, anna, wrong) -> None:
    with refused(400):
        batch(database, anna, wrong)


def test_the_limits_hold(database, anna) -> None:
    limits = replace(LIMITS, rows=3, row=100, batch=4)
    for changes in ((), tuple(change(f"s_{n}") for n in range(5))):
        with refused(400):
            batch(database, anna, *changes, limits=limits)
    with refused(413):
        batch(database, anna, change("s_1", "x" * 100), limits=limits)
    batch(database, anna, *(change(f"s_{n}") for n in range(3)), limits=limits)
    with refused(413):
        put(database, anna, "s_9", limits=limits)
    put(database, anna, "s_1", limits=limits)
    batch(database, anna, gone("s_0"), gone("s_1"), limits=limits)
    with refused(413):
        put(database, anna, "plain", limits=limits)
    put(database, anna, "s_1", limits=limits)


def test_room_of_a_plain_row_is_free_again(database, anna) -> None:
    limits = replace(LIMITS, rows=1)
    for name in ("one", "two"):
        put(database, anna, name, limits=limits)
        with refused(413):
            put(database, anna, "more", limits=limits)
        database.write(lambda tx, name=name: rows.delete(tx, anna, name, limits, expect=None))


def test_of_many_who_write_at_once_one_wins_and_no_version_is_given_twice(database, anna) -> None:
    outcomes: list[int | None] = []

    def write(number: int) -> None:
        put(database, anna, f"s_{number}")
        try:
            outcomes.append(put(database, anna, "s_f", expect=0))
        except Problem as problem:
            outcomes.append(None if problem.status == 412 else problem.status)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [version is None for version in outcomes].count(False) == 1
    page = since(database, anna)
    versions = [row.version for row in page.credentials]
    assert versions == sorted(set(versions))
    assert (len(versions), page.cursor) == (9, 9)


def test_a_reader_never_misses_what_a_slower_writer_commits(database, anna) -> None:
    """Versions are given in the order of the commits: behind a cursor nothing comes late."""
    stop, seen, cursor = threading.Event(), {}, 0

    def write(letter: str) -> None:
        for number in range(15):
            batch(database, anna, *(change(f"s_{letter}{number:x}{n}") for n in range(3)))

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()

    def look() -> None:
        nonlocal cursor
        page = since(database, anna, cursor)
        assert len(page.credentials) % 3 == 0, "a batch shows whole"
        for row in page.credentials:
            assert row.version > cursor
            assert row.name not in seen
            seen[row.name] = row.version
        cursor = page.cursor

    while any(thread.is_alive() for thread in threads) and not stop.is_set():
        look()
    look()
    assert len(seen) == 4 * 15 * 3
