"""The rules of the embedded provider: an authorization server over dictionaries, no I/O.

It is strict where a real one is: PKCE with S256, a state, exact redirect URIs, codes that
work once, refresh tokens that rotate and whose reuse revokes the whole family.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_plus, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CODE_SECONDS = 600.0
"""How long does an authorization code work? RFC 6749 §4.1.2 recommends ten minutes at most."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

UNAUTHORIZED = 401


@dataclass(frozen=True)
class App:
    """An OAuth app as it is registered with the provider (RFC 6749 §2)."""

    id: str
    secret: str | None = field(default=None, repr=False)
    auth: Literal["none", "post", "basic"] = "none"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/callback", "http://localhost/callback")

    def takes(self, redirect_uri: str) -> bool:
        """Whether the redirect URI is a registered one: exactly, but for a loopback's port."""
        return any(_bare(redirect_uri) == _bare(known) for known in self.redirect_uris)


@dataclass
class Family:
    """Everything that came from one login; it lives and dies together."""

    app: App
    user: str
    scope: str
    alive: bool = True


@dataclass(frozen=True)
class Request:
    """An authorization request that was found good and waits for the user."""

    app: App
    redirect_uri: str
    state: str
    scope: str
    challenge: str


@dataclass
class _Code:
    request: Request
    user: str
    issued: float
    family: Family | None = None


@dataclass
class _Refresh:
    family: Family
    used: float | None = None


class Refusal(Exception):
    """An error of RFC 6749 §4.1.2.1 or §5.2. `location` is where the browser goes with it."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, location: str | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.location = location


class Authority:
    """Codes, tokens and families. Every public method is safe to call from any thread."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        lifetime: float,
        rotates: bool,
        reuse_grace: float,
    ) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.rotates = rotates
        self.reuse_grace = reuse_grace
        self.issuer = ""
        self.apps: dict[str, App] = {}
        self.refreshes = 0
        self.reuses = 0
        self.families_revoked = 0
        self._lock = threading.Lock()
        self._waiting: dict[str, Request] = {}
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, tuple[Family, float]] = {}
        self._refresh: dict[str, _Refresh] = {}

    def begin(self, query: Mapping[str, str]) -> tuple[str, Request]:
        """Check an authorization request; the ticket is what the consent form sends back."""
        app = self.apps.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        # RFC 6749 §4.1.2.1: until both are known, the browser must not be sent anywhere.
        if app is None:
            raise Refusal("invalid_client", "No app is registered under this client_id.")
        if not app.takes(redirect_uri):
            raise Refusal("redirect_uri_mismatch", "This redirect_uri is not registered.")
        request = Request(
            app,
            redirect_uri,
            query.get("state", ""),
            query.get("scope", ""),
            query.get("code_challenge", ""),
        )
        self._check(query, request)
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._waiting[ticket] = request
        return ticket, request

    def _check(self, query: Mapping[str, str], request: Request) -> None:
        for error, fault, wrong in (
            ("unsupported_response_type", "Only response_type=code is served.",
             query.get("response_type") != "code"),
            ("invalid_request", "A state is required.", not request.state),
            ("invalid_request", "A code_challenge with S256 is required (RFC 7636).",
             not request.challenge or query.get("code_challenge_method") != "S256"),
        ):  # fmt: skip
            if wrong:
                location = self._back(request, error=error, error_description=fault)
                raise Refusal(error, fault, location=location)

    def decide(self, ticket: str, *, user: str, allow: bool) -> str:
        """The user's decision: where the browser goes now. A ticket works once."""
        with self._lock:
            request = self._waiting.pop(ticket, None)
            if request is None:
                raise Refusal("invalid_request", "This page has been used already.")
            if not allow:
                return self._back(
                    request, error="access_denied", error_description="You pressed Cancel."
                )
            code = secrets.token_urlsafe(24)
            self._codes[code] = _Code(request, user, self.clock())
            return self._back(request, code=code)

    def _back(self, request: Request, **fields: str) -> str:
        # RFC 9207 §2: the issuer goes along, on errors too.
        query = urlencode({**fields, "state": request.state, "iss": self.issuer})
        return f"{request.redirect_uri}{'&' if '?' in request.redirect_uri else '?'}{query}"

    def token(self, form: Mapping[str, str], authorization: str) -> dict[str, object]:
        """The token endpoint's answer (RFC 6749 §5.1); Refusal is its §5.2."""
        app = self._authenticate(form, authorization)
        grant = form.get("grant_type")
        with self._lock:
            if grant == "authorization_code":
                return self._redeem(app, form)
            if grant == "refresh_token":
                return self._renew(app, form)
        raise Refusal("unsupported_grant_type", "authorization_code and refresh_token are served.")

    def _authenticate(self, form: Mapping[str, str], authorization: str) -> App:
        """RFC 6749 §2.3: by the method the app is registered with, and no other."""
        if authorization.startswith("Basic "):
            how, given = "basic", _basic(authorization.removeprefix("Basic "))
        else:
            given = (form.get("client_id", ""), form.get("client_secret", ""))
            how = "post" if given[1] else "none"
        app = self.apps.get(given[0])
        if (
            app is None
            or how != app.auth
            or not hmac.compare_digest(given[1].encode(), (app.secret or "").encode())
        ):
            raise Refusal("invalid_client", "The app is not known by this.", status=UNAUTHORIZED)
        return app

    def _redeem(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.get(form.get("code", ""))
        if code is None or code.request.app != app:
            raise Refusal("invalid_grant", "There is no such code.")
        if code.family is not None:  # RFC 6749 §4.1.2: a second use ends what the first got
            self._revoke(code.family)
            raise Refusal("invalid_grant", "The code has been used already.")
        if self.clock() - code.issued > CODE_SECONDS:
            raise Refusal("invalid_grant", "The code has expired.")
        if form.get("redirect_uri") != code.request.redirect_uri:
            raise Refusal("invalid_grant", "The redirect_uri is another than at the start.")
        if _challenge(form.get("code_verifier", "")) != code.request.challenge:
            raise Refusal("invalid_grant", "The code_verifier does not fit the challenge.")
        code.family = Family(app, code.user, code.request.scope)
        return self._issue(code.family, rotate=True)

    def _renew(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        held = self._refresh.get(form.get("refresh_token", ""))
        if held is None or held.family.app != app or not held.family.alive:
            raise Refusal("invalid_grant", "The refresh token is not valid.")
        wanted = set(form.get("scope", "").split())
        if not wanted <= set(held.family.scope.split()):
            raise Refusal("invalid_scope", "More scopes than were granted.")
        now = self.clock()
        if held.used is not None and now - held.used >= self.reuse_grace:
            self.reuses += 1
            self._revoke(held.family)
            raise Refusal("invalid_grant", "The refresh token was used twice.")
        if self.rotates and held.used is None:
            held.used = now
        self.refreshes += 1
        return self._issue(held.family, rotate=self.rotates)

    def _issue(self, family: Family, *, rotate: bool) -> dict[str, object]:
        access = f"at_{secrets.token_urlsafe(24)}"
        self._access[access] = (family, self.clock() + self.lifetime)
        answer: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": family.scope,
        }
        if rotate:
            refresh = f"rt_{secrets.token_urlsafe(24)}"
            self._refresh[refresh] = _Refresh(family)
            answer["refresh_token"] = refresh
        return answer

    def _revoke(self, family: Family) -> None:
        if family.alive:
            family.alive = False
            self.families_revoked += 1

    def revoke(self, form: Mapping[str, str], authorization: str) -> None:
        """RFC 7009: end the family of a token; an unknown one is no error (§2.2)."""
        app = self._authenticate(form, authorization)
        token = form.get("token", "")
        with self._lock:
            held = self._refresh.get(token)
            family = held.family if held else self._access.get(token, (None, 0))[0]
            if family is not None and family.app == app:
                self._revoke(family)

    def holder(self, authorization: str) -> Family | None:
        """Whose access token this `Authorization` header carries; None if it is not valid."""
        with self._lock:
            family, expires = self._access.get(authorization.removeprefix("Bearer "), (None, 0.0))
            alive = family is not None and family.alive and self.clock() < expires
            return family if alive else None

    def expire_access_tokens(self) -> None:
        """Every access token given out so far is dead from now on; the families live."""
        with self._lock:
            self._access.clear()


def _bare(uri: str) -> str:
    """A redirect URI for comparison: a loopback's port does not count (RFC 8252 §7.3)."""
    url = urlsplit(uri)
    if url.scheme == "http" and url.hostname in LOOPBACK and "@" not in url.netloc:
        return url._replace(netloc=url.hostname).geturl()
    return uri


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.6."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _basic(encoded: str) -> tuple[str, str]:
    """Client id and secret of a Basic header, each form-decoded (RFC 6749 §2.3.1)."""
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client), unquote_plus(secret)
