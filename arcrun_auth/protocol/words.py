"""How rows are written: canonical JSON, and what is read back checked for its shape. Pure."""

from __future__ import annotations

import json
from typing import Any

VERSION = 1
"""Which version of the protocol is written? A row of a newer one is refused, not guessed at."""


def canonical(data: Any) -> bytes:
    """One text for one value: sorted, compact, ASCII; halves of UTF-16 pairs survive in it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def parsed(plain: bytes, **expected: Any) -> dict[str, Any]:
    """The object in `plain`. ValueError where it is none, or a field is not as `expected`."""
    data = json.loads(plain)
    if not isinstance(data, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what was sent
    for name, value in expected.items():
        if data.get(name) != value:
            raise ValueError(f"its {name} is another one")
    return data


LARGEST = (1 << 53) - 1
"""What every language and every database holds exactly (RFC 8259 §6)."""


def number(value: Any, least: int = 0) -> int:
    """`value` as a whole number from `least` on; ValueError for anything else."""
    if type(value) is not int or not least <= value <= LARGEST:
        raise ValueError("no number where one belongs")
    return value


def hexadecimal(value: Any, digits: int) -> str:
    """`value` as so many lower-case hex digits; ValueError for anything else."""
    if not isinstance(value, str) or len(value) != digits or set(value) - set("0123456789abcdef"):
        raise ValueError("no hex digits where they belong")
    return value
