"""`recipes.lock`: what was fetched, from where, and the hash of each text.

The texts of a source lie in one folder, `.fetched/TIER/SET/`, which is never changed: another
set gets a folder of its own, and then the lock is replaced. Whoever dies in between leaves
the old lock, and with it the old texts. A text that does not have the hash of the lock is
no recipe.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.catalog import LOCK
from arcrun_auth.catalog.fetched import FETCHED, file_of
from arcrun_auth.errors import RecipeError, RefreshBusy
from arcrun_auth.locks import CredentialLock
from arcrun_auth.stores import private
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

FORMAT = 1
TIERS = ("official", "community", "platform")
"""Which tiers are fetched?"""


class Pin(msgspec.Struct, frozen=True, omit_defaults=True):
    """One text: its hash, and for a recipe of the community where and by whom."""

    sha256: str
    source: str = ""
    commit: str = ""
    key: str = ""
    """The fingerprint of the author's key."""


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held of one source."""

    folder: str
    """The name of the folder below `.fetched/TIER`."""
    recipes: dict[str, Pin]
    """By file name."""
    source: str = ""
    version: int = 0
    root: str = ""
    """The SHA-256 of the root that an official set was checked by."""
    authors: dict[str, str] = {}
    """Whose key is which (base64), from the first use on."""


class Lock(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole file."""

    lock: int
    official: Held | None = None
    community: Held | None = None
    platform: Held | None = None

    def of(self, tier: str) -> Held | None:
        """What is held of a tier."""
        found: Held | None = getattr(self, tier)
        return found


def read(folder: str) -> Lock:
    """The lock of `folder` (the home's `recipes`). RecipeError where it is damaged."""
    path = os.path.join(folder, LOCK)
    try:
        with open(path, "rb") as file:
            found = msgspec.json.decode(file.read(), type=Lock)
    except FileNotFoundError:
        return Lock(FORMAT)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise _damaged(path) from None
    if found.lock != FORMAT or any(not _is_sound(found.of(tier)) for tier in TIERS):
        raise _damaged(path)
    return found


def problems(folder: str) -> list[RecipeError]:
    """What the indexes cannot say: a lock that is damaged, and a tier that is gone whole."""
    try:
        lock = read(folder)
    except RecipeError as error:
        return [error]
    return [
        RecipeError(
            f"The {tier} recipes that recipes.lock names are gone.",
            path=os.path.join(folder, FETCHED, tier),
            hint="arcrun recipes update fetches them anew",
        )
        for tier in TIERS
        for held in [lock.of(tier)]
        if held is not None and not os.path.isdir(os.path.join(folder, FETCHED, tier, held.folder))
    ]


def _is_sound(held: Held | None) -> bool:
    """Whether no name in it leads out of its folder."""
    names = () if held is None else (held.folder, *held.recipes)
    return not any(os.path.basename(name) != name or name in ("", ".", "..") for name in names)


def _damaged(path: str) -> RecipeError:
    return RecipeError(
        "This list of what was fetched is damaged, and no fetched recipe is used.",
        path=path,
        hint=f"restore it from a backup; or rm {path}, then arcrun recipes update: each author's "
        "key is asked about anew",
    )


@contextlib.contextmanager
def writing(home: str, wait: float) -> Iterator[None]:
    """For one process at a time. RefreshBusy where another one takes longer than `wait` seconds."""
    lock = CredentialLock(os.path.join(home, "locks"), Key("policy", "recipes"))
    try:
        with lock.acquire(wait):
            yield
    except RefreshBusy:
        raise RefreshBusy(
            "Another process is updating the recipes.", hint="try again in a minute"
        ) from None


def store(folder: str, tier: str, held: Held, texts: Mapping[str, str]) -> None:
    """Keep the texts of a tier, then name them in the lock: from then on they are used.

    `held` says where they come from; its folder is named here, and the hashes are put in. A pin
    of `held` that has a hash and no text stays: what it names can be fetched again.
    """
    name = _name_of(texts)
    place = os.path.join(folder, FETCHED, tier, name)
    _write_all(place, texts)
    pins = {file: pin for file, pin in held.recipes.items() if pin.sha256} | {
        file: msgspec.structs.replace(held.recipes.get(file, Pin("")), sha256=digest(text))
        for file, text in texts.items()
    }
    held = msgspec.structs.replace(held, folder=name, recipes=pins)
    lock = read(folder)
    before = lock.of(tier)
    lock = msgspec.structs.replace(lock, **{tier: held})
    text = msgspec.json.format(msgspec.json.encode(lock, order="deterministic"), indent=1)
    private.write_atomically(os.path.join(folder, LOCK), text + b"\n")
    # Another process may be reading what the lock named until now: that goes the next time.
    _sweep(os.path.dirname(place), {name} if before is None else {name, before.folder})


def texts(folder: str, tier: str, held: Held) -> dict[str, str]:
    """The texts that are held and have their hash."""
    found: dict[str, str] = {}
    for name, pin in held.recipes.items():
        path = file_of(os.path.join(folder, FETCHED, tier, held.folder), name)
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, "rb") as file:
            text = file.read().decode()
            if digest(text) == pin.sha256:
                found[name] = text
    return found


def digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return sha256(text.encode()).hexdigest()


def _name_of(texts: Mapping[str, str]) -> str:
    whole = sha256()
    for name in sorted(texts):
        whole.update(f"{name}\0{digest(texts[name])}\0".encode())
    return whole.hexdigest()[:16]


def _write_all(place: str, texts: Mapping[str, str]) -> None:
    private.ensure_folder(place)
    for name, text in texts.items():
        path = file_of(place, name)
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            if file.read() == text.encode():
                continue
        private.write_atomically(path, text.encode())


def _sweep(place: str, kept: Container[str]) -> None:
    """Remove the folders of sets that are not `kept`."""
    with contextlib.suppress(OSError), os.scandir(place) as found:
        for each in found:
            if each.name not in kept and each.is_dir(follow_symlinks=False) and _is_set(each.name):
                shutil.rmtree(each.path, ignore_errors=True)


def _is_set(name: str) -> bool:
    return len(name) == 16 and not set(name) - set("0123456789abcdef")  # noqa: PLR2004 - of `_name_of`
