"""What becomes of a set that is not right: what was there before stays in use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from arcrun_auth.errors import (
    HostNotAllowed,
    ProviderUnavailable,
    RecipeError,
)
from arcrun_auth.remote import bundle, download
from tests import mirror, servers
from tests.mirror import recipe, release

ROOT = Path(__file__).parents[3]


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
