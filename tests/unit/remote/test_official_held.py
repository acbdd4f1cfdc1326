"""A set that is held: by its lock, as long as its source is named, one at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from arcrun_auth import catalog as catalog_module
from arcrun_auth.catalog import fetched
from arcrun_auth.errors import (
    HostNotAllowed,
    ProviderUnavailable,
    RecipeError,
    RefreshBusy,
)
from arcrun_auth.remote import download, lockfile
from arcrun_auth.stores import private
from tests import mirror, servers
from tests.mirror import recipe, release

ROOT = Path(__file__).parents[3]


def test_a_file_that_was_changed_is_a_problem_and_its_set_is_not_used(used, home) -> None:
    """An index that was made before knows the old text still; a new one finds out."""
    folder = json.loads(home.pinned)["official"]["folder"]
    path = home.path / "recipes/.fetched/official" / folder / "three.yaml"
    path.write_text(recipe("three", "evil.example"))
    assert home.catalog.recipe("three").base_url == "https://api.three.com"
    (home.path / "recipes/.fetched/official/index.db").unlink()
    catalog = home.catalog
    assert catalog.entry("one").tier == "bundled"
    assert catalog.names() == ["one"]
    (problem,) = catalog.problems
    assert "not the text that recipes.lock names" in str(problem)
    assert home.update().error is None
    assert home.catalog.problems == []
    assert home.catalog.entry("three").tier == "official"


def test_a_file_that_is_gone_is_fetched_again(used, home) -> None:
    shutil.rmtree(home.path / "recipes/.fetched/official")
    (problem,) = home.catalog.problems
    assert "are gone" in str(problem)
    assert home.catalog.names() == []
    with pytest.raises(RecipeError, match="not whole"):
        home.catalog.entry("two")
    assert home.update().error is None
    assert home.catalog.names() == ["one", "three"]


def test_a_damaged_lock_is_a_problem_and_breaks_nothing(used, home) -> None:
    for text in (
        "",
        "{}",
        '{"lock": 2}',
        '{"lock": 1, "official": {"folder": "..", "recipes": {}}}',
        '{"lock": 1, "official": {"folder": "x", "recipes": {"../a.yaml": {"sha256": ""}}}}',
    ):
        home.lock.write_text(text)
        catalog = home.catalog
        assert catalog.names() == ["one", "two"], text
        (problem,) = catalog.problems
        assert "recipes.lock" in str(problem)
        assert isinstance(home.update().error, RecipeError)
        assert home.lock.read_text() == text


def test_an_update_that_dies_leaves_one_state_whole(used, home, maintainer, monkeypatch) -> None:
    """At each file that is written: the old set before the lock is replaced, then the new one."""
    before = shutil.copytree(home.path, home.path.parent / "before", symlinks=True)
    release(maintainer, 3, "new.one.com")
    real = private.write_atomically
    hosts = []
    for step in range(100):
        shutil.rmtree(home.path)
        shutil.copytree(before, home.path, symlinks=True)
        left = [step]

        def die(path, data, left=left, **more):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(path, data, **more)

        with monkeypatch.context() as patch:
            patch.setattr(private, "write_atomically", die)
            try:
                home.update()
            except KeyboardInterrupt:
                pass
            else:
                break
        catalog = home.catalog
        assert catalog.problems == []
        new = home.lock.read_bytes() != home.pinned
        hosts.append("new.one.com" if new else "api.one.com")
        assert catalog.recipe("one").base_url == f"https://{hosts[-1]}"
        assert home.update().error is None
        assert home.catalog.recipe("one").base_url == "https://new.one.com"
    assert hosts == ["api.one.com"] * 3 + ["new.one.com"]


def test_a_file_of_a_set_that_is_missing_is_a_problem(used, home) -> None:
    place = home.path / "recipes/.fetched/official"
    (place / json.loads(home.pinned)["official"]["folder"] / "three.yaml").unlink()
    (place / "index.db").unlink()
    (problem,) = home.catalog.problems
    assert "cannot be read" in str(problem)
    assert home.catalog.names() == ["one"]


def damage(home, name: str = "three.yaml") -> None:
    """A text of the set is another one, and the index is to be made anew."""
    place = home.path / "recipes/.fetched/official"
    (place / json.loads(home.lock.read_text())["official"]["folder"] / name).write_text("a: b\n")
    (place / "index.db").unlink()


def test_the_package_does_not_speak_for_a_set_that_is_not_whole(home, maintainer) -> None:
    """What a company says otherwise stays its own: nothing goes where the package would send it."""
    maintainer.release(
        2, one=recipe("one", "one.corp.example"), three=recipe("three"),
        four=recipe("four", aliases=["quatre"]), five=recipe("five"),
    )  # fmt: skip
    (home.bundled / "five.yaml").write_text(recipe("five"))
    (home.bundled / "six.yaml").write_text(recipe("six", aliases=["seis"]))
    home.update()
    local = home.path / "recipes"
    for name in ("three", "four", "quatre", "mine"):
        (local / f"{name}.yaml").write_text(recipe(name))
    assert home.catalog.names() == ["five", "four", "mine", "one", "three"]
    damage(home)
    catalog = home.catalog
    for name in ("one", "two", "four", "quatre", "six", "seis", "nobody-knows-it"):
        with pytest.raises(RecipeError, match="not whole") as caught:
            catalog.entry(name)
        assert "arcrun recipes update" in str(caught.value)
    assert catalog.entry("five").tier == "bundled"
    assert catalog.entry("mine").tier == "local"
    assert catalog.names() == ["five", "mine", "three"]
    assert home.update().error is None
    assert home.catalog.entry("one").tier == "official"
    assert home.catalog.recipe("one").base_url == "https://one.corp.example"


def test_a_set_that_is_replaced_while_it_is_read_is_read_again(used, home, monkeypatch) -> None:
    """Whoever reads the lock just before another process replaces it finds the files, too."""
    real = lockfile.read
    built = []

    def read(folder):
        found = real(folder)
        if len(built) < 2:  # while it is read, and once more while it is read again
            built.append(found.official.version)
            version = 3 + len(built)
            texts = {
                "one.yaml": recipe("one", f"v{version}.example"),
                "three.yaml": recipe("three"),
            }
            monkeypatch.setattr(lockfile, "read", real)
            held = lockfile.Held("", {}, version=version, root=found.official.root)
            lockfile.store(folder, "official", held, texts)
            monkeypatch.setattr(lockfile, "read", read)
        return found

    (home.path / "recipes/.fetched/official/index.db").unlink()
    monkeypatch.setattr(lockfile, "read", read)
    catalog = home.catalog
    assert catalog.recipe("one").base_url == "https://v5.example"
    assert catalog.entry("one").tier == "official"
    assert catalog.problems == []
    assert built == [2, 4]


def test_a_set_is_used_only_while_its_source_is_named(used, home) -> None:
    """Who could set a variable for one command does not decide for all that follow."""
    assert home.catalog.entry("three").tier == "official"
    url = home.environ.pop("ARCRUN_RECIPES_URL")
    assert home.catalog.names() == ["one", "two"]
    assert home.catalog.entry("one").tier == "bundled"
    home.environ["ARCRUN_RECIPES_URL"] = f"{url}/another/mirror"
    assert home.catalog.entry("three").tier == "official"


def test_a_set_is_used_only_by_the_root_that_it_was_checked_by(
    used, home, maintainer, tmp_path
) -> None:
    root = home.environ.pop("ARCRUN_RECIPES_ROOT")
    assert home.catalog.entry("one").tier == "bundled"
    other = mirror.ceremony(tmp_path / "given" / "other")
    home.environ["ARCRUN_RECIPES_ROOT"] = str(other.site / "1.root.json")
    assert home.catalog.entry("one").tier == "bundled"
    same = tmp_path / "given" / "same.json"
    shutil.copy(root, same)
    home.environ["ARCRUN_RECIPES_ROOT"] = str(same)
    assert home.catalog.entry("one").tier == "official"
    shutil.copy(other.site / "1.root.json", same)
    assert home.catalog.entry("one").tier == "bundled"


def test_the_settings_of_the_home_name_it_where_none_are_given(used, home, monkeypatch) -> None:
    found = catalog_module.Catalog(home.path, bundled=home.bundled)
    assert found.entry("one").tier == "bundled"
    (home.path / "config.toml").write_text(
        "recipes_url = 'https://x.example'\n"
        f"recipes_root = '{home.environ['ARCRUN_RECIPES_ROOT']}'\n"
    )
    found = catalog_module.Catalog(home.path, bundled=home.bundled)
    assert found.entry("one").tier == "official"


def test_a_set_of_before_is_taken_again_by_the_next_update(used, home) -> None:
    """A lock that does not say by which root, or says another one, names no set in use."""
    lock = json.loads(home.lock.read_text())
    del lock["official"]["root"]
    home.lock.write_text(json.dumps(lock))
    assert home.catalog.entry("one").tier == "bundled"
    assert home.update().error is None
    assert home.catalog.entry("one").tier == "official"


def test_one_process_updates_at_a_time(home, server) -> None:
    with lockfile.writing(str(home.path), 5), pytest.raises(RefreshBusy, match="updating the"):
        home.updates().run(seconds=0.05)
    assert server.seen == []


def test_a_set_is_named_recipes_json(used, home, maintainer, monkeypatch) -> None:
    from arcrun_auth.publishing import repository

    monkeypatch.setattr(repository, "NAME", "other.json")
    with monkeypatch.context() as patch:
        patch.setattr(repository, "_bundle_version", lambda _: 2)
        release(maintainer, 3)
    used(RecipeError, "names no set of recipes")


def test_a_place_that_cannot_be_written_is_said(home, monkeypatch) -> None:
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    # The tests may run as root, who can write everywhere.
    monkeypatch.setattr("arcrun_auth.remote.official.Updater", refuse)
    assert "cannot be written: Permission denied" in str(home.update().error)


def test_a_root_that_cannot_be_read_is_said(home, tmp_path) -> None:
    home.environ["ARCRUN_RECIPES_ROOT"] = str(tmp_path)
    assert "cannot be read" in str(home.update().error)


def test_time_that_is_over_asks_nobody(server) -> None:
    with pytest.raises(ProviderUnavailable, match="did not answer within 0 seconds"):
        download.download(server.origin, download.Budget(0), allow=[server.origin])
    assert server.seen == []


@pytest.mark.parametrize("url", ["https://x.io:99999/", "https:///x", "https://exa mple/", "x"])
def test_what_is_no_address_is_not_asked(url) -> None:
    with pytest.raises(HostNotAllowed, match="no valid URL"):
        download.download(url, download.Budget(5))


@pytest.mark.parametrize("target", ["https://[x", "//[x"])
def test_a_redirect_that_is_no_address_leads_nowhere(used, home, server, target) -> None:
    server.lie = lambda _: servers.Reply(302, {"location": target}, b"")
    used(ProviderUnavailable, "redirects to what is no valid URL")


@pytest.mark.parametrize(
    "target",
    ["https://exa mple.com/", "https://u:p@x.io/", "https://x.io:99999/", "http://x.io", "ftp://x"],
)
def test_a_redirect_to_where_nobody_may_be_asked_is_refused(used, home, server, target) -> None:
    server.lie = lambda _: servers.Reply(302, {"location": target}, b"")
    used(HostNotAllowed, "")


def test_without_a_lock_there_is_no_state_of_it(tmp_path) -> None:
    assert fetched.stamp(str(tmp_path)) == ""


def test_old_sets_are_swept(used, home, maintainer) -> None:
    """All but the one before: somebody may be reading it still."""
    folders = [json.loads(home.lock.read_text())["official"]["folder"]]
    for version in (3, 4):
        release(maintainer, version, f"v{version}.one.com")
        home.update()
        folders.append(json.loads(home.lock.read_text())["official"]["folder"])
    place = home.path / "recipes/.fetched/official"
    left = sorted(p.name for p in place.iterdir() if p.is_dir())
    assert left == sorted(["tuf", *folders[-2:]])


def test_the_state_tells_how_it_went(home, maintainer, server) -> None:
    ((tier, well, words),) = home.updates().health()
    assert (tier, well, words) == ("official", False, "was never fetched")
    home.update()
    assert list(home.updates().health()) == [("official", True, "is as its source has it")]
    ((_, well, words),) = home.updates(mirror.NOW + 9 * 86400).health()
    assert (well, words) == (False, "was last fetched 9 days ago")
    root = home.environ.pop("ARCRUN_RECIPES_ROOT")
    ((_, well, words),) = home.updates().health()
    assert (well, words) == (False, "was checked by another root, and is not used")
    url = home.environ.pop("ARCRUN_RECIPES_URL")
    ((_, well, words),) = home.updates().health()
    assert (well, words) == (False, "is named by no setting, and what it gave is not used")
    home.environ |= {"ARCRUN_RECIPES_URL": url, "ARCRUN_RECIPES_ROOT": root}
    pinned = home.lock.read_bytes()
    home.lock.write_text("{}")  # which is told among the problems of the catalogue
    assert list(home.updates().health()) == [("official", True, "is as its source has it")]
    home.lock.write_bytes(pinned)
    server.lie = lambda _: servers.Reply(503)
    home.update()
    ((_, well, words),) = home.updates().health()
    assert not well
    assert "status 503" in words
