"""`arcrun snippet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import catalog, service_argument

if TYPE_CHECKING:
    from arcrun_auth.snippets import Snippet

LIST = "?"
"""What `--sdk` stands for without a name."""


@click.command(
    cls=Command,
    short_help="Print code that uses a service.",
    examples=(
        "arcrun snippet notion",
        "arcrun snippet github@work --async > github.py",
        "arcrun snippet openai --sdk openai",
        "arcrun snippet openai --sdk          which there are",
    ),
)
@service_argument()
@click.option("--async", "asynchronous", is_flag=True, help="For asyncio and trio.")
@click.option(
    "--sdk", is_flag=False, flag_value=LIST, metavar="[NAME]",
    help="With the official SDK, or another HTTP library; without a name: which there are.",
)  # fmt: skip
def command(name: str, *, asynchronous: bool, sdk: str | None) -> int:
    """Print a short program that uses SERVICE. It runs as it is, and holds no secret."""
    from arcrun_auth.snippets import Snippet

    service, _, instance = name.partition("@")
    recipes = catalog()
    snippet = Snippet(recipes.recipe(service), instance, trusted=recipes.entry(service).trusted)
    if sdk is None:
        ui.put(snippet.client(asynchronous=asynchronous))
    elif sdk == LIST:
        width = max(map(len, snippet.names))
        for known, package in snippet.names.items():
            ui.put(f"{known:<{width}}  pip install {package}")
    else:
        ui.put(_with_sdk(snippet, sdk, name, asynchronous=asynchronous))
    return 0


def _with_sdk(snippet: Snippet, sdk: str, name: str, *, asynchronous: bool) -> str:
    if asynchronous:
        raise UsageFault(
            "--async is for the client of ours; an SDK is printed as it is.",
            f"arcrun snippet {name} --async",
        )
    if sdk not in snippet.names:
        there = ", ".join(snippet.names)
        raise UsageFault(
            f"There is no SDK of that name for this service; there are: {there}.",
            f"arcrun snippet {name} --sdk {next(iter(snippet.names))}",
        )
    return snippet.with_sdk(sdk)
