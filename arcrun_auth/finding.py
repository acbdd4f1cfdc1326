"""Finds a service by what people call it. Pure, and quick enough for some thousand of them.

>>> cards = [
...     Card("gmail", "Gmail", "google", ("google_mail",), ("mail",), "Messages and labels.", True),
...     Card("notion", "Notion", "productivity", (), (), "Pages and databases.", True),
... ]
>>> [card.service for card in ranked(cards, "mail")], [c.service for c in ranked(cards, "notoin")]
(['gmail'], ['notion'])
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CLOSE = 0.75
"""From which likeness on (difflib's ratio) is a word a mistyped name?"""

_WORDS = re.compile(r"[^\W_]+")


class Card(NamedTuple):
    """What a service is found by."""

    service: str
    display_name: str
    category: str
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    description: str
    confirmed: bool
    """Whether two sources agree on its facts, or somebody tried it."""


def ranked(cards: Iterable[Card], text: str) -> list[Card]:
    """The cards that every word of `text` fits, the best first.

    A name counts more than a tag or a category, these more than the description; the start of
    a word more than its middle. Where nothing fits, names that come close to `text`.
    """
    wanted = _WORDS.findall(text.lower()) or [text.lower()]
    cards = list(cards)
    found = [(_score(card, text.lower(), wanted), card) for card in cards]
    fitting = sorted((score, card.service, card) for score, card in found if score is not None)
    return [card for _, _, card in fitting] or _close(cards, text.lower())


def _score(card: Card, text: str, wanted: Sequence[str]) -> int | None:
    """How far it is from what is wanted: 0 is the very name; None, a word fits nothing."""
    if text in (card.service, *card.aliases, card.display_name.lower()):
        return 0
    total = 0
    for word in wanted:
        place = min((_place(word, text, rank) for rank, text in _texts(card)), default=_NOWHERE)
        if place >= _NOWHERE:
            return None
        total += place
    return total + 1


_NOWHERE = 1000


def _texts(card: Card) -> Iterator[tuple[int, str]]:
    """What is searched, and how much a hit in it counts: less is more."""
    for name in (card.service, *card.aliases, card.display_name):
        yield 1, name
    for tag in (card.category, *card.tags):
        yield 4, tag
    yield 7, card.description


def _place(word: str, text: str, rank: int) -> int:
    text = text.lower()
    words = _WORDS.findall(text)
    if word in words:
        return rank
    if any(each.startswith(word) for each in words):
        return rank + 1
    return rank + 2 if word in text else _NOWHERE


def _close(cards: Iterable[Card], text: str) -> list[Card]:
    def likeness(card: Card) -> float:
        names = (card.service, *card.aliases, card.display_name.lower())
        return max(SequenceMatcher(None, name, text).ratio() for name in names)

    near = sorted((-likeness(card), card.service, card) for card in cards)
    return [card for like, _, card in near if -like >= CLOSE]
