"""What the page shows, as plain values: read through the broker, and never a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from arcrun_auth.agents.ui.rows import row_of, uses_of
from arcrun_auth.errors import AuthError, printable
from arcrun_auth.standing import logins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arcrun_auth.agents.ui.rows import Connected
    from arcrun_auth.audit.reading import Entry
    from arcrun_auth.broker import Broker
    from arcrun_auth.finding import Card
    from arcrun_auth.policies import PendingRequest
    from arcrun_auth.policy import Rule
    from arcrun_auth.report import Service

T = TypeVar("T")

TAIL = 50
"""How many lines of the trail are shown?"""
DAY = 86400.0
DAYS = 30
"""How far back do we look for the last use?"""
MOST = 4000
"""How many lines do we look through for it? The page is read anew with every click."""


@dataclass(frozen=True)
class Offer:
    """A service that can be connected."""

    service: str
    title: str
    category: str
    note: str
    """`deprecated`, `not confirmed` or nothing."""
    connected: bool
    text: str


@dataclass(frozen=True)
class Picture:
    """All of the page at one moment."""

    now: float
    since: float
    """From when on it is known who used what."""
    query: str
    connected: tuple[Connected, ...]
    offers: tuple[Offer, ...]
    pending: tuple[PendingRequest, ...]
    rules: tuple[Rule, ...]
    locked: bool
    """Whether widening what agents may do takes a passphrase."""
    lines: tuple[Entry, ...]
    troubles: tuple[AuthError, ...]
    """What could not be looked at, and why."""


def look(broker: Broker, query: str, now: float) -> Picture:
    """The page as it stands. `query` narrows its services. Never raises an AuthError: what cannot
    be read is in `troubles`, and the rest is shown."""
    troubles: list[AuthError] = []
    policies, since = broker.policies, now - DAYS * DAY
    services: Mapping[str, Service] = _read(broker.list_services, {}, troubles)
    entries: list[Entry] = _read(lambda: broker.audit.entries(since=since, most=MOST), [], troubles)
    rules: tuple[Rule, ...] = _read(policies.rules, (), troubles)
    pending: tuple[PendingRequest, ...] = _read(policies.pending, (), troubles)
    locked = _read(lambda: policies.locked, False, troubles)
    uses = uses_of(entries)
    rows = [row_of(broker, login, uses, rules, now) for login in logins(services.values())]
    rows.sort(key=lambda row: (row.title.casefold(), row.name))
    found = broker.recipes.search(query) if query else broker.recipes.cards()
    return Picture(
        now,
        since if len(entries) < MOST else entries[-1].time,
        query,
        tuple(row for row in rows if _fits(row, query, {card.service for card in found})),
        tuple(offers(found, {row.service for row in rows}, services, ranked=bool(query))),
        pending,
        rules,
        locked,
        tuple(entries[:TAIL]),
        tuple(troubles),
    )


def _read(read: Callable[[], T], otherwise: T, troubles: list[AuthError]) -> T:
    """What `read` gives; where it cannot, what is shown instead, and one more trouble."""
    try:
        return read()
    except AuthError as error:
        if error.message not in {each.message for each in troubles}:
            troubles.append(error)
        return otherwise


def offers(
    cards: Iterable[Card],
    connected: set[str],
    services: Mapping[str, Service],
    *,
    ranked: bool,
) -> list[Offer]:
    """The services that can be connected: in the order of a search, else by name."""
    found = [_offer(card, services.get(card.service), card.service in connected) for card in cards]
    return found if ranked else sorted(found, key=lambda offer: offer.title.casefold())


def _fits(row: Connected, query: str, services: set[str]) -> bool:
    if not query or row.service in services:
        return True
    return all(word in row.text for word in query.lower().split())


def _offer(card: Card, service: Service | None, connected: bool) -> Offer:
    note = "" if card.confirmed else "not confirmed"
    if service is not None and service.status != "active":
        note = service.status
    names = (card.service, card.display_name, *card.aliases)
    words = (*names, card.category, *card.tags, card.description)
    return Offer(
        card.service,
        printable(card.display_name, 80),
        printable(card.category, 40),
        note,
        connected,
        printable(" ".join(words).lower(), 400),
    )
