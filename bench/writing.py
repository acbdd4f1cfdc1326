"""Row 9: a new token, durable when the call returns."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from typing import TYPE_CHECKING

from arcrun_auth.seal import encrypt
from arcrun_auth.tokens import Secret
from bench import place
from bench.board import Goal, Row
from bench.measure import loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 1000


def row_9(runs: int) -> Row:
    """The renewed token of one record among a thousand."""
    row = Row(9, "durable token write at 1,000 records")
    with place.home() as home, contextlib.ExitStack() as stack:
        subjects = {
            "vault": loop(_vault(home, stack)),
            "sqlite FULL + AES-GCM": loop(_bare(home, stack)),
        }
        found = rounds(subjects, runs * 3)
        row.compare("durable token write, 1,000 records", found)
        missing = place.no_secret_service()
        if missing:
            row.notes.append(f"keyring: {missing}")
            return row
        write = stack.enter_context(_keyring(MANY if runs > 3 else 20))
        found = rounds({"vault": subjects["vault"], "keyring set": loop(write)}, runs)
        goals = {"keyring set": Goal(0.2)}
        row.compare("durable token write, 1,000 records", found, goals)
    return row


def _vault(home: place.Home, stack: contextlib.ExitStack) -> Callable[[], object]:
    vault = home.vault()
    stack.callback(vault.close)
    place.fill(vault, [place.grant(), *(place.static_key(n, "token") for n in place.names(MANY))])
    record = vault.get(place.grant().key)
    number = itertools.count()

    def write() -> None:
        nonlocal record
        assert record is not None
        assert record.grant is not None
        token = Secret(f"at_{next(number):0120}")
        renewed = record.replace(grant=record.grant.replace(access_token=token))
        record = vault.put(renewed, expect=record.generation)

    return write


def _bare(home: place.Home, stack: contextlib.ExitStack) -> Callable[[], object]:
    """The least that makes an encrypted row durable."""
    key, number = os.urandom(32), itertools.count()
    connection = sqlite3.connect(os.path.join(home.folder, "bare.db"), isolation_level=None)
    stack.callback(connection.close)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rec(id INTEGER PRIMARY KEY, nonce BLOB, ct BLOB)")

    def sealed() -> tuple[bytes, bytes]:
        record = {"access_token": f"at_{next(number):0120}", "refresh_token": "x" * 123}
        return encrypt(key, json.dumps(record).encode(), b"")

    connection.execute("BEGIN")
    for _ in range(MANY):
        connection.execute("INSERT INTO rec(nonce, ct) VALUES (?, ?)", sealed())
    connection.execute("COMMIT")

    def write() -> None:
        connection.execute("UPDATE rec SET nonce=?, ct=? WHERE id=500", sealed())

    return write


@contextlib.contextmanager
def _keyring(items: int) -> Iterator[Callable[[], object]]:
    """`keyring.set_password` in a Secret Service that holds so many items."""
    from keyring.backends.SecretService import Keyring

    with place.secret_service():
        backend, number = Keyring(), itertools.count()
        for name in place.names(items):
            backend.set_password(name, "token", "x" * 120)
        yield lambda: backend.set_password("svc00000", "token", f"at_{next(number):0120}")
