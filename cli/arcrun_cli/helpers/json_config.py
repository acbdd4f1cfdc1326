"""A file of configuration in JSON that somebody else writes, too: changed, and nothing of it lost.

It is read as plain JSON. With comments or commas at the end, which some editors allow, it could
not be written back as it was: it is left alone, and the person is told what to paste.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, printable
from arcrun_cli.helpers.edits import Edit, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[dict[str, Any]], list[str]]
    """Changes what stands in a file, and says by which lines; none: nothing is to be done."""


def edited(
    path: str, change: Change, *, indent: str = "  ", hint: str | None = None, shared: bool = False
) -> Edit:
    """The file after `change`. AuthError with `hint` where it is no plain JSON object.

    `indent` is for a file that has no lines of its own yet; `shared` is of `Edit`.
    """
    before = read(path)
    data, text = _read(before or b"", path, indent, hint)
    lines = change(data)
    if not lines:
        return Edit(path, before, before or b"", ())
    return Edit(path, before, _written(data, text, indent), tuple(lines), shared)


def section(data: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    """The object under `key`, a new one where there is none. AuthError where it is no object."""
    held = data.get(key, {})
    if not isinstance(held, dict):
        raise AuthError(f"{key} in {printable(path)} is no object: it was left alone.")
    return held


def _read(before: bytes, path: str, indent: str, hint: str | None) -> tuple[dict[str, Any], str]:
    """What stands in the file, and its text. AuthError where that could not be written back."""
    try:
        text = before.decode()
        found = json.loads(text, object_pairs_hook=_once) if text.strip() else {}
        _written(found, text, indent)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AuthError(
            f"{printable(path)} is no JSON object, has a key twice, or a text or a number that "
            "JSON has none of: it was left alone.",
            hint=hint,
        )
    return found, text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice would lose one of its values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _written(data: dict[str, Any], before: str, indent: str) -> bytes:
    """With the indentation and the ends of lines that the file has.

    ValueError for what is in no JSON: infinity, half a character.
    """
    found = re.search(r"\{(\r?\n)([ \t]+)\"", before)
    newline, width = found.groups() if found else ("\n", indent)
    text = json.dumps(data, indent=width, ensure_ascii=False, allow_nan=False)
    if before.endswith("\n") or not before:
        text += "\n"
    return text.replace("\n", newline).encode()
