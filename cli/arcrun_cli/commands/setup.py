"""`arcrun setup`."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError
from arcrun_auth.settings import OWNERSHIPS
from arcrun_cli import stdin, syncing, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.setup_all import set_up_all
from arcrun_cli.faults import UsageFault, checked_name
from arcrun_cli.options import (
    Way,
    broker,
    catalog,
    full_name,
    no_input_option,
    service_argument,
)
from arcrun_cli.sources import look_after
from arcrun_cli.talk import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.catalog import MethodEntry
    from arcrun_auth.keyfile import State
    from arcrun_auth.login.plan import Ownership, Wish
    from arcrun_auth.people import Person

_SECRET_WORDS = ("token", "key", "secret", "pass", "auth", "cred")


class SetupCommand(Command):
    """Refuses a secret on the command line, and does not repeat it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            option = error.option_name.lower()
            if any(word in option for word in _SECRET_WORDS):
                raise on_command_line(typed, ctx.command_path) from None
            near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
            raise UsageFault(
                f"There is no such option.{near}", f"{ctx.command_path} --help"
            ) from None

    def too_many(self, ctx: click.Context) -> None:
        words = [ctx.params.get("name") or "", *ctx.args]
        if all(map(is_service, words)):
            each = "; ".join(f"{ctx.command_path} {word}" for word in words)
            raise UsageFault(
                "One service is set up at a time.",
                f"{each}; without a name: all that the project's pyproject.toml declares",
            )
        raise on_command_line(words[:1], ctx.command_path)


def is_service(word: str) -> bool:
    """Whether this is a service, or a connection of one, and so no secret."""
    try:
        catalog().entry(word.partition("@")[0])
        checked_name(word, "arcrun setup")
    except (AuthError, UsageFault):
        return False
    return True


def on_command_line(args: Sequence[str], path: str = "arcrun setup") -> UsageFault:
    """A secret stood in argv: every process here could read it, and the shell has kept it."""
    names = catalog().names()
    service = next((word for word in args if word in names), "SERVICE")
    return UsageFault(
        "A secret does not belong on the command line: other programs can read it there, and "
        "your shell keeps it in its history. It was not used.",
        f"{path} {service} asks for it hidden, and --stdin reads it from a pipe. "
        "Take this line out of your shell's history, and replace the secret if others use "
        "this machine.",
    )


@click.command(
    cls=SetupCommand,
    short_help="Connect a service: ask for the key or log in, test it, save it.",
    examples=(
        "arcrun setup notion",
        "arcrun setup google_drive@work --scopes readonly",
        "pass show notion | arcrun setup notion --stdin",
        "arcrun setup                 all that this project declares",
    ),
)
@service_argument(required=False)
@click.option(
    "--method", type=Way(), metavar="METHOD", help="The way in; arcrun show SERVICE lists them."
)
@click.option(
    "--scopes",
    "scopes",
    multiple=True,
    metavar="SCOPES",
    help="Scopes or sets of the recipe, separated by commas; +SCOPE adds to those of before.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the address needs: a subdomain, a region. Never a secret.",
)
@click.option(
    "--stdin",
    "from_stdin",
    is_flag=True,
    help="Read the secret from standard input; several as JSON or KEY=VALUE lines.",
)
@click.option(
    "--ownership",
    type=click.Choice(OWNERSHIPS),
    help="Whose OAuth app to use: your own, a shared one, or your server's (managed) alone.",
)
@click.option(
    "--client-file",
    metavar="FILE",
    help="Your own OAuth app: the client file that the provider lets you download.",
)
@click.option(
    "--service-account",
    "key_file",
    metavar="FILE",
    help="The key of a service account: the file that the provider lets you download.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    metavar="PORT",
    help="The port of this machine that the browser comes back to.",
)
@click.option(
    "--no-browser",
    "login",
    flag_value="no_browser",
    help="Log in, but open no browser here: show the address.",
)
@click.option(
    "--device",
    "login",
    flag_value="device",
    help="Log in by a code that you enter on another device.",
)
@click.option(
    "--paste",
    "login",
    flag_value="paste",
    help="Log in elsewhere, and paste the address that the browser ends on.",
)
@click.option(
    "--expires",
    metavar="DATE",
    help="When the key ends (for a login, the secret of your app): you are warned in time.",
)
@click.option("--force", is_flag=True, help="Replace what is connected without asking.")
@no_input_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    method: str | None,
    scopes: tuple[str, ...],
    params: tuple[str, ...],
    *,
    from_stdin: bool,
    ownership: Ownership | None,
    client_file: str | None,
    key_file: str | None,
    port: int | None,
    login: Wish | None,
    expires: str | None,
    force: bool,
    no_input: bool,
) -> int:
    """Connect SERVICE: ask for its key, or log in with the browser; test it; save it.

    The key is asked for without showing it. INSTANCE is a name of your own for a second
    account: notion@work. Without SERVICE: what the project's pyproject.toml declares, and is
    not connected yet.
    """
    _check_date(expires)
    here = broker(interactive=False if no_input else None)
    if name is None:
        return set_up_all(
            here, ctx, lambda each, wanted: connect(here, each, scopes=wanted, force=True)
        )
    return connect(
        here,
        name,
        method=method,
        scopes=[scope for text in scopes for scope in re.split(r"[,\s]+", text) if scope],
        params=dict(map(_pair, params)),
        from_stdin=from_stdin,
        ownership=ownership,
        client_file=client_file,
        key_file=key_file,
        port=port,
        login=login,
        expires=expires,
        force=force,
    )


def connect(
    here: Broker,
    name: str,
    *,
    method: str | None = None,
    scopes: Sequence[str] = (),
    params: Mapping[str, str] | None = None,
    from_stdin: bool = False,
    ownership: Ownership | None = None,
    client_file: str | None = None,
    key_file: str | None = None,
    port: int | None = None,
    login: Wish | None = None,
    expires: str | None = None,
    force: bool = False,
) -> int:
    """One connection, as the options say. The exit code."""
    look_after(here.settings, here.recipes, here.person, name.partition("@")[0])
    entry = here.recipes.entry(name.partition("@")[0])
    way = _way(here, name, method)
    if (login or ownership) and way.primitive != "oauth2":
        raise UsageFault(
            f"{name} is set up without a login: there is no way to choose for it.",
            f"arcrun setup {name}",
        )
    secrets = _read_stdin(entry.service, way) if from_stdin else {}
    before = None if key_file is None else _state_of(key_file)
    if not force and not scopes and not may_replace(here, name):
        ui.tell("It was left as it is.")
        return 1
    person = here.person
    assert isinstance(person, Terminal)
    with person.working("Working"):
        here.setup(
            name,
            method=method,
            scopes=list(scopes) or None,
            params=params or None,
            port=port,
            login=login,
            ownership=ownership,
            client_file=client_file,
            key_file=key_file,
            replace=True,
            expires=expires,
            **secrets,
        )
    syncing.afterwards(here)
    others = _others(entry.methods, here.why(name).method)
    if others and not method and not key_file and person.reach:
        ui.tell(f"There are other ways in: arcrun setup {name} --method {' or '.join(others)}")
    if key_file is not None:
        offer_to_delete(key_file, person, before)
    ui.tell(f"  → arcrun snippet {name} prints code that uses it")
    return 0


def _others(ways: Sequence[MethodEntry], chosen: str) -> list[str]:
    """The other ways in of a person; what a machine logs in by is of no use to one."""
    machines = {way.id for way in ways if way.source == "grant" and way.unattended}
    return [way.id for way in ways if way.id != chosen and way.id not in machines]


def _state_of(path: str) -> State | None:
    from arcrun_auth.keyfile import state

    return state(path)


def offer_to_delete(path: str, person: Person, before: State | None) -> None:
    """The vault has it now: what lies about in clear is a second chance to lose it. `before` is
    what the file was before it was read: another one is not ours to delete."""
    from arcrun_auth.keyfile import holds_key, state

    place = os.path.expanduser(path)
    if not holds_key(path):
        return
    if os.path.islink(place):
        ui.tell(f"{path} is a link: what it leads to still holds the key in clear.")
        return
    if person.reach != "terminal" or not person.confirm(f"The vault has it. Delete {path}?"):
        ui.tell(f"{path} still holds it in clear.")
        return
    if state(path) != before:
        ui.tell(f"{path} has changed meanwhile, and is left as it is.")
        return
    try:
        os.unlink(place)
    except OSError as error:
        ui.tell(f"{path} could not be deleted: {error.strerror}.")
    else:
        ui.tell(f"{path} is deleted. Copies of it, in a backup or in Downloads, are not.")


def _way(here: Broker, name: str, method: str | None) -> MethodEntry:
    entry = here.recipes.entry(name.partition("@")[0])
    return entry.method(method or here.why(name).method)


def may_replace(here: Broker, name: str) -> bool:
    """What works is replaced only if the person wants that."""
    why = here.why(name)
    stored = [origin for origin in why.origins if origin.store in ("vault", "keyring")]
    if not stored or why.status not in ("connected", "untested", "expired"):
        return True
    name = full_name(here, why.service, why.instance)
    whose = f" as {why.identity}" if why.identity else ""
    if here.person.reach is None:
        raise UsageFault(
            f"{name} is connected{whose} already.", f"arcrun setup {name} --force replaces it"
        )
    return here.person.confirm(f"{name} is connected{whose}. Replace it?")


def _read_stdin(service: str, way: MethodEntry) -> dict[str, Any]:
    if not way.secrets:
        raise UsageFault(
            f"{service} is set up by logging in: there is no secret to read.",
            f"arcrun setup {service}; --client-file takes your own OAuth app",
        )
    return stdin.read_secrets([key for key, _, _ in way.secrets], service)


def _check_date(text: str | None) -> None:
    from arcrun_auth.moments import epoch_of

    if text is not None and (epoch_of(text) or 0) <= time.time():
        raise UsageFault(
            "--expires takes a date that is still to come.",
            "arcrun setup SERVICE --expires YYYY-MM-DD",
        )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageFault("--param takes NAME=VALUE.", "arcrun setup SERVICE --param region=eu")
    return name, value
