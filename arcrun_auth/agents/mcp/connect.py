"""`arcrun_connect`: the ladder of consent.

A client that shows addresses gets that of our own consent page; one that shows forms is asked
once, and then the browser is opened from here, on the same machine; for any other there is the
command. Whatever was clicked in the client, the page tells when the connection is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from arcrun_auth.agents import guard, seen
from arcrun_auth.agents.mcp import models
from arcrun_auth.agents.mcp.elicitation import Ask
from arcrun_auth.agents.mcp.jobs import StillRunning
from arcrun_auth.agents.mcp.texts import Fault, explained
from arcrun_auth.errors import AuthError
from arcrun_auth.policy import Wanted

if TYPE_CHECKING:
    from arcrun_auth.agents.connecting import Connecting
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.mcp.session import Call

_GLANCE = 5.0
"""How many seconds does a thread wait for the page before it looks whether it is still wanted?"""
_USABLE = ("connected", "untested", "expired")
"""How does a connection stand that the next request can use?"""


@dataclass(frozen=True)
class _Wish:
    """What is to be connected: a connection by its parts and as it is typed, and scope sets."""

    service: str
    instance: str
    name: str
    scopes: tuple[str, ...]

    @property
    def about(self) -> str:
        """What an answer, and the work for it, are bound to."""
        return " ".join(("connect", self.name, *self.scopes))


async def connect(call: Call, given: models.Connect) -> tuple[models.Connected, str]:
    """Connects a service, if its human agrees; or says what they have to do."""
    gateway = await call.gateway()
    wish = await call.thread(lambda: _wish(gateway, given))
    if not given.scopes and await call.thread(lambda: _is_connected(gateway, wish)):
        return _told(wish, "connected", "is connected.")
    if not (call.asker.by_url or call.asker.by_form):
        return _told(
            wish, "ask_your_human",
            "is not connected. Ask your human to run in a terminal of their own: "
            f"arcrun setup {wish.name}",
        )  # fmt: skip
    try:
        await call.session.jobs.run(wish.about, lambda: _made(call, gateway, wish), call.until)
    except StillRunning:
        return _told(
            wish, "waiting",
            "is not connected yet: still waiting for your human. Call arcrun_connect again with "
            "the same arguments: it goes on waiting, and asks nobody twice.",
        )  # fmt: skip
    return _told(wish, "connected", "is connected now.")


def _wish(gateway: Gateway, given: models.Connect) -> _Wish:
    """UnknownService, and PolicyRefused where a rule keeps this client off the service."""
    service, instance, name = seen.named(gateway.broker, given.service, given.instance)
    wanted = Wanted(
        service=service, instance=instance, client=gateway.client, what="read", method="GET",
        path="/",
    )  # fmt: skip
    if not gateway.broker.policies.check(wanted).allowed:
        raise guard.refused("policy", f"A rule forbids to use {name}.")
    return _Wish(service, instance, name, tuple(sorted(given.scopes)))


def _told(wish: _Wish, state: models.State, text: str) -> tuple[models.Connected, str]:
    message = f"{wish.name} {text}"
    found = models.Connected(
        service=wish.service, instance=wish.instance, state=state, message=message
    )
    return found, message


def _is_connected(gateway: Gateway, wish: _Wish) -> bool:
    return any(
        (each.service, each.instance) == (wish.service, wish.instance) and each.status in _USABLE
        for each in gateway.services()
    )


async def _made(call: Call, gateway: Gateway, wish: _Wish) -> None:
    """Asks, shows the page and waits for its end. Raises what is told instead."""
    attempt = await _attempt(call, gateway, wish)
    try:
        if attempt.state == "waiting":  # nobody has opened it yet
            await _agreed(call, gateway, attempt, wish)
        await _ended(attempt, wish)
    except Ask:  # it comes again with the answer, and finds the page
        raise
    except Exception:
        _leave(call, attempt, wish)
        raise
    _leave(call, attempt, wish)
    await call.asker.finished()


def _leave(call: Call, attempt: Connecting, wish: _Wish) -> None:
    call.session.attempts.pop(wish.about, None)
    attempt.close()


async def _attempt(call: Call, gateway: Gateway, wish: _Wish) -> Connecting:
    from arcrun_auth.agents import connecting

    found = call.session.attempts.get(wish.about)
    if found is not None:
        return found
    try:
        found = await anyio.to_thread.run_sync(
            lambda: connecting.start(
                gateway.broker, wish.service, wish.instance, scopes=wish.scopes,
                client=gateway.client,
            )
        )  # fmt: skip
    except AuthError as error:
        if type(error) is AuthError and wish.scopes:
            raise Fault(
                "unknown_scopes",
                f"{wish.name} has no set of scopes of such a name. Nobody was asked.",
                "arcrun_how_to lists the names. Scopes themselves are no names of sets.",
            ) from None
        raise
    call.session.attempts[wish.about] = found
    return found


async def _agreed(call: Call, gateway: Gateway, attempt: Connecting, wish: _Wish) -> None:
    message = (
        f"{gateway.client} asks to use {wish.name} by a connection of yours. The page that opens "
        "says what for; the login or key goes into the vault of this machine, never to the agent."
    )
    if call.asker.by_url:
        if not await call.asker.url(wish.about, message, attempt.url):
            raise _declined(wish)
        return
    question = f"Open your browser to connect {wish.name}?"
    if not await call.asker.form(wish.about, message, question):
        raise _declined(wish)
    if await anyio.to_thread.run_sync(lambda: call.session.show(attempt.url)):
        raise Fault(
            "no_browser",
            "No browser could be opened here.",
            f"Ask your human to run in a terminal of their own: arcrun setup {wish.name}",
        )


def _declined(wish: _Wish) -> Fault:
    return Fault(
        "declined",
        f"Your human said no: {wish.name} is not connected.",
        "Do not ask for a key instead.",
    )


async def _ended(attempt: Connecting, wish: _Wish) -> None:
    """Waits until the page says how it ended."""
    while attempt.state in ("waiting", "working"):
        await anyio.to_thread.run_sync(lambda: attempt.wait(_GLANCE))
    if attempt.state == "connected":
        return
    if attempt.state == "refused":
        raise _declined(wish)
    if attempt.state == "expired":
        raise Fault(
            "expired",
            "Nobody answered on the page within ten minutes.",
            "Call arcrun_connect again when your human is there.",
        )
    failed = Fault("failed", f"{wish.name} could not be connected.")
    raise explained(attempt.error or failed, wish.service, wish.instance)
