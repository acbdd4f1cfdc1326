"""`arcrun list`, and `arcrun recipes list`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_auth.lifetimes import ARROW
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, full_name, json_option
from arcrun_cli.sources import look_after

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from arcrun_auth.broker import Broker
    from arcrun_auth.report import Instance, Service


@click.command(
    cls=Command,
    short_help="What is connected, and what can be.",
    examples=(
        "arcrun list                  what is connected",
        "arcrun list --all            and all services, by category",
        "arcrun list goo              those whose name has goo in it",
    ),
)
@click.argument("word", required=False)
@click.option("--all", "everything", is_flag=True, help="Show all services.")
@json_option
def command(word: str | None, *, everything: bool, as_json: bool) -> int:
    """What is connected: as whom, how it stands, when it expires. Sends nothing."""
    here = broker()
    look_after(here.settings, here.recipes, here.person)
    found = [s for s in here.list_services().values() if matches(s, word)]
    connected = [service for service in found if service.connected]
    if as_json:
        ui.put_json({"services": [_as_data(s) for s in found]})
        return 0
    if connected:
        _table(here, connected)
        for service in connected:
            for name, instance in in_order(service):
                warn(full_name(here, service.service, name), instance.warnings)
    else:
        ui.tell("Nothing is connected yet." if not word else "Nothing of that name is connected.")
    if everything or word or not connected:
        others = [s for s in found if everything or not s.connected]
        if connected and others:
            ui.put()
        by_category(others)
        ui.tell("  → arcrun setup SERVICE" if found else "  → arcrun list --all")
    return 0


def matches(service: Service, word: str | None) -> bool:
    """Whether `word` is part of its name, title or category, in any case."""
    wanted = (word or "").lower()
    return any(
        wanted in text.lower() for text in (service.service, service.display_name, service.category)
    )


def _table(here: Broker, services: Iterable[Service]) -> None:
    rows = [
        (
            full_name(here, service.service, name),
            instance.method,
            instance.identity or "",
            instance.status,
            _expiry(instance),
        )
        for service in services
        for name, instance in in_order(service)
    ]
    ui.table(rows, ("CONNECTED", "METHOD", "ACCOUNT", "STATUS", "EXPIRES"))


def _typed(service: Service, instance: str) -> str:
    return service.service if instance == "default" else f"{service.service}@{instance}"


def in_order(service: Service) -> list[tuple[str, Instance]]:
    """Its instances, the default one first."""
    return sorted(service.instances.items(), key=lambda item: (item[0] != "default", item[0]))


def _expiry(instance: Instance) -> str:
    """What matters to people: until when it works without them."""
    if instance.secret_expires_at is not None:
        return _ends("key", instance.secret_expires_at)
    if instance.refresh_expires_at is not None and not instance.can_extend:
        return _ends("login", instance.refresh_expires_at)
    if instance.expires_at is None:
        return ""
    left = instance.expires_at.timestamp() - time.time()
    if not instance.can_renew:
        return ui.ago(left)
    return f"{ui.ago(left)}, renews itself" if left > 0 else "renews itself"


def _ends(what: str, end: datetime) -> str:
    left = end.timestamp() - time.time()
    return f"{what} ends {ui.ago(left)}" if left > 0 else f"{what} ended {ui.ago(left)}"


def warn(name: str, warnings: Iterable[str]) -> None:
    """What will end soon, and what to type, below an answer."""
    for warning in warnings:
        text, _, command = printable(warning, 500).partition(ARROW)
        ui.tell(f"{ui.mark('warn', ui.err)} {name}: {text}")
        ui.tell(f"  → {command}")


def by_category(services: Iterable[Service]) -> None:
    """Services under the headings of their categories, as many in a line as fit."""
    groups: dict[str, list[str]] = {}
    for service in services:
        groups.setdefault(service.category or "other", []).append(service.service)
    label = max((len(name) for name in groups), default=0)
    ui.pairs([(name, ", ".join(sorted(groups[name]))) for name in sorted(groups)], label=label)


def _as_data(service: Service) -> dict[str, Any]:
    return {
        "service": service.service,
        "display_name": printable(service.display_name),
        "category": service.category,
        "tier": service.tier,
        "status": service.status,
        "methods": service.methods,
        "connected": service.connected,
        "instances": [
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
            }
            for name, instance in in_order(service)
        ],
    }
