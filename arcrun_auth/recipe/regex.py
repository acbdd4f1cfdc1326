"""Which regular expressions may stand in a recipe: those that end soon, whatever the text.

Python's matcher goes back and tries again, and some patterns make it do so for ever (`(a+)+b`).
Here a pattern becomes an automaton, one state for each character it names. What matters is
whether a text can lead to one state by two ways (`recipe.ambiguity`): if so within one loop, the
tries double with each character; if so from loop to loop, they grow by a power of the length for
each. One such power is allowed, which with `MAX_TEXT` is bounded. What cannot be decided here is
refused.

    >>> fault("^sk-[A-Za-z0-9_-]+$"), fault("([a-z]+(-[a-z]+)*)")
    (None, None)
    >>> fault("(a+)+b")
    'On some texts this takes for ever: what repeats can be repeated in two ways'
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from arcrun_auth.recipe.ambiguity import Ambiguity, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Tokens = Sequence[tuple[Any, Any]]

MAX_TEXT = 4096
"""How much of a text from a server is searched? It bounds the time that one search takes."""

MAX_PATTERN = 1000
"""How long may a pattern be?"""
MAX_STATES = 512
MAX_UNROLLED = 64
"""Up to how many characters is `x{n}` written out? What is longer counts as `x+`."""
MAX_CHOICES = 8
"""How many ways may the choices outside of loops (`a?`, `a|ab`) have together?"""

# The parser behind `re`: what is judged here is what the matcher does, not a second opinion.
_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001
_REPEATS = re.compile(r"[*+?{(]")  # without any of them there is one choice at most, and no group
_LINE_BREAK, _SAMPLES = 10, "0aA_ \n\u00e9\u4e00-;"


@lru_cache(maxsize=4096)
def fault(pattern: str, *, whole: bool = False) -> str | None:
    """Why this pattern may not be used; None where it may.

    `whole`: it has to match from the beginning, as `re.fullmatch` does; else it is searched for.
    """
    try:
        _check(pattern, whole=whole)
    except Refused as error:
        return str(error)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        return f"This is no regular expression: {error}"
    return None


def _check(pattern: str, *, whole: bool) -> None:
    if len(pattern) > MAX_PATTERN:
        raise Refused(f"A pattern has at most {MAX_PATTERN} characters")
    re.compile(pattern)  # which finds more faults than the parser alone
    if not _REPEATS.search(pattern):
        return
    parsed = _parser.parse(pattern)
    flags = parsed.state.flags
    machine = _Machine(_alphabet(parsed), ignore_case=bool(flags & re.IGNORECASE))
    found = machine.sequence(parsed)
    if not whole and (flags & re.MULTILINE or not _is_anchored(parsed)):
        anywhere = machine.loop(machine.atom(machine.everything))
        found = machine.joined([machine.optional(anywhere), found])
    if machine.choices > MAX_CHOICES:
        raise Refused("This has too many choices that begin alike")
    Ambiguity(machine.reads, machine.follow, machine.twice).check()


def _is_anchored(tokens: Tokens) -> bool:
    """Whether it can match at the beginning of the text alone."""
    if not len(tokens):
        return False
    kind, value = tokens[0]
    name = str(kind)
    if name == "AT":
        return str(value) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
    if name == "BRANCH":
        return all(map(_is_anchored, value[1]))
    return name == "SUBPATTERN" and _is_anchored(value[3])


# -- characters ------------------------------------------------------------------------


def _alphabet(tokens: Tokens) -> str:
    """Characters of which at least one is in whatever any two classes of the pattern share."""
    found = {ord(char) for char in _SAMPLES}
    for end in _ends(tokens):
        found |= {max(end - 1, 0), end, min(end + 1, 0x10FFFF)}
    return "".join(map(chr, sorted(found)))


def _ends(value: Any) -> Iterator[int]:
    """Every literal, and both ends of every range."""
    if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004 - what a token is
        kind, of_it = value
        if str(kind) in ("LITERAL", "NOT_LITERAL"):
            yield of_it
        elif str(kind) == "RANGE":
            yield from of_it
    if not isinstance(value, str | int) and value is not None:
        for each in value:
            yield from _ends(each)


def _is_in(items: Tokens, char: str) -> bool:
    """Whether a class has this character."""
    negated = any(str(kind) == "NEGATE" for kind, _ in items)
    return negated != any(_fits(str(kind), value, char) for kind, value in items)


def _fits(kind: str, value: Any, char: str) -> bool:
    if kind == "CATEGORY":
        name = str(value).removeprefix("CATEGORY_")
        plain = name.removeprefix("NOT_")
        has = {"DIGIT": char.isdecimal(), "SPACE": char.isspace()}
        return has.get(plain, char.isalnum() or char == "_") != (plain != name)
    code = ord(char)
    return (kind == "LITERAL" and value == code) or (
        kind == "RANGE" and value[0] <= code <= value[1]
    )


# -- the automaton ---------------------------------------------------------------------


class _Part(NamedTuple):
    """A piece of the pattern: where it can begin and end, and whether it can be empty."""

    empty: bool
    first: frozenset[int]
    last: frozenset[int]
    plain: tuple[int, ...] | None = None
    """The classes of its characters one after the other, if it is no more than that."""
    repeats: bool = False


_NOTHING = _Part(empty=True, first=frozenset(), last=frozenset(), plain=())


class _Machine:
    """States are the characters of a pattern (Glushkov 1961): to enter one is to read it."""

    def __init__(self, alphabet: str, *, ignore_case: bool) -> None:
        self._alphabet = alphabet
        self._ignore_case = ignore_case
        self._known: dict[str, int] = {}
        self.everything = (1 << len(alphabet)) - 1
        self.reads: list[int] = []
        """Of each state the characters that enter it, as a bit for each of the alphabet."""
        self.follow: list[set[int]] = []
        self.twice: set[int] = set()
        """The states that lead to one and the same state by two ways: of `(a+)+` that of `a`."""
        self.choices = 1

    def sequence(self, tokens: Tokens) -> _Part:
        return self.joined([self._part(str(kind), value) for kind, value in tokens])

    def _part(self, kind: str, value: Any) -> _Part:
        if kind == "AT":
            return _NOTHING
        if kind in ("LITERAL", "ANY", "NOT_LITERAL", "IN"):
            return self.atom(self._read_by(kind, value))
        if kind in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self.sequence(value[3] if kind == "SUBPATTERN" else value)
        if kind == "BRANCH":
            return self._either(value[1])
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(*value)
        if kind in ("ASSERT", "ASSERT_NOT"):
            return self._aside(value[1])
        raise Refused("A pattern refers to no group, and has no condition")

    def _read_by(self, kind: str, value: Any) -> int:
        """The characters that one of the pattern stands for; found once for each class."""
        name = f"{kind} {value}"
        if name not in self._known:
            self._known[name] = self._found_by(kind, value)
        return self._known[name]

    def _found_by(self, kind: str, value: Any) -> int:
        if kind == "LITERAL" and not self._ignore_case:
            return 1 << self._alphabet.index(chr(value))
        if kind == "ANY":
            items: Tokens = [("NEGATE", None), ("LITERAL", _LINE_BREAK)]
        elif kind == "NOT_LITERAL":
            items = [("NEGATE", None), ("LITERAL", value)]
        else:
            items = value if kind == "IN" else [(kind, value)]
        forms = (
            {char, char.lower()[:1], char.upper()[:1]} if self._ignore_case else {char}
            for char in self._alphabet
        )
        return sum(1 << i for i, form in enumerate(forms) if any(_is_in(items, c) for c in form))

    def atom(self, reads: int) -> _Part:
        """One character."""
        if len(self.reads) >= MAX_STATES:
            raise Refused("This pattern is too long")
        state = frozenset({len(self.reads)})
        self.reads.append(reads)
        self.follow.append(set())
        return _Part(empty=False, first=state, last=state, plain=(reads,))

    def joined(self, parts: Sequence[_Part]) -> _Part:
        """One after the other."""
        whole = _NOTHING
        for part in reversed(parts):
            if part.empty and not part.repeats:
                alike = self._reads(part.first) & self._reads(whole.first)
                self.choices *= 2 if alike else 1
            self._lead(part.last, whole.first)
            whole = _Part(
                empty=part.empty and whole.empty,
                first=part.first | whole.first if part.empty else part.first,
                last=part.last | whole.last if whole.empty else whole.last,
                plain=None
                if part.plain is None or whole.plain is None
                else part.plain + whole.plain,
            )
        return whole

    def _lead(self, ends: Iterable[int], firsts: frozenset[int]) -> None:
        for state in ends:
            if self.follow[state] & firsts:
                self.twice.add(state)
            self.follow[state] |= firsts

    def _reads(self, states: Iterable[int]) -> int:
        found = 0
        for state in states:
            found |= self.reads[state]
        return found

    def _either(self, choices: Sequence[Tokens]) -> _Part:
        parts = [self.sequence(each) for each in choices]
        places = [all(str(kind) == "AT" for kind, _ in each) and len(each) for each in choices]
        if sum(part.empty and not place for part, place in zip(parts, places, strict=True)) > 1:
            raise Refused("Two of the choices here match the same")  # `a|a` comes as `a(|)`
        firsts = [self._reads(part.first) for part in parts]
        alike = (sum(first >> i & 1 for first in firsts) for i in range(len(self._alphabet)))
        self.choices *= max(1, *alike)
        return _Part(
            empty=any(part.empty for part in parts),
            first=frozenset().union(*(part.first for part in parts)),
            last=frozenset().union(*(part.last for part in parts)),
        )

    def optional(self, part: _Part) -> _Part:
        """Once, or not at all."""
        return part._replace(empty=True, plain=None)

    def loop(self, part: _Part) -> _Part:
        """Once, or more often."""
        self._lead(part.last, part.first)
        return part._replace(plain=None, repeats=True)

    def _repeat(self, least: int, most: int, tokens: Tokens) -> _Part:
        part = self.sequence(tokens)
        if most <= 1:
            return part if least == most == 1 else self.optional(part)
        if part.empty:
            raise Refused("What repeats here may be empty")
        if least == most and part.plain is not None and most * len(part.plain) <= MAX_UNROLLED:
            copies = [self.atom(reads) for _ in range(most - 1) for reads in part.plain]
            return self.joined([part, *copies])
        whole = self.loop(part)
        return whole if least else self.optional(whole)

    def _aside(self, tokens: Tokens) -> _Part:
        """What only looks around is tried at each place: as bad as it is by itself."""
        inner = _Machine(self._alphabet, ignore_case=self._ignore_case)
        inner.sequence(tokens)
        if any(inner.follow[state] & {state, *range(state)} for state in range(len(inner.follow))):
            raise Refused("What only looks ahead or behind repeats nothing here")
        self.choices *= inner.choices
        return _NOTHING
