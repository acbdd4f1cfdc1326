"""`python -m bench [--rows 3,4] [--quick]`: run the rows, print the table, keep the figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from importlib import import_module

from bench import board
from bench.measure import QUICK_RUNS

ROWS = {
    1: ("storms", "row_1", 15),
    2: ("storms", "row_2", 15),
    3: ("commands", "row_3", 61),
    4: ("commands", "row_4", 21),
    5: ("imports", "row_5", 31),
    6: ("imports", "row_6", 31),
    7: ("reading", "row_7", 31),
    8: ("reading", "row_8", 31),
    9: ("writing", "row_9", 31),
    10: ("requesting", "row_10", 61),
    11: ("listing", "row_11", 31),
    12: ("listing", "row_12", 15),
    13: ("signatures", "row_13", 61),
    14: ("signing", "row_14", 31),
    15: ("serving", "row_15", 15),
    16: ("serving_tools", "row_16", 31),
    17: ("syncing", "row_17", 15),
    18: ("logins", "row_18", 31),
}
"""Where is each row of the scoreboard, and how many rounds does it take?"""

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "latest.json")


def main(args: list[str]) -> int:
    """Exit code 0 when the table stands, goals missed or not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", help="only these, as 3,4", default=",".join(map(str, ROWS)))
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} rounds, nothing kept")
    given = parser.parse_args(args)
    numbers = [int(word) for word in given.rows.split(",")]
    started = time.monotonic()
    rows = []
    for number in numbers:
        module, name, runs = ROWS[number]
        print(f"row {number} ...", end="\r", file=sys.stderr, flush=True)
        run = getattr(import_module(f"bench.{module}"), name)
        rows.append(run(QUICK_RUNS if given.quick else runs))
    machine = {**board.machine(), "seconds": round(time.monotonic() - started)}
    print(f"{time.strftime('%Y-%m-%d')}, {machine['seconds']} s; {machine['processor']}, "
          f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}")  # fmt: skip
    print(", ".join(f"{name} {version}" for name, version in board.versions().items()), end="\n\n")
    print(board.table(rows))
    if not given.quick and numbers == list(ROWS):
        keep(rows, machine)
    return 0


def keep(rows: list[board.Row], machine: dict[str, object]) -> None:
    """All raw figures, as JSON, in place of those of the run before."""
    data = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "versions": board.versions(),
        "rows": [board.as_data(row) for row in rows],
    }
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    with open(RESULTS, "w", encoding="utf-8") as file:
        json.dump(rounded(data), file, indent=1)
        file.write("\n")


def rounded(data):
    """Seconds to a tenth of a microsecond: more digits say nothing."""
    if isinstance(data, float):
        return round(data, 9) if data < 1e-3 else round(data, 7)
    if isinstance(data, dict):
        return {name: rounded(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [rounded(value) for value in data]
    return data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
