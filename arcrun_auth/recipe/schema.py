"""The JSON Schema of a recipe file, which editors use: `python -m arcrun_auth.recipe.schema`.

msgspec prints the types; the descriptions are the docstrings under the model's fields.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth.primitives import BUILT_IN
from arcrun_auth.recipe import (
    account,
    agent,
    aws,
    exchange,
    helpers,
    jwt,
    oauth2,
    proofs,
    required,
    sdk,
    types,
)
from arcrun_auth.recipe import model as models

if TYPE_CHECKING:
    from collections.abc import Iterator


def schema() -> dict[str, Any]:
    """The schema as plain data: JSON Schema 2020-12, every field with its description."""
    (reference,), definitions = msgspec.json.schema_components([models.Recipe])
    described = field_docs()
    for name, definition in definitions.items():
        if "description" in definition:  # Python 3.13 takes the indent out by itself
            definition["description"] = inspect.cleandoc(definition["description"])
        for field, properties in definition.get("properties", {}).items():
            properties["description"] = doc(described, name, field)
    _loosen(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of arcrun-auth",
        **reference,
        "$defs": definitions,
    }


def _loosen(definitions: dict[str, Any]) -> None:
    """What JSON Schema cannot say by itself: with `extends`, what is needed may stand in a base,
    and `null` deletes what stands there."""
    for definition in definitions.values():
        needed = definition.get("required", ())
        for name, field in definition.get("properties", {}).items():
            if name not in needed:
                _or_null(field)
    definitions["Recipe"]["required"] = ["service"]
    definitions["Method"].pop("required")  # the primitive, which may follow from what it has
    for name in ("Recipe", "Method"):  # a plug-in may bring others: offered, not demanded
        definitions[name]["properties"]["primitive"]["examples"] = list(BUILT_IN)
    definitions["Recipe"]["anyOf"] = [
        {"required": ["primitive"]},
        {"required": ["oauth2"]},
        {"required": ["required_secrets"]},
        {"required": ["extends"]},
        {"properties": {"service": {"pattern": "^([a-z0-9-]+/)?_"}}},  # a base says what it likes
    ]


def _or_null(field: dict[str, Any]) -> None:
    """Let `field` be deleted; of a map each value, too."""
    if isinstance(values := field.get("additionalProperties"), dict):
        _or_null(values)
    if "$ref" in field:
        field["anyOf"] = [{"$ref": field.pop("$ref")}, {"type": "null"}]
    elif "anyOf" in field and {"type": "null"} not in field["anyOf"]:
        field["anyOf"].append({"type": "null"})
    elif "enum" in field:
        field["enum"].append(None)
    elif isinstance(field.get("type"), str):
        field["type"] = [field["type"], "null"]


def doc(described: dict[tuple[str, str], str], model: str, field: str) -> str:
    kind = getattr(models, model)
    own = next((f.name for f in msgspec.structs.fields(kind) if f.encode_name == field), field)
    for base in kind.__mro__:
        if (base.__name__, own) in described:
            return described[base.__name__, own]
    raise LookupError(f"{model}.{field} has no docstring")


def field_docs() -> dict[tuple[str, str], str]:
    """The docstring under each field of the model: (class, field) -> text."""
    found: dict[tuple[str, str], str] = {}
    parts = (
        types, account, agent, aws, exchange, helpers, jwt, oauth2, proofs, required, sdk, models,
    )  # fmt: skip
    for module in parts:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                found |= {(node.name, name): text for name, text in _docs_of(node)}
    return found


def _docs_of(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, doc in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(doc, ast.Expr)
            and isinstance(doc.value, ast.Constant)
        ):
            yield field.target.id, inspect.cleandoc(str(doc.value.value))


def text() -> str:
    """The schema as it stands in recipes/schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
