"""`python -m tests.faults [pytest's options]`: run every row and print the table.

FULL=1 runs the full counts; without it, a twentieth of them.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time

import pytest

from tests.faults import board


def main(args: list[str]) -> int:
    folder = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as place:
        log = os.environ[board.LOG] = os.path.join(place, "rows.jsonl")
        started = time.monotonic()
        code = pytest.main(["-q", "-m", "fault", "-p", "no:cacheprovider", folder, *args])
        rows = board.read(log) if os.path.exists(log) else []
    share = "full counts" if board.FULL else f"1/{board.SHARE} of the full counts"
    print(
        f"\n{time.strftime('%Y-%m-%d')}, {share}, {time.monotonic() - started:.0f} s; "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}\n"
    )
    print(board.table(rows))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
