"""What a recipe need not say, because it follows from what it says. Pure.

Whatever stands in the recipe (an empty `inject: {}` too) is taken as it stands. A recipe from
the platform means there what it says, so nothing is derived for it that would send a secret,
or an address, where the platform would not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth import primitives
from arcrun_auth.recipe import kinds, rules
from arcrun_auth.recipe.model import Method

if TYPE_CHECKING:
    from collections.abc import Mapping

# What one method does not have in common with another: everything else is inherited.
_OWN = {
    "id", "label", "primitive", "required_secrets", "inject", "oauth2", "token_secret", "jwt",
    "service_account_kind", "token_exchange", "oauth1", "digest", "mtls", "options",
    "assume_role",
}  # fmt: skip
_INHERITED = tuple(name for name in Method.__struct_fields__ if name not in _OWN)

# With one of these the primitive has to be said: its secret may be one that is never sent.
_OF_OTHERS = frozenset({
    "jwt", "aws", "assume_role", "service_account", "service_account_kind", "token_exchange",
    "oauth1", "digest", "mtls", "options",
})  # fmt: skip

_FIRST_SEGMENT = re.compile(r"https?://[^/]+(/[^/{}?#]+)(?:/.*)?")


def complete(data: dict[str, Any], *, ours: bool = True) -> dict[str, Any]:
    """`data` with what the methods inherit, and the defaults that depend on other fields.

    `ours`: it is no recipe from the platform.

    >>> found = complete({"service": "acme_mail", "oauth2": {}, "base_url": "https://a.example/v1"})
    >>> found["display_name"], found["primitive"], found["id"], found["root_paths"]
    ('Acme Mail', 'oauth2', 'oauth', ['/v1/'])
    """
    methods = data.get("methods")
    full = _way(data, ours=ours)
    if isinstance(methods, list) and all(isinstance(method, dict) for method in methods):
        inherited = {name: data[name] for name in _INHERITED if name in data}
        full["methods"] = [
            _way(kinds.inherited({**inherited, **method}, data), ours=ours) for method in methods
        ]
    if isinstance(service := data.get("service"), str):
        full.setdefault("account", service)
        if ours:
            full.setdefault("display_name", title(service))
    return full


def title(service: str) -> str:
    """What a service is called that has no other name.

    >>> title("acme/google_drive")
    'Google Drive'
    """
    words = service.rpartition("/")[2].split("_")
    return " ".join(word[:1].upper() + word[1:] for word in words)


def primitive_of(data: Mapping[str, Any]) -> str | None:
    """How a way in works that does not say it: by OAuth if it has an authorization server, by a
    static key if it has secrets. None where it says it, or has what another primitive needs.

    >>> primitive_of({"required_secrets": [{"key": "token"}]})
    'static_key'
    """
    if "primitive" in data or not _OF_OTHERS.isdisjoint(data):
        return None
    if data.get("oauth2") is not None:
        return "oauth2"
    return "static_key" if data.get("required_secrets") else None


def bearer(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the secret of a way in goes that does not say it: into the header that RFC 6750 §2.1
    has for tokens. None where it says it, where there is not one secret alone, and where that may
    be missing or is a file."""
    secrets = data.get("required_secrets")
    if "inject" in data or not isinstance(secrets, list) or len(secrets) != 1:
        return None
    secret = secrets[0] if isinstance(secrets[0], dict) else {}
    key, is_line = secret.get("key"), secret.get("type", "text") in ("text", "password")
    if not isinstance(key, str) or not is_line or secret.get("optional"):
        return None
    return _in_header(f"secret.{key}")


def _way(data: dict[str, Any], *, ours: bool) -> dict[str, Any]:
    full = kinds.completed(data)
    if found := primitive_of(data):
        full["primitive"] = found
    name = full.get("primitive")
    primitive = primitives.find(name) if isinstance(name, str) else None
    if "id" not in data and isinstance(name, str):
        full["id"] = (primitive and primitive.method_id) or name
    if primitive is not None and primitive.source != "secrets" and "inject" not in data:
        full["inject"] = _in_header("token.access_token")
    if name == "static_key" and ours and (injected := bearer(data)):
        full["inject"] = injected
    if isinstance(server := full.get("oauth2"), dict):
        full["oauth2"] = {**_scopes(server), **server}
    base_url = data.get("base_url")
    if "allowed_hosts" not in data and isinstance(base_url, str):
        full["allowed_hosts"] = [host] if (host := rules.host_of(base_url)) else []
    return {**(_paths(data) if ours else {}), **_pages(data), **full}


def _in_header(what: str) -> dict[str, Any]:
    return {"header": {"Authorization": f"Bearer {{{{{what}}}}}"}}


def _paths(data: Mapping[str, Any]) -> dict[str, Any]:
    """The first segment of `base_url`: a path written in full is meant from the origin."""
    base_url = data.get("base_url")
    if "root_paths" in data or not isinstance(base_url, str):
        return {}
    found = _FIRST_SEGMENT.fullmatch(base_url)
    return {"root_paths": [f"{found[1]}/"]} if found else {}


def _scopes(server: Mapping[str, Any]) -> dict[str, Any]:
    """The first set of scopes, which is the least."""
    sets = server.get("scope_sets")
    if "scopes" in server or not isinstance(sets, dict) or not sets:
        return {}
    return {"scopes": next(iter(sets.values()))}


def _pages(data: Mapping[str, Any]) -> dict[str, Any]:
    """The first page of `app_guide` is where the app is registered."""
    steps = data.get("app_guide")
    if "app_register_url" in data or not isinstance(steps, list):
        return {}
    pages = (step.get("url") for step in steps if isinstance(step, dict))
    page = next((page for page in pages if page), None)
    return {} if page is None else {"app_register_url": page}
