"""git's credential helper: the program `git-credential-arcrun`."""

from __future__ import annotations

import sys

from arcrun_cli import agents, ui
from arcrun_cli.helpers import asking, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.helpers import Helpers, Match


def serve(action: str, instance: str | None = None) -> int:
    """One action of git, its request on standard input. The exit code.

    What it does not know it passes over, as gitcredentials(7) asks for; and there is nothing
    to `store`: a password that worked is one that is kept here.
    """
    answer = {"get": _get, "erase": _erase}.get(action)
    data = _read()
    if answer is None:
        return 0
    fields = wire.git_request(data)
    origin = wire.origin(fields.get("protocol", ""), fields.get("host", ""))
    if origin is None:
        return 0
    with asking.helpers() as here:
        match = here.find("git", origin, user=fields.get("username", ""), instance=instance)
        return 0 if match is None else answer(here, match, fields)


def _read() -> bytes:
    """Up to the empty line that ends it: whoever types one would wait for ever."""
    data = b""
    for line in sys.stdin.buffer:
        data += line
        if line == b"\n" or len(data) > wire.MAX_BYTES:
            break
    return data


def _get(here: Helpers, match: Match, fields: Mapping[str, str]) -> int:
    del fields
    agents.refuse(asking.RULE, "A credential", asking.BY_A_PERSON)
    token = here.token(match)
    sys.stdout.buffer.write(wire.git_answer(match.username, token.access_token, token.expires))
    return 0


def _erase(here: Helpers, match: Match, fields: Mapping[str, str]) -> int:
    """git was refused with this password. A refused request deletes nothing: see `refused`."""
    outcome = here.refused(match, fields.get("password", ""))
    if outcome == "renewed":
        ui.tell(f"{match.host} refused the token of {match.name}; there is a new one: try again.")
    elif outcome == "kept":
        ui.tell(f"{match.host} refused the token of {match.name}. It is kept.")
        ui.tell(f"  → arcrun test {match.name}; arcrun setup {match.name} replaces it")
    return 0
