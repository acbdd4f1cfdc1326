"""A home whose trail is written and tampered with: what the tests of the trail share."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from arcrun_auth.audit import EVERY, path_in
from arcrun_auth.recording import Recorder
from arcrun_auth.settings import Settings
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"k" * 32
START = 1_790_000_000.0


class Clock:
    """Says what it is told; each look at it takes a second."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        self.now += 1
        return self.now


class House:
    """A home with an open vault, and what records there."""

    def __init__(self, folder: Path, name: str = "home") -> None:
        self.home = str(folder / name)
        self.clock = Clock()
        self.open()
        if self.vault.get(Key("credential", "notion")) is None:
            secrets = {"token": Secret(canary.fresh("notion"))}
            self.vault.put(Credential(Key("credential", "notion"), secrets=secrets), expect=0)

    def open(self) -> None:
        """As another process finds it."""
        self.vault = Vault(os.path.join(self.home, "secrets.db"), keys=Keys(key=KEY, environ={}))
        self.vault.get(Key("credential", "notion"))
        self.recorder = Recorder(Settings(self.home, environ={}), self.vault, self.clock)

    def close(self) -> None:
        self.recorder.close()
        self.vault.close()

    @property
    def path(self) -> str:
        return path_in(self.home)

    def write(self, lines: int) -> None:
        for number in range(lines):
            assert self.recorder.note("use", f"service{number % 7}", host="api.example.com")

    def whole(self) -> None:
        """Closed, and all of it in one file."""
        self.close()
        assert not os.path.exists(f"{self.path}-wal")

    def findings(self) -> list[str]:
        """What a check by a new process finds."""
        self.close()
        self.open()
        return [finding.what for finding in self.recorder.verify().findings]

    def sql(self, *statements: str) -> None:
        """What somebody does who has the file, and not its key."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()


TAIL = "meta WHERE k='tail'"


def edit(house: House, other: House, n: int) -> None:
    """One bit of one entry."""
    del other
    with closing(sqlite3.connect(house.path)) as connection, connection:
        (sealed,) = connection.execute("SELECT ct FROM entry WHERE n = ?", (n,)).fetchone()
        changed = bytes([*sealed[:20], sealed[20] ^ 1, *sealed[21:]])
        connection.execute("UPDATE entry SET ct = ? WHERE n = ?", (changed, n))
    connection.close()


def delete(house: House, other: House, n: int) -> None:
    """One entry out of the middle."""
    del other
    house.sql(f"DELETE FROM entry WHERE n = {n}")


def reorder(house: House, other: House, n: int) -> None:
    """Two entries change their places."""
    del other
    house.sql(
        f"UPDATE entry SET n = -1 WHERE n = {n}",
        f"UPDATE entry SET n = {n} WHERE n = {n + 1}",
        f"UPDATE entry SET n = {n + 1} WHERE n = -1",
    )


def insert(house: House, other: House, n: int) -> None:
    """A copy of an entry, after the end."""
    del other
    house.sql(
        "INSERT INTO entry SELECT (SELECT max(n) + 1 FROM entry), nonce, ct "
        f"FROM entry WHERE n = {n}"
    )


def truncate(house: House, other: House, n: int) -> None:
    """All from one entry on."""
    del other
    house.sql(f"DELETE FROM entry WHERE n >= {n}")


def swap_ends(house: House, other: House, n: int) -> None:
    """The ends of two trails, entries and tails, change places."""
    house.sql(
        f"ATTACH '{other.path}' AS o",
        f"CREATE TEMP TABLE t AS SELECT * FROM entry WHERE n >= {n}",
        f"CREATE TEMP TABLE m AS SELECT * FROM {TAIL}",
        f"DELETE FROM entry WHERE n >= {n}",
        f"INSERT INTO entry SELECT * FROM o.entry WHERE n >= {n}",
        "UPDATE main.meta SET v = (SELECT v FROM o.meta WHERE k='tail') WHERE k='tail'",
        f"DELETE FROM o.entry WHERE n >= {n}",
        "INSERT INTO o.entry SELECT * FROM t",
        "UPDATE o.meta SET v = (SELECT v FROM m) WHERE k='tail'",
    )


def roll_back(house: House, other: House, n: int) -> None:
    """The whole file as it was before, which fits itself."""
    del other, n
    house.close()
    older = f"{house.path}.older"
    shutil.copy(house.path, older)
    house.open()
    house.write(EVERY)
    house.whole()
    os.replace(older, house.path)


def take_away(house: House, other: House, n: int) -> None:
    """The file is deleted; the next line begins a new one."""
    del other, n
    os.unlink(house.path)


TAMPERINGS = {
    "edit": (edit,),
    "delete": (delete,),
    "insert or reorder": (insert, reorder),
    "truncate": (truncate, roll_back, take_away),
    "swap of two files' ends": (swap_ends,),
}
"""The five kinds, and the ways each is done."""
