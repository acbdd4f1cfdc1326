"""How it went with each source: when it was asked, and what became of it. A cache, no more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.catalog.fetched import FETCHED
from arcrun_auth.errors import printable
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times are seconds since the epoch, 0 for never."""

    checked: float = 0.0
    """When it last answered as it should."""
    tried: float = 0.0
    failed: str = ""
    """Why it did not, the last time; empty if it did."""
    mark: str = ""
    """By which it can tell that nothing has changed: an ETag, or a hash."""
    source: str = ""
    """Where that mark came from: to another place it says nothing."""
    missed: dict[str, float] = {}
    """When it did not know a service that somebody asked for."""

    def answered(self, now: float, mark: str, source: str) -> State:
        """After an answer."""
        return State(checked=now, tried=now, mark=mark, source=source, missed=self.missed)

    def unmarked(self) -> State:
        """After what is held has become another than what the mark was given with."""
        return msgspec.structs.replace(self, mark="")

    def refused(self, now: float, why: str) -> State:
        """After a failure: what was fetched before stays as it is."""
        return msgspec.structs.replace(self, tried=now, failed=printable(why))

    def missing(self, names: Mapping[str, float]) -> State:
        """With other services that were not known."""
        return msgspec.structs.replace(self, missed=dict(names))


def read(folder: str, tier: str) -> State:
    """The state of a tier; a fresh one where none can be read."""
    try:
        with open(_path(folder, tier), "rb") as file:
            return msgspec.json.decode(file.read(), type=State)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return State()


def write(folder: str, tier: str, state: State) -> None:
    """Keep the state of a tier."""
    path = _path(folder, tier)
    private.ensure_folder(os.path.dirname(path))
    private.write_atomically(path, msgspec.json.encode(state))


def _path(folder: str, tier: str) -> str:
    return os.path.join(folder, FETCHED, tier, "state.json")
