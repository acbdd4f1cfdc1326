"""What every source of recipes is asked by, and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.errors import AuthError
    from arcrun_auth.remote.download import Budget
    from arcrun_auth.remote.lockfile import Held
    from arcrun_auth.settings import Settings


@dataclass(frozen=True)
class Wish:
    """One question to a source: what is there, if it is not what is held already?"""

    settings: Settings
    catalog: Catalog
    held: Held | None
    texts: Mapping[str, str]
    """Those of `held`, as far as they are whole."""
    mark: str
    """What the source gave with them; empty where one is damaged."""
    budget: Budget


@dataclass(frozen=True)
class Fetched:
    """What a source gave: texts by file name, where they come from, and its mark."""

    held: Held
    texts: Mapping[str, str]
    mark: str
    unusable: Mapping[str, str] | None = None
    """What was listed and is no recipe, or stays as it was: its name, and why."""
    error: AuthError | None = None
    """What of it somebody has to decide; the rest was taken."""
