"""The HTTP application: an ASGI app that runs the table of `routes`.

Starlette routes and speaks ASGI; what is between a request and its function is here, once: the
size and the shape of the body, the key, the limits, and how an error is told.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router

from arcrun_auth.server import browsing, keys, logs
from arcrun_auth.server.config import Config
from arcrun_auth.server.limits import Buckets
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.routes import ROUTES, Call, Reply, Route
from arcrun_auth.server.visits import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from arcrun_auth.server.database import Database, Tx

PROTOCOL = "1"
KEY_HEADER = "x-arcrun-api-key"
JSON = "application/json"
PROBLEM = "application/problem+json"

_ASKED = ("if-match", "if-none-match")
_KEY_LENGTH = 200
_ENCODER = msgspec.json.Encoder()


class Server:
    """The application on one database. `routes` are those of the platform, or more."""

    def __init__(
        self, database: Database, config: Config | None = None, routes: Sequence[Route] = ROUTES
    ) -> None:
        self.database = database
        self.config = config or Config()
        limits = self.config.limits
        self.by_key = Buckets(limits.key_rate, limits.key_burst)
        self.by_address = Buckets(limits.address_rate, limits.address_burst)
        self.site = Site(database, self.config)
        table = {**_grouped(self, routes), **browsing.endpoints(self, self.site)}
        paths = [StarletteRoute(path, _Methods(methods)) for path, methods in table.items()]
        self.router = Router(paths, redirect_slashes=False, default=_nowhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.router(scope, receive, send)


def _grouped(server: Server, routes: Sequence[Route]) -> dict[str, dict[str, ASGIApp]]:
    """One entry of the router for each path: its methods are told apart behind it."""
    paths: dict[str, dict[str, ASGIApp]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = Endpoint(server, route)
    return paths


class _Methods:
    """The methods of one path."""

    def __init__(self, methods: dict[str, ASGIApp]) -> None:
        self.methods = methods
        self.allow = ", ".join(methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.methods.get(scope["method"])
        if found is not None:
            await found(scope, receive, send)
            return
        problem = Problem(405, "This path has no such method.", headers={"allow": self.allow})
        await told(problem)(scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await told(Problem(404, "There is no such path here."))(scope, receive, send)


def answer(
    content: bytes, status: int, headers: dict[str, str] | None = None, kind: str = JSON
) -> Response:
    """An answer as every one of ours is: of this protocol, and kept by no cache."""
    sent = {"arcrun-protocol": PROTOCOL, "cache-control": "no-store", **(headers or {})}
    return Response(content, status, sent, media_type=None if status == 304 else kind)  # noqa: PLR2004


def told(problem: Problem) -> Response:
    """A problem as an answer."""
    body = _ENCODER.encode(problem.document())
    return answer(body, problem.status, problem.headers, PROBLEM)


class Endpoint:
    """One route of the table, as an ASGI app."""

    def __init__(self, server: Server, route: Route) -> None:
        self.server = server
        self.route = route
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if route.takes is not None:
            self._decoder = msgspec.json.Decoder(route.takes)
        self._database = server.database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        call = Call(self.server.config, request.path_params, {}, {})
        reply: Reply | None = None
        try:
            reply = await self._reply(request, call)
            response = self._response(reply)
        except Problem as problem:
            response = told(problem)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - nothing of it reaches the client
            logs.failed(self.route)
            response = told(Problem(500, "The server failed. Nothing of this request was kept."))
        await response(scope, receive, send)
        logs.answered(self.route, call, response.status_code, time.perf_counter() - started)
        if reply is not None and reply.later is not None:
            await self._database.writing(reply.later)

    def _response(self, reply: Reply) -> Response:
        if isinstance(reply.body, Response):
            return reply.body
        content = b"" if reply.body is None else _ENCODER.encode(reply.body)
        return answer(content, reply.status, reply.headers)

    async def _reply(self, request: Request, call: Call) -> Reply:
        call.address = request.client.host if request.client else ""
        if request.scope["query_string"]:
            call.query = dict(request.query_params)
        headers = request.headers
        call.headers = {name: headers[name] for name in _ASKED if name in headers}
        key = self._key(request, call)
        if self._decoder is not None:
            call.body = self._read(await self._body(request))
        run = self._database.writing if self.route.writes else self._database.reading
        try:
            reply = await run(lambda tx: self._work(tx, call, key))
        except Problem as problem:
            if problem.status in (401, 403):
                self.server.by_address.wait(call.address)
            raise
        who = call.caller
        if who is not None and who.stale:
            await self._database.writing(lambda tx: keys.used(tx, who))
        return reply

    def _work(self, tx: Tx, call: Call, key: str) -> Reply:
        if self.route.keys:
            who = keys.authenticate(tx, key)
            if who.kind not in self.route.keys:
                raise Problem(403, f"This cannot be done with a key of kind {who.kind}.")
            call.caller = who
        return self.route.work(tx, call)

    def _key(self, request: Request, call: Call) -> str:
        """The key that is shown, within its rate; for a route without one the address counts."""
        server = self.server
        if not self.route.keys:
            free = self.route.method == "GET"
            wait = 0.0 if free else server.by_address.wait(call.address)
            key = ""
        else:
            key = request.headers.get(KEY_HEADER, "")
            if not key and self.route.bearer:
                scheme, _, rest = request.headers.get("authorization", "").partition(" ")
                key = rest.strip() if scheme.lower() == "bearer" else ""
            if not key or len(key) > _KEY_LENGTH:
                raise keys.refused("Show an API key in the header X-Arcrun-API-Key.")
            wait = server.by_address.empty(call.address) or server.by_key.wait(key)
        if wait:
            raise later("Too many requests. Wait, then go on.", wait, status=429)
        return key

    async def _body(self, request: Request) -> bytes:
        return await body_of(request, JSON, self.server.config.limits.body)

    def _read(self, body: bytes) -> Any:
        assert self._decoder is not None
        return decoded(self._decoder, body)


async def body_of(request: Request, kind: str, most: int) -> bytes:
    """The body of a request. Problem 415 where it is of another kind, 413 where it is too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Problem(415, f"The body of this request is {kind}: say so in Content-Type.")
    said = request.headers.get("content-length", "0")
    if said.isdigit() and int(said) > most:
        raise Problem(413, f"A body has at most {most} bytes.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Problem(413, f"A body has at most {most} bytes.")
        parts.append(part)
    return b"".join(parts)


def decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """A body as its shape. Problem 400 says where it does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(400, f"The request is not valid: {_where(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "The body is no valid JSON.") from None


def _where(error: msgspec.ValidationError) -> str:
    """What is wrong, and where. msgspec repeats values of enumerations alone: those go."""
    text = str(error)
    what, mark, rest = text.partition(" - at ")
    if what.startswith("Invalid enum value"):
        what = "Invalid value"
    return f"{what}{mark}{rest}."
