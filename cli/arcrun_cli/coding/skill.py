"""The skill that this package brings, put where agents of a project look for skills.

It lies in the package under `.agents/skills`, where `library-skills` finds it, too. In a project
it is a link, which is always current; or a copy, where links cannot be or should be committed.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import arcrun_auth
from arcrun_auth.errors import AuthError, printable
from arcrun_cli import programs
from arcrun_cli.coding.places import inside
from arcrun_cli.helpers.edits import Edit, read

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "arcrun-auth"
SOURCE = os.path.join(os.path.dirname(arcrun_auth.__file__), ".agents", "skills", NAME)
"""The folder of the skill, as it was installed."""

FILE = "SKILL.md"
_OURS = re.compile(rf"\A---\r?\n(?:[^\n]*\n)*?name: {NAME}\r?\n")


@dataclass(frozen=True)
class Link:
    """A symbolic link to the skill."""

    path: str
    target: str

    @property
    def changes(self) -> bool:
        return not os.path.islink(self.path) or os.readlink(self.path) != self.target

    @property
    def lines(self) -> tuple[str, ...]:
        return (f"+ → {self.target}",)

    def apply(self) -> None:
        """Makes it, or leads it here. AuthError where there can be no links."""
        temporary = f"{self.path}.lock"
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            os.symlink(self.target, temporary, target_is_directory=True)
        except (OSError, NotImplementedError) as error:
            raise AuthError(
                f"{printable(self.path)} cannot be made a link: {error}.",
                hint="arcrun agents init --copy",
            ) from None
        try:
            os.replace(temporary, self.path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary)
            raise AuthError(
                f"{printable(self.path)} cannot be written: {error.strerror}."
            ) from None


@dataclass(frozen=True)
class Copy:
    """A copy of the skill, file by file. What else lies in its folder is left there."""

    path: str
    source: str

    @property
    def changes(self) -> bool:
        return os.path.islink(self.path) or any(edit.changes for edit in self._edits())

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(
            f"+ {os.path.relpath(edit.path, self.path)}" for edit in self._edits() if edit.changes
        )

    def apply(self) -> None:
        """Writes what is not current. AuthError where it cannot."""
        if os.path.islink(self.path):
            os.unlink(self.path)
        for edit in self._edits():
            if edit.changes:
                edit.apply()

    def _edits(self) -> Iterator[Edit]:
        linked = os.path.islink(self.path)
        for name in files(self.source):
            path = os.path.join(self.path, name)
            if not linked:
                inside(self.path, name.replace(os.sep, "/"))
            with open(os.path.join(self.source, name), "rb") as file:
                after = file.read()
            yield Edit(path, None if linked else read(path), after, (), shared=True)


def files(folder: str) -> list[str]:
    """The files of a skill, by their paths in it."""
    found = [
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, names in os.walk(folder)
        for name in names
        if name.endswith(".md")
    ]
    return sorted(found)


def planned(root: str, name: str, *, copy: bool) -> Link | Copy:
    """How the skill comes to the path `name` in the project at `root`.

    What is a copy stays one, and what will not stay where it is installed is copied. AuthError
    where something else lies there.
    """
    path = inside(root, name, itself=False)
    if os.path.islink(path):
        if not os.readlink(path).replace("\\", "/").endswith(f"/skills/{NAME}"):
            raise _not_ours(path)
    elif os.path.lexists(path):
        if not _OURS.match((read(os.path.join(path, FILE)) or b"").decode("utf-8", "replace")):
            raise _not_ours(path)
        copy = True
    if copy or programs.passing():
        return Copy(path, SOURCE)
    return Link(path, _target(root, path))


def _target(root: str, path: str) -> str:
    """Relative where the package lies in the project, so that the project can be moved."""
    source, root = os.path.realpath(SOURCE), os.path.realpath(root)
    if os.path.commonpath([root, source]) != root:
        return source
    return os.path.relpath(source, os.path.realpath(os.path.dirname(path)))


def _not_ours(path: str) -> AuthError:
    return AuthError(
        f"{printable(path)} is not the skill of arcrun-auth. It was left alone.",
        hint=f"move it away, if you want the skill there: {printable(path)}",
    )
