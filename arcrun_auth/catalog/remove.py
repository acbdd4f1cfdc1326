"""Taking a recipe that somebody added out of the catalogue again. Credentials are left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.errors import AuthError, RecipeError

if TYPE_CHECKING:
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.settings import Settings


class Own(NamedTuple):
    """A recipe that is the user's to remove."""

    service: str
    tier: str
    """`local` or `community`."""
    path: str
    used: bool
    """Whether it is what its name stands for: not if it is not valid, or under another one."""


def find(catalog: Catalog, name: str) -> Own:
    """The recipe of that name, or alias, which was added here; one that is not valid counts.

    Raises UnknownService, and AuthError for one that came from elsewhere.
    """
    from arcrun_auth.catalog import LOCK
    from arcrun_auth.remote import lockfile
    from arcrun_auth.remote.community import file_of

    held = lockfile.read(catalog.folder).community
    if held is not None and file_of(name) in held.recipes:
        used = name in catalog.names()
        return Own(name, "community", os.path.join(catalog.folder, LOCK), used)
    refused = _refused(catalog, name)
    if refused is not None:
        return Own(name, "local", refused, used=False)
    entry = catalog.entry(name)
    if entry.tier == "local" and os.path.dirname(entry.path) == catalog.folder:
        return Own(entry.service, "local", entry.path, used=True)
    raise AuthError(
        f"{entry.service} is a {entry.tier} recipe, and was not added here: it stays.",
        service=entry.service,
        hint=f"arcrun remove {entry.service} forgets its credentials; its recipe: {entry.path}",
    )


def _refused(catalog: Catalog, name: str) -> str | None:
    """The file of the user's own that describes `name`, and that is not used."""
    paths = (fault.path or "" for fault in catalog.problems if fault.service == name)
    return next((path for path in paths if os.path.dirname(path) == catalog.folder), None)


def remove(catalog: Catalog, settings: Settings, own: Own) -> None:
    """Removes what `find` gave. The key of a community's author stays the trusted one.

    Raises RecipeError where the file cannot be deleted, RefreshBusy during an update.
    """
    if own.tier == "community":
        from arcrun_auth.remote import community

        community.remove(own.service, settings, catalog)
        return
    try:
        os.unlink(own.path)
    except OSError as error:
        raise RecipeError(
            f"This file cannot be deleted: {error.strerror}.", service=own.service, path=own.path
        ) from None
    catalog.reindex()
