"""The vault: `secrets.db`, one sealed record per credential, opened by one key.

Nothing is touched before the first call; a vault is made at the first `put`. One
connection per process, guarded by a lock: reading takes well under a millisecond, and
whoever reads often keeps the token in memory. A forked child opens its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from _thread import RLock

from arcrun_auth.errors import StoreCorrupt, StoreError
from arcrun_auth.seal import SealBroken
from arcrun_auth.stores import forks, private, schema
from arcrun_auth.stores.base import Store
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import conflict, stamped
from arcrun_auth.tokens import Credential, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from arcrun_auth.seal import MasterKey
    from arcrun_auth.stores.slots import Header

_FIND = """
SELECT m.v, r.n, r.epoch, r.gen, r.nonce, r.ct FROM meta m
LEFT JOIN rec r ON r.id IN (?, ?) WHERE m.k = 'header_mac'
"""


class HeaderChanged(Exception):  # noqa: N818 - a signal to start over, never seen outside
    """Another process changed slots or rotated the key since we read the header."""


class Session:
    """What one process holds while the vault is open. `lock` guards all of it."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.connection: sqlite3.Connection | None = None
        self.inode: tuple[int, int] | None = None
        self.header: Header | None = None
        self.mac = b""
        self.master: MasterKey | None = None
        self.previous: MasterKey | None = None
        self.source = ""
        self.can_write = False

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = self.header = self.master = self.previous = None
        self.mac, self.can_write = b"", False

    def key_of(self, epoch: int) -> MasterKey:
        for key in (self.master, self.previous):
            if key is not None and key.epoch == epoch:
                return key
        raise SealBroken("no key of that epoch")

    def ids(self, key: Key) -> tuple[bytes, bytes]:
        """Where its record may lie: under this key, or, while rotating, the one before."""
        assert self.master is not None
        current = self.master.record_id(*key.parts)
        return current, self.previous.record_id(*key.parts) if self.previous else current


class Vault(Store):
    """The credentials in `path`, sealed under a key that `keys` finds.

    Safe from several threads and processes, and after a fork. Errors are those of the
    contract: StoreLocked, StoreCorrupt, StoreConflict, NoStore (no way to keep a new
    vault's key), StoreError.
    """

    name = "vault"

    def __init__(
        self, path: str, *, keys: Keys | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = os.path.abspath(path)
        self.key_sources = keys or Keys()
        self._clock = clock
        # By generation of fork: a child neither uses nor closes what its parent opened.
        self._sessions: dict[int, Session] = {}

    # -- The contract -------------------------------------------------------------------

    def get(self, key: Key) -> Credential | None:
        def read(session: Session) -> Credential | None:
            row = self._find(session, key)
            return None if row is None else self._open_record(session, key, row)

        return self._run(read, absent=lambda: None)

    def put(self, record: Credential, *, expect: int) -> Credential:
        def write(session: Session) -> Credential:
            row = self._expect(session, record.key, expect)
            stored = stamped(record, expect=expect, now=self._clock())
            _write_record(session, stored, None if row is None else row[0])
            return stored

        def absent() -> Credential:
            if expect:
                raise conflict(record.key, expected=expect, found=0)
            self.create()
            return self._run(write, writing=True)

        return self._run(write, writing=True, absent=absent)

    def delete(self, key: Key, *, expect: int) -> None:
        def remove(session: Session) -> None:
            row = self._expect(session, key, expect)
            if row is not None:
                connection_of(session).execute("DELETE FROM rec WHERE n = ?", (row[0],))

        def absent() -> None:
            if expect:
                raise conflict(key, expected=expect, found=0)

        self._run(remove, writing=True, absent=absent)

    def keys(self) -> Iterator[Key]:
        return (record.key for record in self.records())

    def records(self) -> Iterator[Credential]:
        """Every record that can be read; damaged ones are left for `get` to report."""
        from arcrun_auth.stores.upkeep import readable

        return iter(self._run(readable, absent=list))

    def why_not(self) -> str | None:
        from arcrun_auth.stores.upkeep import why_not

        return why_not(self)

    def close(self) -> None:
        session = self._sessions.pop(forks.generation, None)
        if session is not None:
            with session.lock:
                session.close()

    # -- Its keys: the cold part lives in upkeep.py --------------------------------------

    def create(self) -> None:
        """Make the vault with its first slot. StoreError if there is one, NoStore if no key."""
        from arcrun_auth.stores.create import create

        create(self)

    # -- Sessions ------------------------------------------------------------------------

    def _session(self) -> Session:
        current = self._sessions.get(forks.generation)
        return current or self._sessions.setdefault(forks.generation, Session())

    def _run[T](
        self,
        work: Callable[[Session], T],
        *,
        writing: bool = False,
        absent: Callable[[], T] | None = None,
    ) -> T:
        raise NotImplementedError
