"""The file of a new recipe: written, checked, and run against the provider that is built in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import RecipeError, printable
from arcrun_auth.stores import private
from arcrun_cli import options, ui
from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Collection

    from arcrun_auth.people import Person
    from arcrun_auth.recipe import Recipe

_INCOMPLETE = "incomplete"
"""Which rule of the linter tells what is missing? A new recipe lacks much: it is told at once."""
_PRIVATE = frozenset({"url-https", "url-public"})
"""By which findings of the linter do we know addresses that only the user can allow?"""


def may_replace(person: Person, path: str) -> bool | None:
    """Whether somebody wants what is at `path` replaced; None where nothing is there."""
    if not os.path.lexists(path):
        return None
    if person.reach is None:
        raise UsageFault(f"{printable(path)} is there already.", "choose another: -o FILE")
    if person.confirm(f"{printable(path)} is there already. Replace it?"):
        return True
    ui.tell("It was left as it is.")
    return False


def write(path: str, text: str, *, replace: bool) -> None:
    """RecipeError where it cannot be written, or something is there that may not be replaced."""
    if replace and os.path.lexists(path):
        place = os.path.realpath(path)
        like = os.stat(place) if os.path.exists(place) else None
        private.write_atomically(place, text.encode(), like=like)
        return
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise RecipeError(
            f"This file cannot be written: {error.strerror}.", path=printable(path)
        ) from None


def judged(recipe: Recipe, path: str) -> int:
    """What the linter and the embedded provider say of it, and the next command."""
    from arcrun_auth.lint import errors
    from arcrun_cli.commands.recipes import lint

    findings = lint.findings(options.catalog(), [path])
    missing = [f.message for f in findings if f.rule == _INCOMPLETE]
    for finding in findings:
        if finding.rule != _INCOMPLETE:
            lint.show_finding(finding)
    if missing:
        named = [text.removeprefix("There is no ").rstrip(".") for text in missing]
        ui.tell(f"To share it, add what is missing: {', '.join(dict.fromkeys(named))}.")
    if errors(findings) or not _works(recipe, out_of_reach={f.rule for f in findings} & _PRIVATE):
        ui.tell(f"Mend it, then:\n  → arcrun recipes lint {path}")
        return 1
    over = _over(recipe.service)
    if over:
        ui.tell(f"{recipe.service} has a {over} recipe already: this one would stand over it.")
    ui.tell(f"  → arcrun recipes add {path}{' --override' if over else ''}")
    return 0


def _over(service: str) -> str:
    """The tier of a recipe that has the name already, and is none of the user's own."""
    from arcrun_auth.errors import AuthError

    try:
        tier = options.catalog().entry(service).tier
    except AuthError:
        return ""
    return "" if tier == "local" else tier


def _works(recipe: Recipe, *, out_of_reach: Collection[str]) -> bool:
    """Whether it does against the embedded provider what it says, as far as that can play it."""
    from arcrun_auth.testing import conform
    from arcrun_cli.talk import Waiting

    if out_of_reach:
        ui.tell("Its addresses are private or plain http: it is tried when it is set up.")
        return True
    with Waiting("Trying it"):
        failures = conform(recipe).failures
    for failure in failures:
        ui.put(f"{ui.mark('fail', word='fail')}  {printable(failure)}")
    if not failures:
        ui.tell(f"{ui.mark('ok', ui.err)} It works against the provider that is built in.")
    return not failures
