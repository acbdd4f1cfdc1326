"""`arcrun keepalive`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_cli import daily, failures, ui
from arcrun_cli.app import Command
from arcrun_cli.commands import listing
from arcrun_cli.options import broker, json_option, no_input_option

if TYPE_CHECKING:
    from arcrun_auth.keepalive import Kept

WORDS = {
    "renewed": "renewed",
    "fine": "not due yet",
    "left": "nothing to renew",
}
"""What became of a connection, for eyes."""


@click.command(
    cls=Command,
    short_help="Renew the logins that would end because nobody uses them.",
    examples=(
        "arcrun keepalive",
        "arcrun keepalive --install systemd    prints a timer that does it once a day",
        "arcrun keepalive --install cron       or a line for crontab -e",
        "arcrun keepalive --install launchd    or an agent for macOS",
    ),
)
@json_option
@click.option(
    "--install",
    type=click.Choice(daily.KINDS),
    help="Print a daily job and how to install it; change nothing.",
)
@no_input_option
def command(*, as_json: bool, install: str | None, no_input: bool) -> int:
    """Renew every login that would end unused, one after the other; warn of what ends soon.

    Keys are left alone, and what was renewed lately too. One that fails stops no other:
    the exit code is that of the worst failure, 4 where a login has ended.
    """
    here = broker(interactive=False if no_input else None)
    if install is not None:
        daily.show(install, here)
        return 0
    results = here.keepalive()
    if as_json:
        ui.put_json({"results": [_as_data(kept) for kept in results]})
    elif not results:
        ui.tell("Nothing is connected yet.\n  → arcrun setup SERVICE")
    else:
        width = max(len(kept.name) for kept in results)
        for kept in results:
            _show(kept, width)
    return failures.worst(failures.exit_code(kept.error) for kept in results if kept.error)


def _show(kept: Kept, width: int) -> None:
    name = f"{kept.name:<{width}}"
    if kept.error is None:
        ui.put(f"{ui.mark('ok', word='ok')}    {name}  {WORDS[kept.outcome]}")
    else:
        ui.put_failed(name, kept.error.message, failures.hint_of(kept.error))
    listing.warn(kept.name, kept.warnings)


def _as_data(kept: Kept) -> dict[str, Any]:
    error = kept.error
    return {
        "name": kept.name,
        "services": kept.services,
        "outcome": kept.outcome,
        "error": type(error).__name__ if error is not None else None,
        "message": error.message if error is not None else None,
        "hint": failures.hint_of(error) if error is not None else None,
        "warnings": kept.warnings,
    }
