"""Secrets of this machine: neither asked for nor kept, but looked up where they are used.

The file of a command-line tool, the token that a CI job gets for its own run: a copy in the
vault would be stale soon, or would outlive what it is for.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.tokens import Secret
from arcrun_auth.workload import read_small

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import RequiredSecret

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find(secret: RequiredSecret, environ: Mapping[str, str]) -> Secret | None:
    """The secret, by the variables and files that the recipe names; None where there is none.

    AuthError where a variable of this machine names a file that is not there: another one in
    its place would be a surprise.
    """
    for name in secret.env:
        if environ.get(name):
            return Secret(environ[name].strip())
    for pattern in secret.files:
        path = expanded(pattern, environ)
        if path is None:
            continue
        text = read_small(path)
        if text is not None:
            return Secret(text.strip())
        alone = _VARIABLE.fullmatch(pattern)
        if alone is not None:
            raise AuthError(f"{alone[1]} names a file that is not there: {printable(path)}.")
    return None


def expanded(pattern: str, environ: Mapping[str, str]) -> str | None:
    """The path, `~/` and `${VARIABLE}` filled in; None where a variable is not set.

    >>> expanded("${CONFIG}/app.json", {"CONFIG": "/etc/app"})
    '/etc/app/app.json'
    """
    if any(not environ.get(name) for name in _VARIABLE.findall(pattern)):
        return None
    path = _VARIABLE.sub(lambda match: environ[match[1]], pattern)
    if path.startswith("~/"):
        home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
        path = os.path.join(home, *path[2:].split("/"))
    return path
