"""What the page shows, as plain values: read through the broker, and never a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.lifetimes import ARROW
from arcrun_auth.policy import ANY, Wanted, decide, writes
from arcrun_auth.standing import logins, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from arcrun_auth.audit.reading import Entry
    from arcrun_auth.broker import Broker
    from arcrun_auth.finding import Card
    from arcrun_auth.policies import PendingRequest
    from arcrun_auth.policy import Rule
    from arcrun_auth.report import Instance, Service, Why
    from arcrun_auth.standing import Login

    Mood = Literal["good", "warn", "bad"]

T = TypeVar("T")

TAIL = 50
"""How many lines of the trail are shown?"""
DAY = 86400.0
DAYS = 30
"""How far back do we look for the last use? The page is read anew with every click."""
USES = ("use", "reveal", "agent")
"""Which lines of the trail tell that somebody used a connection?"""


@dataclass(frozen=True)
class Use:
    """When a connection was used last, and by whom: the agent, else the program."""

    time: float
    who: str


@dataclass(frozen=True)
class Connected:
    """One login, as a row of the page."""

    name: str
    """As it is typed: `notion@work`."""
    service: str
    title: str
    identity: str
    method: str
    status: str
    mood: Mood
    until: str
    scopes: tuple[str, ...]
    hosts: tuple[str, ...]
    """Where its secret may go."""
    also: tuple[str, ...]
    """The other services that it serves."""
    warnings: tuple[tuple[str, str], ...]
    """What will end soon, each with the command to type."""
    places: tuple[str, ...]
    """The variables and files that it comes from."""
    stored: bool
    """Whether there is anything here to disconnect."""
    agents: str
    """What agents may do with it, as far as no rule is about single requests."""
    used: Use | None
    text: str
    """What it is found by, in lower case."""


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
    entries: list[Entry] = _read(lambda: broker.audit.entries(since=since), [], troubles)
    rules: tuple[Rule, ...] = _read(policies.rules, (), troubles)
    pending: tuple[PendingRequest, ...] = _read(policies.pending, (), troubles)
    locked = _read(lambda: policies.locked, False, troubles)
    rows = [_row(broker, login, _uses(entries), rules, now) for login in logins(services.values())]
    rows.sort(key=lambda row: (row.title.casefold(), row.name))
    found = broker.recipes.search(query) if query else broker.recipes.cards()
    return Picture(
        now,
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


def full_name(service: str, instance: str) -> str:
    """A connection as it is typed.

    >>> full_name("notion", "default"), full_name("notion", "work")
    ('notion', 'notion@work')
    """
    return service if instance == "default" else f"{service}@{instance}"


def mood(instance: Instance) -> Mood:
    """Whether somebody has to do something about it."""
    if instance.status == "connected" or (instance.status == "expired" and instance.can_renew):
        return "warn" if instance.warnings else "good"
    return "warn" if instance.status == "untested" else "bad"


def _row(
    broker: Broker, login: Login, uses: Mapping[str, Use], rules: Sequence[Rule], now: float
) -> Connected:
    service, instance = login.service, login.instance
    ids = (service.service, *login.also)
    why = _why(broker, service.service, login.name)
    used = [
        uses[full_name(each, login.name)] for each in ids if full_name(each, login.name) in uses
    ]
    name, title = full_name(service.service, login.name), printable(service.display_name, 80)
    origins = why.origins if why is not None else ()
    words = (name, title, service.category, instance.identity or "", *login.also)
    return Connected(
        name=name,
        service=service.service,
        title=title,
        identity=printable(instance.identity or "", 120),
        method=instance.method,
        status=instance.status,
        mood=mood(instance),
        until=until(instance, now),
        scopes=tuple(printable(scope, 200) for scope in instance.scopes),
        hosts=why.hosts if why is not None else (),
        also=login.also,
        warnings=tuple(_warning(text) for text in instance.warnings),
        places=tuple(sorted({origin.place for origin in origins if origin.place})),
        stored=not origins or any(not origin.place for origin in origins),
        agents=_agents(broker, service.service, login.name, rules, now),
        used=max(used, key=lambda use: use.time, default=None),
        text=" ".join(words).lower(),
    )


def _agents(broker: Broker, service: str, instance: str, rules: Sequence[Rule], now: float) -> str:
    """In words: an agent sees what the vault holds, or what a rule names."""
    named = any(rule.allow and rule.service == service for rule in rules)
    if not named and not broker.lending.is_kept(service, instance):
        return "do not see it"
    read = Wanted(
        service=service, instance=instance, client=ANY, what="read", method="GET", path="/"
    )
    about = [
        rule
        for rule in rules
        if rule.service in (ANY, service) and rule.instance in (ANY, instance)
    ]
    found = ["read"] if decide(about, read, now).allowed else []
    if any(writes(about, client, now) for client in {ANY, *(rule.client for rule in about)}):
        found.append("write")
    return f"may {' and '.join(found)}" if found else "may not use it"


def _why(broker: Broker, service: str, instance: str) -> Why | None:
    try:
        return broker.why(service, instance)
    except AuthError:  # what is wrong with it is told where it is used
        return None


def _warning(text: str) -> tuple[str, str]:
    said, _, command = printable(text, 500).partition(ARROW)
    return said, command


def _uses(entries: Sequence[Entry]) -> dict[str, Use]:
    """The last use of each connection, of entries that begin with the newest."""
    found: dict[str, Use] = {}
    for entry in entries:
        if entry.action in USES and entry.name not in found:
            found[entry.name] = Use(entry.time, who(entry))
    return found


def who(entry: Entry) -> str:
    """Who did it: the agent where one is named, else the program."""
    return entry.client or entry.program


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
