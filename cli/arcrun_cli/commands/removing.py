"""`arcrun remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, UnknownService, printable
from arcrun_auth.removal import orphan
from arcrun_cli import failures, syncing, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.testing import connected
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import agreed, broker, full_name, no_input_option, service_argument
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.removal import Removed
    from arcrun_auth.report import Why


@click.command(
    cls=Command,
    short_help="Forget a connection; --revoke ends it at the provider, too.",
    examples=(
        "arcrun remove notion",
        "arcrun remove google_drive@work --revoke    and end the login at the provider",
        "arcrun remove --all --revoke --yes          everything",
    ),
)
@service_argument(required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is connected.")
@click.option("--revoke", is_flag=True, help="Tell the provider to end the login, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def command(name: str | None, *, everything: bool, revoke: bool, yes: bool, no_input: bool) -> int:
    """Forget the credential of SERVICE on this machine.

    Without --revoke the provider is not told: what it gave stays valid there until you end
    it. With it, what is here goes all the same where the provider cannot be reached.
    """
    if everything == bool(name):
        raise UsageFault("Name a connection, or --all.", "arcrun list")
    here = broker(interactive=False if no_input else None)
    if name is None:
        return _all(here, revoke=revoke, yes=yes)
    return _one(here, name, revoke=revoke, yes=yes)


def _one(here: Broker, name: str, *, revoke: bool, yes: bool) -> int:
    try:
        why = here.why(name)
    except UnknownService:
        if orphan(here.store, here.recipes, name) is None:
            raise
        return _without_recipe(here, name, yes=yes)
    if why.status == "not connected":
        ui.tell(f"{name} is not connected: there is nothing to remove.")
        return 0
    name = full_name(here, why.service, why.instance)
    whose = f" ({why.identity})" if why.identity else ""
    too = f", and with it {', '.join(why.shared_with)}" if why.shared_with else ""
    if not yes and not agreed(
        here.person, f"Forget {name}{whose}{too}?", f"arcrun remove {name} --yes"
    ):
        return 1
    with Waiting(f"Ending {name}"):
        removed = here.remove(name, revoke=revoke)
    if not removed:
        raise AuthError(
            f"{name} comes from the environment: there is nothing stored to remove.",
            hint=f"arcrun why {name} says from which variable or file",
        )
    syncing.afterwards(here)
    return _tell(here, removed, why, revoke=revoke)


def _without_recipe(here: Broker, name: str, *, yes: bool) -> int:
    question = f"Forget {name}, whose recipe is gone?"
    if not yes and not agreed(here.person, question, f"arcrun remove {name} --yes"):
        return 1
    return _tell(here, here.remove(name), None, revoke=False)


def _all(here: Broker, *, revoke: bool, yes: bool) -> int:
    known = {name: here.why(name) for name in connected(here)}
    question = f"Forget all connections ({', '.join(known)})?"
    if not yes and not agreed(here.person, question, "arcrun remove --all --yes"):
        return 1
    with Waiting("Ending all connections"):
        gone = here.remove_all(revoke=revoke)
    if not gone:
        ui.tell("Nothing is connected: there is nothing to remove.")
    syncing.afterwards(here)
    codes = [_tell(here, each, known.get(each.name), revoke=revoke) for each in gone]
    return failures.worst(codes)


def _tell(here: Broker, removed: Removed, why: Why | None, *, revoke: bool) -> int:
    """What was forgotten, what the provider knows of it, and what is left to do by hand."""
    name = removed.name
    others = [service for service in removed.services if service != name.partition("@")[0]]
    ui.tell(
        f"{ui.mark('ok', ui.err)} {name} is forgotten here"
        + (f", and with it {', '.join(others)}." if others else ".")
    )
    title, page = _by_hand(here, why) if why is not None else ("its provider", "")
    if removed.told:
        ui.tell(f"{ui.mark('ok', ui.err)} {title} has ended the login.")
        return 0
    if removed.error is not None:
        reason = printable(removed.error.message)
        ui.tell(f"{ui.mark('warn', ui.err)} {title} was not told: {reason}")
    ui.tell(
        f"It may still work at {title}: end it there as well" + (f", at {page}" if page else ".")
    )
    if not revoke and why is not None and why.can_revoke:
        ui.tell(f"  → next time: arcrun remove {name} --revoke tells the provider, too")
    return failures.exit_code(removed.error) if removed.error is not None else 0


def _by_hand(here: Broker, why: Why) -> tuple[str, str]:
    """What the provider is called, and the page where an access is ended."""
    recipe = here.recipes.recipe(why.service)
    way = recipe.way(why.method)
    pages = [secret.help_url for secret in way.required_secrets]
    page = next(filter(None, (way.setup_url, *pages, way.app_register_url)), "")
    return recipe.display_name or recipe.service, page
