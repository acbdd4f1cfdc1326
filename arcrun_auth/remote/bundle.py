"""The signed set as one file: `{"version": 7, "recipes": {"notion.yaml": "service: …"}}`.

It is read after its signature was checked, and as if it had not been: names lead nowhere
(CVE-2021-41131 was one that did), every recipe is valid, and the set is refused as a whole
where one of them is not, since half a set would take away services that are in use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.errors import RecipeError, printable
from arcrun_auth.recipe import is_base, load, reader

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "recipes.json"
MAX_BUNDLE = 4 << 20
"""How many bytes may the set have?"""
FILE_NAME = re.compile(r"_?[a-z0-9][a-z0-9_]{0,63}\.yaml")
_UPGRADE = "pip install --upgrade arcrun-auth, then arcrun recipes update"


class Bundle(msgspec.Struct, frozen=True):
    """The set: its number, and its texts by file name."""

    version: int
    recipes: dict[str, str]


def unpack(data: bytes) -> Bundle:
    """The set in `data`, every recipe of it valid here. RecipeError says what is not."""
    try:
        found = msgspec.json.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecipeError("This is no set of recipes.", path=NAME) from None
    for name in found.recipes:
        if not FILE_NAME.fullmatch(name):
            raise RecipeError(
                f"It has a file named {printable(name, 80)!r}, which is no name of a recipe.",
                path=NAME,
            )
    if found.version < 1 or not found.recipes:
        raise RecipeError("It has no recipes, or no version.", path=NAME)
    check(found.recipes)
    return found


def check(texts: Mapping[str, str]) -> None:
    """Whether each text is a recipe that this release can read, and there is none twice."""
    documents = {name: _parse(name, text) for name, text in texts.items()}
    bases = {
        str(document.data["service"]): document
        for document in documents.values()
        if is_base(document.data.get("service"))
    }
    seen: dict[str, str] = {}
    for name, document in documents.items():
        service = document.data.get("service")
        if is_base(service) != name.startswith("_"):
            raise RecipeError("A base, and its file too, begins with _.", path=name)
        if not is_base(service):
            try:
                service = load(document, bases=bases).service
            except RecipeError as error:
                error.hint = _UPGRADE
                raise
        if str(service) in seen:
            raise RecipeError(f"{seen[str(service)]} describes this service already.", path=name)
        seen[str(service)] = name


def _parse(name: str, text: str) -> reader.Document:
    try:
        return reader.parse(text, name)
    except RecipeError as error:
        error.hint = _UPGRADE
        raise
