"""The endpoints of the embedded provider: what is asked, what is counted, what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode

from arcrun_auth.testing import _clients, _grants, _pages, _wording
from arcrun_auth.testing._records import UNAUTHORIZED, Drop, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.testing._records import App
    from arcrun_auth.testing._web import Handler

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

TOKEN_PATHS = ("/token", "/refresh", "/exchange", "/swap")
"""Where answers are worded by the quirks."""


# -- what a browser sees ---------------------------------------------------------------


def home(handler: Handler) -> None:
    handler.page(200, "Demo provider", "It runs on this machine and keeps nothing.")


def authorize(handler: Handler) -> None:
    handler.provider.authorizations.append(dict(handler.query))
    handler.provider.note_resource("/authorize", handler.query)
    ticket, request = handler.provider.authority.begin(handler.query)
    handler.html(_pages.consent(app=request.app.id, scope=request.scope, ticket=ticket))


def consent(handler: Handler) -> None:
    location = handler.provider.authority.decide(
        handler.form.get("ticket", ""), user=_typed_user(handler), allow=_allowed(handler)
    )
    handler.send(303, b"", "text/plain", {"Location": location})


def activate(handler: Handler) -> None:
    """Where a device's user types its code, and decides (RFC 8628 §3.3)."""
    authority, code = handler.provider.authority, handler.query.get("user_code", "")
    device = _grants.waiting_device(authority, code) if code else None
    handler.html(
        _pages.activate(
            app=device.app.id if device else "", scope=device.scope if device else "", code=code
        )
    )


def activated(handler: Handler) -> None:
    allow = _allowed(handler)
    code = handler.form.get("user_code", "")
    _grants.decide_device(handler.provider.authority, code, user=_typed_user(handler), allow=allow)
    title = "The device is connected" if allow else "The device was refused"
    handler.page(200, title, "You can close this page.")


def _typed_user(handler: Handler) -> str:
    return handler.form.get("user", "")[:60] or "ada"


def _allowed(handler: Handler) -> bool:
    return handler.form.get("decision") == "allow"


# -- tokens ----------------------------------------------------------------------------


def token(handler: Handler) -> None:
    """The token endpoint, and `/refresh` where renewals have one of their own."""
    provider, quirks = handler.provider, handler.provider.quirks
    given = {**handler.query, **handler.form}
    grant = given.get(quirks.param_names.get("grant_type", "grant_type"), "")
    provider.note_resource(handler.url_path, given)

    def answer() -> dict[str, object]:
        form = _in_the_right_way(handler)
        elsewhere = quirks.refresh_elsewhere and grant == "refresh_token"
        if handler.url_path != ("/refresh" if elsewhere else "/token"):
            raise Refusal("unsupported_grant_type", "This grant is served at another URL.")
        return provider.authority.token(form, handler.authorization)

    _with_faults(handler, grant, answer)


def exchange(handler: Handler) -> None:
    """A live access token for a longer one, by GET."""
    if handler.provider.quirks.renewal != "exchange":
        raise Refusal("not_found", "Nothing is exchanged here.", status=404)
    provider = handler.provider
    _with_faults(
        handler, "exchange", lambda: _grants.live_exchange(provider.authority, handler.query)
    )


def swap(handler: Handler) -> None:
    """The short token of a login for a long one, by GET, with the client's secret."""
    if not handler.provider.quirks.swap:
        raise Refusal("not_found", "Nothing is swapped here.", status=404)
    authority, sent = handler.provider.authority, (handler.query, handler.authorization)
    _with_faults(handler, "swap", lambda: _grants.swap(authority, *sent))


def _in_the_right_way(handler: Handler) -> dict[str, str]:
    """The parameters of a token request, sent as this provider wants them sent."""
    quirks = handler.provider.quirks
    wanted = (quirks.request_body,) if quirks.request_body else ("form", "json")
    body = {FORM: "form", JSON: "json"}.get(handler.kind, "of another type")
    came = {*(["query"] if handler.query else []), *([body] if handler.form else [])}
    if handler.command != quirks.request_method or not came <= set(wanted):
        ways = " or ".join(wanted)
        raise Refusal(
            "invalid_request", f"Tokens are asked for by {quirks.request_method}, {ways}."
        )
    return {**handler.query, **handler.form}


def _with_faults(handler: Handler, grant: str, answer: Callable[[], dict[str, object]]) -> None:
    """Answer, unless a fault was ordered for this request."""
    provider, closing = handler.provider, handler.server.closing
    fault = provider.count_token(grant)
    if provider.latency:
        closing.wait(provider.latency)
    if fault == "hang":
        closing.wait()
    if fault in ("drop", "hang"):
        raise Drop
    if fault == "garbage":
        handler.page(200, "Welcome", "A captive portal, or a proxy in a bad mood.")
    elif isinstance(fault, int):
        handler.json(fault, {}, {"Retry-After": "1"} if fault == 429 else {})  # noqa: PLR2004
    else:
        granted = answer()
        if fault == "lost":
            raise Drop
        quirks = provider.quirks
        worded = _wording.success(granted, quirks, provider.authority.clock())
        _send(handler, quirks.status, worded)


def refuse(handler: Handler, refusal: Refusal) -> None:
    """A refusal at the token endpoint, as this provider words it."""
    quirks = handler.provider.quirks
    if quirks.html:
        handler.page(200, "Something went wrong", refusal.description)
        return
    status = 200 if quirks.ok else refusal.status
    headers = {"WWW-Authenticate": "Basic"} if status == UNAUTHORIZED else {}
    _send(handler, status, _wording.failure(refusal.error, refusal.description, quirks), headers)


def _send(
    handler: Handler,
    status: int,
    answer: dict[str, object],
    headers: Mapping[str, str] | None = None,
) -> None:
    if handler.provider.quirks.encoding == "form":
        handler.send(status, urlencode(answer).encode(), FORM, headers)
    else:
        handler.json(status, answer, headers)


def device(handler: Handler) -> None:
    handler.provider.note_resource("/device", handler.form)
    authority = handler.provider.authority
    handler.json(200, _grants.ask_device(authority, handler.form, handler.authorization))


# -- the end of a grant ----------------------------------------------------------------


def revoke(handler: Handler) -> None:
    """RFC 7009, or what the quirks have in its place."""
    provider, how = handler.provider, handler.provider.quirks.revoke
    method = {"delete": "DELETE", "get": "GET", "grant": ""}.get(how, "POST")
    if handler.command != method:
        raise Refusal("invalid_request", "Revocation goes another way here.", status=405)
    if how == "delete":
        _end(handler, _clients.by_basic(provider.authority, handler.authorization))
        return
    if how == "standard":
        provider.authority.revoke(handler.form, handler.authorization)
    elif how == "open":
        _must_end(handler, handler.form.get("token", ""))
    elif how == "bearer":
        _must_end(handler, handler.authorization.removeprefix("Bearer "), access_only=True)
    else:
        _must_end(handler, handler.query.get("token", ""))
    handler.json(200, {})


def _must_end(handler: Handler, token: str, *, access_only: bool = False) -> None:
    if not handler.provider.authority.end(token, access_only=access_only):
        raise Refusal("invalid_token", "There is nothing to revoke.", status=UNAUTHORIZED)


def end_grant(handler: Handler) -> None:
    """Revocation at a URL with the client's id: `/applications/ID/grant`."""
    if handler.provider.quirks.revoke != "grant" or not handler.argument.endswith("/grant"):
        raise Refusal("not_found", "Nothing is revoked here.", status=404)
    app = _clients.by_basic(handler.provider.authority, handler.authorization)
    if unquote(handler.argument.removesuffix("/grant")) != app.id:
        raise Refusal("not_found", "This is another app's.", status=404)
    _end(handler, app)


def _end(handler: Handler, app: App) -> None:
    token = handler.form.get("access_token", "") if handler.kind == JSON else ""
    if not handler.provider.authority.end(token, app, access_only=True):
        raise Refusal("not_found", "There is no such access_token.", status=404)
    handler.send(204, b"", JSON)


# -- metadata and registration ---------------------------------------------------------


def metadata(handler: Handler) -> None:
    _metadata(handler, "oauth", {})


def openid(handler: Handler) -> None:
    """OpenID Connect Discovery §3; no ID token is ever given."""
    more = {
        "jwks_uri": f"{handler.provider.issuer}/jwks",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    _metadata(handler, "openid", more)


def _metadata(handler: Handler, kind: str, more: Mapping[str, object]) -> None:
    if handler.provider.quirks.metadata not in ("both", kind):
        raise Refusal("not_found", "No metadata here.", status=404)
    handler.json(200, {**handler.provider.metadata, **more})


def register(handler: Handler) -> None:
    if handler.kind != JSON:
        raise Refusal("invalid_client_metadata", "Metadata come as JSON (RFC 7591 §3.1).")
    handler.json(201, _clients.register(handler.provider.authority, handler.sent))


def registered(handler: Handler) -> None:
    authority = handler.provider.authority
    app = _clients.registered(authority, handler.argument, handler.authorization)
    handler.json(200, _clients.described(authority, app, {}))


def unregister(handler: Handler) -> None:
    _clients.unregister(handler.provider.authority, handler.argument, handler.authorization)
    handler.send(204, b"", JSON)


ROUTES: Mapping[tuple[str, str], Callable[[Handler], None]] = {
    ("GET", "/"): home,
    ("GET", "/authorize"): authorize,
    ("POST", "/consent"): consent,
    ("GET", "/activate"): activate,
    ("POST", "/activate"): activated,
    ("GET", "/token"): token,
    ("POST", "/token"): token,
    ("GET", "/refresh"): token,
    ("POST", "/refresh"): token,
    ("GET", "/exchange"): exchange,
    ("GET", "/swap"): swap,
    ("POST", "/device"): device,
    ("GET", "/revoke"): revoke,
    ("POST", "/revoke"): revoke,
    ("DELETE", "/revoke"): revoke,
    ("POST", "/register"): register,
    ("GET", "/.well-known/oauth-authorization-server"): metadata,
    ("GET", "/.well-known/openid-configuration"): openid,
}

BELOW: Mapping[tuple[str, str], Callable[[Handler], None]] = {
    ("DELETE", "applications"): end_grant,
    ("GET", "register"): registered,
    ("DELETE", "register"): unregister,
}
"""What stands below a path, whose rest is the handler's `argument`."""
