"""Times as they go over the wire."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(seconds: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339, in UTC; None stays None.

    >>> stamp(0.5), stamp(None)
    ('1970-01-01T00:00:00Z', None)
    """
    if seconds is None:
        return None
    whole = datetime.fromtimestamp(int(seconds), UTC)
    return whole.isoformat().replace("+00:00", "Z")
