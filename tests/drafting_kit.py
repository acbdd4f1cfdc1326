"""Documents of an API, and the recipes that are made of them."""

from __future__ import annotations

from hypothesis import strategies as st

from arcrun_auth import recipe
from arcrun_auth.drafting import Address, openapi
from arcrun_auth.errors import RecipeError, clean_lines
from arcrun_auth.lint import errors, lint

API = Address("https://api.example.com/v1")
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


def address(*servers, at="", **old):
    found = openapi.address_of({"openapi": "3.0.0", "servers": list(servers), **old}, at)
    return found and (found.base_url, found.params)


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
