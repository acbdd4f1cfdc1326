"""What may be believed of the folder that is given out: what a kept root vouches for.

That folder lies where others may be able to write. The newest root we have used is kept with
the keys; a later one counts where the one before it and it itself have signed it (The Update
Framework, §5.3), and of all other files those that such a root's keys have signed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, T, Targets, Timestamp

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.publishing.site import no_root
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from arcrun_auth.publishing.site import Site


class Trust:
    """The chain of roots from the kept one at `path` to the newest, `root`.

    AuthError where there is none, or where a file of the site is not signed as it must be.
    """

    def __init__(self, site: Site, path: str) -> None:
        self._site = site
        self._path = path
        self._kept = self._newest = self._load()
        while (found := site.metadata(Root, _name(self.root.version + 1))) is not None:
            if not (verifies(self.root, found) and verifies(found.signed, found)):
                raise self._planted(found)
            self._newest = found

    @property
    def root(self) -> Root:
        """The newest root."""
        return self._newest.signed

    def published(self, kind: type[T]) -> Metadata[T] | None:
        """The newest file of a role; None where there is none.

        Where somebody died in the middle of a rotation, it is the kept root's keys still.
        """
        found = self._site.latest(kind)
        roots = (self.root, self._kept.signed)
        if found is None or any(verifies(root, found) for root in roots):
            return found
        raise self._planted(found)

    def check(self) -> None:
        """AuthError where a newest file of any role is not to be built upon."""
        self.published(Targets)
        self.published(Snapshot)
        self.published(Timestamp)

    def keep(self, newer: Metadata[Root] | None = None) -> None:
        """From now on nothing older counts. Called last, when all is signed by its keys."""
        root = newer or self._newest
        if root.signed.version > self._kept.signed.version:
            private.write_atomically(self._path, root.to_bytes())

    def _load(self) -> Metadata[Root]:
        try:
            with open(self._path, "rb") as file:
                kept = Metadata[Root].from_bytes(file.read())
        except FileNotFoundError:
            raise self._unknown() from None
        except RepositoryError:
            raise StoreError(
                f"{self._path} is damaged.", hint="restore it: it is the root that you trust"
            ) from None
        name = _name(kept.signed.version)
        if self._site.metadata(Root, name) != kept:
            place = os.path.join(self._site.folder, name)
            raise AuthError(
                f"{place} is not the root that is kept with the keys: it was replaced or taken "
                "away, or the keys are those of another repository.",
                hint=f"name the right folder with --keys, or: cp {self._path} {place}",
            )
        return kept

    def _unknown(self) -> AuthError:
        folder, first = self._site.folder, os.path.join(self._site.folder, _name(1))
        if not os.path.exists(first):
            return no_root(folder)
        return AuthError(
            f"There is no {self._path}: whoever can write to {folder} could name keys there.",
            hint=f"take the root that your clients have, not one of {folder}: "
            f"cp 1.root.json {self._path}",
        )

    def _planted(self, found: Metadata[T]) -> AuthError:
        path = os.path.join(self._site.folder, self._site.name_of(found))
        return AuthError(
            f"{path} is not signed by the keys of {found.signed.type}: it was damaged, or "
            "somebody put it there.",
            hint=f"find out who; then rm {path}, or restore it from where it is published",
        )


def verifies(root: Root, metadata: Metadata[T]) -> bool:
    """Whether enough keys of its role, as `root` names them, have signed it."""
    try:
        root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return False
    return True


def _name(version: int) -> str:
    return f"{version}.root.json"
