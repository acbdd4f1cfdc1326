"""Bundled recipes, as files and as in the wheel; and a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcrun_auth.catalog import build
from tests.catalog_kit import GONE, NOTION

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bundled(tmp_path):
    folder = tmp_path / "bundled"
    folder.mkdir()
    (folder / "notion.yaml").write_text(NOTION)
    (folder / "gone.yaml").write_text(GONE)
    return folder


@pytest.fixture
def wheel(bundled, tmp_path):
    """The bundled recipes as the wheel has them: with their index."""
    folder = tmp_path / "wheel"
    folder.mkdir()
    build.prebuild(str(bundled), str(folder / "index.db"), release="9.9")
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def local(home):
    folder = home / "recipes"
    folder.mkdir(parents=True)
    return folder
