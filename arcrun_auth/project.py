"""What a project says it needs: `[tool.arcrun]` of the nearest pyproject.toml.

    [tool.arcrun]
    services = ["google_drive@work", {name = "github", scopes = ["repo"]}]

Reached on the way to every token, in whatever folder that is: TOML is parsed only where the
table stands, and a pyproject.toml without it, broken or not, is none of our business.
"""

from __future__ import annotations

import os
import stat

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.tokens import split_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, NoReturn

FILE = "pyproject.toml"
MARK = b"tool.arcrun"
"""Without these bytes in it, which file can hold our table?"""

EXAMPLE = '[tool.arcrun]\nservices = ["notion", "google_drive@work"]'
MAX_BYTES = 1 << 20

# Not to wait for the other end of a pipe that somebody has put there under this name.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Need:
    """One connection that the project needs: as it is written, and in its parts."""

    __slots__ = ("instance", "name", "scopes", "service")

    def __init__(self, name: str, scopes: Iterable[str] = ()) -> None:
        self.name = name
        self.service, self.instance = split_name(name)
        self.scopes = tuple(scopes)


class Project:
    """The file, and what it declares, in its order."""

    __slots__ = ("needs", "path")

    def __init__(self, path: str, needs: Iterable[Need]) -> None:
        self.path = path
        self.needs = tuple(needs)

    def instance_of(self, *names: str) -> str | None:
        """The instance of a service, by any of its names, if exactly one is declared."""
        found = {need.instance for need in self.needs if need.service in names}
        return found.pop() if len(found) == 1 else None


def find(folder: str, home: str, *, anyones: bool = False) -> Project | None:
    """What the nearest file with our table declares, from `folder` up to `home` or the root.

    AuthError where that table has a wrong shape; and where its file belongs to another user,
    unless `anyones` is trusted: a folder like /tmp is everybody's.
    """
    for path in _upwards(folder, home):
        found = _read(path)
        if found is None:
            continue
        data, owner = found
        if not anyones and owner not in _trusted():
            raise AuthError(
                f"{printable(path)} belongs to another user (uid {owner}): what it says in "
                "[tool.arcrun] is not followed.",
                hint="export ARCRUN_PROJECT=1 to follow it, or ARCRUN_PROJECT=0 to do without",
            )
        table = _table(path, data)
        if table is not None:
            return Project(path, _needs(path, table))
    return None


def _upwards(folder: str, home: str) -> Iterator[str]:
    home = os.path.realpath(home)
    while True:
        yield os.path.join(folder, FILE)
        above = os.path.dirname(folder)
        if folder in (home, above):
            return
        folder = above


def _trusted() -> tuple[int | None, ...]:
    """Whose files are followed: ours and the administrator's. Windows has no such numbers."""
    return (0, os.getuid()) if hasattr(os, "getuid") else (0,)


def _read(path: str) -> tuple[bytes, int] | None:
    """A file that may hold our table, and its owner. One that cannot be read is passed over."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(handle, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if MARK not in data:
        return None
    if len(data) > MAX_BYTES:
        _wrong(path, "it has more than 1 MiB")
    return data, status.st_uid


def _table(path: str, data: bytes) -> Mapping[str, Any] | None:
    import tomllib

    try:
        tool = tomllib.loads(data.decode()).get("tool")
    except (ValueError, RecursionError) as error:  # of TOML, or of UTF-8
        _wrong(path, printable(str(error)))
    if not isinstance(tool, dict) or "arcrun" not in tool:  # it only stands in a comment
        return None
    table = tool["arcrun"]
    if not isinstance(table, dict):
        _wrong(path, "[tool.arcrun] is no table")
    _only(path, table, ("services",), "[tool.arcrun]")
    return table


def _needs(path: str, table: Mapping[str, Any]) -> Iterator[Need]:
    services = table.get("services", [])
    if not isinstance(services, list):
        _wrong(path, "services is no list")
    seen = set()
    for number, entry in enumerate(services, 1):
        need = _need(path, entry, f"entry {number} of services")
        if (need.service, need.instance) in seen:
            _wrong(path, f"entry {number} of services stands there twice")
        seen.add((need.service, need.instance))
        yield need


def _need(path: str, entry: object, where: str) -> Need:
    """An entry, which is not repeated in an error: a key that was pasted there is one too."""
    table = entry if isinstance(entry, dict) else {"name": entry}
    _only(path, table, ("name", "scopes"), where)
    name, scopes = table.get("name"), table.get("scopes", [])
    if not isinstance(name, str):
        _wrong(path, f"{where} has no name")
    if not isinstance(scopes, list) or not all(map(_is_scope, scopes)):
        _wrong(path, f"the scopes of {where} are no list of names")
    try:
        return Need(name, scopes)
    except ValueError as error:
        _wrong(path, f"{where}: {error}")


def _is_scope(text: object) -> bool:
    """RFC 6749 §3.3, or the name of a set: no blank, no control character, no quote."""
    import re

    return isinstance(text, str) and re.fullmatch(r"[!#-\[\]-~]{1,300}", text) is not None


def _only(path: str, table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if not set(table) <= set(known):
        _wrong(path, f"{where} knows only " + " and ".join(known))


def _wrong(path: str, problem: str) -> NoReturn:
    one_line = EXAMPLE.replace("\n", " with ")
    raise AuthError(
        f"{printable(path)}: {problem}.",
        hint=f"mend it, as in: {one_line}; or set ARCRUN_PROJECT=0 to do without",
    ) from None
