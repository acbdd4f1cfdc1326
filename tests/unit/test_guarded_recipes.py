"""What the bundled recipes say of agents, held against the guard that acts on it."""

from __future__ import annotations

import pytest

from arcrun_auth.agents import guard, places, reading
from arcrun_auth.agents.guard import Injected
from arcrun_auth.catalog import Catalog

NOTHING = Injected()


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    catalog = Catalog(str(tmp_path_factory.mktemp("home")))
    found = [catalog.recipe(e.service) for e in catalog.entries() if e.status != "closed"]
    catalog.close()
    return found


def like(pattern: str) -> str:
    """A path that a pattern is about."""
    return pattern.replace("/**", "/one/two").replace("*", "x")


def test_what_a_recipe_denies_is_denied_however_it_is_written(recipes) -> None:
    count = 0
    for recipe in recipes:
        base = recipe.base_url or "https://api.example.com"
        for pattern in recipe.deny_paths:
            path = like(pattern)
            for written in (
                path,
                path.upper(),
                f"{path}/",
                f"{path}.json",
                path.replace("e", "%65"),
            ):
                at = places.place(written, base, recipe.root_paths, NOTHING)
                assert places.denied(recipe.deny_paths, at, base), (recipe.service, written)
                count += 1
    assert count > 500


def test_what_a_recipe_lists_as_reading_is_let_through_and_reads(recipes) -> None:
    count = 0
    for recipe in recipes:
        base = recipe.base_url or "https://api.example.com"
        for each in recipe.agent.read:
            at = places.place(like(each.path), base, recipe.root_paths, NOTHING)
            body = b'{"query": "{a}"}' if each.graphql else b""
            what = reading.what(
                recipe.agent, each.method, at.path, query="", kind="application/json", body=body
            )
            denied = places.denied(recipe.deny_paths, at, base)
            assert what == "read" or denied, (recipe.service, each.path)
            count += 1
    assert count > 50


def test_what_a_recipe_asks_in_its_own_test_has_a_shape_that_is_let_through(recipes) -> None:
    for recipe in recipes:
        if recipe.test is None or not recipe.test.path or "{{" in recipe.test.path:
            continue
        path, _, query = recipe.test.path.partition("?")
        places.place(path, recipe.base_url, recipe.root_paths, NOTHING)
        guard.query(query, NOTHING.query, recipe.test.method)
        guard.headers(dict(recipe.test.headers), NOTHING)
