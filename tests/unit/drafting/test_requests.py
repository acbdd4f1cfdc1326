"""Which request of a document proves a connection."""

from __future__ import annotations

from tests.drafting_kit import OAUTH, address, checked, made

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
