"""The rows of an account on a platform, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import cloud as clouds
from arcrun_auth.protocol.keys import Sealed
from arcrun_auth.sync.wire import Conflict, Page, Row, Wire, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.cloud_answers import Row as Answered
    from arcrun_auth.sync.wire import Write


class CloudWire(Wire):
    """What sync asks of a platform. The client is its owner's to close."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rows_since(self, cursor: int) -> Page:
        page = self._cloud.rows_since(cursor)
        return Page([_row(row) for row in page.rows], page.cursor, page.more)

    def row(self, name: str) -> Row | None:
        found = self._cloud.row(name)
        return None if found is None else _row(found)

    def write(self, batch: Sequence[Write]) -> Written:
        try:
            done = self._cloud.put_rows([_change(write) for write in batch])
        except clouds.Conflict:
            raise Conflict from None
        return Written(done.cursor, done.versions)


def _row(row: Answered) -> Row:
    if row.deleted:
        return Row(row.name, row.version, None)
    try:
        sealed = Sealed.of(row.encrypted, row.iv)
    except ValueError:  # no base64: it opens as little as any other bytes that nobody sealed
        sealed = Sealed(b"", b"")
    return Row(row.name, row.version, sealed)


def _change(write: Write) -> clouds.Change:
    content = (None, None) if write.sealed is None else write.sealed.wire
    return clouds.Change(write.name, *content, expect=write.expect)
