"""References that a command was given, and the secrets they stand for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.references import Reference
from arcrun_cli import agents
from arcrun_cli.faults import Several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.broker import Broker
    from arcrun_auth.policy import Reveal

    Failure = tuple[str, AuthError]
    """Where, and what is wrong."""


def resolve(
    here: Broker,
    command: Reveal,
    wanted: Iterable[tuple[str, str]],
    failed: Iterable[Failure] = (),
) -> dict[str, str]:
    """What each reference stands for. `wanted` says of each where it is, for people.

    In an agent's shell PolicyRefused is raised where the `command` is not allowed for all of
    them. All are tried before Several is raised, of what fails here and what has `failed` before.
    The broker is closed: its files are not for the command that follows.
    """
    places: dict[str, list[str]] = {}
    for where, reference in wanted:
        places.setdefault(reference, []).append(where)
    found, wrong = {}, list(failed)
    try:
        agents.guard(here, command, _names(places))
        for reference, at in places.items():
            try:
                found[reference] = here.secret(reference).reveal()
            except AuthError as error:
                wrong.append((", ".join(at), error))
    finally:
        here.close()
    if wrong:
        raise Several(wrong)
    return found


def _names(references: Iterable[str]) -> list[str]:
    """The connections that are meant; what is no reference has none, and fails when it is read."""
    found: dict[str, None] = {}
    for each in references:
        with suppress(ValueError):
            found[Reference(each).name] = None
    return list(found)
