"""Letting devices into a vault, by another one or by a recovery code, and revoking them.

What the members are is said by signed statements alone (`protocol.membership`); the server
keeps and carries them. Each of these can be done again where it was interrupted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, StoreConflict, SyncAlarm
from arcrun_auth.protocol import handover, membership, recovery
from arcrun_auth.protocol.membership import BadMembership
from arcrun_auth.protocol.signatures import fits
from arcrun_auth.protocol.words import canonical, parsed
from arcrun_auth.protocol.wraps import BadWrap
from arcrun_auth.sync import enrolling, removed, roster
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.identity import KEY, Identity, machine, stored
from arcrun_auth.sync.roster import Vault
from arcrun_auth.sync.wire import Conflict, Write
from arcrun_auth.tokens import Credential

if TYPE_CHECKING:
    from arcrun_auth.protocol.handover import Handover
    from arcrun_auth.protocol.membership import Device, Membership
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.enrolling import Same, Waiting
    from arcrun_auth.sync.state import State
    from arcrun_auth.sync.wire import Wire

PAPER = "recovery code"
"""What the member that a recovery code is, is called."""


# -- another device at hand -----------------------------------------------------------------


def admit(vault: Vault, waiting: Waiting, same: Same, *, now: float) -> Device:
    """Lets in a device that asks for it: who it is. This home has just synced.

    `same` shows a code and asks. Raises what `enrolling.admit` and `roster.changed` raise.
    """

    def welcome(device: Device) -> bytes:
        members = _added(vault, device, now=now)
        return roster.wrapped(vault, vault.keys, members, device)

    return enrolling.admit(waiting, vault.me.device, vault.keys.vault, same, welcome)


def _added(vault: Vault, device: Device, *, now: float, by: Identity | None = None) -> Membership:
    signer = by or vault.me

    def change(members: Membership) -> Membership:
        if members.members.get(device.id) == device:
            return members
        if members.epoch != vault.keys.epoch:
            raise AuthError(
                "Another device was revoked meanwhile. Nothing was shared.",
                hint="arcrun sync, then try again",
            )
        try:
            return members.add(device, by=signer.id, sign=signer.sign, at=now)
        except BadMembership as error:
            raise AuthError(
                f"It cannot be let in: {error}.", hint="arcrun devices join there makes new keys"
            ) from None

    return roster.changed(vault, change)


def join(store: Store, state: State, wire: Wire, waiting: Waiting, same: Same) -> Device:
    """Has this home let in by another device: who did. Its records are joined at the next sync."""
    me = newcomer(store, state, wire)
    with_old, wrapped = enrolling.join(waiting, me.device, same)
    old, pinned = with_old.old, with_old.vault
    given = _opened(me, wrapped, pinned, {old.id: old.sign})
    _begin(store, state, me, given)
    return old


def newcomer(store: Store, state: State, wire: Wire) -> Identity:
    """Who this home is to be. AuthError where it is a device of this account's vault already.

    A home that belonged to a vault, of another account or until it was revoked, gets new keys.
    """
    held, ring = stored(store), rings.stored(store)
    if held is None or ring is None:
        return held or Identity.fresh(machine())
    there = wire.row(ring.keys.members) is not None
    if there and held.id in roster.looked(wire, ring.keys, state)[0].live:
        raise AuthError("This home is a device of the vault already.", hint="arcrun devices list")
    return Identity.fresh(held.name)


def _opened(me: Identity, wrapped: bytes, vault: str, signers: dict[str, bytes]) -> Handover:
    try:
        epoch, plain = me.unwrap(wrapped, vault=vault, signers=signers)
        given = handover.load(plain)
    except ValueError as error:
        why = error if isinstance(error, BadWrap) else "the keys have another shape"
        raise _changed_on_its_way(str(why)) from None
    if (given.keys.vault, given.keys.epoch) != (vault, epoch):
        raise _changed_on_its_way("the keys are those of another vault")
    return given


def _changed_on_its_way(why: str) -> SyncAlarm:
    return SyncAlarm(
        f"The vault's keys did not arrive as they were sent: {why}. Nothing was taken over.",
        what="swapped", hint="try again; if it happens again, do not trust this server",
    )  # fmt: skip


def _begin(store: Store, state: State, me: Identity, given: Handover) -> None:
    """From here on this home belongs to the vault. Done again, it is the same."""
    keep(store, me)
    removed.drop(store, removed.noted(store))  # what was removed from another vault
    state.forget()
    state.pin(given.members, given.heads)
    rings.begin(store, given.keys)


def keep(store: Store, me: Identity) -> None:
    """Makes `me` this home's identity, in place of another."""
    while True:
        held = store.get(KEY)
        record = (held or Credential(KEY)).replace(secrets=me.secrets(), params=me.params())
        try:
            store.put(record, expect=record.generation)
        except StoreConflict:
            continue
        return


# -- a recovery code ------------------------------------------------------------------------


def new_code(vault: Vault, *, now: float) -> str:
    """A recovery code, in place of the one before. It is kept nowhere: show it once.

    Ending a former one begins a new epoch, in case somebody has found it.
    """
    from arcrun_auth.stores.kdf import format_recovery

    code = os.urandom(recovery.CODE_BYTES)
    paper = _paper(code)
    me = vault.me

    def change(members: Membership) -> Membership:
        if paper.id in members.members:
            return members
        for each in codes_of(members):
            members = members.revoke(each.id, by=me.id, sign=me.sign, at=now)
        return members.add(paper.device, by=me.id, sign=me.sign, at=now)

    keys = vault.keys
    signature = paper.sign(recovery.vouched(keys.vault)).hex()
    vouched = canonical({"vault": keys.vault, "sig": signature})
    # First what says which vault it is: without it the code opens nothing.
    name = recovery.row(paper.device.box, "vault")
    vault.wire.write([Write(name, recovery.sealed(paper.device.box, "vault", vouched))])
    roster.changed(vault, change)
    return format_recovery(code)


def codes_of(members: Membership) -> list[Device]:
    """The recovery codes that are good: one, or none."""
    return [each for each in members.members.values() if each.kind == "recovery"]


def _paper(code: bytes) -> Identity:
    return Identity.of_seeds(PAPER, *recovery.seeds(code), "recovery")


def recover(store: Store, state: State, wire: Wire, code: str, *, now: float) -> None:
    """Lets this home in by a recovery code. AuthError where it is none of this account's vault."""
    from arcrun_auth.stores.kdf import parse_recovery

    try:
        paper = _paper(parse_recovery(code))
    except ValueError as error:
        raise AuthError(f"That is no recovery code: {error}.", hint="type it again") from None
    me = newcomer(store, state, wire)
    given, members = _by_code(wire, paper)
    state.forget()
    state.pin(members.tip, given.heads)
    _added(Vault(wire, state, given.keys, me), me.device, now=now, by=paper)
    _begin(store, state, me, given)


def _by_code(wire: Wire, paper: Identity) -> tuple[Handover, Membership]:
    """The vault's keys and its members, as the last member to wrap them for the code knew them."""
    vault = _vouched(wire, paper)
    data = _row_of(wire, paper, "keys")
    try:
        members = membership.load(str(data.get("members")).encode(), vault)
    except BadMembership:
        raise _changed_on_its_way("they are those of another vault") from None
    given = _opened(paper, str(data.get("wrap")).encode(), vault, members.live)
    if paper.id not in members.members or not members.holds(given.members):
        raise _changed_on_its_way("they are not for this code")
    return given, members


def _vouched(wire: Wire, paper: Identity) -> str:
    """The vault that the code is for, as the code itself has signed."""
    data = _row_of(wire, paper, "vault")
    vault, signature = str(data.get("vault")), str(data.get("sig"))
    try:
        raw = bytes.fromhex(signature)
    except ValueError:
        raw = b""
    if not fits(paper.device.sign, raw, recovery.vouched(vault)):
        raise _changed_on_its_way("another vault is shown than the code is for")
    return vault


def _row_of(wire: Wire, paper: Identity, what: recovery.Row) -> dict[str, object]:
    box = paper.device.box
    row = wire.row(recovery.row(box, what))
    if row is None or row.sealed is None:
        raise AuthError(
            "This account has no vault that this code opens.",
            hint="arcrun devices recovery has shown it, and a newer one has ended it; what "
            "arcrun vault recovery-code shows opens another lock",
        )
    try:
        return parsed(recovery.opened(box, what, row.sealed))
    except ValueError:
        raise _changed_on_its_way("a row is damaged") from None


# -- revoking -------------------------------------------------------------------------------


def revoke(vault: Vault, device: Device, *, now: float) -> Membership:
    """Ends a member, and begins an epoch whose key it does not get.

    All rows are sealed again at the next sync, by whichever device syncs first; until then
    what its log says up to its last head counts. This home has just synced: `Conflict` where
    the device has written since, for whoever calls this to sync again.
    """
    me, name = vault.me, vault.keys.head(device.id)
    known = vault.state.heads().get(device.id)

    def change(members: Membership) -> Membership:
        if device.id not in members.members:
            return members
        last = None if known is None else (known.head.seq, known.hash)
        return members.revoke(device.id, by=me.id, sign=me.sign, at=now, last=last)

    def unmoved() -> list[Write]:
        """Its head as it is: what it writes at the same moment is refused, or seen before."""
        row = vault.wire.row(name)
        if (row and row.sealed and row.sealed.hash) != (known and known.hash):
            raise Conflict
        return [] if row is None else [Write(name, row.sealed, row.version)]

    return roster.changed(vault, change, more=unmoved)


def named(members: Membership, name: str) -> Device:
    """The member of that name or id, or the one revoked last. AuthError for none, or several."""
    current = list(members.members.values())
    former = [end.device for end in reversed(list(members.revoked.values()))]
    for group in (current, former):
        found = [each for each in group if each.id == name] or [
            each for each in group if name in (each.name, each.id[: len(name)])
        ]
        if len(found) == 1 or (found and group is former):
            return found[0]
        if found:
            raise AuthError(
                f"{len(found)} devices are called so.",
                hint="name it by its id: arcrun devices list",
            )
    raise AuthError("No device is called so.", hint="arcrun devices list")
