"""`arcrun list`: what is connected, and what is found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import NoStore, StoreLocked, printable
from arcrun_auth.lifetimes import ARROW
from arcrun_auth.standing import in_order, logins, until
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, catalog, full_name, json_option
from arcrun_cli.sources import look_after

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from arcrun_auth.broker import Broker
    from arcrun_auth.finding import Card
    from arcrun_auth.report import Instance, Service


def _categories() -> list[str]:
    return sorted({entry.category for entry in catalog().entries() if entry.category})


def _complete_category(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    del ctx, param
    return [name for name in _categories() if name.startswith(begun)]


@click.command(
    cls=Command,
    short_help="What is connected, and what can be.",
    examples=(
        "arcrun list                     what is connected",
        "arcrun list --search mail       services by what they are called or do",
        "arcrun list --category email",
        "arcrun list --all               all services, by category",
    ),
)
@click.argument("word", required=False)
@click.option(
    "--search", metavar="TEXT", help="What a service is called or does; the same as WORD."
)
@click.option(
    "--category",
    metavar="NAME",
    help="Services of one category.",
    shell_complete=_complete_category,
)
@click.option("--all", "everything", is_flag=True, help="Show all services.")
@json_option
def command(
    word: str | None, search: str | None, category: str | None, *, everything: bool, as_json: bool
) -> int:
    """What is connected: as whom, how it stands, when it expires. Sends nothing."""
    if word and search:
        raise UsageFault("Both WORD and --search were given.", f"arcrun list --search {search!r}")
    here = broker()
    look_after(here.settings, here.recipes, here.person)
    text = search or word
    asked = bool(text or category)
    if asked or everything:  # whoever looks for a service is not asked for a passphrase
        here = broker(interactive=False)
    every, cards = _every(here, needed=not (asked or everything)), _wanted(text, category)
    found = [every[card.service] for card in cards if card.service in every]
    if as_json:
        sure = {card.service: card.confirmed for card in cards}
        ui.put_json({"services": [_as_data(s, confirmed=sure[s.service]) for s in found]})
        return 0
    connected = [service for service in found if service.connected]
    connections(here, connected)
    others = found if everything else [s for s in found if not s.connected]
    if not connected and found:
        ui.tell("None of these is connected." if asked else "Nothing is connected yet.")
    if others and connected and (asked or everything):
        ui.put()
    if asked:
        _found(others, {card.service for card in cards if not card.confirmed})
    elif everything or not connected:
        by_category(others, whole=everything)
    _next(len(others), found=bool(found), asked=asked or everything, connected=bool(connected))
    return 0


def _every(here: Broker, *, needed: bool) -> Mapping[str, Service]:
    """Every service; where nobody can look into the vault now, without its connections, unless
    these are what is `needed`."""
    try:
        return here.list_services()
    except (StoreLocked, NoStore) as error:
        if needed:
            raise
        ui.tell(f"What is connected is not shown. {printable(error.message)}")
    from arcrun_auth.report import Service

    entries = catalog().entries()
    return {entry.service: Service(entry, {}) for entry in entries if entry.status != "closed"}


def _wanted(text: str | None, category: str | None) -> list[Card]:
    """The services that are asked for; all where nothing is."""
    cards = catalog().search(text) if text else catalog().cards()
    if category is None:
        return cards
    known = _categories()
    if category.lower() not in known:
        raise UsageFault(
            f"There is no category {printable(category, 80)!r}.",
            "its categories are: " + ", ".join(known),
        )
    return [card for card in cards if card.category == category.lower()]


def _next(others: int, *, found: bool, asked: bool, connected: bool) -> None:
    if not found:
        ui.tell("No service is found.\n  → arcrun list --all, or arcrun recipes new")
    elif asked or not connected:
        more = "" if asked else ", arcrun list --all, arcrun list --search TEXT"
        ui.tell(f"  → arcrun setup SERVICE{more}")
    elif others:
        ui.tell(f"{ui.count(others, 'more service')}: arcrun list --search TEXT")


def connections(here: Broker, services: Iterable[Service]) -> None:
    """What is connected, one line each, and below it what will end soon.

    Services that share one account share its line. Where the columns do not fit the terminal
    each connection has a line of its own for all that is beside its name.
    """
    rows = list(_rows(here, services))
    head = ("CONNECTED", "METHOD", "ACCOUNT", "STATUS", "EXPIRES")
    if rows:
        ui.listed([row for row, _, _ in rows], head)
    for (name, *_), also, instance in rows:
        if also:
            ui.put(ui.wrap(f"  {name} serves {', '.join(also)} too", _width(), "    "))
        if instance.device_local:
            text = f"  {name}: each device logs in for itself, this login is not synced"
            ui.put(ui.wrap(text, _width(), "    "))
        warn(name, instance.warnings)


def _width() -> int | None:
    return ui.width_of(ui.out())


def _rows(
    here: Broker, services: Iterable[Service]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Instance]]:
    """Its columns, the other services of the account, and the connection."""
    for login in logins(services):
        instance = login.instance
        yield (
            (
                full_name(here, login.service.service, login.name),
                instance.method,
                instance.identity or "",
                instance.status,
                until(instance, time.time()),
            ),
            login.also,
            instance,
        )


def _found(services: Iterable[Service], unsure: Container[str]) -> None:
    """What a search has found, the best first."""
    rows = [
        (
            service.service,
            service.display_name,
            service.category,
            ", ".join(service.methods),
            _note(service, unsure),
        )
        for service in services
    ]
    if rows:
        ui.listed(rows, ("SERVICE", "NAME", "CATEGORY", "WAYS IN", ""), gives=("WAYS IN", "NAME"))


def _note(service: Service, unsure: Container[str]) -> str:
    if service.status != "active":
        return service.status
    return "not confirmed" if service.service in unsure else ""


def warn(name: str, warnings: Iterable[str]) -> None:
    """What will end soon, and what to type, below an answer."""
    for warning in warnings:
        text, _, command = printable(warning, 500).partition(ARROW)
        ui.tell(f"{ui.mark('warn', ui.err)} {name}: {text}")
        ui.tell(f"  → {command}")


def by_category(services: Iterable[Service], *, whole: bool) -> None:
    """Services under the headings of their categories; unless `whole`, a line of each."""
    groups: dict[str, list[str]] = {}
    for service in services:
        groups.setdefault(service.category or "other", []).append(service.service)
    label = max((len(name) for name in groups), default=0)
    width = _width()
    rows = []
    for name in sorted(groups):
        names = ", ".join(sorted(groups[name]))
        rows.append((name, names if whole or width is None else ui.cut(names, width - label - 2)))
    ui.pairs(rows, label=label)


def _as_data(service: Service, *, confirmed: bool) -> dict[str, Any]:
    return {
        "service": service.service,
        "display_name": printable(service.display_name),
        "category": service.category,
        "account": service.account,
        "tier": service.tier,
        "status": service.status,
        "confirmed": confirmed,
        "methods": service.methods,
        "connected": service.connected,
        "instances": instances(service),
    }


def instances(service: Service) -> list[dict[str, Any]]:
    """The connections of a service, as data."""
    return [
        {
            "instance": name,
            "method": instance.method,
            "status": instance.status,
            "account": instance.identity,
            "expires_at": instance.expires_at,
            "can_renew": instance.can_renew,
            "refresh_expires_at": instance.refresh_expires_at,
            "can_extend": instance.can_extend,
            "secret_expires_at": instance.secret_expires_at,
            "warnings": instance.warnings,
            "scopes": instance.scopes,
            "device_local": instance.device_local,
        }
        for name, instance in in_order(service)
    ]
