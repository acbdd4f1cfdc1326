"""`arcrun recipes remove`: a recipe that was added goes, and the credentials stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, StoreError, printable
from arcrun_auth.tokens import DEFAULT_INSTANCE
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import agreed, broker, full_name, no_input_option, service_argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arcrun_auth.broker import Broker


@click.command(
    "remove",
    cls=Command,
    short_help="Take a recipe that was added out again.",
    examples=(
        "arcrun recipes remove my_api",
        "arcrun recipes remove acme/shop --yes    one of the community",
    ),
)
@service_argument(label="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def command(name: str, *, yes: bool, no_input: bool) -> int:
    """Take a recipe that `recipes add` took over, or that lies in your home, out again.

    What is connected by it is told, and its credentials stay: arcrun remove forgets them.
    """
    from arcrun_auth.catalog import remove

    here = broker(interactive=False if no_input else None)
    own = remove.find(here.recipes, name)
    ui.tell(f"{own.service} is described by {printable(own.path, len(own.path) + 1)}.")
    account = here.recipes.entry(own.service).account if own.used else own.service
    held = _instances(here, account)
    if held and own.used:
        _tell_connections(here, own.service, held)
    question = f"Remove the {own.tier} recipe of {own.service}?"
    if not yes and not agreed(here.person, question, f"arcrun recipes remove {name} --yes"):
        return 1
    remove.remove(here.recipes, here.settings, own)
    ui.tell(f"{ui.mark('ok', ui.err)} The {own.tier} recipe of {own.service} was removed.")
    _tell_what_is_left(here, own.service, account, held)
    return 0


def _instances(here: Broker, account: str) -> list[str]:
    """What is kept under an account; nothing where nobody can look now."""
    try:
        keys = sorted(here.store.keys())
    except StoreError as error:
        ui.tell(f"What is connected by it cannot be told. {printable(error.message)}")
        return []
    return [key.instance for key in keys if (key.kind, key.account) == ("credential", account)]


def _tell_connections(here: Broker, service: str, held: Sequence[str]) -> None:
    names = [full_name(here, service, instance) for instance in held]
    ui.tell(f"It is connected: {', '.join(names)}.")
    logins = [name for name in names if _can_be_told(here, name)]
    if logins:
        ui.tell("To end the login at its provider as well, first:")
        _commands(f"{name} --revoke" for name in logins)


def _can_be_told(here: Broker, name: str) -> bool:
    try:
        return here.why(name).can_revoke
    except AuthError:  # a damaged record, or of a way in that there is no more
        return False


def _tell_what_is_left(here: Broker, service: str, account: str, held: Sequence[str]) -> None:
    """What the name stands for now, and how the credentials are forgotten, which stay."""
    users = [entry.service for entry in here.recipes.entries() if entry.account == account]
    if service in users:
        ui.tell(f"It is described by another recipe: arcrun show {service}")
    if held:
        others = [name for name in users if name != service]
        used = f", and {', '.join(others)} can use them" if others else ""
        ui.tell(f"Its credentials stay{used}. To forget them as well:")
        name = service if service in users else (users or [account])[0]
        _commands(name if each == DEFAULT_INSTANCE else f"{name}@{each}" for each in held)


def _commands(names: Iterable[str]) -> None:
    for name in names:
        ui.tell(f"  → arcrun remove {name}")
