"""Changes to files that are somebody else's, too: shown, asked for, made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.options import agreed

if TYPE_CHECKING:
    from arcrun_auth.people import Person
    from arcrun_cli.helpers.edits import Edit


def make(person: Person, edit: Edit, *, yes: bool) -> int:
    """Shows a change, asks for it unless `yes`, makes it. The exit code: 1 after a no."""
    if not show(edit):
        return 0
    if not yes and not agreed(person, "Write this?", "the same command with --yes"):
        return 1
    edit.apply()
    ui.tell(f"{ui.mark('ok', ui.err)} Written.")
    return 0


def show(edit: Edit) -> bool:
    """Shows what would be written; whether anything would."""
    if not edit.changes:
        ui.tell(f"{ui.mark('ok', ui.err)} {printable(edit.path)} stays as it is.")
        return False
    ui.put(printable(edit.path))
    for line in edit.lines:
        ui.put(line)
    return True
