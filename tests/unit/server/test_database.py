"""What both databases promise: whole transactions, one picture, nothing lost, a way back up."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest

from arcrun_auth.errors import StoreError
from arcrun_auth.server import accounts, migrations
from arcrun_auth.server.database import Clash, open_database
from arcrun_auth.server.postgres import Postgres
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import Register
from arcrun_auth.server.sqlite import Sqlite
from tests import waiting
from tests.servers import GUARD
from tests.unit.server.conftest import forgets_the_account
from tests.unit.server.test_rows import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = "SELECT count(*) FROM recipes"


def add(name: str):
    return lambda tx: tx.run(
        "INSERT INTO recipes (service, body, by_account, updated_at) VALUES (?, '', '', 0)", name
    )


@pytest.fixture
def bare(database_url):
    found = open_database(database_url)
    yield found
    found.close()


def test_nothing_of_a_failed_transaction_stays(bare) -> None:
    def work(tx):
        add("one")(tx)
        raise ValueError("never mind")

    with pytest.raises(ValueError, match="never mind"):
        bare.write(work)
    assert bare.read(lambda tx: tx.one(COUNT)) == (0,)
    bare.write(add("one"))
    with pytest.raises(Clash):
        bare.write(add("one"))
    assert bare.read(lambda tx: tx.one(COUNT)) == (1,)


def test_a_statement_that_is_wrong_is_an_error_of_ours_and_no_outage(bare) -> None:
    for run in (bare.read, bare.write):
        with pytest.raises((sqlite3.Error, psycopg.ProgrammingError)):
            run(lambda tx: tx.one("SELECT nothing FROM nowhere"))
    assert bare.read(lambda tx: tx.one(COUNT)) == (0,)


def test_what_is_read_in_one_transaction_is_one_picture(bare) -> None:
    def work(tx):
        before = tx.one(COUNT)
        writer = threading.Thread(target=bare.write, args=(add("meanwhile"),))
        writer.start()
        writer.join()
        return before, tx.one(COUNT)

    assert bare.read(work) == ((0,), (0,))
    assert bare.read(lambda tx: tx.one(COUNT)) == (1,)


def test_the_event_loop_reads_and_writes_too(bare) -> None:
    async def go():
        await asyncio.gather(*(bare.writing(add(f"r{n}")) for n in range(20)))
        return await bare.reading(lambda tx: tx.one(COUNT))

    assert asyncio.run(go()) == (20,)


def test_a_failed_write_takes_none_of_its_neighbours_with_it(bare) -> None:
    bare.write(add("r3"))

    async def go():
        jobs = (bare.writing(add(f"r{n}")) for n in range(8))
        return await asyncio.gather(*jobs, return_exceptions=True)

    results = asyncio.run(go())
    assert [type(result) is Clash for result in results] == [n == 3 for n in range(8)]
    assert bare.read(lambda tx: tx.one(COUNT)) == (8,)


def test_migrations_run_once_and_a_newer_database_is_refused(bare, database_url) -> None:
    assert migrations.run(bare) == len(migrations.steps())
    versions = bare.read(lambda tx: tx.all("SELECT version FROM schema_version ORDER BY version"))
    assert versions == [(n + 1,) for n in range(len(versions))]
    try:
        bare.write(lambda tx: tx.run("INSERT INTO schema_version (version) VALUES (?)", 99))
        with pytest.raises(StoreError, match="version 99") as caught:
            open_database(database_url)
        assert "pip install --upgrade" in str(caught.value.hint)
    finally:
        bare.write(lambda tx: tx.run("DELETE FROM schema_version WHERE version = ?", 99))


def test_several_who_start_at_once_make_the_tables_once(tmp_path) -> None:
    path, opened = str(tmp_path / "server.db"), []
    threads = [
        threading.Thread(target=lambda: opened.append(open_database(path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(opened) == 4
        found = opened[0].read(lambda tx: tx.one("SELECT count(*) FROM schema_version"))
        assert found == (len(migrations.steps()),)
    finally:
        for database in opened:
            database.close()


def test_the_clock_of_all_processes_is_about_that_of_this_one(bare) -> None:
    ours, shared = bare.read(lambda tx: (tx.now(), tx.shared_now()))
    assert abs(ours - shared) < 60


# --- SQLite alone


@pytest.fixture
def writer(tmp_path) -> Iterator[sqlite3.Connection]:
    """One that writes to the new file, as another server that starts just now does."""
    connection = sqlite3.connect(
        tmp_path / "server.db", isolation_level=None, check_same_thread=False
    )
    (tmp_path / "server.db").chmod(0o600)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_a_start_waits_for_another_that_writes(writer, tmp_path, monkeypatch) -> None:
    ends = waiting.clock(sleep=lambda _: writer.execute("ROLLBACK"))
    monkeypatch.setattr("arcrun_auth.stores.schema.time", ends)
    database = open_database(str(tmp_path / "server.db"))
    try:
        assert database.read(lambda tx: tx.one("PRAGMA journal_mode")) == ("wal",)
    finally:
        database.close()


def test_a_start_that_waits_in_vain_says_so(writer, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.server.sqlite.BUSY_SECONDS", 0.05)
    with pytest.raises(StoreError, match=r"server\.db cannot be opened: database is locked"):
        open_database(str(tmp_path / "server.db"))


def test_a_file_that_is_no_database_is_named(tmp_path) -> None:
    path = tmp_path / "server.db"
    path.write_text("a letter, not a database" * 100)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=r"server\.db cannot be opened: file is not a database"):
        open_database(str(path))


def test_the_file_is_its_owners_alone(tmp_path) -> None:
    path = tmp_path / "server" / "server.db"
    before = os.umask(0)
    try:
        open_database(str(path)).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_no_database_is_told(tmp_path) -> None:
    path = tmp_path / "server.db"
    path.write_bytes(b"no database at all" * 100)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=r"server\.db"):
        open_database(str(path))


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path) -> None:
    database = open_database(str(tmp_path / "server.db"))
    assert isinstance(database, Sqlite)
    try:
        database.write(add("before"))

        def fill(tx):
            tx.run("PRAGMA max_page_count = 30")
            for number in range(500):
                tx.run(
                    "INSERT INTO recipes (service, body, by_account, updated_at)"
                    " VALUES (?, ?, '', 0)",
                    f"r{number}", "x" * 4000,
                )  # fmt: skip

        with refused(507):
            database.write(fill)
        assert database.read(lambda tx: tx.one(COUNT)) == (1,)
        database.write(lambda tx: tx.run("PRAGMA max_page_count = 100000"))
        database.write(add("after"))
        assert database.read(lambda tx: tx.one(COUNT)) == (2,)
    finally:
        database.close()


def test_a_database_that_was_closed_says_so(tmp_path) -> None:
    database = open_database(str(tmp_path / "server.db"))
    database.close()
    database.close()
    with refused(503):
        database.write(add("late"))


def test_what_is_written_just_as_it_is_closed_is_done(tmp_path, monkeypatch) -> None:
    database = open_database(str(tmp_path / "server.db"))
    assert isinstance(database, Sqlite)
    jobs, closing = database._jobs, threading.Thread(target=database.close)

    def late(job) -> None:
        if job is not None:
            closing.start()
            closing.join(0.1)  # it could end here, and what follows would wait for good
        jobs.put(job)

    monkeypatch.setattr(
        database, "_jobs", SimpleNamespace(get=jobs.get, empty=jobs.empty, put=late)
    )
    ended: list[int] = []
    writing = threading.Thread(target=lambda: ended.append(database.write(add("one"))), daemon=True)
    writing.start()
    writing.join(GUARD)
    closing.join(GUARD)
    assert ended == [1]


def test_a_file_that_somebody_else_holds_is_away_for_now(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.server.sqlite.BUSY_SECONDS", 0.05)
    path = tmp_path / "server.db"
    database = open_database(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with refused(503) as caught:
            database.write(add("one"))
        assert isinstance(caught.value, Problem)
        other.execute("ROLLBACK")
        database.write(add("one"))
    finally:
        other.close()
        database.close()


# --- PostgreSQL alone


@pytest.mark.peer
def test_a_restart_of_postgresql_is_got_over(postgres, monkeypatch) -> None:
    postgres.empty()
    database = open_database(postgres.url)
    assert isinstance(database, Postgres)
    try:
        threads = [threading.Thread(target=database.write, args=(add(f"r{n}"),)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        postgres.stop()
        for limit in ("timeout", "reconnect_timeout"):  # while it is away, and no sooner
            monkeypatch.setattr(database._pool, limit, 0.3)
        with refused(503) as caught:
            database.read(lambda tx: tx.one(COUNT))
        assert caught.value.headers["retry-after"] == "2"
        postgres.start()
        monkeypatch.setattr(database._pool, "timeout", GUARD)
        assert _patiently(lambda: database.read(lambda tx: tx.one(COUNT))) == (12,)
        database.write(add("more"))
    finally:
        database.close()


def _patiently(work):
    """What `work` gives as soon as the database is back."""
    end = time.monotonic() + GUARD
    while True:
        try:
            return work()
        except Problem as problem:
            if problem.status != 503 or time.monotonic() > end:
                raise


@pytest.mark.peer
def test_a_full_disk_of_postgresql_is_told(postgres) -> None:
    database = open_database(postgres.url)

    def full(tx):
        # Nobody fills the disk of a machine for a test: this is how the server says it.
        tx.all("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$")

    try:
        with refused(507):
            database.write(full)
    finally:
        database.close()


@pytest.mark.peer
def test_connections_that_are_all_dead_are_tried_and_then_told(postgres, monkeypatch) -> None:
    database = open_database(postgres.url)

    def dead(_: object) -> None:
        raise psycopg.OperationalError

    try:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", lambda self, *_: dead(self))
            with refused(503):
                database.read(lambda tx: tx.one(COUNT))
    finally:
        database.close()


@pytest.mark.peer
def test_a_connection_that_breaks_amid_a_transaction_is_told(postgres) -> None:
    postgres.empty()
    database = open_database(postgres.url)

    def work(tx):
        add("one")(tx)
        tx.all("SELECT pg_terminate_backend(pg_backend_pid())")

    try:
        with refused(503):
            database.write(work)
        assert database.read(lambda tx: tx.one(COUNT)) == (0,)
    finally:
        database.close()


@pytest.mark.peer
def test_a_postgresql_that_is_not_there_is_told_without_its_password(
    tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr("arcrun_auth.server.postgres.WAIT_SECONDS", 0.2)
    url = f"postgresql://arcrun:tests.canary.POSTGRES@/arcrun?host={tmp_path}"
    with pytest.raises(StoreError) as caught:
        open_database(url)
    assert "canary" not in str(caught.value)


# --- the watch over the statements


@pytest.mark.parametrize(
    ("sql", "forgets"),
    [
        ("SELECT name FROM credentials WHERE account = ? AND fold = ?", False),
        ("SELECT name FROM credentials WHERE fold = ?", True),
        ("DELETE FROM leases WHERE name = ?", True),
        ("UPDATE accounts SET seq = seq + ? WHERE id = ? RETURNING seq", False),
        ("SELECT seq FROM accounts", True),
        ("SELECT e.id FROM enrolments e WHERE e.expires_at > ?", True),
        ("SELECT body FROM recipes WHERE service = ?", False),
        ("INSERT INTO audit (account, n) VALUES (?, ?)", False),
    ],
)
def test_a_statement_that_forgets_the_account_is_found(sql, forgets) -> None:
    assert forgets_the_account(sql) is forgets


def test_the_tests_run_on_a_watched_database(database) -> None:
    database.write(lambda tx: accounts.register(tx, Register(), "open"))
    with pytest.raises(AssertionError, match="FROM credentials"):
        database.read(lambda tx: tx.all("SELECT name FROM credentials"))


def test_what_fails_at_its_commit_is_told_to_all_who_waited(tmp_path) -> None:
    database = open_database(str(tmp_path / "server.db"))

    def broken(tx):
        tx.run("PRAGMA defer_foreign_keys = ON")
        tx.run(
            "INSERT INTO leases (account, name, lease, holder, fence, held, begun,"
            " expires_at) VALUES ('nobody', 'x', '', '', 0, 0, 0, 0)"
        )

    async def go():
        jobs = [database.writing(add("one")), database.writing(broken), database.writing(add("2"))]
        return await asyncio.gather(*jobs, return_exceptions=True)

    try:
        results = asyncio.run(go())
        failed = [isinstance(result, sqlite3.IntegrityError) for result in results]
        assert failed[1]
        assert database.read(lambda tx: tx.one(COUNT)) == (failed.count(False),)
    finally:
        database.close()


def test_the_writer_lives_on_after_whatever_a_piece_of_work_does(tmp_path) -> None:
    database = open_database(str(tmp_path / "server.db"))
    try:
        with pytest.raises(KeyboardInterrupt):
            database.write(_interrupt)
        with pytest.raises(sqlite3.OperationalError):
            database.write(lambda tx: tx.run("ROLLBACK"))
        done = threading.Event()
        threading.Thread(target=lambda: (database.write(add("one")), done.set())).start()
        assert done.wait(GUARD)
    finally:
        database.close()


def _interrupt(tx):
    raise KeyboardInterrupt
