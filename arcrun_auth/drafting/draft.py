"""A recipe in the making: its fields, its ways in, and what somebody has still to look up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting.emit import emit
from arcrun_auth.errors import RecipeError

if TYPE_CHECKING:
    from arcrun_auth.recipe.model import Recipe
    from arcrun_auth.recipe.reader import Place

_BEFORE_WAYS = ("service", "display_name", "description")
_OF_WAYS = ("base_url", "params", "docs_url")
_HELP_URL = "Add help_url: the page where it is found or made."
_NO_TEST = (
    "Add a harmless request that proves the connection, and whose account it is:\n"
    "test: {path: /me, identity: email}"
)


@dataclass(frozen=True)
class Address:
    """Where an API stands: a base URL, the params in it, and what to say about it."""

    base_url: str
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Way:
    """One way in: fields as of a method, and comments by their place in it."""

    fields: dict[str, Any]
    notes: dict[Place, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """A recipe that is not written yet. `fields` are those of the whole recipe but its ways."""

    fields: dict[str, Any]
    ways: tuple[Way, ...]
    notes: dict[Place, str] = field(default_factory=dict)

    def text(self) -> str:
        """The recipe as YAML."""
        data, notes = self._whole()
        return emit(data, notes)

    def recipe(self) -> Recipe:
        """The recipe itself. RecipeError where it is none, with the field and the reason."""
        from arcrun_auth.recipe import read

        try:
            return read(self.text())
        except RecipeError as error:
            where = f"{error.field}: " if error.field else ""
            raise RecipeError(
                f"This makes no valid recipe: {where}{error.args[0]}",
                service=str(self.fields["service"]), field=error.field,
            ) from None  # fmt: skip

    def fits(self, way: Way) -> str | None:
        """Why this cannot be a way in of it; None where it can."""
        try:
            replace(self, ways=(way,)).recipe()
        except RecipeError as error:
            return str(error.args[0]).removeprefix("This makes no valid recipe: ")
        return None

    def with_help(self, url: str) -> Draft:
        """With the page where its keys are found, for each that has none."""
        ways = tuple(replace(way, fields=_with_help(way.fields, url)) for way in self.ways)
        return replace(self, ways=ways)

    def with_test(self, test: dict[str, Any]) -> Draft:
        """With this test request."""
        return replace(self, fields={**self.fields, "test": test})

    def _whole(self) -> tuple[dict[str, Any], dict[Place, str]]:
        first, *others = self.ways
        rest = {k: v for k, v in self.fields.items() if k not in (*_BEFORE_WAYS, *_OF_WAYS)}
        data: dict[str, Any] = {n: self.fields[n] for n in _BEFORE_WAYS if n in self.fields}
        data |= {k: first.fields[k] for k in ("id", "label", "primitive") if k in first.fields}
        data |= {name: self.fields[name] for name in _OF_WAYS if name in self.fields}
        data |= {k: v for k, v in first.fields.items() if k not in data}
        if others:
            data["methods"] = [way.fields for way in others]
        notes = {**self.notes, **_notes_of(first, ())}
        for index, way in enumerate(others):
            notes |= _notes_of(way, ("methods", index))
        if "test" not in rest:
            notes.setdefault(("primitive",), _NO_TEST)
        return data | rest, notes


def _with_help(fields: dict[str, Any], url: str) -> dict[str, Any]:
    if "required_secrets" not in fields:
        return fields
    secrets = [{"help_url": url, **secret} for secret in fields["required_secrets"]]
    return {**fields, "required_secrets": [_in_order(secret) for secret in secrets]}


def _in_order(secret: dict[str, Any]) -> dict[str, Any]:
    order = ("key", "label", "help", "help_url")
    return {name: secret[name] for name in (*order, *secret) if name in secret}


def _notes_of(way: Way, at: Place) -> dict[Place, str]:
    notes = dict(way.notes)
    if any("help_url" not in secret for secret in way.fields.get("required_secrets", ())):
        notes.setdefault(("required_secrets",), _HELP_URL)
    return {(*at, *place): note for place, note in notes.items()}
