"""`arcrun recipes list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import catalog, json_option

if TYPE_CHECKING:
    from arcrun_auth.catalog import Entry


@click.command(
    "list",
    cls=Command,
    short_help="All recipes, and where each comes from.",
    examples=("arcrun recipes list", "arcrun recipes list mail --json"),
)
@click.argument("word", required=False)
@json_option
def command(word: str | None, *, as_json: bool) -> int:
    """All recipes, those of yours among them, and whether all of them are valid."""
    recipes = catalog()
    found = recipes.entries()
    if word:
        by_name = {entry.service: entry for entry in found}
        found = [by_name[card.service] for card in recipes.search(word)]
    problems = recipes.problems
    if as_json:
        ui.put_json(
            {
                "recipes": [_entry(entry) for entry in found],
                "problems": [
                    {"path": p.path, "line": p.line, "field": p.field, "message": str(p.args[0])}
                    for p in problems
                ],
            }
        )
        return 1 if problems else 0
    rows = [
        (
            entry.service,
            entry.display_name,
            entry.category,
            ", ".join(method.id for method in entry.methods),
            entry.tier if entry.status == "active" else f"{entry.tier}, {entry.status}",
        )
        for entry in found
    ]
    ui.listed(rows, ("RECIPE", "NAME", "CATEGORY", "METHODS", "FROM"), gives=("METHODS", "NAME"))
    for problem in problems:
        ui.tell(f"{ui.mark('fail', ui.err, 'not usable:')} {printable(problem.message)}")
        ui.tell(f"  → {printable(problem.hint or '')}")
    return 1 if problems else 0


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "service": entry.service,
        "display_name": entry.display_name,
        "category": entry.category,
        "tier": entry.tier,
        "status": entry.status,
        "path": entry.path,
        "methods": [method.id for method in entry.methods],
        "aliases": entry.aliases,
    }
