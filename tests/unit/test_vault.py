"""The vault on a real disk: its files, its errors, what damage and other processes do to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from arcrun_auth.errors import NoStore, StoreConflict, StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.stores import schema, upkeep
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from tests.unit.stores_kit import NOTION, env_keys, no_keyring, record, vault_at

KEY = b"\x07" * 32


@pytest.fixture
def vault(tmp_path):
    found = vault_at(tmp_path, env_keys(KEY))
    yield found
    found.close()


def again(vault):
    return Vault(vault.path, keys=env_keys(KEY))


def edit(vault, sql, *values):
    vault.close()
    connection = sqlite3.connect(vault.path)
    with connection:
        connection.execute(sql, values)
    connection.close()


def test_nothing_is_touched_before_the_first_put(vault, tmp_path):
    assert vault.get(NOTION) is None
    assert list(vault.keys()) == []
    assert vault.why_not() is None
    vault.delete(NOTION, expect=0)
    with pytest.raises(StoreConflict):
        vault.put(record(), expect=3)
    with pytest.raises(StoreConflict):
        vault.delete(NOTION, expect=3)
    assert list(tmp_path.iterdir()) == []


def test_another_object_reads_what_was_written(vault):
    vault.put(record(), expect=0)
    assert again(vault).get(NOTION).secrets["token"].reveal() == "canary"


def test_no_name_and_no_secret_lies_in_the_files(vault):
    vault.put(record(secret="canary-1", identity="ann@example.com"), expect=0)
    folder = os.path.dirname(vault.path)
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        assert not any(word in data for word in (b"canary-1", b"notion", b"example.com"))


def test_whatever_the_umask_only_the_owner_can_read(vault):
    before = os.umask(0)
    try:
        vault.put(record(), expect=0)
    finally:
        os.umask(before)
    folder = os.path.dirname(vault.path)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    names = os.listdir(folder)
    assert {"secrets.db", "secrets.db-wal", "secrets.db-shm"} <= set(names)
    for name in names:
        assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name


def test_looser_modes_are_repaired(vault):
    vault.put(record(), expect=0)
    os.chmod(vault.path, 0o644)
    os.chmod(os.path.dirname(vault.path), 0o755)
    again(vault).get(NOTION)
    assert stat.S_IMODE(os.stat(vault.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(vault.path)).st_mode) == 0o700


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_planted_link_is_refused_and_its_target_unchanged(vault, tmp_path, suffix):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.makedirs(os.path.dirname(vault.path))
    if suffix:
        vault.put(record(), expect=0)
        vault.close()
    os.symlink(victim, vault.path + suffix)
    with pytest.raises(StoreError, match="link"):
        vault.put(record(), expect=0)
    assert victim.read_text() == "mine"


def test_a_vault_of_somebody_else_is_refused(vault, monkeypatch):
    vault.put(record(), expect=0)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(StoreError, match="another user"):
        again(vault).get(NOTION)


def test_a_shared_folder_is_no_place_for_a_vault(tmp_path):
    shared = tmp_path / "home"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(StoreError, match="many users share"):
        vault_at(tmp_path).put(record(), expect=0)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_a_commit_is_durable(vault):
    vault.put(record(), expect=0)
    connection = vault.session().connection
    for pragma, value in [
        ("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1), ("trusted_schema", 0),
        ("fullfsync", 1), ("application_id", schema.APPLICATION_ID), ("user_version", 1),
    ]:  # fmt: skip
        assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,), pragma
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (10000,)


def test_a_network_file_system_gets_no_shared_memory_log(vault, monkeypatch):
    monkeypatch.setattr("arcrun_auth.locks.network_filesystem", lambda path: "nfs4")
    vault.put(record(), expect=0)
    assert upkeep.status(vault)["journal"] == "delete"


def test_an_unknown_field_survives(vault):
    vault.put(record(extra={"from_the_future": {"a": 1}}), expect=0)
    assert again(vault).get(NOTION).extra == {"from_the_future": {"a": 1}}


def test_half_a_character_of_a_provider_costs_nothing_beside_it(vault):
    vault.put(record(identity="\ud800"), expect=0)  # JSON may hold "\ud800": RFC 8259 §8.2
    found = again(vault).get(NOTION)
    assert found.identity == "\ud800"
    assert found.secrets["token"].reveal() == "canary"


def test_a_record_in_a_newer_shape_is_told_and_kept(vault, monkeypatch):
    monkeypatch.setattr(
        "arcrun_auth.stores.vault.dump_record", lambda record: b'{"key": ["a"], "new": 1}'
    )
    vault.put(record(), expect=0)
    with pytest.raises(StoreError, match="newer version"):
        vault.get(NOTION)
    assert vault.status()["quarantined"] == 0


def test_a_newer_format_is_refused(vault):
    vault.put(record(), expect=0)
    edit(vault, "PRAGMA user_version=2")
    with pytest.raises(StoreError, match="format 2") as caught:
        vault.get(NOTION)
    assert "pip install" in caught.value.hint


def test_another_sqlite_file_is_left_alone(vault):
    os.makedirs(os.path.dirname(vault.path))
    sqlite3.connect(vault.path).execute("CREATE TABLE t(x)").connection.close()
    with pytest.raises(StoreError, match="no vault"):
        vault.get(NOTION)
    assert schema.aside_files(vault.path) == []


# -- Damage (R19) ------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["nonce", "ct", "gen", "epoch"])
def test_a_damaged_record_is_set_aside_and_the_others_stay_readable(vault, column):
    for name in ("notion", "github"):
        vault.put(record(name), expect=0)
    value = {"nonce": b"x" * 12, "ct": b"x" * 160}.get(column, 7)
    record_id = vault.session().master.record_id(*NOTION.parts)
    edit(vault, f"UPDATE rec SET {column} = ? WHERE id = ?", value, record_id)
    with pytest.raises(StoreCorrupt, match="set aside") as caught:
        vault.get(NOTION)
    assert caught.value.service == "notion"
    assert "arcrun setup notion" in caught.value.hint
    assert [key.account for key in vault.keys()] == ["github"]
    assert vault.status()["quarantined"] == 1
    assert vault.get(NOTION) is None
    assert vault.put(record(), expect=0).generation == 1


def test_two_swapped_records_are_both_refused(vault):
    for name in ("notion", "github"):
        vault.put(record(name), expect=0)
    rows = vault.session().connection.execute("SELECT n, nonce, ct FROM rec").fetchall()
    for number, nonce, sealed in rows:
        edit(vault, "UPDATE rec SET nonce = ?, ct = ? WHERE n = ?", nonce, sealed, 3 - number)
    assert list(vault.keys()) == []
    for name in ("notion", "github"):
        with pytest.raises(StoreCorrupt):
            vault.get(record(name).key)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400])
def test_a_file_that_is_no_database_is_renamed_and_never_taken_for_empty(vault, content):
    vault.put(record(), expect=0)
    vault.close()
    with open(vault.path, "wb") as file:
        file.write(content)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="nothing was deleted") as caught:
            vault.get(NOTION)
        assert "arcrun vault" in caught.value.hint
    with pytest.raises(StoreCorrupt):
        vault.put(record(), expect=0)
    (aside,) = vault.status()["set_aside"]
    with open(aside, "rb") as file:
        assert file.read() == content
    vault.create()
    assert vault.put(record(), expect=0).generation == 1


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE meta SET v = x'00' WHERE k = 'epoch'",
        "UPDATE meta SET v = 'x' WHERE k = 'header'",
        "UPDATE slot SET params = '{}'",
        "UPDATE slot SET wrapped = x'0011'",
        "DELETE FROM slot",
        "DELETE FROM meta WHERE k = 'header_mac'",
    ],
)
def test_a_changed_header_is_refused(vault, sql):
    vault.put(record(), expect=0)
    edit(vault, sql)
    with pytest.raises(StoreCorrupt, match="header"):
        again(vault).get(NOTION)


def test_a_forged_header_with_a_right_checksum_is_refused(vault):
    vault.put(record(), expect=0)
    session = vault.session()
    header = session.header
    weaker = upkeep.with_slots(header, [*header.slots])
    weaker.details = {**header.details, "minor": 99}
    session.connection.execute("BEGIN")
    schema.save_header(session.connection, weaker, session.mac)
    session.connection.execute("COMMIT")
    with pytest.raises(StoreCorrupt, match="without its key"):
        again(vault).get(NOTION)


def test_random_bit_flips_never_give_a_wrong_plain_text(vault, tmp_path):
    import random

    for number in range(40):
        vault.put(record(f"s{number}", secret=f"secret-{number}"), expect=0)
    vault.close()
    with open(vault.path, "rb") as file:
        sound = file.read()
    dice = random.Random(7)
    wrong = opened = 0
    for turn in range(60):
        folder = tmp_path / f"f{turn}"
        folder.mkdir(mode=0o700)
        damaged = bytearray(sound)
        bit = dice.randrange(len(damaged) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / "secrets.db").write_bytes(damaged)
        other = Vault(str(folder / "secrets.db"), keys=env_keys(KEY))
        for number in range(40):
            try:
                found = other.get(record(f"s{number}").key)
            except StoreError:
                continue
            opened += found is not None
            wrong += found is not None and found.secrets["token"].reveal() != f"secret-{number}"
        other.close()
    assert wrong == 0
    assert opened > 60 * 40 * 0.8


# -- Other threads, processes and forks -----------------------------------------------------


def test_threads_share_one_vault(vault):
    vault.put(record(), expect=0)

    def work(number):
        name = f"s{number}"
        vault.put(record(name, secret=name), expect=0)
        return vault.get(record(name).key).secrets["token"].reveal() == name

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))
    assert len(list(vault.keys())) == 65


def test_a_forked_child_opens_its_own(vault):
    vault.put(record(), expect=0)
    pid = os.fork()
    if pid == 0:
        try:
            vault.put(record("child"), expect=0)
            vault.close()
            os._exit(0 if vault.get(NOTION) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert vault.put(record("after"), expect=0).generation == 1
    assert {key.account for key in vault.keys()} == {"notion", "child", "after"}


_PROGRAM = """
import sys
from arcrun_auth.errors import StoreConflict
from tests.unit.stores_kit import *
vault = Vault(sys.argv[1], keys=env_keys(b"\\x07" * 32))
print("up", flush=True)
for number in range(int(sys.argv[2])):
    while True:
        held = vault.get(NOTION)
        try:
            stored = vault.put(record(secret=str(number)), expect=held.generation if held else 0)
            break
        except StoreConflict:
            pass
    print(stored.generation, flush=True)
"""


def start(vault, count):
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, vault.path, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_make_a_vault_at_once_lose_no_write(vault):
    running = [start(vault, 10) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0].split()[1:] for process in running]
    assert sorted(int(n) for output in outputs for n in output) == list(range(1, 41))
    assert vault.get(NOTION).generation == 40
    assert os.listdir(os.path.dirname(vault.path)).count("secrets.db") == 1


def test_killed_at_any_moment_what_was_acknowledged_is_there(vault):
    for lines in (1, 2, 5, 17):
        process = start(vault, 100000)
        seen = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].splitlines(keepends=True)
        acked = [int(n) for n in (*seen, *rest)[1:] if n.endswith("\n")]
        found = again(vault).get(NOTION)
        assert (found.generation if found else 0) >= max(acked, default=0)
    assert not [n for n in os.listdir(os.path.dirname(vault.path)) if "corrupt" in n]


def test_a_vault_put_in_place_of_another_is_noticed(vault, tmp_path):
    vault.put(record(secret="old"), expect=0)
    other = vault_at(tmp_path / "b", env_keys(KEY))
    other.put(record(secret="new"), expect=0)
    other.close()
    os.replace(other.path, vault.path)
    for suffix in ("-wal", "-shm"):
        os.unlink(vault.path + suffix)
    assert vault.get(NOTION).secrets["token"].reveal() == "new"


def test_a_write_that_fails_leaves_the_old_record(vault):
    vault.put(record(secret="old"), expect=0)
    vault.session().connection.execute("PRAGMA max_page_count=1")
    with pytest.raises(StoreError, match="full") as caught:
        vault.put(record(secret="x" * 100_000), expect=1)
    assert caught.value.hint == "arcrun doctor"
    assert again(vault).get(NOTION).secrets["token"].reveal() == "old"


def test_with_no_key_and_nobody_to_ask_no_vault_is_made(tmp_path):
    vault = vault_at(tmp_path, Keys(environ={}, keyring=no_keyring))
    assert "switched off" in vault.why_not()
    with pytest.raises(NoStore, match="nobody can be asked") as caught:
        vault.put(record(), expect=0)
    assert "ARCRUN_MASTER_KEY_FILE" in caught.value.hint
    assert not os.path.exists(vault.path)


def test_without_its_key_a_vault_is_locked(vault):
    vault.put(record(), expect=0)
    other = Vault(vault.path, keys=Keys(environ={}, keyring=no_keyring))
    with pytest.raises(StoreLocked, match="slots: key"):
        other.get(NOTION)
    assert "locked" in other.why_not()
    status = other.status()
    assert (status["records"], status["opened_by"]) == (1, None)


def test_its_status_says_where_and_how_and_no_secret(vault):
    vault.put(record(), expect=0)
    status = vault.status()
    assert status["slots"] == [{"number": 1, "kind": "key"}]
    assert status["opened_by"] == "key: ARCRUN_MASTER_KEY"
    assert (status["why_not"], status["rotating"], status["epoch"]) == (None, False, 1)
    assert "canary" not in repr(status)


def test_a_second_vault_is_not_made_over_the_first(vault):
    vault.put(record(), expect=0)
    with pytest.raises(StoreError, match="already"):
        vault.create()
