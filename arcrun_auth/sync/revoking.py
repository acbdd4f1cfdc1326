"""Revoking a device: it is shut out, everything is sealed again, and what it could read is named.

Nothing takes back what a device has read. So at the end stands a list for a person: the keys
and logins to replace where they were made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import AuthError, ProviderUnavailable
from arcrun_auth.sync import access, devices, roster
from arcrun_auth.sync.joining import readable
from arcrun_auth.sync.wire import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.protocol.membership import Device
    from arcrun_auth.sync.session import Session
    from arcrun_auth.tokens import Credential, Key

TRIES = 5
"""How often may the device write at the very moment before we give up for now?"""


@dataclass(frozen=True)
class Exposed:
    """Something that a device could read."""

    key: Key
    what: Literal["key", "login", "app"]
    help_url: str | None
    """Where a new one is to be had, if a recipe says so."""


@dataclass(frozen=True)
class Revoked:
    """What revoking a device came to."""

    device: Device
    access: access.Ended
    """What became of its API key."""
    exposed: tuple[Exposed, ...]


def revoke(session: Session, device: Device) -> Revoked:
    """Revokes it; done again, it goes on where it was interrupted. Raises what `sync` raises."""
    session.sync()
    if device.id == session.vault().me.id:
        raise AuthError(
            "This is the device that you are at.", hint="revoke it on another one, if it is lost"
        )
    # Its API key first: from then on it writes nothing that would have to be sealed again.
    members, _ = roster.looked(session.wire, session.vault().keys, session.state)
    ended = access.end(session.vault(), session.cloud, device.id, members)
    for _ in range(TRIES):
        try:
            devices.revoke(session.vault(), device, now=time.time())
            break
        except Conflict:
            session.sync()
    else:
        raise ProviderUnavailable("The device writes all the time.", hint="try again")
    session.sync()
    return Revoked(device, ended, tuple(exposed(session)))


def exposed(session: Session) -> Iterator[Exposed]:
    """What travels to every device: keys, and logins that several can use."""
    found = [each for each in readable(session.store) if _travels(session, each)]
    for record in sorted(found, key=lambda each: each.key):
        if record.key.kind == "app":
            yield Exposed(record.key, "app", None)
        else:
            what: Literal["key", "login"] = "key" if record.secrets else "login"
            yield Exposed(record.key, what, _help_url(session.home.recipes, record))


def _travels(session: Session, record: Credential) -> bool:
    grant = record.grant is not None and (record.shared or session.login(record) == "travels")
    return bool(record.secrets) or grant


def _help_url(catalog: Catalog, record: Credential) -> str | None:
    for entry in catalog.entries():
        if entry.account != record.key.account:
            continue
        try:
            method = entry.method(record.method)
            way = catalog.recipe(entry.service).way(method.id)
        except AuthError:  # another service of this account has that way in
            continue
        urls = [each.help_url for each in way.required_secrets if each.help_url]
        return urls[0] if urls else way.setup_url or None
    return None
