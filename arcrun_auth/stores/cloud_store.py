"""A CI vault as a store: fetched from a platform once per process, opened here, never written.

Nothing of it is kept on disk. What came stays in memory until `close`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.forks import Mutex
from arcrun_auth.protocol.ci_vault import opened, row_name
from arcrun_auth.protocol.keys import Sealed
from arcrun_auth.stores.base import ReadOnly
from arcrun_auth.stores.keys import parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arcrun_auth.tokens import Credential, Key

    Fetch = Callable[[str], tuple[str, str] | None]
    """Gives ciphertext and iv of a row, both in base64; None where there is none."""

VARIABLE = "ARCRUN_ENCRYPTION_KEY"
"""Which variable holds the key of a CI vault?"""


class CloudStore(ReadOnly):
    """The records of a CI vault, whose key is in the environment; `fetch` gets its row.

    Raises StoreLocked where there is no key or no row for it, StoreCorrupt for a row that the key
    does not open, and whatever `fetch` raises.
    """

    name = "cloud"

    def __init__(self, environ: Mapping[str, str], fetch: Fetch) -> None:
        self._environ = environ
        self._fetch = fetch
        self._mutex = Mutex()
        self._records: dict[Key, Credential] | None = None

    def get(self, key: Key) -> Credential | None:
        return self._held().get(key)

    def keys(self) -> Iterator[Key]:
        return iter(list(self._held()))

    def why_not(self) -> str | None:
        try:
            self._key()
        except StoreError as error:
            return error.message
        return None

    def close(self) -> None:
        with self._mutex:
            self._records = None

    def _held(self) -> dict[Key, Credential]:
        with self._mutex:
            if self._records is None:
                self._records = self._fetched()
            return self._records

    def _fetched(self) -> dict[Key, Credential]:
        key = self._key()
        row = self._fetch(row_name(key))
        if row is None:
            raise StoreLocked(
                f"The platform has no CI vault that {VARIABLE} opens.",
                hint="arcrun ci list, where it was made, says what there is",
            )
        try:
            return opened(key, Sealed.of(*row))
        except ValueError:
            raise StoreCorrupt(
                "The CI vault that the platform gave is damaged, or of a newer version.",
                hint="arcrun ci update, where it was made; pip install -U arcrun-auth here",
            ) from None

    def _key(self) -> bytes:
        text = self._environ.get(VARIABLE, "")
        if not text:
            raise StoreLocked(
                "The store is `cloud`, and there is no key of a CI vault.",
                hint=f"give the job {VARIABLE}: arcrun ci create prints it",
            )
        return parse_key(text, VARIABLE)
