"""Moments: as providers write them, in seconds since the epoch; and as people say them. Pure.

>>> epoch_of("2026-12-31 23:59:59 UTC") == epoch_of("2026-12-31T23:59:59Z") == 1798761599.0
True
>>> epoch_of(1798761599), epoch_of("1798761599"), epoch_of(1798761599000)
(1798761599.0, 1798761599.0, 1798761599.0)
>>> epoch_of("soon") is epoch_of(None) is None
True
"""

from __future__ import annotations

import math
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

MAX_LENGTH = 60
"""How long may a date be? What is longer is none."""

MILLISECONDS = 1e11
"""From which number on are milliseconds meant? As seconds it is the year 5138."""

LATEST = 253_402_300_799.0
"""The last second of the year 9999: whoever says more means "never"."""

_NUMBER = re.compile(r"[0-9]{9,16}(\.[0-9]+)?", re.ASCII)
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z)$|\s+(?=[+-][0-9]{2}:?[0-9]{2}$)", re.ASCII)


def epoch_of(value: object) -> float | None:
    """When that is; None for what is no moment. Never raises.

    A number of seconds or milliseconds, a date of RFC 3339 or RFC 5322 with or without a time
    and a zone, or Python's. Without a zone it is UTC; a bare date is its first second, since
    an end that comes too early costs less than one that comes too late.
    """
    if isinstance(value, bool):
        return None
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    if isinstance(value, int | float):
        return _seconds(value)
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _seconds(float(text))
    try:
        return _seconds(_utc(_date(text)).timestamp())
    except (ValueError, OverflowError):
        return None


def _seconds(number: float) -> float | None:
    try:
        seconds = float(number)
    except OverflowError:
        return None
    if seconds >= MILLISECONDS:
        seconds /= 1000
    return seconds if math.isfinite(seconds) and 0 < seconds <= LATEST else None


def _date(text: str) -> datetime:
    from datetime import datetime

    try:
        return datetime.fromisoformat(_ZONE.sub("", text))
    except ValueError:
        from email.utils import parsedate_to_datetime

        return parsedate_to_datetime(text)


def _utc(when: datetime) -> datetime:
    from datetime import UTC

    return when if when.tzinfo else when.replace(tzinfo=UTC)


def ago(seconds: float) -> str:
    """A span of time in words, from now on: what is past is negative.

    >>> ago(7100), ago(-3 * 86400), ago(0)
    ('in 118 min', '3 days ago', 'in 0 s')
    """
    span = abs(seconds)
    for size, least, word in ((86400, 1, "day"), (3600, 2, "h"), (60, 1, "min")):
        if span >= least * size:  # "1 h" could be nearly two
            number = int(span // size)
            text = f"{number} {word}{'s' if word == 'day' and number > 1 else ''}"
            break
    else:
        text = f"{int(span)} s"
    return f"in {text}" if seconds >= 0 else f"{text} ago"
