"""`arcrun recipes update`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import clean_lines, printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.failures import exit_code, worst
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import catalog, json_option
from arcrun_cli.sources import updates
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.remote.update import Change, Result

    Told = tuple[Change, Sequence[str]]
    """What has changed, and in it what somebody has to agree to."""

MAX_TOLD = 20
"""How many that are no recipes are told of a source, before it is their number alone?"""


@click.command(
    "update",
    cls=Command,
    short_help="Fetch the recipes that are newer at their sources.",
    examples=("arcrun recipes update", "arcrun recipes update --json"),
)
@json_option
def command(*, as_json: bool) -> int:
    """Ask every source that the settings name, and say what is new, other, or gone.

    A source that does not answer, or whose signatures do not hold, changes nothing: what was
    fetched before stays in use.
    """
    from arcrun_auth.remote.update import differences
    from arcrun_auth.settings import Settings

    recipes = catalog()
    before = recipes.bodies()
    sources = updates(Settings(), recipes)
    if not sources.tiers():
        raise UsageFault(
            "No source of recipes is named.", "set ARCRUN_RECIPES_URL, or one of the other settings"
        )
    with Waiting("Fetching recipes"):
        results = sources.run()
    after = recipes.bodies()
    changes = [(each, _consent(each, before, after)) for each in differences(before, after)]
    if as_json:
        ui.put_json({
            "sources": [_source(result) for result in results],
            "changes": [
                {"service": each.service, "kind": each.kind, "consent": list(asks)}
                for each, asks in changes
            ],
        })  # fmt: skip
    else:
        _print(results, changes)
    return worst(exit_code(result.error) for result in results if result.error is not None)


def _consent(
    change: Change, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> Sequence[str]:
    """What of a change is asked about at the next use, in words."""
    from arcrun_auth.compared import of_ways
    from arcrun_auth.recipe import decode

    if change.kind != "changed":
        return ()
    found = of_ways(decode(before[change.service]), decode(after[change.service]))
    return [str(difference) for difference in found]


def _source(result: Result) -> dict[str, Any]:
    error = result.error
    return {
        "tier": result.tier,
        "changed": result.changed,
        "error": None
        if error is None
        else {"type": type(error).__name__, "message": error.message},
        "unusable": dict(result.unusable or {}),
    }


def _tell_unusable(unusable: Mapping[str, str], became: str) -> None:
    for name, why in islice(unusable.items(), MAX_TOLD):
        ui.tell(f"  {printable(name)} {became}: {printable(why)}")
    if len(unusable) > MAX_TOLD:
        ui.tell(f"  and {len(unusable) - MAX_TOLD} more; --json lists them all")


def _print(results: Sequence[Result], changes: Sequence[Told]) -> None:
    for result in results:
        if result.error is not None:
            ui.tell(f"{ui.mark('fail', ui.err)} {result.tier}: {result.error.message}")
            ui.tell(f"  → {result.error.hint}" if result.error.hint else "")
        else:
            state = "fetched" if result.changed else "nothing newer"
            ui.tell(f"{ui.mark('ok', ui.err)} {result.tier}: {state}")
        became = "stays as it was" if result.tier == "community" else "is left out"
        _tell_unusable(result.unusable or {}, became)
    for change, asks in changes:
        ui.put(f"{change.kind:<8}  {change.service}")
        for line in asks:
            ui.put(f"          {clean_lines(line)}")
        if asks:
            ui.put("          You are asked before it is used with what you have connected.")
    if not changes and all(result.error is None for result in results):
        ui.tell("All recipes are as they were.")
