"""git's credential helper: the program `git-credential-arcrun`."""

from __future__ import annotations

import sys

from arcrun_cli import agents, ui
from arcrun_cli.helpers import asking, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.helpers import Helpers
    from arcrun_auth.hosts import Origin


def serve(action: str, instance: str | None = None) -> int:
    """One action of git, its request on standard input. The exit code.

    What it does not know it passes over, as gitcredentials(7) asks for; and there is nothing
    to `store`: a password that worked is one that is kept here.
    """
    data = _read()
    if action not in ("get", "erase"):
        return 0
    fields = wire.git_request(data)
    origin = wire.origin(fields.get("protocol", ""), fields.get("host", ""))
    if origin is None:
        return 0
    with asking.broker() as here:
        if action == "get":
            _get(here, origin, fields.get("username", ""), instance)
        else:
            _erase(here.helpers, origin, fields.get("password", ""))
    return 0


def _read() -> bytes:
    """Up to the empty line that ends it: whoever types one would wait for ever."""
    data = b""
    while len(data) <= wire.MAX_BYTES:
        line = sys.stdin.buffer.readline(wire.MAX_BYTES + 1)
        data += line
        if line in (b"", b"\n"):
            break
    return data


def _get(here: Broker, origin: Origin, user: str, instance: str | None) -> None:
    match = here.helpers.find("git", origin, user=user, instance=instance)
    if match is None:
        return
    agents.guard(here, "credential", [match.full_name])
    token = here.helpers.token(match)
    sys.stdout.buffer.write(wire.git_answer(match.username, token.access_token, token.expires))


def _erase(here: Helpers, origin: Origin, password: str) -> None:
    """git was refused with this password: a login is renewed, and nothing is deleted."""
    refused = here.refused("git", origin, password) if password else None
    if refused is None:
        return
    match, is_new = refused
    said = f"{match.host} refused the token of {match.name}"
    if is_new:
        ui.tell(f"{said}; there is a new one now: try again.")
    else:
        ui.tell(f"{said}. It is kept.")
        ui.tell(f"  → arcrun test {match.name}; arcrun setup {match.name} replaces it")
