"""The stored record of a grant while it is being renewed: read, mark, commit, bury.

The lock of the credential is held by the caller; this module knows only the store.
Nothing here is ever lost: a new grant is either in the store or kept in memory until it is.
"""

from __future__ import annotations

import os

from arcrun_auth.errors import LoginRequired, StoreConflict, StoreError
from arcrun_auth.tokens import Intent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    from arcrun_auth.errors import TokenRefused
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential, Grant, Key

    class Turn(Protocol):
        """The turn of this home, of all that share a login, to renew it."""

        interrupted: bool
        """Whether a turn, perhaps this one, ended between its request and what it was to tell."""

        def check(self, grant: Grant) -> None:
            """Before the intent. RefreshBusy where another may hold a newer grant."""

        def begin(self, grant: Grant) -> int | None:
            """Before the request: the number that the new grant will have, if it is shared."""
            ...

    Turns = Callable[[Credential, float], AbstractContextManager[Turn]]
    """Takes the turn, for which it waits so many seconds, and tells the others what came of it.
    What it raises forbids a request."""

CONFLICTS = 10
"""How often may others get in between before we give up for now?"""


class Custody:
    """One record in one store. Not thread-safe: its `GrantSource` serialises."""

    def __init__(
        self, store: Store, key: Key, service: str, check: Callable[[Credential], None]
    ) -> None:
        """`check` raises where a record is none that the source may use any more."""
        self._check = check
        self.store = store
        self.key = key
        self.service = service
        self._unsaved: tuple[Grant, Grant] | None = None
        """The grant that was replaced, and the new one that the store could not take."""

    def read(self, *, locked: bool = False) -> Credential:
        """The record with its grant, as it is now. Raises LoginRequired where there is none.

        What is unsaved is part of it. It is put into the store under the lock alone: without
        it, another process that renews the old one just now would take it for a new login.
        """
        if self._unsaved is None:
            record = self.store.get(self.key)
        else:
            record = self._save_late() if locked else self._over(self.store.get(self.key))
        if record is None or record.grant is None:
            raise LoginRequired(f"{self.service} is not connected.", service=self.service)
        self._check(record)
        return record

    def intend(self, record: Credential, now: float) -> Credential:
        """Leaves a note before the request: whoever finds it later knows what happened."""
        grant = record.grant
        assert grant is not None
        if not self.store.writable or interrupted(grant):
            return record
        intent = Intent(
            refresh_hash=fingerprint(grant), time=now, pid=os.getpid(), boot_id=_boot_id()
        )
        noted = record.replace(grant=grant.replace(intent=intent))
        noted = self.store.put(noted, expect=record.generation)
        self._unsaved = None  # what could not be saved before is in this record
        return noted

    def commit(self, record: Credential, grant: Grant) -> Grant:
        """Keeps the new grant, and gives it back. StoreConflict where a newer login won."""
        assert record.grant is not None
        replaced = self._unsaved[0] if self._unsaved else record.grant
        self._unsaved = replaced, grant
        try:
            self.store.put(record.replace(grant=grant), expect=record.generation)
        except StoreConflict:  # without the lock: a new login, an edit, a removal
            latest = self._save_late()
            if latest is not None and latest.grant and not _same(latest.grant, grant):
                raise
            return grant
        except StoreError as error:
            if self.store.writable:
                _warn(
                    "%s was renewed but could not be saved (%s). It works in this process; "
                    "saving is tried again at the next renewal.",
                    self.service,
                    error.message,
                )
            return grant
        self._unsaved = None
        return grant

    def bury(self, record: Credential) -> None:
        """After `invalid_grant`: marks the grant dead. StoreConflict where there is a newer one.

        This is the second reading of the store that must agree before a grant is given up;
        even then nothing is deleted.
        """
        assert record.grant is not None
        for _ in range(CONFLICTS):
            latest = self.store.get(self.key)
            if latest is None or latest.grant is None:
                return
            if not _same(latest.grant, record.grant):
                raise StoreConflict(f"{self.service}: somebody logged in meanwhile.")
            if not self.store.writable:
                return
            dead = latest.replace(grant=latest.grant.replace(dead="revoked"))
            try:
                self.store.put(dead, expect=latest.generation)
            except StoreConflict:
                continue
            except StoreError:
                break
            return
        _warn("%s: it could not be noted that this login has ended.", self.service)

    def _save_late(self) -> Credential | None:
        """Puts what is unsaved over the grant that it replaces, if that still is there.

        Gives back the record to use: with the unsaved grant where the store cannot take it
        now, the store's own where somebody logged in anew, None where it was removed.
        """
        for _ in range(CONFLICTS):
            theirs = self.store.get(self.key)
            fresh = self._over(theirs)
            if fresh is theirs or fresh is None:
                self._unsaved = None
                return theirs
            try:
                stored = self.store.put(fresh, expect=fresh.generation)
            except StoreConflict:
                continue
            except StoreError:
                return fresh
            self._unsaved = None
            return stored
        return fresh

    def _over(self, theirs: Credential | None) -> Credential | None:
        """The store's record with what is unsaved in it; unchanged where that came too late."""
        assert self._unsaved is not None
        replaced, grant = self._unsaved
        if theirs is None or theirs.grant is None or not _same(theirs.grant, replaced):
            return theirs
        return theirs.replace(grant=grant)


def forbidden(grant: Grant, custody: Custody, *, rotates: str, mode: str, now: float) -> None:
    """Raises what forbids a renewal, before a request is sent: LoginRequired, StoreError.

    `rotates` and `mode` are those of `GrantSource`.
    """
    service, store = custody.service, custody.store
    if grant.dead:
        raise ended(service, interrupted(grant), dead=grant.dead)
    if mode == "reissue":
        return
    over = grant.expires is not None and grant.expires <= now
    hopeless = {"exchange": over, "no": True}.get(mode, grant.refresh_token is None)
    if hopeless:
        raise LoginRequired(
            f"{service}: the access token has expired or was refused, and the provider gave "
            "no refresh token to renew it with.",
            service=service,
            why="expired",
        )
    if grant.refresh_expires is not None and grant.refresh_expires <= now:
        raise LoginRequired(
            f"{service}: the refresh token has expired.", service=service, why="expired"
        )
    if not store.writable and rotates != "no" and mode == "yes":
        raise StoreError(
            f"{service}: renewing would give a new refresh token, and the {store.name} "
            "store cannot keep it. Nothing was sent.",
            service=service,
            hint=f"arcrun setup {service}",
        )


def ended(
    service: str, was_interrupted: bool, error: TokenRefused | None = None, *, dead: str = ""
) -> LoginRequired:
    """What to say of a login that has ended: by the refusal `error`, or as what `dead` says."""
    from arcrun_auth.lifetimes import COPIED, end_of

    said = "" if dead == COPIED else " (invalid_grant)"
    text = f"{service}: {end_of(dead)}{said}."
    if was_interrupted:
        text += (
            " An earlier renewal was begun and never ended. If its answer was lost on the way "
            "(rotation interrupted), that is why: the provider takes a refresh token only once."
        )
    if error is None or error.meaning is None:
        return LoginRequired(text, service=service, why="revoked")
    return LoginRequired(f"{text} {error.meaning}", service=service, why="revoked", hint=error.hint)


def interrupted(grant: Grant) -> bool:
    """Whether a renewal with this very refresh token was begun before, and never ended."""
    return grant.intent is not None and grant.intent.refresh_hash == fingerprint(grant)


def untold(record: Credential) -> bool:
    """Whether the homes that share this login have yet to be told of its last renewal."""
    grant = record.grant
    return grant is not None and bool(grant.turn and grant.intent) and not interrupted(grant)


def _same(one: Grant, other: Grant) -> bool:
    """Whether both are one login's: by the refresh token, or by what signs where there is none."""
    if one.refresh_token is None:
        signs = (one.access_token, one.secrets) == (other.access_token, other.secrets)
        return other.refresh_token is None and signs
    return one.refresh_token == other.refresh_token


def fingerprint(grant: Grant) -> str:
    """Tells refresh tokens apart without holding one: in an intent, of an adopted login."""
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
