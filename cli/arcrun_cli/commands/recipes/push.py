"""`arcrun recipes push`."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import MissingSecret, RecipeError, printable
from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import agreed, catalog, no_input_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.people import Person
    from arcrun_auth.platform_api import Platform
    from arcrun_auth.tokens import Secret

KEY = "ARCRUN_API_KEY"


@click.command(
    "push",
    cls=Command,
    short_help="Publish a recipe on a platform, and check what arrived.",
    examples=(
        "arcrun recipes push orders.yaml --server https://arcrun.example.com",
        "arcrun recipes push orders   to the platform that the setting `server` names",
    ),
)
@click.argument("what", metavar="FILE|NAME")
@click.option("--server", metavar="URL", help="The platform; the setting `server` if not given.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def command(what: str, *, server: str | None, yes: bool, no_input: bool) -> int:
    """Publish a recipe on a platform: shows what leaves this machine, and asks.

    With --yes nobody is asked, if the platform is the one of the setting `server`: your API key
    is for that one. Afterwards it is read back, and what was lost on the way is listed: exit
    code 1. The API key comes from ARCRUN_API_KEY, or from `arcrun login`, or is asked for.
    """
    from arcrun_auth.sharing import lost

    person = options.terminal(interactive=False if no_input else None)
    recipes = catalog()
    path = _file(recipes, what)
    data = _checked(recipes, path)
    there = _platform(server)
    service = str(data["service"])
    again = f"ARCRUN_SERVER={there.url} arcrun recipes push {what} --yes"
    _show(there, data)
    question = f"Publish {service} on {there.host}, which gets your API key?"
    if not (yes and _is_ours(there)) and not agreed(person, question, again):
        return 1
    with Waiting(f"Asking {there.host}"):
        before = there.recipe(service)
    if before is not None:
        differences = lost(data, before)
        if not differences:
            return _compared(there, service, data, before)
        ui.tell(f"{service} is there already, and is replaced. It differs:")
        for line in differences:
            ui.tell(f"  {printable(line)}")
        if not yes and not agreed(person, "Replace it?", again):
            return 1
    key = _logged_in(there) or _api_key(person, service)
    with Waiting(f"Publishing {service}"):
        there.publish(data, key)
        after = there.recipe(service)
    return _compared(there, service, data, after)


def _file(recipes: Catalog, what: str) -> str:
    """The file that is meant: one that is there, or the one of a service."""
    from arcrun_cli.commands.recipes.diff import is_file
    from arcrun_cli.faults import checked_name

    if is_file(what):
        return what
    return recipes.entry(checked_name(what, "arcrun recipes push")).path


def _checked(recipes: Catalog, path: str) -> dict[str, Any]:
    """What is posted of it. RecipeError where the linter or the platform would refuse it."""
    from arcrun_auth import sharing
    from arcrun_auth.lint import errors
    from arcrun_auth.recipe import reader
    from arcrun_cli.commands.recipes import lint

    bad = errors(lint.findings(recipes, [path]))
    for finding in bad:
        lint.show_finding(finding)
    if bad:
        raise RecipeError(
            f"This recipe has {ui.count(len(bad), 'error')}. Nothing was sent.", path=path,
            hint=f"arcrun recipes lint {path}",
        )  # fmt: skip
    document = reader.parse(lint.read_files([path])[path], path)
    data = sharing.payload(document, recipes.bases())
    if refused := sharing.unfit(data):
        raise RecipeError(
            f"A platform does not take this recipe: {' '.join(refused)} Nothing was sent.",
            path=path,
            hint=f"arcrun recipes lint {path}",
        )
    return data


def _platform(server: str | None) -> Platform:
    from arcrun_auth.platform_api import Platform
    from arcrun_auth.settings import Settings

    settings = Settings()
    url = server or settings.get("server")
    if not url:
        raise UsageFault(
            "No platform is named.", "arcrun recipes push FILE --server URL, or set ARCRUN_SERVER"
        )
    return Platform(str(url), settings.allow_hosts, time.time())


def _is_ours(there: Platform) -> bool:
    """Whether this is the platform of the setting, which the API key is for."""
    from arcrun_auth.settings import Settings

    return bool(Settings().get("server")) and _platform(None).host == there.host


def _show(there: Platform, data: dict[str, Any]) -> None:
    """Exactly what leaves this machine, where it goes, and what becomes of it there."""
    from arcrun_auth.platform_api import KEY_HEADER
    from arcrun_auth.sharing import KEPT, dropped

    ui.tell(f"This leaves this machine, by POST to {printable(there.url)}/auth-recipes:")
    ui.tell(f"  your API key, in the header {KEY_HEADER}")
    ui.tell("  this recipe, which others can read there:")
    for line in json.dumps(data, indent=2, ensure_ascii=False).split("\n"):
        ui.tell(f"    {printable(line, 2000)}")
    ui.tell(f"The public platform keeps: {', '.join(name for name in data if name in KEPT)}.")
    if gone := dropped(data):
        ui.tell(f"{ui.mark('warn', ui.err)} It would drop: {printable(', '.join(gone), 2000)}.")


def _logged_in(there: Platform) -> Secret | None:
    """The key of the login to this very platform; None where there is none, or the environment
    has one."""
    from arcrun_auth.sync import account

    if os.environ.get(KEY):
        return None
    here = options.broker(interactive=False)
    found = account.of_record(here.store.get(account.KEY), here.settings)
    return found.api_key() if found is not None and found.server == there.url else None


def _api_key(person: Person, service: str) -> Secret:
    from arcrun_auth.platform_api import api_key

    given = os.environ.get(KEY) or person.ask("API key of the platform", hidden=True)
    if not given:
        raise MissingSecret(
            "The API key of the platform is missing.", key=KEY, service=service, hint=f"set {KEY}"
        )
    return api_key(given)


def _compared(
    there: Platform, service: str, sent: dict[str, Any], after: dict[str, Any] | None
) -> int:
    from arcrun_auth.sharing import lost

    missing = ["all of it"] if after is None else lost(sent, after)
    for line in missing:
        ui.put(f"{ui.mark('fail', word='lost')}  {printable(line)}")
    if missing:
        ui.tell(f"{service} is on {there.host}, but not as it is here.")
        return 1
    ui.tell(f"{ui.mark('ok', ui.err)} {service} is on {there.host}, as it is here.")
    return 0
