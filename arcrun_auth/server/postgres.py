"""PostgreSQL: a pool of connections and as many threads. The processes keep no state of their own.

Writers of one account wait for each other at its row in `accounts`, which every change locks
first (`UPDATE … RETURNING`): so versions are given in the order of the commits, and whoever
reads rows by version misses none.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar, cast

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from arcrun_auth.errors import StoreError
from arcrun_auth.server.database import Clash, away, full
from arcrun_auth.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from arcrun_auth.server.database import Row, Tx

T = TypeVar("T")

SIZE = 8
"""How many connections does one process hold?"""
WAIT_SECONDS = 10.0
"""How long may a request wait for one of them?"""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN"


class Postgres:
    """A database at a `postgresql://` URL. `clock` stands in for those of both machines."""

    inline = False

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._pool = ConnectionPool(
            url, min_size=1, max_size=SIZE, timeout=WAIT_SECONDS, open=False,
            # Longer, and it would look for a server that is back at ever longer intervals.
            reconnect_timeout=WAIT_SECONDS,
            kwargs={"autocommit": True},
        )  # fmt: skip
        self._threads = ThreadPoolExecutor(SIZE, "arcrun-postgres")
        try:
            self._pool.open(wait=True, timeout=WAIT_SECONDS)
        except PoolTimeout:
            self.close()
            raise StoreError(
                f"PostgreSQL cannot be reached within {WAIT_SECONDS:g} seconds.",
                hint="see that it runs, and what ARCRUN_DATABASE_URL names",
            ) from None

    def read(self, work: Callable[[Tx], T]) -> T:
        return self._transaction(_READ, work)

    def write(self, work: Callable[[Tx], T]) -> T:
        return self._transaction(_WRITE, work)

    async def reading(self, work: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, work)

    async def writing(self, work: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.write, work)

    def close(self) -> None:
        self._threads.shutdown()
        self._pool.close()

    def _transaction(self, begin: LiteralString, work: Callable[[Tx], T]) -> T:
        try:
            with self._begun(begin) as connection:
                result = work(_Tx(connection, self._clock))
                connection.execute("COMMIT")
                return result
        except psycopg.DataError:  # a NUL in a text: SQLite takes it, and nobody needs it
            raise Problem(400, "The request has a character or a number that is none.") from None
        except psycopg.errors.DiskFull:
            raise full() from None
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise away(type(error).__name__) from error

    @contextmanager
    def _begun(self, begin: LiteralString) -> Iterator[psycopg.Connection]:
        """A connection on which a transaction has begun; what is left of it is rolled back.

        Where PostgreSQL was restarted, every connection of the pool is dead: nothing has
        happened yet when `BEGIN` says so, and the next one is tried.
        """
        dead = 0
        while True:
            with self._pool.connection() as connection:
                try:
                    connection.execute(begin)
                except psycopg.OperationalError:
                    connection.close()
                    dead += 1
                    if dead > SIZE:
                        raise
                    continue
                try:
                    yield connection
                except BaseException:
                    if not connection.closed:
                        connection.rollback()
                    raise
                return


@lru_cache(maxsize=512)
def _text(sql: str) -> LiteralString:
    """The statement in the driver's style of parameters. None of ours has a `?` or `%` in it."""
    text: Any = sql.replace("?", "%s")
    return cast("LiteralString", text)


class _Tx:
    """`Tx` on a connection of PostgreSQL."""

    __slots__ = ("_clock", "_connection", "now")

    def __init__(self, connection: psycopg.Connection, clock: Callable[[], float] | None) -> None:
        self._connection = connection
        self._clock = clock
        self.now = clock or time.time

    def all(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(_text(sql), values).fetchall()

    def each(self, sql: str, *values: Any) -> Iterable[Row]:
        return self._connection.execute(_text(sql), values)

    def one(self, sql: str, *values: Any) -> Row | None:
        return self._connection.execute(_text(sql), values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        try:
            return self._connection.execute(_text(sql), values).rowcount
        except psycopg.errors.IntegrityError:
            raise Clash from None

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_text(sql), rows)

    def shared_now(self) -> float:
        if self._clock is not None:
            return self._clock()
        found = self.one("SELECT extract(epoch FROM clock_timestamp())::float8")
        assert found is not None
        return float(found[0])
