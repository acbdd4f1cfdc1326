"""A home that is a copy of another, or a restored backup, becomes a device of its own.

Two homes that write as one device would look like a server that lies. So the one that comes
second takes new keys, signed into the vault by those that both have. A login whose refresh
token changes at each use belongs to one of the two only: here it is marked, and asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arcrun_auth.errors import AuthError, StoreConflict
from arcrun_auth.lifetimes import COPIED
from arcrun_auth.protocol import portable
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync import roster
from arcrun_auth.sync.devices import keep
from arcrun_auth.sync.identity import Identity, of_record
from arcrun_auth.sync.joining import readable
from arcrun_auth.tokens import Credential, Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.roster import Vault
    from arcrun_auth.sync.state import State

NEXT: Final = Key("device", "next")
"""Where the new keys lie until the vault knows them."""


def become_new_device(
    vault: Vault, store: Store, *, login: Callable[[Credential], Login], now: float
) -> tuple[Identity, list[Key]]:
    """Who this home is from now on, and the logins that have to be done again here.

    Goes on where it was interrupted. Nothing is deleted: records stay, and what differs from
    the vault's is joined with it at the next sync. Raises AuthError where the device that this
    is a copy of was revoked, and what `roster.changed` raises.
    """
    fresh, old = _next(store, vault.me), vault.me

    def change(members: Membership) -> Membership:
        if fresh.id in members.members:
            return members
        if old.id not in members.members:
            raise AuthError("This device was removed from the vault.", hint="arcrun devices join")
        return members.add(fresh.device, by=old.id, sign=old.sign, at=now)

    roster.changed(vault, change)
    marked = _mark_logins(store, login)
    _begin_anew(vault.state, store)
    keep(store, fresh)
    _drop_next(store)
    return fresh, marked


def _next(store: Store, me: Identity) -> Identity:
    """The keys to be, kept before anybody hears of them. What lies there may be our own keys of
    now, where the last time ended before they were taken away.
    """
    held = store.get(NEXT)
    if held is not None and held.params.get("id") != me.id:
        return of_record(held)
    made = Identity.fresh(me.name)
    record = (held or Credential(NEXT)).replace(secrets=made.secrets(), params=made.params())
    store.put(record, expect=record.generation)
    return made


def _drop_next(store: Store) -> None:
    held = store.get(NEXT)
    if held is not None:
        store.delete(NEXT, expect=held.generation)


def _mark_logins(store: Store, login: Callable[[Credential], Login]) -> list[Key]:
    """Marks the logins that only one home can use. They stay where they are."""
    return sorted(each.key for each in list(readable(store)) if _marked(store, each, login))


def _marked(store: Store, found: Credential, login: Callable[[Credential], Login]) -> bool:
    record: Credential | None = found
    while record is not None and portable.own_login(record, login(record)):
        assert record.grant is not None
        if record.grant.dead:
            return record.grant.dead == COPIED
        changed = record.replace(grant=record.grant.replace(dead=COPIED))
        try:
            store.put(changed, expect=record.generation)
        except StoreConflict:
            record = store.get(record.key)
        else:
            return True
    return False


def _begin_anew(state: State, store: Store) -> None:
    """Forgets what this home has written as the device that it was.

    What it knows of the others stays known: as memory where store and memory are of one time,
    else as points that nothing may be older than.
    """
    ring = rings.stored(store)
    assert ring is not None
    members = state.members(ring.keys.vault)
    if ring.mark >= state.get("sent", 0):
        state.forget_own()
    elif members is not None:
        heads = {dev: (known.head.n, known.hash) for dev, known in state.heads().items()}
        state.forget()
        state.pin(members.tip, heads)
