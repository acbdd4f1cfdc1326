"""The files of a repository: one flat folder, where nothing is changed but the timestamp."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, T

from arcrun_auth.errors import StoreError
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Sequence


class Site:
    """The folder that is given out. Its files are written at once or not at all."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def latest(self, kind: type[T]) -> Metadata[T] | None:
        """The newest file of a role; None where there is none. StoreError for a damaged one."""
        role = kind.type
        if role == "timestamp":
            name = "timestamp.json"
            found = os.path.exists(os.path.join(self.folder, name))
        else:
            versions = self._versions(role)
            found = bool(versions)
            name = f"{versions[-1]}.{role}.json" if versions else ""
        if not found:
            return None
        try:
            return Metadata[T].from_bytes(self.read(name))
        except RepositoryError:
            path = os.path.join(self.folder, name)
            raise StoreError(
                f"{path} is damaged.", hint="restore it from where it is published"
            ) from None

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
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        numbers = [name.removesuffix(end) for name in names if name.endswith(end)]
        return sorted(int(number) for number in numbers if number.isdecimal())
