"""What all helpers have in common: what is connected, and nobody who could be asked."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.broker import Broker


@contextmanager
def broker() -> Iterator[Broker]:
    """The broker of this user, whose `helpers` answer. It asks nothing, not even for the passphrase
    of the vault."""
    from arcrun_auth.broker import Broker
    from arcrun_cli.talk import Terminal

    made = Broker(person=Terminal(interactive=False))
    try:
        yield made
    finally:
        made.close()
