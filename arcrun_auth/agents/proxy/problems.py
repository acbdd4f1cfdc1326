"""What a client of the proxy is told when it gets no answer of the service (RFC 9457). Pure.

The texts are ours: what a provider says of an error may be meant for the agent that reads it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth import errors

if TYPE_CHECKING:
    from arcrun_auth.errors import AuthError
    from arcrun_auth.policies import PendingRequest

RATE = "rate-limit"
"""Which rule of the gateway is about too many requests?"""

ASK = "Ask your human to run, in their own terminal: "


class Problem(NamedTuple):
    """A refusal. `more` are further members, `headers` further headers."""

    status: int
    code: str
    detail: str
    hint: str | None = None
    more: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        """As JSON."""
        found = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **({"hint": self.hint} if self.hint else {}),
            **dict(self.more),
        }
        return json.dumps(found).encode() + b"\n"


class Refusal(Exception):
    """A request is answered with a problem, and not forwarded."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


UNKNOWN = Problem(
    401, "bearer",
    "The bearer of this proxy's session is missing, another one, or at its end.",
    "Send it where the service wants its key, or as Authorization: Bearer.",
    headers=(("WWW-Authenticate", "Bearer"),),
)  # fmt: skip
"""The same for everybody without a bearer, whatever they ask for."""

ORIGIN = Problem(403, "origin", "A web page asked. This proxy is for programs.")
HOST = Problem(421, "host", "This proxy is asked under a name that is none of its own.")
STRAY = Problem(
    400, "bearer-astray",
    "The bearer of this proxy's session stands where it would be sent to the service.",
    "Send it where the service wants its key, or as Authorization: Bearer.",
)  # fmt: skip
FAILED = Problem(500, "failed", "The proxy failed.", "arcrun doctor")


def not_in_session(name: str, allowed: list[str]) -> Problem:
    """For a connection that the session was not opened for."""
    return Problem(
        403, "session", f"This session is for {', '.join(allowed)}, not for {name}.",
        f"{ASK}arcrun proxy {' '.join([*allowed, name])}",
    )  # fmt: skip


def no_address(why: str) -> Problem:
    """For a path that names no connection."""
    return Problem(404, "address", f"This path names no service: {why}.")


def unread(status: int) -> Problem:
    """For what HTTP itself is at odds with."""
    return Problem(status, "request", "This is no request that the proxy takes.")


def waits(request: PendingRequest) -> Problem:
    """For a request that a person has to approve: with its id."""
    return Problem(
        403, "needs-approval",
        f"{request.method} {request.path} may change something, and nobody has allowed that.",
        f"{ASK}arcrun approve {request.id}. Then send the same request again: it passes once.",
        (("request", request.id),),
    )  # fmt: skip


_KINDS: tuple[tuple[type[AuthError], int, str], ...] = (
    (errors.UnknownService, 404, "unknown-service"),
    (errors.LoginRequired, 403, "login-required"),
    (errors.MissingSecret, 403, "login-required"),
    (errors.MissingScope, 403, "missing-scope"),
    (errors.TokenRefused, 403, "login-refused"),
    (errors.ConsentRequired, 403, "consent"),
    (errors.HostNotAllowed, 403, "host"),
    (errors.StoreLocked, 403, "vault"),
    (errors.NoStore, 403, "vault"),
    (errors.StoreError, 503, "vault"),
    (errors.RefreshBusy, 503, "busy"),
    (errors.ProviderUnavailable, 502, "unavailable"),
)
"""By type, the first that fits: status and code. SDKs try 5xx and 429 again, and nothing else."""


def of(error: AuthError) -> Problem:
    """What to say of an error of the gateway, whose words for it are ours already."""
    status, code = next(
        ((status, code) for kind, status, code in _KINDS if isinstance(error, kind)),
        (403, "failed"),
    )
    if isinstance(error, errors.PolicyRefused):
        status, code = 429 if error.rule == RATE else 403, error.rule
    return Problem(status, code, error.message, error.hint, headers=_later(error))


def _later(error: AuthError) -> tuple[tuple[str, str], ...]:
    seconds = getattr(error, "retry_after", None)
    return () if seconds is None else (("Retry-After", str(max(1, round(seconds)))),)
