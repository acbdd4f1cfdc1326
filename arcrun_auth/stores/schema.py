"""`secrets.db` as a file: SQLite, its tables, its pragmas, its header in and out.

Rows of `rec` tell the number, kind, size and age of records, and nothing of their names.
It is a rowid table: `WITHOUT ROWID` takes more than twice the room at 1.5 KB a record.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time

from arcrun_auth.errors import StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.stores import private, slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

APPLICATION_ID = 0x41524352
"""`ARCR`: how `file` and we know that a SQLite file is a vault."""
BUSY_SECONDS = 10.0
"""How long do we wait for another process to end its write?"""

_SCHEMA = """
CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL);
CREATE TABLE slot(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, params BLOB NOT NULL,
                  nonce BLOB NOT NULL, wrapped BLOB NOT NULL);
CREATE TABLE rec(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,
                 epoch INTEGER NOT NULL, gen INTEGER NOT NULL, nonce BLOB NOT NULL,
                 ct BLOB NOT NULL, tomb INTEGER NOT NULL DEFAULT 0);
CREATE TABLE quarantine(n INTEGER PRIMARY KEY, at REAL NOT NULL, id BLOB, kind TEXT,
                        epoch INTEGER, gen INTEGER, nonce BLOB, ct BLOB);
"""

_BUSY = 5  # SQLITE_BUSY
_CORRUPT = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
_WORDS = {
    _BUSY: "another process has been writing for too long (SQLITE_BUSY)",
    8: "it cannot be written (SQLITE_READONLY)",
    10: "the disk failed (SQLITE_IOERR)",
    13: "the disk is full (SQLITE_FULL)",
    14: "it cannot be opened (SQLITE_CANTOPEN)",
}


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for an error of the module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_corrupt(error: sqlite3.Error) -> bool:
    return _code(error) in _CORRUPT


def translated(error: sqlite3.Error, path: str) -> StoreError:
    """A database error as one of ours; what the file held before is untouched."""
    code = _code(error)
    if code in _CORRUPT:
        return StoreCorrupt(
            f"The vault {path} is damaged where this record lies; the others can be read.",
            hint="arcrun vault export saves what is readable; then arcrun vault status",
        )
    what = _WORDS.get(code, f"SQLite says {type(error).__name__} {code}")
    return StoreError(
        f"The vault {path} failed: {what}. What it held is untouched.",
        hint="arcrun doctor",
    )


def open_file(path: str) -> sqlite3.Connection:
    """A connection to an existing vault, for reading. Its files are checked first."""
    for name in (f"{path}-wal", f"{path}-shm"):
        private.check_file(name)
    from arcrun_auth.catalog.index import uri  # urllib costs more than opening the file

    connection = sqlite3.connect(
        uri(path, mode="rw"),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def set_journal(connection: sqlite3.Connection, mode: str, patience: float = BUSY_SECONDS) -> str:
    """Sets the journal mode, which stays in the file, and says which one it has then.

    SQLite does not wait for another that does so just now, whatever its timeout: the change makes
    a lock that it holds a greater one (sqlite3_busy_handler). So we do, for `patience` seconds.
    """
    end = time.monotonic() + patience
    while True:
        try:
            (found,) = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()
        except sqlite3.Error as error:
            if _code(error) != _BUSY or time.monotonic() > end:
                raise
        else:
            return str(found)
        time.sleep(0.01)


def prepare_writing(connection: sqlite3.Connection, path: str) -> None:
    """What makes a commit durable: before the first write of a connection."""
    from arcrun_auth.locks import network_filesystem

    # A write-ahead log needs shared memory, which no network file system gives.
    wanted = "delete" if network_filesystem(path) else "wal"
    mode = set_journal(connection, wanted)
    if mode != wanted and mode not in ("delete", "wal"):
        raise StoreError(f"The vault {path} keeps no durable journal here (it says {mode!r}).")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA checkpoint_fullfsync=ON")
    connection.execute("PRAGMA secure_delete=ON")


def damaged(path: str, what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The vault {path} is damaged: {what}. Nothing was deleted.",
        hint="restore an export beside it: arcrun vault import secrets.enc",
    )


def load_header(connection: sqlite3.Connection, path: str) -> tuple[slots.Header, bytes]:
    """The header and its MAC, checked for damage but not yet for forgery.

    StoreError if the file is no vault of ours or a newer one, StoreCorrupt if damaged.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite file, but no vault.", hint="move it elsewhere")
    if version != slots.FORMAT:
        raise StoreLocked(
            f"The vault {path} has format {version}; this version reads {slots.FORMAT}.",
            hint="pip install -U arcrun-auth",
        )
    try:  # the database's own message is no UTF-8 where it quotes a damaged schema: ValueError
        meta = dict(connection.execute("SELECT k, v FROM meta"))
        rows = connection.execute("SELECT id, kind, params, nonce, wrapped FROM slot ORDER BY id")
        header = _decode(meta, list(rows))
        sound = meta["sum"] == header.checksum
        mac = meta["header_mac"]
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise damaged(path, "its header was changed")
    return header, mac


def _decode(meta: dict[str, Any], rows: list[tuple[Any, ...]]) -> slots.Header:
    return slots.Header(
        vault_id=meta["vault_id"].decode(),
        epoch=int(meta["epoch"]),
        slots=[
            slots.Slot(kind, json.loads(params), nonce, wrapped, number)
            for number, kind, params, nonce, wrapped in rows
        ],
        details=json.loads(meta["header"]),
        previous=meta.get("previous", b""),
    )


def save_header(connection: sqlite3.Connection, header: slots.Header, mac: bytes) -> None:
    """Replace the header. Within the caller's transaction."""
    meta = {
        "magic": b"arcrun vault",
        "vault_id": header.vault_id.encode(),
        "epoch": b"%d" % header.epoch,
        "header": slots.canonical(header.details),
        "sum": header.checksum,
        "header_mac": mac,
        **({"previous": header.previous} if header.previous else {}),
    }
    connection.execute("DELETE FROM meta")
    connection.executemany("INSERT INTO meta(k, v) VALUES (?, ?)", meta.items())
    connection.execute("DELETE FROM slot")
    connection.executemany(
        "INSERT INTO slot(id, kind, params, nonce, wrapped) VALUES (?, ?, ?, ?, ?)",
        [
            (slot.number, slot.kind, slots.canonical(slot.params), slot.nonce, slot.wrapped)
            for slot in header.slots
        ],
    )


def create_file(path: str, header: slots.Header, mac: bytes) -> bool:
    """A new vault, complete before it has its name. False if somebody else made one first."""
    private.ensure_folder(os.path.dirname(path))
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        os.close(private.create(temporary))
        connection = open_file(temporary)
        try:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={slots.FORMAT}")
            prepare_writing(connection, temporary)
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
            save_header(connection, header, mac)
            connection.execute("COMMIT")
        finally:
            connection.close()
        return take_name(temporary, path)
    except sqlite3.Error as error:
        raise translated(error, path) from None
    except OSError as error:
        raise StoreError(f"The vault {path} cannot be made: {error.strerror}.") from None
    finally:
        for name in (temporary, f"{temporary}-wal", f"{temporary}-shm"):
            if os.path.lexists(name):
                os.unlink(name)


def take_name(temporary: str, path: str) -> bool:
    try:
        os.link(temporary, path)  # unlike a rename, never over an existing file
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        os.rename(temporary, path)
    private.sync_folder(os.path.dirname(path))
    return True


def set_aside(path: str, mark: str = "corrupt") -> str:
    """Rename a file that is no database of ours any more, with its log; its new name."""
    from time import strftime

    aside = f"{path}.{mark}-{strftime('%Y%m%dT%H%M%S')}-{os.urandom(2).hex()}"
    for suffix in ("-wal", ""):
        if os.path.lexists(path + suffix):
            os.replace(path + suffix, aside + suffix)
    return aside


def aside_files(path: str, mark: str = "corrupt") -> list[str]:
    """Files that were set aside, and that nobody has decided about yet."""
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [n for n in names if n.startswith(f"{name}.{mark}-") and not n.endswith("-wal")]
    return sorted(os.path.join(folder, n) for n in found)
