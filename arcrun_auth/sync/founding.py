"""The first device of an account founds its vault: keys that the server never sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.protocol import log, membership
from arcrun_auth.protocol.keys import BEACON, VaultKeys
from arcrun_auth.protocol.words import canonical
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync import telling
from arcrun_auth.sync.outbox import ROWS
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
    begun, ring = state.get("founding"), rings.stored(store)
    if begun is None and ring is not None:
        return False
    if begun is None or ring is None:
        if wire.row(BEACON) is not None:
            raise _another()
        begun, ring = _begin(store, state, identity, now)
    _write(store, state, wire, ring.keys, begun)
    with state.transaction():
        state.set(founding=None)
    return True


def start_over(store: Store, state: State, wire: Wire, identity: Identity) -> None:
    """Gives up the vault that there is: afterwards this home founds another.

    Its rows are deleted, as far as they can be known: whoever belonged to it is told at once.
    """
    ring = rings.stored(store)
    rows = [BEACON]
    if ring is not None:
        rows += sorted(_rows(state, ring.keys, identity.id))
    for first in range(0, len(rows), ROWS):
        wire.write([Write(name, None) for name in rows[first : first + ROWS]])
    rings.leave(store)
    state.forget()


def _rows(state: State, keys: VaultKeys, me: str) -> set[str]:
    """Every row of the vault that we know of."""
    members = state.members(keys.vault)
    devices = {me, *(members.members if members else ()), *(members.revoked if members else ())}
    names = {keys.members, *state.current(), *state.garbage()}
    names |= {name for dev in devices for name in (keys.head(dev), keys.wrap(dev))}
    for dev, known in state.heads().items():
        head = known.head
        names.update(telling.names(head, keys))
        if head.seq > head.base:
            last = log.segment_at(head.seq, head.base)
            names |= {keys.segment(dev, head.gen, number) for number in range(last + 1)}
    return names


def _begin(store: Store, state: State, identity: Identity, now: float) -> tuple[str, rings.Ring]:
    """Keys and first statement, kept here before they are sent: a crash must not lose them."""
    first = membership.found(identity.device, sign=identity.sign, at=now)
    text = first.dump().decode()
    state.forget()
    with state.transaction():
        state.set(vault=first.vault, founding=text)
    return text, rings.begin(store, VaultKeys.fresh(first.vault))


def _write(store: Store, state: State, wire: Wire, keys: VaultKeys, text: str) -> None:
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
