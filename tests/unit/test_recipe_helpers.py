"""What a recipe says of git and docker: the rules, the consent, the index."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import consent
from arcrun_auth.catalog import Catalog
from arcrun_auth.differences import differences
from arcrun_auth.errors import RecipeError
from arcrun_auth.lint import errors, lint
from arcrun_auth.recipe import read

if TYPE_CHECKING:
    from pathlib import Path

FORGE = textwrap.dedent("""\
    service: forge
    primitive: static_key
    base_url: https://api.forge.example
    required_secrets: [{key: user}, {key: token}]
    token_secret: token
    inject: {header: {Authorization: "Bearer {{secret.token}}"}}
    git: {hosts: [forge.example, "forge.example:8443"], username: x-token}
    docker: {registries: [registry.forge.example], username: "{{secret.user}}"}
    """)


def test_the_hosts_are_no_hosts_of_requests_and_yet_part_of_what_is_agreed_to():
    way = read(FORGE).way()
    assert consent.hosts(way, {}) == ("api.forge.example",)
    assert consent.receivers(way, {}) == (
        "api.forge.example",
        "forge.example",
        "forge.example:8443",
        "registry.forge.example",
    )


@pytest.mark.parametrize("place", ["forge.example,", "registry.forge.example]", "x-token"])
def test_another_host_or_user_is_another_consent_and_is_told(place):
    before, after = (
        read(FORGE),
        read(FORGE.replace(place, place.replace("f", "e").replace("x", "y"))),
    )
    old, new = (consent.project(recipe, recipe.way()) for recipe in (before, after))
    assert consent.digest(old) != consent.digest(new)
    assert any(" would be given your " in each.meaning for each in differences(old, new))


def test_a_recipe_without_them_has_the_digest_that_it_had():
    recipe = read("\n".join(FORGE.split("\n")[:6]))
    assert not {"git", "docker"} & consent.project(recipe, recipe.way()).keys()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[forge.example,", '["*.forge.example",', "one host"),
        ("[forge.example,", '["https://forge.example",', "no host"),
        ("[forge.example,", '["forge.example/x",', "no host"),
        ("[forge.example,", "[forge..example,", "no host name"),
        ("[forge.example,", '["forge.example:0",', "no valid port"),
        ("[forge.example,", "['127.1',", "plain form"),
        ("[forge.example,", '["{{secret.token}}.forge.example.org",', "not declared"),
        ("[forge.example,", '["{{param.x}}.forge.example.org",', "not declared"),
        ("username: x-token", "username: ''", "without a colon"),
        ("username: x-token", "username: 'a:b'", "without a colon"),
        ("username: x-token", r'username: "a\rb"', "without a colon"),
        ("username: x-token", r'username: "a\nb"', "without a colon"),
        ("username: x-token", r'username: "a\0b"', "without a colon|control"),
        ("username: x-token", "username: '{{secret.nope}}'", "not declared"),
        ("username: x-token", "user: x-token", "no such field|is missing"),
        ('{{secret.user}}"}', '{{secret.user}}", password: hunter2}', "one of the secrets"),
        ('{{secret.user}}"}', '{{secret.user}}", password: "{{secret.no}}"}', "not declared"),
    ],
)
def test_what_no_password_may_depend_on_is_refused(old, new, why):
    assert old in FORGE
    with pytest.raises(RecipeError, match=why):
        read(FORGE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("[forge.example,", "[127.0.0.1,", "url-public"),
        ("[forge.example,", "[localhost,", "url-public"),
        ("[registry.forge.example]", "[intranet]", "url-public"),
        ("[registry.forge.example]", "[co.uk]", "host-suffix"),
    ],
)
def test_the_linter_judges_them_as_it_does_all_hosts(old, new, rule):
    found = lint({"forge.yaml": FORGE.replace(old, new, 1)}, tier="bundled")
    assert rule in {finding.rule for finding in errors(found)}


def test_a_param_in_such_a_host_must_not_be_able_to_end_it():
    text = FORGE.replace("[registry.forge.example]", '["{{param.team}}.forge.example.org"]')
    for pattern, wrong in (("[a-z]+", False), (".+", True)):
        found = lint({"forge.yaml": f"{text}params: {{team: {{pattern: '{pattern}'}}}}\n"})
        assert ("host-param" in {finding.rule for finding in found}) == wrong


def test_two_services_do_not_answer_for_one_host():
    other = FORGE.replace("service: forge", "service: smithy").replace(
        "[registry.forge.example]", "[other.example]"
    )
    found = [f for f in lint({"forge.yaml": FORGE, "smithy.yaml": other}) if f.rule == "host-twice"]
    assert {f.path for f in found} == {"smithy.yaml"}
    assert {f.field for f in found} == {"git.hosts[0]", "git.hosts[1]"}
    assert "forge answers for 'forge.example'" in found[0].message


# -- the index -----------------------------------------------------------------------------


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    folder = tmp_path / "bundled"
    folder.mkdir()
    (folder / "forge.yaml").write_text(FORGE)
    return folder


def test_the_index_tells_who_answers_without_a_recipe_being_read(tmp_path, bundled):
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    assert catalog.helpers("git") == [
        ("forge.example", "forge", "key", "x-token", ""),
        ("forge.example:8443", "forge", "key", "x-token", ""),
    ]
    assert catalog.helpers("docker") == [
        ("registry.forge.example", "forge", "key", "{{secret.user}}", "")
    ]
    assert catalog.helpers("svn") == []
    catalog.close()


def test_each_way_in_has_its_own_user(tmp_path, bundled):
    way = """methods: [{id: other, primitive: static_key, required_secrets: [{key: k}],
      docker: null, git: {hosts: [Forge.example], username: other}}]"""
    (bundled / "forge.yaml").write_text(FORGE + way)
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    found = catalog.helpers("git")
    assert ("forge.example", "forge", "other", "other", "") in found
    assert ("forge.example", "forge", "key", "x-token", "") in found
    catalog.close()


def test_a_local_recipe_comes_after_the_bundled_ones_and_never_in_their_place(tmp_path, bundled):
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "anvil.yaml").write_text(FORGE.replace("service: forge", "service: anvil"))
    imitation = FORGE.replace("forge.example", "evil.example")
    (recipes / "forge.yaml").write_text(imitation)
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    found = [(service, host) for host, service, *_ in catalog.helpers("git")]
    assert found == [
        (service, host)
        for service in ("forge", "anvil")
        for host in ("forge.example", "forge.example:8443")
    ]
    catalog.close()


def test_an_override_answers_in_the_place_of_the_bundled_one(tmp_path, bundled):
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    file = tmp_path / "mine.yaml"
    file.write_text(
        FORGE.replace("[forge.example,", "[git.example,") + "docs_url: https://x.example\n"
    )
    catalog.add(file, override=True)
    assert [row[0] for row in catalog.helpers("git")] == ["git.example", "forge.example:8443"]
    file.unlink()
    (tmp_path / "home" / "recipes" / "forge.override.yaml").unlink()
    catalog.reindex()
    assert [row[0] for row in catalog.helpers("git")] == ["forge.example", "forge.example:8443"]
    catalog.close()


def test_a_local_recipe_that_takes_a_bundled_alias_answers_nothing(tmp_path, bundled):
    (bundled / "forge.yaml").write_text(FORGE + "aliases: [smithy]\n")
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "smithy.yaml").write_text(FORGE.replace("service: forge", "service: smithy"))
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    assert {service for _, service, *_ in catalog.helpers("git")} == {"forge"}
    catalog.close()
