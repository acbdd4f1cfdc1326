"""What a recipe need not say: it follows from the rest, and what it says counts instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcrun_auth import errors
from arcrun_auth.recipe import derived, load, merge, read, reader
from arcrun_auth.sharing import payload, unfit

RECIPES = Path(__file__).parents[2] / "recipes"
KEY = """\
service: acme_mail
base_url: https://api.acme.example/rest/v2
required_secrets: [{key: token, help_url: "https://acme.example/keys"}]
"""
OAUTH = """\
service: acme
base_url: https://api.acme.example/{{param.team}}/v1
params: {team: {pattern: "[a-z]+"}}
app_guide: [{text: Read this.}, {text: Make an app., url: "https://acme.example/apps"}, {text: Go.}]
oauth2:
  authorization_endpoint: https://id.acme.example/authorize
  token_endpoint: https://id.acme.example/token
  scope_sets: {readonly: [read], full: [read, write]}
"""


def test_a_recipe_of_a_key_needs_three_fields() -> None:
    recipe = read(KEY)
    assert (recipe.primitive, recipe.id, recipe.display_name) == ("static_key", "key", "Acme Mail")
    assert recipe.inject.header == {"Authorization": "Bearer {{secret.token}}"}
    assert recipe.root_paths == ("/rest/",)
    assert recipe.allowed_hosts == ("api.acme.example",)


def test_a_recipe_of_a_login_needs_its_server() -> None:
    recipe = read(OAUTH)
    assert (recipe.primitive, recipe.id) == ("oauth2", "oauth")
    assert recipe.oauth2.scopes == ("read",)  # the least
    assert recipe.app_register_url == "https://acme.example/apps"
    assert recipe.root_paths == ()  # which team it is, is no path that documentation writes


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (KEY + "inject: {}\n", "inject", {}),
        (KEY + "inject: {query: {key: '{{secret.token}}'}}\n", "inject",
         {"query": {"key": "{{secret.token}}"}}),
        (KEY + "root_paths: []\n", "root_paths", []),
        (KEY + "display_name: ACME\n", "display_name", "ACME"),
        (KEY + "app_guide: [{text: Go., url: 'https://a.example'}]\napp_register_url: ''\n",
         "app_register_url", ""),
    ],
)  # fmt: skip
def test_what_is_stated_counts_even_if_it_is_nothing(text, field, value) -> None:
    data = derived.complete(reader.parse(text, None).data)
    assert data[field] == value


def test_no_scope_is_asked_for_where_a_recipe_says_so() -> None:
    assert read(OAUTH + "  scopes: []\n").oauth2.scopes == ()
    assert read(OAUTH.replace("{readonly: [read], full: [read, write]}", "{}")).oauth2.scopes == ()


@pytest.mark.parametrize(
    "block",
    ["jwt: {key: token}", "oauth1: {consumer_key: token}", "digest: {username: token}",
     "mtls: {certificate: token}", "options: {}", "token_exchange: {steps: []}",
     "service_account_kind: google_jwt", "aws: {service: s3, region: us-east-1}"],
)  # fmt: skip
def test_a_key_that_may_be_one_to_sign_with_is_not_sent_by_default(block) -> None:
    with pytest.raises(errors.RecipeError, match="'primitive' is missing"):
        read(f"{KEY}{block}\n")
    assert derived.primitive_of({"required_secrets": []}) is None


@pytest.mark.parametrize(
    "secrets",
    ["{key: other}, {key: token", "{key: token, optional: true", "{key: token, type: pem",
     "{key: token, type: json_blob"],
)  # fmt: skip
def test_no_secret_is_chosen_of_two_nor_one_that_may_be_missing_nor_a_file(secrets) -> None:
    assert read(KEY.replace("{key: token", secrets)).inject.header == {}


def test_a_way_in_has_what_follows_from_its_own_fields() -> None:
    way = """\
methods:
  - base_url: https://api.acme.example/oauth/v1
    app_guide: [{text: Go., url: "https://acme.example/apps"}]
    oauth2: {authorization_endpoint: "https://a.example/a", token_endpoint: "https://a.example/t"}
  - id: other
    required_secrets: [{key: second}]
"""
    first, login, other = read(KEY + way).ways
    assert (login.id, login.primitive) == ("oauth", "oauth2")
    assert (first.root_paths, login.root_paths) == (("/rest/",), ("/oauth/",))
    assert (first.app_register_url, login.app_register_url) == ("", "https://acme.example/apps")
    assert other.inject.header == {"Authorization": "Bearer {{secret.second}}"}


def test_for_a_recipe_from_the_platform_nothing_is_sent_that_would_not_be_there() -> None:
    recipe = load(reader.parse(KEY + "primitive: static_key\n", None), tolerant=True)
    assert (recipe.inject.header, recipe.root_paths, recipe.display_name) == ({}, (), "")


def test_a_platform_gets_said_what_it_does_not_derive() -> None:
    posted = payload(reader.parse(KEY, None), {})
    assert unfit(posted) == []
    assert posted["primitive"] == "static_key"
    assert posted["display_name"] == "Acme Mail"
    assert posted["inject"] == {"header": {"Authorization": "Bearer {{secret.token}}"}}
    assert "root_paths" not in posted
    login = payload(reader.parse(OAUTH, None), {})
    assert login["primitive"] == "oauth2"
    assert "inject" not in login


def test_what_is_no_recipe_is_told_and_breaks_nothing() -> None:
    for text in (
        "service: shop\nrequired_secrets: 5\nprimitive: static_key\nbase_url: 7\n",
        "service: shop\nrequired_secrets: [7]\nprimitive: static_key\napp_guide: [7, {url: 8}]\n",
        "service: shop\noauth2: {scope_sets: 7}\n",
        "service: shop\noauth2: 7\nmethods: [{oauth2: {scope_sets: {a: 7}}}]\n",
        "service: [shop]\nrequired_secrets: [{key: [token]}]\n",
    ):
        with pytest.raises(errors.RecipeError):
            read(text)


# -- the shipped recipes -------------------------------------------------------------------

DOCUMENTS = {
    path.stem: reader.parse(path.read_bytes(), str(path)) for path in RECIPES.glob("*.yaml")
}
BASES = {name: document for name, document in DOCUMENTS.items() if name.startswith("_")}
DERIVED = ("primitive", "inject", "root_paths", "app_register_url", "display_name")


def test_shipped_recipes_do_not_say_what_follows_from_the_rest() -> None:
    """A recipe is short where it says nothing twice."""
    needless = [
        f"{name}: {field}"
        for name, document in DOCUMENTS.items() if name not in BASES
        for field in DERIVED if field in document.data and _follows(name, field)
    ]  # fmt: skip
    assert needless == []


def _follows(name: str, field: str) -> bool:
    stated = merge(DOCUMENTS[name], BASES)
    without = derived.complete({key: value for key, value in stated.items() if key != field})
    base = stated.get("extends")
    below = merge(BASES[base], BASES) if base else {}
    return field not in below and without.get(field) == stated.get(field)
