"""The contract of every place that keeps credentials."""

from __future__ import annotations

from abc import ABC, abstractmethod

from arcrun_auth.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from arcrun_auth.tokens import Credential, Key


class Store(ABC):
    """A place for credentials, with compare-and-swap on the record's generation.

    Safe to use from several threads; what persists is safe to use from several
    processes. The contract is a suite that every store passes:
    `arcrun_auth.testing.StoreContract`.
    """

    name: str = "store"
    """How `arcrun why` and `arcrun list` call it."""

    writable: bool = True

    @property
    def description(self) -> str:
        """The name, and what keeps it shut where that is known: `keyring-protected vault`."""
        return self.name

    def why_not(self) -> str | None:
        """None if it can serve now, else the reason in words. Never raises, never prompts."""
        return None

    def prepare(self) -> None:  # noqa: B027 - most are ready as they are
        """Make sure that `put` can work, before somebody logs in or types what is to be kept.

        May ask for a new passphrase. Raises NoStore, StoreLocked or StoreError where it cannot.
        """

    @abstractmethod
    def get(self, key: Key) -> Credential | None:
        """The record, or None where there is none.

        Raises StoreLocked (its key is not at hand), StoreCorrupt (this record is damaged;
        it was set aside), StoreError (the place itself failed).
        """

    @abstractmethod
    def put(self, record: Credential, *, expect: int) -> Credential:
        """Write `record` if the stored generation is `expect` (0: there must be none).

        Gives back what is stored now, at generation `expect + 1`, with `updated` (and at
        first `created`) set. It is durable when this returns. Raises StoreConflict and
        changes nothing where the stored generation differs.
        """

    def put_all(self, records: Sequence[Credential]) -> list[Credential]:
        """Writes several, each over the generation that it has. Raises what `put` raises.

        Where one of them is in conflict, those before it may have been written.
        """
        return [self.put(record, expect=record.generation) for record in records]

    @abstractmethod
    def delete(self, key: Key, *, expect: int) -> None:
        """Remove the record if its generation is `expect`; else StoreConflict."""

    @abstractmethod
    def keys(self) -> Iterator[Key]:
        """The keys of all records that can be read, in no particular order."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of files and keys in memory. Using it again opens it again."""


class ReadOnly(Store):
    """A store that cannot be written: the environment, mounted secrets, an exported file."""

    writable = False

    def _refuse(self) -> NoReturn:
        raise StoreError(f"The {self.name} store is read-only.")

    def prepare(self) -> None:
        self._refuse()

    def put(self, record: Credential, *, expect: int) -> Credential:
        del record, expect
        self._refuse()

    def delete(self, key: Key, *, expect: int) -> None:
        del key, expect
        self._refuse()
