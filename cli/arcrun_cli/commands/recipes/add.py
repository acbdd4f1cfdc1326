"""`arcrun recipes add`: a file, or one of the community."""

from __future__ import annotations

import click

from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.recipes import community, diff
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import catalog, no_input_option


@click.command(
    "add",
    cls=Command,
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
def command(file: str, *, override: bool, yes: bool, url: str | None, no_input: bool) -> int:
    """Check a recipe, show where it would send your secrets, and copy it into your home.

    AUTHOR/SERVICE is the community's always: a file of that path is named ./AUTHOR/SERVICE.
    """
    recipes, person = catalog(), options.terminal(interactive=False if no_input else None)
    if diff.is_of_community(file):
        return community.add(file, recipes, person, url=url, yes=yes)
    if url is not None:
        raise UsageFault(
            "--from is the place of AUTHOR/SERVICE, and this is a file.",
            "arcrun recipes add AUTHOR/SERVICE --from URL, or arcrun recipes add FILE",
        )
    text = diff.text_of(file)
    diff.show_new(recipes, diff.read_text(recipes, text, file))
    again = f"arcrun recipes add {file} --yes"
    if not yes and not options.agreed(person, "Do you want this recipe?", again):
        return 1
    entry = recipes.add(file, override=override, text=text)
    ui.tell(f"{ui.mark('ok', ui.err)} {entry.service} was added.\n  → arcrun setup {entry.service}")
    return 0
