"""`arcrun ui`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import NoStore
from arcrun_cli import agents, syncing, ui
from arcrun_cli.app import Command
from arcrun_cli.options import terminal

if TYPE_CHECKING:
    from arcrun_auth.agents.ui.server import Page
    from arcrun_auth.broker import Broker


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

    if no_browser:
        _only_to_people()
    here = _broker()
    with suppress(NoStore):
        here.list_services()  # a passphrase is asked for here, and not while a page waits
    with Page(here, port=port) as page:
        _lead(page, no_browser=no_browser)
        page.run()
    ui.tell("The page is closed.")
    if here.changes:
        syncing.afterwards(here)
    return 0


def _broker() -> Broker:
    """The user's broker. What is clicked on the page is clicked by a person, whoever has started
    it: so for this one nothing says that an agent is at work."""
    from arcrun_auth.broker import Broker

    environ = {name: text for name, text in os.environ.items() if name not in agents.MARKERS}
    return Broker(person=terminal(), environ=environ)


def _lead(page: Page, *, no_browser: bool) -> None:
    """Brings the person to the page."""
    from arcrun_auth.surroundings import look

    if no_browser:
        ui.put(page.url)
        ui.out().flush()
    else:
        reason = _opened(page.url)
        if not reason:
            ui.tell("The page is open in your browser. Ctrl-C ends it.")
            return
        _only_to_people()
        ui.tell(f"No browser was opened here ({reason}). Open this link yourself:")
        ui.tell(page.url)
    here = look()
    tunnel = here.ssh_hint(page.port) if here.elsewhere else None
    if tunnel is not None:
        ui.tell(f"If your browser is on another machine, run this there first:\n  {tunnel}")


def _opened(url: str) -> str:
    """Shows it in a browser; why it could not, or nothing."""
    from arcrun_auth.browser import NotOpened, open_url

    environ = dict(os.environ)
    if agents.marker() is not None:
        # An agent chooses what `BROWSER` is in its shell: that could as well keep the link.
        environ.pop("BROWSER", None)
    opened = open_url(url, environ=environ)
    return opened.reason if isinstance(opened, NotOpened) else ""


def _only_to_people() -> None:
    """PolicyRefused under an agent's marker: whoever has the link may allow what was asked for."""
    agents.refuse("agent-ui", "The link of the page", "arcrun ui")
