"""`arcrun logout`."""

from __future__ import annotations

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import failures, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.login import called
from arcrun_cli.options import broker
from arcrun_cli.talk import Waiting


@click.command(
    cls=Command,
    short_help="End this device's login there.",
    examples=("arcrun logout",),
)
def command() -> int:
    """End this device's key at the platform, and forget the login here.

    What is connected here stays, and so do your rows at the platform.
    """
    from arcrun_auth.sync import account, logging_in

    here = broker()
    with Waiting("Asking the platform"):
        before, problem = logging_in.log_out(here.store, here.settings)
    if before is None:
        if here.settings.environ.get(account.VARIABLE):
            raise AuthError(
                f"This login comes from {account.VARIABLE}: there is nothing stored to forget.",
                hint=f"unset {account.VARIABLE}",
            )
        ui.tell("Nobody is logged in to a platform here.")
        return 0
    ui.tell(f"{ui.mark('ok', ui.err)} {called(before)} is logged out of {before.server} here.")
    if problem is None:
        return 0
    ui.tell(
        f"{ui.mark('warn', ui.err)} The platform was not told: {printable(problem.message)} "
        "The key of this device stays valid there."
    )
    ui.tell("  → end it from another device, or make a new login here and log out again")
    return failures.exit_code(problem)
