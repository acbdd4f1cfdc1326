"""Recipes in the making: what is written is read back, and any document makes one or an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth import drafting, recipe
from arcrun_auth.drafting import Address, document, metadata, openapi, texts
from arcrun_auth.drafting.emit import emit
from arcrun_auth.errors import RecipeError, clean_lines
from arcrun_auth.lint import errors, lint
from arcrun_auth.recipe import reader

# -- writing -------------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=40)
KEYS = st.text(min_size=1, max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15), ANY_TEXT,
    st.sampled_from(["no", "1", "2022-06-28", "a: b", "- x", "{{secret.k}}", "#", " x ", "0x1f"]),
)  # fmt: skip
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def places(data, at=()):
    yield at
    items = data.items() if isinstance(data, dict) else ()
    for key, value in enumerate(data) if isinstance(data, list) else items:
        yield from places(value, (*at, key))


@settings(max_examples=60)
@given(st.dictionaries(KEYS, DATA, min_size=1, max_size=6), st.data())
def test_what_is_written_is_read_back_whatever_the_comments(data, draw):
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a UTF-16 pair is no text
        return
    noted = draw.draw(st.lists(st.sampled_from([p for p in places(data) if p]), max_size=3))
    notes = {place: draw.draw(ANY_TEXT) for place in noted}

    assert reader.parse(emit(data, notes)).data == data


def test_a_comment_from_elsewhere_stays_one():
    for end in "\r", "\x85", "\u2028", "\u2029", "\x0b":
        written = emit({"a": "1"}, {("a",): f"harmless{end}inject: {{}}"})
        assert reader.parse(written).data == {"a": "1"}
    assert emit({"a": 1}, {("a",): "- one two\nthree"}) == "# - one two\n# three\na: 1\n"


def test_long_maps_and_what_has_a_comment_inside_stand_on_lines_of_their_own():
    data = {"a": {"b": "x " * 60}, "c": {"d": {"e": 1}}, "f": [{"g": {"h": 1}, "i": 2}, "x"]}
    assert emit(data, {("c", "d", "e"): "Why.", ("f", 0, "g"): "And why."}) == (
        f'a:\n  b: "{"x " * 60}"\nc:\n  d:\n    # Why.\n    e: 1\n'
        "f:\n  # And why.\n  - g: {h: 1}\n    i: 2\n  - x\n"
    )


def test_every_bundled_recipe_is_written_and_read_back():
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml")):
        data = reader.parse(path.read_bytes()).data
        assert reader.parse(emit(data)).data == data, path.name


# -- texts ---------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_what_comes_from_elsewhere_fits_into_a_recipe(text):
    for made in texts.clean(text), texts.sentence(text), texts.title(text):
        assert len(made) <= texts.MAX_SENTENCE
        assert made == "" or (made.isprintable() and made == made.strip())
    name = texts.slug(text)
    assert len(name) <= texts.MAX_NAME
    assert name == "" or recipe.Recipe(service=name, primitive="static_key").service == name


def test_a_word_that_is_too_long_for_a_name_is_cut():
    assert texts.slug("x" * 90) == "x" * texts.MAX_NAME
    assert texts.slug("one " + "x" * 90) == "one"


# -- addresses -----------------------------------------------------------------------------


def address(*servers, at="", **old):
    found = openapi.address_of({"openapi": "3.0.0", "servers": list(servers), **old}, at)
    return found and (found.base_url, found.params)


def variable(url, at="", **fields):
    return address({"url": url, "variables": {"v": fields}}, at=at)


def test_an_address_without_variables_is_taken_as_it_is():
    assert address({"url": "https://api.example.com/v1/"}) == ("https://api.example.com/v1", {})


def test_a_relative_address_needs_to_know_where_the_document_was():
    at = "https://api.example.com/docs/openapi.json"
    assert address({"url": "/v2"}) is None
    assert address({"url": "/v2"}, at=at) == ("https://api.example.com/v2", {})
    assert address(at=at) == ("https://api.example.com", {})
    assert address({"url": "{v}/x"}) is None


def test_the_first_public_https_server_counts_and_the_others_are_told():
    servers = [{"url": f"{each}/v1"} for each in (
        "http://localhost:8080", "http://api.example.com", "https://api.example.com",
        "https://sandbox.example.com",
    )]  # fmt: skip
    found = openapi.address_of({"openapi": "3.0.0", "servers": servers})
    assert found.base_url == "https://api.example.com/v1"
    assert "https://sandbox.example.com/v1" in found.note
    assert openapi.address_of({"servers": servers[:1]}).base_url == "http://localhost:8080/v1"


def test_the_second_version_of_openapi_says_it_in_three_fields():
    old = {"swagger": "2.0", "host": "api.example.com", "basePath": "/v1"}
    assert openapi.address_of(old).base_url == "https://api.example.com/v1"
    assert openapi.address_of({**old, "schemes": ["http"]}).base_url == "http://api.example.com/v1"
    assert openapi.address_of({"swagger": "2.0", "basePath": "/v1"}) is None


def test_what_fills_a_host_is_one_of_a_few_or_keeps_its_suffix():
    assert variable("https://{v}.example.com/x", enum=["eu", "us"], default="eu") == (
        "https://{{param.v}}.example.com/x",
        {"v": {"label": "V", "enum": ["eu", "us"], "default": "eu"}},
    )
    assert variable("https://{v}.example.com", default="your-shop") == (
        "https://{{param.v}}.example.com",
        {"v": {"label": "V", "help": "For example: your-shop", "pattern": "[a-z0-9][a-z0-9-]*"}},
    )
    # Nothing fixed follows it: whoever fills it could name any host.
    assert variable("https://{v}/x", default="api.example.com") == ("https://api.example.com/x", {})
    assert variable("https://{v}.com/x") is None
    assert variable("https://{v}.com/x", default="a b") is None
    assert variable("https://a.{v}.com", enum=["only"]) == ("https://a.only.com", {})


def test_what_fills_a_path_may_be_anything_that_stays_in_it():
    assert variable("https://a.example.com/{v}", default="v2", description="The *version*.") == (
        "https://a.example.com/{{param.v}}",
        {"v": {"label": "V", "help": "The version.", "pattern": "[A-Za-z0-9._~-]+",
               "default": "v2"}},
    )  # fmt: skip
    assert variable("https://a.example.com/{v}", enum=["v2"])[0] == "https://a.example.com/v2"
    both = variable("https://a.example.com/{v}/{v}", enum=["x", "y"], default="z")
    assert both[0].count("{{param.v}}") == 2
    assert both[1] == {"v": {"label": "V", "enum": ["x", "y"]}}


def test_scheme_and_port_are_not_worth_a_question():
    assert variable("{v}://a.example.com", enum=["http", "https"], default="http")[0] == (
        "http://a.example.com"
    )
    assert variable("{v}://a.example.com", default="ftp")[0] == "https://a.example.com"
    assert variable("https://a.example.com:{v}/x", default="8443")[0] == (
        "https://a.example.com:8443/x"
    )
    assert variable("https://a.example.com:{v}/x", default=443)[0] == "https://a.example.com/x"


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example.com", "https://user@a.example.com", "https://a.example.com/?x=1", "https://",
     "https://a.example.com/{x", "https://a.example.com/{{secret.k}}", "https://[::1", ""],
)  # fmt: skip
def test_what_is_no_address_is_none(url):
    assert address({"url": url}) is None


def test_two_variables_of_one_name_in_short_are_two_params():
    found = address({"url": "https://a.example.com/{a b}/{a-b}/{日}", "variables": {}})
    assert found[0] == "https://a.example.com/{{param.a_b}}/{{param.a_b_2}}/{{param.value}}"


# -- ways in -------------------------------------------------------------------------------

API = Address("https://api.example.com/v1")


def made(schemes, security=None, paths=None, **more):
    whole = {
        "openapi": "3.0.3", "info": {"title": "Shop"}, "paths": paths or {}, **more,
        "components": {"securitySchemes": schemes, **more.get("components", {})},
        **({} if security is None else {"security": security}),
    }  # fmt: skip
    return openapi.draft(whole, "shop", API)


def checked(draft):
    """The recipe of a draft, read from what is written; no rule of the linter refuses it."""
    assert not errors(lint({"shop.yaml": draft.text()}, tier="local"))
    return recipe.read(draft.text())


@pytest.mark.parametrize(
    ("scheme", "inject"),
    [
        ({"type": "http", "scheme": "Bearer"},
         {"header": {"Authorization": "Bearer {{secret.shop_token}}"}}),
        ({"type": "http", "scheme": "basic"},
         {"header": {"Authorization": "Basic {{secret.shop_username}}:{{secret.shop_password}}"}}),
        ({"type": "basic"},
         {"header": {"Authorization": "Basic {{secret.shop_username}}:{{secret.shop_password}}"}}),
        ({"type": "apiKey", "in": "header", "name": "X-Key"},
         {"header": {"X-Key": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "query", "name": "key"},
         {"query": {"key": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "cookie", "name": "sid"},
         {"cookie": {"sid": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "header", "name": "Authorization",
          "description": "Send `Token <your api key>`."},
         {"header": {"Authorization": "Token {{secret.shop_api_key}}"}}),
    ],
)  # fmt: skip
def test_a_key_goes_where_the_document_says(scheme, inject):
    found = checked(made({"k": scheme}))
    given = {name: getattr(found.inject, name) for name in ("header", "query", "cookie")}
    assert {name: fields for name, fields in given.items() if fields} == inject
    assert found.way().id == "key"


def test_a_key_in_authorization_is_to_be_looked_at():
    text = made({"k": {"type": "apiKey", "in": "header", "name": "Authorization"}}).text()
    assert "# Look up whether a word stands before the key" in text


def test_digest_answers_a_challenge():
    found = checked(made({"k": {"type": "http", "scheme": "digest"}}))
    assert found.digest.username == "shop_username"


OAUTH = {
    "type": "oauth2",
    "flows": {
        "authorizationCode": {
            "authorizationUrl": "https://id.example.com/authorize",
            "tokenUrl": "/oauth/token",
            "refreshUrl": "https://id.example.com/refresh",
            "scopes": {"read": "Read *everything*.\nAll of it.", "write": ""},
        },
        "clientCredentials": {"tokenUrl": "https://id.example.com/token", "scopes": {}},
    },
}


def test_a_login_has_its_endpoints_and_what_is_to_be_looked_up():
    draft = made({"o": OAUTH}, security=[{"o": ["read"]}])
    found = checked(draft)
    oauth2 = found.oauth2
    assert oauth2.authorization_endpoint == "https://id.example.com/authorize"
    assert oauth2.token_endpoint == "https://api.example.com/oauth/token"
    assert (oauth2.refresh.url, oauth2.scopes) == ("https://id.example.com/refresh", ("read",))
    robot = found.way("client_credentials").oauth2
    assert (robot.grants, robot.refresh.mode) == (("client_credentials",), "reissue")
    text = draft.text()
    for said in "redirect URIs", "client: how an app proves itself", "- write\n", "the least":
        assert said in text


def test_of_many_scopes_the_first_are_listed():
    flow = {**OAUTH["flows"]["authorizationCode"], "scopes": {f"s{n}": "" for n in range(99)}}
    text = made({"o": {"type": "oauth2", "flows": {"authorizationCode": flow}}}).text()
    assert "# - s39\n" in text
    assert "# and 59 more\n" in text


def test_a_device_may_log_in_where_the_document_says_so():
    flow = {"deviceAuthorizationUrl": "https://id.example.com/d", "tokenUrl": "/t", "scopes": {}}
    found = checked(made({"o": {"type": "oauth2", "flows": {"deviceAuthorization": flow}}}))
    assert found.oauth2.grants == ("device_code", "refresh_token")
    flows = {**OAUTH["flows"], "deviceAuthorization": flow}
    found = checked(made({"o": {"type": "oauth2", "flows": flows}}))
    assert found.oauth2.grants[:2] == ("authorization_code", "device_code")


def test_the_flows_of_the_second_version_have_other_names():
    code = {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://id.example.com/a",
            "tokenUrl": "https://id.example.com/t", "scopes": {"read": "x"}}  # fmt: skip
    app = {"type": "oauth2", "flow": "application", "tokenUrl": "https://id.example.com/t"}
    whole = {"swagger": "2.0", "info": {}, "securityDefinitions": {"a": code, "b": app}}
    found = checked(openapi.draft(whole, "shop", API))
    assert [way.id for way in found.ways] == ["oauth", "client_credentials"]


def test_openid_connect_is_found_by_its_issuer():
    url = "https://id.example.com/realms/x/.well-known/openid-configuration"
    found = checked(made({"o": {"type": "openIdConnect", "openIdConnectUrl": url}}))
    assert found.oauth2.issuer == "https://id.example.com/realms/x"
    assert found.oauth2.discovery


def test_what_is_needed_together_is_one_way_in_and_alternatives_are_several():
    schemes = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Under [Settings](https://x).",
        },
        "app": {"type": "apiKey", "in": "header", "name": "X-App"},
        "o": OAUTH,
    }
    both = made(schemes, security=[{"token": [], "app": []}, {"o": [], "app": []}, {}])
    found = checked(both)
    assert found.inject.header == {
        "X-App": "{{secret.shop_app}}", "Authorization": "Bearer {{secret.shop_token}}",
    }  # fmt: skip
    assert [secret.label for secret in found.required_secrets] == ["Token", "App"]
    assert "Under Settings." in both.text()
    login = found.way("oauth")
    assert login.inject.header == {
        "Authorization": "Bearer {{token.access_token}}", "X-App": "{{secret.shop_app}}",
    }  # fmt: skip


def test_what_cannot_be_together_is_left_out_with_the_reason():
    schemes = {
        "a": {"type": "http", "scheme": "bearer"},
        "b": {"type": "http", "scheme": "basic"},
        "d": {"type": "http", "scheme": "digest"},
    }
    draft = made(
        schemes, security=[{"a": [], "b": []}, {"a": [], "d": []}, {"gone": []}, {"a": []}]
    )
    assert [way.id for way in checked(draft).ways] == ["key"]
    for said in "two of them stand in the header", "cannot be combined", "no scheme of this name":
        assert said in draft.text()


def test_the_ways_of_operations_count_where_the_document_has_none_the_commonest_first():
    schemes = {"a": {"type": "http", "scheme": "basic"}, "b": {"type": "http", "scheme": "bearer"},
               "never": {"type": "apiKey", "in": "query", "name": "x"}}  # fmt: skip
    a, b = {"security": [{"a": []}]}, {"security": [{"b": []}]}
    more = [{"required": True}]
    paths = {"/a": {"post": a}, "/b": {"put": b}, "/c": {"get": {**b, "parameters": more}}}
    found = checked(made(schemes, paths=paths))
    assert [way.inject.header["Authorization"][:6] for way in found.ways] == ["Bearer", "Basic "]


def test_ways_of_the_same_kind_get_names_and_secrets_of_their_own():
    schemes = {
        "a": {"type": "apiKey", "in": "header", "name": "X-A"},
        "adminKey": {"type": "apiKey", "in": "header", "name": "X-B"},
        "shopKey": {"type": "apiKey", "in": "header", "name": "X-C"},
        "same": {"type": "apiKey", "in": "header", "name": "X-A"},
    }
    draft = made(schemes)
    found = checked(draft).ways
    assert [way.id for way in found] == ["key", "key2", "key3"]
    assert [way.label for way in found] == ["", "Admin Key", "Shop Key"]
    keys = [secret.key for way in found for secret in way.required_secrets]
    assert keys == ["shop_api_key", "shop_admin_key", "shop_key"]
    assert "# - 'same': it is the same as another" in draft.text()


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ({"type": "oauth2", "flows": {"implicit": {}}}, "web pages"),
        ({"type": "oauth2", "flows": {"password": {"tokenUrl": "/t"}}}, "the password itself"),
        ({"type": "oauth2"}, "none of its flows"),
        ({"type": "oauth2", "flows": {"authorizationCode": {}}}, "token_endpoint"),
        ({"type": "mutualTLS"}, "primitive: mtls"),
        ({"type": "http", "scheme": "hoba"}, "no way in for http hoba"),
        ({"type": "apiKey", "in": "body", "name": "x"}, "where the key stands"),
        ({"type": "apiKey", "in": "header", "name": "Host"}, "HTTP client"),
        ({"type": "apiKey", "in": "header", "name": "a b"}, "no name of a header"),
        ({"type": "openIdConnect", "openIdConnectUrl": "ftp://x"}, "URL"),
        ({"$ref": "https://evil.example/s.yaml"}, "Nothing was fetched"),
        ({"$ref": "#/components/securitySchemes/k"}, "leads to itself"),
        ({"$ref": "#/components/none"}, "leads to nothing"),
        ({}, "no way in for no type"),
        ("x", "no way in for no type"),
    ],
)
def test_where_no_way_in_is_left_the_reason_is_told(scheme, why):
    with pytest.raises(RecipeError, match=why) as caught:
        made({"k": scheme})
    assert "--auth" in caught.value.hint


def test_a_document_without_any_way_in_takes_one_that_is_said():
    whole = {"openapi": "3.0.0", "info": {"title": "Shop"}}
    with pytest.raises(RecipeError, match="no security schemes"):
        openapi.draft(whole, "shop", API)
    way = drafting.way_of("query", "shop", field="k")
    found = checked(drafting.from_document(whole, "shop", API, way=way))
    assert found.inject.query == {"k": "{{secret.shop_api_key}}"}


def test_a_reference_within_the_document_is_followed():
    schemes = {"k": {"$ref": "#/components/x~1y/~0z"}}
    more = {"x/y": {"~z": {"type": "http", "scheme": "bearer"}}}
    assert checked(made(schemes, components={**more, "securitySchemes": schemes})).inject.header


@pytest.mark.parametrize("version", ["1.2", "4.0.0", None, 3])
def test_other_versions_of_openapi_are_refused(version):
    with pytest.raises(RecipeError, match="of OpenAPI, not"):
        openapi.draft({"openapi": version}, "shop", API)


# -- the test request ----------------------------------------------------------------------

BEARER = {"k": {"type": "http", "scheme": "bearer"}}
USER = {"properties": {"id": {}, "email": {}, "secret": {}}}


def answers(schema, **more):
    content = {"application/json": {"schema": schema}}
    return {"get": {"responses": {"200": {"content": content}}, **more}}


GUARDED = [{"k": []}]


def chosen(paths, security=GUARDED, **more):
    return checked(made(BEARER, security, paths, **more)).test


def test_the_request_that_tells_who_is_asking_goes_first():
    found = chosen({"/orders": answers({}), "/users/me": answers(USER), "/v1": answers({})})
    assert (found.path, found.identity) == ("/users/me", "email || id")


def test_without_one_the_shortest_path_that_is_guarded_is_taken():
    paths = {"/orders/open": answers({}), "/orders": answers({}), "/a": answers({}, security=[])}
    assert chosen(paths).path == "/orders"
    assert chosen({"/orders": answers({})}, security=[]) is None
    assert chosen({"/orders": answers({}, security=[{"k": []}])}, []).path == "/orders"


def test_what_needs_more_or_does_more_is_no_test():
    required = [{"name": "q", "in": "query", "required": True}]
    elsewhere = [{"$ref": "other.yaml#/p"}]
    paths = {
        "/me/{id}": answers(USER), "/logout": answers(USER), "/user": answers({}, deprecated=True),
        "/health": answers({}), "/account": answers({}, parameters=required),
        "/profile": {**answers({}), "parameters": elsewhere}, "/self": {"post": {}},
        "/viewer": answers({}, servers=[{"url": "https://other.example.com"}]),
        "/x {{secret.k}}": answers({}), "not a path": 3,
    }  # fmt: skip
    assert chosen(paths) is None
    optional = [{"name": "q", "in": "query"}]
    assert chosen({"/me": answers({}, parameters=optional)}).path == "/me"


def test_a_schema_that_is_made_of_itself_tells_nothing():
    loop = {"components": {"schemas": {"L": {"allOf": [{"$ref": "#/components/schemas/L"}]}}}}
    found = chosen({"/users/@me": answers({"$ref": "#/components/schemas/L"})}, **loop)
    assert (found.path, found.identity) == ("/users/@me", "")


def test_whose_account_it_is_may_stand_deeper():
    schemas = {"components": {"schemas": {"U": USER, "N": {"properties": {"name": {}}}}}}
    whole = {"allOf": [{"allOf": [{"properties": {"data": {"$ref": "#/components/schemas/N"}}}]}]}
    assert chosen({"/me": answers(whole)}, **schemas).identity == "data.name"
    broken = {"$ref": "#/components/schemas/gone"}
    assert chosen({"/me": answers(broken)}, **schemas).identity == ""


def test_the_scopes_of_the_test_request_are_the_least():
    paths = {"/me": answers(USER, security=[{"o": ["profile"]}])}
    found = checked(made({"o": OAUTH}, [{"o": ["everything"]}], paths))
    assert found.oauth2.scopes == ("profile",)


def test_schemas_that_multiply_are_looked_at_so_far_and_no_further():
    one = {"allOf": [{"$ref": "#/components/schemas/W"}] * 1000}
    found = chosen({"/me": answers(one)}, components={"schemas": {"W": one}})
    assert (found.path, found.identity) == ("/me", "")


def test_an_address_that_is_too_long_is_none():
    assert address({"url": f"https://a.example.com/{'x' * 3000}"}) is None
    assert address(*[{"url": "/x"}] * 50, {"url": "https://a.example.com"}) is None


# -- hostile documents ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[1]", "no map"),
        (b"{\xff}", "JSON"),
        (b"a: &x 1\nb: *x", "Anchors"),
        (b"a: !!python/object:os.system 1", "Tags"),
        (b"a: 1\na: 2", "twice"),
        (b"a: " + b"[" * 200 + b"]" * 200, "100 deep"),
        (b"- 1", "A document is a map"),
        (b"", "A document is a map"),
        (b"<html></html>", "A document is a map"),
        (b"a: " + b"x" * document.MAX_YAML, "8 MB of YAML"),
        (b"{" + b" " * document.MAX_BYTES, "16 MB"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_name(raw, why):
    with pytest.raises(RecipeError, match=why) as caught:
        document.read(raw, "shop.yaml")
    assert caught.value.path == "shop.yaml"


def test_of_what_is_no_recipe_no_number_is_kept_a_second_time(monkeypatch):
    documents, built = [], reader._Builder.build
    monkeypatch.setattr(
        reader._Builder, "build", lambda self: (documents.append(self._document), built(self))
    )
    assert document.read(b"a: [010, true]", "shop.yaml") == {"a": [10, True]}
    assert reader.parse("a: 010").sources == [(("a",), "010")]
    assert [len(each.sources) for each in documents] == [0, 1]


def test_a_document_may_be_longer_and_deeper_than_a_recipe_and_begin_with_a_mark():
    deep = b"a: " + b"[" * 90 + b"]" * 90
    assert document.read(b"\xef\xbb\xbf" + deep, "x")["a"]
    assert len(document.read(b"b: " + b"x" * 70_000, "x")["b"]) == 70_000
    assert document.read(b"swagger: 2.0", "x") == {"swagger": "2.0"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.text(max_size=12)
    | st.sampled_from(["oauth2", "apiKey", "http", "bearer", "header", "X-Key", "/me",
                       "https://a.example.com", "https://{v}.example.com/{w}", "#/info", "2.0"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([
        "type", "in", "name", "scheme", "flows", "flow", "tokenUrl", "authorizationUrl", "scopes",
        "authorizationCode", "clientCredentials", "deviceAuthorization", "implicit", "$ref", "url",
        "variables", "v", "default", "enum", "description", "get", "security", "parameters",
        "required", "responses", "200", "content", "application/json", "schema", "properties",
        "openIdConnectUrl", "/me", "/x", "k", "title",
    ]), inner, max_size=4),
    max_leaves=14,
)  # fmt: skip
SCHEME = st.one_of(
    JUNK,
    st.fixed_dictionaries({
        "type": st.sampled_from(["oauth2", "apiKey", "http", "openIdConnect", "basic", "x"]),
        "in": st.sampled_from(["header", "query", "cookie"]), "name": st.text(max_size=8),
        "scheme": st.sampled_from(["bearer", "basic", "digest"]),
        "openIdConnectUrl": st.text(max_size=20), "description": st.text(max_size=40),
        "flows": st.dictionaries(
            st.sampled_from(["authorizationCode", "clientCredentials", "implicit"]),
            st.dictionaries(
                st.sampled_from(["authorizationUrl", "tokenUrl", "refreshUrl"]),
                st.sampled_from(["https://id.example.com/t", "/t", "http://x", "{{secret.k}}"])
                | st.text(max_size=10),
            ) | JUNK,
        ),
    }),
)  # fmt: skip


@settings(max_examples=80)
@given(
    st.sampled_from(["openapi", "swagger"]),
    st.dictionaries(st.text(max_size=6) | st.just("k"), SCHEME, max_size=3),
    st.one_of(JUNK, st.just([{"k": []}]), st.just([{"k": ["read", " ", "a\nb"]}])),
    st.tuples(JUNK, JUNK, JUNK),
)  # fmt: skip
def test_any_document_makes_a_recipe_that_loads_or_a_clear_error(kind, schemes, security, rest):
    info, servers, paths = rest
    whole = {
        kind: "3.0.0" if kind == "openapi" else "2.0", "info": info, "servers": servers,
        "paths": paths, "components": {"securitySchemes": schemes},
        "securityDefinitions": schemes if kind == "swagger" else {}, "security": security,
    }  # fmt: skip
    service = openapi.service_name(whole) or "shop"
    where = openapi.address_of(whole, "https://docs.example.com/") or API
    assert_makes_one(lambda: openapi.draft(whole, service, where))


def assert_makes_one(draft):
    """A recipe that is read back as it was meant, or an error that can be shown."""
    try:
        made = draft()
    except RecipeError as error:
        said = str(error)
    else:
        assert recipe.read(made.text()) == made.recipe()
        return
    assert said == clean_lines(said)


# -- metadata ------------------------------------------------------------------------------

ISSUER = "https://id.example.com/realms/shop"
TOLD = {
    "issuer": ISSUER, "token_endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "scopes_supported": ["openid", "email", "offline_access"],
}  # fmt: skip


def login(**told):
    return metadata.draft({**TOLD, **told}, "shop", API, name="Shop")


def test_an_issuer_is_enough():
    draft = login()
    oauth2 = checked(draft).oauth2
    assert (oauth2.issuer, oauth2.discovery) == (ISSUER, True)
    assert oauth2.scopes == ("openid", "offline_access")
    assert oauth2.authorize_params == {"prompt": "consent"}
    assert oauth2.client.auth == "basic"  # RFC 8414 §2
    assert oauth2.token_endpoint == ""
    assert "# - email\n" in draft.text()


def test_what_lies_on_another_origin_is_named():
    oauth2 = checked(login(token_endpoint="https://tokens.example.com/t")).oauth2
    assert oauth2.token_endpoint == "https://tokens.example.com/t"
    assert oauth2.authorization_endpoint == ""


@pytest.mark.parametrize(
    ("methods", "auth"),
    [(["client_secret_post"], "post"), (["private_key_jwt"], "private_key_jwt"),
     (["none", "client_secret_basic"], "none"), (["unheard_of"], "basic"), ("x", "basic")],
)  # fmt: skip
def test_the_client_proves_itself_as_the_server_takes_it(methods, auth):
    found = checked(login(token_endpoint_auth_methods_supported=methods)).oauth2
    assert found.client.auth == auth


def test_grants_and_pkce_are_as_the_server_says():
    code, device = "authorization_code", "urn:ietf:params:oauth:grant-type:device_code"
    where = {"device_authorization_endpoint": f"{ISSUER}/device"}
    both = checked(login(grant_types_supported=[code, device], **where)).oauth2
    assert both.grants == ("authorization_code", "device_code", "refresh_token")
    robot = checked(login(grant_types_supported=["client_credentials"]))
    assert (robot.way().id, robot.oauth2.grants) == ("client_credentials", ("client_credentials",))
    assert checked(login(code_challenge_methods_supported=["plain"])).oauth2.pkce == "no"
    assert "registration: dcr" in login(registration_endpoint=f"{ISSUER}/register").text()


def test_metadata_of_another_place_or_without_an_issuer_are_refused():
    for issuer in "http://id.example.com", "https://id.example.com/?x", "no":
        with pytest.raises(RecipeError, match="is no issuer"):
            login(issuer=issuer)
    metadata.check_place(TOLD, f"{ISSUER}/.well-known/openid-configuration")
    with pytest.raises(RecipeError, match="lie elsewhere"):
        metadata.check_place(TOLD, "https://evil.example/.well-known/openid-configuration")


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([
    *metadata.ENDPOINTS, "scopes_supported", "grant_types_supported", "service_documentation",
    "token_endpoint_auth_methods_supported", "code_challenge_methods_supported",
]), JUNK))  # fmt: skip
def test_any_metadata_make_a_recipe_that_loads_or_a_clear_error(told):
    assert_makes_one(lambda: login(**told))


# -- answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", drafting.KINDS)
def test_each_kind_of_way_in_makes_a_recipe(kind):
    way = drafting.way_of(
        kind, "shop", login_at="https://id.example.com/a", token_at="https://id.example.com/t"
    )
    draft = drafting.blank("shop", "", API, way)
    assert "# test: {path: /me, identity: email}" in draft.text()
    found = checked(draft.with_help("https://example.com/keys").with_test({"path": "/me"}))
    assert found.test.path == "/me"
    assert [secret.help_url for secret in found.required_secrets] == (
        ["https://example.com/keys"] * len(found.required_secrets)
    )


def test_there_is_no_other_kind_and_no_other_document():
    with pytest.raises(ValueError, match="none of bearer"):
        drafting.way_of("magic", "shop")
    with pytest.raises(RecipeError, match="neither"):
        drafting.from_document({"a": 1}, "shop", API, way=None)
    with pytest.raises(RecipeError, match="base_url"):
        drafting.blank("shop", "", Address("ftp://x"), drafting.way_of("basic", "shop")).recipe()


FLOW = {"authorizationUrl": "https://id.example.com/a", "tokenUrl": "https://id.example.com/t"}


@pytest.mark.parametrize(
    "scheme",
    [
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "tokenUrl": "https://[x"}}},
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "authorizationUrl": "//["}}},
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "refreshUrl": "//[x"}}},
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "//[::1"}}},
        {"type": "openIdConnect", "openIdConnectUrl": "//["},
    ],
)
def test_an_address_that_is_none_is_the_reason_why_a_way_is_left_out(scheme):
    found = {
        "openapi": "3.1.0", "info": {"title": "Shop"},
        "components": {"securitySchemes": {"login": scheme}},
    }  # fmt: skip
    with pytest.raises(
        RecipeError, match=r"can be used: oauth2\.[a-z_.]+: .*\bno (URL|host name)\b"
    ):
        openapi.draft(found, "shop", Address("https://api.example.com"))


def test_a_server_that_is_no_address_is_passed_over():
    servers = [{"url": "//[x"}, {"url": "/v2"}]
    found = openapi.address_of(
        {"openapi": "3.1.0", "servers": servers}, "https://api.example.com/openapi.json"
    )
    assert found is not None
    assert found.base_url == "https://api.example.com/v2"
    assert (
        openapi.address_of({"openapi": "3.1.0", "servers": servers[:1]}, "https://a.example/x")
        is None
    )
