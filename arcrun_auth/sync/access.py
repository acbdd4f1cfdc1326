"""Which API key of the platform each device uses: told in a row, so that revoking can end it.

The row says the id of a key, which opens nothing. It is in no log, and each device writes its
own: a server that hides it, or a device that lies there, keeps a key alive, and reads no more for
that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import TokenRefused
from arcrun_auth.protocol.words import canonical, parsed
from arcrun_auth.sync import account
from arcrun_auth.sync.wire import Write
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from arcrun_auth.cloud import Cloud
    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.roster import Vault

Ended = Literal["ended", "shared", "kept", "unknown"]


def note(vault: Vault, cloud: Cloud) -> None:
    """Tells the others which key this device uses, if they do not know it yet."""
    assert cloud.key is not None
    used = vault.keys.mac(cloud.key.reveal().encode())
    if vault.state.get("access") == [vault.me.id, used]:
        return
    key = next((each.id for each in cloud.keys() if each.current), None)
    if key is not None:
        name = _row(vault, vault.me.id)
        vault.wire.write([Write(name, vault.keys.seal_meta(name, canonical({"key": key})))])
    with vault.state.transaction():
        vault.state.set(access=[vault.me.id, used])


def own_key(store: Store, cloud: Cloud, label: str) -> None:
    """A new API key in place of the stored one, which another home uses, too."""
    held = store.get(account.KEY)
    if held is not None and cloud.key is not None and held.secrets.get("api_key") == cloud.key:
        made = Secret(cloud.create_key("device", label).api_key)
        account.replace_key(store, cloud.key, made)
        cloud.key = made


def end(vault: Vault, cloud: Cloud, device: str, members: Membership) -> Ended:
    """Ends the API key of a device.

    `shared`: another device uses the same one; `kept`: it is the account's own, which only
    its owner may end; `unknown`: the device has never told it, or has told one that is none.
    """
    key = _key_of(vault, device)
    if key is None:
        return "unknown"
    others = (each for each in members.live if each != device)
    if any(_key_of(vault, other) == key for other in others):
        return "shared"
    ended = vault.state.get("ended", [])
    try:
        there = cloud.remove_key(key)
    except TokenRefused:
        return "kept"
    if there:
        with vault.state.transaction():
            vault.state.set(ended=[*ended, key])
    # One that was not there is ours of the last time, or was never a key: then the device has
    # another, and goes on with it.
    return "ended" if there or key in ended else "unknown"


def _key_of(vault: Vault, device: str) -> str | None:
    name = _row(vault, device)
    row = vault.wire.row(name)
    if row is None or row.sealed is None:
        return None
    try:
        key = parsed(vault.keys.open_meta(name, row.sealed)).get("key")
    except ValueError:
        return None
    return key if isinstance(key, str) else None


def _row(vault: Vault, device: str) -> str:
    return vault.keys.name(b"access", device.encode())
