"""What sync needs of a server: rows since a cursor, one row, and a batch that is all or nothing.

`cloud.py` is the real one; a test brings one that lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.protocol.keys import Sealed


@dataclass(frozen=True)
class Row:
    """A row as the server shows it. `sealed` is None for one that was deleted."""

    name: str
    version: int
    sealed: Sealed | None


@dataclass(frozen=True)
class Page:
    """Rows in the order of their versions. `cursor` is the server's number at that moment."""

    rows: Sequence[Row]
    cursor: int
    more: bool = False


@dataclass(frozen=True)
class Write:
    """A row to be written, or deleted where `sealed` is None.

    `expect` is the version that it must have now, 0 for a row that must not be there; None
    where that does not matter.
    """

    name: str
    sealed: Sealed | None
    expect: int | None = None


@dataclass(frozen=True)
class Written:
    """The server's number after a batch, and the version that each row has now."""

    cursor: int
    versions: Mapping[str, int]


class Conflict(Exception):
    """Rows of a batch had another version; nothing was written. An answer, not a failure."""


class Wire(ABC):
    """The rows of one account. Every method raises ProviderUnavailable and TokenRefused."""

    @abstractmethod
    def rows_since(self, cursor: int) -> Page:
        """The rows whose version is above `cursor`, of one moment; as many as fit an answer."""

    @abstractmethod
    def row(self, name: str) -> Row | None:
        """One row; None where there is none."""

    @abstractmethod
    def write(self, batch: Sequence[Write]) -> Written:
        """Writes all of `batch`, or nothing and raises Conflict."""


class Delta(dict[str, Row]):
    """All rows above a cursor, by name, and the server's number when the last was read."""

    cursor = 0


def everything_since(wire: Wire, cursor: int) -> Delta:
    """One picture of the account, however many answers it takes.

    A row that is written between two answers moves behind them, and comes again: what is
    there when an answer says that no more follow is what the server held at that moment.
    """
    found = Delta()
    while True:
        page = wire.rows_since(cursor)
        for row in page.rows:
            found[row.name] = row
        if not page.more or not page.rows:
            found.cursor = page.cursor
            return found
        cursor = page.rows[-1].version
