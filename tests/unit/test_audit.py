"""The trail: what is written into it, by whom, and that nothing of it changes unseen."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from arcrun_auth import forks, recording
from arcrun_auth.audit import EVERY, Trail, TrailKey, found, key_of
from arcrun_auth.audit.anchor import Head
from arcrun_auth.audit.making import aside_files
from arcrun_auth.errors import NoStore, StoreError, StoreLocked
from arcrun_auth.recording import Recorder
from arcrun_auth.settings import Settings
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.stores.vault import Vault
from arcrun_auth.sync.identity import stored
from arcrun_auth.tokens import Key
from tests import audit_kit, canary
from tests.audit_kit import KEY, TAMPERINGS, House
from tests.servers import GUARD


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A line waits for as long as it takes: where many write at once that may be a while."""
    monkeypatch.setattr("arcrun_auth.audit.BUSY_SECONDS", GUARD)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


def trail_ids(house):
    return [key.instance for key in house.vault.keys() if key.account == "audit"]


# -- what is written ------------------------------------------------------------------------


def test_lines_are_read_newest_first_with_all_that_they_say(house):
    house.recorder.note("use", "notion")
    house.recorder.note("renew", "google@work", host="oauth2.example.com", result="TokenRefused")
    newest, oldest = house.recorder.entries()
    assert (newest.n, newest.action, newest.name) == (2, "renew", "google@work")
    assert (newest.host, newest.result) == ("oauth2.example.com", "TokenRefused")
    assert (oldest.n, oldest.result, oldest.time) == (1, "ok", newest.time - 2)  # one for its head
    assert house.recorder.entries(since=newest.time) == [newest]


def test_what_a_line_says_is_fit_for_a_terminal(house):
    house.recorder.note("use", "no\x1b[31mtion\u202e")
    assert house.recorder.entries()[0].name == "no[31mtion"


def test_nothing_of_a_line_can_be_read_in_the_files(house):
    house.recorder.note("use", canary.fresh("name"), host=canary.fresh("host"))
    house.close()  # the fixture of every test searches the folder


def test_the_program_is_its_first_word_and_nothing_else(house, monkeypatch):
    monkeypatch.setattr(recording, "_told", None)
    monkeypatch.setattr(sys, "argv", ["/home/ada/bin/backup.py", canary.fresh("argument")])
    house.recorder.note("use", "notion")
    monkeypatch.setattr(sys, "argv", [])
    house.recorder.note("use", "notion")
    recording.declare("arcrun run", use="reveal")
    house.recorder.note("use", "notion")
    assert [e.program for e in house.recorder.entries()] == ["arcrun run", "python", "backup.py"]


def test_a_vault_that_was_not_opened_is_not_opened_for_a_line(house, tmp_path):
    house.recorder.note("use", "notion")
    asked = []
    vault = Vault(house.vault.path, keys=Keys(environ={}, keyring=lambda: None, ask=asked.append))
    locked = Recorder(Settings(house.home, environ={}), vault, house.clock)
    assert not locked.note("use", "notion")
    assert asked == []
    nowhere = Vault(str(tmp_path / "none" / "secrets.db"), keys=Keys(key=KEY, environ={}))
    assert not Recorder(Settings(str(tmp_path / "none"), environ={}), nowhere, house.clock).note(
        "x"
    )
    assert not (tmp_path / "none").exists()


def test_without_a_vault_there_is_no_trail_and_it_says_so(tmp_path):
    recorder = Recorder(Settings(str(tmp_path), environ={}), Memory(), lambda: 0.0)
    assert not recorder.note("use", "notion")
    assert recorder.head() is None
    with pytest.raises(NoStore, match="only a vault keeps one"):
        recorder.entries()


def test_a_trail_of_a_locked_vault_is_not_read(house):
    house.recorder.note("use", "notion")
    vault = Vault(house.vault.path, keys=Keys(environ={}, keyring=lambda: None))
    locked = Recorder(Settings(house.home, environ={}), vault, house.clock)
    with pytest.raises(StoreLocked):
        locked.entries()
    assert locked.head() is None


def test_before_the_first_line_there_is_nothing(house):
    assert house.recorder.entries() == []
    assert house.recorder.head() is None
    checked = house.recorder.verify()
    assert (checked.count, checked.findings) == (0, ())


# -- heads -------------------------------------------------------------------------------------


def test_the_first_line_is_kept_in_the_vault_and_makes_no_keys_of_a_device(house):
    house.write(1)
    (trail,) = trail_ids(house)
    head = Head.of(house.vault.get(key_of(trail)))
    assert (head.count, head.tip, head.signature) == (1, house.recorder.head()[1], "")
    assert stored(house.vault) is None


def test_every_hundredth_line_is_signed_by_the_device_and_kept(house):
    house.write(EVERY)
    (trail,) = trail_ids(house)
    head = Head.of(house.vault.get(key_of(trail)))
    device = stored(house.vault)
    assert head.count == EVERY + 1  # that it is this device's is a line, too
    assert head.device == device.id
    assert head.signature
    assert house.recorder.entries()[0].action == "device"
    assert {e.device for e in house.recorder.entries()} == {device.id}
    assert house.recorder.head() == (head.count, head.tip)


def test_a_check_signs_the_head_once_all_is_well(house):
    house.write(3)
    assert house.recorder.verify().findings == ()
    (trail,) = trail_ids(house)
    assert Head.of(house.vault.get(key_of(trail))).signature
    assert house.findings() == []


def test_a_head_that_another_key_signed_is_told(house):
    house.write(3)
    house.recorder.verify()
    (trail,) = trail_ids(house)
    record = house.vault.get(key_of(trail))
    other = record.params["signature"][::-1].strip("=").ljust(88, "=")
    record = record.replace(params={**record.params, "signature": other})
    house.vault.put(record, expect=record.generation)
    assert house.findings() == ["rolled back"]


# -- tamperings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [way for ways in TAMPERINGS.values() for way in ways])
def test_a_tampering_is_found_and_what_is_sound_can_still_be_read(house, tmp_path, way):
    other = House(tmp_path, "other")
    for each in (house, other):
        each.write(12)
        each.whole()
    way(house, other, 5)
    assert house.findings()
    house.write(3)
    assert len(house.recorder.entries()) >= 3
    assert house.findings(), "a line that is added hides nothing"
    if way is audit_kit.swap_ends:
        assert other.findings()
    other.close()


def test_an_end_that_did_not_fit_is_said_for_good_and_the_chain_goes_on(house):
    house.write(5)
    house.whole()
    house.sql("DELETE FROM entry WHERE n > 3")
    house.open()
    house.write(2)
    assert [(e.n, e.action) for e in house.recorder.entries()][:3] == [
        (8, "use"), (7, "use"), (6, "trail"),
    ]  # fmt: skip
    assert house.findings() == ["missing", "broken"]


def test_a_tail_of_nobody_is_no_reason_to_stop(house):
    house.write(5)
    house.whole()
    house.sql("UPDATE meta SET v = x'00' WHERE k = 'tail'")
    assert house.findings() == ["other end"]
    house.write(1)
    assert house.findings() == ["broken"]
    house.whole()
    house.sql("DELETE FROM meta WHERE k = 'tail'")
    house.open()
    assert house.recorder.head() is None
    assert "other end" in house.findings()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, None])
def test_a_file_that_is_no_trail_is_set_aside_and_a_new_one_begins(house, content):
    house.write(2)
    house.whole()
    if content is None:
        house.sql("DROP TABLE meta")
    else:
        with open(house.path, "wb") as file:
            file.write(content)
    house.open()
    house.write(1)
    (aside,) = aside_files(house.path)
    assert os.path.exists(aside)
    assert len(house.recorder.entries()) == 1
    assert house.findings() == ["cut off", "other end"]


def test_the_trail_of_another_vault_is_set_aside(house, tmp_path):
    other = House(tmp_path, "other")
    other.write(2)
    other.whole()
    os.replace(other.path, house.path)
    house.write(1)
    assert len(aside_files(house.path)) == 1


def test_a_key_shows_nothing():
    assert repr(TrailKey("ab", KEY)) == "TrailKey('ab')"


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_trail_that_cannot_be_written_breaks_nothing(house, monkeypatch):
    house.write(1)

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    # The disk of a test machine is not filled: what SQLite says then is.
    monkeypatch.setattr(recording, "found", full)
    house.close()
    house.open()
    assert not house.recorder.note("use", "notion")
    monkeypatch.undo()
    assert house.recorder.note("use", "notion")


def test_a_trail_that_cannot_be_read_is_an_error_of_ours(house, monkeypatch):
    house.write(1)
    house.close()
    house.open()

    def failing(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(recording, "found", failing)
    with pytest.raises(StoreError, match="disk I/O error"):
        house.recorder.entries()
    assert house.recorder.head() is None


def test_a_file_that_is_taken_away_under_a_process_is_begun_anew(house):
    house.write(2)
    os.unlink(house.path)
    house.write(2)
    assert len(house.recorder.entries()) == 2
    assert house.findings() == ["cut off"]


def test_a_trail_that_another_process_holds_is_waited_for_and_then_left(house, monkeypatch):
    monkeypatch.setattr("arcrun_auth.audit.BUSY_SECONDS", 0.01)
    house.write(1)
    house.close()
    house.open()
    with closing(sqlite3.connect(house.path, isolation_level=None)) as holder, holder:
        holder.execute("BEGIN IMMEDIATE")
        assert not house.recorder.note("use", "notion")
        holder.execute("COMMIT")
    holder.close()
    assert house.recorder.note("use", "notion")


# -- many at once ----------------------------------------------------------------------------------


def test_threads_of_many_processes_write_one_chain(house):
    house.write(1)
    house.close()
    code = (
        "import sys, threading; from pathlib import Path; from tests.audit_kit import House\n"
        "from arcrun_auth import audit; audit.BUSY_SECONDS = 60\n"
        "house = House(Path(sys.argv[1]))\n"
        "each = [threading.Thread(target=house.write, args=(25,)) for _ in range(4)]\n"
        "[t.start() for t in each]; [t.join() for t in each]; house.close()\n"
    )
    folder = os.path.dirname(house.home)
    command = [sys.executable, "-c", code, folder]
    running = [subprocess.Popen(command, cwd=os.getcwd()) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    house.open()
    assert house.recorder.verify().findings == ()
    assert sum(e.action == "use" for e in house.recorder.entries()) == 301


def test_many_who_begin_at_once_begin_one_trail(house):
    start = threading.Barrier(8)
    recorders = [
        Recorder(Settings(house.home, environ={}), house.vault, house.clock) for _ in range(8)
    ]

    def write(recorder):
        start.wait(60)
        recorder.note("use", "notion")

    threads = [threading.Thread(target=write, args=(each,)) for each in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for recorder in recorders:
        recorder.close()
    assert len(house.recorder.entries()) == 8
    assert house.findings() == []
    assert len(trail_ids(house)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_writes_with_a_connection_of_its_own(house):
    house.write(1)
    before = forks.generation
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        try:
            house.vault.get(Key("credential", "notion"))
            good = house.recorder.note("use", "child") and forks.generation == before + 1
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    house.write(1)
    assert [e.name for e in house.recorder.entries()] == ["service0", "child", "service0"]
    assert house.findings() == []


def test_a_program_that_is_killed_anywhere_leaves_a_whole_chain(house):
    house.write(1)
    house.close()
    code = (
        "import sys; from pathlib import Path; from tests.audit_kit import House\n"
        "house = House(Path(sys.argv[1])); print('go', flush=True); house.write(1_000_000)\n"
    )
    command = [sys.executable, "-c", code, os.path.dirname(house.home)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            house.open()
            count, wanted = 0, random.randint(1, 150)
            while count < wanted:
                count = house.recorder.head()[0] - count
            process.kill()
        assert house.findings() == []
        house.close()


def test_a_brief_program_leaves_the_log_but_not_for_ever(house, monkeypatch):
    for name in ("_told", "_left_open"):
        monkeypatch.setattr(recording, name, None)
    recording.declare("arcrun token", use="reveal", brief=True)
    house.write(1)
    house.recorder.close()
    assert os.path.getsize(f"{house.path}-wal")
    house.write(31)
    for trail in recording._left_open:
        trail.close()
    house.recorder.close()
    assert not os.path.exists(f"{house.path}-wal")


def test_a_trail_outlives_a_new_master_key(house):
    from arcrun_auth.stores.rotation import rotate

    house.write(2)
    rotate(house.vault)
    house.write(2)
    assert house.findings() == []
    assert len(house.recorder.entries()) == 4 + 1  # and whose it is, since the check


def test_an_export_leaves_the_keys_of_this_device_here(house, tmp_path):
    from arcrun_auth.stores import export

    house.write(2)
    house.recorder.verify()
    export.write(house.vault, str(tmp_path / "backup.enc"))
    kept = export.EncFile(str(tmp_path / "backup.enc"), keys=Keys(key=KEY, environ={})).keys()
    assert {key.kind for key in kept} == {"credential"}


def test_what_is_found_is_held_against_the_vault_that_has_its_key(house):
    house.write(1)
    assert found(house.vault, house.path).key.id in trail_ids(house)


def test_a_line_that_failed_leaves_no_file_open(house, monkeypatch, caplog):
    house.write(1)

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("arcrun_auth.audit.Trail._add", full)
    caplog.set_level("INFO", "arcrun_auth")
    assert not house.recorder.note("use", "notion")
    assert "disk is full" in caplog.text
    if sys.platform == "linux":
        links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        kept = [os.readlink(link) for link in links if os.path.islink(link)]
        assert not [path for path in kept if path.startswith(house.path)]


def test_a_head_that_cannot_be_kept_costs_no_line_and_makes_none_twice(house, monkeypatch):
    house.write(EVERY - 1)

    def full(*_, **__):
        raise StoreError("The vault failed: the disk is full.")

    monkeypatch.setattr("arcrun_auth.audit.anchor.keep", full)
    house.write(1)
    assert len(house.recorder.entries()) == EVERY
    monkeypatch.undo()
    assert house.findings() == []


def test_a_head_that_was_kept_meanwhile_is_not_put_back(house, monkeypatch):
    house.write(1)
    house.recorder.keep_head()
    other = Recorder(Settings(house.home, environ={}), house.vault, house.clock)
    tail = Trail.tail

    def slowly(trail):
        found = tail(trail)
        monkeypatch.setattr(Trail, "tail", tail)
        assert other.note("use", "notion")
        other.keep_head()
        return found

    monkeypatch.setattr(Trail, "tail", slowly)
    house.recorder.keep_head()
    (trail,) = trail_ids(house)
    assert Head.of(house.vault.get(key_of(trail))).count == len(other.entries())
    other.close()


def test_a_trail_is_checked_while_threads_write(house):
    house.write(1)
    stop, failed = threading.Event(), []

    def write():
        while not stop.is_set():
            if not house.recorder.note("use", "notion"):
                failed.append("a line")

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    found = [house.recorder.verify().findings for _ in range(4)]
    stop.set()
    for thread in threads:
        thread.join(60)
    assert (failed, [each for each in found if each]) == ([], [])
