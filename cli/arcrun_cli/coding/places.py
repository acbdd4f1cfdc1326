"""Where a project's files lie. Whoever wrote the project does not choose where yours do."""

from __future__ import annotations

import os

from arcrun_auth.errors import AuthError, printable


def root_of(folder: str) -> str:
    """The folder of the repository that `folder` is in; `folder` itself where it is in none."""
    folder = at = os.path.abspath(folder)
    while not os.path.lexists(os.path.join(at, ".git")):  # a file in a worktree of git
        above = os.path.dirname(at)
        if above == at:
            return folder
        at = above
    return at


def inside(root: str, name: str, *, itself: bool = True) -> str:
    """The path of a file of the project, by its name with slashes.

    AuthError where links lead out of it. With `itself` False only the folder has to be inside:
    the file is a link that we make.
    """
    path = os.path.join(root, *name.split("/"))
    top, end = os.path.realpath(root), os.path.realpath(path if itself else os.path.dirname(path))
    if os.path.commonpath([top, end]) != top:
        raise AuthError(f"{printable(path)} leads out of {printable(root)}. It was left alone.")
    return path
