"""Rows 2 and 3: a machine that loses its power, and a disk that is full."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from arcrun_auth.errors import StoreError
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.faults import strace
from tests.faults.board import count
from tests.faults.desk import GUARD, Desk
from tests.faults.test_crashes import ENVIRON, STATES, WRITER
from tests.needs import needs

pytestmark = pytest.mark.fault


class Disk:
    """A follower of system calls, who knows what would survive if the power failed now."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: dict[int, str] = {}
        self.logs: set[str] = set()
        self.dirty: set[str] = set()
        self.unsynced_names: set[str] = set()
        self.acks = self.syncs = 0
        self.missing: list[str] = []

    def see(self, call: strace.Call) -> None:
        if call.result >= 0:
            getattr(self, f"_{call.name}")(call)

    def _openat(self, call: strace.Call) -> None:
        path = call.strings[0].decode()
        self.files.pop(call.result, None)
        if not path.startswith(self.folder) or path.endswith("-shm"):  # it is made anew
            return
        self.files[call.result] = path
        if "O_CREAT" in call.arguments:
            self._named(path)
        if path.endswith("-wal") and ".tmp" not in path:
            self.logs.add(path)

    def _named(self, path: str) -> None:
        """A new name in a folder: it lasts when the folder is synced."""
        if ".tmp" not in path:  # scratch: nobody misses it
            self.unsynced_names.add(path)

    def _pwrite64(self, call: strace.Call) -> None:
        path = self.files.get(call.fd)
        if path is None:
            return
        begins_anew = path in self.logs and call.arguments.endswith(", 0")
        if begins_anew and path.removesuffix("-wal") in self.dirty:
            self.missing.append(f"{path} was begun anew before its content was safe elsewhere")
        self.dirty.add(path)

    def _write(self, call: strace.Call) -> None:
        if call.fd == 1:
            self._acknowledged(call.data.decode().strip())
        elif call.fd in self.files:
            self.dirty.add(self.files[call.fd])

    def _ftruncate(self, call: strace.Call) -> None:
        if call.fd in self.files:
            self.dirty.add(self.files[call.fd])

    def _fsync(self, call: strace.Call) -> None:
        path = self.files.get(call.fd)
        if path is not None:
            self.syncs += 1
            self.dirty.discard(path)
            self.unsynced_names = {n for n in self.unsynced_names if os.path.dirname(n) != path}

    _fdatasync = _fsync

    def _link(self, call: strace.Call) -> None:
        source, target = (text.decode() for text in call.strings)
        if source in self.dirty:
            self.missing.append(f"{target} got its name before its content was safe")
        if target.startswith(self.folder):
            self._named(target)

    _rename = _link

    def _unlink(self, call: strace.Call) -> None:
        path = call.strings[0].decode()
        self.dirty.discard(path)
        self.unsynced_names.discard(path)

    def _close(self, call: strace.Call) -> None:
        self.files.pop(call.fd, None)

    def _acknowledged(self, what: str) -> None:
        self.acks += 1
        # What a log holds may wait in its database, until the log is begun anew.
        unsafe = [p for p in self.dirty if ".tmp" not in p and f"{p}-wal" not in self.logs]
        self.missing += [f"{what}: {path} was not synced" for path in unsafe]
        self.missing += [f"{what}: the folder of {name} was not" for name in self.unsynced_names]


def test_row_2_what_is_acknowledged_was_synced_before(tmp_path, board) -> None:
    needs(sys.platform == "linux", "Linux (strace)")
    home, rounds = tmp_path / "home", count(400)
    log, path, export = str(tmp_path / "calls"), str(home / "secrets.db"), str(home / "secrets.enc")
    words = strace.command(log, (*STATES, "openat", "close"))
    subprocess.run(
        [*words, *WRITER, path, str(rounds), export],
        stdout=subprocess.DEVNULL, env=ENVIRON, check=True, timeout=GUARD,
    )  # fmt: skip
    disk, careless = Disk(str(home)), Disk(str(home))
    for call in strace.read(log):
        disk.see(call)
        if not call.name.endswith("sync"):
            careless.see(call)
    assert len(careless.missing) >= careless.acks, "whoever never syncs must be found out"
    board.note(
        2,
        "power loss",
        injected=f"order of system calls over {disk.acks} acknowledged writes and exports",
        must_hold="content synced before the word, folder synced after a new name",
        figure=f"{len(disk.missing)} missing of {disk.syncs} syncs"
        + (f": {disk.missing[0]}" if disk.missing else ""),
        held=not disk.missing and disk.acks == rounds * 4 and disk.syncs >= disk.acks,
    )


def test_row_3_a_full_disk_costs_nothing_that_was_kept(small_disk, provider, board) -> None:
    with Desk(small_disk, provider) as desk:
        desk.broker.setup("demo")
        kept, error = _fill(desk)
        before = provider.token_requests["refresh_token"]
        grant = desk.grant.dump()
        provider.authority.expire_access_tokens()
        with (
            desk.another().bind("demo", interactive=False) as client,
            pytest.raises(StoreError, match="full"),
        ):
            client.get("/me")
        sent = provider.token_requests["refresh_token"] - before
        reader = desk.another()
        intact = sum(
            record is not None and record.secrets["s"].reveal() == value
            for key, value in kept.items()
            for record in [reader.store.get(key)]
        )
        intact += desk.grant.dump() == grant
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        with desk.another().bind("demo", interactive=False) as client:
            recovered = client.get("/me").status_code == 200
    board.note(
        3,
        "disk full",
        injected=f"a 2 MB disk, {len(kept)} writes until it is full, then a renewal",
        must_hold="old data intact, a clear error, no token request, goes on with more room",
        figure=f"{100 * intact / (len(kept) + 1):.0f} % intact; {sent} requests; "
        f"error: {error.message.split(': ')[-1]}",
        held=intact == len(kept) + 1 and sent == 0 and recovered and "full" in error.message,
    )


def test_row_3_a_disk_that_cannot_be_written_is_said_before_a_rotation(
    small_disk, provider, board
) -> None:
    with Desk(small_disk, provider) as desk:
        desk.broker.setup("demo")
        desk.expire()
        desk.broker.close()
        before, grant, ended = provider.token_requests.total(), desk.grant.dump(), []
        desk.broker.close()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        for _ in range(5):
            try:
                desk.another().get_token("demo", interactive=False)
                ended.append("a token")
            except Exception as error:
                ended.append(type(error).__name__)
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        sent = provider.token_requests.total() - before
        recovered = desk.grant.dump() == grant
        recovered &= desk.another().get_token("demo", interactive=False).access_token != ""
    board.note(
        3,
        "disk mounted read-only",
        injected=f"{len(ended)} renewals of a grant that rotates",
        must_hold="a clear error before a request is sent, works again afterwards",
        figure=f"{sent} requests; {', '.join(sorted(set(ended)))}",
        held=sent == 0 and recovered and set(ended) == {"StoreError"},
    )


def test_row_3_a_disk_that_fills_during_the_request_fails_nobody(
    small_disk, provider, board, caplog
) -> None:
    ballast = small_disk / "ballast"

    def fill(grant_type: str):
        with contextlib.suppress(OSError), open(ballast, "wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        return counted(grant_type)

    with Desk(small_disk, provider) as desk:
        desk.broker.setup("demo")
        counted, provider.count_token = provider.count_token, fill
        broker = desk.another()
        before = desk.grant.dump()
        provider.authority.expire_access_tokens()
        with broker.bind("demo", interactive=False) as client:
            first = client.get("/me").status_code
            provider.count_token = counted
            unsaved = desk.grant.refresh_token.reveal() == before["refresh_token"]
            ballast.unlink()
            provider.authority.expire_access_tokens()
            second = client.get("/me").status_code
        saved = desk.grant.refresh_token.reveal() != before["refresh_token"]
        provider.authority.expire_access_tokens()
        with desk.another().bind("demo", interactive=False) as client:
            third = client.get("/me").status_code
    answers = (first, second, third)
    board.note(
        3,
        "disk fills while the token request is under way",
        injected="every free byte taken before the answer",
        must_hold="the caller goes on, a warning, saved when there is room again, login alive",
        figure=f"answers {answers}, {'not saved at first' if unsaved else 'saved'}, then "
        f"{'saved' if saved else 'NOT saved'}, {provider.families_revoked} logins lost",
        held=answers == (200, 200, 200)
        and unsaved
        and saved
        and "could not be saved" in caplog.text
        and provider.families_revoked == 0,
    )


def _fill(desk: Desk) -> tuple[dict[Key, str], StoreError]:
    """Writes until there is no room; what was acknowledged, and the error that ended it."""
    kept: dict[Key, str] = {}
    store = desk.broker.store
    for size in (20_000, 2_000, 10):  # down to where nothing at all fits any more
        for _ in range(4000):
            key, value = Key("credential", f"s{len(kept)}"), canary.fresh("x" * size)
            try:
                store.put(Credential(key, secrets={"s": Secret(value)}), expect=0)
            except StoreError as error:
                last = error
                break
            kept[key] = value
        else:
            pytest.fail("the disk is never full")
    return kept, last
