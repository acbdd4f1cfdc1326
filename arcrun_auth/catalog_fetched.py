"""The indexes of what was fetched, one for each tier. Loaded only where there is a lock.

An index belongs to one state of `recipes.lock`, which it knows by size, time and number of
the file: as long as that is the same, the texts themselves are not looked at.
"""

from __future__ import annotations

import os

from arcrun_auth import catalog_index
from arcrun_auth.catalog import LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.catalog_index import Index, Stat

FETCHED = ".fetched"


def stamp(folder: str) -> str:
    """What tells one state of the lock in `folder` from another; empty where there is none."""
    try:
        found = os.stat(os.path.join(folder, LOCK))
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"


def open_tier(folder: str, tier: str, above: Index | None, over: str = "") -> Index | None:
    """The recipes of a tier that the lock in `folder` names; None where it names none.

    `above` is the index whose bases they may extend, `over` names its state.
    """
    place = os.path.join(folder, FETCHED, tier)
    if not os.path.isdir(place):  # of most tiers nothing was ever fetched
        return None
    path, now = os.path.join(place, "index.db"), stamp(folder)
    made_by = catalog_index.fingerprint(tier, "", over)
    found = catalog_index.current(path, made_by, lambda index: index.meta("lock") == now)
    if found is None:
        meta, pinned = _held(folder, tier)
        release = f"recipes {meta['version']}" if meta["version"] else ""
        from arcrun_auth.catalog_build import build

        found = build(
            path, {file: _stat(file) for file in pinned}, tier=tier, release=release,
            made_by=made_by, above=above, meta={**meta, "lock": now}, sums=pinned,
        )  # fmt: skip
    if found.meta("held"):
        return found
    found.close()
    return None


def _held(folder: str, tier: str) -> tuple[dict[str, str], dict[str, str]]:
    """What the index says of itself, and the SHA-256 of each file that the lock names."""
    from arcrun_auth.errors import RecipeError
    from arcrun_auth.remote import lockfile

    try:
        held = lockfile.read(folder).of(tier)
    except RecipeError:  # said among the problems of the catalogue
        held = None
    if held is None:
        return {"held": "", "version": ""}, {}
    place = os.path.join(folder, FETCHED, tier, held.folder)
    pinned = {os.path.join(place, name): pin.sha256 for name, pin in held.recipes.items()}
    return {"held": "yes", "version": str(held.version or "")}, pinned


def _stat(path: str) -> Stat:
    try:
        found = os.stat(path)
    except OSError:  # the builder says so of the file
        return path, -1, -1
    return path, found.st_size, found.st_mtime_ns
