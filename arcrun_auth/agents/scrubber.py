"""Secrets out of what a service answers, before an agent sees it. Pure; whole or as it comes.

Covered: every run of `WINDOW` characters of a secret, in any case of its letters, forwards or
backwards; percent-encoded in whole or in part, with JSON's or Python's escapes, as HTML entities,
each of these up to `READINGS - 1` times over; in base64, of both alphabets, wherever in the
encoded bytes it begins; in hex; in UTF-16. A shorter secret, and one
that is an e-mail address, is found where it stands whole.

Not covered: pieces shorter than that, ciphers, compression, base32 and whatever else somebody may
agree on who has the secret already. A service that does that gets the secret with each request.

How: a text is searched as it is, then with its escapes undone, and so on; what is found leads
back to where it came from. To find any window of any secret in one pass, the text is looked at in
steps: each window has a whole step in it.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcrun_auth.agents.escapes import begun, undo
from arcrun_auth.scrub import MASK, SHORTEST, base64_cores, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arcrun_auth.agents.escapes import Span, Undone

WINDOW = 12
"""How many characters of a secret in a row are never shown?"""
READINGS = 4
"""How often is a text searched: as it is, with escapes undone once, twice, ..."""
_STEP = 6
"""How far apart are the looks at a text? Twice this less one is at most `WINDOW`."""

# A and a are one here; so are base64's two alphabets, and a query's two spellings of a space.
_ALIKE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-+_", b"abcdefghijklmnopqrstuvwxyz  /")


class Scrubber:
    """Finds what these secrets may look like. Safe to share between threads.

    >>> Scrubber(["a-long/secret:key"]).text("x=a-long%2Fsecret%3Akey&y=1")
    'x=***&y=1'
    """

    __slots__ = ("_longest", "_needles", "_short", "_steps", "_windows")

    def __init__(self, secrets: Iterable[str]) -> None:
        sought = frozenset(secrets)
        # Others of the same domain have the end of an address in common with it.
        whole = frozenset(filter(is_address, sought))
        long = {each for each in _all_needles(sought - whole) if len(each) >= WINDOW}
        needles = _all_needles(sought)
        self._windows = frozenset(piece for each in long for piece in _pieces(each, WINDOW))
        self._steps = frozenset(piece for each in long for piece in _pieces(each, _STEP))
        short = sorted(needles - long, key=len, reverse=True)
        self._short = re.compile(b"|".join(map(re.escape, short))) if short else None
        self._needles = b"\0".join(needles)
        self._longest = max([WINDOW, *map(len, short)])

    def text(self, text: str) -> str:
        """`text` with `***` in place of all that was found."""
        data = self.data(text.encode("utf-8", "surrogatepass"))
        return data.decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """The same for bytes."""
        return Stream(self).feed(data, last=True)

    def look(self, data: bytes, *, last: bool) -> tuple[list[Span], int]:
        """Where `data` shows a secret, and up to where that is sure, if more may follow."""
        spans: list[Span] = []
        undone: list[Undone] = []
        text, sure = data, len(data)
        for _ in range(READINGS):
            plain = text.translate(_ALIKE)
            spans += (_back(undone, span) for span in self._find(plain))
            if not last:
                end = begun(text)
                open_at = end - self._begins(plain[:end])
                if open_at < len(text):
                    sure = min(sure, _back(undone, (open_at, open_at + 1))[0])
                text = text[:end]
            below = undo(text)
            if below is None:
                break
            undone.append(below)
            text = below.text
        return _merged(spans), sure

    def _find(self, plain: bytes) -> Iterator[Span]:
        steps, windows = self._steps, self._windows
        if windows:
            for at in range(0, len(plain) - _STEP + 1, _STEP):
                if plain[at : at + _STEP] in steps:
                    for start in range(max(0, at + _STEP - WINDOW), at + 1):
                        if plain[start : start + WINDOW] in windows:
                            yield start, start + WINDOW
        if self._short is not None:
            for found in self._short.finditer(plain):
                yield found.span()

    def _begins(self, plain: bytes) -> int:
        """How many bytes at the end may be the beginning of something that is sought."""
        longest = min(self._longest - 1, len(plain))
        found = next((n for n in range(longest, 0, -1) if plain[-n:] in self._needles), 0)
        # Line breaks end what is told line by line, and tell nothing: a key of several lines
        # would keep each event of a stream waiting for the next one.
        return found if plain[len(plain) - found :].strip(b"\r\n") else 0


class Stream:
    """Scrubs what comes in pieces: one answer, in one thread.

    Only what may be the beginning of a secret is kept back until more comes.
    """

    CONTEXT = 1024
    """How many bytes before a piece are looked at again? A window is shorter, however escaped."""

    __slots__ = ("_given", "_held", "_hiding", "_scrubber")

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._held = b""
        self._given = 0
        """How many of the held bytes were given out before, and are there for what follows."""
        self._hiding = False

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """What is sure by now and was not given out, scrubbed; all of it if this was the `last`."""
        held = self._held + data
        spans, sure = self._scrubber.look(held, last=last)
        sure = max(sure, self._given)
        shown = list(self._shown(held, spans, sure))
        begin = max(0, sure - self.CONTEXT)
        self._held, self._given = held[begin:], sure - begin
        return b"".join(shown)

    def _shown(self, held: bytes, spans: Sequence[Span], sure: int) -> Iterator[bytes]:
        at = self._given
        for start, end in spans:
            if end <= at or start >= sure:
                continue
            if start > at:
                yield held[at:start]
                self._hiding = False
            if not self._hiding:
                yield MASK.encode()
            self._hiding, at = True, min(end, sure)
        if at < sure:
            yield held[at:sure]
            self._hiding = False


def _all_needles(secrets: Iterable[str]) -> set[bytes]:
    return {each.translate(_ALIKE) for secret in secrets for each in _needles(secret)}


def _needles(secret: str) -> Iterator[bytes]:
    """What is sought of a secret in a text whose escapes are undone; nothing of a short one."""
    if len(secret) < SHORTEST:
        return
    for spelled in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
        data = spelled.encode("utf-8", "surrogatepass")
        yield data
        yield spelled[::-1].encode("utf-8", "surrogatepass")
        yield data.hex().encode()
        yield from (core.encode() for core in base64_cores(data))
        yield from _undone(data)
    with suppress(UnicodeEncodeError):
        yield secret.encode("latin-1")


def _undone(data: bytes) -> Iterator[bytes]:
    """A secret as its own escapes are undone with those of the text that it stands in."""
    for _ in range(READINGS - 1):
        below = undo(data)
        if below is None or len(below.text) < SHORTEST:
            return
        data = below.text
        yield data


def _pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _back(undone: Sequence[Undone], span: Span) -> Span:
    for each in reversed(undone):
        span = each.back(span)
    return span


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
