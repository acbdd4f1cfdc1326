"""Rows 8 and 9: links that somebody planted, and files that others could read."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import AuthError
from arcrun_auth.locks import CredentialLock
from arcrun_auth.stores import export
from tests import canary
from tests.faults.desk import DEMO, GUARD, Desk
from tests.needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links"),
]


def _vault(desk: Desk):
    return desk.broker.store.primary


def _use_everything(desk: Desk) -> list[str]:
    """Every way by which a file of ours is opened; what was refused, in words."""
    refused = []

    def renew() -> None:
        desk.provider.authority.expire_access_tokens()
        with desk.another().bind("demo", interactive=False) as client:
            client.get("/me").raise_for_status()

    def write_export() -> None:
        export.write(_vault(desk), os.path.join(desk.home, "secrets.enc"))

    for way in (
        lambda: desk.another().list_services(),
        lambda: desk.another().setup("keyed", key=desk.provider.static_key),
        renew,
        write_export,
        lambda: desk.another().remove("keyed"),
    ):
        try:
            way()
        except AuthError as error:
            refused.append(str(error))
    return refused


def _planted(home: str) -> list[str]:
    """Every path below a home that we open, make or replace."""
    lock = os.path.basename(CredentialLock(home, DEMO).path)
    return ["secrets.db", "secrets.db-wal", "secrets.db-shm", "secrets.db-journal", "secrets.enc",
            "config.toml", "recipes/index.db", "recipes/index.db-wal", "recipes/index.db-journal",
            f"locks/{lock}", "locks"]  # fmt: skip


def _print_of(path: Path) -> str:
    """The content and mode of a file, or of all that is in a folder; empty if it is not there."""
    if path.is_dir():
        return f"{sorted(os.listdir(path))} {path.stat().st_mode:o}"
    if not path.exists():
        return ""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mode:o}"


@pytest.mark.parametrize("victim_is", ["a file", "absent"])
def test_row_8_no_planted_link_leads_to_a_victim(tmp_path, provider, board, victim_is) -> None:
    provider.latency = 0.0
    hit, tried, refused = [], 0, 0
    for number, name in enumerate(_planted("")):
        with Desk(tmp_path / str(number), provider) as desk:
            desk.broker.setup("demo")
            desk.broker.close()
            victim = tmp_path / f"victim-{number}"
            if victim_is == "a file":
                if name == "locks":
                    victim.mkdir(mode=0o755)
                else:
                    # of a kind that would be taken for ours: an empty file is a fresh lock
                    victim.write_bytes(b"" if "locks" in name else b"# the victim's\n")
                    victim.chmod(0o644)
            before = _print_of(victim)
            place = Path(desk.home, name)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            place.unlink(missing_ok=True)
            place.symlink_to(victim)
            refused += len(_use_everything(desk))
            tried += 1
            if _print_of(victim) != before:
                hit.append(f"{name}: {before or 'absent'} -> {_print_of(victim)}")
    board.note(
        8,
        f"symbolic link at a path of ours, its target {victim_is}",
        injected=f"{tried} paths, every verb",
        must_hold="the target's content and mode unchanged",
        figure=f"{len(hit)} victims hit; {refused} calls refused"
        + (f"; {'; '.join(hit)}" if hit else ""),
        held=not hit and tried > 0,
    )


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that everybody may enter: what keeps others out has to be ours."""
    place = Path(tempfile.mkdtemp(prefix="arcrun-faults-"))
    place.chmod(0o755)
    before = os.umask(0)
    try:
        yield place
    finally:
        os.umask(before)
        found = canary.files_with_hits(place)
        shutil.rmtree(place)
        assert not found, f"a secret lies in clear: {found[:3]}"


def _too_open(home: str) -> list[str]:
    """What below a home has a bit for group or others; recipes are no secrets and the test's."""
    found = []
    for folder, _, files in os.walk(home):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            if mode & 0o077 and not path.endswith(".yaml"):
                found.append(f"{os.path.relpath(path, home)} {mode:o}")
    return found


def _readable_by_nobody(home: str) -> list[str]:
    """What uid 65534 can open below a home, by whatever path."""
    paths = [home, *(os.path.join(f, n) for f, _, names in os.walk(home) for n in names)]
    probe = (
        "import os, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        os.listdir(path) if path == sys.argv[1] else open(path, 'rb').read(1)\n"
        "    except PermissionError: pass\n"
        "    else: print(path)\n"
    )
    # Even where the folder alone would keep others out, the files must do so too.
    ended = subprocess.run(
        [sys.executable, "-c", probe, *paths], capture_output=True, text=True, timeout=GUARD
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


@pytest.mark.parametrize("age", ["new", "old and loose"])
def test_row_9_nothing_of_ours_is_open_to_others(open_place, provider, board, age) -> None:
    provider.latency = 0.0
    with Desk(open_place, provider) as desk:
        os.chmod(os.path.join(desk.home, "recipes"), 0o700)  # the test made it
        desk.broker.setup("demo")
        assert _use_everything(desk) == []
        desk.broker.close()
        if age != "new":
            for folder, _, files in os.walk(desk.home):
                os.chmod(folder, 0o755)
                for name in files:
                    os.chmod(os.path.join(folder, name), 0o644)
            assert _too_open(desk.home)
        assert _use_everything(desk) == []
        found = _too_open(desk.home)
        others = []
        if os.geteuid() == 0:
            others = _readable_by_nobody(desk.home)
            os.chmod(desk.home, 0o755)
            others += [p for p in _readable_by_nobody(desk.home)[1:] if not p.endswith(".yaml")]
    board.note(
        9,
        f"loose modes, {age} files",
        injected="umask 000" + ("" if age == "new" else ", 0644 and 0755 before"),
        must_hold="0600 and 0700, nothing readable as uid 65534",
        figure=f"{len(found)} too open, {len(others)} readable by others"
        + (f": {found + others}" if found or others else ""),
        held=not found and not others,
    )


def test_row_9_the_probe_can_see_what_is_open(open_place) -> None:
    needs(os.geteuid() == 0, "root (to be somebody else)")
    (open_place / "home").mkdir(mode=0o755)
    (open_place / "home" / "file").write_text("x")
    assert len(_readable_by_nobody(str(open_place / "home"))) == 2
