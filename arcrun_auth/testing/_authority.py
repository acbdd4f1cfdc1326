"""The rules of the embedded provider: an authorization server over dictionaries, no I/O.

It is strict where a real one is: PKCE with S256, a state, exact redirect URIs, codes that
work once, refresh tokens that rotate and whose reuse revokes the whole family. What is
odd about it is said by its `Quirks`.
"""

from __future__ import annotations

import math
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from arcrun_auth.testing import _checks, _clients, _grants, _wording
from arcrun_auth.testing._assertions import Assertions
from arcrun_auth.testing._quirks import Quirks
from arcrun_auth.testing._records import (
    DEVICE,
    EXCHANGE,
    JWT_BEARER,
    App,
    Code,
    Device,
    Family,
    Refresh,
    Refusal,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CODE_SECONDS = 600.0
"""How long does an authorization code work? RFC 6749 §4.1.2 recommends ten minutes at most."""

ANONYMOUS = (JWT_BEARER, EXCHANGE)
"""Which grants need no client? RFC 7523 §2.1 and RFC 8693 §2.1: they prove themselves."""


class Authority:
    """Codes, tokens and families. Every public method is safe to call from any thread, but
    those below `_lock`: they are for the grants."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        lifetime: float,
        rotates: bool,
        reuse_grace: float,
        quirks: Quirks | None = None,
        device_interval: float = 5.0,
    ) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.rotates = rotates
        self.reuse_grace = reuse_grace
        self.quirks = quirks or Quirks()
        self.device_interval = device_interval
        self.issuer = ""
        self.api_host = ""
        self.apps: dict[str, App] = {}
        self.keys: dict[str, str] = {}
        self.subjects: dict[str, str] = {}
        self.registrations: dict[str, str] = {}
        self.devices: dict[str, Device] = {}
        self.device_polls: list[float] = []
        self.assertions = Assertions()
        self.long: set[str] = set()
        self.refreshes = 0
        self.reuses = 0
        self.families_revoked = 0
        self.lock = threading.Lock()
        self._waiting: dict[str, Request] = {}
        self._codes: dict[str, Code] = {}
        self._access: dict[str, tuple[Family, float]] = {}
        self._refresh: dict[str, Refresh] = {}
        self._logged_in: set[tuple[str, str]] = set()

    @staticmethod
    def fresh(prefix: str) -> str:
        """A new token, which nobody guesses."""
        return prefix + secrets.token_urlsafe(24)

    @property
    def audiences(self) -> tuple[str, ...]:
        """What an assertion may be meant for (RFC 7523 §3)."""
        return (f"{self.issuer}/token", self.issuer)

    @property
    def api(self) -> str:
        """What a token is for: the resource of RFC 8707."""
        return f"{self.issuer}/api"

    # -- the authorization endpoint ------------------------------------------------------

    def begin(self, query: Mapping[str, str]) -> tuple[str, Request]:
        """Check an authorization request; the ticket is what the consent form sends back."""
        query = _wording.standard(query, self.quirks)
        app = self.apps.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        # RFC 6749 §4.1.2.1: until both are known, the browser must not be sent anywhere.
        if app is None:
            raise Refusal("invalid_client", "No app is registered under this client_id.")
        if not app.takes(redirect_uri, exactly=bool(self.quirks.ports)):
            raise Refusal("redirect_uri_mismatch", "This redirect_uri is not registered.")
        request = _checks.request_of(query, app)
        try:
            scope = _checks.check_authorization(query, self.quirks, self.api)
        except Refusal as refusal:
            refusal.location = self._back(
                request, error=refusal.error, error_description=refusal.description
            )
            raise
        request = replace(request, scope=scope)
        ticket = secrets.token_urlsafe(16)
        with self.lock:
            self._waiting[ticket] = request
        return ticket, request

    def decide(self, ticket: str, *, user: str, allow: bool) -> str:
        """The user's decision: where the browser goes now. A ticket works once."""
        with self.lock:
            request = self._waiting.pop(ticket, None)
            if request is None:
                raise Refusal("invalid_request", "This page has been used already.")
            if not allow:
                return self._back(
                    request, error="access_denied", error_description="You pressed Cancel."
                )
            code = secrets.token_urlsafe(24)
            self._codes[code] = Code(request, user, self.clock())
            more = dict(self.quirks.redirect_params)
            if self.quirks.api_host == "redirect":
                more["region"] = self.api_host.partition(":")[0]
            return self._back(request, **{self.quirks.code_param: code}, **more)

    def _back(self, request: Request, **fields: str) -> str:
        # RFC 9207 §2: the issuer goes along, on errors too.
        query = urlencode({**fields, "state": request.state, "iss": self.issuer})
        return f"{request.redirect_uri}{'&' if '?' in request.redirect_uri else '?'}{query}"

    # -- the token endpoint --------------------------------------------------------------

    def token(self, form: Mapping[str, str], authorization: str) -> dict[str, object]:
        """The token endpoint's answer (RFC 6749 §5.1); Refusal is its §5.2."""
        form = _wording.standard(form, self.quirks)
        grant = form.get("grant_type", "")
        named = authorization or "client_id" in form or "client_assertion" in form
        if grant in ANONYMOUS and not named:
            app = App("")
        else:
            app = _clients.authenticate(self, form, authorization)
        served = GRANTS.get(grant)
        if served is None or (grant == "refresh_token" and self.quirks.renewal != "yes"):
            raise Refusal("unsupported_grant_type", "Metadata name the grants that are served.")
        if grant != "authorization_code":
            _checks.check_resource(form.get("resource", ""), self.quirks, self.api)
        with self.lock:
            return served(self, app, form)

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
        if self.quirks.state_again and form.get("state") != code.request.state:
            raise Refusal("invalid_request", "The state of the login belongs to its code.")
        _checks.check_verifier(form.get("code_verifier", ""), code.request.challenge, self.quirks)
        agreed = code.request.resource
        _checks.check_resource(form.get("resource", ""), self.quirks, self.api, agreed)
        scope = _wording.granted(code.request.scope.split(), self.quirks)
        code.family = Family(app, code.user, scope)
        return self.issue(code.family, refresh=self._lasts(code))

    def _lasts(self, code: Code) -> bool:
        """Whether this login gets a refresh token."""
        login = (code.request.app.id, code.user)
        again = login in self._logged_in
        self._logged_in.add(login)
        return not self.quirks.offline or (
            code.request.offline and (not again or code.request.consent)
        )

    def _renew(self, app: App, form: Mapping[str, str]) -> dict[str, object]:
        held, now = self._refresh.get(form.get("refresh_token", "")), self.clock()
        if held is None or held.family.app != app or not held.family.alive or now >= held.expires:
            raise Refusal("invalid_grant", "The refresh token is not valid.")
        wanted = set(_wording.scopes(form.get("scope", ""), self.quirks))
        if not wanted <= set(held.family.scope.split()):
            raise Refusal("invalid_scope", "More scopes than were granted.")
        if held.used is not None and now - held.used >= self.reuse_grace:
            self.reuses += 1
            self._revoke(held.family)
            raise Refusal("invalid_grant", "The refresh token was used twice.")
        if self.rotates and held.used is None:
            held.used = now
        self.refreshes += 1
        answer = self.issue(held.family, refresh=self.rotates)
        if self.quirks.repeats_refresh_token and not self.rotates:
            answer["refresh_token"] = form["refresh_token"]
        return answer

    # -- for the grants: the lock is held --------------------------------------------------

    def issue(
        self, family: Family, *, refresh: bool = True, seconds: float | None = None
    ) -> dict[str, object]:
        """A new access token, and a new refresh token where there are any."""
        access = self.fresh("at_")
        lasts = self.lifetime if seconds is None else seconds
        self._access[access] = (family, self.clock() + lasts)
        answer: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": lasts,
            "scope": family.scope,
        }
        if self.quirks.api_host == "token":
            answer["instance_url"] = f"http://{self.api_host}"
        if refresh and self.quirks.renewal == "yes":
            token, ends = self.fresh("rt_"), self.quirks.refresh_expires_in
            self._refresh[token] = Refresh(family, self.clock() + (ends or math.inf))
            answer["refresh_token"] = token
            if ends is not None:
                answer["refresh_token_expires_in"] = ends
        return answer

    def living(self, access_token: str) -> Family | None:
        """Whose access token this is; None if it is not valid."""
        family, expires = self._access.get(access_token, (None, 0.0))
        alive = family is not None and family.alive and self.clock() < expires
        return family if alive else None

    def _revoke(self, family: Family) -> None:
        if family.alive:
            family.alive = False
            self.families_revoked += 1

    # -- all else ------------------------------------------------------------------------

    def revoke(self, form: Mapping[str, str], authorization: str) -> None:
        """RFC 7009: end the family of a token; an unknown one is no error (§2.2)."""
        form = _wording.standard(form, self.quirks)
        app = _clients.authenticate(self, form, authorization)
        self.end(form.get("token", ""), app)

    def end(self, token: str, app: App | None = None, *, access_only: bool = False) -> bool:
        """End the family of a token, of this app if one is given. False: nothing to end."""
        with self.lock:
            held = None if access_only else self._refresh.get(token)
            family = held.family if held else self._access.get(token, (None, 0.0))[0]
            if family is None or not family.alive or (app is not None and family.app != app):
                return False
            self._revoke(family)
            return True

    def end_app(self, app: App) -> None:
        """End everything that was given to an app."""
        with self.lock:
            for family, _ in self._access.values():
                if family.app == app:
                    self._revoke(family)

    def holder(self, authorization: str) -> Family | None:
        """Whose access token this `Authorization` header carries; None if it is not valid."""
        with self.lock:
            return self.living(authorization.removeprefix("Bearer "))

    def expire_access_tokens(self) -> None:
        """Every access token given out so far is dead from now on; the families live."""
        with self.lock:
            self._access.clear()


GRANTS = {
    "authorization_code": Authority._redeem,  # noqa: SLF001 - its own
    "refresh_token": Authority._renew,  # noqa: SLF001 - its own
    DEVICE: _grants.poll,
    "client_credentials": _grants.client_credentials,
    JWT_BEARER: _grants.jwt_bearer,
    EXCHANGE: _grants.token_exchange,
}
