"""A file that secrets are written into: where it may lie, and how it is made."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.programs import without_ours
from arcrun_auth.stores import private
from arcrun_cli import ui

GIT_SECONDS = 10
"""How long may git take to say whether it knows a file?"""

_GROUP_AND_OTHERS = 0o077


def check(path: str, source: str | None, *, force: bool) -> None:
    """AuthError where secrets in `path` would not be for its owner alone.

    That is so where others can read the file that is there, or where git keeps it. With
    `force` it is only told. `source`, what they are filled into, is never written over.
    """
    if os.path.lexists(path):
        _check_kind(path)
        if source is not None and os.path.samefile(path, source):
            raise AuthError("The template itself would be written over.", hint="choose another -o")
    problems = _problems(path)
    for problem in problems:
        if not force:
            raise AuthError(
                f"{printable(path)} {problem}. Nothing was written.",
                hint="choose another -o, or say --force",
            )
        ui.tell(f"{ui.mark('warn', ui.err)} {printable(path)} {problem}.")
    if not problems and _git(path, "check-ignore", "--quiet") == 1:
        ui.tell(
            f"{ui.mark('warn', ui.err)} git does not ignore {printable(path)}: it would be "
            "committed with the rest."
        )


def write(path: str, data: bytes) -> None:
    """The whole of it or nothing, with mode 0600. Raises StoreError."""
    private.write_atomically(os.path.abspath(path), data)


def _check_kind(path: str) -> None:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise AuthError(
            f"{printable(path)} is no regular file (a symbolic link?). Nothing was written.",
            hint="choose another -o, or write to a pipe: leave -o out",
        )


def _problems(path: str) -> list[str]:
    found = []
    if hasattr(os, "getuid") and os.path.exists(path):
        mode = os.stat(path).st_mode & 0o777
        if mode & _GROUP_AND_OTHERS:
            found.append(f"can be read by others (mode {mode:o})")
    if _git(path, "ls-files", "--error-unmatch") == 0:
        found.append("is kept by git")
    return found


def _git(path: str, *command: str) -> int | None:
    """The exit code of a question to git; None where there is none, or no answer."""
    git = shutil.which("git")
    folder = os.path.dirname(os.path.abspath(path))
    if git is None or not os.path.isdir(folder):
        return None
    # Whose repository it is, is not known: it starts no program of its own choice.
    question = (git, "-c", "core.fsmonitor=false", *command, "--", os.path.basename(path))
    try:
        return subprocess.run(  # noqa: S603 - a fixed program; the name comes after `--`
            question,
            cwd=folder,
            env=without_ours(os.environ),
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return None
