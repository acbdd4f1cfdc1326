"""How other programs call this one: by an absolute path, on one line."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def executable() -> list[str]:
    """How to call this very command from anywhere: by its absolute path."""
    beside = os.path.join(os.path.dirname(sys.executable), "arcrun")
    for found in (sys.argv[0], beside, shutil.which("arcrun") or ""):
        name = os.path.basename(found).removesuffix(".exe")
        if name in ("arcrun", "arcrun-auth") and os.access(found, os.X_OK):
            return [os.path.abspath(found)]
    return [sys.executable, "-m", "arcrun_cli"]


def passing() -> bool:
    """Whether this is an installation that goes away again: one that `uvx` keeps in its cache."""
    parts = os.path.normpath(sys.prefix).split(os.sep)
    return any(re.fullmatch(r"(archive|environments)-v[0-9]+", part) for part in parts)


def beside(name: str) -> str | None:
    """The path of another script of this package, installed with the command; None if absent."""
    suffix = ".exe" if sys.platform == "win32" else ""
    for folder in dict.fromkeys(map(os.path.dirname, (executable()[0], sys.executable))):
        path = os.path.join(folder, name + suffix)
        if os.access(path, os.X_OK):
            return path
    return None


def check_lines(words: Sequence[str], place: str) -> None:
    """AuthError for a path that ends its line: what follows would be read as a line of its own."""
    for word in words:
        if not word.isprintable():
            raise AuthError(
                f"The path {printable(word, 100)!r} has a control character in it: it can stand "
                f"in no {place}.",
                hint="rename the folder, and name it by ARCRUN_HOME",
            )
