"""Making a trail: its file, and its key in the vault."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.audit import Tail, TrailKey, connected, found, key_of, prepare
from arcrun_auth.locks import network_filesystem
from arcrun_auth.stores import private, schema
from arcrun_auth.tokens import Credential, Secret

if TYPE_CHECKING:
    from arcrun_auth.audit import Trail
    from arcrun_auth.stores.vault import Session, Vault

APPLICATION_ID = 0x41524341
"""`ARCA`: how `file` and we know that a SQLite file is a trail."""

FORMAT = 1

_MARK = "unreadable"
"""What stands in the name of a file that is no trail of this vault?"""

PAGE = 1024
"""How many bytes has a page? A line changes two of them, and is short."""

_SCHEMA = """
CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL);
CREATE TABLE entry(n INTEGER PRIMARY KEY, nonce BLOB NOT NULL, ct BLOB NOT NULL);
CREATE TABLE other(device TEXT NOT NULL, trail TEXT NOT NULL, n INTEGER NOT NULL,
                   nonce BLOB NOT NULL, ct BLOB NOT NULL, PRIMARY KEY (device, trail, n));
"""


def begin(vault: Vault, path: str, *, foreign: int | None) -> Trail:
    """A new trail at `path`. A file of the inode `foreign` is set aside first, and stays.

    Where another process was faster it is that one's. Raises StoreError, sqlite3.Error, OSError.
    """
    key, trail = os.urandom(32), os.urandom(16).hex()
    record = Credential(key_of(trail), secrets={"key": Secret(key.hex())}, params={"n": "0"})
    # The key first: a file without one could not be read.
    held = vault.put(record, expect=0)
    made = False

    def make(_: Session) -> bool:
        if os.path.lexists(path) and os.lstat(path).st_ino != foreign:
            return False
        schema.set_aside(path, _MARK)  # of a file that was taken away the log may be left
        _make_file(path, TrailKey(trail, key))
        return True

    try:
        made = vault.run(make, writing=True)  # one process at a time: the vault's lock is ours
    finally:
        if not made:
            vault.delete(held.key, expect=held.generation)
    return found(vault, path)


def aside_files(path: str) -> list[str]:
    """The files that were set aside, and that nobody has taken away since."""
    return schema.aside_files(path, _MARK)


def _make_file(path: str, key: TrailKey) -> None:
    """A new file, complete before it has its name."""
    private.ensure_folder(os.path.dirname(path))
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        os.close(private.create(temporary))
        connection = connected(temporary)
        try:
            prepare(connection)
            connection.execute(f"PRAGMA page_size={PAGE}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORMAT}")
            # A write-ahead log needs shared memory, which no network file system gives.
            mode = "delete" if network_filesystem(path) else "wal"
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
            tail = key.seal_tail(Tail(0, key.genesis))
            rows = [("id", key.id), ("tail", tail)]
            connection.executemany("INSERT INTO meta(k, v) VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        finally:
            connection.close()
        schema.take_name(temporary, path)
    finally:
        for name in (temporary, f"{temporary}-wal", f"{temporary}-shm"):
            if os.path.lexists(name):
                os.unlink(name)
