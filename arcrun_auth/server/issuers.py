"""The issuers that this server believes: where they are, what they sign with, what they say.

Each request goes to an address that the admin named, or that an issuer of the admin's names of
itself; the private client of token requests carries it, with its limits.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth._http import send_token
from arcrun_auth.answers import json_object
from arcrun_auth.errors import AuthError, ProviderUnavailable, may_pass, printable
from arcrun_auth.hosts import fence_of
from arcrun_auth.oauth.requests import get_request
from arcrun_auth.server.claims import BadToken, verified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall

KEPT_SECONDS = 3600.0
"""How long is what an issuer says of itself believed? Keys are changed with a notice of days."""
ANEW_SECONDS = 30.0
"""How soon may its keys be read again for a token that none of them signed? Sooner, and anybody
could have us ask an issuer as often as they like."""
MOST = 100
"""How many issuers are remembered? Those of CI vaults are any account's choice."""
STRANGERS = 2
"""How many of those are asked at once? Each that does not answer holds a thread for a while, and
every login and every page needs one."""

_OK = 200


@dataclass(frozen=True)
class OpenId:
    """What an issuer's document names: OpenID Connect Discovery §3."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    iss_in_callback: bool
    """Whether each of its answers names it (RFC 9207 §3)."""


@dataclass
class _Known:
    document: OpenId
    keys: dict[str, Any]
    read: float


class Issuers:
    """Asks issuers, and remembers for an hour. Safe to share between threads."""

    def __init__(
        self, allow: Sequence[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`allow` are exact origins that may be private or plain http."""
        self.allow = tuple(allow)
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._strangers = threading.Semaphore(STRANGERS)

    def send(self, call: TokenCall) -> Answer:
        """One request, to the host of its address alone. ProviderUnavailable, HostNotAllowed."""
        try:
            fence = fence_of(call.url, self.allow)
        except ValueError as error:
            raise AuthError(f"No request can be sent there: {error}.") from None
        return send_token(call, guard=fence)

    def openid(self, issuer: str) -> OpenId:
        """Its endpoints. AuthError where it has no such document, or one of somebody else's."""
        return self._of(issuer).document

    def verified(
        self, token: str, *, issuer: str, audience: str, now: float, nonce: str | None = None,
        strange: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """The claims of an identity token of `issuer`; BadToken where it is not believed.

        `strange` says that it is no issuer of the admin's choice: few of those are asked at once.
        """
        known = self._of(issuer, strange=strange)
        try:
            return verified(
                token, known.keys, issuer=issuer, audience=audience, now=now, nonce=nonce
            )
        except BadToken as error:
            if not error.unknown_key or self._clock() - known.read < ANEW_SECONDS:
                raise
        keys = self._of(issuer, anew=True, strange=strange).keys
        return verified(token, keys, issuer=issuer, audience=audience, now=now, nonce=nonce)

    def _of(self, issuer: str, *, anew: bool = False, strange: bool = False) -> _Known:
        with self._lock:
            known = self._known.get(issuer)
        if known is not None and not anew and self._clock() - known.read < KEPT_SECONDS:
            return known
        if not strange:
            return self._asked(issuer)
        if not self._strangers.acquire(blocking=False):
            if known is not None:  # its keys are old, and most likely still the same
                return known
            raise ProviderUnavailable("Other issuers are being asked. Try again.", retry_after=5)
        try:
            return self._asked(issuer)
        finally:
            self._strangers.release()

    def _asked(self, issuer: str) -> _Known:
        document = _read(issuer, self._json(_place(issuer), issuer))
        known = _Known(document, self._json(document.jwks_uri, issuer), self._clock())
        with self._lock:
            if issuer not in self._known and len(self._known) >= MOST:
                del self._known[min(self._known, key=lambda name: self._known[name].read)]
            self._known[issuer] = known
        return known

    def _json(self, url: str, issuer: str) -> dict[str, Any]:
        answer = self.send(get_request(url))
        if may_pass(answer.status):
            raise ProviderUnavailable(
                f"{printable(issuer, 100)} cannot say now who it is (HTTP {answer.status}).",
                status=answer.status,
            )
        data = json_object(answer.body) if answer.status == _OK else None
        if data is None:
            raise AuthError(f"{printable(issuer, 100)} does not say who it is.")
        return data


def _place(issuer: str) -> str:
    """OpenID Connect Discovery §4."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def _read(issuer: str, data: dict[str, Any]) -> OpenId:
    """Believed if it is the issuer's own (§4.3). Its endpoints may be on other hosts of its
    choice: it is the issuer who says who somebody is, and the secret is the one it gave."""
    if data.get("issuer") != issuer:
        raise AuthError(f"The document of {printable(issuer, 100)} is another issuer's.")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    found = {name: data.get(name) for name in names}
    # RFC 9101 and workload issuers have no login: such a place is empty, and then not used.
    texts = {name: value if isinstance(value, str) else "" for name, value in found.items()}
    if not texts["jwks_uri"]:
        raise AuthError(f"The document of {printable(issuer, 100)} names no keys.")
    iss = data.get("authorization_response_iss_parameter_supported") is True
    return OpenId(**texts, iss_in_callback=iss)
