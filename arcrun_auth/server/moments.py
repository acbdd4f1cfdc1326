"""Times as they go over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def stamp(seconds: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339, in UTC; None stays None.

    >>> stamp(0.5), stamp(None)
    ('1970-01-01T00:00:00Z', None)
    """
    if seconds is None:
        return None
    return _stamp(int(seconds))


@lru_cache(maxsize=4096)
def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
