"""The records of this home, and how what others wrote is joined with them.

Nothing is lost in a join: of two keys that were set on two devices, the one that does not win is
kept beside it; a login of this device stays here; what was changed here outlives a removal there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreConflict, StoreCorrupt, StoreError
from arcrun_auth.protocol import portable
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arcrun_auth.protocol.envelope import Envelope
    from arcrun_auth.protocol.keys import VaultKeys
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.state import Base, Placed
    from arcrun_auth.tokens import Credential

REMOVED = "removed"
"""What a base has in place of a content where the record was removed."""

COPY = ".conflict-"
"""What stands in the instance of a copy, before four digits of the device that lost."""

_LONGEST_INSTANCE = 64
_TRIES = 10


@dataclass
class Report:
    """What one sync has done. Names only."""

    pulled: list[Key] = field(default_factory=list)
    """Records that are new here, or changed."""
    removed: list[Key] = field(default_factory=list)
    """Records that another device removed, and that are gone here."""
    restored: list[Key] = field(default_factory=list)
    """Records that were missing here though nobody removed them."""
    pushed: list[Key] = field(default_factory=list)
    """Records that were sent, removals among them."""
    conflicts: list[tuple[Key, Key]] = field(default_factory=list)
    """What was changed on two devices, and where the other version is kept."""
    kept: list[Key] = field(default_factory=list)
    """Removed elsewhere, and kept here: a login of this device, or a newer change."""
    too_large: list[Key] = field(default_factory=list)
    """What is too large for a row."""


@dataclass(frozen=True)
class Local:
    """A record that is here, and what its content is compared by."""

    record: Credential
    mac: str


class Here:
    """All records of this home that may travel, by the names of their rows."""

    def __init__(
        self, store: Store, keys: VaultKeys, me: str, login: Callable[[Credential], Login]
    ) -> None:
        self.store = store
        self._keys = keys
        self._me = me
        self.login = login
        self.records = {keys.record(r.key): self._local(r) for r in readable(store)}
        self.report = Report()

    def _local(self, record: Credential) -> Local:
        return Local(record, self._keys.mac(portable.content(self.body(record))))

    def body(self, record: Credential) -> portable.Body:
        return portable.portable(record, self.login(record))

    def own_login(self, record: Credential) -> bool:
        return portable.own_login(record, self.login(record))

    # -- what others wrote ------------------------------------------------------------------

    def join(self, name: str, placed: Placed, env: Envelope | None, base: Base | None) -> Base:
        """Makes the record here what the row says, or keeps both. What they agree on now."""
        for _ in range(_TRIES):
            local = self.records.get(name)
            try:
                if env is None or env.body is None:
                    mac = self._leave(name, local, base)
                elif local is None:
                    new = portable.merged(None, env.key, env.body)
                    mac = self._put(name, new, self.report.pulled).mac
                else:
                    mac = self._merge(name, local, env, base)
            except StoreConflict:  # somebody uses or changes it just now
                self._read_again(name, env.key if env is not None else _key(local))
                continue
            return placed.agreed(mac)
        raise _contended()

    def take_all(self, new: Mapping[str, Envelope]) -> dict[str, str]:
        """Puts records that are not here yet, all at once. Their contents; none if that fails."""
        records = {
            name: portable.merged(None, env.key, env.body)
            for name, env in new.items()
            if env.body is not None
        }
        try:
            stored = self.store.put_all(list(records.values()))
        except StoreConflict:  # somebody sets one up just now: one by one, then
            for name, env in new.items():
                self._read_again(name, env.key)
            return {}
        self.records |= {n: self._local(r) for n, r in zip(records, stored, strict=True)}
        self.report.pulled += [record.key for record in stored]
        return {name: self.records[name].mac for name in records}

    def _merge(self, name: str, local: Local, env: Envelope, base: Base | None) -> str:
        assert env.body is not None
        own = self.own_login(local.record)
        theirs = self._local(portable.merged(local.record, env.key, env.body, own=own))
        if theirs.mac == local.mac:
            return self._agreed(local, env.body)
        if base is not None and base.mac == theirs.mac:
            return ""  # sealed anew, not changed: the change is ours alone
        if base is not None and base.mac == local.mac:
            return self._agreed(self._put(name, theirs.record, self.report.pulled), env.body)
        mine = (base.ver + 1, self._me) if base is not None else (0, self._me)
        if mine > (env.ver, env.dev):
            self._keep_copy(theirs.record, env.dev, local.record)
            won = portable.with_consents(local.record, env.body)
            if local.record.shared or theirs.record.shared:  # no change wins over a login
                won = portable.with_login(won, theirs.record)
        else:
            self._keep_copy(local.record, self._me, theirs.record)
            won = portable.with_consents(theirs.record, self.body(local.record))
        stored = self._put(name, won, self.report.pulled)
        return self._agreed(stored, env.body) if stored.mac == theirs.mac else ""

    def _agreed(self, local: Local, body: portable.Body) -> str:
        """The content that is the same here and there; empty where a newer login is only here."""
        if local.record.shared and local.mac != self._keys.mac(portable.content(body)):
            return ""
        return local.mac

    def _leave(self, name: str, local: Local | None, base: Base | None) -> str:
        """What another device removed."""
        if local is None:
            return REMOVED
        if base is None or base.mac != local.mac:  # changed or made here since: it goes to all
            if base is None or base.mac != REMOVED:
                self.report.kept.append(local.record.key)
            return ""
        if self.own_login(local.record):
            self.report.kept.append(local.record.key)
            return local.mac
        self.store.delete(local.record.key, expect=local.record.generation)
        del self.records[name]
        self.report.removed.append(local.record.key)
        return REMOVED

    def restore(self, name: str, env: Envelope) -> bool:
        """Puts a record that is missing here though nobody removed it. False where somebody has
        set it up meanwhile: that is a change like any other."""
        assert env.body is not None
        for _ in range(_TRIES):
            try:
                record = portable.merged(None, env.key, env.body)
                self._put(name, record, self.report.restored)
            except StoreConflict:
                self._read_again(name, env.key)
                if name in self.records:
                    return False
            else:
                return True
        raise _contended()

    # -- the store --------------------------------------------------------------------------

    def _put(self, name: str, record: Credential, told: list[Key]) -> Local:
        before = self.records.get(name)
        if before is None or before.record.dump() != record.dump():
            record = self.store.put(record, expect=record.generation)
            told.append(record.key)
        self.records[name] = self._local(record)
        return self.records[name]

    def _keep_copy(self, loser: Credential, dev: str, winner: Credential) -> None:
        """Keeps a key that did not win under a name of its own: what nobody else has, stays."""
        if not loser.secrets or loser.secrets == winner.secrets:
            return
        key = self._copy_of(loser)
        if key is None:
            key = next(key for key in _copies(loser.key, dev) if self.store.get(key) is None)
            fresh = loser.replace(key=key, grant=None, generation=0, created=0.0)
            self._put(self._keys.record(key), fresh, [])
        self.report.conflicts.append((loser.key, key))

    def _copy_of(self, loser: Credential) -> Key | None:
        """Where this version lies already: another device has kept it, or we have, and died."""
        for local in self.records.values():
            key = local.record.key
            stem, mark, _ = key.instance.partition(COPY)
            same = key.parts[:2] == loser.key.parts[:2] and loser.key.instance.startswith(stem)
            if mark and same and local.record.secrets == loser.secrets:
                return key
        return None

    def _read_again(self, name: str, key: Key) -> None:
        try:
            record = self.store.get(key)
        except StoreCorrupt:  # it has been set aside, and there is room for the one that is told
            record = None
        if record is None:
            self.records.pop(name, None)
        else:
            self.records[name] = self._local(record)


def _contended() -> StoreError:
    return StoreError("A record is being changed all the time.", hint="arcrun sync")


def _key(local: Local | None) -> Key:
    assert local is not None  # what is not here cannot be in conflict
    return local.record.key


def _copies(key: Key, dev: str) -> Iterator[Key]:
    """Names for a copy of a record; the first that is free is taken."""
    number = 1
    while True:
        end = f"{COPY}{dev[:4]}" + (f"-{number}" if number > 1 else "")
        yield Key(key.kind, key.account, key.instance[: _LONGEST_INSTANCE - len(end)] + end)
        number += 1


def readable(store: Store) -> Iterator[Credential]:
    """Every record that may travel and can be read; a damaged one comes back from the server."""
    every: Callable[[], Iterator[Credential]] | None = getattr(store, "records", None)
    if every is not None:
        found = every()
    else:
        found = filter(None, (_read(store, key) for key in store.keys()))
    return (record for record in found if record.key.kind in portable.KINDS)


def _read(store: Store, key: Key) -> Credential | None:
    try:
        return store.get(key)
    except StoreCorrupt:
        return None


def missing(bases: Mapping[str, Base], here: Here, gone: set[str]) -> list[str]:
    """Rows whose record should be here, is not, and was not removed by anybody."""
    return [
        name
        for name, base in bases.items()
        if base.mac != REMOVED and name not in here.records and name not in gone
    ]
