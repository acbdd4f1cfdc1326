"""What the buttons of the page do. Each gives back what to tell of it; none raises an AuthError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.agents.ui.controls import Told
from arcrun_auth.errors import AuthError, PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from arcrun_auth.broker import Broker

LOCKED = "policy-lock"
"""The rule of what is refused because the policy is locked."""


def test(broker: Broker, name: str) -> Told:
    """Sends the recipe's test request. Takes as long as the service does."""

    def done() -> Told:
        found = broker.test(name)
        if found.status is None:
            return Told("good", "It is connected; its recipe has no test request.")
        return Told("good", f"It works, as {found.identity}." if found.identity else "It works.")

    return _told(done)


def remove(broker: Broker, name: str, *, revoke: bool) -> Told:
    """Forgets a connection; with `revoke` its provider is told first."""

    def done() -> Told:
        removed = broker.remove(name, revoke=revoke)
        if not removed:
            return Told("warn", f"{name}: there is nothing stored to disconnect.",
                        f"arcrun why {name}")  # fmt: skip
        if removed.told:
            return Told("good", f"{name} is forgotten here, and its provider has ended the login.")
        said = f"{name} is forgotten here. What it was given may still work at its provider."
        if removed.error is not None:
            return Told("warn", f"{said} {removed.error.message}")
        return Told("good", said)

    return _told(done)


def approve(broker: Broker, request_id: str) -> Told:
    """Lets a request of an agent through, once."""

    def done() -> Told:
        rule = broker.policies.approve(request_id)
        return Told("good", f"{rule.client} may send it once, in the next ten minutes.")

    return _told(done, f"arcrun approve {request_id}")


def refuse(broker: Broker, request_id: str) -> Told:
    """Says no to it."""

    def done() -> Told:
        asked = broker.policies.refuse(request_id)
        return Told("good", f"{asked.client} may not send it.")

    return _told(done)


def deny(broker: Broker, service: str, what: str, client: str) -> Told:
    """Prohibits something: to one agent, or to all of them where none is named."""

    def done() -> Told:
        wanted: Any = what  # whether there is such a thing is looked at there
        broker.policies.deny(service, wanted, client=client.strip() or "*")
        return Told("good", "That is prohibited now, whatever else is allowed.")

    return _told(done)


def remove_rule(broker: Broker, rule_id: str) -> Told:
    """Takes a rule of the policy away."""

    def done() -> Told:
        removed = broker.policies.remove(rule_id)
        if removed.allow:
            return Told("good", "That is allowed no longer.")
        return Told("good", "That is prohibited no longer.")

    return _told(done, f"arcrun policy remove {rule_id}")


def failed(error: AuthError) -> Told:
    """An error as it is told on the page."""
    return Told("bad", error.message, error.hint or "")


def _told(do: Callable[[], Told], at_terminal: str = "") -> Told:
    """What to tell of it. A locked policy is widened `at_terminal`, where its passphrase is asked
    for: a page that takes passphrases would teach people to type them into pages."""
    try:
        return do()
    except PolicyRefused as error:
        if error.rule == LOCKED and at_terminal:
            text = "The policy is locked: this takes its passphrase, in your terminal."
            return Told("warn", text, at_terminal)
        return failed(error)
    except AuthError as error:
        return failed(error)
