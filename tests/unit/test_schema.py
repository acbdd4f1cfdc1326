"""recipes/schema.json is what the model says, and editors can live with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from arcrun_auth.recipe import model, schema
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
    problems = [
        f"{error.json_path}: {error.message}"
        for error in found
        if not path.stem.startswith("_") or error.json_path != "$"
    ]
    assert problems == []


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


@pytest.mark.parametrize(
    "fault",
    [
        {"nope": 1},
        {"primitive": "No Name"},
        {"oauth2": {"nope": 1}},
        {"required_secrets": [{}]},
        {"service": "Shop"},
        {"params": {"a b": {}}},
    ],
)
def test_a_fault_does_not(fault):
    recipe = {"service": "shop", "primitive": "static_key"}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(recipe)
    assert not validator.is_valid({**recipe, **fault})
