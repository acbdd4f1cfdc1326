"""Stores in front of a store: single secrets of a record, overridden by who stands closer."""

from __future__ import annotations

from arcrun_auth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from arcrun_auth.tokens import Credential, Key, Secret


class Layers(Store):
    """`primary`, with the secrets of read-only `overlays` over its records; the first wins.

    What an overlay gave is never written into the primary store: `put` puts back what lay
    there, unless somebody changed that very secret to another value. A record that only
    overlays have is at generation 0, so the first `put` of it expects 0.
    """

    def __init__(self, primary: Store, overlays: Sequence[Store]) -> None:
        self.primary = primary
        self.overlays = tuple(overlays)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.primary.name

    @property
    def writable(self) -> bool:  # type: ignore[override]
        return self.primary.writable

    @property
    def description(self) -> str:
        return self.primary.description

    def why_not(self) -> str | None:
        return self.primary.why_not()

    def prepare(self) -> None:
        self.primary.prepare()

    def get(self, key: Key) -> Credential | None:
        over, first = self._over(key)
        # What the overlays give must be usable where the vault cannot be opened at all, as
        # in CI: but a vault that exists and is locked is told, not passed over.
        record = self.primary.get(key)
        if record is None:
            return None if first is None else first.replace(secrets=over, generation=0)
        return _overridden(record, over)

    def put(self, record: Credential, *, expect: int) -> Credential:
        over, _ = self._over(record.key)
        own = {name: value for name, value in record.secrets.items() if over.get(name) != value}
        if len(own) != len(record.secrets):
            held = self.primary.get(record.key) if expect else None
            kept = held.secrets if held else {}
            back = {name: kept[name] for name in record.secrets if name not in own and name in kept}
            record = record.replace(secrets={**own, **back})
        return _overridden(self.primary.put(record, expect=expect), over)

    def delete(self, key: Key, *, expect: int) -> None:
        self.primary.delete(key, expect=expect)

    def keys(self) -> Iterator[Key]:
        found: dict[Key, None] = dict.fromkeys(self.primary.keys())
        for overlay in self.overlays:
            found.update(dict.fromkeys(overlay.keys()))
        return iter(found)

    def trace(self, key: Key) -> list[tuple[str, dict[str, str]]]:
        """For each layer, closest first: its name, and where it has each secret from.

        For `arcrun why`: names of variables, files and stores; never a value. A grant is
        the primary store's if that has a record at all: overlays give single secrets.
        """
        steps: list[tuple[str, dict[str, str]]] = []
        for store in (*self.overlays, self.primary):
            origin = getattr(store, "origin", None)
            if origin is not None:
                steps.append((store.name, dict(origin(key))))
                continue
            record = store.get(key)
            held = [*record.secrets, *(["grant"] if record.grant else [])] if record else []
            steps.append((store.name, dict.fromkeys(held, store.name)))
        return steps

    def close(self) -> None:
        for store in (*self.overlays, self.primary):
            store.close()

    def _over(self, key: Key) -> tuple[dict[str, Secret], Credential | None]:
        secrets: dict[str, Secret] = {}
        first = None
        for overlay in reversed(self.overlays):
            record = overlay.get(key)
            if record is not None:
                secrets.update(record.secrets)
                first = record
        return secrets, first


def _overridden(record: Credential, over: Mapping[str, Secret]) -> Credential:
    return record.replace(secrets={**record.secrets, **over}) if over else record
