"""The provider's words for standard ones, and back: requests in, answers out. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arcrun_auth.testing._records import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing._quirks import Quirks

SEPARATORS = " ,+"


def standard(given: Mapping[str, str], quirks: Quirks) -> dict[str, str]:
    """Parameters by their standard names. Refusal where one came by a name not used here.

    >>> from arcrun_auth.testing import Quirks
    >>> standard({"client_key": "me"}, Quirks(param_names={"client_id": "client_key"}))
    {'client_id': 'me'}
    """
    names = {**quirks.param_names, "scope": quirks.scope_param}
    renamed = {theirs: name for name, theirs in names.items() if theirs != name}
    for theirs, name in renamed.items():
        if name in given and name not in renamed:
            raise Refusal("invalid_request", f"{name} is called {theirs} here.")
    return {renamed.get(name, name): value for name, value in given.items()}


def scopes(text: str, quirks: Quirks) -> list[str]:
    """The scopes in a request. Refusal where they are separated otherwise than here."""
    foreign = SEPARATORS.replace(quirks.scope_separator, "")
    if quirks.scope_separator != " " and any(mark in text for mark in foreign):
        raise Refusal("invalid_scope", f"Scopes are separated by {quirks.scope_separator!r}.")
    return [one for one in text.split(quirks.scope_separator) if one]


def granted(wanted: list[str], quirks: Quirks) -> str:
    """Which of the scopes the user lets pass, as RFC 6749 §3.3 writes them."""
    allowed = wanted if quirks.granted is None else quirks.granted
    return " ".join(one for one in wanted if one in allowed)


def success(answer: Mapping[str, object], quirks: Quirks, now: float) -> dict[str, object]:
    """A token answer of RFC 6749 §5.1 as this provider writes it."""
    fields = dict(answer) if quirks.expires == "in" else _ending(answer, quirks, now)
    fields["scope"] = _listed(str(answer["scope"]).split(), quirks)
    whole: dict[str, object] = {"ok": True} if quirks.ok else {}
    root = f"{quirks.root}." if quirks.root else ""
    for name, value in fields.items():
        outside = name == "instance_url"  # what belongs to no token stands beside the wrapping
        _put(whole, ("" if outside else root) + quirks.paths.get(name, name), value)
    return whole


def failure(error: str, description: str, quirks: Quirks) -> dict[str, object]:
    """An error answer of RFC 6749 §5.2 as this provider writes it."""
    whole: dict[str, object] = {"ok": False} if quirks.ok else {}
    code = quirks.numbers.get(error, error)
    for name, value in (("error", code), ("error_description", description)):
        _put(whole, quirks.paths.get(name, name), value)
    return whole


def _ending(answer: Mapping[str, object], quirks: Quirks, now: float) -> dict[str, object]:
    """The answer with its ends in the unit and the form they are told in."""
    fields = dict(answer)
    how, seconds = quirks.expires, float(str(answer["expires_in"]))
    for name in ("expires_in", "refresh_token_expires_in"):
        if name in fields and how in ("ms", "at_ms"):
            fields[name] = int(float(str(fields[name])) * 1000)
        elif name in fields and how == "text":
            fields[name] = str(fields[name])
    if how not in ("text", "ms"):
        del fields["expires_in"]
    end = now + seconds
    if how == "at":
        fields["expires_at"] = int(end)
    elif how == "at_ms":
        fields["expires_at"] = int(end * 1000)
    elif how == "at_date":
        fields["expires_at"] = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return fields


def _listed(names: list[str], quirks: Quirks) -> str | list[str]:
    listed = [alias for name in names if (alias := quirks.scope_aliases.get(name, name))]
    return listed if quirks.scope_list else quirks.scope_separator.join(listed)


def _put(whole: dict[str, object], path: str, value: object) -> None:
    """Put a value at a dotted path, making what lies on the way."""
    *way, last = path.split(".")
    at: Any = whole
    for step in way:
        at = at.setdefault(step, {})
    at[last] = value
