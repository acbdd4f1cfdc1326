"""What somebody else has written about an API: as plain data, within limits. Pure.

JSON or YAML, and nothing of it is fetched, run or expanded: a reference to another document
stays one, and an alias of YAML is refused as in a recipe.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 16 << 20
"""How long may a document be? The largest that vendors publish have about twelve megabytes."""
MAX_YAML = 8 << 20
"""And one in YAML, which is read much more slowly (three megabytes a second)?"""
MAX_DEPTH = 100
"""How deep may it be nested?"""
MAX_HOPS = 20
"""How many references may lead to one thing?"""


def read(raw: bytes, path: str) -> dict[str, Any]:
    """The map in a document. RecipeError (with the line, in YAML) where it cannot be read.

    `path` is the file or address that it came from, for messages.

    >>> read(b'{"openapi": "3.1.0"}', "shop.json")
    {'openapi': '3.1.0'}
    """
    if len(raw) > MAX_BYTES:
        raise RecipeError(f"This document has more than {MAX_BYTES >> 20} MB.", path=path)
    text = raw.removeprefix(b"\xef\xbb\xbf")
    return _json(text, path) if text.lstrip()[:1] in (b"{", b"[") else _yaml(text, path)


def _json(text: bytes, path: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError):
            raise RecipeError("This is no JSON that can be read.", path=path) from None
        why = printable(error.msg)
        raise RecipeError(f"This is not valid JSON: {why}.", path=path, line=error.lineno) from None
    if not isinstance(data, dict):
        raise RecipeError("This document is no map of fields.", path=path)
    return data


def _yaml(text: bytes, path: str) -> dict[str, Any]:
    from arcrun_auth.recipe import reader

    if len(text) > MAX_YAML:
        raise RecipeError(
            f"This document has more than {MAX_YAML >> 20} MB of YAML.", path=path,
            hint="convert it to JSON, which is read much faster",
        )  # fmt: skip
    return reader.parse(
        text, path, what="A document", max_bytes=MAX_YAML, max_depth=MAX_DEPTH, typed=False
    ).data


# -- looking around in one ---------------------------------------------------------------


def as_map(value: object) -> dict[str, Any]:
    """The map that should stand there; an empty one for anything else."""
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(key, str)}


def as_list(value: object) -> list[Any]:
    """The list that should stand there; an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The text that should stand there; empty for anything else, a number included."""
    return value if isinstance(value, str) else ""


def joined(base: str, reference: str) -> str:
    """What a reference of a document leads to, relative to `base` (RFC 3986 §5).

    Itself where it is no URL: whatever takes it then refuses it, and says so.

    >>> joined("https://api.shop.example/v1/", "/token"), joined("https://a.example/", "//[x")
    ('https://api.shop.example/token', '//[x')
    """
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference


def resolved(document: Mapping[str, Any], node: object) -> dict[str, Any]:
    """The map that `node` is, or refers to within the same document (RFC 6901).

    RecipeError for a reference that leads out of the document, to nothing, or to itself.
    """
    for _ in range(MAX_HOPS):
        found = as_map(node)
        if "$ref" not in found:
            return found
        node = _at(document, as_text(found["$ref"]))
    raise RecipeError("A $ref of this document leads to itself, or too far.")


def known(document: Mapping[str, Any], node: object) -> dict[str, Any]:
    """As `resolved`, for what can be done without: an empty map where it cannot be found."""
    try:
        return resolved(document, node)
    except RecipeError:
        return {}


def _at(document: Mapping[str, Any], reference: str) -> object:
    shown = printable(reference, 120)
    if not reference.startswith("#"):
        raise RecipeError(
            f"{shown!r} lies in another document. Nothing was fetched.",
            hint="bundle the documents into one first, and take that",
        )
    found: object = document
    for step in reference[1:].strip("/").split("/") if reference != "#" else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise RecipeError(f"{shown!r} leads to nothing in this document.")
        found = found[key]
    return found
