"""Taking turns: how two things are timed so that their ratio means something.

Every round times each subject once, in an order that is turned around from round to
round, and a second copy of the first subject takes part under the name `CONTROL`. What
is compared is the ratio within a round: a machine that slows down for a second slows
down both sides of it.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

CONTROL = "A/A control"
"""How is the second copy of the first subject called? Its ratio to the first should be 1."""

RUNS = 15
"""How many rounds does a figure need at least?"""
QUICK_RUNS = 3


@dataclass
class Samples:
    """What the rounds gave for one subject, in seconds; the warm-up is not among them."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """User and system time; empty where it was not taken."""

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def cpu_median(self) -> float:
        return statistics.median(self.cpu)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        return spread(self.wall)


def spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median; 0 for one value.

    >>> spread([1.0, 2.0, 2.0, 2.0, 3.0])
    0.0
    """
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle else 0.0


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median, over the rounds, of ours as a multiple of theirs in the same round.

    >>> ratio([1.0, 30.0, 1.0], [2.0, 60.0, 2.0])
    0.5
    """
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


Sample = float | tuple[float, float]
"""Wall seconds, or wall and CPU seconds."""


def rounds(
    subjects: Mapping[str, Callable[[], Sample]], runs: int, *, control: bool = True
) -> dict[str, Samples]:
    """`runs` rounds after one that is thrown away. Each subject times itself and tells."""
    turns = dict(subjects)
    if control:
        turns[CONTROL] = next(iter(subjects.values()))
    found = {name: Samples() for name in turns}
    for number in range(runs + 1):
        order = list(turns) if number % 2 else list(reversed(turns))
        for name in order:
            sample = turns[name]()
            if number:
                note(found[name], sample)
    return found


async def rounds_async(
    subjects: Mapping[str, Callable[[], Awaitable[Sample]]], runs: int
) -> dict[str, Samples]:
    """As `rounds`, in one event loop."""
    turns = {**subjects, CONTROL: next(iter(subjects.values()))}
    found = {name: Samples() for name in turns}
    for number in range(runs + 1):
        order = list(turns) if number % 2 else list(reversed(turns))
        for name in order:
            sample = await turns[name]()
            if number:
                note(found[name], sample)
    return found


def note(samples: Samples, sample: Sample) -> None:
    if isinstance(sample, tuple):
        samples.wall.append(sample[0])
        samples.cpu.append(sample[1])
    else:
        samples.wall.append(sample)


def loop(work: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """A subject that does `work` so many times, and tells the seconds of one."""

    def timed() -> float:
        turns = range(times)
        gc.collect()
        gc.disable()  # or one side pays for what the other left behind
        try:
            started = time.perf_counter()
            for _ in turns:
                work()
            return (time.perf_counter() - started) / times
        finally:
            gc.enable()

    return timed


def loop_async(work: Callable[[], Awaitable[object]], times: int) -> Callable[[], Awaitable[float]]:
    """The same for a coroutine function."""

    async def timed() -> float:
        turns = range(times)
        gc.collect()
        gc.disable()
        try:
            started = time.perf_counter()
            for _ in turns:
                await work()
            return (time.perf_counter() - started) / times
        finally:
            gc.enable()

    return timed
