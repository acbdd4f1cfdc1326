"""`arcrun show`, and `arcrun recipes show`, which is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import catalog, json_option, service_argument, terminal
from arcrun_cli.sources import look_after

if TYPE_CHECKING:
    from arcrun_auth.catalog import Entry
    from arcrun_auth.recipe import Method, Recipe

VERIFIED = {"live": "tried", "doc": "two sources agree", "code": "not confirmed"}


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
    look_after(Settings(), recipes, terminal(), service)
    entry, recipe = recipes.entry(service), recipes.recipe(service)
    if as_json:
        ui.put_json(_as_data(entry, recipe))
    else:
        _print(entry, recipe)
    return 0


def _print(entry: Entry, recipe: Recipe) -> None:
    ui.put(f"{ui.paint(recipe.service, 'bold')}  {printable(recipe.display_name)}")
    if recipe.description:
        ui.put(ui.wrap(printable(recipe.description), ui.width_of(ui.out())))
    for way in recipe.ways:
        ui.put()
        setup = f"arcrun setup {recipe.service}"
        setup += "" if way.id == recipe.ways[0].id else f" --method {way.id}"
        ui.put(ui.paint(setup, "bold"))
        ui.pairs(_way(way))
    ui.put()
    verified = recipe.verified
    ui.pairs(
        [
            ("docs", printable(recipe.docs_url)),
            ("also named", ", ".join(entry.aliases)),
            (
                "recipe",
                f"{entry.tier}, {printable(entry.path)}"
                + ("" if entry.status == "active" else f", {entry.status}"),
            ),
            ("verified", f"{verified.date}: {VERIFIED[verified.method]}" if verified else "never"),
        ]
    )


def _way(way: Method) -> list[tuple[str, str]]:
    from arcrun_auth.consent import named_servers

    secrets = [
        f"{secret.label or secret.key} ({secret.key}{', optional' if secret.optional else ''})"
        + (", looked up on this machine" if secret.ambient else "")
        + (f"\n  {secret.help_url}" if secret.help_url else "")
        for secret in way.required_secrets
    ]
    oauth2 = way.oauth2
    return [
        ("way in", _primitive(way.primitive)),
        ("needs", printable_lines("\n".join(secrets))),
        ("your app", printable(way.app_register_url) if way.primitive == "oauth2" else ""),
        ("asks also", ", ".join(f"--param {name}=…" for name in _asked(way))),
        ("goes to", "\n".join(way.allowed_hosts)),
        ("token from", "\n".join(named_servers(way)) if way.primitive != "oauth2" else ""),
        ("git", "\n".join(way.git.hosts) if way.git is not None else ""),
        ("docker", "\n".join(way.docker.registries) if way.docker is not None else ""),
        ("scopes", "\n".join(oauth2.scopes) if oauth2 is not None else ""),
        ("sets", ", ".join(oauth2.scope_sets) if oauth2 is not None else ""),
        ("base URL", printable(way.base_url)),
    ]


def _asked(way: Method) -> list[str]:
    """The params that somebody types; the others are found."""
    return [name for name, param in way.params.items() if param.source == "user"]


def _primitive(name: str) -> str:
    from arcrun_auth.primitives import find

    known = find(name)
    return (known and known.label) or (name if known else f"{name}, which nothing here brings")


def printable_lines(text: str) -> str:
    return "\n".join(
        line[: len(line) - len(line.lstrip())] + printable(line.lstrip())
        for line in text.split("\n")
    )


def _as_data(entry: Entry, recipe: Recipe) -> dict[str, Any]:
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
                "params": _asked(way),
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
        "verified": None
        if recipe.verified is None
        else {"date": recipe.verified.date, "method": recipe.verified.method},
    }
