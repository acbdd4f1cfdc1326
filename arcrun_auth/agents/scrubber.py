"""Secrets out of what a service answers, before an agent sees it. Pure; whole or as it comes.

Covered: every run of `WINDOW` characters of a secret, in any case of its letters, forwards or
backwards; percent-encoded in whole or in part, with JSON's or Python's escapes, as HTML entities,
each of these up to `READINGS - 1` times over; in base64, of both alphabets, wherever in the
encoded bytes it begins; in hex; in UTF-16. A shorter secret, and one
that is an e-mail address, is found where it stands whole.

Not covered: pieces shorter than that, ciphers, compression, base32 and whatever else somebody may
agree on who has the secret already. A service that does that gets the secret with each request.

Whoever can have a text of theirs shown could try pieces of a secret until one is hidden, a letter
at a time. So what a client has sent itself is shown to it again, whatever it is (`Known`): that
tells nothing. Who puts texts into a service by another way, or has a model say them, shows many
different pieces of one secret by it, and no service does: `Pieces` counts those.

How: a text is searched as it is, then with its escapes undone, and so on; what is found leads
back to where it came from. To find any window of any secret in one pass, the text is looked at in
steps: each window has a whole step in it.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcrun_auth.agents.escapes import begun, undo
from arcrun_auth.scrub import MASK, SHORTEST, base64_cores, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arcrun_auth.agents.escapes import Span, Undone

WINDOW = 12
"""How many characters of a secret in a row are never shown?"""
_IN_HEX, _IN_BASE64 = 24, 14
"""How long are they in hex and base64? The first and the last of 16 may be others' in part. Less
of a secret than that is no window, since many a key begins with what everybody knows."""
READINGS = 4
"""How often is a text searched: as it is, with escapes undone once, twice, ..."""
MANY = 8
"""How many different pieces of a secret are more than chance?"""
_LONGEST_RUN = 1 << 14
"""For how many bytes do we wait for the end of a secret, to see whether it is a whole one?"""
_MOST_ESCAPED = 32
"""How many times as long as it was sent may a text be shown, by its escapes?"""
_STEP = 6
"""How far apart are the looks at a text? Twice this less one is at most `WINDOW`."""

# A and a are one here; so are base64's two alphabets, and a query's two spellings of a space.
_ALIKE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-+_", b"abcdefghijklmnopqrstuvwxyz  /")


class Known:
    """What a client has sent: to see it again is no news to it. Looked into only when needed."""

    def __init__(self, *parts: str | bytes) -> None:
        self._parts = parts
        self.size = sum(map(len, parts))

    def __contains__(self, run: bytes) -> bool:
        """Whether that, which stands in an answer, was sent so; with whatever escapes."""
        shown = [text.translate(_ALIKE) for text in _readings(run)]
        return any(len(each) >= SHORTEST and self._has(each) for each in shown)

    def _has(self, text: bytes) -> bool:
        return any(text in sent or text[::-1] in sent for sent in self._sent)

    @cached_property
    def _sent(self) -> list[bytes]:
        data = (
            part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            for part in self._parts
        )
        return [text.translate(_ALIKE) for each in data for text in _readings(each)]


_NOTHING = Known()


class Pieces:
    """The pieces of secrets that answers have shown: each once, however often it was shown."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def add(self, piece: bytes) -> None:
        """Notes one. What is too many already is not counted further."""
        if not self.many:
            self._seen.add(piece)

    @property
    def many(self) -> bool:
        """Whether there are more than a service shows by itself: part of an account's number."""
        return len(self._seen) >= MANY


class Scrubber:
    """Finds what these secrets may look like. Safe to share between threads.

    >>> Scrubber(["a-long/secret:key"]).text("x=a-long%2Fsecret%3Akey&y=1")
    'x=***&y=1'
    """

    __slots__ = (
        "_longest", "_needles", "_short", "_sizes", "_steps", "_whole", "_windows", "known",
        "pieces",
    )  # fmt: skip

    def __init__(self, secrets: Iterable[str]) -> None:
        self.known, self.pieces = _NOTHING, Pieces()
        sought = frozenset(secrets)
        # Others of the same domain have the end of an address in common with it.
        whole = frozenset(filter(is_address, sought))
        long = {(each, size) for each, size in _all_needles(sought - whole) if len(each) >= size}
        needles = {each for each, _ in _all_needles(sought)}
        self._windows = frozenset(piece for each, size in long for piece in _pieces(each, size))
        self._sizes = {size for _, size in long}
        self._steps = frozenset(piece for each, _ in long for piece in _pieces(each, _STEP))
        short = sorted(needles - {each for each, _ in long}, key=len, reverse=True)
        self._short = re.compile(b"|".join(map(re.escape, short))) if short else None
        self._whole = needles
        self._needles = b"\0".join(needles)
        self._longest = max([WINDOW, *self._sizes, *map(len, short)])

    def to(self, known: Known) -> Scrubber:
        """The same, for a client that has sent that."""
        made = copy(self)
        made.known = known
        return made

    def is_news(self, run: bytes) -> bool:
        """Whether to hide it: not from who has sent it. A piece of a secret is counted."""
        if run in self.known:
            return False
        shown = [text.translate(_ALIKE) for text in _readings(run)]
        if not any(needle in text for needle in self._whole for text in shown):
            self.pieces.add(shown[-1])
        return True

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
                    for size in self._sizes:
                        for start in range(max(0, at + _STEP - size), at + 1):
                            piece = plain[start : start + size]
                            if piece in windows:
                                yield start, start + len(piece)
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
        spans, sure = self._news(held, spans, max(sure, self._given), last=last)
        shown = list(self._shown(held, spans, sure))
        begin = max(0, sure - self.CONTEXT)
        self._held, self._given = held[begin:], sure - begin
        return b"".join(shown)

    def _news(
        self, held: bytes, spans: Sequence[Span], sure: int, *, last: bool
    ) -> tuple[list[Span], int]:
        """Without what the client has sent itself; and up to where that is sure."""
        longest = max(_LONGEST_RUN, _MOST_ESCAPED * self._scrubber.known.size)
        found: list[Span] = []
        for start, end in spans:
            if start >= self._given and end - start <= longest:
                if end >= sure and not last:  # it may go on, and then be more than was sent
                    return found, min(sure, start)
                if not self._scrubber.is_news(held[start:end]):
                    continue
            found.append((start, end))
        return found, sure

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


def _all_needles(secrets: Iterable[str]) -> set[tuple[bytes, int]]:
    return {(each.translate(_ALIKE), size) for secret in secrets for each, size in _needles(secret)}


def _needles(secret: str) -> Iterator[tuple[bytes, int]]:
    """What is sought of a secret in a text whose escapes are undone, and how long a window of it
    is; nothing of a short one."""
    if len(secret) < SHORTEST:
        return
    for spelled in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
        data = spelled.encode("utf-8", "surrogatepass")
        # Its own escapes are undone with those of the text that it stands in.
        yield from ((each, WINDOW) for each in _readings(data) if len(each) >= SHORTEST)
        yield spelled[::-1].encode("utf-8", "surrogatepass"), WINDOW
        yield data.hex().encode(), _IN_HEX
        yield from ((core.encode(), _IN_BASE64) for core in base64_cores(data))
    with suppress(UnicodeEncodeError):
        yield secret.encode("latin-1"), WINDOW


def _readings(text: bytes) -> Iterator[bytes]:
    """The text, and what it is with its escapes undone, again and again."""
    for _ in range(READINGS):
        yield text
        below = undo(text)
        if below is None:
            return
        text = below.text


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
