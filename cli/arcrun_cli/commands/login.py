"""`arcrun login`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from arcrun_cli import stdin, ui
from arcrun_cli.commands.setup import SetupCommand
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, no_input_option
from arcrun_cli.talk import Terminal, Waiting

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.settings import Settings
    from arcrun_auth.sync.account import Account


@click.command(
    cls=SetupCommand,
    short_help="Log in to a platform: your own server, or somebody else's.",
    examples=(
        "arcrun login --server https://sync.example.com",
        "arcrun login --device                       by a code that you type elsewhere",
        "arcrun login --key-stdin < key              with an API key that you have",
        "arcrun login --oidc ci_0123456789abcdef     in a CI job, by its identity token",
    ),
)
@click.option("--server", metavar="URL", help="The platform; the setting `server` if not given.")
@click.option("--port", type=click.IntRange(1024, 65535), metavar="PORT",
              help="The port of this machine that the browser comes back to.")  # fmt: skip
@click.option("--no-browser", "wish", flag_value="no_browser",
              help="Open no browser here: show the address.")  # fmt: skip
@click.option("--device", "wish", flag_value="device",
              help="By a code that you enter on another device.")  # fmt: skip
@click.option("--key-stdin", is_flag=True, help="Read an API key from standard input.")
@click.option("--oidc", "vault", metavar="VAULT",
              help="In a CI job: by its identity token, for one CI vault.")  # fmt: skip
@no_input_option
def command(
    *,
    server: str | None,
    port: int | None,
    wish: Wish | None,
    key_stdin: bool,
    vault: str | None,
    no_input: bool,
) -> int:
    """Log in to a platform. This device gets a key of its own there, kept as all secrets are.

    A second login takes the first one's place, whose key is ended. What a platform can see is
    ciphertext; the keys that open it never leave your devices.
    """
    from arcrun_auth.sync import logging_in

    if sum(map(bool, (wish, key_stdin, vault))) > 1:
        raise UsageFault("These are several ways to log in: take one.", "arcrun login --help")
    here = broker(interactive=False if no_input else None)
    store, settings, there = here.store, here.settings, _server(server, here.settings)
    if key_stdin:
        from arcrun_auth.platform_api import api_key

        given = stdin.parse(
            stdin.read("arcrun login asks in the browser"), ["key"], "--key-stdin", "arcrun login"
        )
        with Waiting("Asking the platform"):
            who = logging_in.by_key(store, settings, there, api_key(given["key"]))
    elif vault:
        with Waiting("Asking the platform"):
            who = logging_in.by_job(store, settings, there, vault, clock=time.time)
    else:
        who = _by_person(here, there, wish, port)
    ui.tell(f"{ui.mark('ok', ui.err)} Logged in to {who.server} as {called(who)}.")
    if str(settings.get("server") or "").rstrip("/") != who.server and server:
        ui.tell(f'  → its recipes and shared apps, too: server = "{who.server}" in config.toml')
    return 0


def _by_person(here: Broker, server: str, wish: Wish | None, port: int | None) -> Account:
    from functools import partial

    from arcrun_auth.browser import open_url
    from arcrun_auth.surroundings import look
    from arcrun_auth.sync import logging_in

    person, environ = here.person, here.settings.environ
    assert isinstance(person, Terminal)
    with person.working("Waiting for the browser"):
        return logging_in.by_person(
            here.store, here.settings, server, person,
            open_url=partial(open_url, environ=environ), here=look(environ), clock=time.time,
            wish=wish, port=port,
        )  # fmt: skip


def _server(named: str | None, settings: Settings) -> str:
    found = str(named or settings.get("server") or "").rstrip("/")
    if not found:
        raise UsageFault(
            "No platform is named.", "arcrun login --server URL; arcrun serve runs one of your own"
        )
    return found


def called(who: Account) -> str:
    """An account, as a person knows it."""
    from arcrun_auth.errors import printable

    return printable(who.email or who.account or "the account of the key", 120)
