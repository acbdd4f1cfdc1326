"""Kinds of service accounts: the base that lies under a way in of that kind. Pure.

`service_account_kind: google_jwt` lays `_google_jwt` under the way in that says so: what
the file of a provider looks like, and where it is used, is data like all else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PRIMITIVE = "service_account"
_ITS_OWN = ("service", "display_name", "description", "category", "extends", "methods")
"""What of a base is about the base alone?"""

# An assertion that the account signs itself (RFC 7523 §2.1): asked for anew each time.
_SERVER = {
    "grants": ["jwt_bearer"],
    "client": {"auth": "none", "secret_required": False},
    "refresh": {"mode": "reissue", "rotates": "no"},
}


def named(data: Mapping[str, Any]) -> list[str]:
    """The ids of the bases that lie under ways in of this recipe."""
    return [f"_{way['service_account_kind']}" for way in _ways(data) if _has_kind(way)]


def wanted(data: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Those of `named` that are known. Of a kind that nobody here has the recipe says all."""
    have = set(known)
    return [name for name in dict.fromkeys(named(data)) if name in have]


def laid(data: dict[str, Any], bases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`data` with each way in over the base of its kind."""
    full = _over_kind(data, bases)
    if isinstance(data.get("methods"), list):
        full["methods"] = [
            _over_kind(way, bases) if isinstance(way, dict) else way for way in data["methods"]
        ]
    return full


def over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`top` over `base`: maps deep, lists replaced, null deletes."""
    merged = dict(base)
    for key, value in top.items():
        below = base.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(below, dict):
            merged[key] = over(below, value)
        else:
            merged[key] = value
    return merged


def completed(data: Mapping[str, Any]) -> dict[str, Any]:
    """A way in whose platform fields are said as ours: `token_exchange` is the token endpoint."""
    full = dict(data)
    given, exchange = data.get("oauth2", {}), data.get("token_exchange", {})
    is_one = data.get("primitive") == PRIMITIVE
    if not is_one or not isinstance(given, dict) or not isinstance(exchange, dict):
        return full  # what is no map is told where its type is checked
    server = {**_SERVER, **given}
    if full.pop("token_exchange", None):
        names = {"endpoint": "token_endpoint", "scopes": "scopes"}
        server |= {ours: exchange[name] for name, ours in names.items() if name in exchange}
    full["oauth2"] = server
    return full


def inherited(way: dict[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A way in with what it has from the recipe: params beside those of its kind, and the scopes
    that a person logs in with, where it names none."""
    if way.get("primitive") != PRIMITIVE:
        return way
    params, own = recipe.get("params"), way.get("params")
    if isinstance(params, dict) and isinstance(own, dict):
        way = {**way, "params": {**params, **own}}
    return _with_scopes(way, recipe)


def _with_scopes(way: dict[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    theirs, exchange = recipe.get("oauth2"), way.get("token_exchange")
    mine = way.get("oauth2") or {}
    says = isinstance(exchange, dict) and "scopes" in exchange
    if not isinstance(theirs, dict) or says:
        return way
    if not isinstance(mine, dict) or "scopes" in mine:
        return way
    taken = ("scopes", "scope_sets", "scope_aliases")
    return {**way, "oauth2": {**{n: theirs[n] for n in taken if n in theirs}, **mine}}


def _ways(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield data
    further = data.get("methods")
    yield from (
        way for way in (further if isinstance(further, list) else ()) if isinstance(way, dict)
    )


def _has_kind(way: Mapping[str, Any]) -> bool:
    kind = way.get("service_account_kind")
    return way.get("primitive") == PRIMITIVE and isinstance(kind, str) and bool(kind)


def _over_kind(way: Mapping[str, Any], bases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    base = bases.get(f"_{way['service_account_kind']}") if _has_kind(way) else None
    if base is None:
        return dict(way)
    below = {name: value for name, value in base.items() if name not in _ITS_OWN}
    theirs, ours = _only_secret(below), _only_secret(way)
    whole = over(below, way)
    account = whole.get("service_account")
    if theirs is None or ours is None or (isinstance(account, dict) and account.get("document")):
        return whole
    # A recipe may call the one secret as it likes, and need not say what a kind knows of it.
    named = _renamed(below, str(theirs["key"]), str(ours["key"]))
    return {**over(named, way), "required_secrets": [{**theirs, **ours}]}


def _only_secret(data: Mapping[str, Any]) -> dict[str, Any] | None:
    secrets = data.get("required_secrets")
    if not isinstance(secrets, list) or len(secrets) != 1:
        return None
    (secret,) = secrets
    return secret if isinstance(secret, dict) and isinstance(secret.get("key"), str) else None


def _renamed(value: Any, old: str, new: str) -> Any:
    """A value whose texts name the members of the secret `old` by its other name."""
    if isinstance(value, dict):
        return {name: _renamed(inner, old, new) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, old, new) for inner in value]
    if not isinstance(value, str):
        return value
    member = f"{old}."
    if value.startswith(member):  # the key that signs
        return f"{new}.{value.removeprefix(member)}"
    return value.replace(f"{{{{secret.{member}", f"{{{{secret.{new}.")
