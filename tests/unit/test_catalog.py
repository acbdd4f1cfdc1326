"""The catalogue: sources and their order, the index and its files, and what loads when."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arcrun_auth
from arcrun_auth import catalog_build, catalog_index, consent
from arcrun_auth.catalog import Catalog, env_name
from arcrun_auth.errors import RecipeError, UnknownService
from arcrun_auth.recipe import read

ROOT = Path(__file__).parents[2]

NOTION = """\
service: notion
display_name: Notion
category: productivity
aliases: [notion_so]
primitive: static_key
base_url: https://api.notion.com/v1
required_secrets: [{key: notion_token, env: [NOTION_TOKEN]}]
inject: {header: {Authorization: "Bearer {{secret.notion_token}}"}}
methods:
  - primitive: oauth2
    label: With a browser
    oauth2: {token_endpoint: "https://api.notion.com/v1/oauth/token", refresh: {rotates: "yes"}}
"""
GONE = """\
service: gone
primitive: static_key
status: closed
successor: notion
account: shared
"""


def key(service, **more):
    extra = "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items())
    return (
        f"service: {service}\nprimitive: static_key\nbase_url: https://api.{service}.example\n"
        f"required_secrets: [{{key: {service}_key, env: [THEIRS]}}]\n"
        f"inject: {{header: {{Authorization: 'Bearer {{{{secret.{service}_key}}}}'}}}}\n{extra}"
    )


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
    catalog_build.prebuild(str(bundled), str(folder / "index.db"), release="9.9")
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def local(home):
    folder = home / "recipes"
    folder.mkdir(parents=True)
    return folder


# -- entries ---------------------------------------------------------------------------


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
    assert entry.display_name == "gone"


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
    assert catalog_build.token_secret(read(text).way()) == expected


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


# -- names in the environment ----------------------------------------------------------


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


# -- tiers -----------------------------------------------------------------------------


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


# -- add -------------------------------------------------------------------------------


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


# -- problems --------------------------------------------------------------------------


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


# -- bases -----------------------------------------------------------------------------


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


# -- the index -------------------------------------------------------------------------


def reads(monkeypatch):
    """The paths of the recipe files that are read from now on."""
    seen = []
    real = catalog_build.read
    monkeypatch.setattr(
        catalog_build, "read", lambda path, sums: seen.append(Path(path).name) or real(path, sums)
    )
    return seen


def test_only_changed_files_are_read(home, bundled, local, monkeypatch):
    for i in range(5):
        (local / f"s{i}.yaml").write_text(key(f"s{i}"))
    seen = reads(monkeypatch)
    Catalog(home, bundled=bundled).names()
    assert sorted(seen) == ["gone.yaml", "notion.yaml", *(f"s{i}.yaml" for i in range(5))]
    seen.clear()
    catalog = Catalog(home, bundled=bundled)
    catalog.names()
    assert seen == []
    (local / "s3.yaml").write_text(key("s3", display_name="Changed"))
    (local / "s4.yaml").unlink()
    catalog.reindex()
    assert seen == ["s3.yaml"]
    assert catalog.entry("s3").display_name == "Changed"
    assert "s4" not in catalog.names()


def test_a_file_that_only_changed_its_time_is_read_again(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    seen = reads(monkeypatch)
    os.utime(local / "mine.yaml", ns=(1, 1))
    Catalog(home, bundled=bundled).names()
    assert seen == ["mine.yaml"]


def test_an_index_made_by_other_rules_is_built_anew(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    seen = reads(monkeypatch)
    monkeypatch.setattr(catalog_index, "fingerprint", lambda *_: "other rules")
    assert Catalog(home, bundled=bundled).names() == ["gone", "mine", "notion"]
    assert "mine.yaml" in seen


@pytest.mark.parametrize("damage", [b"", b"not a database" * 100, None])
def test_a_damaged_index_is_built_anew(home, bundled, local, damage):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    index = local / "index.db"
    index.write_bytes(index.read_bytes()[:-3000] if damage is None else damage)
    catalog = Catalog(home, bundled=bundled)
    assert catalog.entry("mine").tier == "local"
    assert catalog.recipe("mine").service == "mine"


def test_an_update_that_dies_half_way_leaves_the_index_as_it_was(home, bundled, local, monkeypatch):
    (local / "a.yaml").write_text(key("a", display_name="Old"))
    (local / "b.yaml").write_text(key("b"))
    Catalog(home, bundled=bundled).names()
    (local / "a.yaml").write_text(key("a", display_name="New"))
    (local / "b.yaml").write_text(key("b", display_name="New"))
    real = catalog_build._Builder._recipe

    def die(builder, document):
        if document.data["service"] == "b":
            raise KeyboardInterrupt
        real(builder, document)

    with monkeypatch.context() as patch:
        patch.setattr(catalog_build._Builder, "_recipe", die)
        with pytest.raises(KeyboardInterrupt):
            Catalog(home, bundled=bundled).names()
    db = sqlite3.connect(local / "index.db")
    assert db.execute("SELECT display_name FROM recipe ORDER BY service").fetchall() == [
        ("Old",), ("b",),
    ]  # fmt: skip
    db.close()
    assert Catalog(home, bundled=bundled).entry("b").display_name == "New"


def test_an_index_of_another_layout_is_built_anew(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    with sqlite3.connect(local / "index.db") as db:
        db.execute("CREATE TABLE recipe (x)")
        db.execute("CREATE TABLE other (x)")
    db.close()
    assert Catalog(home, bundled=bundled).entry("mine").tier == "local"


def test_a_link_where_the_index_belongs_is_not_followed(home, bundled, local, tmp_path):
    (local / "mine.yaml").write_text(key("mine"))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (local / "index.db").symlink_to(victim)
    assert Catalog(home, bundled=bundled).entry("mine").tier == "local"
    assert victim.read_bytes() == b"precious"
    assert not (local / "index.db").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_index_is_for_its_owner_alone(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    (local / "index.db").touch()
    (local / "index.db").chmod(0o644)
    local.chmod(0o755)
    Catalog(home, bundled=bundled).names()
    assert (local / "index.db").stat().st_mode & 0o777 == 0o600
    assert local.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_written_the_index_lives_in_memory(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    # The tests may run as root, who can write everywhere.
    monkeypatch.setattr(catalog_build.private, "ensure_folder", refuse)
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "mine", "notion"]
    assert catalog.recipe("mine").service == "mine"
    assert not (local / "index.db").exists()


def test_a_catalogue_may_be_closed_and_asked_again(home, bundled):
    catalog = Catalog(home, bundled=bundled)
    entry = catalog.entry("notion")
    catalog.close()
    catalog.close()
    assert catalog.entry("notion") == entry


def steps_of(catalog, question):
    """How many steps SQLite's machine takes for a question."""
    question()  # what is opened once is open
    steps = []
    connection = catalog._open()[0][1]._connection
    connection.set_progress_handler(lambda: steps.append(1), 1)
    question()
    connection.set_progress_handler(None, 1)
    return len(steps)


def test_the_way_to_a_token_costs_the_same_in_a_large_catalogue(tmp_path):
    found = []
    for number in (3, 300):
        folder = tmp_path / f"of-{number}"
        folder.mkdir()
        for index in range(number):
            (folder / f"s{index}.yaml").write_text(key(f"s{index}"))
        catalog = Catalog(tmp_path / f"home-{number}", bundled=folder)
        variables = ["PATH", "HOME", "ARCRUN_S1_KEY"]
        questions = [(catalog.entry, "s1"), (catalog.recipe, "s1"), (catalog.accounts, variables)]
        found.append([steps_of(catalog, partial(ask, what)) for ask, what in questions])
        catalog.close()
    assert found[0] == found[1]


def test_the_accounts_that_variables_speak_of_are_looked_up(home, bundled, local):
    (bundled / "more.yaml").write_text(key("more", account="shared"))
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.accounts(["PATH"]) == []
    assert catalog.accounts(["ARCRUN_NOTION_TOKEN"]) == ["notion"]
    assert catalog.accounts(["arcrun_notion_token", "NOTION_TOKEN"]) == ["notion"]
    assert catalog.accounts(["ARCRUN_NOTION_ACCESS_TOKEN"]) == ["notion"]
    assert catalog.accounts(["ARCRUN_MORE_KEY", "ARCRUN_MINE_KEY"]) == ["shared", "mine"]
    assert catalog.accounts(["THEIRS"]) == ["shared"]  # a local recipe reads none that it names
    many = [f"V{number}" for number in range(2000)]
    assert catalog.accounts([*many, "NOTION_TOKEN"]) == ["notion"]
    (bundled / "more.yaml").unlink()
    catalog.reindex()
    assert catalog.accounts(["ARCRUN_MORE_KEY"]) == []


def test_a_row_is_found_by_its_key_and_not_by_looking_at_all(home, wheel):
    index = Catalog(home, bundled=wheel)._open()[0][1]
    for sql in (
        "SELECT * FROM recipe WHERE service = ?",
        "SELECT * FROM body WHERE service = ?",
        "SELECT * FROM alias WHERE alias = ?",
    ):
        (plan,) = index.query(f"EXPLAIN QUERY PLAN {sql}", "x")
        assert plan[3].startswith("SEARCH"), plan


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20))
def test_any_path_is_a_uri_of_sqlite(name):
    if name in (".", ".."):
        return
    uri = catalog_index.uri(f"/nowhere/{name}", mode="memory")
    db = sqlite3.connect(uri, uri=True)
    db.close()


# -- many at once ----------------------------------------------------------------------


def _names(home, bundled, barrier, queue):
    barrier.wait(30)
    catalog = Catalog(home, bundled=bundled)
    queue.put((catalog.names(), [str(problem) for problem in catalog.problems]))


def test_many_processes_may_build_the_index_at_once(home, bundled, local):
    for i in range(30):
        (local / f"s{i}.yaml").write_text(key(f"s{i}"))
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=_names, args=(str(home), str(bundled), barrier, queue))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    expected = sorted(["gone", "notion", *(f"s{i}" for i in range(30))])
    assert answers == [(expected, [])] * 4


def test_many_threads_may_ask_one_catalogue(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    failures = []

    def ask():
        try:
            for _ in range(50):
                assert catalog.entry("mine").service == "mine"
                assert catalog.recipe("notion").service == "notion"
                assert len(catalog.entries()) == 3
        except BaseException as error:  # a thread's error must reach the test
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_many_threads_may_open_one_catalogue_and_it_is_built_once(
    home, bundled, local, monkeypatch
):
    (local / "mine.yaml").write_text(key("mine"))
    seen = reads(monkeypatch)
    catalog = Catalog(home, bundled=bundled)
    barrier = threading.Barrier(8)
    found = []

    def ask():
        barrier.wait(30)
        found.append(catalog.names())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [["gone", "mine", "notion"]] * 8
    assert sorted(seen) == ["gone.yaml", "mine.yaml", "notion.yaml"]


def test_who_reads_an_index_is_not_disturbed_by_who_builds_the_next(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine", display_name="Old"))
    reader = Catalog(home, bundled=bundled)
    assert reader.entry("mine").display_name == "Old"
    (local / "mine.yaml").write_text(key("mine", display_name="New"))
    assert Catalog(home, bundled=bundled).entry("mine").display_name == "New"
    assert reader.entry("mine").display_name == "Old"
    reader.reindex()
    assert reader.entry("mine").display_name == "New"
    assert sorted(path.name for path in local.iterdir()) == ["bundled.db", "index.db", "mine.yaml"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_opens_its_own(home, wheel):
    code = (
        "import os, sys\n"
        "from arcrun_auth.catalog import Catalog\n"
        f"catalog = Catalog({str(home)!r}, bundled={str(wheel)!r})\n"
        "catalog.entry('notion')\n"
        "mine = catalog._open()[0][1]._connection\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    catalog.entry('notion')\n"
        "    os._exit(0 if catalog._open()[0][1]._connection is not mine else 1)\n"
        "sys.exit(os.waitpid(pid, 0)[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# -- the wheel -------------------------------------------------------------------------


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
        "         'arcrun_auth.recipe', 'arcrun_auth.catalog_build', 'arcrun_auth.lint'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert catalog.recipe('notion').service == 'notion'\n"
        "assert not {'yaml', 'arcrun_auth.catalog_build'} & set(sys.modules)\n"
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
        catalog_build.prebuild(str(bundled), str(tmp_path / "index.db"), release="1")


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
    monkeypatch.setattr("arcrun_auth.catalog.__file__", str(package / "catalog.py"))
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
        ".venv", ".git", ".coverage*", ".*_cache", "build", "__pycache__", "*.egg-info", "tests"
    )
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


# -- for the linter --------------------------------------------------------------------


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
