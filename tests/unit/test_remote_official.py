"""The official set: signed, fetched, pinned; and what becomes of one that is not right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arcrun_auth import catalog as catalog_module
from arcrun_auth import catalog_fetched
from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    ProviderUnavailable,
    RecipeError,
    RefreshBusy,
)
from arcrun_auth.remote import bundle, download, lockfile
from arcrun_auth.stores import private
from tests import mirror, servers
from tests.mirror import recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch) -> None:
    """A crash of the machine is no part of these tests, and a thousand files wait for one disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return mirror.ceremony(tmp_path_factory.mktemp("given") / "maintainer")


@pytest.fixture
def maintainer(made, tmp_path):
    (tmp_path / "given").mkdir(exist_ok=True)
    return made.copy(tmp_path / "given" / "maintainer")


@pytest.fixture
def server(maintainer):
    with mirror.mirror(maintainer.site) as running:
        yield running


@pytest.fixture
def home(tmp_path, server, maintainer):
    return mirror.Home(
        tmp_path,
        ARCRUN_RECIPES_URL=f"{server.origin}/recipes",
        ARCRUN_RECIPES_ROOT=str(maintainer.site / "1.root.json"),
        ARCRUN_ALLOW_HOSTS=server.origin,
    )


def release(maintainer, version=2, host="api.one.com", **more):
    return maintainer.release(version, one=recipe("one", host), three=recipe("three"), **more)


# -- the way it should go --------------------------------------------------------------


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
        "         'arcrun_auth.recipe', 'arcrun_auth.catalog_build', 'arcrun_auth.remote'}\n"
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


# -- and what is refused ---------------------------------------------------------------


@pytest.fixture
def used(home, maintainer):
    """Version 2 is in use; `refused` then says that it still is."""
    release(maintainer)
    assert home.update().error is None
    before = home.catalog.bodies()
    home.pinned = home.lock.read_bytes()

    def refused(kind, words, **options):
        result = home.update(**options)
        assert isinstance(result.error, kind), result
        assert words in str(result.error), result.error
        assert not result.changed
        assert home.lock.read_bytes() == home.pinned
        assert home.catalog.bodies() == before
        assert home.catalog.problems == []

    return refused


def test_an_older_timestamp_is_a_rollback(used, home, maintainer, tmp_path) -> None:
    old = shutil.copytree(maintainer.site, tmp_path / "given" / "old")
    release(maintainer, 3, "new.one.com")
    home.update()
    home.pinned = home.lock.read_bytes()
    shutil.rmtree(maintainer.site)
    shutil.copytree(old, maintainer.site)
    result = home.update()
    assert isinstance(result.error, RecipeError)
    assert "older than what was seen before" in str(result.error)
    assert home.catalog.recipe("one").base_url == "https://new.one.com"


def test_an_expired_timestamp_is_a_freeze(used, maintainer) -> None:
    maintainer.later(days=-8)
    maintainer.repository.refresh()
    used(RecipeError, "out of date")


def test_a_timestamp_that_is_made_anew_ends_it(used, home, maintainer) -> None:
    maintainer.later(days=-8)
    maintainer.repository.refresh()
    assert home.update().error is not None
    maintainer.later(days=8)
    maintainer.repository.refresh()
    assert home.update().error is None


def test_files_of_two_states_do_not_mix(used, maintainer) -> None:
    old = (maintainer.site / "2.snapshot.json").read_bytes()
    release(maintainer, 3, "new.one.com")
    (maintainer.site / "3.snapshot.json").write_bytes(old)
    used(RecipeError, "not the one that was signed")


def test_too_few_signatures_are_none(used, home, maintainer) -> None:
    maintainer.rotate("root-1")
    path = maintainer.site / "2.root.json"
    root = json.loads(path.read_text())
    root["signatures"] = root["signatures"][:1]
    path.write_text(json.dumps(root))
    used(RecipeError, "not signed by enough")


def test_keys_of_somebody_else_sign_nothing(used, maintainer, tmp_path) -> None:
    other = mirror.ceremony(tmp_path / "given" / "other")
    for version in (2, 3):
        other.release(version, one=recipe("one", "evil.example"))
    for path in other.site.iterdir():
        if "root" not in path.name:
            shutil.copy(path, maintainer.site)
    used(RecipeError, "not signed by enough")


def test_a_set_that_was_changed_is_not_the_one_that_was_signed(used, maintainer) -> None:
    release(maintainer, 3, "new.one.com")
    for path in maintainer.site.glob(f"*.{bundle.NAME}"):
        path.write_bytes(path.read_bytes().replace(b"new.one.com", b"bad.one.com"))
    used(RecipeError, "not the one that was signed")


@pytest.mark.parametrize("name", ["timestamp.json", bundle.NAME])
def test_endless_data_ends(used, maintainer, server, name) -> None:
    release(maintainer, 3, "new.one.com")
    body = b" " * (download.MAX_DOWNLOAD + 1)
    server.lie = lambda asked: servers.Reply(body=body) if asked.endswith(name) else None
    used(ProviderUnavailable, "more than 4 MB")
    server.lie = lambda asked: servers.Reply(body=body[1:]) if asked.endswith(name) else None
    used(RecipeError, "longer than it may be")


def test_a_slow_server_has_its_time_and_no_more(used, home) -> None:
    with servers.raw_server(servers.drip()) as origin:
        home.environ |= {"ARCRUN_RECIPES_URL": origin, "ARCRUN_ALLOW_HOSTS": origin}
        used(ProviderUnavailable, "did not answer within", seconds=0.3)


def test_a_server_that_is_gone_or_broken_changes_nothing(used, home, server) -> None:
    server.lie = lambda _: servers.Reply(500, body=b"oops")
    used(ProviderUnavailable, "status 500")
    server.lie = lambda _: servers.Reply(body=b"[" * 100_000)
    used(RecipeError, "not a set that can be checked")
    server.close()
    used(ProviderUnavailable, "could not be reached")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../evil.yaml", "no name of a recipe"),
        ("/etc/evil.yaml", "no name of a recipe"),
        ("a/b.yaml", "no name of a recipe"),
        ("..\\evil.yaml", "no name of a recipe"),
        ("one.override.yaml", "no name of a recipe"),
        ("evil.yaml\n", "no name of a recipe"),
        (".yaml", "no name of a recipe"),
    ],
)
def test_a_name_leads_nowhere_even_if_it_is_signed(name, words) -> None:
    data = json.dumps({"version": 1, "recipes": {name: recipe("evil")}}).encode()
    with pytest.raises(RecipeError, match=words):
        bundle.unpack(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no set of recipes"),
        (b"[]", "no set of recipes"),
        (b'{"version": "2", "recipes": {}}', "no set of recipes"),
        (b'{"version": 2, "recipes": {}}', "no recipes"),
        (b'{"version": 0, "recipes": {"a.yaml": "a: b"}}', "no version"),
        (b'{"version": 2, "recipes": {"one.yaml": "{"}}', "not valid YAML"),
        (b'{"version": 2, "recipes": {"one.yaml": "service: _one"}}', "begins with _"),
        (b'{"version": 2, "recipes": {"_one.yaml": "service: one"}}', "begins with _"),
        (b"[" * 100_000, "no set of recipes"),
    ],
)
def test_a_set_is_read_as_if_it_had_no_signature(data, words) -> None:
    with pytest.raises(RecipeError, match=words):
        bundle.unpack(data)


def test_a_service_stands_in_a_set_once() -> None:
    texts = {"a.yaml": recipe("one"), "b.yaml": recipe("one")}
    with pytest.raises(RecipeError, match="describes this service already"):
        bundle.check(texts)


def test_a_set_that_this_release_cannot_read_is_refused_whole(used, home, maintainer) -> None:
    """Half of it would take away services that are in use."""
    newer = recipe("four") + "a_field_of_the_future: 1\n"
    with pytest.raises(RecipeError, match="no such field"):
        release(maintainer, 3, four=newer)
    with pytest.raises(RecipeError) as caught:
        bundle.check({"four.yaml": newer, "one.yaml": recipe("one")})
    assert "pip install --upgrade arcrun-auth" in str(caught.value)


def test_a_signed_set_of_a_lower_version_is_refused_at_the_same_place(
    used, maintainer, monkeypatch
) -> None:
    from arcrun_auth.publishing import repository

    monkeypatch.setattr(repository, "_bundle_version", lambda _: 0)
    release(maintainer, 1, "old.one.com")
    used(RecipeError, "version 1, and 2 was there before")


@pytest.mark.parametrize(
    "url", ["ftp://x.io", "https://u@x.io/", "https://x.io/?q=1", "nonsense", "https://[x"]
)
def test_a_setting_that_is_no_url_is_said(home, url) -> None:
    home.environ["ARCRUN_RECIPES_URL"] = url
    assert "valid URL" in str(home.update().error) or "no URL" in str(home.update().error)


def test_a_host_that_is_not_public_needs_the_users_word(home, maintainer, server) -> None:
    del home.environ["ARCRUN_ALLOW_HOSTS"]
    assert isinstance(home.update().error, HostNotAllowed)
    assert server.seen == []


def test_a_root_that_is_not_there_is_said(home) -> None:
    home.environ["ARCRUN_RECIPES_ROOT"] = "/nowhere/root.json"
    assert "/nowhere/root.json is not there" in str(home.update().error)


# -- the lock --------------------------------------------------------------------------


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


# -- as long as it is named ------------------------------------------------------------


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


# -- one at a time ---------------------------------------------------------------------


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
    assert catalog_fetched.stamp(str(tmp_path)) == ""


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


# -- when ------------------------------------------------------------------------------


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
