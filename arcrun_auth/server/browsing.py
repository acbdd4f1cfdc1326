"""Which page and which login route does what, and how a request gets there and back.

Beside `routes`, most of whose functions are one transaction each: these read cookies and forms,
and may ask an issuer in between, so they run in threads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from arcrun_auth.server import ci, device_logins, keys, logins, relay, signin
from arcrun_auth.server import login_shapes as shapes
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.routes import Call, Method, Reply, Route
from arcrun_auth.server.visits import Site, Visit, as_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.server.database import Database
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.routes import Own

CODE_GRANT = "authorization_code"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

RELAY = "/oauth/{service}"
EXCHANGES = shapes.RelayCode | shapes.RelayRefresh | shapes.RelayRevoke


def device_code(site: Site, visit: Visit) -> Any:
    """A code for a device without a browser: RFC 8628 §3.2."""
    return device_logins.begin(site, visit)


def token(site: Site, visit: Visit) -> Any:
    """The API key for the code of a login, or of a device: RFC 6749 §4.1.3, RFC 8628 §3.4."""
    kind = visit.form.get("grant_type")
    if kind == CODE_GRANT:
        return logins.redeem(site, visit)
    if kind == DEVICE_GRANT:
        return device_logins.redeem(site, visit.form)
    raise logins.refusal("unsupported_grant_type", "This is no grant that is given here.")


def routes(site: Site) -> list[Route]:
    """The table, on one site."""

    def page(method: Method, path: str, work: Callable[[Site, Visit], Reply]) -> Route:
        own = _own(site, method, work, shows=True)
        return Route(method, path, answers={200: bytes}, form=method == "POST", own=own)

    def form(path: str, work: Callable[[Site, Visit], Any]) -> Route:
        own = _own(site, "POST", work)
        return Route("POST", path, answers={200: dict[str, Any]}, form=True, own=own)

    def relayed(method: Method, what: str, work: Callable[..., Any], **more: Any) -> Route:
        own = _own(site, method, work, keyed=True)
        return Route(method, f"{RELAY}/{what}", own=own, **more)

    return [
        page("GET", "/auth/start", logins.start),
        page("GET", "/auth/go-on", logins.go_on),
        page("POST", "/auth/go-on", logins.go_on),
        page("POST", "/auth/confirm", logins.confirm),
        page("POST", "/auth/provider", signin.choose),
        page("GET", signin.CALLBACK, signin.callback),
        page("POST", "/auth/key", signin.by_key),
        page("POST", "/auth/register", signin.register),
        page("POST", "/auth/logout", signin.sign_out),
        page("GET", "/device", device_logins.start),
        page("POST", "/device", device_logins.typed),
        page("POST", "/device/confirm", device_logins.confirm),
        form("/auth/token", token),
        form("/auth/device", device_code),
        Route("POST", "/auth/ci", answers={200: shapes.CiKey}, takes=shapes.CiLogin,
              own=_own(site, "POST", ci.key_for)),
        relayed("GET", "app", relay.about, answers={200: shapes.RelayApp}),
        relayed("POST", "start", relay.start, answers={200: shapes.RelayStarted},
                takes=shapes.RelayStart),
        relayed("POST", "token", relay.token, answers={200: shapes.Relayed}, takes=EXCHANGES),
        page("GET", "/oauth/authorize", relay.consent),
        page("POST", "/oauth/authorize", relay.agreed),
        page("GET", relay.REDIRECT, relay.redirect),
    ]  # fmt: skip


def _own(
    site: Site,
    method: Method,
    work: Callable[..., Any],
    *,
    shows: bool = False,
    keyed: bool = False,
) -> Own:
    """`work` as what a route runs. `shows` a page, a problem too; `keyed` with whose API key came
    along, if one did."""

    def run(call: Call) -> Reply:
        visit = _visit(call, method)
        if keyed:
            call.caller = _caller(site, visit)
            found = work(site, visit, call.caller)
        else:
            found = work(site, visit)
        return found if isinstance(found, Reply) else Reply(found)

    async def own(database: Database, call: Call) -> Reply:
        del database
        try:
            return await asyncio.to_thread(run, call)
        except Problem as problem:
            problem.shown = as_page(problem) if shows else None
            raise

    own.__doc__ = work.__doc__
    return own


def _visit(call: Call, method: Method) -> Visit:
    body = call.body
    return Visit(
        method=method,
        path=call.path,
        query=call.query,
        form=body if isinstance(body, dict) else {},
        cookies=_cookies(call.headers.get("cookie")),
        headers=call.headers,
        secure=call.config.url.startswith("https:"),
        body=body,
    )


def _cookies(text: str) -> dict[str, str]:
    """RFC 6265 §5.4. Ours have no quotes and no blanks; others are not read."""
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name: value for name, equals, value in pairs if equals}


def _caller(site: Site, visit: Visit) -> Caller | None:
    key = visit.headers.get("x-arcrun-api-key")
    if not key:
        return None
    caller = site.read(lambda tx: keys.authenticate(tx, key))
    if caller.kind == "ci":
        raise Problem(403, "This cannot be done with a key of kind ci.")
    return caller
