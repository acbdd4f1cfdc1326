"""A store of one record that somebody gave: nothing can be written to it."""

from __future__ import annotations

from arcrun_auth.stores.base import ReadOnly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.tokens import Credential, Key


class Given(ReadOnly):
    """What came from the environment or with a call, for as long as the process lives."""

    name = "environment"

    def __init__(self, record: Credential) -> None:
        self._record = record

    def get(self, key: Key) -> Credential | None:
        return self._record if key == self._record.key else None

    def keys(self) -> Iterator[Key]:
        yield self._record.key
