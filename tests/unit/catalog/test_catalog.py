"""The catalogue: what it has, from which source, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arcrun_auth
from arcrun_auth import consent
from arcrun_auth.catalog import Catalog, rows
from arcrun_auth.errors import RecipeError, UnknownService
from arcrun_auth.recipe import read
from arcrun_auth.variables import env_name
from tests.catalog_kit import key

ROOT = Path(__file__).parents[3]


def test_an_entry_says_what_the_hot_path_needs(home, bundled):
    entry = Catalog(home, bundled=bundled).entry("notion")
    assert (entry.service, entry.display_name, entry.category) == (
        "notion",
        "Notion",
        "productivity",
    )
    assert (entry.account, entry.status, entry.successor) == ("notion", "active", "")
    assert (entry.tier, entry.release) == ("bundled", arcrun_auth.__version__)
    assert entry.aliases == ("notion_so",)
    assert entry.path == str(bundled / "notion.yaml")
    first, second = entry.methods
    assert (first.id, first.primitive, first.token_secret) == ("key", "static_key", "notion_token")
    assert first.secrets == (("notion_token", False, ("ARCRUN_NOTION_TOKEN", "NOTION_TOKEN")),)
    assert (first.label, first.rotates) == ("", "no")
    assert (second.id, second.primitive, second.label) == ("oauth", "oauth2", "With a browser")
    assert (second.token_secret, second.secrets, second.rotates) == ("", (), "yes")


def test_the_digest_of_an_entry_is_that_of_the_projection(home, bundled):
    catalog = Catalog(home, bundled=bundled)
    recipe = catalog.recipe("notion")
    for method in catalog.entry("notion").methods:
        way = recipe.way(method.id)
        assert method.digest == consent.digest(consent.project(recipe, way))


def test_a_closed_service_names_its_successor(home, bundled):
    entry = Catalog(home, bundled=bundled).entry("gone")
    assert (entry.status, entry.successor, entry.account) == ("closed", "notion", "shared")
    assert entry.display_name == "Gone"


def test_entries_are_values(home, bundled):
    one, two = (Catalog(home, bundled=bundled).entry("notion") for _ in "ab")
    assert one == two
    assert len({one, two}) == 1
    assert one != "notion"
    assert repr(one) == "Entry('notion', tier='bundled')"
    assert repr(one.methods[0]) == "MethodEntry('key', 'static_key')"
    with pytest.raises(AttributeError):
        one.service = "other"


def test_a_method_is_found_by_its_id(home, bundled):
    entry = Catalog(home, bundled=bundled).entry("notion")
    assert entry.method().id == "key"
    assert entry.method("oauth").id == "oauth"
    with pytest.raises(RecipeError, match="there are key, oauth"):
        entry.method("nope")


@pytest.mark.parametrize(
    ("secrets", "named", "expected"),
    [
        ("[{key: a}]", "", "a"),
        ("[{key: a}, {key: b, optional: true}]", "", "a"),
        ("[{key: a}, {key: b}]", "", ""),
        ("[{key: a}, {key: b}]", "token_secret: b\n", "b"),
        ("[]", "", ""),
    ],
)
def test_the_token_of_a_static_key_is_the_only_secret_or_the_one_named(secrets, named, expected):
    text = f"service: x\nprimitive: static_key\nrequired_secrets: {secrets}\n{named}"
    assert rows.token_secret(read(text).way()) == expected


def test_an_alias_leads_to_its_service(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine", aliases=["my"]))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.entry("notion_so").service == "notion"
    assert catalog.recipe("notion_so").service == "notion"
    assert catalog.entry("my").service == "mine"


def test_an_unknown_service_names_those_that_come_close(home, bundled):
    with pytest.raises(UnknownService) as caught:
        Catalog(home, bundled=bundled).entry("notoin")
    assert caught.value.similar[0] == "notion"


@pytest.mark.parametrize(
    ("service", "instance", "secret", "name"),
    [
        ("notion", "default", "notion_token", "ARCRUN_NOTION_TOKEN"),
        ("notion", "work", "notion_token", "ARCRUN_NOTION__WORK__TOKEN"),
        ("notion", "work.eu-1+x", "token", "ARCRUN_NOTION__WORK_EU_1_X__TOKEN"),
        ("kbdb", "default", "kbdb", "ARCRUN_KBDB_KBDB"),
        ("aws", "default", "awsome", "ARCRUN_AWS_AWSOME"),
        ("author/my_app", "default", "api.key", "ARCRUN_AUTHOR_MY_APP_API_KEY"),
        ("mail", "default", "client_id", "ARCRUN_MAIL_CLIENT_ID"),
    ],
)
def test_names_are_computed_forward(service, instance, secret, name):
    assert env_name(service, instance, secret) == name


@given(
    st.from_regex(r"[a-z0-9]+(_[a-z0-9]+)*", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,10}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
)
def test_every_name_is_one_that_a_shell_takes(service, instance, secret):
    name = env_name(service, instance, secret)
    assert name.startswith("ARCRUN_")
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def test_a_local_recipe_stands_beside_the_bundled_ones(home, bundled, local):
    (local / "mine.yml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "mine", "notion"]
    entry = catalog.entry("mine")
    assert (entry.tier, entry.release, entry.path) == ("local", "", str(local / "mine.yml"))
    assert catalog.recipe("mine").base_url == "https://api.mine.example"
    assert catalog.problems == []


def test_a_local_recipe_reads_no_variable_that_it_names(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    (secret,) = Catalog(home, bundled=bundled).entry("mine").methods[0].secrets
    assert secret == ("mine_key", False, ("ARCRUN_MINE_KEY",))


@pytest.mark.parametrize("service", ["notion", "notion_so"])
def test_a_local_recipe_never_stands_over_a_bundled_one_in_silence(home, bundled, local, service):
    (local / "evil.yaml").write_text(key(service))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "notion"]
    (problem,) = catalog.problems
    assert problem.path == str(local / "evil.yaml")
    assert "--override" in str(problem.hint)
    if service == "notion":
        assert catalog.entry("notion").tier == "bundled"
        assert catalog.recipe("notion").base_url == "https://api.notion.com/v1"
    else:
        with pytest.raises(RecipeError, match="stand over"):
            catalog.entry(service)


def test_a_local_alias_never_stands_over_a_bundled_one(home, bundled, local):
    (local / "evil.yaml").write_text(key("evil", aliases=["notion", "notion_so"]))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.entry("notion").tier == "bundled"
    assert catalog.entry("notion_so").tier == "bundled"


def test_an_override_stands_over_it_because_the_user_said_so(home, bundled, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(key("notion"))
    catalog = Catalog(home, bundled=bundled)
    with pytest.raises(RecipeError, match="stand over the bundled service 'notion'"):
        catalog.add(mine)
    assert not (home / "recipes").exists() or not list((home / "recipes").glob("*.yaml"))
    entry = catalog.add(mine, override=True)
    assert (entry.tier, catalog.recipe("notion").base_url) == (
        "local",
        "https://api.notion.example",
    )
    assert (home / "recipes" / "notion.override.yaml").exists()
    assert catalog.names() == ["gone", "notion"]
    assert catalog.problems == []
    assert Catalog(home, bundled=bundled).entry("notion").tier == "local"


def test_a_bundled_file_is_no_override_whatever_its_name(home, bundled, local):
    (bundled / "mine.override.yaml").write_text(key("mine"))
    (local / "mine.override.yaml").write_text(key("mine", display_name="Ours"))
    assert Catalog(home, bundled=bundled).entry("mine").display_name == "Ours"


def test_further_folders_are_local_too(home, bundled, tmp_path, local):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "more.yaml").write_text(key("more"))
    (local / "mine.yaml").write_text(key("mine"))
    with_extra = Catalog(home, bundled=bundled, extra=[extra])
    assert with_extra.entry("more").tier == "local"
    assert Catalog(home, bundled=bundled).names() == ["gone", "mine", "notion"]
    before = sorted(local.glob("*.db"))
    assert with_extra.names() == ["gone", "mine", "more", "notion"]
    assert sorted(local.glob("*.db")) == before


def test_add_copies_the_file_for_its_owner_alone(home, bundled, tmp_path):
    (tmp_path / "x.yaml").write_text(key("mine"))
    old = os.umask(0)
    try:
        entry = Catalog(home, bundled=bundled).add(tmp_path / "x.yaml")
    finally:
        os.umask(old)
    assert entry.path == str(home / "recipes" / "mine.yaml")
    if os.name == "posix":
        for path in (home, home / "recipes"):
            assert path.stat().st_mode & 0o777 == 0o700
        for path in (home / "recipes").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600, path


def test_add_keeps_the_text_that_was_shown_whatever_the_file_says_by_then(home, bundled, tmp_path):
    file = tmp_path / "x.yaml"
    shown = key("mine")
    file.write_text(key("mine", display_name="Changed meanwhile"))
    catalog = Catalog(home, bundled=bundled)
    entry = catalog.add(file, text=shown.encode())
    assert Path(entry.path).read_text() == shown
    assert entry.display_name != "Changed meanwhile"


def test_no_local_recipe_has_the_name_of_one_that_an_author_signed(home, bundled, local, tmp_path):
    file = tmp_path / "shop.yaml"
    signed_name = key("shop").replace("service: shop", "service: acme/shop")
    file.write_text(signed_name)
    catalog = Catalog(home, bundled=bundled)
    for override in (False, True):
        with pytest.raises(RecipeError, match="its author signed") as caught:
            catalog.add(file, override=override)
        assert (caught.value.field, caught.value.service) == ("service", "acme/shop")
    assert list(local.glob("*.yaml")) == []
    (local / "shop.yaml").write_text(signed_name)
    catalog.reindex()
    assert "acme/shop" not in catalog.names()
    assert ["its author signed" in str(problem) for problem in catalog.problems] == [True]


def test_add_twice_replaces(home, bundled, tmp_path):
    catalog = Catalog(home, bundled=bundled)
    file = tmp_path / "x.yaml"
    file.write_text(key("mine"))
    catalog.add(file)
    file.write_text(key("mine", display_name="New"))
    assert catalog.add(file).display_name == "New"
    assert catalog.names() == ["gone", "mine", "notion"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("service: [", "not valid YAML"),
        (key("mine") + "nope: 1\n", "no such field"),
        (key("mine", description="a\u202eb"), "invisible"),
        (key("home"), "reserved"),
        (key("mine", extends="_nope"), "no base"),
    ],
)
def test_add_refuses_what_the_linter_refuses(home, bundled, tmp_path, text, match):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(RecipeError, match=match):
        Catalog(home, bundled=bundled).add(tmp_path / "x.yaml")
    assert not list(home.rglob("*.yaml"))


def test_add_of_a_file_that_is_not_there(home, bundled):
    with pytest.raises(RecipeError, match="cannot be read"):
        Catalog(home, bundled=bundled).add("/nowhere/x.yaml")


def test_an_invalid_file_is_listed_and_harms_no_other(home, bundled, local):
    (local / "bad.yaml").write_text("service: bad\nprimitive: No Name\n")
    (local / "worse.yaml").write_text("{")
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "mine", "notion"]
    bad, worse = catalog.problems
    assert (bad.service, bad.line, bad.field) == ("bad", 2, "primitive")
    assert bad.path == str(local / "bad.yaml")
    assert "not valid YAML" in str(worse)
    with pytest.raises(RecipeError, match="matching regex"):
        catalog.entry("bad")


def test_a_file_that_cannot_be_read_is_a_problem(home, bundled, local):
    (local / "dangling.yaml").symlink_to("/nowhere")
    (local / "dir.yaml").mkdir()
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "notion"]


def test_two_files_for_one_service_are_a_problem_that_ends_with_one_of_them(home, bundled, local):
    (local / "a.yaml").write_text(key("mine", display_name="A"))
    (local / "b.yaml").write_text(key("mine", display_name="B"))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.entry("mine").display_name == "A"
    assert "describes this service already" in str(catalog.problems[0])
    (local / "a.yaml").unlink()
    catalog.reindex()
    assert catalog.entry("mine").display_name == "B"
    assert catalog.problems == []


BASE = "service: _base\nprimitive: static_key\nbase_url: https://api.base.example\n"


def test_a_changed_base_changes_what_stands_on_it(home, bundled, local):
    (local / "_base.yaml").write_text(BASE)
    (local / "child.yaml").write_text("service: child\nextends: _base\n")
    catalog = Catalog(home, bundled=bundled)
    assert catalog.recipe("child").base_url == "https://api.base.example"
    assert catalog.names() == ["child", "gone", "notion"]
    with pytest.raises(UnknownService):
        catalog.entry("_base")
    (local / "_base.yaml").write_text(BASE.replace("api.base", "other.base"))
    catalog.reindex()
    assert catalog.recipe("child").base_url == "https://other.base.example"
    (local / "_base.yaml").unlink()
    catalog.reindex()
    assert "no base '_base'" in str(catalog.problems[0])


def test_a_local_recipe_may_extend_a_bundled_base_and_not_replace_it(home, bundled, local):
    (bundled / "_base.yaml").write_text(BASE)
    (local / "_base.yaml").write_text(BASE.replace("api.base", "evil.base"))
    (local / "child.yaml").write_text("service: child\nextends: _base\n")
    catalog = Catalog(home, bundled=bundled)
    assert catalog.recipe("child").base_url == "https://api.base.example"


def test_a_base_and_its_file_both_begin_with_an_underscore(home, bundled, local):
    (local / "base.yaml").write_text(BASE)
    (local / "_mine.yaml").write_text(key("mine"))
    problems = Catalog(home, bundled=bundled).problems
    assert [("begins with _" in str(problem)) for problem in problems] == [True, True]


def test_the_bases_of_all_sources_are_at_hand_and_bundled_ones_win(home, bundled, local):
    (bundled / "_base.yaml").write_text(BASE)
    (local / "_base.yaml").write_text(BASE.replace("api.base", "evil.base"))
    (local / "_mine.yaml").write_text("service: _mine\n")
    bases = Catalog(home, bundled=bundled).bases()
    assert sorted(bases) == ["_base", "_mine"]
    assert bases["_base"].data["base_url"] == "https://api.base.example"
    assert Catalog(home, bundled=bundled, extra=[]).bases().keys() == bases.keys()


def test_a_file_is_bundled_by_where_it_lies(home, bundled, local):
    catalog = Catalog(home, bundled=bundled)
    assert catalog.is_bundled(bundled / "notion.yaml")
    assert not catalog.is_bundled(local / "notion.yaml")
