"""Escapes of texts undone, in one pass, with the way back to where each byte stood. Pure."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Span = tuple[int, int]

_ESCAPE = re.compile(
    rb"\x00+"  # UTF-16: what is left of it is ASCII as it is
    rb"|%[0-9a-fA-F]{2}"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
    rb"|\\x[0-9a-fA-F]{2}|\\[\"\\/'nrt]"
    rb"|&#[0-9]{1,8};|&#[xX][0-9a-fA-F]{1,7};|&[a-zA-Z]{2,31};"
)
_BEGUN = re.compile(
    rb"(?:%[0-9a-fA-F]?"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?"
    rb"|\\(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?)?"
    rb"|&(?:#[0-9]{0,8}|#[xX][0-9a-fA-F]{0,7}|[a-zA-Z]{0,31}))\Z"
)
_LONGEST = 33
"""How many bytes can an escape have, that is not at its end yet?"""
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class Undone:
    """A text whose escapes were undone once: percent, JSON, Python, HTML; and UTF-16."""

    __slots__ = ("_parts", "_starts", "text")

    def __init__(self, text: bytes, parts: Sequence[tuple[int, int, int, int]]) -> None:
        self.text = text
        self._parts = parts
        """For each escape: where its bytes begin and end, and where it began and ended itself."""
        self._starts = [part[0] for part in parts]

    def back(self, span: Span) -> Span:
        """What `span` was made of, in the text before."""
        return self._source(span[0])[0], self._source(span[1] - 1)[1]

    def _source(self, at: int) -> Span:
        number = bisect_right(self._starts, at) - 1
        if number < 0:
            return at, at + 1
        _, end, before, after = self._parts[number]
        if at < end:
            return before, after
        return after + at - end, after + at - end + 1


def undo(text: bytes) -> Undone | None:
    """`text` with its escapes undone; None where there are none.

    >>> undo(b"a%2Fb").text, undo(b"a%2Fb").back((1, 2)), undo(b"a/b")
    (b'a/b', (1, 4), None)
    """
    pieces, parts, size, at = [], [], 0, 0
    for found in _ESCAPE.finditer(text):
        start, end = found.span()
        plain = _plain(found[0])
        size += start - at
        parts.append((size, size + len(plain), start, end))
        pieces += [text[at:start], plain]
        size, at = size + len(plain), end
    if not parts:
        return None
    return Undone(b"".join((*pieces, text[at:])), parts)


def begun(text: bytes) -> int:
    """Where an escape begins that `text` breaks off amid; its length where none does.

    >>> begun(b"abc%2"), begun(b"abc%20")
    (3, 6)
    """
    found = _BEGUN.search(text, max(0, len(text) - _LONGEST))
    return found.start() if found is not None else len(text)


def _plain(escape: bytes) -> bytes:
    kind = escape[:2].lower()
    if kind[:1] == b"\0":
        return b""
    if kind[:1] == b"%":
        return bytes.fromhex(escape[1:].decode())
    if kind[:1] == b"&":
        return html.unescape(escape.decode()).encode("utf-8", "surrogatepass")
    if kind == b"\\x":
        return bytes.fromhex(escape[2:].decode())
    if kind == b"\\u" and len(escape) > 2:  # noqa: PLR2004 - a backslash and a letter
        units = bytes.fromhex(escape[2:].replace(b"\\u", b"").decode())
        return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    return _LETTERS.get(escape[1:], escape[1:])
