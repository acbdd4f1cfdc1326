"""The files of a repository: one flat folder, where nothing is changed but the timestamp."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, T

from arcrun_auth.errors import AuthError, RefreshBusy, StoreError
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK = ".lock"


class Site:
    """The folder that is given out. Its files are written at once or not at all."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """For one process at a time. RefreshBusy at once where another one signs here.

        AuthError where there is no such folder.
        """
        from filelock import FileLock, Timeout

        if not os.path.isdir(self.folder):
            raise no_root(self.folder)
        path = os.path.join(self.folder, LOCK)
        if os.path.islink(path):  # opening it would empty what it points to
            raise StoreError(f"{path} is a symbolic link; it was not followed.", hint=f"rm {path}")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RefreshBusy(
                f"Another process is signing in {self.folder}.", hint="try again when it has ended"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def latest(self, kind: type[T]) -> Metadata[T] | None:
        """The newest file of a role; None where there is none. StoreError for a damaged one.

        Nobody has looked at its signatures: `Trust` does.
        """
        role = kind.type
        if role == "timestamp":
            return self.metadata(kind, "timestamp.json")
        versions = self._versions(role)
        return self.metadata(kind, f"{versions[-1]}.{role}.json") if versions else None

    def metadata(self, kind: type[T], name: str) -> Metadata[T] | None:
        """The file of that name; None where there is none. StoreError for a damaged one."""
        path = os.path.join(self.folder, name)
        try:
            found = Metadata[T].from_bytes(self.read(name))
        except FileNotFoundError:
            return None
        except RepositoryError:
            found = None
        if found is None or not isinstance(found.signed, kind) or self.name_of(found) != name:
            raise StoreError(
                f"{path} is damaged.", hint=f"restore it from where it is published, or rm {path}"
            )
        return found

    @staticmethod
    def name_of(metadata: Metadata[T]) -> str:
        """What the file of a role and version is called."""
        role = metadata.signed.type
        return f"{role}.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"

    def read(self, name: str) -> bytes:
        """A file as it is."""
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def write(self, name: str, data: bytes) -> str:
        """Keep a file, readable by everybody; gives its path."""
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, name)
        private.write_atomically(path, data, mode=private.FOR_ALL)
        return path

    def _versions(self, role: str) -> Sequence[int]:
        end = f".{role}.json"
        names = os.listdir(self.folder)
        numbers = [name.removesuffix(end) for name in names if name.endswith(end)]
        # As we write them: another spelling of a number would hide the file that has it.
        return sorted(int(n) for n in numbers if n.isdecimal() and n == str(int(n)))


def no_root(folder: str) -> AuthError:
    """The error for a folder that `init` has not made."""
    return AuthError(
        f"{folder} is no repository: it has no root.",
        hint=f"arcrun recipes publish {folder} --keys FOLDER --init",
    )
