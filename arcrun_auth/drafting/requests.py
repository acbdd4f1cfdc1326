"""Which request of an OpenAPI document proves a connection, and whose account it is. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from arcrun_auth.drafting.document import as_list, as_map, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# How do APIs call what tells who is asking?
_OURSELVES = (
    "me", "whoami", "self", "myself", "viewer", "profile", "userinfo", "current_user", "user",
    "account", "current", "identity",
)  # fmt: skip
# What is no proof (anybody may read it), or does more than its method says.
_NO_PROOF = re.compile(
    r"health|status|ping|version|openapi|swagger|docs|public|logout|sign_?out|revoke|delete|"
    r"oauth|authori[sz]e|log_?in|token|callback|export|download|stream|event|webhook",
    re.IGNORECASE,
)
_PATH = re.compile(r"(/[A-Za-z0-9._~:@+-]+)+/?")
_NAMES = (
    "email", "emailAddress", "email_address", "login", "username", "user_name", "displayName",
    "display_name", "name", "id",
)  # fmt: skip
_AROUND = ("", "data", "user", "account", "result", "viewer", "me")
MAX_SCHEMAS = 50
"""Through how many schemas do we look, of which one answer is made? They may name each other."""
MAX_PARTS = 2
"""How many fields do we name for the account, the second where the first is missing?"""


class Proof(NamedTuple):
    """A request that is worth trying: the field `test`, and what its operation demands."""

    test: dict[str, Any]
    security: list[dict[str, list[str]]]


def proof(document: Mapping[str, Any]) -> Proof | None:
    """The best request of those that take no parameter; None where there is none.

    One that tells who is asking goes before any other, then the shortest path.
    """
    best = min(_candidates(document), key=lambda each: each[0], default=None)
    if best is None:
        return None
    _, path, operation = best
    identity = _identity(document, operation)
    test = {"path": path, **({"identity": identity} if identity else {})}
    return Proof(test, demands(operation) or demands(document))


def demands(holder: Mapping[str, Any]) -> list[dict[str, list[str]]]:
    """The security requirements of a document or an operation: alternatives, each of schemes
    with their scopes. What is no such thing is left out."""
    found = []
    for each in as_list(holder.get("security")):
        schemes = as_map(each).items()
        found.append(
            {n: [s for s in as_list(scopes) if isinstance(s, str)] for n, scopes in schemes}
        )
    return found


def _candidates(
    document: Mapping[str, Any],
) -> Iterator[tuple[tuple[int, int, str], str, dict[str, Any]]]:
    guarded = bool(demands(document))
    for path, item in as_map(document.get("paths")).items():
        holder = as_map(item)
        operation = as_map(holder.get("get"))
        last = path.rstrip("/").rpartition("/")[2].lstrip("@").lower()
        if not operation or not _PATH.fullmatch(path) or _NO_PROOF.search(path):
            continue
        if operation.get("deprecated") is True or "servers" in operation or "servers" in holder:
            continue
        open_to_all = "security" in operation and not any(demands(operation))
        if open_to_all or _wants(document, holder) or _wants(document, operation):
            continue
        if last in _OURSELVES:
            rank = _OURSELVES.index(last)
        elif guarded or demands(operation):
            rank = len(_OURSELVES)
        else:
            continue
        yield (rank, path.count("/"), path), path, operation


def _wants(document: Mapping[str, Any], holder: Mapping[str, Any]) -> bool:
    """Whether a request without any parameter is not enough; what is not known counts as one."""
    parameters = [known(document, each) for each in as_list(holder.get("parameters"))]
    return any(each.get("required", not each) is True for each in parameters)


def _identity(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    schema = _answer(document, operation)
    for outer in _AROUND:
        inside = _properties(document, schema if not outer else _property(document, schema, outer))
        found = [name for name in _NAMES if name in inside][:MAX_PARTS]
        if found:
            return " || ".join(f"{outer}.{name}" if outer else name for name in found)
    return ""


def _answer(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    responses = as_map(operation.get("responses"))
    good = known(document, responses.get("200") or responses.get("2XX") or {})
    content = as_map(good.get("content"))
    media = next((as_map(m) for kind, m in content.items() if "json" in kind), {})
    return known(document, media.get("schema") or good.get("schema"))


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a schema, and of those that it is made of."""
    found: dict[str, Any] = {}
    parts = [schema]
    for part in parts:  # which grows meanwhile
        found = {**as_map(part.get("properties")), **found}
        more = as_list(part.get("allOf"))[: MAX_SCHEMAS - len(parts)]
        parts += [known(document, each) for each in more]
    return found


def _property(document: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    return known(document, _properties(document, schema).get(name))
