"""Every recipe that is shipped does what it says, against the service that it describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.testing import conform
from arcrun_auth.testing.conformance.stage import Stage
from tests import quiet

RECIPES = sorted(path.stem for path in (Path(__file__).parents[2] / "recipes").glob("[!_]*.yaml"))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    return Catalog(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def stage():
    with quiet.libraries(), Stage() as stage:
        yield stage


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_conforms(name, catalog, stage) -> None:
    found = conform(catalog.recipe(name), stage=stage)
    assert found.failures == []
    assert all(way.steps for way in found.ways)
