"""`arcrun recipes`: the table of its commands."""

from __future__ import annotations

import click

from arcrun_cli.app import Group
from arcrun_cli.commands import show
from arcrun_cli.commands.recipes import (
    add,
    diff,
    lint,
    listing,
    new,
    publish,
    push,
    remove,
    test,
    update,
)


@click.group(
    cls=Group,
    short_help="The recipes: list, show, make, check, share, update.",
    examples=("arcrun recipes list", "arcrun recipes new --from openapi.yaml"),
)
def command() -> None:
    """Recipes say what a service is: its address, its ways in, its hosts."""


command.add_command(listing.command)
command.add_command(show.command, "show")
command.add_command(update.command)
command.add_command(publish.publish)
command.add_command(publish.sign)
command.add_command(new.command)
command.add_command(test.command)
command.add_command(push.command)
command.add_command(lint.command)
command.add_command(add.command)
command.add_command(remove.command)
command.add_command(diff.command)
