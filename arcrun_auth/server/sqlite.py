"""SQLite, embedded: reads where they are asked for, writes by one thread that commits in groups.

A commit costs a sync of the disk whatever is in it. So the writer takes all that wait, runs each
in a savepoint of one transaction, and commits once: whoever waits is told after that sync, and
one that fails takes nothing of the others with it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from arcrun_auth.errors import StoreError
from arcrun_auth.server.database import Clash, away, full
from arcrun_auth.stores import private
from arcrun_auth.stores.schema import set_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from arcrun_auth.server.database import Row, Tx

T = TypeVar("T")
Job = tuple["Callable[[Tx], Any]", "Future[Any]"]

BUSY_SECONDS = 10.0
"""How long do we wait for another process that writes to the same file?"""
GROUP = 64
"""How many writes share one commit at most?"""

_FULL = 13  # SQLITE_FULL
_AWAY = {5, 6, 8, 10, 11, 14, 26}
"""BUSY, LOCKED, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB: somebody has to look, or to wait."""


class Sqlite:
    """One file, and beside it the log of SQLite. `clock` stands in for that of the machine."""

    inline = True

    def __init__(self, path: str, clock: Callable[[], float] | None = None) -> None:
        self.path = os.path.abspath(path)
        self._clock = clock or time.time
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        private.ensure_folder(os.path.dirname(self.path))
        if private.check_file(self.path) is None:
            with suppress(FileExistsError):  # another process that starts just now was faster
                os.close(private.create(self.path))
        try:
            set_journal(self._connect(), "wal", BUSY_SECONDS)
        except sqlite3.Error as error:
            self._let_go()
            raise _unopened(self.path, error) from None
        except BaseException:
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._write_all, name="arcrun-writer", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            try:
                found = sqlite3.connect(
                    self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
                    cached_statements=256,
                )  # fmt: skip
                found.execute("PRAGMA synchronous=FULL")
                found.execute("PRAGMA foreign_keys=ON")
                found.execute("PRAGMA trusted_schema=OFF")
            except sqlite3.Error as error:
                if found is not None:
                    found.close()
                raise _unopened(self.path, error) from None
            self._local.connection = found
            self._open.append(found)
        return found

    def read(self, work: Callable[[Tx], T]) -> T:
        connection = self._connect()
        connection.execute("BEGIN")
        try:
            return work(_Tx(connection, self._clock))
        except sqlite3.Error as error:
            raise _translated(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")

    async def reading(self, work: Callable[[Tx], T]) -> T:
        return self.read(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        return self._submit(work).result()

    async def writing(self, work: Callable[[Tx], T]) -> T:
        return await asyncio.wrap_future(self._submit(work))

    def _submit(self, work: Callable[[Tx], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._closing:  # nothing comes after the end, where nobody would ever do it
            if self._closed:
                raise away("closed")
            self._jobs.put((work, future))
        return future

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._let_go()

    def _let_go(self) -> None:
        for connection in self._open:
            connection.close()

    def _write_all(self) -> None:
        going = True
        while going:
            jobs = [self._jobs.get()]
            while jobs[-1] is not None and len(jobs) < GROUP and not self._jobs.empty():
                jobs.append(self._jobs.get())
            going = jobs[-1] is not None
            group = [
                job for job in jobs if job is not None and job[1].set_running_or_notify_cancel()
            ]
            if group:
                self._write_group(group)

    def _write_group(self, group: list[Job]) -> None:
        ends: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            try:
                for work, future in group:
                    ends.append((future, *self._one(connection, work)))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except BaseException as error:  # noqa: BLE001 - each of them is told, and the thread lives on
            told = _translated(error)
            ends = [(future, None, told) for _, future in group]
        for future, result, fault in ends:
            if fault is None:
                future.set_result(result)
            else:
                future.set_exception(fault)

    def _one(
        self, connection: sqlite3.Connection, work: Callable[[Tx], Any]
    ) -> tuple[Any, BaseException | None]:
        """One piece of work in its savepoint: what it gave, or what went wrong."""
        connection.execute("SAVEPOINT one")
        try:
            result = work(_Tx(connection, self._clock))
        except BaseException as error:
            if not connection.in_transaction:  # SQLite gave all of it up (lang_transaction.html)
                raise
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, _translated(error)
        connection.execute("RELEASE one")
        return result, None


class _Tx:
    """`Tx` on a connection of SQLite."""

    __slots__ = ("_connection", "now", "shared_now")

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self.now = self.shared_now = clock

    def all(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def each(self, sql: str, *values: Any) -> Iterable[Row]:
        return self._connection.execute(sql, values)

    def one(self, sql: str, *values: Any) -> Row | None:
        # Not `fetchone`: what is left of a RETURNING must run, or the statement stays open.
        found = self._connection.execute(sql, values).fetchall()
        return found[0] if found else None

    def run(self, sql: str, *values: Any) -> int:
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.IntegrityError:
            raise Clash from None

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        self._connection.executemany(sql, rows)


def _unopened(path: str, error: sqlite3.Error) -> StoreError:
    return StoreError(f"{path} cannot be opened: {error}.")


def _translated(error: BaseException) -> BaseException:
    """An error of the database as what a client is told; any other is one of ours, and stays."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return full()
    return away(getattr(error, "sqlite_errorname", "")) if code in _AWAY else error
