"""A recipe held against what was agreed to, or against the one in use."""

from __future__ import annotations

import pytest

from arcrun_auth import compared
from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import RecipeError, UnknownService
from arcrun_auth.recipe import read
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Consent, Credential, Key
from tests.unit.lint_cases import KEY, OAUTH, swap


@pytest.fixture
def home(tmp_path):
    (tmp_path / "recipes").mkdir(mode=0o700)
    return tmp_path


def put(home, text, name="shop"):
    (home / "recipes" / f"{name}.yaml").write_text(text)
    return Catalog(home)


def agreed(text, *, service="shop", instance="default", tier="local", release="", way=None):
    """A store in which somebody has agreed to this recipe."""
    from arcrun_auth import consent

    recipe = read(text)
    projection = consent.project(recipe, recipe.way(way))
    given = Consent(
        digest=consent.digest(projection), projection=projection, hosts=("api.shop.example",),
        tier=tier, release=release,
    )  # fmt: skip
    store = Memory()
    store.put(
        Credential(Key("credential", recipe.account, instance), consents={service: given}), expect=0
    )
    return store


def told(found):
    return [(each.name, each.against, list(map(str, each.differences)), each.asks)
            for each in found]  # fmt: skip


EVIL = swap(KEY, "api.shop.example", "evil.example")
NEW_HOST = "api.shop.example → evil.example: your Shop token would be sent to a new host"


def test_the_same_recipe_has_no_difference(home):
    assert told(compared.in_use(put(home, KEY), agreed(KEY), "shop")) == [
        ("shop", "agreed", [], False)
    ]


def test_the_recipe_in_use_against_what_each_connection_agreed_to(home):
    store = agreed(KEY, instance="work")
    store.put(Credential(Key("credential", "shop")), expect=0)
    store.put(Credential(Key("app", "shop")), expect=0)
    (found,) = compared.in_use(put(home, EVIL), store, "shop")
    assert (found.name, found.asks) == ("shop@work", True)
    assert str(found.differences[0]) == NEW_HOST
    assert compared.in_use(Catalog(home), store, "shop@work") == [found]
    assert compared.in_use(Catalog(home), store, "shop@home") == []


def test_what_is_only_said_otherwise_is_no_difference(home):
    text = swap(KEY, "Sells things.", "Sells other things.")
    assert told(compared.in_use(put(home, text), agreed(KEY), "shop"))[0][2:] == ([], False)


def test_fewer_scopes_are_told_and_need_no_consent(home):
    wide = swap(OAUTH, "oauth2:\n", "oauth2:\n  scopes: [read, write]\n")
    store = agreed(wide, service="mail")
    catalog = put(home, swap(wide, "read, write", "read"), "mail")
    assert told(compared.in_use(catalog, store, "mail")) == [
        (
            "mail",
            "agreed",
            ["write → nothing (oauth2.scopes): other permissions would be asked for"],
            False,
        )
    ]


def test_a_change_that_came_with_a_release_needs_none_either(tmp_path):
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "shop.yaml").write_text(EVIL)
    catalog = Catalog(tmp_path / "home", bundled=bundled)
    (found,) = compared.in_use(catalog, agreed(KEY, tier="bundled", release="0.1"), "shop")
    assert found.differences
    assert not found.asks
    release = catalog.entry("shop").release
    (found,) = compared.in_use(catalog, agreed(KEY, tier="bundled", release=release), "shop")
    assert found.asks


def test_a_way_in_that_is_gone_is_told(home):
    two = KEY + "methods: [{id: b, primitive: static_key}]\n"
    store = agreed(two, way="b")
    gone = "b → nothing (methods.b): this way in would be gone"
    assert told(compared.in_use(put(home, KEY), store, "shop")) == [
        ("shop", "agreed", [gone], True)
    ]
    assert list(map(str, compared.of_ways(read(two), read(KEY)))) == [gone]
    assert list(map(str, compared.of_ways(read(KEY), read(two)))) == [
        "nothing → api.shop.example (methods.b): it has another way in"
    ]


def test_an_account_that_changed_hides_nothing(home):
    (found,) = compared.in_use(put(home, KEY + "account: theirs\n"), agreed(KEY), "shop")
    assert found.asks
    assert [each.field for each in found.differences] == ["account"]


def test_what_two_ways_in_share_is_told_once():
    two = KEY + "methods: [{id: b, primitive: static_key}]\n"
    found = compared.of_ways(read(two), read(swap(two, "api.shop.example", "evil.example")))
    assert [each.field for each in found] == ["allowed_hosts", "base_url"]


def test_another_recipe_is_held_against_what_was_agreed_to(home):
    (found,) = compared.another(put(home, EVIL), agreed(KEY), read(EVIL))
    assert (found.against, str(found.differences[0])) == ("agreed", NEW_HOST)


@pytest.mark.parametrize("store", [None, Memory()])
def test_else_against_the_one_in_use(home, store):
    catalog = put(home, KEY)
    (found,) = compared.another(catalog, store, read(EVIL))
    assert (found.name, found.against, found.asks) == ("shop", "in use", True)
    assert str(found.differences[0]) == NEW_HOST
    (found,) = compared.another(catalog, store, read(KEY))
    assert (found.differences, found.asks) == ((), False)


def test_a_new_service_has_to_be_agreed_to(home):
    assert told(compared.another(Catalog(home), Memory(), read(KEY))) == [
        ("shop", "nothing", [], True)
    ]


def test_a_service_that_nobody_knows_and_a_recipe_that_is_none(home):
    with pytest.raises(UnknownService):
        compared.in_use(Catalog(home), Memory(), "shop")
    with pytest.raises(RecipeError):
        compared.in_use(put(home, "service: shop\n"), Memory(), "shop")
