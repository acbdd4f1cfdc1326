"""The trail of each device, told to the others and checked by them."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.protocol import trail as rows
from arcrun_auth.protocol.trail import SEGMENT
from arcrun_auth.sync import outbox, telling
from tests.sync_kit import Server, names
from tests.trail_kit import TAMPERINGS, Keeper, keepers, put, rewritten, row, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HASH = "cd" * 32


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server()
        self.made: list[Keeper] = []

    def __call__(self, *names: str) -> list[Keeper]:
        self.made = keepers(self.folder, self.server, *names)
        return self.made


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for keeper in made.made:
        keeper.close()


def test_what_was_done_on_one_device_is_seen_on_the_other(world) -> None:
    laptop, desktop = world()
    desktop.act(3, "slack")
    laptop.sync()
    found = laptop.look()
    assert not found.findings
    mine = [(e.n, e.name, e.device) for e in found.entries]
    assert mine == [
        (1, "notion", desktop.identity.id),
        *[(n, "slack", desktop.identity.id) for n in (2, 3, 4)],
    ]
    assert desktop.numbers(laptop) == [1]


def test_it_is_seen_even_before_the_next_sync(world) -> None:
    laptop, desktop = world()
    desktop.act(5)
    assert laptop.own(desktop).audit[0] == 1
    assert laptop.numbers(desktop) == [1, 2, 3, 4, 5, 6]
    assert not laptop.findings()


def test_lines_from_before_the_device_came_in_stay_on_it(tmp_path) -> None:
    server = Server()
    laptop = Keeper(tmp_path, "laptop", server)
    for _ in range(5):
        laptop.house.recorder.note("use", "old")
    laptop.now = laptop.house.clock.now + 1
    laptop.act(2)
    assert laptop.own(laptop).audit[0] == 7
    assert laptop.own(laptop).trail.first == 6
    laptop.close()


def test_nothing_new_in_the_trail_sends_nothing(world) -> None:
    laptop, desktop = world()
    before = len(world.server.batches)
    laptop.sync()
    desktop.sync()
    assert len(world.server.batches) == before
    desktop.act(1)
    (batch,) = world.server.batches[before:]
    keys = desktop.engine().keys
    assert [write.name for write in batch] == [row(desktop, 0), keys.head(desktop.identity.id)]


def test_a_change_with_its_lines_is_four_rows_however_long_the_trail(world) -> None:
    laptop, desktop = world()
    for name in names(40):
        laptop.set(name)
    laptop.act(3 * SEGMENT)
    desktop.sync()
    laptop.set("service7")
    before = len(world.server.batches)
    laptop.act(2)
    (batch,) = world.server.batches[before:]
    assert len(batch) == 4
    assert sum(len(write.sealed.data) for write in batch) < 16384
    assert [str(key) for key in desktop.sync().pulled] == ["service7@default"]


def test_the_last_lines_are_read_by_few_requests(world) -> None:
    laptop, desktop = world()
    desktop.act(5 * SEGMENT)
    laptop.sync()
    since = desktop.house.clock.now - 10
    before = world.server.requests
    shown = laptop.numbers(desktop, since)
    last, _ = laptop.own(desktop).audit
    assert last > 5 * SEGMENT
    assert shown == list(range(last - len(shown) + 1, last + 1))
    assert 5 <= len(shown) <= 11
    assert world.server.requests <= before + 3  # the head, and the rows that hold them


def test_only_the_last_lie_in_rows_and_older_rows_are_deleted(world, monkeypatch) -> None:
    monkeypatch.setattr(rows, "KEPT", 2 * SEGMENT + 10)
    laptop, desktop = world()
    for _ in range(6):
        desktop.act(50)
        laptop.sync()
        assert not laptop.findings()
    head = laptop.own(desktop)
    assert head.audit[0] > 300
    assert head.trail.first == 3 * SEGMENT + 1
    assert laptop.numbers(desktop) == list(range(head.trail.first, head.audit[0] + 1))
    kept = [i for i in range(5) if row(desktop, i) in world.server.live]
    assert kept == [3, 4]


def test_each_row_is_filled_before_the_next_one_begins(world) -> None:
    laptop, desktop = world()
    for lines in (SEGMENT - 2, 1, 1, SEGMENT, 1):  # the second fills a row to its end
        desktop.act(lines)
        laptop.sync()
        assert not laptop.findings()
        last, _ = laptop.own(desktop).audit
        assert laptop.numbers(desktop) == list(range(1, last + 1))


def test_a_long_trail_that_is_told_at_once_goes_in_several_batches(world, monkeypatch) -> None:
    monkeypatch.setattr(rows, "KEPT", 20 * SEGMENT)
    laptop, desktop = world()
    before = len(world.server.batches)
    desktop.act(25 * SEGMENT)
    assert len(world.server.batches) > before + 1
    laptop.sync()
    assert not laptop.findings()
    assert len(laptop.numbers(desktop)) <= 20 * SEGMENT


def test_each_way_of_tampering_with_what_was_told_is_found(tmp_path) -> None:
    server, (laptop, desktop, phone) = told(tmp_path)
    honest, chance = dict(server.rows), random.Random(31)
    assert not laptop.findings()
    for ways in TAMPERINGS.values():
        for way in ways:
            way(server, desktop, phone, chance.randrange(2, 20))
            assert laptop.findings(), way.__name__
            assert laptop.sync() is not None  # and sync goes on
            server.rows = dict(honest)
            assert not laptop.findings(), way.__name__
    for keeper in (laptop, desktop, phone):
        keeper.close()


def test_what_is_shown_of_a_part_is_checked_too(tmp_path) -> None:
    server, (laptop, desktop, phone) = told(tmp_path)
    since = desktop.house.clock.now - 10
    assert laptop.look(since).entries
    for name in (row(desktop, 1), desktop.engine().keys.head(desktop.identity.id)):
        held = server.rows[name].sealed
        put(server, name, None)
        assert [finding.device for finding in laptop.look(since).findings]
        put(server, name, held)
    TAMPERINGS["edit"][1](server, desktop, phone, 3)
    assert [finding.what for finding in laptop.look(since).findings] == ["rolled back"]
    for keeper in (laptop, desktop, phone):
        keeper.close()


def test_a_head_that_no_device_has_signed_is_told_and_the_known_one_counts(world) -> None:
    laptop, desktop = world()
    keys = laptop.engine().keys
    name = keys.head(desktop.identity.id)
    put(world.server, name, keys.seal_meta(name, laptop.own(desktop).signed(laptop.identity.sign)))
    assert laptop.findings() == ["changed"]
    assert laptop.numbers(desktop) == [1]


def test_a_trail_that_was_put_back_is_told_as_it_is_and_found(world) -> None:
    laptop, desktop = world()
    desktop.act(5)
    laptop.sync()
    with (
        closing(sqlite3.connect(desktop.house.path)) as database,
        database,
    ):  # an older state that fits itself
        older = (
            list(database.execute("SELECT * FROM entry")),
            list(database.execute("SELECT * FROM meta")),
        )
    database.close()
    desktop.act(3)
    laptop.sync()
    with closing(sqlite3.connect(desktop.house.path)) as database, database:
        database.execute("DELETE FROM entry")
        database.executemany("INSERT INTO entry VALUES (?, ?, ?)", older[0])
        database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", older[1])
    database.close()
    desktop.sync()
    assert laptop.findings() == ["rolled back"]
    desktop.act(9, "later")  # it grows past what was seen: still found
    laptop.sync()
    assert laptop.findings() == ["rolled back"]
    assert len(laptop.numbers(desktop)) == 15


def test_a_trail_that_was_begun_anew_is_found_and_what_follows_is_shown(world) -> None:
    laptop, desktop = world()
    desktop.act(SEGMENT + 5)
    laptop.sync()
    os.unlink(desktop.house.path)
    desktop.act(3, "fresh")
    laptop.sync()
    assert laptop.findings() == ["cut off"]
    assert laptop.numbers(desktop) == [1, 2, 3]
    assert row(desktop, 1) not in world.server.live


@pytest.mark.parametrize("where", ["told", "untold"])
def test_a_line_that_is_edited_on_its_device_does_not_hide_what_was_told(world, where) -> None:
    laptop, desktop = world()
    desktop.act(5)
    if where == "untold":
        for _ in range(4):
            desktop.house.recorder.note("use", "slack")
    with closing(sqlite3.connect(desktop.house.path)) as database, database:
        database.execute(f"DELETE FROM entry WHERE n = {3 if where == 'told' else 8}")
    database.close()
    desktop.act(2)
    laptop.sync()
    if where == "told":
        assert laptop.numbers(desktop) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert not laptop.findings()
    else:
        assert laptop.findings() == ["missing"]
    desktop.act(SEGMENT)
    laptop.sync()
    assert len(laptop.numbers(desktop)) > SEGMENT


def test_an_end_that_did_not_fit_is_found_on_the_others_too(world) -> None:
    laptop, desktop = world()
    desktop.act(5)
    with closing(sqlite3.connect(desktop.house.path)) as database, database:
        database.execute("DELETE FROM entry WHERE n > 4")
    database.close()
    desktop.sync()  # says what it said before
    assert not laptop.findings()
    desktop.act(2)
    laptop.sync()
    assert "broken" in laptop.findings()


def test_a_row_that_is_gone_while_the_file_is_damaged_is_no_fault_of_sync(world) -> None:
    laptop, desktop = world()
    desktop.act(5)
    with closing(sqlite3.connect(desktop.house.path)) as database, database:
        database.execute("DELETE FROM entry WHERE n = 3")
    database.close()
    name = row(desktop, 0)
    held = world.server.rows[name]
    world.server.rows[name] = replace(held, sealed=laptop.engine().keys.seal_meta(name, b"{}"))
    desktop.sync()
    desktop.act(2)  # cannot be told: the next head says what was said before
    assert desktop.own(desktop).audit[0] == 6
    del world.server.rows[name]
    desktop.act(1)  # what is left is told
    laptop.sync()
    assert laptop.findings() == ["missing"]
    assert laptop.numbers(desktop) == [1, 2, 4, 5, 6, 7, 8, 9]


def test_a_trail_that_cannot_be_read_stops_no_sync(world, monkeypatch) -> None:
    laptop, desktop = world()
    key = desktop.set("notion@work")
    for error in (OSError("disk"), sqlite3.OperationalError("busy"), ValueError("odd")):

        def fails(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(telling, "texts", fails)
            desktop.act(2)
    laptop.sync()
    assert laptop.get("notion@work") == key
    assert laptop.own(desktop).audit[0] == 1
    desktop.sync()
    assert laptop.numbers(desktop) == list(range(1, 8))


def test_lines_that_are_all_gone_from_the_file_are_missing_on_the_others(world) -> None:
    laptop, desktop = world()
    for _ in range(2 * SEGMENT):
        desktop.house.recorder.note("use", "slack")
    with closing(sqlite3.connect(desktop.house.path)) as database, database:
        database.execute(f"DELETE FROM entry WHERE n BETWEEN 60 AND {2 * SEGMENT}")
    database.close()
    desktop.sync()
    laptop.sync()
    assert "missing" in laptop.findings()


def test_a_line_that_is_none_is_left_out_and_found(world) -> None:
    laptop, desktop = world()
    desktop.act(3)
    laptop.sync()
    rewritten(world.server, desktop, 0, lambda entries: entries.__setitem__(1, (2, "[]")))
    assert laptop.findings() == ["changed"]
    assert laptop.numbers(desktop) == [1, 3, 4]
    lie = '{"action":"trail","result":"broken","before":"x"}'
    rewritten(world.server, desktop, 0, lambda entries: entries.__setitem__(1, (2, lie)))
    assert laptop.findings() == ["changed"]


def test_a_device_that_tells_nothing_is_no_finding(world) -> None:
    (laptop,) = world("laptop")
    from tests.sync_kit import Home, enrol

    plain = Home("plain", world.server)
    plain.now = laptop.now
    enrol(laptop, plain)
    laptop.sync()
    found = laptop.look()
    assert not found.checked
    put(world.server, laptop.engine().keys.head(plain.identity.id), None)
    assert laptop.findings() == ["missing"]


def test_what_has_landed_without_an_answer_is_told_once(world) -> None:
    laptop, desktop = world()
    write, lost = world.server.write, []

    def loses(batch):
        done = write(batch)
        if not lost:
            lost.append(done)
            raise OSError("the line was cut")
        return done

    world.server.write = loses
    with pytest.raises(OSError, match="cut"):
        desktop.act(3)
    desktop.act(2)
    laptop.sync()
    assert laptop.numbers(desktop) == [1, 2, 3, 4, 5, 6]
    assert not laptop.findings()


def test_a_telling_that_is_cut_at_any_batch_is_gone_on_with(world, monkeypatch) -> None:
    monkeypatch.setattr(outbox, "TRAIL_ROWS", 1)
    monkeypatch.setattr(rows, "KEPT", 2 * SEGMENT)
    laptop, desktop = world()
    write, calls = world.server.write, 0

    for cut in range(6):  # each time before one batch, or after it

        def writes(batch, cut=cut):
            nonlocal calls
            calls += 1
            if calls == cut // 2 + 1 and not cut % 2:
                raise OSError("the line was cut")
            done = write(batch)
            if calls == cut // 2 + 1:
                raise OSError("the line was cut")
            return done

        calls, world.server.write = 0, writes
        with pytest.raises(OSError, match="cut"):
            desktop.act(2 * SEGMENT)
        world.server.write = write
        laptop.sync()
        assert not laptop.findings()
        desktop.act(1)
        laptop.sync()
        assert not laptop.findings()
        head = laptop.own(desktop)
        assert laptop.numbers(desktop) == list(range(head.trail.first, head.audit[0] + 1))
    kept = [i for i in range(40) if row(desktop, i) in world.server.live]
    assert len(kept) <= 3


def test_start_over_takes_the_rows_along(world) -> None:
    from arcrun_auth.sync import founding

    laptop, desktop = world()
    desktop.act(SEGMENT)
    laptop.act(3)
    gone = [row(desktop, 0), row(desktop, 1), row(laptop, 0)]
    assert set(gone) <= set(world.server.live)
    founding.start_over(laptop.store, laptop.state, world.server, laptop.identity)
    assert not set(gone) & set(world.server.live)


def test_a_head_that_names_more_rows_than_may_be_is_not_followed(world) -> None:
    laptop, desktop = world()
    head = laptop.own(desktop)
    lie = replace(head, n=head.n + 1, audit=(2**50, HASH))
    keys = laptop.engine().keys
    name = keys.head(desktop.identity.id)
    put(world.server, name, keys.seal_meta(name, lie.signed(desktop.identity.sign)))
    before = world.server.requests
    assert laptop.findings()[0] == "inserted"
    assert world.server.requests <= before + 4


def test_points_are_few_once_all_was_checked(world) -> None:
    laptop, desktop = world()
    for _ in range(5):
        desktop.act(1)
        laptop.sync()
    dev = desktop.identity.id
    assert [point.n for point in laptop.state.points(dev)] == [1, 2, 3, 4, 5, 6]
    laptop.look()
    assert [point.n for point in laptop.state.points(dev)] == [6]
