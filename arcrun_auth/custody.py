"""The stored record of a grant while it is being renewed: read, mark, commit, bury.

The lock of the credential is held by the caller; this module knows only the store.
Nothing here is ever lost: a new grant is either in the store or kept in `unsaved`.
"""

from __future__ import annotations

import os

from arcrun_auth.errors import LoginRequired, StoreConflict, StoreError
from arcrun_auth.tokens import Intent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential, Grant, Key

CONFLICTS = 10
"""How often do others get in between before we keep the new grant in memory only?"""


class Custody:
    """One record in one store. Not thread-safe: its `GrantSource` serialises."""

    def __init__(self, store: Store, key: Key, service: str) -> None:
        self.store = store
        self.key = key
        self.service = service
        self.unsaved: Credential | None = None
        """A renewed grant that the store could not take: the only copy there is."""

    def read(self) -> Credential:
        """The record with its grant, as it is now. Raises LoginRequired where there is none."""
        record = self.store.get(self.key)
        if self.unsaved is not None:
            record = self._save_late(record, self.unsaved)
        if record is None or record.grant is None:
            raise LoginRequired(f"{self.service} is not connected.", service=self.service)
        return record

    def intend(self, record: Credential, now: float) -> Credential:
        """Leaves a note before the request: whoever finds it later knows what happened."""
        grant = record.grant
        assert grant is not None
        if not self.store.writable or interrupted(grant):
            return record
        intent = Intent(refresh_hash=_hash(grant), time=now, pid=os.getpid(), boot_id=_boot_id())
        noted = record.replace(grant=grant.replace(intent=intent))
        return self.store.put(noted, expect=record.generation)

    def commit(self, record: Credential, grant: Grant) -> Grant:
        """Keeps the new grant, and gives back the one to use."""
        fresh = record.replace(grant=grant)
        if not self.store.writable:
            self.unsaved = fresh
            return grant
        try:
            self.store.put(fresh, expect=record.generation)
        except StoreConflict:
            return self._settle(record, grant)
        except StoreError as error:
            self.unsaved = fresh
            _warn(
                "%s was renewed but could not be saved (%s). It works in this process; "
                "saving is tried again at the next renewal.",
                self.service,
                error.message,
            )
        return grant

    def bury(self, record: Credential) -> Grant | None:
        """After `invalid_grant`: a sibling's newer grant if there is one, else marks this dead.

        This is the second reading of the store that must agree before a grant is given up;
        even then nothing is deleted.
        """
        latest = self.store.get(self.key)
        if latest is None or latest.grant is None:
            return None
        if not _same_refresh(latest, record):
            return latest.grant
        if self.store.writable:
            dead = latest.replace(grant=latest.grant.replace(dead="revoked"))
            try:
                self.store.put(dead, expect=latest.generation)
            except StoreError:
                _warn("%s: it could not be noted that this login has ended.", self.service)
        return None

    def _settle(self, before: Credential, grant: Grant) -> Grant:
        """Somebody wrote the record during our request, without the lock: a new login, an edit."""
        for _ in range(CONFLICTS):
            theirs = self.store.get(self.key)
            if theirs is None:  # removed meanwhile: it stays removed
                return grant
            if not _same_refresh(theirs, before):
                assert theirs.grant is not None
                return theirs.grant
            try:
                self.store.put(theirs.replace(grant=grant), expect=theirs.generation)
            except StoreConflict:
                continue
            return grant
        self.unsaved = before.replace(grant=grant)
        return grant

    def _save_late(self, record: Credential | None, late: Credential) -> Credential | None:
        """What could not be saved earlier, if the store still holds what it was made from."""
        if not self.store.writable:
            return late
        self.unsaved = None
        if record is None or record.generation != late.generation:
            return record
        try:
            return self.store.put(late, expect=late.generation)
        except StoreConflict:
            return self.store.get(self.key)
        except StoreError:
            self.unsaved = late
            return late


def interrupted(grant: Grant) -> bool:
    """Whether a renewal with this very refresh token was begun before, and never ended."""
    return grant.intent is not None and grant.intent.refresh_hash == _hash(grant)


def _same_refresh(one: Credential, other: Credential) -> bool:
    mine = one.grant and one.grant.refresh_token
    theirs = other.grant and other.grant.refresh_token
    return mine == theirs


def _hash(grant: Grant) -> str:
    """Tells refresh tokens apart in an intent without holding one."""
    import hashlib

    assert grant.refresh_token is not None
    return hashlib.sha256(grant.refresh_token.reveal().encode()).hexdigest()[:32]


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _warn(message: str, *args: object) -> None:
    import logging  # costs more than all of this module

    logging.getLogger("arcrun_auth").warning(message, *args)
