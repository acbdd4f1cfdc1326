"""References that a command was given, and the secrets they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_cli import agents
from arcrun_cli.faults import Several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.broker import Broker

    Failure = tuple[str, AuthError]
    """Where, and what is wrong."""


def guard() -> None:
    """Raises PolicyRefused in an agent's shell. The rule is that of `arcrun token`."""
    agents.refuse(
        "agent-token",
        "A secret",
        "a person runs it in a terminal; or use it in code, where it never shows: "
        "arcrun snippet SERVICE",
    )


def resolve(
    here: Broker, wanted: Iterable[tuple[str, str]], failed: Iterable[Failure] = ()
) -> dict[str, str]:
    """What each reference stands for. `wanted` says of each where it is, for people.

    All are tried before Several is raised, of what fails here and what has `failed` before.
    The broker is closed: its files are not for the command that follows.
    """
    places: dict[str, list[str]] = {}
    for where, reference in wanted:
        places.setdefault(reference, []).append(where)
    found, wrong = {}, list(failed)
    try:
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
