"""`python -m tests.faults [pytest's options]`: run every row; the table goes to stdout.

FULL=1 runs the full counts; without it, a twentieth of them at most. `docs/faults.md` is the output
of a full run.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time

import pytest

from tests.faults import board

INTRODUCTION = """\
# Faults

Everything that we could think of going wrong, done on purpose: processes killed, disks full,
bits flipped, servers that lie, strangers who call. Each row is a test that computes its
figure. Times are printed and never asserted. `make faults` runs at most a twentieth of the
counts, as every CI run does; `FULL=1 make faults` runs them all, and prints this page.
"""


def main(args: list[str]) -> int:
    folder = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as place:
        log = os.environ[board.LOG] = os.path.join(place, "rows.jsonl")
        started = time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):
            code = pytest.main(["-q", "-m", "fault", "-p", "no:cacheprovider", folder, *args])
        rows = board.read(log) if os.path.exists(log) else []
    share = "full counts" if board.FULL else f"1/{board.SHARE} of the full counts at most"
    print(INTRODUCTION)
    print(
        f"{time.strftime('%Y-%m-%d')}, {share}, {time.monotonic() - started:.0f} s; "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}.\n"
    )
    print(board.table(rows))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
