"""Which page and which login route does what, and how a request gets there and back.

Beside `routes`, whose functions are one transaction each: these read forms and cookies, and may
ask an issuer in between, so they run in threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from arcrun_auth.server import (
    ci,
    device_logins,
    keys,
    login_shapes,
    logins,
    logs,
    relay,
    signin,
)
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.routes import Call, Method
from arcrun_auth.server.visits import Shown, Site, Visit, as_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.web import Server

MAX_FORM = 64 << 10
"""How long may what a form sends be, in bytes?"""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Page:
    """A route of this table. `shows`: an HTML page, else JSON."""

    method: Method
    path: str
    work: Callable[..., Any]
    shows: bool = True
    takes: Any = None
    """The shape of a JSON body; None for a form, or for nothing."""
    keyed: bool = False
    """Whether an API key may come along, and the function wants to know whose."""

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return (self.work.__doc__ or "").strip().splitlines()[0]


def device_code(site: Site, visit: Visit) -> Any:
    """A code for a device without a browser: RFC 8628 §3.2."""
    return device_logins.begin(site, visit)


def token(site: Site, visit: Visit) -> Any:
    """The API key for the code of a login, or of a device: RFC 6749 §4.1.3, RFC 8628 §3.4."""
    kind = visit.form.get("grant_type")
    if kind == "authorization_code":
        return logins.redeem(site, visit.form)
    if kind == "urn:ietf:params:oauth:grant-type:device_code":
        return device_logins.redeem(site, visit.form)
    raise logins.refusal("unsupported_grant_type", "This is no grant that is given here.")


PAGES = [
    Page("GET", "/auth/start", logins.start),
    Page("GET", "/auth/go-on", logins.go_on),
    Page("POST", "/auth/go-on", logins.go_on),
    Page("POST", "/auth/confirm", logins.confirm),
    Page("POST", "/auth/provider", signin.choose),
    Page("GET", signin.CALLBACK, signin.callback),
    Page("POST", "/auth/key", signin.by_key),
    Page("POST", "/auth/register", signin.register),
    Page("POST", "/auth/logout", signin.sign_out),
    Page("GET", "/device", device_logins.start),
    Page("POST", "/device", device_logins.typed),
    Page("POST", "/device/confirm", device_logins.confirm),
    Page("POST", "/auth/token", token, shows=False),
    Page("POST", "/auth/device", device_code, shows=False),
    Page("POST", "/auth/ci", ci.key_for, shows=False, takes=login_shapes.CiLogin),
    Page("GET", "/oauth/{service:path}/app", relay.about, shows=False, keyed=True),
    Page("POST", "/oauth/{service:path}/start", relay.start, shows=False,
         takes=login_shapes.RelayStart, keyed=True),
    Page("POST", "/oauth/{service:path}/token", relay.token, shows=False,
         takes=login_shapes.RelayCode | login_shapes.RelayRefresh | login_shapes.RelayRevoke,
         keyed=True),
    Page("GET", "/oauth/authorize", relay.consent),
    Page("POST", "/oauth/authorize", relay.agreed),
    Page("GET", relay.REDIRECT, relay.redirect),
]  # fmt: skip


def endpoints(server: Server, site: Site) -> dict[str, dict[str, ASGIApp]]:
    """The table, by path and method."""
    found: dict[str, dict[str, ASGIApp]] = {}
    for each in PAGES:
        found.setdefault(each.path, {})[each.method] = _Endpoint(server, site, each)
    return found


class _Endpoint:
    """One row of the table, as an ASGI app."""

    def __init__(self, server: Server, site: Site, page: Page) -> None:
        self.server = server
        self.site = site
        self.page = page
        takes = page.takes
        self._decoder = None if takes is None else msgspec.json.Decoder(takes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        visit = self._visit(request)
        call = Call(self.server.config, {}, {}, {}, address=visit.address)
        try:
            await self._read(request, visit)
            shown = await run_in_threadpool(self._work, visit, call)
        except Problem as problem:
            if problem.status in (401, 403):
                self.server.by_address.wait(visit.address)
            shown = self._refused(problem)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - nothing of it reaches the browser
            logs.failed(self.page)
            shown = self._refused(Problem(500, "The server failed. Nothing was changed."))
        response = _response(shown)
        await response(scope, receive, send)
        logs.answered(self.page, call, response.status_code, time.perf_counter() - started)

    def _visit(self, request: Request) -> Visit:
        url = self.server.config.url
        return Visit(
            method=self.page.method,
            path=dict(request.path_params),
            query=_fields(request.scope["query_string"]),
            cookies=dict(request.cookies),
            headers=dict(request.headers),
            secure=url.startswith("https:") if url else request.url.scheme == "https",
            address=request.client.host if request.client else "",
        )

    async def _read(self, request: Request, visit: Visit) -> None:
        from arcrun_auth.server import web

        if self.page.method != "POST":
            return
        wait = self.server.by_address.wait(visit.address)
        if wait:
            raise later("Too many requests. Wait, then go on.", wait, status=429)
        kind = FORM if self._decoder is None else web.JSON
        body = await web.body_of(request, kind, MAX_FORM)
        if self._decoder is None:
            visit.form = _fields(body)
        else:
            visit.body = web.decoded(self._decoder, body)

    def _work(self, visit: Visit, call: Call) -> Shown:
        if self.page.keyed:
            call.caller = self._caller(visit)
            found = self.page.work(self.site, visit, call.caller)
        else:
            found = self.page.work(self.site, visit)
        return found if isinstance(found, Shown) else _json(found)

    def _caller(self, visit: Visit) -> Caller | None:
        from arcrun_auth.server.web import KEY_HEADER

        key = visit.headers.get(KEY_HEADER, "")
        if not key:
            return None
        caller = self.site.read(lambda tx: keys.authenticate(tx, key))
        if caller.kind == "ci":
            raise Problem(403, "This cannot be done with a key of kind ci.")
        return caller

    def _refused(self, problem: Problem) -> Shown:
        if self.page.shows:
            return as_page(problem)
        shown = _json(problem.document(), problem.status)
        shown.headers |= problem.headers
        return shown


def _json(body: Any, status: int = 200) -> Shown:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Shown(msgspec.json.encode(body), status, headers)


def _response(shown: Shown) -> Response:
    from arcrun_auth.server.web import PROTOCOL

    response = Response(shown.body, shown.status)
    for name, value in {**shown.headers, "arcrun-protocol": PROTOCOL}.items():
        response.headers[name] = value
    for cookie in shown.cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _fields(text: bytes) -> dict[str, str]:
    """Parameters by name; of one that stands there twice there is none (RFC 6749 §3.1)."""
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Problem(400, "The parameters of this request cannot be read.") from None
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}
