"""`arcrun_connect`: the ladder of consent.

A client that shows addresses gets that of our own consent page; one that shows forms is asked
once, and then the browser is opened from here, on the same machine; for any other there is the
command. Whatever was clicked in the client, the page tells when the connection is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from arcrun_auth.agents.mcp import models
from arcrun_auth.agents.mcp.elicitation import Ask
from arcrun_auth.agents.mcp.jobs import StillRunning
from arcrun_auth.agents.mcp.texts import Fault, explained, named
from arcrun_auth.errors import AuthError

if TYPE_CHECKING:
    from arcrun_auth.agents.connecting import Connecting
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.mcp.session import Call

_GLANCE = 5.0
"""How many seconds does a thread wait for the page before it looks whether it is still wanted?"""
_USABLE = ("connected", "untested", "expired")
"""How does a connection stand that the next request can use?"""


async def connect(call: Call, given: models.Connect) -> tuple[models.Connected, str]:
    """Connects a service, if its human agrees; or says what they have to do."""
    gateway = await call.gateway()
    service = await call.thread(lambda: gateway.broker.recipes.entry(given.service).service)
    key = (service, given.instance or "", *sorted(given.scopes))
    if not given.scopes and await call.thread(lambda: _is_connected(gateway, service, given)):
        return _told(given, service, "connected", "is connected.")
    if not (call.asker.by_url or call.asker.by_form):
        return _told(
            given, service, "ask_your_human",
            "is not connected. Ask your human to run in a terminal of their own: "
            f"arcrun setup {named(service, given.instance)}",
        )  # fmt: skip
    try:
        await call.session.jobs.run(
            ("connect", *key), lambda: _made(call, gateway, given, key), call.until
        )
    except StillRunning:
        return _told(
            given, service, "waiting",
            "is not connected yet: still waiting for your human. Call arcrun_connect again with "
            "the same arguments: it goes on waiting, and asks nobody twice.",
        )  # fmt: skip
    return _told(given, service, "connected", "is connected now.")


def _told(
    given: models.Connect, service: str, state: models.State, text: str
) -> tuple[models.Connected, str]:
    message = f"{named(service, given.instance)} {text}"
    found = models.Connected(service=service, instance=given.instance, state=state, message=message)
    return found, message


def _is_connected(gateway: Gateway, service: str, given: models.Connect) -> bool:
    return any(
        seen.service == service
        and seen.instance == (given.instance or "default")
        and seen.status in _USABLE
        for seen in gateway.services()
    )


async def _made(call: Call, gateway: Gateway, given: models.Connect, key: tuple[str, ...]) -> None:
    """Asks, shows the page and waits for its end. Raises what is told instead."""
    attempt = await _attempt(call, gateway, given, key)
    try:
        if attempt.state == "waiting":  # nobody has opened it yet
            await _agreed(call, gateway, attempt, key)
        await _ended(attempt, key)
    except Ask:  # it comes again with the answer, and finds the page
        raise
    except Exception:
        _leave(call, attempt, key)
        raise
    _leave(call, attempt, key)
    await call.asker.finished()


def _leave(call: Call, attempt: Connecting, key: tuple[str, ...]) -> None:
    call.session.attempts.pop(key, None)
    attempt.close()


async def _attempt(
    call: Call, gateway: Gateway, given: models.Connect, key: tuple[str, ...]
) -> Connecting:
    from arcrun_auth.agents import connecting

    found = call.session.attempts.get(key)
    if found is None:
        try:
            found = await anyio.to_thread.run_sync(
                lambda: connecting.start(
                    gateway.broker, key[0], given.instance, scopes=given.scopes,
                    client=gateway.client,
                )
            )  # fmt: skip
        except AuthError as error:
            if type(error) is AuthError and given.scopes:
                raise Fault(
                    "unknown_scopes",
                    f"{key[0]} has no set of scopes of such a name. Nobody was asked.",
                    "arcrun_how_to lists the names. Scopes themselves are no names of sets.",
                ) from None
            raise
        call.session.attempts[key] = found
    return found


async def _agreed(call: Call, gateway: Gateway, attempt: Connecting, key: tuple[str, ...]) -> None:
    name = named(key[0], key[1])
    about = " ".join(("connect", *key))
    message = (
        f"{gateway.client} asks to use {name} by a connection of yours. The page that opens says "
        "what for; the login or key goes to arcrun on this machine, never to the agent."
    )
    if call.asker.by_url:
        if not await call.asker.url(about, message, attempt.url):
            raise _declined(name)
        return
    if not await call.asker.form(about, message, f"Open your browser to connect {name}?"):
        raise _declined(name)
    if await anyio.to_thread.run_sync(lambda: call.session.show(attempt.url)):
        raise Fault(
            "no_browser",
            "No browser could be opened here.",
            f"Ask your human to run in a terminal of their own: arcrun setup {name}",
        )


def _declined(name: str) -> Fault:
    return Fault(
        "declined", f"Your human said no: {name} is not connected.", "Do not ask for a key instead."
    )


async def _ended(attempt: Connecting, key: tuple[str, ...]) -> None:
    """Waits until the page says how it ended."""
    while attempt.state in ("waiting", "working"):
        await anyio.to_thread.run_sync(lambda: attempt.wait(_GLANCE))
    if attempt.state == "connected":
        return
    name = named(key[0], key[1])
    if attempt.state == "refused":
        raise _declined(name)
    if attempt.state == "expired":
        raise Fault("expired", "Nobody answered on the page within ten minutes.",
                    "Call arcrun_connect again when your human is there.")  # fmt: skip
    raise explained(attempt.error or Fault("failed", f"{name} could not be connected."), *key[:2])
