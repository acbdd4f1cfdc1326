"""Whether an automaton can be led to one of its states by many ways, by one text.

Weber and Seidl, "On the degree of ambiguity of finite automata", 1991. Each state is a character
of a pattern: to enter it is to read one. Pure; see `recipe.regex`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

MAX_STEPS = 5_000
"""How much is looked at before a pattern is taken for too complicated?"""
MAX_DEGREE = 1
"""By which power of a text's length may the tries grow, beside the text itself?"""


class Refused(ValueError):
    """The pattern must not be used; the text says why."""


class Ambiguity:
    """By how many ways one text can lead to one state."""

    def __init__(
        self, reads: Sequence[int], follow: Sequence[set[int]], twice: AbstractSet[int]
    ) -> None:
        """Of each state the characters that enter it (bits), and the states that follow it;
        the states that lead to one and the same state by two ways."""
        self._reads, self._follow, self._twice = reads, follow, twice
        self._reach = _closure(follow)
        self._steps = 0

    def check(self) -> None:
        """Raises Refused where there are too many."""
        loops = self._loops()
        for loop in loops:
            if self._splits(loop):
                raise Refused(
                    "On some texts this takes for ever: what repeats can be repeated in two ways"
                )
        if self._degree(loops) > MAX_DEGREE:
            raise Refused(
                "On long texts this takes for ever: too many parts that repeat can match the same "
                "characters. Begin it with ^, or say what stands between them"
            )

    def _loops(self) -> list[frozenset[int]]:
        """The states that lead back to themselves, those of one loop together; in their order."""
        found: dict[frozenset[int], None] = {}
        for state, reach in enumerate(self._reach):
            if reach >> state & 1:
                members = (o for o in range(len(self._reach)) if reach >> o & 1)
                found[frozenset(o for o in members if self._reach[o] >> state & 1)] = None
        return sorted(found, key=lambda loop: sum(self._leads(other, loop) for other in found))

    def _leads(self, one: frozenset[int], other: frozenset[int]) -> bool:
        return bool(self._reach[min(one)] >> min(other) & 1)

    def _splits(self, loop: frozenset[int]) -> bool:
        """Whether two ways through the loop part with a text and meet again."""
        if loop & self._twice:
            return True
        pairs = {(p, q) for s in loop for p, q in self._next((s, s), (loop, loop)) if p != q}
        return any(p == q for p, q in self._all(pairs, (loop, loop)))

    def _degree(self, loops: Sequence[frozenset[int]]) -> int:
        """How many loops a text can be handed on through, each of which could keep it."""
        degrees: dict[frozenset[int], int] = {}
        for loop in loops:
            before = [other for other in degrees if self._leads(other, loop)]
            hands = [other for other in before if self._hands_on(other, loop)]
            degrees[loop] = max((degrees[other] + 1 for other in hands), default=0)
        return max(degrees.values(), default=0)

    def _hands_on(self, one: frozenset[int], other: frozenset[int]) -> bool:
        """Whether some text leads from p to p, from p to q, and from q to q."""
        anywhere = frozenset(range(len(self._reads)))
        return any(
            (p, q, q) in self._all({(p, p, q)}, (one, anywhere, other))
            for p, q in product(one, other)
        )

    def _all(
        self, start: Iterable[tuple[int, ...]], within: Sequence[frozenset[int]]
    ) -> set[tuple[int, ...]]:
        """Everything that is reached from `start` by one text for all."""
        found: set[tuple[int, ...]] = set()
        todo = list(start)
        while todo:
            for each in self._next(todo.pop(), within):
                if each not in found:
                    found.add(each)
                    todo.append(each)
        return found

    def _next(
        self, states: tuple[int, ...], within: Sequence[frozenset[int]]
    ) -> Iterator[tuple[int, ...]]:
        ways = (self._follow[s] & fence for s, fence in zip(states, within, strict=True))
        for each in product(*ways):
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise Refused("This pattern is too complicated")
            shared = -1
            for state in each:
                shared &= self._reads[state]
            if shared:
                yield each


def _closure(follow: Sequence[set[int]]) -> list[int]:
    """Of each state all that it leads to, as bits (Warshall 1962)."""
    reach = [sum(1 << state for state in after) for after in follow]
    for middle in range(len(reach)):
        for state, found in enumerate(reach):
            if found >> middle & 1:
                reach[state] = found | reach[middle]
    return reach
