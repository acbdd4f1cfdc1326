"""Which records somebody removed here: noted before they go, for sync to tell the other devices.

A record that is only missing was not removed: its row is damaged, or an older backup lies in the
vault's place. Such a one comes back from the server; only what is noted goes everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arcrun_auth.errors import StoreConflict
from arcrun_auth.sync import ring
from arcrun_auth.tokens import Credential, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arcrun_auth.stores.base import Store

KEY: Final = Key("device", "removed")
"""Where the notes lie in the store: names belong into it, since they tell what is used."""


def note(store: Store, record: Credential) -> None:
    """Before `record` is deleted. Does nothing where this home syncs with none."""
    if store.get(ring.KEY) is not None:
        text = "/".join(record.key.parts)
        _change(store, lambda notes: {**notes, text: str(record.generation)})


def noted(store: Store) -> dict[Key, int]:
    """The keys of what was removed, and the generation that it had."""
    record = store.get(KEY)
    if record is None:
        return {}
    return {_key(text): int(generation) for text, generation in record.params.items()}


def drop(store: Store, keys: Iterable[Key]) -> None:
    """What all have been told, or is there again."""
    texts = {"/".join(key.parts) for key in keys}
    if texts:
        _change(store, lambda notes: {k: v for k, v in notes.items() if k not in texts})


def _change(store: Store, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
    while True:
        record = store.get(KEY) or Credential(KEY)
        try:
            store.put(record.replace(params=change(record.params)), expect=record.generation)
        except StoreConflict:
            continue
        return


def _key(text: str) -> Key:
    kind, _, rest = text.partition("/")
    account, _, instance = rest.rpartition("/")  # an account may be author/service
    return Key("app" if kind == "app" else "credential", account, instance)
