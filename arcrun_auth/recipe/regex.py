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

from arcrun_auth.recipe.alphabet import Alphabet
from arcrun_auth.recipe.ambiguity import Ambiguity, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Tokens = Sequence[tuple[Any, Any]]

MAX_TEXT = 4096
"""How much of a text from a server is searched? It bounds the time that one search takes."""

MAX_PATTERN = 300
"""How long may a pattern be?"""
MAX_STATES = 256
MAX_UNROLLED = 64
"""Up to how many characters is `x{n}` written out? What is longer counts as `x+`."""
MAX_CHOICES = 8
"""How many ways may the choices outside of loops (`a?`, `a|ab`) have together?"""

# The parser behind `re`: what is judged here is what the matcher does, not a second opinion.
_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001
_FLAGS = "A pattern has no flags: write [Aa] for both cases, [\\s\\S] for any character"
_REPEATS = re.compile(r"[*+?{(]")  # without any of them there is one choice at most, and no group


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
    if parsed.state.flags != re.UNICODE:
        raise Refused(_FLAGS)
    machine = _Machine(Alphabet(parsed))
    found = machine.sequence(parsed)
    if not whole and not _is_anchored(parsed):
        anywhere = machine.loop(machine.atom(machine.alphabet.everything))
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

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
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
            return self.atom(self.alphabet.read_by(kind, value))
        if kind in ("SUBPATTERN", "ATOMIC_GROUP"):
            _, added, dropped, inner = value if kind == "SUBPATTERN" else (None, 0, 0, value)
            if added or dropped:
                raise Refused(_FLAGS)
            return self.sequence(inner)
        if kind == "BRANCH":
            return self._either(value[1])
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(*value)
        if kind in ("ASSERT", "ASSERT_NOT"):
            return self._aside(value[1])
        raise Refused("A pattern refers to no group, and has no condition")

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
        self.choices *= max(1, _most_alike(firsts))
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
        inner = _Machine(self.alphabet)
        inner.sequence(tokens)
        if any(inner.follow[state] & {state, *range(state)} for state in range(len(inner.follow))):
            raise Refused("What only looks ahead or behind repeats nothing here")
        self.choices *= inner.choices
        return _NOTHING


def _most_alike(classes: Iterable[int]) -> int:
    """How many of them have one and the same character."""
    layers: list[int] = []  # what one of them has, what two have, and so on
    for each in classes:
        rest = each
        for i, layer in enumerate(layers):
            layers[i], rest = layer | rest, layer & rest
        if rest:
            layers.append(rest)
    return len(layers)
