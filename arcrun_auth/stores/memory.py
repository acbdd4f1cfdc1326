"""The store that forgets: for tests, notebooks and `bind(..., secret=...)`."""

from __future__ import annotations

import time

from arcrun_auth.errors import StoreConflict
from arcrun_auth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcrun_auth.tokens import Credential, Key


def conflict(key: Key, *, expected: int, found: int) -> StoreConflict:
    """The error of every compare-and-swap that did not find what it was told."""
    return StoreConflict(
        f"Somebody else changed {key} meanwhile: it is at generation {found}, not {expected}.",
        service=key.account,
        hint="read it again, then decide; the newer one was kept",
    )


def stamped(record: Credential, *, expect: int, now: float) -> Credential:
    """`record` as it is written: one generation on, with its times."""
    created = record.created if expect and record.created else now
    return record.replace(generation=expect + 1, created=created, updated=now)


class Memory(Store):
    """Keeps credentials in this process, never on disk. Safe from several threads.

    >>> from arcrun_auth.tokens import Credential, Key
    >>> store = Memory()
    >>> store.put(Credential(Key("credential", "notion")), expect=0).generation
    1
    """

    name = "memory"

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        from threading import Lock

        self._records: dict[Key, Credential] = {}
        self._lock = Lock()
        self._clock = clock

    def get(self, key: Key) -> Credential | None:
        return self._records.get(key)

    def put(self, record: Credential, *, expect: int) -> Credential:
        with self._lock:
            self._check(record.key, expect)
            stored = stamped(record, expect=expect, now=self._clock())
            self._records[record.key] = stored
            return stored

    def delete(self, key: Key, *, expect: int) -> None:
        with self._lock:
            self._check(key, expect)
            self._records.pop(key, None)

    def keys(self) -> Iterator[Key]:
        with self._lock:
            return iter(list(self._records))

    def _check(self, key: Key, expect: int) -> None:
        held = self._records.get(key)
        found = held.generation if held else 0
        if found != expect:
            raise conflict(key, expected=expect, found=found)
