"""The first device of an account founds its vault: keys that the server never sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.protocol import membership
from arcrun_auth.protocol.keys import BEACON, VaultKeys
from arcrun_auth.protocol.words import canonical
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.wire import Conflict, Write

if TYPE_CHECKING:
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.identity import Identity
    from arcrun_auth.sync.state import State
    from arcrun_auth.sync.wire import Wire


def founded(store: Store, state: State, wire: Wire, identity: Identity, *, now: float) -> bool:
    """Founds a vault where this home belongs to none. Whether it did.

    Raises AuthError where the account has one already: this home has to be let in to that.
    """
    begun = state.get("founding")
    if begun is None:
        if rings.stored(store) is not None:
            return False
        if wire.row(BEACON) is not None:
            raise _another()
        begun = _begin(store, state, identity, now)
    _write(store, state, wire, begun)
    with state.transaction():
        state.set(founding=None)
    return True


def _begin(store: Store, state: State, identity: Identity, now: float) -> str:
    """Keys and first statement, kept here before they are sent: a crash must not lose them."""
    first = membership.found(identity.device, sign=identity.sign, at=now)
    text = first.dump().decode()
    state.forget()
    with state.transaction():
        state.set(vault=first.vault, founding=text)
    rings.begin(store, VaultKeys.fresh(first.vault))
    return text


def _write(store: Store, state: State, wire: Wire, text: str) -> None:
    ring = rings.stored(store)
    if ring is None or ring.keys.vault != state.get("vault"):  # it died before the keys were kept
        state.forget()
        raise AuthError("Founding the vault was interrupted.", hint="arcrun sync")
    keys = ring.keys
    beacon = keys.seal_meta(BEACON, canonical({"vault": keys.vault}))
    members = keys.seal_meta(keys.members, text.encode())
    try:
        wire.write([Write(BEACON, beacon, 0), Write(keys.members, members, 0)])
    except Conflict:
        if wire.row(keys.members) is not None:  # it had arrived, and the answer had not
            return
        rings.leave(store)
        state.forget()
        raise _another() from None


def _another() -> AuthError:
    return AuthError(
        "This account has a vault already, and this machine is not one of its devices.",
        hint="arcrun devices join, and arcrun devices add on a machine that is",
    )
