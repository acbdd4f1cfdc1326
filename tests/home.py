"""A home with one recipe, and a broker in it: for services that need no login page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from tests.world import Told

if TYPE_CHECKING:
    from pathlib import Path


def broker_with(folder: Path, text: str, *origins: str, **settings) -> Broker:
    """A broker whose local recipe is `text` (of the service `thing`), allowed at `origins`."""
    recipes = folder / "home" / "recipes"
    recipes.mkdir(parents=True, exist_ok=True, mode=0o700)
    recipes.parent.chmod(0o700)
    (recipes / "thing.yaml").write_text(text)
    settings.setdefault("store", Memory())
    settings.setdefault("person", Told())
    return Broker(home=str(recipes.parent), allow_hosts=list(origins), **settings)
