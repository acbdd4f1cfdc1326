"""The file that a secret comes in: a JSON key, a PEM. Which way in takes it, and what is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.members import parsed
from arcrun_auth.tokens import Secret
from arcrun_auth.workload import read_small

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import Method, Recipe

    State = tuple[int, int, int, int]

TYPES = ("json_blob", "pem", "file")
"""Which types of secrets come in a file?"""

_KEYS = ("private_key", "refresh_token", "client_secret")


def way_of(recipe: Recipe, method: str | None) -> tuple[Method, str]:
    """The way in that takes a key file, and the key of the secret that it is.

    A service account's before others, where `method` does not say which. AuthError where
    there is none.
    """
    ways = [recipe.way(method)] if method else sorted(recipe.ways, key=_is_other)
    for way in ways:
        keys = [s.key for s in way.required_secrets if s.type in TYPES and not s.ambient]
        if len(keys) == 1:
            return way, keys[0]
    name = f"{recipe.service} by the method {method!r}" if method else recipe.service
    raise AuthError(
        f"There is no key file for {name}.",
        service=recipe.service,
        hint=f"arcrun show {recipe.service} lists its ways in",
    )


def taken(
    recipe: Recipe, method: str | None, secrets: Mapping[str, str | Secret], path: str
) -> tuple[str, Mapping[str, str | Secret]]:
    """The way in that takes the file, and `secrets` with what is in it. AuthError as both."""
    way, key = way_of(recipe, method)
    return way.id, {**secrets, key: read(path, recipe.service)}


def _is_other(way: Method) -> bool:
    return way.primitive != "service_account"


def read(path: str, service: str) -> Secret:
    """What is in the file. AuthError where that is no text, or there is no such file."""
    place = os.path.expanduser(path)
    try:
        text = read_small(place)
    except AuthError as error:
        error.service = service
        if place.lower().endswith((".p12", ".pfx")):
            error.hint = "download the key as JSON: a PKCS#12 file is not taken"
        raise
    if text is None:
        raise AuthError(
            f"There is no file {printable(path)}.",
            service=service,
            hint=f"arcrun setup {service} --service-account FILE",
        )
    return Secret(text)


def state(path: str) -> State | None:
    """What tells a file from any that stands in its place later; None where there is none."""
    try:
        found = os.lstat(os.path.expanduser(path))
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def holds_key(path: str) -> bool:
    """Whether somebody who reads the file could log in by it. A document that only says where
    a workload's token is found is no secret."""
    try:
        text = read_small(os.path.expanduser(path)) or ""
    except AuthError:  # it was a file when it was taken, and is something else now
        return False
    data = parsed(text)
    if data is None:
        return "PRIVATE KEY" in text
    inner = data.get("source_credentials")
    tables = (data, inner if isinstance(inner, dict) else {})
    return any(table.get(name) for table in tables for name in _KEYS)
