"""The official set as it should go: signed, fetched, pinned."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    ProviderUnavailable,
)
from arcrun_auth.remote import lockfile
from tests import mirror, servers
from tests.mirror import recipe, release

ROOT = Path(__file__).parents[3]


def test_a_higher_version_replaces_the_bundled_set_as_a_whole(home, maintainer) -> None:
    assert home.catalog.names() == ["one", "two"]
    release(maintainer)
    result = home.update()
    assert (result.tier, result.changed, result.error) == ("official", True, None)
    catalog = home.catalog
    assert catalog.names() == ["one", "three"]
    entry = catalog.entry("three")
    assert (entry.tier, entry.release, entry.trusted) == ("official", "recipes 2", True)
    assert catalog.problems == []


def test_the_bundled_set_stays_where_its_version_is_as_high(home) -> None:
    assert home.update().changed  # version 1, as in the package
    assert home.catalog.names() == ["one", "two"]
    assert home.catalog.entry("one").tier == "bundled"


def test_a_release_of_the_package_with_a_higher_version_stands_above_it_again(
    home, maintainer
) -> None:
    release(maintainer)
    home.update()
    (home.bundled / "version").write_text("3\n")
    assert home.catalog.names() == ["one", "two"]


def test_nobody_is_told_of_faults_in_a_set_that_is_not_used_for_its_age(home, maintainer) -> None:
    release(maintainer)
    home.update()
    for path in (home.path / "recipes/.fetched/official").glob("*/three.yaml"):
        path.write_text("damaged: yes\n")
    (home.path / "recipes/.fetched/official/index.db").unlink()
    (home.bundled / "version").write_text("3\n")
    assert home.catalog.problems == []


def test_bases_come_with_the_set(home, maintainer) -> None:
    (home.bundled / "_base.yaml").write_text(recipe("_base", "old.base.com"))
    local = home.path / "recipes"
    local.mkdir(parents=True, mode=0o700)
    (local / "mine.yaml").write_text("service: mine\nextends: _base\n")
    assert home.catalog.recipe("mine").base_url == "https://old.base.com"
    base = recipe("_base", "new.base.com")
    release(maintainer, _base=base, four="service: four\nextends: _base\n")
    home.update()
    assert home.catalog.recipe("four").base_url == "https://new.base.com"
    assert home.catalog.recipe("mine").base_url == "https://new.base.com"


def test_what_is_fetched_is_pinned_by_its_hash_and_its_place(home, maintainer, server) -> None:
    release(maintainer)
    home.update()
    lock = json.loads(home.lock.read_text())
    held = lock["official"]
    assert (held["source"], held["version"]) == (f"{server.origin}/recipes/", 2)
    assert set(held["recipes"]) == {"one.yaml", "three.yaml"}
    text = (home.path / "recipes/.fetched/official" / held["folder"] / "three.yaml").read_text()
    assert held["recipes"]["three.yaml"]["sha256"] == lockfile.digest(text)
    if os.name == "posix":
        assert home.lock.stat().st_mode & 0o777 == 0o600


def test_the_second_update_asks_for_the_timestamp_and_takes_nothing(home, maintainer, server):
    release(maintainer)
    home.update()
    server.seen.clear()
    assert not home.update().changed
    assert [seen.target.rpartition("/")[2] for seen in server.seen] == [
        "2.root.json",
        "timestamp.json",
    ]


def test_a_rotated_key_is_followed(home, maintainer) -> None:
    home.update()
    assert maintainer.rotate("timestamp") == 2
    assert maintainer.rotate("release") == 3
    assert maintainer.rotate("root-2") == 4
    release(maintainer)
    assert home.update().error is None
    assert home.catalog.entry("three").tier == "official"


def test_a_package_of_the_first_root_can_begin_after_all_rotations(home, maintainer) -> None:
    for name in ("root-1", "root-2", "root-3", "release", "timestamp"):
        maintainer.rotate(name)
    release(maintainer)
    assert home.update().error is None
    assert home.catalog.entry("three").tier == "official"


def test_the_root_of_the_package_is_taken_where_no_setting_names_one(home, maintainer) -> None:
    del home.environ["ARCRUN_RECIPES_ROOT"]
    error = home.update().error
    assert isinstance(error, AuthError)
    assert "no root key" in error.message
    shutil.copy(maintainer.site / "1.root.json", home.bundled / "root.json")
    release(maintainer)
    assert home.update().error is None


def test_a_download_may_lie_elsewhere(home, maintainer, server) -> None:
    """A release page redirects; each hop has to be https, or allowed by the user."""
    release(maintainer)
    with mirror.mirror(maintainer.site) as elsewhere:
        server.lie = lambda name: servers.Reply(302, {"location": f"{elsewhere.origin}/x/{name}"})
        assert isinstance(home.update().error, HostNotAllowed)
        assert elsewhere.seen == []
        home.environ["ARCRUN_ALLOW_HOSTS"] += f",{elsewhere.origin}"
        assert home.update().error is None
        server.lie = lambda _: servers.Reply(302, {"location": f"{server.origin}/again"})
        assert isinstance(home.update().error, ProviderUnavailable)


def test_a_fetched_set_costs_the_way_to_a_token_no_library(home, maintainer) -> None:
    """Its index is read by key, as that of the wheel: no YAML, no lock, whatever its size."""
    release(maintainer)
    home.update()
    code = (
        "import sys\n"
        "from arcrun_auth.catalog import Catalog\n"
        f"catalog = Catalog({str(home.path)!r}, bundled={str(home.bundled)!r})\n"
        "assert catalog.entry('three').tier == 'official'\n"
        "heavy = {'yaml', 'msgspec', 'typing', 'dataclasses', 'httpx', 'tuf', 'json.decoder',\n"
        "         'arcrun_auth.recipe', 'arcrun_auth.catalog.build', 'arcrun_auth.remote'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    home.catalog.names()
    paths = os.pathsep.join([str(ROOT), *(p for p in sys.path if "site-packages" in p)])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, **home.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
