"""How what is connected stands, as people read it: one line for each login, and what ends when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.moments import ago

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from arcrun_auth.report import Instance, Service


class Login(NamedTuple):
    """One credential. Services of one account share it: `service` is the one it is named after."""

    service: Service
    name: str
    """The instance."""
    instance: Instance
    also: tuple[str, ...]
    """The other services that it serves."""


def logins(services: Iterable[Service]) -> list[Login]:
    """What is connected of `services`, in their order; each credential once."""
    members: dict[tuple[str, str], list[tuple[Service, Instance]]] = {}
    for service in services:
        for name, instance in in_order(service):
            members.setdefault((service.account, name), []).append((service, instance))
    found = []
    for (account, name), shared in members.items():
        ids = [service.service for service, _ in shared]
        first = ids.index(account) if account in ids else 0
        service, instance = shared[first]
        found.append(Login(service, name, instance, tuple(sorted({*ids} - {ids[first]}))))
    return found


def in_order(service: Service) -> list[tuple[str, Instance]]:
    """Its instances, the default one first."""
    return sorted(service.instances.items(), key=lambda item: (item[0] != "default", item[0]))


def until(instance: Instance, now: float) -> str:
    """What matters to people: until when it works without them. Empty where nothing is known.

    `in 55 min, renews itself`, `key ends in 3 days`, `login ended 2 days ago`.
    """
    if instance.secret_expires_at is not None:
        return _ends("key", instance.secret_expires_at, now)
    if instance.refresh_expires_at is not None and not instance.can_extend:
        return _ends("login", instance.refresh_expires_at, now)
    if instance.expires_at is None:
        return ""
    left = instance.expires_at.timestamp() - now
    if not instance.can_renew:
        return ago(left)
    return f"{ago(left)}, renews itself" if left > 0 else "renews itself"


def _ends(what: str, end: datetime, now: float) -> str:
    left = end.timestamp() - now
    return f"{what} ends {ago(left)}" if left > 0 else f"{what} ended {ago(left)}"
