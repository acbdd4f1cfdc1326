"""Points in time, in whatever way an API writes them. Pure.

>>> epoch_of("2026-01-01T00:00:00Z") == epoch_of(1767225600) == epoch_of("1767225600")
True
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]+)?")
_ZONE = re.compile(r"\s*(UTC|GMT|Z)$", re.IGNORECASE)


def epoch_of(value: Any) -> float | None:
    """Seconds since 1970, from a number or a date (RFC 3339, RFC 9110 §5.6.7). Never raises.

    A date without a zone is UTC. None for all else.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value < 1e12 else None  # noqa: PLR2004 - the year 33658
    if not isinstance(value, str) or len(value) > 60:  # noqa: PLR2004 - longer than any date
        return None
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else _date(text)


def _date(text: str) -> float | None:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(_ZONE.sub("+00:00" if read is datetime.fromisoformat else " GMT", text))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
