"""A word that no secret may ever show, and how to find it in six disguises.

Every secret that a test makes up starts with `WORD`, and so does every token that the
embedded provider issues during the suite. After each test its output, its log, its
warnings and the files it left are searched.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WORD = "cAnArY-9f"


def fresh(label: str = "secret") -> str:
    """A secret for one test: unique, and recognisable in whatever it turns up in."""
    return f"{WORD}-{label}-{secrets.token_hex(8)}"


def disguises(word: str) -> list[bytes]:
    """What shows a word or a secret: as it is, in hex, backwards, in base64."""
    raw = word.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), raw[::-1]}
    for shift in range(3):  # base64 depends on where in a group of three the word begins
        encoded = base64.b64encode(b"\0" * shift + raw)
        # Only whole groups inside the word are the same whatever stands around it.
        first = 0 if shift == 0 else 4
        found.add(encoded[first : len(encoded) // 4 * 4 - 4])
    return sorted(found)


PATTERN = re.compile(b"|".join(re.escape(form) for form in disguises(WORD)))


def hits(data: bytes | str) -> list[str]:
    """The places in `data` where a canary shows, with a little around each."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return [
        raw[max(0, m.start() - 40) : m.end() + 20].decode("utf-8", "replace")
        for m in PATTERN.finditer(raw)
    ]


def files_with_hits(folder: Path, *, given: str = "given") -> list[str]:
    """Files below `folder` that show a canary; what a test was given as input lies in `given`."""
    return [
        f"{path.relative_to(folder)}: {hits(data)[0]}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and given not in path.relative_to(folder).parts
        for data in [_read(path)]
        if hits(data)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
