"""The command that a client of MCP starts.

Clients start with a minimal PATH, so it is named by its absolute path. In a file that a project
shares there is no path of this machine: there it is `uvx`, with the version pinned.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from arcrun_auth import __version__
from arcrun_auth.errors import AuthError, printable
from arcrun_cli import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "arcrun"
"""What the server is called in every client."""

EXTRA = "mcp"
PACKAGE = f"arcrun-auth[{EXTRA}]=={__version__}"
"""What `uvx` gets: this very version, with what the server needs."""

_OURS = ("arcrun", "arcrun-auth", "arcrun_cli")


@dataclass(frozen=True)
class Launch:
    """A command with its arguments; `home` is the ARCRUN_HOME that it needs, or empty."""

    command: str
    args: tuple[str, ...]
    home: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return (self.command, *self.args)

    @property
    def environ(self) -> dict[str, str]:
        """What a client has to set: without it the server would look at another vault."""
        return {"ARCRUN_HOME": self.home} if self.home else {}


def shared() -> Launch:
    """For a file that others read, too: nothing of this machine stands in it."""
    return Launch("uvx", _uvx())


def own() -> Launch:
    """For this user's own files. AuthError where neither this installation nor uvx can serve."""
    home = os.environ.get("ARCRUN_HOME", "")
    if find_spec(EXTRA) is not None and not programs.passing():
        command, *more = programs.executable()
        found = Launch(command, (*more, EXTRA), home and os.path.abspath(home))
    elif uvx := shutil.which("uvx"):
        found = Launch(os.path.abspath(uvx), _uvx(), home and os.path.abspath(home))
    else:
        raise AuthError(
            "The server's own dependency is not installed here, and there is no uvx.",
            hint=f"pip install 'arcrun-auth[{EXTRA}]'",
        )
    programs.check_lines([*found.words, found.home], "configuration")
    return found


def is_ours(command: object, args: object) -> bool:
    """Whether a client's entry starts this server, by whatever path and version.

    >>> is_ours("/opt/bin/arcrun", ["mcp"])
    True
    >>> is_ours("npx", ["arcrun-mcp"])
    False
    """
    if not isinstance(command, str) or not isinstance(args, list) or EXTRA not in args:
        return False
    words = [command, *(arg for arg in args[: args.index(EXTRA)] if isinstance(arg, str))]
    return any(_base(word) in _OURS for word in words)


def check_ours(entry: object, path: str) -> None:
    """AuthError where an entry of a client's file by our name starts something else."""
    if not isinstance(entry, dict) or not is_ours(entry.get("command"), entry.get("args")):
        raise AuthError(
            f"{printable(path)} has another server by the name of {NAME}. It was left alone.",
            hint="give that one another name first",
        )


def kept(entry: Mapping[str, Any], launch: Launch) -> dict[str, Any]:
    """What an entry that is ours says now, with what somebody has added to it: arguments behind
    ours, other variables.

    >>> kept({"args": ["mcp", "--allow-write"]}, Launch("/new/arcrun", ("mcp",)))
    {'command': '/new/arcrun', 'args': ['mcp', '--allow-write']}
    """
    args = entry["args"]
    found = {"command": launch.command, "args": [*launch.args, *args[args.index(EXTRA) + 1 :]]}
    environ = {**entry.get("env", {}), **launch.environ}
    return found | ({"env": environ} if environ else {})


def _base(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _uvx() -> tuple[str, ...]:
    return ("--from", PACKAGE, "arcrun", EXTRA)
