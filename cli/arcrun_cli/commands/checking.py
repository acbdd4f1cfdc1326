"""`arcrun check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import failures, ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, json_option, project_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.declared import Needed


@click.command(
    cls=Command,
    short_help="Is all connected that this project declares? For CI.",
    examples=("arcrun check", "arcrun check --json"),
)
@json_option
def command(*, as_json: bool) -> int:
    """Whether all that the project declares can be used. Sends nothing, asks nobody.

    What a project needs stands in its pyproject.toml, under [tool.arcrun].
    """
    here = broker(interactive=False)
    project = project_of(here)
    found = here.check()
    if as_json:
        good = all(needed.ok for needed in found)
        services = [_as_data(needed) for needed in found]
        ui.put_json({"project": project.path, "ok": good, "services": services})
        return _code(found)
    width = max(len(needed.name) for needed in found)
    for needed in found:
        _show(needed, width)
    usable = sum(needed.ok for needed in found)
    ui.tell(f"{usable} of {len(found)} can be used; declared in {printable(project.path)}.")
    if usable < len(found):
        ui.tell("  → arcrun setup connects what is missing")
    return _code(found)


def _code(found: Sequence[Needed]) -> int:
    return failures.worst(
        failures.exit_code(needed.error) for needed in found if needed.error is not None
    )


def _as_data(needed: Needed) -> dict[str, Any]:
    error = needed.error
    return {
        "name": needed.name,
        "status": needed.status,
        "ok": needed.ok,
        "missing": needed.missing,
        "error": type(error).__name__ if error else None,
        "message": error.message if error else None,
        "hint": failures.hint_of(error) if error else None,
    }


def _show(needed: Needed, width: int) -> None:
    name = f"{needed.name:<{width}}"
    if needed.error is None:
        later = ", and renewed at its next use" if needed.status == "expired" else ""
        ui.put(f"{ui.mark('ok', word='ok')}    {name}  {needed.status}{later}")
        return
    missing = f" ({', '.join(needed.missing)})" if needed.missing else ""
    ui.put_failed(
        name, needed.status + missing, failures.hint_of(needed.error) or needed.error.message
    )
