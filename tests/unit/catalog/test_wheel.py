"""What the wheel has, and what loads of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import arcrun_auth
from arcrun_auth.catalog import Catalog, build
from arcrun_auth.errors import RecipeError
from tests.catalog_kit import NOTION, key

ROOT = Path(__file__).parents[3]


def test_a_prebuilt_index_needs_no_file_and_no_yaml(home, wheel):
    code = (
        "import sys\n"
        "from arcrun_auth.catalog import Catalog\n"
        f"catalog = Catalog({str(home)!r}, bundled={str(wheel)!r})\n"
        "entry = catalog.entry('notion')\n"
        "assert entry.methods[0].secrets, entry\n"
        "assert entry.release == '9.9' and entry.path == 'notion.yaml', entry.path\n"
        "assert len(catalog.entries()) == 2\n"
        "heavy = {'yaml', 'msgspec', 'typing', 'dataclasses', 'difflib', 'pathlib', 'httpx',\n"
        "         'arcrun_auth.recipe', 'arcrun_auth.catalog.build', 'arcrun_auth.lint'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert catalog.recipe('notion').service == 'notion'\n"
        "assert not {'yaml', 'arcrun_auth.catalog.build'} & set(sys.modules)\n"
    )
    # -S: what site packages load at start is not ours to answer for.
    paths = os.pathsep.join([str(ROOT), *(p for p in sys.path if "site-packages" in p)])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not home.exists()


def test_a_prebuilt_index_is_never_written(home, wheel):
    before = (wheel / "index.db").read_bytes()
    catalog = Catalog(home, bundled=wheel)
    catalog.names()
    with pytest.raises(RecipeError, match="damaged"):  # SQLite says: read-only
        catalog._open()[0][1].query("DELETE FROM recipe")
    assert (wheel / "index.db").read_bytes() == before
    assert [path.name for path in wheel.iterdir()] == ["index.db"]


def test_a_prebuilt_index_names_no_folder_of_the_builder(bundled, wheel):
    assert str(bundled).encode() not in (wheel / "index.db").read_bytes()


def test_a_bundled_recipe_that_is_not_valid_fails_the_build(bundled, tmp_path):
    (bundled / "bad.yaml").write_text("service: bad\n")
    with pytest.raises(RecipeError, match="'primitive' is missing"):
        build.prebuild(str(bundled), str(tmp_path / "index.db"), release="1")


def test_a_local_recipe_beside_a_prebuilt_index(home, wheel, local):
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=wheel)
    assert catalog.names() == ["gone", "mine", "notion"]
    assert catalog.recipe("mine").service == "mine"
    assert catalog.recipe("notion").service == "notion"


def test_a_checkout_reads_its_own_recipes(home):
    catalog = Catalog(home)
    recipes = {p.stem for p in (ROOT / "recipes").glob("*.yaml") if not p.stem.startswith("_")}
    assert set(catalog.names()) == recipes
    assert catalog.problems == []
    assert not home.exists()


def test_a_recipes_folder_beside_an_installed_package_is_nobodys(home, tmp_path, monkeypatch):
    package = tmp_path / "site" / "arcrun_auth"
    package.mkdir(parents=True)
    (tmp_path / "site" / "recipes").mkdir()
    monkeypatch.setattr("arcrun_auth.catalog.PACKAGE", str(package))
    with pytest.raises(RecipeError, match="has no recipes"):
        Catalog(home).names()
    (tmp_path / "site" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    with pytest.raises(RecipeError, match="has no recipes"):
        Catalog(home).names()
    (package / "_recipes").mkdir()
    (package / "_recipes" / "notion.yaml").write_text(NOTION)
    assert Catalog(home).names() == ["notion"]


def test_the_wheel_brings_the_index(tmp_path):
    import shutil
    import zipfile

    source = tmp_path / "source"
    ignore = shutil.ignore_patterns(
        ".venv", ".git", ".coverage*", ".*_cache", "build", "__pycache__", "*.egg-info", "tests",
        ".hypothesis",  # files come and go in it while other tests run
    )  # fmt: skip
    shutil.copytree(ROOT, source, ignore=ignore)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=source, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        wheel.extract("arcrun_auth/_recipes/index.db", tmp_path)
    catalog = Catalog(tmp_path / "home", bundled=tmp_path / "arcrun_auth" / "_recipes")
    assert catalog.names() == Catalog(tmp_path / "home").names()
    assert {entry.release for entry in catalog.entries()} == {arcrun_auth.__version__}


def test_an_editable_install_builds_nothing():
    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import RecipeIndexHook
    finally:
        sys.path.remove(str(ROOT))
    hook = RecipeIndexHook(str(ROOT), {}, None, None, "", "wheel")
    data = {"force_include": {}}
    hook.initialize("editable", data)
    hook.finalize("editable", data, "")
    assert data == {"force_include": {}}
