"""Secret Service (GNOME Keyring, KeePassXC, ...) by secretstorage alone.

The `keyring` library takes two and a half times as long to read one item. The attributes
are those of that library, so either finds the other's items.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from secretstorage import Collection


_DEFAULT = "/org/freedesktop/secrets/aliases/default"

_APPLICATION = "Python keyring library"
"""Under whose name? That library's: an item is replaced only where every attribute is equal."""


class SecretService:
    """One connection per call: the daemon may be restarted or locked in between."""

    priority = 1

    def __init__(self) -> None:
        with _collection():
            pass

    def unlock(self) -> None:
        """Let the keyring show its dialogue. Blocks until somebody answers it."""
        with _collection(locked=True) as collection:
            if collection.is_locked():
                collection.unlock()

    def get_password(self, service: str, username: str) -> str | None:
        with _collection() as collection:
            for item in collection.search_items(_attributes(service, username)):
                return item.get_secret().decode()
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        label = f"Vault key of {service}"
        attributes = {**_attributes(service, username), "application": _APPLICATION}
        with _collection() as collection:
            collection.create_item(label, attributes, password.encode(), replace=True)

    def delete_password(self, service: str, username: str) -> None:
        with _collection() as collection:
            for item in collection.search_items(_attributes(service, username)):
                item.delete()


def _attributes(service: str, username: str) -> dict[str, str]:
    return {"service": service, "username": username}


@contextmanager
def _collection(*, locked: bool = False) -> Iterator[Collection]:
    """The default collection. StoreError in words where there is none or it is locked."""
    # libdbus would start a bus of its own through X11; the specification's address or none.
    socket = f"/run/user/{os.getuid()}/bus"
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS") and not os.path.exists(socket):
        raise StoreError("there is no D-Bus session (a machine without a desktop)")
    import secretstorage
    from secretstorage.exceptions import SecretStorageException

    try:
        bus = secretstorage.dbus_init()
    except SecretStorageException:
        raise StoreError("the D-Bus session does not answer") from None
    try:
        try:
            collection = _default(bus)
        except SecretStorageException as error:
            raise StoreError(_absent(error)) from None
        if not locked and collection.is_locked():
            raise StoreError("the OS keyring is locked")
        yield collection
    finally:
        bus.close()


def _default(bus: Any) -> Collection:
    """What get_default_collection would create, asking somebody for a password, is not created."""
    from secretstorage import Collection
    from secretstorage.exceptions import SecretServiceNotAvailableException

    try:
        return Collection(bus, _DEFAULT)
    except SecretServiceNotAvailableException:
        # At a login several daemons start, and all but one hang up: the next call finds that one.
        return Collection(bus, _DEFAULT)


def _absent(error: Exception) -> str:
    if type(error).__name__ == "ItemNotFoundException":
        return "the Secret Service has no default keyring (it was never unlocked)"
    why = getattr(error.__cause__, "name", type(error).__name__).rpartition(".")[2]
    return f"no Secret Service (GNOME Keyring, KWallet, KeePassXC) answers on D-Bus: {why}"
