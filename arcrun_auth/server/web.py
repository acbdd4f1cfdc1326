"""The HTTP application: an ASGI app that runs the table of `routes`.

It speaks ASGI itself, for what a framework would add is most of what a request costs here (row
15 of the scoreboard), and is these few lines: what is between a request and its function
stands here once. The size and the shape of the body, the key, the limits, how an error is told.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from arcrun_auth.server import keys, logs, openapi
from arcrun_auth.server.config import Config
from arcrun_auth.server.limits import Buckets, origin
from arcrun_auth.server.paths import Paths
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.routes import ROUTES, Call, Headers, Reply, Route
from arcrun_auth.server.visits import Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from arcrun_auth.server.database import Database, Tx

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY_SECONDS = 30.0
"""How long may the body of a request take to come?"""

_JSON_ANSWER = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ALWAYS = [(b"arcrun-protocol", b"1"), (b"cache-control", b"no-store")]
_KEY_LENGTH = 200
_ENCODER = msgspec.json.Encoder()
_UNKNOWN = 401


class Disconnected(Exception):
    """The client went away before it had said all."""


class Server:
    """The application on one database. `routes` are those of the platform, or more.

    AuthError where the configuration names an app that cannot be shared.
    """

    def __init__(
        self, database: Database, config: Config | None = None, routes: Sequence[Route] = ROUTES
    ) -> None:
        self.database = database
        self.config = config or Config()
        self.site = Site(database, self.config)
        limits = self.config.limits
        self.by_key = Buckets(limits.key_rate, limits.key_burst)
        self.by_address = Buckets(limits.address_rate, limits.address_burst)
        table: dict[str, dict[str, Endpoint]] = {}
        for route in (*routes, openapi.route(routes)):
            table.setdefault(route.path, {})[route.method] = Endpoint(self, route)
        for methods in table.values():
            if "GET" in methods:
                methods["HEAD"] = methods["GET"]  # uvicorn leaves the body out
        self._paths = Paths(table)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._paths.find(scope["path"])
        if found is None:
            await _tell(send, Problem(404, "There is no such path here."))
            return
        methods, names = found
        endpoint = methods.get(scope["method"])
        if endpoint is None:
            allow = {"allow": ", ".join(methods)}
            await _tell(send, Problem(405, "This path has no such method.", headers=allow))
            return
        await endpoint.run(scope, receive, send, names)


class Endpoint:
    """One route of the table, run."""

    def __init__(self, server: Server, route: Route) -> None:
        self.server = server
        self.route = route
        self._database = server.database
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if route.takes is not None:
            self._decoder = msgspec.json.Decoder(route.takes)

    async def run(self, scope: Scope, receive: Receive, send: Send, names: dict[str, str]) -> None:
        started = time.perf_counter()
        client = scope.get("client")
        call = Call(
            self.server.config, names, _query(scope), Headers(scope["headers"]),
            address=client[0] if client else "", site=self.server.site,
        )  # fmt: skip
        reply: Reply | None = None
        try:
            reply = await self._reply(call, receive)
            status = await _answer(send, reply)
        except Problem as problem:
            status = await _tell(send, problem)
        except Disconnected:
            return
        except Exception:  # noqa: BLE001 - nothing of it reaches the client
            logs.failed(self.route)
            gone = Problem(500, "The server failed. Nothing of this request was kept.")
            status = await _tell(send, gone)
        logs.answered(self.route, call, status, time.perf_counter() - started)
        if reply is not None:
            await self._afterwards(call, reply)

    async def _reply(self, call: Call, receive: Receive) -> Reply:
        try:
            key = self._key(call)
            try:
                call.body = await self._given(call, receive)
            except Problem:
                if self.route.keys:  # who has no key is told that, and nothing of the body
                    await self._database.reading(lambda tx: self._know(tx, call, key))
                raise
            return await self._run(call, key)
        except Problem as problem:
            # Whoever guesses is slowed down, and whoever has a key is not, behind one address.
            if problem.status == _UNKNOWN:
                _check_rate(self.server.by_address.wait(origin(call.address)))
            raise

    async def _given(self, call: Call, receive: Receive) -> Any:
        """The body, in the shape that the route wants."""
        if self._decoder is not None:
            return self._read(call, await self._body(call, receive))
        return self._form(call, await self._body(call, receive)) if self.route.form else None

    async def _run(self, call: Call, key: str) -> Reply:
        database, route = self._database, self.route
        if route.own is not None:
            if route.keys:
                await database.reading(lambda tx: self._know(tx, call, key))
            return await route.own(database, call)
        run = database.writing if route.writes else database.reading
        return await run(lambda tx: self._work(tx, call, key))

    def _work(self, tx: Tx, call: Call, key: str) -> Reply:
        if self.route.keys:
            self._know(tx, call, key)
        return self.route.work(tx, call)

    def _know(self, tx: Tx, call: Call, key: str) -> None:
        """Finds out who calls. Problem 401 or 403."""
        who = keys.authenticate(tx, key)
        if who.kind not in self.route.keys:
            raise Problem(403, f"This cannot be done with a key of kind {who.kind}.")
        call.caller = who

    async def _afterwards(self, call: Call, reply: Reply) -> None:
        """What is noted when the answer is out already."""
        who, work = call.caller, reply.later
        try:
            if who is not None and who.stale:
                await self._database.writing(lambda tx: keys.used(tx, who))
            if work is not None:
                await self._database.writing(work)
        except Problem:
            logs.failed(self.route)

    def _key(self, call: Call) -> str:
        """The key that is shown, within its rate; for a route without one the address counts."""
        server, route, key = self.server, self.route, ""
        if route.keys:
            key = call.headers.get("x-arcrun-api-key", "")
            if not key and route.bearer:
                scheme, _, rest = call.headers.get("authorization", "").partition(" ")
                key = rest.strip() if scheme.lower() == "bearer" else ""
            if not key or len(key) > _KEY_LENGTH:
                raise keys.refused("Show an API key in the header X-Arcrun-API-Key.")
            _check_rate(server.by_key.wait(key))
        elif route.counted:
            _check_rate(server.by_address.wait(origin(call.address)))
        return key

    async def _body(self, call: Call, receive: Receive) -> bytes:
        most = self.server.config.limits.body
        said = call.headers.get("content-length", "0")
        if said.isdigit() and int(said) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await _whole(receive, most)
        except TimeoutError:
            slow = f"The body did not come within {BODY_SECONDS:g} seconds."
            raise Problem(408, slow, headers={"connection": "close"}) from None

    def _read(self, call: Call, body: bytes) -> Any:
        _check_kind(call, JSON)
        assert self._decoder is not None
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise Problem(400, f"The request is not valid: {_where(error)}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem(400, "The body is no valid JSON.") from None

    def _form(self, call: Call, body: bytes) -> dict[str, str]:
        _check_kind(call, FORM)
        try:
            return _fields(body)
        except ValueError:
            raise Problem(400, "The body is no valid form.") from None


async def _whole(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts)


def _check_rate(wait: float) -> None:
    """Problem 429 where somebody has to wait."""
    if wait:
        raise later("Too many requests. Wait, then go on.", wait, status=429)


def _check_kind(call: Call, kind: str) -> None:
    # A page elsewhere can make a browser send a form or a text, but JSON only if we allow it.
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Problem(415, f"The body of this request is {kind}: say so in Content-Type.")


def _query(scope: Scope) -> dict[str, str]:
    raw = scope["query_string"]
    if not raw:
        return {}
    try:
        return _fields(raw)
    except ValueError:
        return {}


def _fields(raw: bytes) -> dict[str, str]:
    """Parameters by name; one that stands there twice is none (RFC 6749 §3.1)."""
    pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50)
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found = {name: value for name, value in pairs if names.count(name) == 1}
    return found


def _too_large(most: int) -> Problem:
    return Problem(413, f"A body has at most {most} bytes.")


def _where(error: msgspec.ValidationError) -> str:
    """What is wrong, and where. msgspec repeats values of enumerations alone: those go."""
    what, mark, rest = str(error).partition(" - at ")
    if what.startswith("Invalid enum value"):
        what = "Invalid value"
    return f"{what}{mark}{rest}."


async def _answer(send: Send, reply: Reply) -> int:
    body, kind = reply.body, [_JSON_ANSWER]
    if isinstance(body, bytes):
        kind = []
    elif body is None:
        body = b""
    else:
        body = _ENCODER.encode(body)
    more = _encoded(reply.headers)
    more += [(b"set-cookie", cookie.encode("latin-1")) for cookie in reply.cookies]
    return await _send(send, reply.status, [*_ALWAYS, *kind, *more], body)


async def _tell(send: Send, problem: Problem) -> int:
    if problem.shown is not None:
        return await _answer(send, problem.shown)
    headers = [*_ALWAYS, _PROBLEM, *_encoded(problem.headers)]
    return await _send(send, problem.status, headers, _ENCODER.encode(problem.document()))


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return status
