"""The change log of a device: which row it wrote as which version, in order. Pure.

An entry is added for each change, and each is chained to the one before by a hash:

    h_start = SHA256(encode("arcrun/v1/log", vault, dev, gen, base))
    h_n     = SHA256(encode(h_{n-1}, entry n))

The device's signed head names how many entries there are and the last hash. Entries lie in rows
of `SEGMENT`, so that a change rewrites one of them, whatever the vault's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol.keys import NAME_DIGITS, PREFIX
from arcrun_auth.protocol.words import VERSION, canonical, hexadecimal, number, parsed
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEGMENT = 32
"""How many entries lie in one row? More of them make few rows, and each change dearer."""
SPARE = 64
"""How many entries too many may a log have, beside twice those that it needs?"""


@dataclass(frozen=True)
class Entry:
    """That a device wrote a row: the version, and the hash of what was sent."""

    name: str
    ver: int
    hash: str
    epoch: int
    gone: bool = False
    """The record was removed, every device knows it, and its row was deleted."""

    @property
    def plain(self) -> list[Any]:
        bare = self.name.removeprefix(PREFIX)
        return [bare, self.ver, self.hash, self.epoch, *([1] if self.gone else [])]

    @classmethod
    def of(cls, plain: Any) -> Entry:
        """The inverse of `plain`; ValueError for anything else."""
        match plain:
            case [name, ver, row, epoch]:
                gone = False
            case [name, ver, row, epoch, 1]:
                gone = True
            case _:
                raise ValueError("no entry of a log")
        name = PREFIX + hexadecimal(name, NAME_DIGITS)
        row = hexadecimal(row, 0 if gone else 64)
        return cls(name, number(ver, 1), row, number(epoch, 1), gone)


def start(vault: str, dev: str, gen: int, base: int) -> str:
    """The hash that the first entry of a generation is chained to."""
    parts = (b"arcrun/v1/log", vault.encode(), dev.encode(), b"%d" % gen, b"%d" % base)
    return sha256(encode(*parts)).hexdigest()


def chained(tip: str, entries: Iterable[Entry]) -> str:
    """The tip of a log after these entries."""
    for entry in entries:
        tip = sha256(encode(bytes.fromhex(tip), canonical(entry.plain))).hexdigest()
    return tip


def segment_at(seq: int, base: int) -> int:
    """In which segment the entry with this number lies; the first entry has `base` + 1."""
    return (seq - base - 1) // SEGMENT


def too_long(entries: int, needed: int) -> bool:
    """Whether a log is to be written anew, with the entries that are still needed."""
    return entries > 2 * needed + SPARE


def dump_segment(vault: str, dev: str, gen: int, i: int, entries: Sequence[Entry]) -> bytes:
    data = {
        "v": VERSION, "vault": vault, "dev": dev, "gen": gen, "i": i,
        "entries": [entry.plain for entry in entries],
    }  # fmt: skip
    return canonical(data)


def load_segment(plain: bytes, vault: str, dev: str, gen: int, i: int) -> list[Entry]:
    """The inverse. ValueError where it is another segment, or none."""
    data = parsed(plain, v=VERSION, vault=vault, dev=dev, gen=gen, i=i)
    entries = data.get("entries")
    if not isinstance(entries, list) or not 0 < len(entries) <= SEGMENT:
        raise ValueError("no segment of a log")
    return [Entry.of(each) for each in entries]
