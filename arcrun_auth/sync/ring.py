"""The keys of the synced vault, as this home keeps them: one record in its own store."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final

from arcrun_auth.errors import StoreConflict, StoreCorrupt, StoreError
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.stores.base import Store

KEY: Final = Key("device", "sync")
"""Where they lie in the store."""

_TRIES = 10


class Ring:
    """What `device/sync` holds: the keys, and how many heads this home has written.

    That number is written here before each push, and noted in `sync.db` after it. So a number
    here that is below the one there says that this vault is a restored backup.
    """

    def __init__(self, keys: VaultKeys, mark: int = 0) -> None:
        self.keys = keys
        self.mark = mark

    def __repr__(self) -> str:
        return f"Ring({self.keys!r}, mark={self.mark})"

    def record(self, before: Credential | None = None) -> Credential:
        secrets = {"root": _text(self.keys.root)}
        secrets |= {f"vk_{epoch}": _text(key) for epoch, key in self.keys.contents.items()}
        params = {
            "vault": self.keys.vault, "epoch": str(self.keys.epoch), "mark": str(self.mark)
        }  # fmt: skip
        return (before or Credential(KEY)).replace(secrets=secrets, params=params)


def stored(store: Store) -> Ring | None:
    """This home's keys; None before it belongs to a vault. StoreCorrupt where they are damaged."""
    record = store.get(KEY)
    return None if record is None else _ring(record)


def begin(store: Store, keys: VaultKeys) -> Ring:
    """Keeps the keys of a vault that this home joins or founds, in place of another's."""
    ring = Ring(keys)
    before = store.get(KEY)
    store.put(ring.record(before), expect=before.generation if before else 0)
    return ring


def leave(store: Store) -> None:
    """Forgets the keys: this home belongs to no vault any more."""
    record = store.get(KEY)
    if record is not None:
        store.delete(KEY, expect=record.generation)


def with_epoch(store: Store, epoch: int, content: bytes) -> Ring:
    """Adds the content key of an epoch."""

    def add(ring: Ring) -> Ring:
        keys = ring.keys
        contents = {**keys.contents, epoch: content}
        return Ring(VaultKeys(keys.vault, keys.root, contents), ring.mark)

    return _changed(store, add)


def marked(store: Store, mark: int) -> Ring:
    """Says that a head of this number is about to be sent."""
    return _changed(store, lambda ring: Ring(ring.keys, mark))


def _changed(store: Store, change: Callable[[Ring], Ring]) -> Ring:
    for _ in range(_TRIES):
        record = store.get(KEY)
        if record is None:
            raise StoreError("This home belongs to no synced vault any more.", hint="arcrun sync")
        ring = change(_ring(record))
        try:
            store.put(ring.record(record), expect=record.generation)
        except StoreConflict:
            continue
        return ring
    raise StoreError("The keys of sync are being changed all the time.", hint="try again")


def _ring(record: Credential) -> Ring:
    try:
        contents = {
            int(name.removeprefix("vk_")): _raw(value)
            for name, value in record.secrets.items()
            if name.startswith("vk_")
        }
        keys = VaultKeys(record.params["vault"], _raw(record.secrets["root"]), contents)
        return Ring(keys, int(record.params["mark"]))
    except (KeyError, ValueError):
        raise StoreCorrupt(
            "The keys of sync are damaged.", hint="arcrun devices join gets them again"
        ) from None


def _raw(key: Secret) -> bytes:
    return b64decode(key.reveal(), validate=True)


def _text(key: bytes) -> Secret:
    return Secret(b64encode(key).decode())
