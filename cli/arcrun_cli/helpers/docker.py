"""Docker's credential helper: the program `docker-credential-arcrun`.

What went wrong goes to standard output, where docker looks for it.
"""

from __future__ import annotations

import sys

from arcrun_auth.errors import AuthError, HostNotAllowed, LoginRequired, PolicyRefused
from arcrun_cli import agents, ui
from arcrun_cli.helpers import asking, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.broker import Broker
    from arcrun_auth.helpers import Match


def serve(action: str) -> int:
    """One action of docker, its input on standard input. The exit code: 0 or 1."""
    act = _ACTIONS.get(action)
    if act is None:
        ui.put(f"There is no such action: {', '.join(_ACTIONS)}.")
        return 1
    try:
        ui.put(act())
    except AuthError as error:
        ui.put(f"{error.message} → {error.hint}" if error.hint else error.message)
        return 1
    return 0


def _server() -> str:
    return wire.docker_server(sys.stdin.buffer.read(wire.MAX_BYTES + 1))


def _get() -> str:
    server = _server()
    with asking.broker() as here:
        match = _found(here, server)
        token = here.helpers.token(match)
    return wire.docker_answer(server, match.username, token.access_token)


def _found(here: Broker, server: str) -> Match:
    """Who answers for a registry. Where that is nobody docker goes on without a password: so
    it gets a public image, and why it has to be one is told beside."""
    origin = wire.docker_origin(server)
    try:
        match = here.helpers.find("docker", origin) if origin is not None else None
        if match is not None:
            agents.guard(here, "credential", [match.full_name])
            return match
    except (LoginRequired, HostNotAllowed, PolicyRefused) as error:
        ui.tell(str(error))
    raise AuthError(wire.NOT_FOUND)


def _list() -> str:
    with asking.broker() as here:
        found = here.helpers.connected("docker")
        return wire.docker_list({wire.docker_name(m.host): m.username for m in found})


def _store() -> str:
    """Whether this password is the key that a recipe asks for is nothing that docker says, and a
    login that renews itself would be replaced by it."""
    sys.stdin.buffer.read()  # docker waits until it is taken
    raise AuthError(
        "No password is taken from docker login: what is connected answers by itself.",
        hint="arcrun setup SERVICE, and no docker login",
    )


def _erase() -> str:
    server = _server()
    with asking.broker() as here:
        origin = wire.docker_origin(server)
        match = here.helpers.find("docker", origin) if origin is not None else None
    if match is None:
        raise AuthError(wire.NOT_FOUND)
    raise AuthError(
        f"docker logout forgets nothing here: {match.name} serves more than {match.host}.",
        hint=f"arcrun remove {match.name}, or: arcrun credential install docker --remove",
    )


def _version() -> str:
    from arcrun_auth import __version__

    return f"docker-credential-arcrun (arcrun-auth) {__version__}"


_ACTIONS: dict[str, Callable[[], str]] = {
    "get": _get,
    "list": _list,
    "store": _store,
    "erase": _erase,
    "version": _version,
}
