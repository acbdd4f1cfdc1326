"""The OpenAPI document, made of the table of routes and the shapes that are read and written."""

from __future__ import annotations

from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from arcrun_auth import __version__
from arcrun_auth.server.routes import Call, Reply, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.server.database import Database

_REF = "#/components/schemas/{name}"
_PRECONDITIONS = ("If-Match", "If-None-Match")


class Problem(msgspec.Struct):
    """RFC 9457; `error` and `success` are for the platform's older clients."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    success: bool


def route(routes: Sequence[Route]) -> Route:
    """The route that tells of `routes`, and of itself."""

    @lru_cache(maxsize=1)
    def text() -> bytes:
        return msgspec.json.encode(document([*routes, made]))

    async def openapi(database: Database, call: Call) -> Reply:
        """This document."""
        del database, call
        return Reply(text(), headers={"content-type": "application/json"})

    made = Route("GET", "/openapi.json", answers={200: dict[str, Any]}, own=openapi)
    return made


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 for these routes."""
    shapes = {shape for one in routes for shape in _shapes(one)} | {Problem}
    ordered = sorted(shapes, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    known = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "arcrun", "version": __version__, "license": {"name": "Apache-2.0"},
            "description": "The platform that keeps what homes share: ciphertext, and who may "
            "fetch it. Every answer carries Arcrun-Protocol: 1.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Arcrun-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }  # fmt: skip


def _shapes(one: Route) -> list[Any]:
    found = [] if one.takes is None else [one.takes]
    for shape in one.answers.values():
        found += _members(shape)
    return [shape for shape in found if shape not in (None, bytes)]


def _members(shape: Any) -> tuple[Any, ...]:
    return get_args(shape) if isinstance(shape, UnionType) else (shape,)


def _operation(one: Route, known: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": one.says,
        "responses": {
            **{str(status): _answer(shape, known) for status, shape in one.answers.items()},
            "default": {
                "description": "What went wrong.",
                "content": {"application/problem+json": {"schema": known[Problem]}},
            },
        },
    }
    parameters = _parameters(one)
    if parameters:
        found["parameters"] = parameters
    if one.takes is not None or one.form:
        kind = "application/x-www-form-urlencoded" if one.form else "application/json"
        schema = {"type": "object"} if one.form else known[one.takes]
        found["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    if one.keys:
        found["security"] = [{"key": []}, {"bearer": []}] if one.bearer else [{"key": []}]
        found["description"] = f"Keys of kind {', '.join(one.keys)}."
    return found


def _parameters(one: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    names = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    return [
        *({"name": n, "in": "path", "required": True, "schema": text} for n in names),
        *({"name": n, "in": "query", "schema": text} for n in one.query),
        *({"name": n, "in": "header", "schema": text} for n in _PRECONDITIONS if one.conditional),
    ]


def _answer(shape: Any, known: dict[Any, Any]) -> dict[str, Any]:
    if shape is None:
        return {"description": "Nothing."}
    if shape is bytes:
        return {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    found = [known[member] for member in _members(shape)]
    schema = found[0] if len(found) == 1 else {"anyOf": found}
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}
