"""The recipes that this platform offers: kept whole, every field, and written by whoever may."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth.seal import encode
from arcrun_auth.server import audit
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import RecipeGiven, Recipes

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.keys import Caller

MAX_BYTES = 64 << 10
"""How many bytes may a recipe have?"""
_SERVICE = re.compile(r"(?!.*__)[a-z0-9_]{1,64}")
_NEEDED = ("primitive", "base_url")
_MAY = ("admin", "recipes")


def listed(tx: Tx) -> tuple[Recipes, str]:
    """All of them, by name; and a mark that is another one when any of them is."""
    bodies = [row[0].encode() for row in tx.all("SELECT body FROM recipes ORDER BY service")]
    found = [msgspec.Raw(body) for body in bodies]
    return Recipes(recipes=found, count=len(found)), sha256(encode(*bodies)).hexdigest()[:32]


def one(tx: Tx, service: str) -> RecipeGiven:
    """The recipe of one service. Problem 404 where there is none."""
    found = tx.one("SELECT body FROM recipes WHERE service = ?", service)
    if found is None:
        raise _absent()
    return RecipeGiven(recipe=msgspec.Raw(found[0].encode()))


def publish(tx: Tx, who: Caller, recipe: dict[str, Any]) -> tuple[str, bool]:
    """Keeps a recipe, in place of one of the same service: its name, and whether it is new."""
    may_write(who)
    service = recipe.get("service")
    if not isinstance(service, str) or not _SERVICE.fullmatch(service):
        raise Problem(400, "A recipe names its service, in lower-case letters, digits and _.")
    missing = [name for name in _NEEDED if not recipe.get(name)]
    if missing and not recipe.get("extends"):  # what is meant then stands elsewhere
        raise Problem(400, f"The recipe has no {' and no '.join(missing)}.")
    body = msgspec.json.encode(recipe).decode()
    if len(body) > MAX_BYTES:
        raise Problem(413, f"A recipe has at most {MAX_BYTES >> 10} KB.")
    new = tx.one("SELECT service FROM recipes WHERE service = ?", service) is None
    tx.run(
        "INSERT INTO recipes (service, body, by_account, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (service) DO UPDATE SET body = excluded.body,"
        " by_account = excluded.by_account, updated_at = excluded.updated_at",
        service, body, who.account, tx.now(),
    )  # fmt: skip
    audit.note(tx, who.account, actor=who.key, action="recipe.publish", name=service)
    return service, new


def remove(tx: Tx, who: Caller, service: str) -> None:
    """Removes a recipe. Problem 404 where there is none."""
    may_write(who)
    if not tx.run("DELETE FROM recipes WHERE service = ?", service):
        raise _absent()
    audit.note(tx, who.account, actor=who.key, action="recipe.delete", name=service)


def may_write(who: Caller) -> None:
    """Problem 403 for an account that may not publish recipes."""
    if who.role not in _MAY or who.kind == "ci":
        raise Problem(403, "This account may not publish recipes here.")


def _absent() -> Problem:
    return Problem(404, "There is no recipe for this service here.")
