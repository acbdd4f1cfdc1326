"""Recipes: bases, inheritance, defaults, the rules of every load, and the platform's own."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import decode, encode, load, read, reader

RECIPES = Path(__file__).parents[2] / "recipes"

KEY = """
service: shop
primitive: static_key
base_url: https://api.shop.example/v1
required_secrets: [{key: shop_key}]
inject: {header: {Authorization: "Bearer {{secret.shop_key}}"}}
"""

OAUTH = """
service: mail
primitive: oauth2
base_url: https://api.mail.example
oauth2:
  authorization_endpoint: https://id.mail.example/authorize
  token_endpoint: https://id.mail.example/token
"""


def doc(text, path="x.yaml"):
    return reader.parse(textwrap.dedent(text), path)


def refused(text, match, *, bases=None, field=None, line=None):
    with pytest.raises(RecipeError, match=match) as caught:
        read(textwrap.dedent(text), path="x.yaml", bases=bases)
    assert caught.value.path == "x.yaml"
    if field is not None:
        assert caught.value.field == field
    if line is not None:
        assert caught.value.line == line
    return caught.value


# -- defaults and methods --------------------------------------------------------------


def test_a_static_key_gets_its_defaults():
    recipe = read(KEY)
    assert (recipe.id, recipe.account, recipe.allowed_hosts) == (
        "key",
        "shop",
        ("api.shop.example",),
    )
    assert recipe.way() == recipe.way("key")


def test_oauth_gets_a_bearer_header_unless_it_says_otherwise():
    assert read(OAUTH).way("oauth").inject.header == {
        "Authorization": "Bearer {{token.access_token}}"
    }
    other = read(OAUTH + "inject: {header: {X-Token: '{{token.access_token}}'}}").way()
    assert other.inject.header == {"X-Token": "{{token.access_token}}"}


def test_a_port_and_capitals_of_base_url_are_kept_in_allowed_hosts_as_they_are_compared():
    recipe = read(KEY.replace("api.shop.example", "API.Shop.Example:8443"))
    assert recipe.allowed_hosts == ("api.shop.example:8443",)


TWO_WAYS = """
service: both
primitive: static_key
base_url: https://api.both.example/v1
setup_url: https://both.example/start
static_headers: {X-Version: "1"}
params: {region: {enum: [eu, us], default: eu}}
root_paths: [/upload/]
test: {path: /me}
required_secrets: [{key: a}, {key: b}]
token_secret: a
inject: {header: {X-A: "{{secret.a}}", X-B: "{{secret.b}}"}}
methods:
  - primitive: oauth2
    oauth2: {token_endpoint: "https://id.both.example/token"}
  - id: beta
    label: Beta
    primitive: static_key
    base_url: https://beta.both.example
    static_headers: {}
    required_secrets: [{key: c}]
    inject: {query: {key: "{{secret.c}}"}}
"""


def test_a_method_inherits_all_but_what_belongs_to_one_method():
    recipe = read(TWO_WAYS)
    top, oauth, _ = recipe.ways
    assert [way.id for way in recipe.ways] == ["key", "oauth", "beta"]
    for name in ("base_url", "setup_url", "static_headers", "params", "root_paths", "test",
                 "allowed_hosts", "app_guide", "app_register_url"):  # fmt: skip
        assert getattr(oauth, name) == getattr(top, name), name
    assert oauth.required_secrets == ()
    assert oauth.token_secret == ""
    assert oauth.label == ""
    assert "X-A" not in oauth.inject.header


def test_what_a_method_gives_itself_wins():
    beta = read(TWO_WAYS).way("beta")
    assert beta.base_url == "https://beta.both.example"
    assert beta.allowed_hosts == ("beta.both.example",)
    assert beta.static_headers == {}
    assert beta.test is not None


def test_allowed_hosts_that_are_given_are_inherited():
    recipe = read(TWO_WAYS + "allowed_hosts: ['*.both.example']")
    assert {way.allowed_hosts for way in recipe.ways} == {("*.both.example",)}


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match="no method 'nope'") as caught:
        read(TWO_WAYS).way("nope")
    assert caught.value.hint == "choose one of: key, oauth, beta"


def test_a_recipe_survives_its_index():
    recipe = read(TWO_WAYS)
    assert decode(encode(recipe)) == recipe


def test_every_shipped_recipe_loads_and_survives_its_index():
    documents = {p.name: reader.parse(p.read_bytes(), p.name) for p in RECIPES.glob("*.yaml")}
    bases = {d.data["service"]: d for n, d in documents.items() if n.startswith("_")}
    assert len(documents) > len(bases)
    for name, document in documents.items():
        if not name.startswith("_"):
            recipe = load(document, bases=bases)
            assert decode(encode(recipe)) == recipe
            assert f"{recipe.service}.yaml" == name


# -- texts and other types -------------------------------------------------------------


def test_a_field_declared_a_text_gets_what_was_written():
    recipe = read(
        KEY.replace("{key: shop_key}", "{key: shop_key, label: 010, help: true, example: 1.10}")
        + "display_name: 0123\ntags: [2022-06-28, no, 7]\nstatic_headers: {X-Version: 007}\n"
        "params: {p: {default: 00, enum: [00, 01]}}\ndescription: 1.10\n"
    )
    secret = recipe.required_secrets[0]
    assert (secret.label, secret.help, secret.example) == ("010", "true", "1.10")
    assert recipe.display_name == "0123"
    assert recipe.tags == ("2022-06-28", "no", "7")
    assert recipe.static_headers == {"X-Version": "007"}
    assert recipe.params["p"].default == "00"
    assert recipe.params["p"].enum == ("00", "01")
    assert recipe.description == "1.10"


def test_what_is_no_text_keeps_its_type():
    for written, value in (("true", True), ("1", 1), ("'1'", "1")):
        recipe = read(KEY + f"test: {{path: /me, ok: {{path: ok, equals: {written}}}}}")
        assert recipe.test is not None
        assert recipe.test.ok is not None
        assert recipe.test.ok.equals is value or recipe.test.ok.equals == value
        assert type(recipe.test.ok.equals) is type(value)


@pytest.mark.parametrize(
    ("more", "match", "field", "line"),
    [
        ("nope: 1", "no such field", "nope", 7),
        ("test: {pth: /}", "no such field", "test.pth", 7),
        ("version: 1.10", "Expected `int`, got `str`", "version", 7),
        ("display_name: ~", "Expected `str`, got `null`", "display_name", 7),
        ("test:\n  expect: [200, x]", "Expected `int`", "test.expect[1]", 8),
        ("static_headers: {X: [1]}", "Expected `str`", "static_headers", 7),
        ("schema: 2", "<= 1", "schema", 7),
        ("status: gone", "Invalid enum value", "status", 7),
        ("methods: [{id: x}]", "'primitive' is missing", "methods[0]", 7),
        ("methods: x", "Expected `array`", "methods", 7),
        ("display_name: " + "x" * 301, "length <= 300", "display_name", 7),
    ],
)
def test_a_fault_of_shape_is_told_with_its_place(more, match, field, line):
    refused(KEY + more, match, field=field, line=line)


@pytest.mark.parametrize("service", ["Shop", "a__b", "_a", "a-b", "a/b/c", "x" * 129, "", "a\\n"])
def test_a_service_has_a_plain_name(service):
    refused(KEY.replace("service: shop", f'service: "{service}"'), "regex|length|base")


def test_a_missing_service_is_what_is_complained_about():
    refused("primitive: static_key", "'service' is missing")


def test_oauth2_stands_where_the_primitive_says_so_and_nowhere_else():
    refused(OAUTH.replace("primitive: oauth2", "primitive: static_key"), "for no other")
    refused("service: x\nprimitive: oauth2", "for no other", field="oauth2")


def test_a_client_secret_is_no_field_here():
    refused(OAUTH + "  client_secret: s", "no such field", field="oauth2.client_secret", line=8)


# -- rules between fields --------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "match", "field"),
    [
        ("{key: shop_key}", "{key: shop_key}, {key: shop_key}", "same key", "required_secrets"),
        ("secret.shop_key", "secret.other", "not declared here", "inject.header.Authorization"),
        ("secret.shop_key", "param.shop_key", "not declared here", "inject.header.Authorization"),
        ("secret.shop_key", "token.access_token", "not declared", "inject.header.Authorization"),
        ("secret.shop_key", "nope.shop_key", "no namespace", "inject.header.Authorization"),
        ("secret.shop_key", "secret.shop_key|rot13", "no filter", "inject.header.Authorization"),
        ("Authorization:", "Host:", "belongs to the HTTP client", "inject.header.Host"),
        ("Authorization:", "Proxy-Authorization:", "belongs to", "inject.header.Proxy-Authorization"),
        ("Authorization:", "content-length:", "belongs to", "inject.header.content-length"),
        ("Authorization:", "'A b':", "no name of a header", "inject.header.A b"),
        ("https://api", "ftp://api", "no URL", "base_url"),
        ("https://api", "https://user@api", "no URL", "base_url"),
        ("https://api", "https://api\\\\", "backslash", "base_url"),
        ("example/v1", "example/v1#x", "white space", "base_url"),
        ("example/v1", "exämple/v1", "ASCII", "base_url"),
        ("example/v1", "example/a b", "white space", "base_url"),
        ("api.shop.example", "{{secret.shop_key}}.shop.example", "not declared", "base_url"),
        ("api.shop.example", "{{param.a}}.shop.example", "not declared", "base_url"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_told_with_its_place(old, new, match, field):
    assert old in KEY
    refused(KEY.replace(old, new, 1), match, field=field)


@pytest.mark.parametrize(
    ("more", "match", "field"),
    [
        ("token_secret: nope", "no secret 'nope'", "token_secret"),
        ("params: {p: {pattern: '('}}", "no regular expression", "params.p.pattern"),
        ("params: {p: {enum: [a], default: b}}", "default does not fit", "params.p.default"),
        ("static_headers: {X: '{{secret.shop_key}}'}", "not declared", "static_headers.X"),
        ("test: {path: '/{{secret.shop_key}}'}", "not declared", "test.path"),
        ("test: {path: /, identity: 'a..b'}", "no path", "test.identity"),
        ("test: {path: /, ok: {path: '['}}", "no path", "test.ok.path"),
        ("test: {path: /, headers: {Host: x}}", "belongs to", "test.headers.Host"),
        ("allowed_hosts: ['a.*.example']", "no host", "allowed_hosts[0]"),
        ("allowed_hosts: [ok.example, 'bad host']", "no host", "allowed_hosts[1]"),
        ("methods: [{primitive: static_key}]", "two methods 'key'", "methods[0].id"),
        (
            "methods: [{id: b, primitive: static_key, token_secret: shop_key}]",
            "no secret", "methods[0].token_secret",
        ),
        ("static_headers: {X: '" + "{{now}}" * 21 + "'}", "at most 20", "static_headers.X"),
    ],
)  # fmt: skip
def test_a_broken_rule_in_further_fields(more, match, field):
    refused(KEY + more, match, field=field)


@pytest.mark.parametrize(
    ("more", "match", "field"),
    [
        ("authorize_params: {state: x}", "set for each login", "oauth2.authorize_params.state"),
        ("authorize_params: {scope: x}", "set for each login", "oauth2.authorize_params.scope"),
        ("redirect: {policy: fixed_port}", "needs the ports", "oauth2.redirect.ports"),
        ("redirect: {path: nope}", "regex", "oauth2.redirect.path"),
        ("issuer: 'https://u:p@id.example'", "no URL", "oauth2.issuer"),
        ("token_response: {root: '['}", "no path", "oauth2.token_response.root"),
        ("token_response: {keep: {a: ' '}}", "no path", "oauth2.token_response.keep.a"),
        ("token_response: {ok: {path: '['}}", "no path", "oauth2.token_response.ok.path"),
        ("token_request: {headers: {Host: x}}", "belongs", "oauth2.token_request.headers.Host"),
        ("refresh: {url: 'gopher://x'}", "no URL", "oauth2.refresh.url"),
        ("scopes: ['a b']", "regex", "oauth2.scopes[0]"),
        ('scopes: ["a\\n"]', "regex", "oauth2.scopes[0]"),
    ],
)
def test_a_broken_rule_of_oauth(more, match, field):
    refused(OAUTH + "  " + more, match, field=field)


def test_what_an_oauth_template_may_name():
    read(
        OAUTH
        + "  token_response: {keep: {site: instance_url}}\n"
        + "inject: {header: {A: '{{token.access_token}}', B: '{{token.site}}',"
        " C: '{{client.id}}', D: '{{runtime.access_token}}', E: '{{now|iso}} {{uuid}}'}}"
    )
    refused(OAUTH + "inject: {header: {A: '{{client.secret}}'}}", "not declared")
    refused(OAUTH + "inject: {header: {A: '{{token.refresh_token}}'}}", "not declared")


HOST = (
    "params: {shop: {pattern: '[a-z0-9-]+'}, r: {enum: [eu, us]}, free: {},"
    " domain: {enum: [shop.example, shop.com.example]}, short: {enum: [shop.example, eu]}}\n"
)


@pytest.mark.parametrize(
    "host",
    [
        "{{param.shop}}.shop.example", "api-{{param.shop}}.shop.example", "{{param.r}}",
        "{{param.r}}.example", "{{param.shop}}.{{param.r}}.shop.example", "a.{{param.shop}}-b.shop.io:8443",
        "{{param.shop}}.{{param.domain}}",
    ],
)  # fmt: skip
def test_a_param_may_stand_in_a_host(host):
    recipe = read(KEY.replace("api.shop.example", host) + HOST)
    assert recipe.allowed_hosts == (host,)


@pytest.mark.parametrize(
    ("host", "match"),
    [
        ("{{param.shop}}", "fixed suffix"),
        ("{{param.shop}}.example", "fixed suffix"),
        ("shop.example.{{param.shop}}", "fixed suffix"),
        ("{{param.shop}}.x.{{param.r}}", "fixed suffix"),
        ("{{param.shop}}.{{param.short}}", "fixed suffix"),
        ("{{param.shop}}{{param.domain}}", "fixed suffix"),
        ("{{param.shop}}shop.example", "fixed suffix"),
        ("{{param.free}}.shop.example", "enum or a pattern"),
        ("{{param.shop|lower}}.shop.example", "without a filter"),
        ("{{now}}.shop.example", "Only params"),
        ("{{uuid}}.shop.example", "Only params"),
        ("{{a}}.shop.example", "Only params"),
    ],
)
def test_nothing_else_may(host, match):
    refused(KEY.replace("api.shop.example", host) + HOST, match)


# -- params ----------------------------------------------------------------------------

PARAMS = (
    KEY
    + """
params:
  shop: {pattern: '[a-z-]+', suffix: .myshop.example}
  region: {enum: [eu, us], default: eu}
  note: {default: ''}
"""
)


def test_params_are_given_or_default():
    way = read(PARAMS).way()
    assert way.values({"shop": " acme.myshop.example ", "other": "x"}) == {
        "shop": "acme", "region": "eu", "note": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "'shop' is missing"),
        ({"shop": ""}, "'shop' is missing"),
        ({"shop": ".myshop.example"}, "'shop' is missing"),
        ({"shop": "a/b"}, "'shop' does not look"),
        ({"shop": "a\n"}, None),
        ({"shop": "a\nb"}, "'shop' does not look"),
        ({"shop": "a", "region": "cn"}, "'region' must be one of: eu, us"),
    ],
)
def test_a_param_that_does_not_fit_is_named(given, match):
    way = read(PARAMS).way()
    if match is None:
        assert way.values(given)["shop"] == "a"
        return
    with pytest.raises(ValueError, match=match):
        way.values(given)


# -- extends ---------------------------------------------------------------------------

BASE = """
service: _base
primitive: oauth2
category: family
tags: [a, b]
setup_url: https://family.example
oauth2:
  token_endpoint: https://id.family.example/token
  authorization_endpoint: https://id.family.example/authorize
  authorize_params: {access_type: offline, prompt: consent}
"""


def test_maps_are_merged_lists_replaced_and_null_deletes():
    recipe = read(
        """
        service: child
        extends: _base
        base_url: https://api.family.example
        tags: [c]
        setup_url: ~
        oauth2: {scopes: [x], authorize_params: {prompt: ~, hd: any}}
        """,
        bases={"_base": doc(BASE)},
    )
    assert (recipe.service, recipe.account, recipe.category) == ("child", "child", "family")
    assert recipe.tags == ("c",)
    assert recipe.setup_url == ""
    assert recipe.oauth2 is not None
    assert recipe.oauth2.token_endpoint == "https://id.family.example/token"
    assert recipe.oauth2.authorize_params == {"access_type": "offline", "hd": "any"}


def test_three_bases_are_the_limit():
    bases = {"_b0": doc("service: _b0\nprimitive: static_key")}
    for i in range(1, 4):
        bases[f"_b{i}"] = doc(f"service: _b{i}\nextends: _b{i - 1}")
    assert read("service: x\nextends: _b2", bases=bases).primitive == "static_key"
    refused("service: x\nextends: _b3", "More than 3", bases=bases, field="extends", line=2)


def test_a_cycle_an_unknown_base_and_a_base_that_is_none():
    bases = {"_a": doc("service: _a\nextends: _b"), "_b": doc("service: _b\nextends: _a")}
    refused("service: x\nextends: _a", "extends itself", bases=bases)
    refused("service: x\nextends: _nope", "no base '_nope'", bases=bases)
    refused("service: x\nextends: shop", "starts with _", bases={"shop": doc(KEY)})
    refused("service: x\nextends: [_a]", "starts with _", bases=bases)


def test_a_base_cannot_be_bound():
    refused(BASE, "cannot be bound", field="service", line=2)


def test_one_base_serves_many_and_is_not_changed():
    bases = {"_base": doc(BASE)}
    child = "service: {0}\nextends: _base\noauth2: {{scopes: [{0}]}}\ndisplay_name: 010"
    first = read(child.format("one"), bases=bases)
    second = read(child.format("two"), bases=bases)
    assert first.oauth2 is not None
    assert second.oauth2 is not None
    assert (first.oauth2.scopes, second.oauth2.scopes) == (("one",), ("two",))
    assert bases["_base"].data["oauth2"].keys() == doc(BASE).data["oauth2"].keys()


# -- recipes from the platform ---------------------------------------------------------


def tolerant(text):
    return load(doc(text), tolerant=True)


def test_unknown_fields_of_a_platform_recipe_are_ignored():
    recipe = tolerant(
        OAUTH
        + "  client_id: '{{secret.client_id}}'\n  client_secret: x\n"
        + "nope: 1\nrequired_secrets: [{key: a, nope: 1}]\nmethods: [{primitive: static_key, x: 1}]\n"
    )
    assert recipe.oauth2 is not None
    assert b"client_secret" not in encode(recipe).replace(b"client_secret_", b"")
    assert [way.id for way in recipe.ways] == ["oauth", "key"]


def test_unknown_placeholders_of_a_platform_recipe_are_text_or_empty():
    text = KEY.replace("{{secret.shop_key}}", "{{secret.unknown}}{{step1.x}}{{a}}")
    assert "step1" in tolerant(text).inject.header["Authorization"]
    refused(text, "not declared")


def test_a_platform_recipe_is_still_checked():
    with pytest.raises(RecipeError, match="no URL"):
        tolerant(KEY.replace("https://", "ftp://"))
    with pytest.raises(RecipeError, match="not declared"):
        tolerant(KEY.replace("secret.shop_key", "param.nope"))


def test_a_secret_in_the_host_of_a_platform_recipe_is_a_param():
    way = tolerant(
        KEY.replace("api.shop.example", "{{secret.shop_name}}.shop.example").replace(
            "[{key: shop_key}]", "[{key: shop_key}, {key: shop_name, label: Name}]"
        )
    ).way()
    assert [secret.key for secret in way.required_secrets] == ["shop_key"]
    assert way.params["shop_name"].label == "Name"
    assert way.base_url == "https://{{param.shop_name}}.shop.example/v1"
    with pytest.raises(ValueError, match="shop_name"):
        way.values({"shop_name": "evil.example/"})


def test_malformed_secrets_of_a_platform_recipe_are_a_recipe_error():
    for value in ("x", "[1]", "[{label: x}]"):
        with pytest.raises(RecipeError):
            tolerant(KEY.replace("[{key: shop_key}]", value))


@pytest.mark.parametrize("name", ["{a: b}", "[shop]", "~"])
def test_a_service_that_is_no_text_is_told_like_any_other_fault(name):
    with pytest.raises(RecipeError, match="no base '_base'"):
        read(f"service: {name}\nprimitive: static_key\nextends: _base\n", bases={})
    with pytest.raises(RecipeError, match="service: Expected `str`"):
        read(f"service: {name}\nprimitive: static_key\n")
