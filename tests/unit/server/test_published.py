"""Recipes that the platform offers, on both databases."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from arcrun_auth.server import audit, recipes
from tests.unit.server.test_rows import refused

RECIPE = {
    "service": "weather", "primitive": "static_key", "base_url": "https://api.weather.test",
    "oauth2": {"anything": ["goes", 1, None]}, "x_own": {"deep": {"er": True}},
}  # fmt: skip


def publish(database, who, recipe=RECIPE):
    return database.write(lambda tx: recipes.publish(tx, who, recipe))


@pytest.fixture
def editor(anna):
    return replace(anna, role="recipes")


def test_a_recipe_is_kept_with_every_field_and_noted(database, editor, bob) -> None:
    assert publish(database, editor) == ("weather", True)
    found = database.read(lambda tx: recipes.one(tx, "weather"))
    assert msgspec.json.decode(found.recipe) == RECIPE
    assert publish(database, replace(bob, role="admin"), {**RECIPE, "x": 1}) == ("weather", False)
    listed, mark = database.read(recipes.listed)
    assert mark == database.read(recipes.listed)[1]
    publish(database, editor, {**RECIPE, "service": "other"})
    assert mark != database.read(recipes.listed)[1]
    assert (listed.count, msgspec.json.decode(listed.recipes[0])) == (1, {**RECIPE, "x": 1})
    for who, n in ((editor, 2), (bob, 2)):
        entry = database.read(lambda tx, who=who: audit.entries(tx, who.account, 1)).entries[0]
        assert (entry.n, entry.action, entry.name) == (n, "recipe.publish", "weather")


def test_nobody_publishes_without_the_role(database, anna, editor) -> None:
    for who in (anna, replace(editor, kind="ci")):
        with refused(403):
            publish(database, who)
        with refused(403):
            database.write(lambda tx, who=who: recipes.remove(tx, who, "weather"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**RECIPE, "service": "Weather"},
        {**RECIPE, "service": "a__b"},
        {**RECIPE, "service": 3},
        {**RECIPE, "service": "a/b"},
        {k: v for k, v in RECIPE.items() if k != "base_url"},
        {**RECIPE, "primitive": ""},
    ],
)
def test_what_is_no_recipe_is_refused(database, editor, wrong) -> None:
    with refused(400):
        publish(database, editor, wrong)
    assert database.read(recipes.listed)[0].count == 0


def test_a_recipe_that_extends_another_may_say_less(database, editor) -> None:
    assert publish(database, editor, {"service": "mine", "extends": "weather"}) == ("mine", True)
    with refused(413):
        publish(database, editor, {**RECIPE, "x": "y" * recipes.MAX_BYTES})


def test_a_recipe_can_be_removed(database, editor) -> None:
    publish(database, editor)
    database.write(lambda tx: recipes.remove(tx, editor, "weather"))
    for gone in (lambda tx: recipes.one(tx, "weather"),
                 lambda tx: recipes.remove(tx, editor, "weather")):  # fmt: skip
        with refused(404):
            database.write(gone)
