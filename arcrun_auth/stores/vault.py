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
from hmac import compare_digest

from arcrun_auth import forks
from arcrun_auth.errors import StoreCorrupt, StoreError
from arcrun_auth.seal import SealBroken
from arcrun_auth.stores import private, schema
from arcrun_auth.stores.base import Store
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import conflict, stamped
from arcrun_auth.tokens import Credential, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    from arcrun_auth.seal import MasterKey
    from arcrun_auth.stores.slots import Header

    T = TypeVar("T")

_FIND = """
SELECT m.v, r.n, r.epoch, r.gen, r.nonce, r.ct FROM meta m
LEFT JOIN rec r ON r.id IN (?, ?) WHERE m.k = 'header_mac'
"""

_PROTECTED_BY = ("key", "keyring", "passphrase")  # what is told when something was saved
_TRIES = 5
"""How often may the header change under one call? Each time is somebody's command."""


class HeaderChanged(Exception):
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
        self.generation = forks.generation

    def __del__(self) -> None:
        # Nobody has to close a vault: each write is on disk when it is acknowledged. A copy
        # that was refused half-way (`copy.deepcopy`) has nothing to close.
        if getattr(self, "generation", None) == forks.generation:
            self.close()

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

        return self.run(read, absent=lambda: None)

    def put(self, record: Credential, *, expect: int) -> Credential:
        return self.adopt(stamped(record, expect=expect, now=self._clock()), expect=expect)

    def put_all(self, records: Sequence[Credential]) -> list[Credential]:
        from arcrun_auth.stores.upkeep import put_all

        return put_all(self, records, now=self._clock())

    def adopt(self, stored: Credential, *, expect: int) -> Credential:
        """As `put`, but with the generation and times that `stored` has: for an import."""

        def write(session: Session) -> Credential:
            row = self.held(session, stored.key, expect)
            write_record(session, stored, None if row is None else row[0])
            return stored

        def absent() -> Credential:
            if expect:
                raise conflict(stored.key, expected=expect, found=0)
            from arcrun_auth.stores.create import create

            create(self)
            return self.run(write, writing=True)

        return self.run(write, writing=True, absent=absent)

    def delete(self, key: Key, *, expect: int) -> None:
        def remove(session: Session) -> None:
            row = self.held(session, key, expect)
            if row is not None:
                connection_of(session).execute("DELETE FROM rec WHERE n = ?", (row[0],))

        def absent() -> None:
            if expect:
                raise conflict(key, expected=expect, found=0)

        self.run(remove, writing=True, absent=absent)

    def keys(self) -> Iterator[Key]:
        return (record.key for record in self.records())

    def records(self) -> Iterator[Credential]:
        """Every record that can be read; damaged ones are left for `get` to report."""
        from arcrun_auth.stores.upkeep import readable

        return iter(self.run(readable, absent=list))

    @property
    def description(self) -> str:
        way = self.session().source.partition(":")[0]
        return f"{way}-protected {self.name}" if way in _PROTECTED_BY else self.name

    def prepare(self) -> None:
        from arcrun_auth.stores.create import prepare

        self.run(lambda _: None, writing=True, absent=lambda: prepare(self))

    def why_not(self) -> str | None:
        from arcrun_auth.stores.upkeep import why_not

        return why_not(self)

    def close(self) -> None:
        session = self._sessions.pop(forks.generation, None)
        if session is not None:
            with session.lock:
                session.close()

    # -- Making it, looking at it: the cold parts live in modules of their own ----------
    def create(self) -> None:
        """Make the vault with its first slot. StoreError if there is one, NoStore if no key."""
        from arcrun_auth.stores.create import create

        if os.path.lexists(self.path):
            raise StoreError(
                f"There is a vault at {self.path} already.", hint="arcrun vault status"
            )
        create(self)

    def status(self) -> dict[str, Any]:
        """Where it is, what opens it, how many records: for people. Never prompts, no secrets."""
        from arcrun_auth.stores.upkeep import status

        return status(self)

    # -- Sessions ------------------------------------------------------------------------
    def session(self) -> Session:
        """This process's session, open or not. Hold its `lock` before you touch it."""
        current = self._sessions.get(forks.generation)
        return current or self._sessions.setdefault(forks.generation, Session())

    def run(
        self,
        work: Callable[[Session], T],
        *,
        writing: bool = False,
        absent: Callable[[], T] | None = None,
    ) -> T:
        """`work` on the open vault, in a write transaction if `writing`; `absent` if none is.

        `work` is called again where another process changed the header meanwhile.
        """
        session = self.session()
        with session.lock:
            try:
                for _ in range(_TRIES):
                    if not self._ready(session):
                        return self._absent(absent)
                    try:
                        return _transact(session, work, self.path) if writing else work(session)
                    except HeaderChanged:
                        self._load(session)
            except sqlite3.Error as error:
                raise schema.translated(error, self.path) from None
        raise StoreError(f"The vault {self.path} is being changed all the time.", hint="try again")

    def _ready(self, session: Session) -> bool:
        """Open and unlocked, on the file that has the name now; False if there is none."""
        try:
            status = private.check_file(self.path)
        except OSError as error:
            raise StoreError(f"The vault {self.path} cannot be read: {error.strerror}.") from None
        inode = None if status is None else (status.st_dev, status.st_ino)
        if session.connection is not None and inode != session.inode:
            session.close()  # another vault was put in its place
        if status is None:
            return False
        if session.connection is None:
            private.check_folder(os.path.dirname(self.path))
            if status.st_size == 0:
                raise self._set_aside("it is empty")
            session.connection = schema.open_file(self.path)
            session.inode = inode
            self._load(session)
        return True

    def _load(self, session: Session) -> None:
        connection = connection_of(session)
        try:
            header, mac = schema.load_header(connection, self.path)
            self._unlock(session, header, mac)
        except sqlite3.Error as error:
            session.close()
            if schema.is_corrupt(error):
                raise self._set_aside("it is no readable database") from None
            raise
        except BaseException:
            session.close()
            raise

    def _unlock(self, session: Session, header: Header, mac: bytes) -> None:
        master = session.master
        if master is None or not header.commits_to(master):
            master, session.source = self.key_sources.open(header)
        if not compare_digest(master.header_mac(header.encode()), mac):
            raise schema.damaged(self.path, "its header was changed by somebody without its key")
        try:
            session.previous = (
                master.open_previous(header.previous, epoch=header.epoch - 1)
                if header.previous
                else None
            )
        except SealBroken:
            raise schema.damaged(self.path, "the key of its last rotation is unreadable") from None
        session.header, session.mac, session.master = header, mac, master

    def _absent(self, absent: Callable[[], T] | None) -> T:
        aside = schema.aside_files(self.path)
        if aside:
            raise _still_aside(self.path, aside[-1])
        if absent is None:
            raise StoreError(f"There is no vault at {self.path}.", hint="arcrun vault init")
        return absent()

    def _set_aside(self, what: str) -> StoreCorrupt:
        try:
            aside = schema.set_aside(self.path)
        except OSError:
            return schema.damaged(self.path, what)
        return _still_aside(self.path, aside)

    # -- Records -------------------------------------------------------------------------
    def _find(self, session: Session, key: Key) -> tuple[Any, ...] | None:
        """(n, epoch, generation, nonce, ciphertext) of its row; HeaderChanged if ours is old."""
        row = connection_of(session).execute(_FIND, session.ids(key)).fetchone()
        if row is None or row[0] != session.mac:
            raise HeaderChanged
        return None if row[1] is None else row[1:]

    def held(self, session: Session, key: Key, expect: int) -> tuple[Any, ...] | None:
        row = self._find(session, key)
        found = 0 if row is None else row[2]
        if found != expect:
            raise conflict(key, expected=expect, found=found)
        return row

    def _open_record(self, session: Session, key: Key, row: tuple[Any, ...]) -> Credential:
        number, epoch, generation, nonce, sealed = row
        try:
            master = session.key_of(epoch)
            plain = master.open(
                nonce,
                sealed,
                record_id=master.record_id(*key.parts),
                generation=generation,
                kind=key.kind,
            )
        except (ValueError, TypeError):  # SealBroken, or a column that is of another type now
            from arcrun_auth.stores.upkeep import quarantine

            quarantine(session, number, at=self._clock())
            raise StoreCorrupt(
                f"The vault's record of {key} is damaged. It was set aside; the others are sound.",
                service=key.account,
                hint=f"arcrun setup {key.account}" if key.kind == "credential" else "arcrun doctor",
            ) from None
        return load_record(plain, key)


def load_record(plain: bytes, key: Key) -> Credential:
    """A record out of its plain text; StoreError if a newer version wrote it in another shape."""
    try:
        return Credential.load(json.loads(plain))
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"The record of {key} was written by a newer version.",
            service=key.account,
            hint="pip install -U arcrun-auth",
        ) from None


def dump_record(record: Credential) -> bytes:
    text = json.dumps(record.dump(), ensure_ascii=False, separators=(",", ":"))
    # Half a pair of UTF-16 can stand in a provider's JSON; it must not cost the grant beside it.
    return text.encode(errors="surrogatepass")


def connection_of(session: Session) -> sqlite3.Connection:
    assert session.connection is not None
    return session.connection


def write_record(session: Session, record: Credential, number: int | None) -> None:
    """Seal `record` into row `number`, or a new one. Within the caller's transaction."""
    assert session.master is not None
    record_id = session.master.record_id(*record.key.parts)
    nonce, sealed = session.master.seal(
        dump_record(record),
        record_id=record_id,
        generation=record.generation,
        kind=record.key.kind,
    )
    values = (record_id, record.key.kind, session.master.epoch, record.generation, nonce, sealed)
    if number is None:
        sql = "INSERT INTO rec(id, kind, epoch, gen, nonce, ct) VALUES (?, ?, ?, ?, ?, ?)"
        connection_of(session).execute(sql, values)
    else:
        sql = "UPDATE rec SET id=?, kind=?, epoch=?, gen=?, nonce=?, ct=? WHERE n=?"
        connection_of(session).execute(sql, (*values, number))


def _transact(session: Session, work: Callable[[Session], T], path: str) -> T:
    connection = connection_of(session)
    if not session.can_write:
        schema.prepare_writing(connection, path)
        session.can_write = True
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(session)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _still_aside(path: str, aside: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The vault {path} was damaged; it was renamed to {aside}, and nothing was deleted.",
        hint=f"arcrun vault import secrets.enc, or start anew: arcrun vault init "
        f"(mv {aside} {path} puts it back)",
    )
