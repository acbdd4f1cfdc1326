"""The audit trail of a device, as the others may read it: rows of entries, in order. Pure.

Row `i` holds the entries `64 i + 1` to `64 i + 64`, as far as they have been written, and the hash
that the first of them is chained to. The device's signed head names the last entry with its hash,
and the first that lies in a row with the hash before it: so nothing can be left out at either end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcrun_auth.protocol.words import VERSION, canonical, hexadecimal, number, parsed

SEGMENT = 64
"""How many entries lie in one row? The last of them is rewritten whenever lines were added."""
KEPT = 5000
"""How many entries of a device lie in rows at most? Older ones stay on the device alone."""
TEXT = 8192
"""How many characters has an entry at most? What writes them keeps far below."""

_HASH_DIGITS = 64
_ID_DIGITS = 32


@dataclass(frozen=True)
class Span:
    """Which part of a trail lies in rows: from `first` to the end that the head names."""

    trail: str
    """The id of the trail: a device whose file was lost begins another one."""
    first: int
    before: str
    """The hash that the entry `first` is chained to, in hex."""
    row: str
    """And the first entry of the last row."""


def span(data: Any) -> Span:
    """A span out of plain data; ValueError for anything else."""
    if not isinstance(data, dict):
        raise ValueError("no part of a trail")  # noqa: TRY004 - of what was sent
    return Span(
        hexadecimal(data.get("trail"), _ID_DIGITS), number(data.get("first"), 1),
        hexadecimal(data.get("before"), _HASH_DIGITS), hexadecimal(data.get("row"), _HASH_DIGITS),
    )  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """What is in one row: entries with their numbers, and the hash that they go on from."""

    before: str
    entries: list[tuple[int, str]]


def place(n: int) -> int:
    """In which row the entry with this number lies."""
    return (n - 1) // SEGMENT


def begin(i: int) -> int:
    """The number of the first entry of a row."""
    return i * SEGMENT + 1


def dump(vault: str, dev: str, i: int, piece: Piece) -> bytes:
    data = {
        "v": VERSION, "vault": vault, "dev": dev, "i": i, "before": piece.before,
        "entries": piece.entries,
    }  # fmt: skip
    return canonical(data)


def load(plain: bytes, vault: str, dev: str, i: int) -> Piece:
    """The inverse. ValueError where it is another row, or none."""
    data = parsed(plain, v=VERSION, vault=vault, dev=dev, i=i)
    entries = data.get("entries")
    if not isinstance(entries, list) or not entries:
        raise ValueError("no part of a trail")
    found = [_entry(each) for each in entries]
    numbers = [n for n, _ in found]
    if any(place(n) != i for n in numbers) or numbers != sorted(set(numbers)):
        raise ValueError("its entries lie elsewhere")
    return Piece(hexadecimal(data.get("before"), _HASH_DIGITS), found)


def _entry(plain: Any) -> tuple[int, str]:
    match plain:
        case [n, str(text)] if len(text) <= TEXT:
            return number(n, 1), text
    raise ValueError("no entry of a trail")
