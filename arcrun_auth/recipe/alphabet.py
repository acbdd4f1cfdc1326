"""The characters of a regular expression, as few as tell its classes apart.

Where a class begins or ends, the code points are cut. What lies between two cuts can differ only
by the categories (`\\d`, `\\w`, `\\s`): it gives one character for each of these kinds. In a
stretch too long to look through, every kind counts as there: that can only add what two share.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KINDS = ("digit", "word", "space", "other")
_LINE_BREAK, _ASCII = 10, 128
_LOOKED_THROUGH = 128
"""Up to how many code points is a stretch looked through?"""

_CATEGORIES = {"DIGIT": ("digit",), "SPACE": ("space",), "WORD": ("digit", "word")}


class Alphabet:
    """Whatever any two classes of a parsed pattern share has one of these characters in it.

    >>> import re
    >>> letters = Alphabet(re._parser.parse("[a-c]x"))
    >>> bool(letters.read_by("LITERAL", ord("x")) & letters.read_by("ANY", None))
    True
    """

    def __init__(self, pattern: Any) -> None:
        cuts = {0, _LINE_BREAK, _LINE_BREAK + 1, _ASCII, *_cuts(pattern), sys.maxunicode + 1}
        self._before: dict[int, int] = {}
        """Of each cut, how many characters are before it."""
        self._of_kind = dict.fromkeys(_KINDS, 0)
        count = 0
        for first, after in pairwise(sorted(cuts)):
            self._before[first] = count
            for kind in _kinds(first, after):
                self._of_kind[kind] |= 1 << count
                count += 1
        self._before[sys.maxunicode + 1] = count
        self.everything = (1 << count) - 1

    def read_by(self, kind: str, value: Any) -> int:
        """The characters that a class of the pattern stands for, a bit for each."""
        if kind == "ANY":
            return self.everything ^ self._between(_LINE_BREAK, _LINE_BREAK)
        if kind == "NOT_LITERAL":
            return self.everything ^ self._between(value, value)
        found, negated = 0, False
        for name, item in value if kind == "IN" else [(kind, value)]:
            negated = negated or str(name) == "NEGATE"
            found |= self._item(str(name), item)
        return self.everything ^ found if negated else found

    def _item(self, kind: str, value: Any) -> int:
        if kind == "CATEGORY":
            name = str(value).removeprefix("CATEGORY_")
            found = 0
            for each in _CATEGORIES[name.removeprefix("NOT_")]:
                found |= self._of_kind[each]
            return self.everything ^ found if name.startswith("NOT_") else found
        if kind == "RANGE":
            return self._between(*value)
        return self._between(value, value) if kind == "LITERAL" else 0

    def _between(self, first: int, last: int) -> int:
        return (1 << self._before[last + 1]) - (1 << self._before[first])


def _cuts(value: Any) -> Iterator[int]:
    """Where each literal and each range begins, and what comes after it."""
    if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004 - what a token is
        kind, of_it = value
        if str(kind) in ("LITERAL", "NOT_LITERAL"):
            yield from (of_it, of_it + 1)
        elif str(kind) == "RANGE":
            yield from (of_it[0], of_it[1] + 1)
    if not isinstance(value, str | int) and value is not None:
        for each in value:
            yield from _cuts(each)


def _kinds(first: int, after: int) -> Sequence[str]:
    if after - first > _LOOKED_THROUGH:
        return _KINDS
    return sorted({_kind(chr(code)) for code in range(first, after)})


def _kind(char: str) -> str:
    """Which categories a character is in: those of `re` without flags, that is Unicode's."""
    if char.isdecimal():
        return "digit"
    if char.isspace():
        return "space"
    return "word" if char.isalnum() or char == "_" else "other"
