"""Which app asks: client authentication (RFC 6749 §2.3, RFC 7523 §2.2), and RFC 7591."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

from arcrun_auth.testing._assertions import ASYMMETRIC, SYMMETRIC, unverified
from arcrun_auth.testing._records import LOOPBACK, UNAUTHORIZED, App, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing._authority import Authority
    from arcrun_auth.testing._quirks import Quirks

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

ASSERTION_SECONDS = 300
"""How long may a client's assertion be good for?"""

_URI = re.compile(r"[!$-~]+")
"""What may stand in a Location header and has no fragment (RFC 6749 §3.1.2)?"""

METHODS = {
    "none": "none",
    "client_secret_post": "post",
    "client_secret_basic": "basic",
    "client_secret_jwt": "client_secret_jwt",
}
"""The methods that a client may register itself with, by their names in RFC 7591 §2."""


def authenticate(authority: Authority, form: Mapping[str, str], authorization: str) -> App:
    """The app, by the method it is registered with, and no other."""
    if "client_assertion" in form:
        return _by_assertion(authority, form)
    if authorization.startswith("Basic "):
        how, given = "basic", _pair(authorization.removeprefix("Basic "))
        if "client_secret" in form or form.get("client_id", given[0]) != given[0]:
            raise Refusal("invalid_request", "Two ways to authenticate (RFC 6749 §2.3).")
    else:
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        how = "post" if given[1] else "none"
    app = authority.apps.get(given[0])
    if app is None or how != app.auth or not _knows(authority, app, given[1]):
        raise _unknown("The app is not known by this.")
    return app


def by_basic(authority: Authority, authorization: str) -> App:
    """The app by its secret in a Basic header, however it authenticates elsewhere."""
    name, secret = _pair(authorization.removeprefix("Basic "))
    app = authority.apps.get(name)
    if app is None or app.secret is None or not _knows(authority, app, secret):
        raise _unknown("The app is not known by this.")
    return app


def _knows(authority: Authority, app: App, secret: str) -> bool:
    live = not app.secret_expires or authority.clock() < app.secret_expires
    return live and hmac.compare_digest(secret.encode(), (app.secret or "").encode())


def _by_assertion(authority: Authority, form: Mapping[str, str]) -> App:
    token = form["client_assertion"]
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_secret" in form:
        raise Refusal("invalid_request", "An assertion of the type jwt-bearer, and no secret.")
    name = str(unverified(token).get("iss"))
    app = authority.apps.get(name)
    if app is None or form.get("client_id", name) != name:
        raise _unknown("iss is no app that is registered.")
    key, algorithms = {
        "private_key_jwt": (app.key, ASYMMETRIC),
        "client_secret_jwt": (app.secret, SYMMETRIC),
    }.get(app.auth, (None, ()))
    if key is None:
        raise _unknown("The app is not known by this.")
    claims = authority.assertions.verify(
        token, key, algorithms, audiences=authority.audiences, now=authority.clock(),
        seconds=ASSERTION_SECONDS, error="invalid_client", status=UNAUTHORIZED,
    )  # fmt: skip
    if claims["sub"] != name:  # RFC 7523 §3, item 2B
        raise _unknown("sub must be the client_id.")
    return app


def _unknown(why: str) -> Refusal:
    return Refusal("invalid_client", why, status=UNAUTHORIZED)


def _pair(encoded: str) -> tuple[str, str]:
    """Client id and secret of a Basic header, each form-decoded (RFC 6749 §2.3.1)."""
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client), unquote_plus(secret)


# -- dynamic registration --------------------------------------------------------------


def register(authority: Authority, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A client that registers itself: the answer of RFC 7591 §3.2.1."""
    uris = asked.get("redirect_uris")
    grants = asked.get("grant_types", ["authorization_code"])
    if not isinstance(uris, list) or not uris:
        if not isinstance(grants, list) or "authorization_code" in grants:
            raise Refusal("invalid_redirect_uri", "redirect_uris are required.")
        uris = []
    if not all(allowed(uri, authority.quirks) for uri in uris):
        raise Refusal("invalid_redirect_uri", "A redirect_uri is not allowed here.")
    method = asked.get("token_endpoint_auth_method", "client_secret_basic")
    auth: Any = METHODS.get(str(method))
    if auth is None:
        raise Refusal("invalid_client_metadata", "Not a supported token_endpoint_auth_method.")
    lasts = authority.quirks.secret_seconds
    app = App(
        id=f"dyn-{secrets.token_hex(8)}",
        secret=None if auth == "none" else authority.fresh("cs_"),
        auth=auth,
        redirect_uris=tuple(uris),
        secret_expires=authority.clock() + lasts if lasts else 0.0,
    )
    authority.apps[app.id] = app
    authority.registrations[app.id] = authority.fresh("reg_")
    return {
        "client_id_issued_at": int(authority.clock()),
        "registration_access_token": authority.registrations[app.id],
        **described(authority, app, asked),
    }


def described(authority: Authority, app: App, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A registered client, as RFC 7591 §3.2.1 and RFC 7592 §3 tell it."""
    answer = {
        **{name: asked[name] for name in ("client_name", "grant_types", "scope") if name in asked},
        "client_id": app.id,
        "redirect_uris": list(app.redirect_uris),
        "token_endpoint_auth_method": next(n for n, auth in METHODS.items() if auth == app.auth),
        "registration_client_uri": f"{authority.issuer}/register/{app.id}",
    }
    if app.secret is not None:
        answer["client_secret"] = app.secret
        answer["client_secret_expires_at"] = int(app.secret_expires)
    return answer


def registered(authority: Authority, client_id: str, authorization: str) -> App:
    """The client that its registration access token manages (RFC 7592 §2)."""
    expected = authority.registrations.get(client_id, "")
    given = authorization.removeprefix("Bearer ")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Refusal("invalid_token", "Not its registration access token.", status=UNAUTHORIZED)
    return authority.apps[client_id]


def unregister(authority: Authority, client_id: str, authorization: str) -> None:
    """RFC 7592 §2.3: the client is gone, its tokens included."""
    app = registered(authority, client_id, authorization)
    del authority.apps[app.id], authority.registrations[app.id]
    authority.end_app(app)


def allowed(uri: object, quirks: Quirks) -> bool:
    """Whether a redirect URI may be registered: https, or http on a loopback host."""
    if not isinstance(uri, str) or not _URI.fullmatch(uri):  # it will stand in a header
        return False
    url = urlsplit(uri)
    if url.scheme == "https":
        return bool(url.hostname)
    local = url.hostname in (quirks.hosts if quirks.host else LOOPBACK)
    return url.scheme == "http" and local and not quirks.https_only
