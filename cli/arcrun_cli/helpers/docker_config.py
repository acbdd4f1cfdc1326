"""The helper in Docker's configuration: one entry of `credHelpers` for each registry."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, printable
from arcrun_cli.helpers.edits import Edit, read
from arcrun_cli.helpers.wire import docker_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HELPER = "arcrun"
"""What docker puts after `docker-credential-` to find the program, on the PATH."""

PROGRAM = f"docker-credential-{HELPER}"
_HELPERS = "credHelpers"


def file(environ: Mapping[str, str]) -> str:
    """The file that docker reads."""
    folder = environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return os.path.join(folder, "config.json")


def install(path: str, registries: Iterable[str]) -> Edit:
    """The file with our helper for `registries`. AuthError where another one serves them."""

    def change(held: dict[str, Any]) -> list[str]:
        lines = []
        for registry in map(docker_name, registries):
            other = held.get(registry)
            if other not in (None, HELPER):
                raise AuthError(
                    f"{registry} has another credential helper: {printable(str(other), 80)}.",
                    hint=f"take it out of {path} first, if you want that",
                )
            if other is None:
                held[registry] = HELPER
                lines.append(f'+     "{registry}": "{HELPER}"')
        return lines

    return _edited(path, change)


def remove(path: str, registries: Iterable[str] = ()) -> Edit:
    """The file without our helper, for these registries or for all."""
    wanted = set(map(docker_name, registries))

    def change(held: dict[str, Any]) -> list[str]:
        gone = [r for r, helper in held.items() if helper == HELPER and r in (wanted or held)]
        for registry in gone:
            del held[registry]
        return [f'-     "{registry}": "{HELPER}"' for registry in gone]

    return _edited(path, change)


def _edited(path: str, change: Callable[[dict[str, Any]], list[str]]) -> Edit:
    before = read(path)
    data, text = _read(before or b"", path)
    held = data.get(_HELPERS, {})
    if not isinstance(held, dict):
        raise AuthError(f"{_HELPERS} in {printable(path)} is no object: it was left alone.")
    lines = change(held)
    if not lines:
        return Edit(path, before, before or b"", ())
    data[_HELPERS] = held
    if not held:
        del data[_HELPERS]
    return Edit(path, before, _written(data, text), (f'  "{_HELPERS}"', *lines))


def _read(before: bytes, path: str) -> tuple[dict[str, Any], str]:
    """What stands in the file, and its text. AuthError where that could not be written back."""
    try:
        text = before.decode()
        found = json.loads(text, object_pairs_hook=_once) if text.strip() else {}
        _written(found, text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AuthError(
            f"{printable(path)} is no JSON object, has a key twice, or a text or a number that "
            "JSON has none of: it was left alone."
        )
    return found, text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice would lose one of its values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _written(data: dict[str, Any], before: str) -> bytes:
    """With the indentation and the ends of lines that the file has; docker writes tabs.

    ValueError for what is in no JSON: infinity, half a character.
    """
    indent = re.search(r"\{(\r?\n)([ \t]+)\"", before)
    newline, width = indent.groups() if indent else ("\n", "\t")
    text = json.dumps(data, indent=width, ensure_ascii=False, allow_nan=False)
    if before.endswith("\n"):
        text += "\n"
    return text.replace("\n", newline).encode()
