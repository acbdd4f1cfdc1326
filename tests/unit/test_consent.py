"""Consent: every field that matters changes the digest, no other does; and what is said of it."""

from __future__ import annotations

import copy
import json
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import consent
from arcrun_auth.recipe import Method, Param, Recipe, load, read
from arcrun_auth.recipe.reader import Document
from tests.rich import COSMETIC, FIXED, LEAVES, RICH, convert, mutated


def digest_of(recipe):
    return consent.digest(consent.project(recipe, recipe.way()))


def test_the_rich_recipe_sets_every_field_of_the_model():
    """A field that is added to the model has to be added above, and thought through."""

    def fields(kind):
        return {field.encode_name for field in msgspec.structs.fields(kind)}

    assert set(RICH) | {"extends"} == fields(Recipe)
    recipe = convert(RICH)
    for name in ("oauth2", "inject", "test", "verified", "jwt", "sdk", "agent"):
        assert set(RICH[name]) == fields(type(getattr(recipe, name))), name
    for name in (
        "callback", "redirect", "client", "token_request", "token_response", "swap", "refresh",
        "revoke",
    ):  # fmt: skip
        assert set(RICH["oauth2"][name]) == fields(type(getattr(recipe.oauth2, name))), name
    assert set(RICH["required_secrets"][0]) == fields(type(recipe.required_secrets[0]))
    assert set(RICH["params"]["region"]) == fields(Param)
    assert set(RICH["discover"][0]) == fields(type(recipe.discover[0]))
    assert set(RICH["discover"][0]["choose"]) == fields(type(recipe.discover[0].choose))
    assert set(RICH["diagnose"][0]) == fields(type(recipe.diagnose[0]))
    assert set(RICH["diagnose"][0]["when"]) == fields(type(recipe.diagnose[0].when))
    assert set(RICH["app_guide"][0]) == fields(type(recipe.app_guide[0]))
    assert fields(Recipe) >= consent.NOT_IN_RECIPE
    assert fields(Method) >= consent.NOT_IN_METHOD


def test_the_rich_recipe_is_valid():
    document = Document("", None)
    document.data = copy.deepcopy(RICH)
    assert load(document).service == "rich"


@pytest.mark.parametrize("place", [p for p in LEAVES if p not in COSMETIC | FIXED], ids=str)
def test_every_field_that_matters_changes_the_digest(place):
    assert digest_of(convert(mutated(place))) != digest_of(convert(RICH))


@pytest.mark.parametrize("place", sorted(COSMETIC, key=str), ids=str)
def test_no_cosmetic_field_does(place):
    assert place in LEAVES
    assert digest_of(convert(mutated(place))) == digest_of(convert(RICH))


def test_the_name_of_a_header_or_param_matters_as_its_value_does():
    for place in (("inject", "header"), ("static_headers",), ("params",), ("oauth2", "scope_sets")):
        data = copy.deepcopy(RICH)
        holder = data
        for step in place:
            holder = holder[step]
        name = next(iter(holder))
        holder[name + "x"] = holder.pop(name)
        assert digest_of(convert(data)) != digest_of(convert(RICH))


def test_a_projection_is_of_one_method():
    recipe = read(
        "service: x\nprimitive: static_key\nbase_url: https://api.x.example\n"
        "methods: [{id: b, primitive: static_key}]"
    )
    one, two = (consent.project(recipe, way) for way in recipe.ways)
    assert consent.digest(one) != consent.digest(two)


def test_a_projection_survives_json():
    recipe = convert(RICH)
    projection = consent.project(recipe, recipe.way())
    assert consent.digest(json.loads(json.dumps(projection))) == consent.digest(projection)
    assert json.loads(json.dumps(projection)) == projection


def test_an_empty_recipe_projects_to_what_is_stated():
    recipe = read("service: x\nprimitive: static_key\nbase_url: https://api.x.example")
    assert consent.project(recipe, recipe.way()) == {
        "service": "x", "account": "x", "id": "key", "primitive": "static_key",
        "base_url": "https://api.x.example", "allowed_hosts": ["api.x.example"],
    }  # fmt: skip


# -- hosts -----------------------------------------------------------------------------


def hosts(patterns, params=None, **given):
    method = Method(primitive="static_key", allowed_hosts=tuple(patterns), params=params or {})
    return consent.hosts(method, given)


def test_hosts_are_rendered_lower_case_and_once():
    shop = {"shop": Param(pattern="[A-Za-z-]+")}
    patterns = [
        "{{param.shop}}.shop.example",
        "API.Shop.example",
        "api.shop.example",
        "*.cdn.example",
    ]
    assert hosts(patterns, shop, shop="ACME") == (
        "acme.shop.example", "api.shop.example", "*.cdn.example",
    )  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["evil.com/", "evil.com#", "evil.com?", "u@evil.com:1", "a b", "a\nb", "é", "*.evil", ""],
)
def test_a_value_that_would_end_the_host_is_refused(value):
    with pytest.raises(ValueError, match=r"host|shop|port|wildcard"):
        hosts(["{{param.shop}}.shop.example"], {"shop": Param(pattern="(?s).*")}, shop=value)


@given(st.text(max_size=60))
def test_whatever_a_user_types_the_suffix_stays_the_vendors(value):
    params = {"shop": Param(pattern="(?s).*")}
    try:
        (host,) = hosts(["{{param.shop}}.shop.example"], params, shop=value)
    except ValueError:
        return
    assert host.endswith(".shop.example")
    assert urlsplit(f"https://{host}/x").hostname == host
    assert urlsplit(f"https://{host}/x").path == "/x"


def test_a_param_makes_no_wildcard():
    with pytest.raises(ValueError, match="wildcard"):
        hosts(["{{param.host}}"], {"host": Param(enum=("*.evil.example",))}, host="*.evil.example")


def test_a_missing_param_is_named():
    with pytest.raises(ValueError, match="'shop' is missing"):
        hosts(["{{param.shop}}.shop.example"], {"shop": Param(pattern="a")})


# -- narrower --------------------------------------------------------------------------


def project(**fields):
    return {"service": "notion", "allowed_hosts": ["api.notion.com"], **fields}


def scopes(*names, **more):
    return project(oauth2={"token_endpoint": "https://a", "scopes": list(names)}, **more)


def test_fewer_scopes_and_nothing_else_are_narrower():
    assert consent.narrower(scopes("a", "b"), scopes("a"))
    assert consent.narrower(scopes("a", "b"), scopes("b"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (scopes("a"), scopes("a")),
        (scopes("a"), scopes("a", "b")),
        (scopes("a", "b"), scopes("c")),
        (scopes("a"), scopes()),
        (scopes("a", "b"), scopes("a", base_url="https://evil.example")),
        (scopes("a", "b"), project(oauth2={"token_endpoint": "https://b", "scopes": ["a"]})),
        (scopes("a", "b"), project()),
        (project(), project()),
    ],
)
def test_nothing_else_is(old, new):
    assert not consent.narrower(old, new)


# -- before the login ----------------------------------------------------------------------


def late(**fields) -> Method:
    return Method(
        primitive="static_key",
        params={
            "shop": Param(pattern="[a-z]+"),
            "host": Param(source="token", enum=("a.example.com", "b.example.com")),
        },
        **fields,
    )


def test_a_host_that_the_login_brings_stands_as_the_recipe_writes_it_before_it() -> None:
    way = late(allowed_hosts=("{{param.shop}}.x.example.com", "{{param.host}}"))
    before = consent.hosts(way, {"shop": "acme"}, before_login=True)
    assert before == ("acme.x.example.com", "{{param.host}}")
    known = {"shop": "acme", "host": "a.example.com"}
    for early in (True, False):
        found = consent.hosts(way, known, before_login=early)
        assert found == ("acme.x.example.com", "a.example.com")


def test_after_the_login_no_host_is_open() -> None:
    way = late(allowed_hosts=("{{param.host}}",))
    with pytest.raises(ValueError, match=r"param\.host"):
        consent.hosts(way, {"shop": "acme"})
    with pytest.raises(ValueError, match="shop"):  # what the user types is known before
        consent.hosts(way, {}, before_login=True)
