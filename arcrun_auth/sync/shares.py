"""Sharing a login that changes at each renewal, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, LoginRequired, StoreConflict
from arcrun_auth.locks import CredentialLock
from arcrun_auth.protocol import portable
from arcrun_auth.sync.logins import Logins, primary, syncs
from arcrun_auth.sync.session import session
from arcrun_auth.sync.turns import Turn, settled
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.session import Home
    from arcrun_auth.tokens import Credential


def share(home: Home, service: str, instance: str) -> bool:
    """Shares the login of a connection with all devices, which renew it in turns from now on.

    Whether it was not shared before. Raises LoginRequired where there is no login, or nobody is
    logged in to a platform; AuthError where this home does not sync, or the login needs no
    sharing; and what `Session.sync` raises: it is shared then as soon as a sync succeeds.

        share(broker, "google_drive", "work")
    """
    store, name = primary(home.store), f"{service}@{instance}"
    if not syncs(store):
        raise AuthError(f"{name} cannot be shared: this home does not sync.", hint="arcrun sync")
    key = _key(home, service, instance)
    # No renewal of this home may be on its way: it would not know that there are others.
    with CredentialLock(home.settings.locks_path, key).acquire():
        record = _stored(store, key, name)
        _check(home, record, name)
        _edited(store, record, portable.share)
        with session(home) as here:
            here.sync()
    return not record.shared


def unshare(home: Home, service: str, instance: str) -> bool:
    """Keeps the login of a connection on this device alone. The others need one of their own.

    Whether it was shared. Raises as `share`, and RefreshBusy while another device renews it.
    """
    store, name = primary(home.store), f"{service}@{instance}"
    key = _key(home, service, instance)
    with CredentialLock(home.settings.locks_path, key).acquire():
        record = _stored(store, key, name)
        if not record.shared and not portable.turn_of(record):
            return False
        with Turn(home, record, name) as turn:
            _edited(store, _stored(store, key, name), portable.take_back)
            turn.sync()
            settled(store, key)
    return True


def _key(home: Home, service: str, instance: str) -> Key:
    return Key("credential", home.recipes.entry(service).account, instance)


def _stored(store: Store, key: Key, name: str) -> Credential:
    record = store.get(key)
    if record is None or not record.generation:
        raise LoginRequired(f"{name} is not connected.", service=name, hint=f"arcrun setup {name}")
    return record


def _check(home: Home, record: Credential, name: str) -> None:
    """AuthError for what travels by itself: a key, or a login that many can use at once."""
    if record.grant is None:
        raise AuthError(f"{name} is a key: it is on all your devices after a sync anyhow.")
    if record.grant.dead:
        raise LoginRequired(
            f"{name}: this login has ended.", service=name, why="revoked",
            hint=f"arcrun setup {name}",
        )  # fmt: skip
    if Logins(home.recipes).of(record) != "stays":
        raise AuthError(
            f"{name} needs no sharing: its login does not change when it is renewed, so it is on "
            "all your devices after a sync anyhow."
        )


def _edited(store: Store, record: Credential, change: Callable[[Credential], Credential]) -> None:
    while True:
        try:
            store.put(change(record), expect=record.generation)
        except StoreConflict:  # a sync, or an edit
            latest = store.get(record.key)
            if latest is None or latest.grant is None:
                raise
            record = latest
            continue
        return
