"""What the rows found beside their figures: each a rule of its own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Secret
from tests import canary
from tests.faults import writer
from tests.faults.desk import GUARD
from tests.faults.test_crashes import ENVIRON, WRITER

pytestmark = pytest.mark.fault


def test_a_secret_of_this_call_is_never_replaced_by_the_stored_one(desk) -> None:
    """After a 401 too: the request would go out as somebody else."""
    desk.provider.static_key = f"demo_{canary.fresh()}"
    desk.broker.setup("keyed", key=desk.provider.static_key)
    with desk.broker.bind("keyed", secret={"key": canary.fresh("wrong")}) as client:
        assert client.get("/static").status_code == 401


@pytest.mark.parametrize(
    "column", ["meta.k", "meta.v", "slot.kind", "slot.params", "rec.nonce", "rec.ct", "rec.gen"]
)
def test_text_that_is_no_utf8_is_damage_like_any_other(tmp_path, column) -> None:
    """One flipped bit makes it of a text, or of a blob."""
    path = str(tmp_path / "home" / "secrets.db")
    subprocess.run(
        [*WRITER, path, "1"], stdout=subprocess.DEVNULL, env=ENVIRON, check=True, timeout=GUARD
    )
    table, name = column.split(".")
    # A snowman without its end: `where` keeps one row of a table with a unique column.
    with contextlib.closing(sqlite3.connect(path)) as connection:
        where = "rowid = (SELECT min(rowid) FROM " + table + ")"
        connection.execute(f"UPDATE {table} SET {name} = CAST(x'E298' AS TEXT) WHERE {where}")
        connection.commit()
    vault = Vault(path, keys=writer.keys())
    with pytest.raises(StoreError):
        vault.get(writer.key(writer.NAMES[0]))
    vault.close()


def test_a_flipped_bit_in_the_schema_is_damage_like_any_other(tmp_path) -> None:
    """SQLite's own message quotes it, and is no UTF-8 then."""
    path = tmp_path / "home" / "secrets.db"
    subprocess.run(
        [*WRITER, str(path), "1"], stdout=subprocess.DEVNULL, env=ENVIRON, check=True, timeout=GUARD
    )
    data = path.read_bytes()
    assert b"sqlite_autoindex_rec_1" in data
    path.write_bytes(data.replace(b"sqlite_autoindex_rec_1", b"sqlite_auto\xe9ndex_rec_1"))
    vault = Vault(str(path), keys=writer.keys())
    with pytest.raises(StoreError):
        vault.get(writer.key(writer.NAMES[0]))
    vault.close()


@pytest.mark.parametrize(
    ("sound", "damaged"),
    [
        (b'"base_url"', b'"case_url"'),
        (b"CREATE TABLE alias", b"CRE\xc1TE TABLE alias"),
        (b'"base_url":"http://127.0.0.1', b'"base_url":"http://127.0.0.3'),
    ],
)
def test_a_damaged_index_of_recipes_is_built_anew_or_told(desk, sound, damaged) -> None:
    """It says where a secret goes; consent is compared with a digest that stands beside it."""
    catalog = desk.broker.recipes
    right = repr(catalog.recipe("demo"))
    catalog.close()
    path = os.path.join(desk.home, "recipes", "index.db")
    with open(path, "rb+") as file:
        data = file.read()
        assert sound in data
        file.seek(0)
        file.write(data.replace(sound, damaged))
    try:
        found = repr(catalog.recipe("demo"))
    except AuthError:
        return
    assert found == right


BEGIN = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0.2, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    print("locked")
else:
    print("two writers")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and locks")
def test_closing_a_mode_leaves_the_locks_of_this_process_alone(tmp_path) -> None:
    """fcntl(2): closing any descriptor of a file ends all locks of the process on it."""
    path = str(tmp_path / "home" / "secrets.db")
    vault, other = (Vault(path, keys=writer.keys()) for _ in range(2))
    vault.put(Credential(writer.key("ada"), secrets={"s": Secret("x")}), expect=0)

    def while_writing(_: object) -> str:
        for suffix in ("", "-wal", "-shm"):
            os.chmod(path + suffix, 0o644)
        assert other.get(writer.key("ada"))
        assert not any(os.stat(path + end).st_mode & 0o077 for end in ("", "-wal", "-shm"))
        words = [sys.executable, "-c", BEGIN, path]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert vault.run(while_writing, writing=True) == "locked\n"
    vault.close()
    other.close()
