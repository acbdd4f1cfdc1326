"""Who belongs to the vault, as this home knew it after its last sync. Sends nothing."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.sync import devices as rules
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.identity import stored
from arcrun_auth.sync.logins import primary
from arcrun_auth.sync.state import FILE, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.protocol.membership import Device, Membership
    from arcrun_auth.sync.session import Home
    from arcrun_auth.sync.state import Known


@dataclass(frozen=True)
class Listed:
    """A member, or a former one. Times in epoch seconds, each by the clock of who noted it."""

    device: Device
    ours: bool
    added: float
    by: str
    """The name of who let it in; its own for the first."""
    written: float | None
    ended: float | None
    """When it was revoked; None while it is a member."""


def devices(home: Home) -> tuple[Listed, ...]:
    """Who belongs to the vault, as of the last sync. Sends nothing."""
    with _remembered(home) as (me, members, heads):
        if members is None:
            return ()
        names = {each.device.id: each.device.name for each in members.statements}
        return tuple(
            Listed(
                device=each.device, ours=each.device.id == me, added=float(each.at),
                by=names.get(each.by, each.by),
                written=float(heads[each.device.id].head.time) if each.device.id in heads else None,
                ended=float(end.at) if (end := members.revoked.get(each.device.id)) else None,
            )
            for each in members.statements
            if each.action in ("found", "add")
        )  # fmt: skip


def named(home: Home, name: str) -> Device:
    """The device of that name or id, as of the last sync. AuthError for none, or several."""
    with _remembered(home) as (_, members, _heads):
        if members is None:
            raise AuthError("This home belongs to no synced vault.", hint="arcrun sync")
        return rules.named(members, name)


def has_code(home: Home) -> bool:
    """Whether there is a recovery code, as of the last sync."""
    with _remembered(home) as (_, members, _heads):
        return members is not None and bool(rules.codes_of(members))


@contextmanager
def _remembered(home: Home) -> Iterator[tuple[str, Membership | None, dict[str, Known]]]:
    """This device, and what it knows of the others: read from this home alone."""
    store = primary(home.store)
    ring, me = rings.stored(store), stored(store)
    if ring is None or me is None:
        yield "", None, {}
        return
    state = State(os.path.join(home.settings.home, FILE))
    try:
        yield me.id, state.members(ring.keys.vault), state.heads()
    finally:
        state.close()
