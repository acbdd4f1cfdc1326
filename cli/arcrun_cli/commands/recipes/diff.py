"""`arcrun recipes diff`: what a recipe would change, before anything is sent by it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, RecipeError, StoreError, clean_lines, printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import Service, broker, json_option

if TYPE_CHECKING:
    from typing import Any

    from arcrun_auth.broker import Broker
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.compared import Compared
    from arcrun_auth.recipe import Method, Recipe

SUFFIXES = (".yaml", ".yml")

NOTHING = "no difference that matters for the safety of your secrets"


class _What(Service):
    """A connection, or a file: `my_api.yaml`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value) if is_file(str(value)) else super().convert(value, param, ctx)


def is_file(what: str) -> bool:
    """Whether a file is meant, and no service: never by `author/service`, whatever files there are.

    One of that path is named `./author/service`.
    """
    return what.endswith(SUFFIXES) or (os.path.isfile(what) and not is_of_community(what))


def is_of_community(name: str) -> bool:
    """Whether this is `author/service`."""
    from arcrun_auth.remote.community import NAME

    return NAME.fullmatch(name) is not None


@click.command(
    "diff",
    cls=Command,
    short_help="What a recipe changes for the safety of your secrets.",
    examples=(
        "arcrun recipes diff notion",
        "arcrun recipes diff notion@work --json",
        "arcrun recipes diff my_api.yaml",
    ),
)
@click.argument("what", type=_What(), metavar="SERVICE[@INSTANCE]|FILE")
@json_option
def command(what: str, *, as_json: bool) -> int:
    """Hold a recipe against the one that you agreed to at setup.

    Of a service it is the recipe in use now; of a file the one in it, which is held against
    the recipe in use where you are not connected. Ends in 1 if somebody has to agree first.
    """
    here = broker()
    if is_file(what):
        recipe = read(here.recipes, what)
        service, found = recipe.service, _of_file(here, recipe)
    else:
        service, found = _of_service(here, what)
    if as_json:
        ui.put_json({"service": service, "compared": [asdict(each) for each in found]})
    else:
        for each in found:
            _print(each)
    return 1 if any(each.asks for each in found) else 0


def _of_file(here: Broker, recipe: Recipe) -> list[Compared]:
    from arcrun_auth import compared

    try:
        return compared.another(here.recipes, here.store, recipe)
    except StoreError as error:
        ui.tell(f"What you agreed to cannot be read: {printable(error.message)}")
        return compared.another(here.recipes, None, recipe)


def _of_service(here: Broker, name: str) -> tuple[str, list[Compared]]:
    from arcrun_auth import compared

    service = here.recipes.entry(name.partition("@")[0]).service
    found = compared.in_use(here.recipes, here.store, name)
    if not found:
        raise AuthError(
            f"Nothing was agreed to for {name}: it was never set up here.",
            service=service,
            hint=f"arcrun setup {name}",
        )
    return service, found


def _print(each: Compared) -> None:
    against = {
        "agreed": "against what you agreed to",
        "in use": "against the recipe in use",
        "nothing": "a new service",
    }
    ui.put(f"{ui.paint(each.name, 'bold')}  {against[each.against]}")
    width = ui.width_of(ui.out())
    for difference in each.differences:
        ui.put(ui.wrap(f"  {clean_lines(str(difference))}", width, "    "))
    if each.against == "nothing":
        return
    if not each.differences:
        ui.put(f"  {NOTHING}")
    elif not each.asks:
        ui.tell("  This needs no consent: fewer scopes, or it came with a release of arcrun-auth.")
    elif each.against == "agreed":
        ui.tell(f"  → Nothing is sent by it until you agree: arcrun setup {each.name}")


# -- files, and what is shown before one is added ----------------------------------------


def read(recipes: Catalog, path: str) -> Recipe:
    """The recipe in a file. RecipeError where it cannot be read or is not valid."""
    return read_text(recipes, text_of(path), path)


def text_of(path: str) -> bytes:
    """What a recipe file says. RecipeError where it cannot be read."""
    from arcrun_auth.recipe.reader import MAX_BYTES

    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None


def read_text(recipes: Catalog, text: bytes, path: str) -> Recipe:
    """The recipe in what was read at `path`. RecipeError where it is not valid."""
    from arcrun_auth import recipe

    return recipe.read(text, path=path, bases=recipes.bases())


def unreadable(path: str, error: OSError) -> RecipeError:
    """The error of a file that cannot be opened."""
    return RecipeError(f"This file cannot be read: {error.strerror}.", path=printable(path))


def show_new(recipes: Catalog, recipe: Recipe) -> None:
    """What it does with a secret; against the recipe it would replace, only what differs."""
    from arcrun_auth.compared import of_ways
    from arcrun_auth.errors import UnknownService

    try:
        before = recipes.recipe(recipe.service)
    except (UnknownService, RecipeError):
        ui.tell(f"{recipe.service} is a new service.")
        for way in recipe.ways:
            _show_way(way)
        return
    ui.tell(f"{before.service} has a recipe already. This one differs from it:")
    changes = [clean_lines(str(each)) for each in of_ways(before, recipe)]
    for change in changes or ["in nothing that matters for the safety of your secrets"]:
        ui.tell(f"  {change}")


def _show_way(way: Method) -> None:
    from arcrun_auth.consent import named_servers
    from arcrun_auth.recipe.helpers import receivers
    from arcrun_auth.template import in_words

    hosts, servers = in_words(", ".join(receivers(way))), in_words(", ".join(named_servers(way)))
    ui.tell(f"  by {way.id}: what you give it is sent to {hosts}")
    if way.oauth2 is not None and way.oauth2.login_at:
        ui.tell(f"    you log in at {printable(in_words(way.oauth2.login_at))}")
    if way.primitive == "oauth2":
        ui.tell(f"    your login and your app are sent to {servers}")
    elif servers:
        ui.tell(f"    to get a token, what you give it is sent to {servers}")
