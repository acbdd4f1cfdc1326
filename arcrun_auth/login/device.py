"""The way in by a code that is typed on another device: RFC 8628."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from arcrun_auth.browser import why_unsafe
from arcrun_auth.errors import AuthError, LoginFailed, ProviderUnavailable, TokenRefused
from arcrun_auth.login.code import failed
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.device import SLOWER, read_device_code
from arcrun_auth.oauth.requests import device_request, device_token_request
from arcrun_auth.server_words import check_now, retry_after
from arcrun_auth.token_answer import error_in, read_token

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from arcrun_auth.login.plan import LoginPlan, Send
    from arcrun_auth.tokens import Grant

EXPIRED = "expired_token"
"""RFC 8628 §3.5: how does a server call a code that nobody entered in time?"""
SLOWEST = 60.0
"""How long do we wait at most between two polls of a server that does not answer, in seconds?"""


class _Later(NamedTuple):
    """Nobody has agreed yet: how many seconds slower to ask from now on, and how long to wait
    the next time at least."""

    slower: float
    pause: float


class DeviceLogin:
    """A code to show, and the questions whether somebody has agreed to it yet."""

    def __init__(self, plan: LoginPlan, *, send: Send, clock: Callable[[], float]) -> None:
        """Asks for the code. LoginFailed or ProviderUnavailable where there is none."""
        self.plan = plan
        self._send = send
        self._clock = clock
        self._values = values(plan.params, app=plan.app)
        call = device_request(
            plan.oauth2, plan.app, scopes=plan.scopes, values=self._values, now=clock()
        )
        answer = send(call)
        check_now(
            f"{plan.title} cannot give a code for another device now",
            answer.status, answer.headers, now=clock(), service=plan.service,
        )  # fmt: skip
        try:
            self.code = read_device_code(plan.oauth2, answer.status, answer.body)
        except LoginFailed as error:
            error.service, error.hint = plan.service, plan.without_device
            raise
        if why_unsafe(self.code.uri) is not None:
            raise LoginFailed(
                "The provider names no https address to type the code at.",
                service=plan.service,
                hint=plan.without_device,
            )
        if why_unsafe(self.code.complete_uri) is not None or not self._is_one_place():
            self.code.complete_uri = ""  # a camera would follow it as it is
        self._until = time.monotonic() + self.code.expires_in

    def _is_one_place(self) -> bool:
        """RFC 8628 §5.4: whoever reads one address must not be led to another by the picture."""
        shown, pictured = urlsplit(self.code.uri), urlsplit(self.code.complete_uri)
        return (shown.scheme, shown.netloc.lower()) == (pictured.scheme, pictured.netloc.lower())

    def run(self, stopped: threading.Event) -> Grant | None:
        """Ask until somebody agreed; None once `stopped`. LoginFailed where it ends otherwise."""
        interval, pause = self.code.interval, 0.0
        while (left := self._until - time.monotonic()) > 0:
            if pause > max(interval, left):  # it wants to hear nothing before the code ends
                if stopped.wait(left):
                    return None
                break
            # Whole to the end: RFC 8628 §3.5 lets nobody ask sooner, even a last time.
            if stopped.wait(max(interval, pause)):
                return None
            try:
                found = self._ask()
            except ProviderUnavailable as error:
                # RFC 8628 §3.5: slower, and slower again, while the server does not answer.
                interval = max(interval, min(interval * 2, SLOWEST))
                pause = error.retry_after or 0.0
                continue
            if not isinstance(found, _Later):
                return found
            interval, pause = interval + found.slower, found.pause
        raise self._expired()

    def _ask(self) -> Grant | _Later:
        """The grant, or when to ask again."""
        plan = self.plan
        call = device_token_request(
            plan.oauth2,
            plan.app,
            device_code=self.code.device_code,
            scopes=plan.scopes,
            values=self._values,
            now=self._clock(),
        )
        answer = self._send(call)
        said = error_in(plan.oauth2, answer.headers, answer.body)
        if said in ("authorization_pending", "slow_down"):
            pause = retry_after(answer.headers, self._clock()) or 0.0
            return _Later(SLOWER if said == "slow_down" else 0.0, pause)
        try:
            return read_token(
                plan.oauth2,
                answer.status,
                answer.headers,
                answer.body,
                now=self._clock(),
                requested=plan.scopes,
                secrets=call.secrets,
                rules=plan.rules,
                service=plan.service,
            )
        except TokenRefused as error:
            raise self._ended(error) from None

    def _expired(self) -> LoginFailed:
        return LoginFailed(
            f"Nobody entered the code for {self.plan.title} in time: it has expired.",
            service=self.plan.service,
            hint=self.plan.again,
            error=EXPIRED,
        )

    def _ended(self, error: TokenRefused) -> LoginFailed:
        if error.error == EXPIRED and error.meaning is None:
            return self._expired()
        if error.error == "access_denied" and error.meaning is None:
            return LoginFailed(
                "The login was cancelled, or access was refused.",
                service=self.plan.service,
                hint=self.plan.again,
                error=error.error,
                description=error.description,
            )
        return failed(error, self.plan)


def start(
    plan: LoginPlan, *, send: Send, clock: Callable[[], float], alone: bool
) -> tuple[DeviceLogin | None, str]:
    """The login by device, or why there is none; `alone`, with no other way, that is an error."""
    try:
        return DeviceLogin(plan, send=send, clock=clock), ""
    except AuthError as error:
        if alone:
            raise
        return None, error.message
