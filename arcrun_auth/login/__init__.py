"""A login from end to end, by whichever of the ways in is open here.

The browser may come back to this machine, the address it ends on may be pasted, or a code
may be typed on another device: all that are offered race, and the first to succeed wins.
Whatever happens, the login ends within its time limit, with a grant or with an error that
says why.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from arcrun_auth import landing, oauth
from arcrun_auth.errors import AuthError, LoginFailed
from arcrun_auth.login import device as devices
from arcrun_auth.login.code import CodeLogin
from arcrun_auth.login.plan import LoginPlan, Ways, choose
from arcrun_auth.login.screen import Dialogue, Screen
from arcrun_auth.loopback import TICK, Loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.login.plan import Send
    from arcrun_auth.tokens import Grant

__all__ = ["Dialogue", "LoginPlan", "Ways", "choose", "log_in"]

LOGIN_SECONDS = 300.0
"""How long may a person take to log in?"""


def log_in(
    plan: LoginPlan,
    ways: Ways,
    person: Dialogue,
    *,
    send: Send,
    timeout: float = LOGIN_SECONDS,
    clock: Callable[[], float] = time.time,
    port: int | None = None,
) -> Grant:
    """Log a person in, and give back the grant. Blocking, at most `timeout` seconds and the
    time of one token request.

    `send` sends one request to the provider. `port` is where to listen, instead of the
    recipe's choice. `clock` tells the time of receipt, in epoch seconds.

    Raises LoginFailed (refused, cancelled, timed out) and ProviderUnavailable (the token
    endpoint did not answer: the login has to be started again, since a code works once).
    Ctrl-C goes through as KeyboardInterrupt, with everything closed behind it.
    """
    with ExitStack() as stack:
        loopback = code = device = None
        if ways.loopback:
            loopback = stack.enter_context(
                Loopback(plan.oauth2.redirect, port=port, service=plan.service)
            )
        if ways.code:
            code = CodeLogin(plan, loopback)
        if ways.device:
            device, why_not = devices.start(plan, send=send, clock=clock, alone=code is None)
            if why_not:
                person.say(why_not)
        screen = Screen(plan, ways, person, code=code, device=device)
        stack.callback(screen.stop)
        screen.start()
        outcome = _first(screen, loopback, until=time.monotonic() + timeout)
        if isinstance(outcome, AuthError):
            raise outcome
        if outcome is None:
            raise _unfinished(plan, ways, timeout)
        if not isinstance(outcome, str):
            return outcome
        assert code is not None
        return _redeemed(code, outcome, send=send, clock=clock)


def _first(
    screen: Screen, loopback: Loopback | None, *, until: float
) -> str | Grant | AuthError | None:
    """What came first: a callback from the browser or by paste, or a grant by another device.

    None when time is up, or when nothing more can come.
    """
    if loopback is not None:
        assert screen.code is not None
        query = loopback.wait(screen.code.is_ours, until=until, ended=screen.pump)
        return screen.outcome if query is None else query
    while not screen.pump() and time.monotonic() < until:
        if screen.wait(TICK):
            screen.pump()  # what was left last
            break
    return screen.outcome


def _redeemed(code: CodeLogin, callback: str, *, send: Send, clock: Callable[[], float]) -> Grant:
    """The grant; the browser that waits is shown how it ended."""
    plan, loopback = code.plan, code.loopback
    try:
        grant = code.redeem(callback, send=send, clock=clock)
    except AuthError as error:
        if loopback is not None:
            loopback.answer(landing.failed(plan.display_name, error))
        raise
    if loopback is not None:
        loopback.answer(landing.connected(plan.display_name))
    return grant


def _unfinished(plan: LoginPlan, ways: Ways, timeout: float) -> LoginFailed:
    text = f"Nobody finished the login to {plan.title} (limit: {timeout:g} s)."
    if ways.code:
        text += (
            " If the provider complained about the redirect URI, register this one: "
            f"{plan.app.redirect_uri or oauth.redirect_uri(plan.oauth2.redirect)}"
        )
        if plan.oauth2.client.registration == "dcr":
            name = plan.oauth2.client.app or plan.service.partition("@")[0]
            text += f". If it did not know the app: arcrun app remove {name}, then log in again."
    return LoginFailed(text, service=plan.service, hint=plan.again)
