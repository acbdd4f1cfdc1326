"""`arcrun recipes lint`, and what the commands that check a file show of it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.commands.recipes import diff
from arcrun_cli.options import catalog, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.lint import Finding

MAX_FILE = 1 << 20
"""How much of a file do we read? The linter refuses one of 64 KB already."""


@click.command(
    "lint",
    cls=Command,
    short_help="Check recipe files.",
    examples=("arcrun recipes lint my_api.yaml", "arcrun recipes lint recipes/ --json"),
)
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...")
@json_option
def command(paths: tuple[str, ...], *, as_json: bool) -> int:
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
        if name.endswith(diff.SUFFIXES)
    ]


def read_files(files: Sequence[str]) -> dict[str, bytes]:
    """The texts of files, by path. RecipeError where one cannot be read."""
    texts: dict[str, bytes] = {}
    for path in files:
        try:
            with open(path, "rb") as file:
                texts[path] = file.read(MAX_FILE)
        except OSError as error:
            raise diff.unreadable(path, error) from None
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
