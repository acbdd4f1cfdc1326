"""The row of members: read and checked, and changed by compare-and-swap.

A change that begins a new epoch brings along, in the same batch, a new content key wrapped
for every member that is left: there is no moment in which one could read and not the other.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.protocol import membership, recovery, wraps
from arcrun_auth.protocol.handover import Handover
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.membership import BadMembership
from arcrun_auth.protocol.words import canonical
from arcrun_auth.seal import KEY_BYTES
from arcrun_auth.sync.judge import Suspicion
from arcrun_auth.sync.verdict import alarm
from arcrun_auth.sync.wire import Conflict, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arcrun_auth.protocol.membership import Device, Membership
    from arcrun_auth.sync.identity import Identity
    from arcrun_auth.sync.state import State
    from arcrun_auth.sync.wire import Row, Wire

    Change = Callable[[Membership], Membership]

TRIES = 20
"""How often do others get in between before we give up for now?"""
JITTER = 0.05
"""And how many seconds at most do we wait after the first time? Longer each time."""


class Vault(NamedTuple):
    """A vault as one of its members sees it: what it takes to say something about the others."""

    wire: Wire
    state: State
    keys: VaultKeys
    me: Identity


def read(keys: VaultKeys, state: State, row: Row | None) -> Membership:
    """The chain in the row of members. Suspicion where it is not what was known, and more."""
    name = keys.members
    if row is None or row.sealed is None:
        raise Suspicion("withheld", name)
    try:
        plain = keys.open_meta(name, row.sealed)
    except ValueError:
        raise Suspicion("damaged", name) from None
    try:
        found = membership.load(plain, keys.vault)
    except BadMembership:
        raise Suspicion("unknown device", name) from None
    known = state.members(keys.vault)
    told = known.tip if known is not None else state.pins()[0]
    if told is not None and not found.holds(told):
        back = found.tip[0] < told[0]
        raise Suspicion("rolled back" if back else "forked", name)
    return found


def looked(wire: Wire, keys: VaultKeys, state: State) -> tuple[Membership, Row]:
    """The members as the server shows them now, and the row. SyncAlarm where it lies."""
    row = wire.row(keys.members)
    try:
        found = read(keys, state, row)
    except Suspicion as suspicion:
        raise alarm(suspicion, state.members(keys.vault)) from None
    assert row is not None
    return found, row


def changed(
    vault: Vault,
    change: Change,
    *,
    more: Callable[[], Sequence[Write]] = tuple,
    sleep: Callable[[float], None] = time.sleep,
) -> Membership:
    """What `change` makes of the members, once the server has it.

    `change` is called again where somebody else was faster, and gives back what it got where
    nothing is left to do: so an answer that never came is no riddle. `more` are writes that go
    with it, or nothing does. Raises SyncAlarm, ProviderUnavailable, TokenRefused, and what
    `change` and `more` do.
    """
    keys = vault.keys
    for attempt in range(TRIES):
        before, row = looked(vault.wire, keys, vault.state)
        after = change(before)
        if after is before:
            return after
        sealed = keys.seal_meta(keys.members, after.dump())
        batch = [Write(keys.members, sealed, row.version), *_beside(vault, before, after), *more()]
        try:
            vault.wire.write(batch)
        except Conflict:
            sleep(random.uniform(0, JITTER * (attempt + 1)))  # noqa: S311 - a pause
            continue
        return after
    raise ProviderUnavailable("Other devices write all the time.", hint="try again")


def _beside(vault: Vault, before: Membership, after: Membership) -> Iterator[Write]:
    """Keys for whoever needs them after a change, and away with those of recovery codes."""
    keys = vault.keys
    if after.epoch > before.epoch:
        content = {after.epoch: os.urandom(KEY_BYTES)}
        keys = VaultKeys(keys.vault, keys.root, {**keys.contents, **content})
    for device in after.members.values():
        if device.kind == "device" and after.epoch > before.epoch:
            name = keys.wrap(device.id)
            yield Write(name, keys.seal_meta(name, wrapped(vault, keys, after, device)))
        elif device.kind == "recovery" and (
            after.epoch > before.epoch or device.id not in before.members
        ):
            content_of_row = canonical({
                "wrap": wrapped(vault, keys, after, device).decode(),
                "members": after.dump().decode(),
            })  # fmt: skip
            name = recovery.row(device.box, "keys")
            yield Write(name, recovery.sealed(device.box, "keys", content_of_row))
    for gone in before.members.values():
        if gone.kind == "recovery" and gone.id not in after.members:
            yield from (Write(recovery.row(gone.box, what), None) for what in recovery.ROWS)


def wrapped(vault: Vault, keys: VaultKeys, members: Membership, to: Device) -> bytes:
    """`keys` for the device `to`, with how far all has come for us; signed by us."""
    heads = {dev: (known.head.n, known.hash) for dev, known in vault.state.heads().items()}
    given = Handover(keys, members.tip, heads)
    me = vault.me
    return wraps.wrap(
        given.dump(), vault=keys.vault, epoch=keys.epoch, to=to, by=me.id, sign=me.sign
    )
