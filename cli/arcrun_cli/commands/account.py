"""`arcrun account`: the account at the platform itself."""

from __future__ import annotations

import click

from arcrun_cli import ui
from arcrun_cli.app import Command, Group
from arcrun_cli.commands.login import called
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker
from arcrun_cli.talk import Waiting


@click.group(
    cls=Group,
    short_help="The account itself: a new key, or its end.",
    examples=(
        "arcrun account rotate-key    this device gets a new key; all stays as it is",
        "arcrun account delete        the account with all its rows",
    ),
)
def command() -> None:
    """The account at the platform that this device is logged in to."""


@command.command(
    "rotate-key",
    cls=Command,
    short_help="Replace this device's key; what is stored stays.",
    examples=("arcrun account rotate-key",),
)
def rotate_key() -> int:
    """Replace the key of this device by a new one. The old one ends; nothing else changes."""
    from arcrun_auth.sync import logging_in

    here = broker()
    with Waiting("Asking the platform"):
        who = logging_in.rotate(here.store, here.settings)
    ui.tell(f"{ui.mark('ok', ui.err)} {called(who)} has a new key here; the old one has ended.")
    return 0


@command.command(
    "delete",
    cls=Command,
    short_help="Delete the account with all its rows.",
    examples=("arcrun account delete",),
)
def delete() -> int:
    """Delete the account at the platform, with all its rows and keys, of all devices.

    What is connected on your devices stays there. The name of the account has to be typed.
    """
    from arcrun_auth.sync import account, logging_in

    here = broker()
    who = account.required(here.store, here.settings)
    name = who.email or who.account
    if here.person.reach != "terminal":
        raise UsageFault(
            "An account is deleted by somebody at a terminal, who types its name.",
            "arcrun account delete, at a terminal",
        )
    ui.tell(f"This deletes {called(who)} at {who.server} with all its rows. There is no way back.")
    typed = here.person.ask(f"Type {name} to go on")
    if (typed or "").strip() != name:
        ui.tell("It was left as it is.")
        return 1
    with Waiting("Deleting the account"):
        logging_in.delete_account(here.store, here.settings)
    ui.tell(f"{ui.mark('ok', ui.err)} {called(who)} is deleted at {who.server}.")
    return 0
