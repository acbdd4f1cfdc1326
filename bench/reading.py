"""Rows 7 and 8: a token that is in memory, and a record that is on disk."""

from __future__ import annotations

import configparser
import contextlib
import io
import itertools
import json
import os
import sqlite3
import tempfile
import warnings
from typing import TYPE_CHECKING

from arcrun_auth.seal import decrypt, encrypt
from arcrun_auth.tokens import Key
from bench import place
from bench.board import Goal, Row
from bench.measure import loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 1000


def row_7(runs: int) -> Row:
    """`get_token` where the token is in memory already."""
    row = Row(7, "warm get_token in this process")
    with place.home() as one, place.home() as many, place.catalog(MANY) as recipes:
        names = place.names(MANY)
        for home, number in ((one, 1), (many, MANY)):
            vault = home.vault()
            place.fill(vault, [place.static_key(n, f"{n}_token") for n in names[:number]])
            vault.close()
        single, full = one.broker(recipes), many.broker(recipes)
        for name in names:
            full.get_token(name)
        first, every = itertools.cycle(names[:1]), itertools.cycle(names)
        single.get_token(names[0])
        subjects = {
            "1,000 services": loop(lambda: full.get_token(next(every)), MANY),
            "1 service": loop(lambda: single.get_token(next(first)), MANY),
        }
        found = rounds(subjects, runs)
        row.compare(
            "warm get_token, 1,000 services", found, {"1 service": Goal(1.2)},
            why="a thousand tokens do not fit into the processor's caches as one does; the figure "
            "itself is far below 5 µs",
        )  # fmt: skip
        subjects = {"1,000 services": subjects["1,000 services"], "msal, cache of 1,000": _msal()}
        with _keyring(row) as read:
            if read:
                subjects["keyring"] = loop(read)
            found = rounds(subjects, runs)
        limit = Goal(5, " µs", absolute=True)
        row.compare("warm get_token, 1,000 services", found, {"msal, cache of 1,000": limit})
        single.close()
        full.close()
    return row


def _msal() -> Callable[[], float]:
    """One look for an access token in a cache of as many, by msal's public interface."""
    from msal import TokenCache

    cache = TokenCache()
    for number in range(MANY):
        cache.add(
            {
                "client_id": f"app{number}",
                "scope": ["read"],
                "token_endpoint": "https://login.example.com/tenant/token",
                "response": {"access_token": "x" * 120, "expires_in": 3600},
            }
        )

    def search() -> None:
        assert next(
            iter(
                cache.search(
                    TokenCache.CredentialType.ACCESS_TOKEN,
                    target=["read"],
                    query={"client_id": f"app{MANY // 2}"},
                )
            )
        )

    return loop(search, 5)


@contextlib.contextmanager
def _keyring(row: Row) -> Iterator[Callable[[], object] | None]:
    """`keyring.get_password` of the Secret Service, with one item in it."""
    missing = place.no_secret_service()
    if missing:
        row.notes.append(f"keyring: {missing}")
        yield None
        return
    from keyring.backends.SecretService import Keyring

    with place.secret_service():
        backend = Keyring()
        backend.set_password("bench", "token", "x" * 40)
        yield lambda: backend.get_password("bench", "token")


def row_8(runs: int) -> Row:
    """Open the store, read one record, close it; the key is at hand."""
    row = Row(8, "cold store read")
    with contextlib.ExitStack() as stack:
        stores = {n: stack.enter_context(_two_stores(n)) for n in (10, MANY, 100 * MANY)}
        for number, (ours, bare) in stores.items():
            found = rounds({"vault": loop(ours, 5), "sqlite + AES-GCM": loop(bare, 5)}, runs)
            row.compare(
                f"cold read, {number:,} records", found, {"sqlite + AES-GCM": Goal(1.5)},
                why="beside the record it reads its key file and the vault's header, unwraps "
                "and derives keys, authenticates the header, and checks owner and modes of files: "
                "five more statements, fifteen more HMACs; a warm read does none of it",
            )  # fmt: skip
        found = rounds(
            {"100,000": loop(stores[100 * MANY][0], 5), "10 records": loop(stores[10][0], 5)}, runs
        )
        row.compare("cold read, 100,000 records", found, {"10 records": Goal(1.2)})
        subjects: dict[str, Callable[[], float]] = {"vault": loop(stores[MANY][0])}
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="arcrun-bench-"))
        for name, make in (("EncryptedKeyring", _alt), ("CryptFileKeyring", _cryptfile)):
            subjects[f"{name}, 1,000"] = loop(_file_keyring(folder, make))
        found = rounds(subjects, min(runs, 15), control=False)
        row.compare("cold read, 1,000 records", found)
    return row


@contextlib.contextmanager
def _two_stores(number: int) -> Iterator[tuple[Callable[[], object], Callable[[], object]]]:
    """A cold read of the vault, and of the least that SQLite and AES-GCM need for it."""
    wanted = place.names(number)[number // 2]
    with place.home() as home:
        vault = home.vault()
        place.fill(vault, (place.static_key(name, "token") for name in place.names(number)))
        vault.close()
        path, key = os.path.join(home.folder, "bare.db"), os.urandom(32)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE rec(id TEXT PRIMARY KEY, nonce BLOB, ct BLOB)")
            connection.executemany(
                "INSERT INTO rec VALUES (?, ?, ?)",
                (
                    (name, *encrypt(key, json.dumps({"token": "x" * 40}).encode(), b""))
                    for name in place.names(number)
                ),
            )

        def ours() -> None:
            vault = home.vault()
            assert vault.get(Key("credential", wanted)) is not None
            vault.close()

        def bare() -> None:
            connection = sqlite3.connect(path)
            sql = "SELECT nonce, ct FROM rec WHERE id = ?"
            nonce, sealed = connection.execute(sql, (wanted,)).fetchone()
            assert json.loads(decrypt(key, nonce, sealed, b""))
            connection.close()

        yield ours, bare


def _alt():
    from keyrings.alt.file import EncryptedKeyring

    return EncryptedKeyring()


def _cryptfile():
    from keyrings.cryptfile.cryptfile import CryptFileKeyring

    return CryptFileKeyring()


def _file_keyring(folder: str, make: Callable[[], object]) -> Callable[[], object]:
    """A cold read of a keyring in one file, of as many items.

    One item is written by the library, the others are copies of its line under other
    names: writing them one by one would take a quarter of an hour.
    """
    path = os.path.join(folder, make.__name__)

    def opened():
        backend = make()
        backend.file_path = path
        backend.keyring_key = "a passphrase for the bench"
        return backend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened().set_password("bench", "token", "x" * 40)
    items = configparser.RawConfigParser()
    items.read(path, encoding="utf-8")
    line = items.get("bench", "token")
    for name in place.names(MANY - 1):
        items.add_section(name)
        items.set(name, "token", line)
    text = io.StringIO()
    items.write(text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.getvalue())

    def read() -> None:
        assert opened().get_password("bench", "token") == "x" * 40

    read()
    return read
