"""`arcrun recipes add AUTHOR/SERVICE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_cli import options, ui
from arcrun_cli.commands.recipes.diff import show_new
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.people import Person


def add(
    name: str,
    recipes: Catalog,
    person: Person,
    *,
    url: str | None,
    yes: bool,
) -> int:
    """Fetch it, show whose it is and where it would send secrets, and keep it if wanted."""
    from arcrun_auth.remote import community, lockfile
    from arcrun_auth.remote.download import Budget
    from arcrun_auth.remote.update import TOLD_SECONDS
    from arcrun_auth.settings import Settings

    settings = Settings()
    with Waiting(f"Fetching {name}"):
        found = community.get(name, settings, Budget(TOLD_SECONDS), url)
    known = community.is_known(found, lockfile.read(recipes.folder).community)
    recipe = community.check(found, recipes)
    ui.tell(f"{name} is signed by {found.author}, at commit {found.commit}.")
    if known:
        ui.tell(f"  the key is the one of before: {found.fingerprint}")
    else:
        ui.tell(f"  a key that is new here: {found.fingerprint}")
        ui.tell(f"  compare it with what {found.author} says it is: from now on it is trusted")
    show_new(recipes, recipe)
    again = f"arcrun recipes add {name} --yes"
    if not yes and not options.agreed(person, "Do you want this recipe?", again):
        return 1
    community.add(found, settings, recipes)
    ui.tell(f"{ui.mark('ok', ui.err)} {name} was added.\n  → arcrun setup {name}")
    return 0
