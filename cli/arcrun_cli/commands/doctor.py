"""`arcrun doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import json_option

if TYPE_CHECKING:
    from arcrun_cli.health import Finding

_LABEL = 10
_STATE = 4


@click.command(
    cls=Command,
    short_help="Look for whatever could get in the way.",
    examples=("arcrun doctor", "arcrun doctor --json"),
)
@json_option
def command(*, as_json: bool) -> int:
    """Look at the vault, the keyring, the browser and the rest. Sends nothing anywhere.

    Ends with exit code 1 if something is broken; a warning is none.
    """
    from arcrun_cli.health import examine

    findings = list(examine())
    failed = sum(finding.state == "fail" for finding in findings)
    if as_json:
        ui.put_json(
            {
                "ok": not failed,
                "checks": [
                    {"name": f.name, "state": f.state, "message": f.message, "hint": f.hint}
                    for f in findings
                ],
            }
        )
        return 1 if failed else 0
    for finding in findings:
        _print(finding)
    warned = sum(finding.state == "warn" for finding in findings)
    ui.tell(f"{len(findings)} checks, {failed} failed, {ui.count(warned, 'warning')}.")
    return 1 if failed else 0


def _print(finding: Finding) -> None:
    width = ui.width_of(ui.out())
    indent = " " * (2 + _STATE + 2 + _LABEL + 2)
    text = ui.wrap(indent + printable(finding.message, 500), width, indent)
    state = ui.mark(finding.state, word=f"{finding.state:<{_STATE}}")
    # The mark loses its padding: what follows has to stand in one column all the same.
    state += " " * (2 + _STATE - ui.cells(state))
    ui.put(f"{state}  {finding.name:<{_LABEL}}  {text[len(indent) :]}")
    if finding.hint:
        ui.put(ui.wrap(f"{indent}→ {printable(finding.hint, 500)}", width, indent + "  "))
