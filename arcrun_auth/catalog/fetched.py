"""The indexes of what was fetched, one for each tier. Loaded only where there is a lock.

An index belongs to one state of `recipes.lock`, which it knows by size, time and number of
the file: as long as that is the same, the texts themselves are not looked at.
"""

from __future__ import annotations

import os

from arcrun_auth.catalog import LOCK
from arcrun_auth.catalog.index import current, fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.catalog.index import Index, Stat
    from arcrun_auth.remote.lockfile import Held
    from arcrun_auth.settings import Settings

FETCHED = ".fetched"
DEVICES = ("aux", "con", "nul", "prn")
NUMBERED_DEVICES = ("com", "lpt")
"""Which names are never those of a file on Windows, whatever their ending?"""
TRIES = 3
"""How often is an index built whose lock is replaced meanwhile?"""


def stamp(folder: str) -> str:
    """What tells one state of the lock in `folder` from another; empty where there is none."""
    try:
        found = os.stat(os.path.join(folder, LOCK))
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"


def file_of(place: str, name: str) -> str:
    """Where the text that the lock calls `name` lies in the folder `place` of its set.

    >>> file_of("set", "nul.yaml").replace(os.sep, "/")
    'set/the-nul.yaml'
    """
    stem = name.partition(".")[0]
    is_device = stem in DEVICES or (stem[:3] in NUMBERED_DEVICES and stem[3:].isdecimal())
    return os.path.join(place, f"the-{name}" if is_device else name)


def open_official(folder: str, settings: Settings, bundled: str) -> Index | None:
    """The official set that the lock in `folder` names, while `settings` name a source of one
    and the root that it was checked by; None otherwise.

    Who can set a variable once could else put a set of his own in the package's place for good.
    """
    if not settings.get("recipes_url"):
        return None
    return open_tier(folder, "official", None, root=root_path(settings, bundled))


def root_path(settings: Settings, bundled: str) -> str:
    """Where the root lies that an official set is checked by: the setting's, or the package's."""
    given = settings.get("recipes_root")
    if given:
        return os.path.join(settings.home, os.path.expanduser(str(given)))
    return os.path.join(bundled, "root.json")


def open_tier(
    folder: str, tier: str, above: Index | None, over: str = "", *, root: str = ""
) -> Index | None:
    """The recipes of a tier that the lock in `folder` names; None where it names none.

    `above` is the index whose bases they may extend, `over` names its state, `root` the file
    by which the tier is checked, if it is.
    """
    place = os.path.join(folder, FETCHED, tier)
    if not root and not os.path.isdir(place):  # of most tiers nothing was ever fetched
        return None
    made_by = fingerprint(tier, "", over)
    tries = TRIES
    while True:
        tries -= 1
        now = _state(folder, root)
        found = _current(place, made_by, now) or _build(place, made_by, now, above, root)
        if not tries or _state(folder, root) == now:
            break
        if found is not None:
            found.close()
    if found is None or found.meta("held"):
        return found
    found.close()
    return None


def _current(place: str, made_by: str, now: str) -> Index | None:
    path = os.path.join(place, "index.db")
    return current(path, made_by, lambda index: index.meta("lock") == now)


def _build(place: str, made_by: str, now: str, above: Index | None, root: str) -> Index | None:
    """The index of `place` anew; None where what is held was checked by another root."""
    tier, folder = os.path.basename(place), os.path.dirname(os.path.dirname(place))
    held = _held(folder, tier)
    if root and held is not None and held.root != digest(root):
        return None
    from arcrun_auth.catalog.build import build

    meta, pinned = _told(place, held)
    release = f"recipes {meta['version']}" if meta["version"] else ""
    return build(
        os.path.join(place, "index.db"), {file: _stat(file) for file in pinned}, tier=tier,
        release=release, made_by=made_by, above=above, meta={**meta, "lock": now}, sums=pinned,
    )  # fmt: skip


def _held(folder: str, tier: str) -> Held | None:
    from arcrun_auth.errors import RecipeError
    from arcrun_auth.remote import lockfile

    try:
        return lockfile.read(folder).of(tier)
    except RecipeError:  # said among the problems of the catalogue
        return None


def _told(place: str, held: Held | None) -> tuple[dict[str, str], dict[str, str]]:
    """What the index says of itself, and the SHA-256 of each file that the lock names."""
    if held is None:
        return {"held": "", "version": ""}, {}
    meta = {"held": "yes", "version": str(held.version or "")}
    place = os.path.join(place, held.folder)
    if not os.path.isdir(place):  # one problem, which `lockfile.problems` tells
        return {**meta, "problems": "1"}, {}
    return meta, {file_of(place, name): pin.sha256 for name, pin in held.recipes.items()}


def _state(folder: str, root: str) -> str:
    """What an index of a tier belongs to: the lock, and the root if it has one."""
    now = stamp(folder)
    return f"{now} {':'.join(map(str, _stat(root)))}" if root else now


def digest(path: str) -> str:
    """The SHA-256 of a file in hex; of none where it cannot be read, which is no root's."""
    from hashlib import sha256

    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return "none"


def _stat(path: str) -> Stat:
    try:
        found = os.stat(path)
    except OSError:  # the builder says so of the file
        return path, -1, -1
    return path, found.st_size, found.st_mtime_ns
