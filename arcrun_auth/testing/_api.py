"""The small API behind the embedded provider."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from arcrun_auth.testing._records import UNAUTHORIZED, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.testing._web import Handler

PAGE_SIZE = 3
ITEMS = 8

CREDENTIAL_HEADERS = ("authorization", "x-api-key", "cookie")


def without_tenant(handler: Handler) -> str:
    """The path as `ROUTES` know it. Refusal where the API is asked for a tenant that there is
    not, or at a host that it does not stand on."""
    path, tenants = handler.url_path, handler.provider.quirks.tenants
    if not path.startswith("/api/") or path == "/api/static":  # the key is of no tenant
        return path
    if handler.provider.quirks.api_host:
        _check_host(handler)
    _check_site(handler)
    for tenant in tenants:
        if path.startswith(f"/api/{tenant}/"):
            return path.replace(f"{tenant}/", "", 1)
    if tenants:
        raise Refusal("no_such_tenant", "Its id stands after /api/.", status=404)
    return path


def _check_host(handler: Handler) -> None:
    if handler.host != handler.provider.api_host:
        raise Refusal("wrong_host", f"The API stands on {handler.provider.api_host}.", status=404)


def _check_site(handler: Handler, *, optional: bool = False) -> None:
    """The site that a header names, where one does: an empty one is none."""
    quirks = handler.provider.quirks
    named = handler.headers.get(quirks.site_header) if quirks.site_header else None
    if quirks.site_header and named not in quirks.sites and not (optional and named is None):
        raise Refusal("no_such_site", f"Its id stands in {quirks.site_header}.", status=404)


def user(handler: Handler) -> str:
    """Who asks; Refusal where the token is not good."""
    family = handler.provider.authority.holder(handler.authorization)
    if family is None:
        raise Refusal("invalid_token", "Expired, revoked or never given.", status=UNAUTHORIZED)
    return family.user


def me(handler: Handler) -> None:
    name = user(handler)
    handler.json(200, {"sub": name, "name": name.title(), "email": f"{name}@example.com"})


def sites(handler: Handler) -> None:
    """The sites of a login: whose data may be asked for."""
    user(handler)
    _check_site(handler, optional=True)
    if handler.provider.quirks.api_host == "user":  # who tells it later cannot know it here
        _check_host(handler)
    listed = handler.provider.quirks.sites.items()
    handler.json(200, [{"id": key, "name": name} for key, name in listed])


def items(handler: Handler) -> None:
    user(handler)
    asked = handler.query.get("page", "1")
    page = int(asked or 1) if asked.isdecimal() else 1
    start = (page - 1) * PAGE_SIZE
    found = [{"id": n, "name": f"Item {n}"} for n in range(1, ITEMS + 1)]
    more = f"http://{handler.host}{handler.url_path}?page={page + 1}"
    last = start + PAGE_SIZE >= ITEMS
    handler.json(200, {"items": found[start : start + PAGE_SIZE], "next": None if last else more})


def echo(handler: Handler) -> None:
    """What arrived; of credentials only a digest, so that no answer shows one."""
    seen = {
        name: _digest(value) if name in CREDENTIAL_HEADERS else value
        for name, value in ((name.lower(), value) for name, value in handler.headers.items())
    }
    query = {name: _digest(value) for name, value in handler.query.items()}
    handler.json(200, {"method": handler.command, "headers": seen, "query": query})


def static(handler: Handler) -> None:
    key = handler.provider.static_key
    given = (handler.authorization, handler.headers.get("x-api-key"))
    if given[0] != f"Bearer {key}" and given[1] != key:
        raise Refusal("invalid_key", "This is not the demo key.", status=UNAUTHORIZED)
    handler.json(200, {"ok": True, "name": "Demo workspace"})


ROUTES: Mapping[tuple[str, str], Callable[[Handler], None]] = {
    ("GET", "/userinfo"): me,
    ("GET", "/sites"): sites,
    ("GET", "/api/me"): me,
    ("GET", "/api/items"): items,
    ("GET", "/api/echo"): echo,
    ("POST", "/api/echo"): echo,
    ("GET", "/api/static"): static,
}


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
