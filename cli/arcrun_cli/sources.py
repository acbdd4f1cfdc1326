"""What commands that somebody looks at do for the sources of recipes, before their own work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, UnknownService
from arcrun_auth.remote import SETTING
from arcrun_cli import ui

if TYPE_CHECKING:
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.people import Person
    from arcrun_auth.remote.update import Updates
    from arcrun_auth.settings import Settings


def updates(settings: Settings, recipes: Catalog) -> Updates:
    """The sources of these settings, as of now."""
    from arcrun_auth.remote.update import Updates

    return Updates(settings, recipes, now=time.time())


def look_after(
    settings: Settings, recipes: Catalog, person: Person, service: str | None = None
) -> None:
    """Fetch what is older than a week, and look for a `service` that nobody knows.

    Where no source is named, or nobody is reachable, nothing is even loaded. It never fails:
    what was fetched before is there, and `arcrun doctor` says what is wrong.
    """
    if person.reach is None or not any(settings.get(name) for name in SETTING.values()):
        return
    try:
        found = updates(settings, recipes)
        if any(result.changed for result in found.run_if_due(person)):
            ui.tell("The recipes were brought up to date.")
        if service is not None and not _knows(recipes, service):
            found.look_for(service, person)
    except AuthError:
        return


def _knows(recipes: Catalog, service: str) -> bool:
    try:
        recipes.entry(service)
    except UnknownService:
        return False
    return True
