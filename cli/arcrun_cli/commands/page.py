"""`arcrun ui`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import NoStore, PolicyRefused
from arcrun_cli import agents, syncing, ui
from arcrun_cli.app import Command
from arcrun_cli.options import terminal

if TYPE_CHECKING:
    from arcrun_auth.agents.ui.server import Page
    from arcrun_auth.broker import Broker

BY_A_PERSON = "Ask your human to run, in a terminal of their own: arcrun ui"


@click.command(
    cls=Command,
    short_help="All of it on one page of this machine, in your browser.",
    examples=(
        "arcrun ui",
        "arcrun ui --no-browser       prints the link instead",
    ),
)
@click.option("--no-browser", is_flag=True, help="Open no browser: print the link.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT",
              help="The port to listen at, if not any that is free.")  # fmt: skip
def command(*, no_browser: bool, port: int | None) -> int:
    """Show what is connected, who uses it and what agents may do, on a page of this machine.

    There services are connected, tested and disconnected, and requests of agents allowed or
    refused. It never shows a secret. The link works once, in one browser; the page ends with
    Ctrl-C, its button, or ten minutes after it was last used.
    """
    from arcrun_auth.agents.ui.server import Page

    marker = agents.marker()
    if marker is not None and no_browser:
        raise _not_shown(marker)
    here = _broker(marker)
    with suppress(NoStore):
        here.list_services()  # a passphrase is asked for here, and not while a page waits
    with Page(here, port=port) as page:
        _lead(page, marker, no_browser=no_browser)
        page.run()
    ui.tell("The page is closed.")
    if here.changes:
        syncing.afterwards(here)
    return 0


def _broker(marker: str | None) -> Broker:
    """The user's broker. What is clicked on the page is clicked by a person, whoever has started
    it: so for this one nothing says that an agent is at work."""
    from arcrun_auth.broker import Broker

    if marker is None:
        return Broker(person=terminal())
    environ = {name: text for name, text in os.environ.items() if name not in agents.MARKERS}
    return Broker(person=terminal(), environ=environ)


def _lead(page: Page, marker: str | None, *, no_browser: bool) -> None:
    """Brings the person to the page. An agent never gets the link: whoever has it may approve."""
    from arcrun_auth.browser import NotOpened, open_url
    from arcrun_auth.surroundings import look

    if no_browser:
        ui.put(page.url)
        ui.out().flush()
    else:
        # An agent chooses what `BROWSER` is in its shell: that could as well keep the link.
        kept = {name: text for name, text in os.environ.items() if not marker or name != "BROWSER"}
        opened = open_url(page.url, environ=kept)
        if not isinstance(opened, NotOpened):
            ui.tell("The page is open in your browser. Ctrl-C ends it.")
            return
        if marker is not None:
            raise _not_shown(marker)
        ui.tell(f"No browser was opened here ({opened.reason}). Open this link yourself:")
        ui.tell(page.url)
    here = look()
    tunnel = here.ssh_hint(page.port) if here.elsewhere else None
    if tunnel is not None:
        ui.tell(f"If your browser is on another machine, run this there first:\n  {tunnel}")


def _not_shown(marker: str) -> PolicyRefused:
    return PolicyRefused(
        f"The link of the page is not shown to an agent ({marker} is set).",
        rule="agent-ui",
        hint=BY_A_PERSON,
    )
