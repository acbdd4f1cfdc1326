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
from arcrun_auth.server.visits import Visit, as_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.server.database import Database
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.routes import Own
    from arcrun_auth.server.visits import Site

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


def _own(
    method: Method, work: Callable[..., Any], *, shows: bool = False, keyed: bool = False
) -> Own:
    """`work` as what a route runs. `shows` a page, a problem too; `keyed` with whose API key came
    along, if one did."""

    def run(site: Site, call: Call) -> Reply:
        visit = _visit(call, method)
        if keyed:
            call.caller = _caller(site, visit)
            found = work(site, visit, call.caller)
        else:
            found = work(site, visit)
        return found if isinstance(found, Reply) else Reply(found)

    async def own(database: Database, call: Call) -> Reply:
        del database
        assert call.site is not None, "whoever runs the table has a site"
        try:
            return await asyncio.to_thread(run, call.site, call)
        except Problem as problem:
            problem.shown = as_page(problem) if shows else None
            raise

    own.__doc__ = work.__doc__
    return own


def _page(method: Method, path: str, work: Callable[[Site, Visit], Reply]) -> Route:
    own = _own(method, work, shows=True)
    answers = {200: bytes}
    return Route(method, path, answers=answers, form=method == "POST", own=own, guessed=True)


def _form(path: str, work: Callable[[Site, Visit], Any]) -> Route:
    answers = {200: dict[str, Any]}
    return Route("POST", path, answers=answers, form=True, own=_own("POST", work))


def _relayed(method: Method, what: str, work: Callable[..., Any], **more: Any) -> Route:
    own = _own(method, work, keyed=True)
    return Route(method, f"{RELAY}/{what}", own=own, guessed=True, **more)


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


ROUTES = [
    _page("GET", "/auth/start", logins.start),
    _page("GET", "/auth/go-on", logins.go_on),
    _page("POST", "/auth/go-on", logins.go_on),
    _page("POST", "/auth/confirm", logins.confirm),
    _page("POST", "/auth/provider", signin.choose),
    _page("GET", signin.CALLBACK, signin.callback),
    _page("POST", "/auth/key", signin.by_key),
    _page("POST", "/auth/register", signin.register),
    _page("POST", "/auth/logout", signin.sign_out),
    _page("GET", "/device", device_logins.start),
    _page("POST", "/device", device_logins.typed),
    _page("POST", "/device/confirm", device_logins.confirm),
    _form("/auth/token", token),
    _form("/auth/device", device_code),
    Route("POST", "/auth/ci", answers={200: shapes.CiKey}, takes=shapes.CiLogin,
          own=_own("POST", ci.key_for)),
    _relayed("GET", "app", relay.about, answers={200: shapes.RelayApp}),
    _relayed("POST", "start", relay.start, answers={200: shapes.RelayStarted},
             takes=shapes.RelayStart),
    _relayed("POST", "token", relay.token, answers={200: shapes.Relayed}, takes=EXCHANGES),
    _page("GET", "/oauth/authorize", relay.consent),
    _page("POST", "/oauth/authorize", relay.agreed),
    _page("GET", relay.REDIRECT, relay.redirect),
]  # fmt: skip
