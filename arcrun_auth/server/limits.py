"""How many requests are too many: a token bucket for each key and each address.

The buckets are this process's own. Several processes behind one address each let as many
through; what they protect is the process, and what they slow down is guessing.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10_000
"""How many buckets are kept? The fullest are forgotten first: they say the least."""


NETWORK = 64
"""How many bits of an address of IPv6 are one line's? It has all the others to itself."""


def origin(address: str) -> str:
    """Whose bucket an address is counted in.

    >>> origin("192.0.2.1"), origin("::ffff:192.0.2.1"), origin("2001:db8::1")
    ('192.0.2.1', '192.0.2.1', '2001:db8::')
    """
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:  # what a proxy says, whatever that is
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Address(int(found) >> (128 - NETWORK) << (128 - NETWORK)))


class Buckets:
    """`rate` tokens a second run into each bucket, up to `burst`. A rate of 0 is no limit."""

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._found: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Takes a token: 0, or in how many seconds there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        level = self._level(name, now)
        if level < 1:
            return (1 - level) / self._rate
        if name not in self._found and len(self._found) >= MOST:
            self._forget(now)
        self._found[name] = (level - 1, now)
        return 0.0

    def _level(self, name: str, now: float) -> float:
        level, then = self._found.get(name, (float(self._burst), now))
        return min(float(self._burst), level + (now - then) * self._rate)

    def _forget(self, now: float) -> None:
        fullest = sorted(self._found, key=lambda name: -self._level(name, now))
        for name in fullest[: MOST // 2]:
            del self._found[name]
