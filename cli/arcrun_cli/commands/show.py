"""`arcrun show`, and `arcrun recipes show`, which is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.commands import listing
from arcrun_cli.options import broker, catalog, json_option, service_argument
from arcrun_cli.sources import look_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.catalog import Entry
    from arcrun_auth.profile import Section
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.report import Service

IN_SHORT = ("errors", "sources")
"""Which sections are too long for a terminal? An error is explained when it happens."""


@click.command(
    "show",
    cls=Command,
    short_help="What the recipe of a service says.",
    examples=("arcrun show notion", "arcrun show google_drive --json"),
)
@service_argument(label="SERVICE")
@json_option
def command(name: str, *, as_json: bool) -> int:
    """What a service needs, which hosts get the secret, and how sure the recipe is."""
    from arcrun_auth.settings import Settings

    recipes = catalog()
    service = name.partition("@")[0]
    look_after(Settings(), recipes, options.terminal(), service)
    entry, recipe = recipes.entry(service), recipes.recipe(service)
    held = _held(recipe.service)
    if as_json:
        ui.put_json(_as_data(entry, recipe, held))
    else:
        _print(entry, recipe, held)
    return 0


def _print(entry: Entry, recipe: Recipe, held: Service | None) -> None:
    from arcrun_auth.profile import sections

    width = ui.width_of(ui.out())
    ui.put(f"{ui.paint(recipe.service, 'bold')}  {printable(recipe.display_name)}")
    if recipe.description:
        ui.put(ui.wrap(printable(recipe.description), width, ""))
    shown = [section for section in sections(recipe) if section.kind not in IN_SHORT]
    label = max(len(line.label) for section in shown for line in section.lines)
    for section in shown:
        ui.put()
        for heading in filter(None, (section.command, printable(section.title))):
            ui.put(ui.paint(ui.wrap(heading, width, ""), "bold"))
        ui.pairs(_rows(section), label=label)
    ui.put()
    ui.pairs(_origin(entry, recipe), label=label)
    _end(recipe, held)


def _rows(section: Section) -> Iterator[tuple[str, str]]:
    for line in section.lines:
        yield line.label, "\n".join(printable(text, 500) for text in line.texts)


def _origin(entry: Entry, recipe: Recipe) -> list[tuple[str, str]]:
    """How sure the recipe is, and where it lies; the pages of the documentation have all of it."""
    from arcrun_auth.profile import VERIFIED

    verified = recipe.verified
    sure = f"{verified.date}: {VERIFIED[verified.method]}" if verified else "never"
    errors = f"{ui.count(len(recipe.diagnose), 'error')} of its own" if recipe.diagnose else ""
    return [
        ("explains", errors),
        ("verified", sure),
        ("recipe", f"{entry.tier}, {printable(entry.path)}"),
    ]


def _end(recipe: Recipe, held: Service | None) -> None:
    """What is connected of it, and what to type next."""
    if held is not None and held.connected:
        ui.put()
        listing.connections(broker(), [held])
        ui.tell(f"  → arcrun test {recipe.service}")
    elif recipe.status != "closed":
        ui.tell(f"\n  → arcrun setup {recipe.service}")


def _held(service: str) -> Service | None:
    """The service with its connections; None where nobody can look now: the vault is locked."""
    try:
        return broker(interactive=False).list_services().get(service)
    except AuthError:
        return None


def asked(way: Method) -> list[str]:
    """The params that somebody types; the others are found."""
    return [name for name, param in way.params.items() if param.source == "user"]


def _as_data(entry: Entry, recipe: Recipe, held: Service | None) -> dict[str, Any]:
    return {
        "service": recipe.service,
        "display_name": recipe.display_name,
        "description": recipe.description,
        "category": recipe.category,
        "aliases": entry.aliases,
        "status": entry.status,
        "successor": entry.successor or None,
        "tier": entry.tier,
        "path": entry.path,
        "docs_url": recipe.docs_url or None,
        "methods": [
            {
                "id": way.id,
                "primitive": way.primitive,
                "secrets": [
                    {
                        "key": s.key,
                        "label": s.label,
                        "optional": s.optional,
                        "help_url": s.help_url or None,
                    }
                    for s in way.required_secrets
                ],
                "params": asked(way),
                "hosts": way.allowed_hosts,
                "git": way.git.hosts if way.git else [],
                "docker": way.docker.registries if way.docker else [],
                "base_url": way.base_url,
                "scopes": way.oauth2.scopes if way.oauth2 else [],
                "scope_sets": {k: list(v) for k, v in way.oauth2.scope_sets.items()}
                if way.oauth2
                else {},
                "app_register_url": way.app_register_url or None,
            }
            for way in recipe.ways
        ],
        "tags": recipe.tags,
        "agent": {
            "read": [
                {"method": r.method, "path": r.path, "graphql": r.graphql}
                for r in recipe.agent.read
            ],
            "rpc": recipe.agent.rpc,
            "never": recipe.deny_paths,
        },
        "instances": listing.instances(held) if held is not None else None,
        "verified": None
        if recipe.verified is None
        else {
            "date": recipe.verified.date,
            "method": recipe.verified.method,
            "sources": recipe.verified.sources,
        },
    }
