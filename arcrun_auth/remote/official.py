"""The official set: fetched and checked by The Update Framework's own client.

It refuses what is signed by others or by too few, what is older than what was seen before
(rollback), what is out of date (freeze), and files of different states (mix and match). All
it downloads comes through our own client: https, the system's certificates, small, in time.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from tuf.api import exceptions as tuf
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from arcrun_auth.catalog.fetched import FETCHED, root_path
from arcrun_auth.errors import AuthError, ProviderUnavailable, RecipeError, StoreError, printable
from arcrun_auth.remote import bundle
from arcrun_auth.remote.download import base, download, host_of
from arcrun_auth.remote.lockfile import Held
from arcrun_auth.remote.source import Fetched
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuf.api.metadata import TargetFile

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.remote.download import Budget
    from arcrun_auth.remote.source import Wish
    from arcrun_auth.settings import Settings

MAX_METADATA = 1 << 19
"""How long may one file of signatures be, in bytes?"""
MAX_ROTATIONS = 32
"""How many roots in a row may we have missed?"""
_OK = 200

_MEANINGS: dict[type[Exception], str] = {
    tuf.ExpiredMetadataError: "It is out of date: a mirror that has stopped, or somebody who "
    "holds newer ones back",
    tuf.BadVersionNumberError: "It is older than what was seen before, or its parts do not "
    "belong together",
    tuf.UnsignedMetadataError: "It is not signed by enough of the keys that are trusted",
    tuf.LengthOrHashMismatchError: "A file is not the one that was signed",
}


def fetch(wish: Wish) -> Fetched | None:
    """The set at `recipes_url`, or None where it is the one that is held.

    Raises RecipeError for a set that is not signed as it should be, ProviderUnavailable for
    one that does not come, AuthError where there is no root to check it by.
    """
    url = base("recipes_url", wish.settings.get("recipes_url"))
    root = trusted_root(wish.settings, wish.catalog)
    checked_by = sha256(root).hexdigest()
    place = os.path.join(wish.catalog.folder, FETCHED, "official", "tuf")
    private.ensure_folder(place)
    fetcher = _Fetcher(wish.budget, wish.settings.allow_hosts)
    try:
        updater = Updater(
            place, url, target_base_url=url, fetcher=fetcher, config=_config(), bootstrap=root
        )
        updater.refresh()
        found = updater.get_targetinfo(bundle.NAME)
        if found is None or found.length > bundle.MAX_BUNDLE:
            raise _refused(url, "It names no set of recipes of a size that can be.")
        mark = str(found.hashes.get("sha256", ""))
        if mark and mark == wish.mark and wish.held is not None and wish.held.root == checked_by:
            return None
        data = _download(updater, found, place)
    except tuf.RepositoryError as error:
        raise _refused(url, _meaning(error)) from None
    except tuf.DownloadError as error:
        raise _undelivered(url, error) from None
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror}.") from None
    return _taken(wish, Held("", {}, source=url, root=checked_by), data, mark)


def _download(updater: Updater, target: TargetFile, place: str) -> bytes:
    """What was signed, and nothing else: the framework compares its length and its hash."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = updater.download_target(target, os.path.join(folder, "set"))
        with open(path, "rb") as file:
            return file.read()


def _taken(wish: Wish, place: Held, data: bytes, mark: str) -> Fetched:
    found, before = bundle.unpack(data), wish.held
    if before is not None and before.source == place.source and found.version < before.version:
        raise _refused(
            place.source, f"It has version {found.version}, and {before.version} was there before."
        )
    return Fetched(msgspec.structs.replace(place, version=found.version), found.recipes, mark)


def trusted_root(settings: Settings, catalog: Catalog) -> bytes:
    """The root that a set is checked by. AuthError where there is none."""
    path = root_path(settings, catalog.bundled_folder)
    try:
        with open(path, "rb") as file:
            return file.read(MAX_METADATA)
    except FileNotFoundError:
        if settings.get("recipes_root"):
            raise AuthError(
                f"The root {path} is not there.", hint="mend the setting recipes_root"
            ) from None
        raise AuthError(
            "This package brings no root key for an official set of recipes: no set could be "
            "told from a forged one. Nothing was fetched.",
            hint="for a set of your own name its root.json in ARCRUN_RECIPES_ROOT",
        ) from None
    except OSError as error:
        raise AuthError(f"{path} cannot be read: {error.strerror}.") from None


def _config() -> UpdaterConfig:
    return UpdaterConfig(
        max_root_rotations=MAX_ROTATIONS, max_delegations=0, root_max_length=MAX_METADATA,
        snapshot_max_length=MAX_METADATA, targets_max_length=MAX_METADATA,
    )  # fmt: skip


class _Fetcher(FetcherInterface):
    """The client's downloads, through ours."""

    def __init__(self, budget: Budget, allow: Sequence[str]) -> None:
        self._budget = budget
        self._allow = allow

    def _fetch(self, url: str) -> Iterator[bytes]:
        answer = download(url, self._budget, allow=self._allow)
        if answer.status != _OK:
            raise tuf.DownloadHTTPError(f"status {answer.status}", answer.status)
        return iter((answer.body,))


def _meaning(error: tuf.RepositoryError) -> str:
    """What a refusal of the framework means to somebody who does not know it."""
    said = printable(str(error), 160)
    meaning = next((text for kind, text in _MEANINGS.items() if isinstance(error, kind)), None)
    return f"{meaning or 'It is not a set that can be checked'} ({said})."


def _refused(url: str, why: str) -> RecipeError:
    return RecipeError(
        f"The official recipes at {host_of(url)} were refused. {why} What was there before "
        "stays in use.",
        hint="try again later; if it stays so, tell whoever runs that place",
    )


def _undelivered(url: str, error: tuf.DownloadError) -> AuthError:
    if isinstance(error.__cause__, AuthError):
        return error.__cause__
    if isinstance(error, tuf.DownloadLengthMismatchError):
        return _refused(url, "A file is longer than it may be.")
    status = error.status_code if isinstance(error, tuf.DownloadHTTPError) else None
    why = f"status {status}" if status is not None else printable(str(error), 160)
    return ProviderUnavailable(
        f"{host_of(url)} did not give the official recipes ({why}).",
        status=status,
        hint="check the setting recipes_url, or try again later",
    )
