"""The database as the service sees it: one transaction at a time, in one SQL text.

SQL is written once, for SQLite and PostgreSQL alike: `?` for a parameter, `ON CONFLICT`,
`RETURNING`, no function that only one of them has. Whatever is read or written in one request
is one transaction, the look at the API key included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from arcrun_auth.server import logs
from arcrun_auth.server.problems import Problem, later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
Row = tuple[Any, ...]


class Tx(Protocol):
    """An open transaction."""

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row that a statement gives."""

    def each(self, sql: str, *values: Any) -> Iterable[Row]:
        """The same, one after the other: for rows that may be large."""

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""

    def run(self, sql: str, *values: Any) -> int:
        """How many rows a statement changed. `Clash` where one of that name is there already."""

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """The statement for each of `rows`."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def shared_now(self) -> float:
        """The same by the clock that all processes on this database share."""


class Clash(Exception):
    """A unique name is taken."""


class Database(Protocol):
    """Where the rows are. `inline`: a read takes microseconds, and needs no thread."""

    inline: bool

    def read(self, work: Callable[[Tx], T]) -> T:
        """`work` on one consistent picture."""

    def write(self, work: Callable[[Tx], T]) -> T:
        """`work` as one transaction, durable when this returns; nothing of it after an error."""

    async def writing(self, work: Callable[[Tx], T]) -> T:
        """`write`, for the event loop."""

    async def reading(self, work: Callable[[Tx], T]) -> T:
        """`read`, for the event loop."""

    def close(self) -> None:
        """Ends it: what was begun is finished first."""


def full() -> Problem:
    """What to say when the disk is full: what was acknowledged is untouched."""
    logs.database_failed("disk full")
    return Problem(507, "The server's disk is full. Nothing of this request was kept.")


def away(cause: str) -> Problem:
    """What to say when the database cannot be reached now. `cause` is for the log alone."""
    logs.database_failed(cause)
    return later("The server's database cannot be reached now. Try again.", 1)


def open_database(url: str, clock: Callable[[], float] | None = None) -> Database:
    """The database that a URL or a path names, its tables brought up to date.

    `postgresql://…` is PostgreSQL, all else the path of a SQLite file; `clock` stands in for
    every other one. StoreError where it cannot be opened, or was written by a newer version.
    """
    from arcrun_auth.server import migrations

    if url.startswith(("postgresql://", "postgres://")):
        from arcrun_auth.server.postgres import Postgres

        database: Database = Postgres(url, clock)
    else:
        from arcrun_auth.server.sqlite import Sqlite

        database = Sqlite(url, clock)
    try:
        migrations.run(database)
    except BaseException:
        database.close()
        raise
    return database
