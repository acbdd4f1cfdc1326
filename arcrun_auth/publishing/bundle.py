"""A folder of recipes as the one file that is signed: checked, then packed."""

from __future__ import annotations

import json
import os

from arcrun_auth.errors import RecipeError
from arcrun_auth.lint import errors, lint
from arcrun_auth.recipe.reader import MAX_BYTES
from arcrun_auth.remote.bundle import FILE_NAME, MAX_BUNDLE

VERSION = "version"
"""Which file of the folder holds the number of the set?"""


def pack(folder: str) -> tuple[int, bytes]:
    """The version of the set in `folder`, and the set as JSON.

    RecipeError for the first thing that the linter calls an error, a file whose name a
    client would refuse, and a folder without a version.
    """
    texts = _texts(folder)
    found = errors(lint(texts))
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RecipeError(
            f"{first.message}{more}", path=first.path, line=first.line, field=first.field,
            hint=f"arcrun recipes lint {folder}",
        )  # fmt: skip
    version = read_version(folder)
    recipes = {os.path.basename(path): text.decode() for path, text in sorted(texts.items())}
    data = json.dumps({"version": version, "recipes": recipes}, ensure_ascii=False, indent=1)
    if len(data.encode()) > MAX_BUNDLE:
        raise RecipeError(f"The set is larger than {MAX_BUNDLE >> 20} MB.", path=folder)
    return version, data.encode()


def read_version(folder: str) -> int:
    """The number in the file `version`, from 1. RecipeError where there is none."""
    path = os.path.join(folder, VERSION)
    try:
        with open(path, encoding="ascii") as file:
            number = int(file.read())
    except (OSError, ValueError):
        number = 0
    if number < 1:
        raise RecipeError(
            "A set of recipes has a whole number in the file `version`.",
            path=path,
            hint=f"echo 1 > {path}",
        )
    return number


def _texts(folder: str) -> dict[str, bytes]:
    texts: dict[str, bytes] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise RecipeError(f"This folder cannot be read: {error.strerror}.", path=folder) from None
    for name in names:
        if not name.endswith((".yaml", ".yml")):
            continue
        path = os.path.join(folder, name)
        if not FILE_NAME.fullmatch(name):
            raise RecipeError("A file of the set is named like a_service.yaml.", path=path)
        with open(path, "rb") as file:
            texts[path] = file.read(MAX_BYTES + 1)
    if not texts:
        raise RecipeError("There are no recipes in this folder.", path=folder)
    return texts
