"""What is connected, as rows of the page: how it stands, who used it, what agents may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import printable
from arcrun_auth.lifetimes import ARROW
from arcrun_auth.policy import ANY, Wanted, decide, writes
from arcrun_auth.standing import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.audit.reading import Entry
    from arcrun_auth.broker import Broker
    from arcrun_auth.policy import Rule
    from arcrun_auth.report import Instance
    from arcrun_auth.standing import Login

    Mood = Literal["good", "warn", "bad"]

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


def who(entry: Entry) -> str:
    """Who did it: the agent where one is named, else the program."""
    return entry.client or entry.program


def row_of(
    broker: Broker, login: Login, uses: Mapping[str, Use], rules: Sequence[Rule], now: float
) -> Connected:
    service, instance = login.service, login.instance
    ids = (service.service, *login.also)
    why = broker.why(service.service, login.name)
    used = [
        uses[full_name(each, login.name)] for each in ids if full_name(each, login.name) in uses
    ]
    name, title = full_name(service.service, login.name), printable(service.display_name, 80)
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
        hosts=why.hosts,
        also=login.also,
        warnings=tuple(_warning(text) for text in instance.warnings),
        places=tuple(sorted({origin.place for origin in why.origins if origin.place})),
        stored=not all(origin.place for origin in why.origins),
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


def _warning(text: str) -> tuple[str, str]:
    said, _, command = printable(text, 500).partition(ARROW)
    return said, command


def uses_of(entries: Sequence[Entry]) -> dict[str, Use]:
    """The last use of each connection, of entries that begin with the newest."""
    found: dict[str, Use] = {}
    for entry in entries:
        if entry.action in USES and entry.name not in found:
            found[entry.name] = Use(entry.time, who(entry))
    return found
