"""The rows of an account: ciphertext under a name, each with the number of its last change.

Every change takes the next numbers of its account, under the lock of the account's own row; so
whoever asks for all above a number misses nothing, and a batch shows whole or not at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import UNSET

from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import (
    BatchWritten,
    Change,
    PlainPage,
    PlainRow,
    RowGiven,
    RowWritten,
    SyncPage,
    SyncRow,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from arcrun_auth.server.config import Limits
    from arcrun_auth.server.database import Row, Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.shapes import NewRow

_SYNC = re.compile(r"s_[0-9a-f]+")

_PUT = """
INSERT INTO credentials (account, fold, name, sync, encrypted, iv, version, deleted, service,
                         sensitivity, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
ON CONFLICT (account, fold) DO UPDATE SET
  encrypted = excluded.encrypted, iv = excluded.iv, version = excluded.version, deleted = 0,
  service = excluded.service, sensitivity = excluded.sensitivity,
  updated_at = excluded.updated_at
"""
_EMPTY = """
UPDATE credentials SET encrypted = '', iv = '', version = ?, deleted = 1, updated_at = ?
WHERE account = ? AND fold = ?
"""
_PAGE = """
SELECT name, encrypted, iv, version, deleted, updated_at FROM credentials
WHERE account = ? AND sync = 1 AND version > ? {} ORDER BY version LIMIT ?
"""
_WHOLE_PAGE = _PAGE.format("")
_THERE = "SELECT fold, name, version, deleted FROM credentials WHERE account = ? AND fold IN ({})"
_LIST = """
SELECT name, service, sensitivity, version, created_at, updated_at, last_used_at
FROM credentials WHERE account = ? AND sync = 0 AND fold > ? ORDER BY fold LIMIT ?
"""


def of_sync(name: str) -> bool:
    """Whether a row is one of sync. Problem 400 for a name that only looks like one."""
    if _SYNC.fullmatch(name):
        return True
    if _SYNC.fullmatch(name.lower()):
        raise Problem(400, "Names of s_ and hexadecimal digits are kept for sync, in lower case.")
    return False


def put(
    tx: Tx, who: Caller, new: NewRow, limits: Limits, *, expect: int | None
) -> tuple[RowWritten, bool]:
    """Writes one row; whether it is a new one. Problem 412 if it is not at version `expect`."""
    change = Change(
        name=new.name, encrypted=new.encrypted, iv=new.iv, value=new.value,
        expect=UNSET if expect is None else expect,
    )  # fmt: skip
    written = _Writing(tx, who.account, [change], limits, (new.service, new.sensitivity))
    try:
        version = written.run()[new.name]
    except Conflicting as error:
        raise error.precondition() from None
    done = RowWritten(name=new.name, version=version, updated_at=stamp(written.now))
    return done, written.added > 0


def batch(tx: Tx, who: Caller, changes: Sequence[Change], limits: Limits) -> BatchWritten:
    """All of the changes, or none: Problem 409 with the rows that are not as expected."""
    if not 0 < len(changes) <= limits.batch:
        raise Problem(400, f"A batch has 1 to {limits.batch} rows.")
    written = _Writing(tx, who.account, changes, limits)
    versions = written.run()
    return BatchWritten(cursor=written.cursor, versions=versions)


def delete(tx: Tx, who: Caller, name: str, limits: Limits, *, expect: int | None) -> None:
    """Deletes one row. Problem 404 where there is none, 412 if it is not at version `expect`."""
    change = Change(name=name, deleted=True, expect=UNSET if expect is None else expect)
    try:
        version = _Writing(tx, who.account, [change], limits).run()[name]
    except Conflicting as error:
        raise error.precondition() from None
    if not version:
        raise _absent()


def one(tx: Tx, who: Caller, name: str) -> RowGiven:
    """One row with its ciphertext. Problem 404 where there is none."""
    may_read(who, name)
    found = tx.one(
        "SELECT name, encrypted, iv, version, updated_at FROM credentials"
        " WHERE account = ? AND fold = ? AND deleted = 0",
        who.account, name.lower(),
    )  # fmt: skip
    if found is None or found[0] != name:
        raise _absent()
    return RowGiven(
        name=name, encrypted=found[1], iv=found[2], version=found[3], updated_at=stamp(found[4])
    )


def used(tx: Tx, who: Caller, name: str) -> None:
    """Notes that a row was fetched."""
    tx.run(
        "UPDATE credentials SET last_used_at = ? WHERE account = ? AND fold = ?",
        tx.now(), who.account, name.lower(),
    )  # fmt: skip


def may_read(who: Caller, name: str) -> None:
    """Problem 403 where a key is limited to other rows."""
    if who.rows is not None and name not in who.rows:
        raise Problem(403, "This API key may not fetch this row.")


def since(tx: Tx, who: Caller, cursor: int, limit: int, limits: Limits) -> SyncPage:
    """The rows of sync that changed after `cursor`, in order; the number of the last change."""
    number = tx.one("SELECT seq FROM accounts WHERE id = ?", who.account)
    assert number is not None
    rows: list[SyncRow] = []
    size, more = 0, False
    sql, names = _WHOLE_PAGE, sorted(who.rows or ())
    if who.rows is not None:
        sql = _PAGE.format(f"AND name IN ({_marks(names)})")
    for row in tx.each(sql, who.account, cursor, *names, limit + 1):
        if len(rows) == limit or size > limits.page:
            more = True
            break
        size += len(row[1])
        rows.append(_sync_row(row))
    return SyncPage(credentials=rows, cursor=number[0], more=more)


def _sync_row(row: Row) -> SyncRow:
    name, encrypted, iv, version, deleted, updated = row
    if deleted:
        return SyncRow(name=name, version=version, updated_at=stamp(updated), deleted=True)
    return SyncRow(
        name=name, version=version, updated_at=stamp(updated), encrypted=encrypted, iv=iv
    )


def listed(tx: Tx, who: Caller, after: str, limit: int) -> PlainPage:
    """The other rows, by name, without their ciphertext; `next` is where the next page begins."""
    rows = tx.all(_LIST, who.account, after.lower(), limit + 1)
    count = tx.one("SELECT count(*) FROM credentials WHERE account = ? AND sync = 0", who.account)
    page = [
        PlainRow(
            name=r[0], service=r[1], sensitivity=r[2], version=r[3], created_at=stamp(r[4]),
            updated_at=stamp(r[5]), last_used_at=stamp(r[6]),
        )
        for r in rows[:limit]
    ]  # fmt: skip
    return PlainPage(
        credentials=page, total=count[0] if count else 0,
        next=page[-1].name if len(rows) > limit else None,
    )  # fmt: skip


def _absent() -> Problem:
    return Problem(404, "This account has no such row.")


class Conflicting(Problem):
    """Rows that are not at the version that the writer expected."""

    def __init__(self, found: list[dict[str, str | int]]) -> None:
        super().__init__(409, "Somebody else changed these rows.", conflicts=found)

    def precondition(self) -> Problem:
        """The same for `If-Match` and `If-None-Match` (RFC 9110 §13.1)."""
        return Problem(412, "Somebody else changed this row.", **self.more)


class _Writing:
    """Changes on their way into one account, under its lock."""

    def __init__(
        self,
        tx: Tx,
        account: str,
        changes: Sequence[Change],
        limits: Limits,
        labels: tuple[str | None, str | None] = (None, None),
    ) -> None:
        self.tx = tx
        self.account = account
        self.limits = limits
        self.labels = labels
        self.changes = {change.name.lower(): change for change in changes}
        if len(self.changes) < len(changes):
            raise Problem(400, "One row stands in this batch twice.")
        for change in changes:
            _check(change, limits)
        self.cursor = 0
        self.added = 0
        self.now = 0.0

    def run(self) -> dict[str, int]:
        """The versions by name; 0 for a row to be deleted that was not there."""
        first = self._lock()
        there = self._there()
        self._compare(there)
        self.now = self.tx.now()
        puts: list[Row] = []
        empties: list[Row] = []
        versions: dict[str, int] = {}
        for version, (fold, change) in enumerate(self.changes.items(), first):
            versions[change.name] = version
            sync = of_sync(change.name)
            if not change.deleted:
                puts.append(
                    (self.account, fold, change.name, int(sync), change.encrypted, change.iv,
                     version, *self.labels, self.now, self.now)
                )  # fmt: skip
            elif not there.get(fold, ("", 0))[1]:
                versions[change.name] = 0
            elif sync:
                empties.append((version, self.now, self.account, fold))
            else:
                self._remove(fold)
        self.added = sum(put[1] not in there for put in puts)
        self._write(_PUT, puts)
        self._write(_EMPTY, empties)
        self._count(self.added)
        return versions

    def _lock(self) -> int:
        """The first of the numbers that these changes get."""
        found = self.tx.one(
            "UPDATE accounts SET seq = seq + ? WHERE id = ? RETURNING seq, row_count",
            len(self.changes), self.account,
        )  # fmt: skip
        assert found is not None
        self.cursor, self._rows = found
        return int(self.cursor) - len(self.changes) + 1

    def _there(self) -> dict[str, tuple[str, int]]:
        """The name and version of each row that is there; version 0 for a deleted one."""
        sql = _THERE.format(_marks(self.changes))
        rows = self.tx.all(sql, self.account, *self.changes)
        return {fold: (name, 0 if deleted else version) for fold, name, version, deleted in rows}

    def _compare(self, there: dict[str, tuple[str, int]]) -> None:
        wrong: list[dict[str, str | int]] = []
        for fold, change in self.changes.items():
            name, version = there.get(fold, (change.name, 0))
            if name != change.name:
                raise Problem(409, "A row is there whose name differs in upper and lower case.")
            if change.expect is not UNSET and change.expect != version:
                wrong.append({"name": name, "version": version})
        if wrong:
            raise Conflicting(wrong)

    def _write(self, sql: str, rows: list[Row]) -> None:
        if len(rows) == 1:
            self.tx.run(sql, *rows[0])
        elif rows:
            self.tx.many(sql, rows)

    def _remove(self, fold: str) -> None:
        self.tx.run("DELETE FROM credentials WHERE account = ? AND fold = ?", self.account, fold)
        self._count(-1)

    def _count(self, by: int) -> None:
        if by > 0 and self._rows + by > self.limits.rows:
            raise Problem(413, f"This account has its {self.limits.rows} rows.")
        if by:
            self._rows += by
            self.tx.run(
                "UPDATE accounts SET row_count = row_count + ? WHERE id = ?", by, self.account
            )


def _marks(values: Collection[str]) -> str:
    """As many question marks as there are values; what nothing equals, for none."""
    return ", ".join("?" * len(values)) or "NULL"


def _check(change: Change, limits: Limits) -> None:
    if change.value is not UNSET:
        raise Problem(
            400,
            "This server takes ciphertext alone: send encrypted and iv, and no value. "
            "What was in it was not kept.",
        )
    sealed = change.encrypted is not UNSET and change.iv is not UNSET
    if change.deleted == sealed or (change.deleted and change.encrypted is not UNSET):
        raise Problem(400, "A row has encrypted and iv, or is deleted.")
    if isinstance(change.encrypted, str) and len(change.encrypted) > limits.row:
        raise Problem(413, f"The ciphertext of a row has at most {limits.row} characters.")
