"""Lines of the scoreboard: what was measured against what, and how the table is printed."""

from __future__ import annotations

import platform
import textwrap
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bench.measure import CONTROL, Samples, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WIDTH = 100

PEERS = (
    "arcrun-auth", "authlib", "botocore", "cryptography", "fastapi", "google-auth",
    "google-auth-oauthlib", "httptools", "httpx", "httpx-auth", "keyring", "keyrings.alt",
    "keyrings.cryptfile", "msal", "msal-extensions", "requests", "requests-oauthlib",
    "secretstorage", "uvicorn",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """At most so many times what is compared with, or at most so much of a unit."""

    most: float
    unit: str = "x"
    absolute: bool = False
    """The goal is about our own figure, not about the ratio."""

    def __str__(self) -> str:
        return f"<={self.most:g}{self.unit}"


@dataclass
class Line:
    """One comparison. `met` is None where no goal is set against this one."""

    row: str
    what: str
    ours: str
    peer: str = ""
    theirs: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    why: str = ""
    """Why the goal was missed, if it was."""


@dataclass
class Row:
    """What one row of the scoreboard gave: lines for people, samples for whoever doubts them."""

    number: int
    title: str
    lines: list[Line] = field(default_factory=list)
    samples: dict[str, dict[str, Samples]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def compare(
        self,
        what: str,
        found: Mapping[str, Samples],
        goals: Mapping[str, Goal] | None = None,
        *,
        why: str = "",
        cpu: bool = False,
    ) -> None:
        """One line for each peer in `found`, whose first entry is ours. `goals` by peer.

        `why` is the reason to print where a goal is missed.
        """
        self.samples[what] = dict(found)
        (_, mine), *others = found.items()
        for name, theirs in others:
            if name == CONTROL:
                continue
            goal = (goals or {}).get(name)
            times = ratio(mine.wall, theirs.wall)
            met = None
            if goal is not None:
                met = (mine.median * 1e6 if goal.absolute else times) <= goal.most
            self.lines.append(
                Line(
                    row=str(self.number),
                    what=what,
                    ours=figure(mine, cpu=cpu),
                    peer=name,
                    theirs=figure(theirs, cpu=cpu),
                    ratio=times,
                    goal=str(goal or ""),
                    met=met,
                    why=why if met is False else "",
                )
            )

    @property
    def controls(self) -> dict[str, float]:
        """How far from 1 a ratio of equals was, by comparison."""
        return {
            what: ratio(found[CONTROL].wall, next(iter(found.values())).wall)
            for what, found in self.samples.items()
            if CONTROL in found
        }


def seconds(value: float) -> str:
    """Three digits and a unit.

    >>> [seconds(v) for v in (1.5, 0.0123, 0.00000456)]
    ['1.50 s', '12.3 ms', '4.56 µs']
    """
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size or unit == "µs":
            number = value / size
            digits = max(0, 2 - max(0, len(str(int(number))) - 1))
            return f"{number:.{digits}f} {unit}"
    raise AssertionError


def figure(samples: Samples, *, cpu: bool = False) -> str:
    """The median; with `cpu`, wall time and CPU time."""
    if not cpu:
        return seconds(samples.median)
    return f"{samples.median * 1e3:.1f}/{samples.cpu_median * 1e3:.1f} ms"


_COLUMNS = (
    ("#", 2), ("measured", 25), ("ours", 13), ("compared with", 24), ("theirs", 13),
    ("ratio", 6), ("goal", 7), ("met", 3),
)  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """The scoreboard in 100 columns, and under it the reasons, notes and controls."""
    rows = list(rows)
    lines = [_spread([name for name, _ in _COLUMNS]), "-" * WIDTH]
    for row in rows:
        before = ""
        for line in row.lines:
            what = "" if line.what == before else line.what
            before = line.what
            lines += _wrapped(line, what)
    for heading, found in (
        (
            "Goals missed",
            [f"row {n.row}, {n.what}: {n.why}" for r in rows for n in r.lines if n.why],
        ),
        ("Not measured", [f"row {r.number}: {note}" for r in rows for note in r.notes]),
    ):
        if found:
            lines += ["", f"{heading}:"]
            for text in dict.fromkeys(found):
                lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    controls = [f"{r.number}: {value:.2f}" for r in rows for value in r.controls.values()]
    if controls:
        text = "A/A controls (the same thing against itself), by row: " + ", ".join(controls)
        lines += ["", *textwrap.wrap(text, WIDTH)]
    return "\n".join(lines)


def _wrapped(line: Line, what: str) -> list[str]:
    parts = textwrap.wrap(what, _COLUMNS[1][1]) or [""]
    met = {True: "yes", False: "NO", None: ""}[line.met]
    times = "" if line.ratio is None else f"{line.ratio:.2f}x" if line.ratio < 100 else ">99x"
    cells = [line.row if what else "", parts[0], line.ours, line.peer, line.theirs, times,
             line.goal, met]  # fmt: skip
    return [_spread(cells), *(_spread(["", part]) for part in parts[1:])]


def _spread(cells: list[str]) -> str:
    text = " ".join(
        f"{cell:>{width}}" if name in {"ours", "theirs", "ratio", "goal"} else f"{cell:<{width}}"
        for cell, (name, width) in zip(cells, _COLUMNS, strict=False)
    )
    return text.rstrip()


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    import os

    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def versions() -> dict[str, str]:
    """The versions of the peers that are installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def as_data(row: Row) -> dict[str, Any]:
    """A row as plain data, raw figures included (seconds)."""
    data = asdict(row)
    data["controls"] = row.controls
    return data
