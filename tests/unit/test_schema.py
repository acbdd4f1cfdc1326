"""recipes/schema.json is what the model says, and editors can live with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from arcrun_auth.recipe import model, read, schema
from arcrun_auth.recipe.reader import parse

RECIPES = Path(__file__).parents[2] / "recipes"
SCHEMA = json.loads((RECIPES / "schema.json").read_text(encoding="utf-8"))


def test_the_file_is_current():
    assert (RECIPES / "schema.json").read_text(encoding="utf-8") == schema.text(), (
        "write it anew: python -m arcrun_auth.recipe.schema > recipes/schema.json"
    )


def test_the_module_prints_it():
    command = [sys.executable, "-m", "arcrun_auth.recipe.schema"]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert json.loads(printed.stdout) == SCHEMA


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_field_has_a_description():
    for name, definition in SCHEMA["$defs"].items():
        assert definition["description"].endswith((".", "…")), name
        for field, properties in definition["properties"].items():
            assert len(properties["description"]) > 10, f"{name}.{field}"


def test_a_field_without_a_docstring_is_noticed(monkeypatch):
    class Bare(model.Model, frozen=True):
        bare: str = ""

    monkeypatch.setattr(model, "Bare", Bare, raising=False)
    with pytest.raises(LookupError, match=r"Bare\.bare"):
        schema.doc({}, "Bare", "bare")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_fits(path):
    found = jsonschema.Draft202012Validator(SCHEMA).iter_errors(parse(path.read_bytes()).data)
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def test_null_deletes_what_a_base_says_and_what_is_needed_stays_needed():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    recipe = {"service": "shop", "extends": "_base"}
    for overlay in (
        {"oauth2": {"scopes": None, "pkce": None, "client": None, "authorize_params": {"x": None}}},
        {"static_headers": {"X-Api": None}, "params": {"tenant": None, "shop": {"default": None}}},
        {"test": None, "base_url": None, "status": None, "kind": None},
    ):
        validator.validate({**recipe, **overlay})
    for fault in ({"service": None}, {"tags": [None]}, {"required_secrets": [{"key": None}]}):
        assert not validator.is_valid({**recipe, **fault})


FAULTS = [
    {"nope": 1}, {"oauth2": {"nope": 1}}, {"primitive": "No Name"}, {"required_secrets": [{}]},
    {"required_secrets": [{"key": "a/b"}]}, {"service": "Shop"}, {"service": "../shop"},
    {"service": "shop\n"}, {"params": {"a b": {}}}, {"kind": "recipe"}, {"schema": 2},
    {"status": "gone"}, {"base_url": 5}, {"base_url": "x" * 2049}, {"tags": "x"},
    {"description": "x" * 301}, {"deny_paths": ["keys"]}, {"agent": {"read": [{"path": "x y"}]}},
    {"agent": {"read": [{"path": "/x", "method": "DELETE"}]}}, {"test": {"expect": [99]}},
    {"discover": [{"url": "https://a.example"}] * 3}, {"oauth2": {"grants": ["password"]}},
    {"oauth2": {"pkce": "plain"}}, {"oauth2": {"scopes": ["a b"]}},
    {"oauth2": {"redirect": {"ports": [22]}}}, {"oauth2": {"client": {"auth": "mail"}}},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_the_model_refuses_the_schema_refuses(fault):
    recipe = {"service": "shop", "primitive": "static_key"}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(recipe)
    assert not validator.is_valid({**recipe, **fault})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**recipe, **fault}, model.Recipe)


def test_a_recipe_needs_a_primitive_and_a_base_does_not():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert not validator.is_valid({"service": "shop"})
    assert validator.is_valid({"service": "_shop"})
    assert validator.is_valid({"service": "shop", "extends": "_shop"})


def test_the_line_for_editors_names_a_file_that_is_there():
    """The language server takes it from a comment; for us it is one."""
    text = (RECIPES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    block = text.split("## Editors")[1].split("```yaml\n")[1].split("```")[0]
    line, _, rest = block.partition("\n")
    name = line.removeprefix("# yaml-language-server: $schema=")
    assert (RECIPES / name).is_file()
    assert read(block) == read(rest)
