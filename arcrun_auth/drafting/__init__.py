"""Recipes in the making: from answers, an OpenAPI document, or an issuer's metadata. Pure.

    >>> shop = Address("https://api.shop.example.com/v1")
    >>> draft = blank("shop", "Shop", shop, way_of("bearer", "shop"))
    >>> print(draft.with_test({"path": "/me"}).text())
    service: shop
    display_name: Shop
    primitive: static_key
    base_url: https://api.shop.example.com/v1
    # Add help_url: the page where it is found or made.
    required_secrets:
      - {key: shop_token, label: API token}
    inject: {header: {Authorization: "Bearer {{secret.shop_token}}"}}
    test: {path: /me}
    <BLANKLINE>

What nobody but the vendor knows becomes a comment that says what to look up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting import metadata, openapi, ways
from arcrun_auth.drafting.draft import Address, Draft, Way
from arcrun_auth.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "Address", "Draft", "Way", "blank", "from_document", "kind_of", "way_of"]

KINDS = {
    "bearer": "a key after the word Bearer, in the header Authorization",
    "header": "a key in another header",
    "query": "a key in the query of the URL",
    "cookie": "a key in a cookie",
    "basic": "a user name and a password (Basic)",
    "login": "a login in the browser (OAuth 2)",
}
"""How an API lets programs in: a word for each way that can be drafted without a document."""

FIELDS = {"header": "X-API-Key", "query": "api_key", "cookie": "session"}
"""Which of them need a name, and what is it most often?"""


def way_of(
    kind: str, service: str, *, field: str = "", login_at: str = "", token_at: str = ""
) -> Way:
    """The way in of that kind: `field` names the header, parameter or cookie; `login_at` and
    `token_at` are the endpoints of a login."""
    if kind == "bearer":
        return ways.bearer(service)
    if kind == "basic":
        return ways.basic(service)
    if kind == "login":
        endpoints = {"authorization_endpoint": login_at, "token_endpoint": token_at, "scopes": []}
        return ways.login(endpoints, scopes="Look up the least that is needed.")
    if kind in ("header", "query", "cookie"):
        return ways.key(service, where=kind, name=field or FIELDS[kind])
    raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


def blank(service: str, name: str, address: Address, way: Way) -> Draft:
    """A recipe of what somebody has said."""
    fields: dict[str, Any] = {"service": service, **({"display_name": name} if name else {})}
    return Draft({**fields, "base_url": address.base_url}, (way,))


def kind_of(document: Mapping[str, Any]) -> str:
    """`openapi`, `metadata`, or nothing where it is neither."""
    if openapi.is_openapi(document):
        return "openapi"
    return "metadata" if metadata.is_metadata(document) else ""


def from_document(
    document: Mapping[str, Any], service: str, address: Address, *, name: str = "", way: Way | None
) -> Draft:
    """A recipe of what a document says; `way` stands in for what it says of logging in.

    RecipeError where it says nothing that can be used.
    """
    kind = kind_of(document)
    if kind == "openapi":
        return openapi.draft(document, service, address, (way,) if way is not None else ())
    if kind == "metadata":
        return metadata.draft(document, service, address, name=name)
    raise RecipeError("This is neither an OpenAPI document nor the metadata of an issuer.")
