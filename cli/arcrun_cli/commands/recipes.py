"""`arcrun recipes`: list, show, new, lint, diff, add, remove, test, push; more in `recipe_*`."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import options, ui
from arcrun_cli.app import Group
from arcrun_cli.commands import (
    recipe_community,
    recipe_diff,
    recipe_new,
    recipe_publish,
    recipe_push,
    recipe_remove,
    recipe_test,
    recipe_update,
    show,
)
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import catalog, json_option, no_input_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.catalog import Catalog, Entry
    from arcrun_auth.lint import Finding

MAX_FILE = 1 << 20
"""How much of a file do we read? The linter refuses one of 64 KB already."""


@click.group(
    cls=Group,
    short_help="The recipes: list, show, make, check, share, update.",
    examples=("arcrun recipes list", "arcrun recipes new --from openapi.yaml"),
)
def command() -> None:
    """Recipes say what a service is: its address, its ways in, its hosts."""


@command.command(
    "list",
    short_help="All recipes, and where each comes from.",
    examples=("arcrun recipes list", "arcrun recipes list mail --json"),
)
@click.argument("word", required=False)
@json_option
def list_(word: str | None, *, as_json: bool) -> int:
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


command.add_command(show.command, "show")
command.add_command(recipe_update.update)
command.add_command(recipe_publish.publish)
command.add_command(recipe_publish.sign)
command.add_command(recipe_new.command, "new")
command.add_command(recipe_test.command, "test")
command.add_command(recipe_push.command, "push")


@command.command(
    "lint",
    short_help="Check recipe files.",
    examples=("arcrun recipes lint my_api.yaml", "arcrun recipes lint recipes/ --json"),
)
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...")
@json_option
def lint_(paths: tuple[str, ...], *, as_json: bool) -> int:
    """Check recipe files: what is wrong, in which line, and how to mend it."""
    from arcrun_auth.lint import NO_RECIPE, errors

    files = [file for path in paths for file in _files(path)]
    found = findings(catalog(), files)
    bad = errors(found)
    if as_json:
        ui.put_json({"files": len(files), "findings": [asdict(f) for f in found]})
        return 1 if bad else 0
    for finding in found:
        show_finding(finding)
    counted = ((len(files), "file"), (len(bad), "error"), (len(found) - len(bad), "warning"))
    ui.tell(", ".join(ui.count(number, what) for number, what in counted) + ".")
    if any(finding.rule in NO_RECIPE for finding in found):
        ui.tell("What is no valid recipe was looked at no further: lint it again once it is one.")
    return 1 if bad else 0


def findings(recipes: Catalog, files: Sequence[str]) -> list[Finding]:
    """Files among the bundled recipes by the stricter rules that hold there."""
    from arcrun_auth.lint import lint

    ours = [file for file in files if recipes.is_bundled(file)]
    others = [file for file in files if file not in ours]
    found: list[Finding] = []
    if ours:
        found += lint(read_files(ours), bases=recipes.bases())
    if others:
        known = [recipes.recipe(e.service) for e in recipes.entries() if e.trusted]
        found += lint(read_files(others), tier="local", bases=recipes.bases(), known=known)
    return found


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return [
        os.path.join(path, name)
        for name in sorted(os.listdir(path))
        if name.endswith(recipe_diff.SUFFIXES)
    ]


def read_files(files: Sequence[str]) -> dict[str, bytes]:
    """The texts of files, by path. RecipeError where one cannot be read."""
    texts: dict[str, bytes] = {}
    for path in files:
        try:
            with open(path, "rb") as file:
                texts[path] = file.read(MAX_FILE)
        except OSError as error:
            raise recipe_diff.unreadable(path, error) from None
    return texts


def show_finding(finding: Finding) -> None:
    """A finding of the linter: where, what, and how to mend it."""
    where = f"{finding.path}:{finding.line}" if finding.line else finding.path
    kind = "fail" if finding.severity == "error" else "warn"
    field = f"{finding.field}: " if finding.field else ""
    ui.put(
        f"{ui.paint(printable(where), 'bold')}  {ui.mark(kind, word=finding.severity)}"
        f"  {finding.rule}"
    )
    width = ui.width_of(ui.out())
    ui.put(ui.wrap(f"  {printable(field + finding.message)}", width, "  "))
    ui.put(ui.wrap(f"  → {printable(finding.mend)}", width, "    "))


@command.command(
    "add",
    short_help="Take a recipe over into your home.",
    examples=(
        "arcrun recipes add my_api.yaml",
        "arcrun recipes add notion.yaml --override",
        "arcrun recipes add acme/shop      from the community, signed by acme",
    ),
)
@click.argument("file", metavar="FILE|AUTHOR/SERVICE")
@click.option("--override", is_flag=True, help="Let it stand over a bundled service.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--from", "url", metavar="URL", help="The community's folder, at a commit written in full."
)
@no_input_option
def add(file: str, *, override: bool, yes: bool, url: str | None, no_input: bool) -> int:
    """Check a recipe, show where it would send your secrets, and copy it into your home.

    AUTHOR/SERVICE is the community's always: a file of that path is named ./AUTHOR/SERVICE.
    """
    recipes, person = catalog(), options.terminal(interactive=False if no_input else None)
    if recipe_diff.is_of_community(file):
        return recipe_community.add(file, recipes, person, url=url, yes=yes)
    if url is not None:
        raise UsageFault(
            "--from is the place of AUTHOR/SERVICE, and this is a file.",
            "arcrun recipes add AUTHOR/SERVICE --from URL, or arcrun recipes add FILE",
        )
    text = recipe_diff.text_of(file)
    recipe_diff.show_new(recipes, recipe_diff.read_text(recipes, text, file))
    if not yes:
        if person.reach is None:
            raise UsageFault("Nobody can be asked here.", f"arcrun recipes add {file} --yes")
        if not person.confirm("Do you want this recipe?"):
            ui.tell("It was not added.")
            return 1
    entry = recipes.add(file, override=override, text=text)
    ui.tell(f"{ui.mark('ok', ui.err)} {entry.service} was added.\n  → arcrun setup {entry.service}")
    return 0


command.add_command(recipe_remove.command, "remove")
command.add_command(recipe_diff.command, "diff")
