"""The lock per credential (R16): one holder, whoever dies, forks or plants a link."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import pytest

from arcrun_auth import locks
from arcrun_auth.errors import RefreshBusy, StoreError
from arcrun_auth.locks import CredentialLock, network_filesystem
from tests.unit.stores_kit import NOTION

_HOLD = """
import sys, time
from arcrun_auth.locks import CredentialLock
from arcrun_auth.tokens import Key
with CredentialLock(sys.argv[1], Key("credential", "notion")).acquire():
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def lock(tmp_path):
    return CredentialLock(str(tmp_path / "home" / "locks"), NOTION)


def holder(lock):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, lock.folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_threads_hold_it_one_at_a_time(lock):
    inside, most = [], []

    def work():
        with CredentialLock(lock.folder, NOTION).acquire():
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 16


def test_another_process_waits_and_a_killed_holder_does_not_make_it_wait(lock):
    process = holder(lock)
    try:
        with pytest.raises(RefreshBusy) as caught, lock.acquire(0.1):
            pass
        assert caught.value.service == "notion"
        process.kill()
        with lock.acquire(30):
            pass
    finally:
        process.kill()
        process.communicate()


def test_a_thread_that_waits_too_long_is_told(lock):
    with lock.acquire(), pytest.raises(RefreshBusy), lock.acquire(0.01):
        pass
    with lock.acquire(0):
        pass


def test_an_error_inside_lets_go_of_it(lock):
    with pytest.raises(ZeroDivisionError), lock.acquire():
        raise ZeroDivisionError
    with lock.acquire(0):
        pass


def test_a_forked_child_does_not_wait_for_its_parents_thread(lock):
    release, entered = threading.Event(), threading.Event()

    def hold():
        with locks._threads.setdefault((0, "elsewhere"), threading.Lock()):
            entered.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(60)
    mutex = locks._threads[0, "elsewhere"]
    locks._threads[locks.forks.generation, lock.path] = mutex
    pid = os.fork()
    if pid == 0:
        try:
            with lock.acquire(20):
                os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    release.set()
    thread.join(60)
    assert code == 0


def test_its_file_is_kept_private_and_named_after_nobody(lock):
    before = os.umask(0)
    try:
        with lock.acquire():
            pass
    finally:
        os.umask(before)
    (name,) = os.listdir(lock.folder)
    assert "notion" not in name
    assert stat.S_IMODE(os.stat(lock.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(lock.folder).st_mode) == 0o700
    inode = os.stat(lock.path).st_ino
    with lock.acquire():
        pass
    assert os.stat(lock.path).st_ino == inode


def test_a_planted_link_leaves_its_target_unchanged(lock, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o644)
    os.makedirs(lock.folder)
    os.symlink(victim, lock.path)
    with pytest.raises(StoreError, match="link"), lock.acquire():
        pass
    assert victim.read_text() == "mine"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


def test_an_unusable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        CredentialLock(str(tmp_path / "file" / "locks"), NOTION).acquire().__enter__()


def test_network_file_systems_are_known(tmp_path):
    mounts = tmp_path / "mounts"
    (tmp_path / "with space").mkdir()
    space = str(tmp_path / "with space").replace(" ", "\\040")
    mounts.write_text(f"dev / ext4 rw 0 0\nbad\nhost:/x {space} nfs4 rw 0 0\n")
    assert network_filesystem(str(tmp_path / "with space" / "a"), str(mounts)) == "nfs4"
    assert network_filesystem(str(tmp_path), str(mounts)) is None
    assert network_filesystem("/", str(tmp_path / "none")) is None
