"""What is written into the trail of a home, and when; see `audit` for how.

On the way to a token: a line costs well under a millisecond, waits for no disk and asks nobody.
It never costs what it tells of either: where a line cannot be written, nothing else fails.
"""

from __future__ import annotations

import sqlite3

from arcrun_auth import forks
from arcrun_auth.audit import EVERY, Foreign, found, path_in
from arcrun_auth.errors import AuthError
from arcrun_auth.tokens import DEFAULT_INSTANCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from arcrun_auth.audit import Trail
    from arcrun_auth.audit.anchor import Head, Signer
    from arcrun_auth.audit.reading import Checked, Entry
    from arcrun_auth.removal import Removed
    from arcrun_auth.resolve import Connection
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store
    from arcrun_auth.stores.vault import Vault
    from arcrun_auth.tokens import Credential, Key

_LONGEST = 200
"""How much of a program's name, or of a list of hosts, is kept?"""

_FAILURES = (AuthError, OSError, sqlite3.Error, ValueError)
"""What may go wrong with a trail, and must not matter."""

_FOLDED = 32
"""After how many lines does even a brief program close the file? Who opens it reads the log."""

_told: tuple[str, str] | None = None
_left_open: list[Trail] | None = None


def declare(program: str, *, use: str = "use", brief: bool = False) -> None:
    """Says what this process is, for the trail: `arcrun token`, whose use is a `reveal`.

    A `brief` one ends without taking itself apart. It leaves the file open, most times: to close
    it folds the log into it, and waits for the disk.
    """
    global _told, _left_open  # noqa: PLW0603 - one process is one program
    _told = (program, use)
    _left_open = [] if brief else None


def _program() -> tuple[str, str]:
    """What this process is, and what a first use by it is called: of its command line only the
    first word is looked at, since the others may be secrets."""
    if _told is not None:
        return _told
    import os
    import sys

    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name[:_LONGEST] or "python", "use"


class Recorder:
    """Writes the trail of one home, and reads it. Safe to share between threads, after a fork."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._trail: Trail | None = None
        self._count = 0
        self._used: set[tuple[int, str]] = set()

    def note(
        self,
        action: str,
        name: str | Key = "",
        *,
        host: str = "",
        result: str = "ok",
        client: str = "",
        request: str = "",
    ) -> bool:
        """Adds a line. Never raises, never asks; whether it was written.

        `client` is what an agent calls itself, `request` the method and path that it asked for.

        Nothing is written where no vault was opened: a trail has its key from there.
        """
        vault = self._vault()
        if vault is None or vault.session().master is None:
            return False
        fields: dict[str, str | float] = {
            "time": round(self._clock(), 3),
            "action": action,
            "program": _program()[0],
        }
        if name:
            fields["name"] = str(name).removesuffix(f"@{DEFAULT_INSTANCE}")
        more = {"host": host, "client": client, "request": request}
        fields.update({field: value for field, value in more.items() if value})
        if result != "ok":
            fields["result"] = result
        return self._write(vault, fields)

    def _write(self, vault: Vault, fields: dict[str, str | float]) -> bool:
        held = self._trail
        try:
            self._count = (held or self._opened(vault)).append(fields).count
        except _FAILURES as error:
            self._let_go()
            if held is not None:  # its file was taken away, or is another one by now
                return self._write(vault, fields)
            _log(error)
            return False
        if self._count == 1 or self._count % EVERY == 0:
            try:
                self.keep_head(signed=self._count > 1)
            except _FAILURES as error:  # the line is written: the next head vouches for it
                _log(error)
        return True

    def used(self, connection: Connection) -> None:
        """Notes the first use of a connection by this process."""
        name = connection.name
        if (forks.generation, name) not in self._used:
            self._used.add((forks.generation, name))
            self.note(_program()[1], name)

    def agreed(self, connection: Connection, before: Credential | None) -> None:
        """Notes what was agreed to, if that is new."""
        record, service = connection.record, connection.service
        consent = record.consents.get(service) if record is not None else None
        held = before.consents.get(service) if before is not None else None
        if consent is not None and (held is None or held.digest != consent.digest):
            self.note("consent", connection.name, host=" ".join(consent.hosts)[:_LONGEST])

    def set_up(self, connection: Connection, before: Credential | None) -> None:
        """Notes that a connection was made."""
        self.agreed(connection, before)
        self.note("setup", connection.name)

    def removed(self, removed: Removed) -> None:
        """Notes that a connection was forgotten, and whether the provider knows."""
        if removed.told is not None:
            self.note("revoke", removed.name, result="ok" if removed.told else "not told")
        if removed:
            self.note("remove", removed.name)

    def renewed(self, connection: Connection, error: AuthError | None = None) -> None:
        """Notes what became of a renewal."""
        result = "ok" if error is None else type(error).__name__  # a server's words may be anything
        self.note("renew", connection.name, result=result)

    def head(self) -> tuple[int, str] | None:
        """How far the trail goes: the number of its entries, and the hash of their chain in hex.

        None where there is no trail, or its end does not fit. For the head of this device in sync.
        """
        try:
            trail = self.trail()
            tail = trail.tail() if trail is not None else None
        except _FAILURES as error:
            _log(error)
            return None
        return None if tail is None else (tail.count, tail.hash.hex())

    def keep_head(self, *, signed: bool = True) -> Head | None:
        """Keeps in the vault how far the trail goes, signed by this device. Raises what fails."""
        from arcrun_auth.audit.anchor import keep

        vault, trail = self._vault(), self._trail
        if vault is None or trail is None:
            return None
        signer = self._signer(vault) if signed else None
        return keep(vault, trail, signer=signer, now=round(self._clock(), 3))

    def trail(self) -> Trail | None:
        """The trail, opened; None where there is none. May ask for the vault's passphrase.

        Raises StoreError where it cannot be opened, StoreLocked where the vault cannot.
        """
        from os.path import lexists

        vault, path = self._vault(), path_in(self._settings.home)
        if self._trail is None and vault is not None and lexists(path):
            vault.run(lambda _: None, absent=lambda: None)
            if vault.session().master is not None:
                self._opened(vault)
        return self._trail

    def entries(self, *, since: float = 0.0, most: int | None = None) -> list[Entry]:
        """The lines from the moment `since` on, newest first, `most` of them. StoreError."""
        from arcrun_auth.audit import reading

        trail = self._readable()
        tail = trail.tail() if trail is not None else None
        device = tail.device if tail is not None else ""
        if trail is None:
            return []
        return reading.entries(trail, since=since, device=device, most=most)

    def verify(self) -> Checked:
        """Checks all of it. Where all is well, its head is signed and kept. StoreError."""
        from arcrun_auth.audit.anchor import verify

        trail, vault = self._readable(), self._vault()
        assert vault is not None
        found = verify(vault, trail, path_in(self._settings.home), signer=self._signer(vault))
        if trail is not None and not found.findings:
            self.keep_head()
        return found

    def close(self) -> None:
        """Let go of the file."""
        if self._trail is not None and _left_open is not None and self._count % _FOLDED:
            _left_open.append(self._trail)
            self._trail = None
        self._let_go()

    def _let_go(self) -> None:
        trail, self._trail = self._trail, None
        if trail is not None:
            trail.close()

    def _vault(self) -> Vault | None:
        """The vault behind the user's store, where that is one."""
        primary: Any = getattr(self._store, "primary", self._store)
        return primary if hasattr(primary, "session") else None

    def _opened(self, vault: Vault) -> Trail:
        path = path_in(self._settings.home)
        try:
            self._trail = found(vault, path)
        except (FileNotFoundError, Foreign) as error:
            from arcrun_auth.audit.making import begin

            inode = error.inode if isinstance(error, Foreign) else None
            self._trail = begin(vault, path, foreign=inode)
        return self._trail

    def _readable(self) -> Trail | None:
        from arcrun_auth.errors import NoStore, StoreError

        if self._vault() is None:
            raise NoStore(
                "There is no trail: only a vault keeps one, and another store is used here.",
                hint="arcrun doctor",
            )
        try:
            return self.trail()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"The trail cannot be read: {error}.", hint="arcrun doctor") from None

    def _signer(self, vault: Vault) -> Signer:
        from arcrun_auth.audit.anchor import Signer
        from arcrun_auth.sync.identity import identity

        found = identity(vault)
        return Signer(found.id, found.device.sign, found.sign)


def _log(error: Exception) -> None:
    import logging  # costs more than all of this module

    # As text: a record may be kept, and the error in it would keep the file open.
    logging.getLogger("arcrun_auth").info("the trail was not written: %s", str(error))
