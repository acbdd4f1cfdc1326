"""`arcrun how-to`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, service_argument

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.report import Why


@click.command(
    "how-to",
    cls=Command,
    short_help="How to use a service, for coding agents: code, limits, state.",
    examples=("arcrun how-to notion", "arcrun how-to google_drive@work"),
)
@service_argument()
def command(name: str) -> int:
    """What an agent has to know before it writes code for SERVICE, as Markdown: a program that
    runs, where its requests may go, what it reads freely, and whether the service is connected.

    No secret stands in it, and no words of a recipe that is not part of arcrun-auth.
    """
    from arcrun_auth.agents.how_to import how_to

    service, _, instance = name.partition("@")
    here = broker(interactive=False)
    entry, recipe = here.recipes.entry(service), here.recipes.recipe(service)
    found = _why(here, service, instance or None)
    ui.put(
        how_to(
            recipe,
            instance or None,
            trusted=entry.trusted,
            status=found.status if found is not None else None,
            identity=found.identity if found is not None else None,
        ).rstrip()
    )
    return 0


def _why(here: Broker, service: str, instance: str | None) -> Why | None:
    """How the connection stands; None where nobody can look now: the vault is locked."""
    try:
        return here.why(service, instance)
    except AuthError:
        return None
