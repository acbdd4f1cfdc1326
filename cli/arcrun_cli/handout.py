"""`arcrun token`: one access token on standard output. On the fast path: imports no click."""

from __future__ import annotations

import sys

from arcrun_cli import agents
from arcrun_cli.faults import checked_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.tokens import Token


def token_of(name: str) -> Token:
    """A valid token of `service[@instance]`, renewed if need be; never a login.

    Raises PolicyRefused in an agent's shell where no rule allows it, and whatever
    `Broker.get_token` raises.
    """
    checked_name(name, "arcrun token")
    from arcrun_auth.broker import Broker

    broker = Broker()
    try:
        agents.guard(broker, "token", [name])
        return broker.get_token(name, interactive=False)
    finally:
        broker.close()


def hand_out(name: str) -> int:
    """Prints the access token and a newline, to pipes and terminals alike."""
    sys.stdout.write(token_of(name).access_token + "\n")
    return 0
