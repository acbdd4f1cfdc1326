# ruff: noqa: INP001 - a program beside the pages, no package
"""The server's routes, from the table that it runs: an overview, and all shapes in full."""

from __future__ import annotations

import re
from typing import Any

from arcrun_auth.server.openapi import document
from arcrun_auth.server.running import ALL_ROUTES

_HEAD = """\
# The server's API

Every route with what it takes and gives, as `GET /openapi.json` of a running
[server](server.md#rules) has it. Bodies are JSON but where a form is named; a field that may be
left out is marked with `?`.

Whatever goes wrong is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):

"""


def with_routes(page: str) -> str:
    """docs/server.md with the routes of today."""
    return re.sub(
        r"(<!-- routes -->\n).*?(<!-- end of routes -->)",
        lambda found: found[1] + _table() + found[2],
        page,
        flags=re.DOTALL,
    )


def _table() -> str:
    rows = ["| | keys | |", "|---|---|---|"]
    for route in sorted(ALL_ROUTES, key=lambda route: (route.path, route.method)):
        keys = ", ".join(route.keys) or "none"
        rows.append(f"| `{route.method} {route.path}` | {keys} | {route.says} |")
    return "\n".join(rows) + "\n"


def api() -> str:
    """docs/server-api.md: each route, then the shapes that its bodies are made of."""
    made = document(ALL_ROUTES)
    shapes = made["components"]["schemas"]
    parts = [_HEAD + _fields(shapes.pop("Problem")), "## Routes\n"]
    for path, operations in sorted(made["paths"].items()):
        parts += [_route(f"{verb.upper()} {path}", each) for verb, each in operations.items()]
    parts.append("## Shapes\n")
    parts += [f"### {name}\n\n{_fields(shape)}" for name, shape in sorted(shapes.items())]
    return "\n".join(parts)


def _route(name: str, operation: dict[str, Any]) -> str:
    said = [operation["summary"], operation.get("description", "No key.")]
    said += [
        f"`{each['name']}` in the {each['in']}."
        for each in operation.get("parameters", ())
        if each["in"] != "path"
    ]
    rows = [("takes", operation["requestBody"])] if "requestBody" in operation else []
    rows += [(status, each) for status, each in operation["responses"].items() if status.isdigit()]
    lines = [f"- {what}: {_content(each)}" for what, each in rows]
    return f"### `{name}`\n\n{' '.join(said)}\n\n" + "\n".join(lines) + "\n"


def _content(body: dict[str, Any]) -> str:
    if "content" not in body:
        return "nothing"
    (kind, found), *_ = body["content"].items()
    if kind == "application/json":
        return _kind(found["schema"])
    return {"text/html": "a page"}.get(kind, "a form")


def _fields(shape: dict[str, Any]) -> str:
    needed = shape.get("required", ())
    rows = [
        f"| `{name}`{'' if name in needed else ' ?'} | {_kind(each)} |"
        for name, each in shape.get("properties", {}).items()
    ]
    about = shape.get("description", "")
    table = "\n".join(["| field | |", "|---|---|", *rows]) if rows else _kind(shape)
    return "\n\n".join(filter(None, (about, table))) + "\n"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    inside = schema.get("additionalProperties")
    return f"object of {_kind(inside)}" if kind == "object" and isinstance(inside, dict) else kind
