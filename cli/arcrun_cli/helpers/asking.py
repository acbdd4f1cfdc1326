"""What all helpers have in common: what is connected, and nobody who could be asked."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.helpers import Helpers

RULE = "agent-credential"
"""Under which name will a policy allow an agent to be handed a credential?"""

BY_A_PERSON = "a person runs it in a terminal of their own; in code: auth.bind(SERVICE)"


@contextmanager
def helpers() -> Iterator[Helpers]:
    """The helpers of this user. They ask nothing, not even for the passphrase of the vault."""
    from arcrun_auth.broker import Broker
    from arcrun_cli.talk import Terminal

    broker = Broker(person=Terminal(interactive=False))
    try:
        yield broker.helpers
    finally:
        broker.close()
