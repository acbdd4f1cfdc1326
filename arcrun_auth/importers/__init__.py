"""What is there already: keys and logins that other programs keep, found, taken in, cleared away.

    >>> from arcrun_auth.importers import NAMES
    >>> NAMES
    ('gh', 'gcloud', 'token', 'rclone', 'aws', 'env', 'netrc', 'keyring')

Finding reads files and changes nothing. `Taking` makes a connection of what was found, by the
public verbs of the broker; `originals` takes the plain text away.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.importers import (
    aws,
    dotenv,
    gh,
    google,
    keyring_items,
    netrc,
    rclone,
)
from arcrun_auth.importers.model import Found, Unreadable, Where, read_file
from arcrun_auth.importers.services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.importers.model import Importer
    from arcrun_auth.stores.keyring_backend import OSKeyring

__all__ = ["NAMES", "Found", "Services", "Where", "find", "find_in"]

FILES: tuple[Importer, ...] = (
    gh.IMPORTER,
    google.GCLOUD_IMPORTER,
    google.TOKEN_IMPORTER,
    rclone.IMPORTER,
    aws.IMPORTER,
    dotenv.IMPORTER,
    netrc.IMPORTER,
)
NAMES = (*(importer.name for importer in FILES), keyring_items.NAME)

_GUESSED = tuple(FILES[i] for i in (1, 2, 0, 3, 4, 6, 5))
"""In which order is a file of unknown kind tried? The pickiest first."""


def find(
    where: Where,
    services: Services,
    sources: Sequence[str] = NAMES,
    *,
    keyring: OSKeyring | None = None,
) -> list[Found]:
    """All that lies in the usual places of these sources. Changes nothing, sends nothing.

    `keyring` is asked only where it is among the sources; None leaves it alone.
    """
    found: list[Found] = []
    for importer in FILES:
        if importer.name in sources:
            paths = {os.path.normpath(path): None for path in importer.places(where)}
            for path in paths:
                found += _in_place(importer, path, services, where)
    if keyring is not None and keyring_items.NAME in sources:
        found += keyring_items.find(where, services, keyring)
    return _once(found)


def find_in(path: str, where: Where, services: Services, source: str = "") -> list[Found]:
    """All that lies in one file, whose kind is told by its content if `source` is empty.

    AuthError for a file that is not there, or of no kind that we know.
    """
    path = os.path.abspath(os.path.expanduser(path))
    shown = printable(path, 200)
    try:
        file = read_file(path)
    except Unreadable as error:
        raise AuthError(f"{shown}: {error}.", hint=f"ls -l {shown}") from None
    if file is None:
        raise AuthError(f"There is no file {shown}.", hint="arcrun import --file PATH")
    for importer in _GUESSED:
        if importer.name == source or (not source and importer.fits(file)):
            return _once(list(importer.read(file, services, where)))
    raise AuthError(
        f"{shown} is nothing that can be taken in.",
        hint="name what it is: arcrun import SOURCE --file PATH; SOURCE is one of "
        + ", ".join(importer.name for importer in FILES),
    )


def _in_place(importer: Importer, path: str, services: Services, where: Where) -> Iterator[Found]:
    try:
        file = read_file(path)
    except Unreadable as error:
        yield importer.unread(path, str(error))
        return
    if file is not None:
        yield from importer.read(file, services, where)


def _once(found: list[Found]) -> list[Found]:
    """Each thing once: two places may lead to one file."""
    kept: dict[tuple[str, str, str, str], Found] = {}
    for each in found:
        path = os.path.realpath(each.path) if each.path else ""
        kept.setdefault((path, each.at, each.service, each.source), each)
    return list(kept.values())
