"""Secrets out of a stream of bytes, however it is cut into pieces. Pure: bytes in, bytes out.

What is masked: each value as it is, and in the forms of `scrub` (percent-encoded, base64, hex,
JSON); of a value of several lines each long line, too, as a program may print a key line by
line. Where two of them overlap, both are hidden. What is shorter than `scrub.SHORTEST`
characters stands in any text and is not masked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import scrub

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = scrub.MASK.encode()

LONG_LINE = 16
"""How long is a line of a key that is a secret by itself? Words of a text are shorter."""

GLIMPSE = 2
"""How many bytes of what may be the beginning of a secret does `glimpse` let go?"""


def is_masked(value: str) -> bool:
    """Whether a value is long enough to be masked."""
    return len(value) >= scrub.SHORTEST


class Masker:
    """Masks one stream: `feed` all of it, then `end`.

    Nothing is held back but what may be the beginning of a secret.

    >>> masker = Masker(["hunter2-hunter2"])
    >>> masker.feed(b"key: hunter2-"), masker.feed(b"hunter2 and more"), masker.end()
    (b'key: ', b'*** and more', b'')
    """

    def __init__(self, values: Iterable[str]) -> None:
        found = {pattern for value in values for pattern in _patterns(value)}
        self._patterns = sorted(found, key=len, reverse=True)  # of two at one place, the longer
        self._any = re.compile(b"|".join(map(re.escape, self._patterns)) or rb"(?!)")
        self._held = b""
        self._told = 0
        """How many bytes at the beginning of `_held` are out already, as they are or masked."""
        self._masked = 0
        """How many of these are under a mask."""

    @property
    def holds(self) -> bool:
        """Whether something is held back that `glimpse` could let go."""
        return len(self._held) > self._told and self._told - self._masked < GLIMPSE

    def feed(self, data: bytes) -> bytes:
        """What may be shown now."""
        data = self._held + data
        return self._show(data, self._undecided(data))

    def end(self) -> bytes:
        """What was held back, when the stream has ended."""
        return self._show(self._held, len(self._held))

    def glimpse(self) -> bytes:
        """The first bytes of what is held back, for somebody who waits: `GLIMPSE` at most.

        If it turns out to be a secret, all that follows is masked.
        """
        upto = min(self._masked + GLIMPSE, len(self._held))
        shown = self._held[self._told : upto]
        self._told = max(self._told, upto)
        return shown

    def _show(self, data: bytes, upto: int) -> bytes:
        """The bytes of `data` before `upto`, masked; the rest is held."""
        out: list[bytes] = []
        told, masked = self._told, self._masked
        for begin, end in self._found(data):
            if begin >= upto:
                break
            if begin >= masked:
                out += (data[told:begin], MASK)
            masked = max(masked, end)
            told = max(told, end)
        out.append(data[told:upto])
        told = max(told, upto)
        self._held, self._told, self._masked = data[upto:], told - upto, max(masked - upto, 0)
        return b"".join(out)

    def _found(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where secrets stand, by where they begin; they may overlap."""
        found = self._any.search(data)
        while found is not None:
            yield found.span()
            found = self._any.search(data, found.start() + 1)

    def _undecided(self, data: bytes) -> int:
        """Where the longest end of `data` begins that is the beginning of a secret."""
        earliest = len(data)
        for pattern in self._patterns:
            first = pattern[:1]
            at = data.find(first, max(0, len(data) - len(pattern) + 1), earliest)
            while at >= 0 and not pattern.startswith(data[at:]):
                at = data.find(first, at + 1, earliest)
            if at >= 0:
                earliest = at
        return earliest


def _patterns(value: str) -> Iterator[bytes]:
    # A shell drops the end of the last line of a key, and programs what is around it.
    for form in {*scrub.forms(value), *scrub.forms(value.strip())}:
        yield _raw(form)
    lines = re.split(r"\r\n|\n|\r|\\n", value)  # a key within JSON has its line breaks escaped
    if len(lines) > 1:
        yield _raw(re.sub(r"\r?\n", "\r\n", value))  # as a terminal shows it
        for line in lines:
            if len(line) >= LONG_LINE and not re.search(r"\s", line):
                yield _raw(line)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
