"""Which connections an agent may know of: those that somebody set up, or named in a rule."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_auth import policy
from arcrun_auth.agents import guard
from arcrun_auth.agents.asking import Seen
from arcrun_auth.errors import AuthError
from arcrun_auth.policy import ANY
from arcrun_auth.tokens import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.broker import Broker
    from arcrun_auth.policy import Rule
    from arcrun_auth.report import Instance, Service


def named(broker: Broker, service: str, instance: str | None) -> tuple[str, str, str]:
    """Service, instance and connection as they are typed. UnknownService, PolicyRefused."""
    try:
        service, instance = broker.named(service, instance)
    except ValueError:
        raise guard.refused("instance", "This is no name of an account.") from None
    plain = instance == DEFAULT_INSTANCE
    return service, instance, service if plain else f"{service}@{instance}"


def is_visible(broker: Broker, client: str, service: str, instance: str) -> bool:
    """Whether the vault holds a credential for it, or a rule names its service."""
    if broker.lending.is_kept(service, instance):
        return True
    return any(
        rule.allow and rule.service == service for rule in _of(broker, client, service, instance)
    )


def services(broker: Broker, client: str) -> list[Seen]:
    """All of them that are connected, by service and instance."""
    return [
        _seen(broker, client, service, instance)
        for service in broker.list_services().values()
        for instance in service.instances.values()
        if is_visible(broker, client, service.service, instance.name)
    ]


def _of(broker: Broker, client: str, service: str, instance: str) -> Iterable[Rule]:
    """The rules about what this client may do with a connection."""
    return (
        rule
        for rule in broker.policies.rules()
        if rule.client in (ANY, client)
        and rule.service in (ANY, service)
        and rule.instance in (ANY, instance)
    )


def _seen(broker: Broker, client: str, service: Service, instance: Instance) -> Seen:
    base_url = ""
    hosts: tuple[str, ...] = ()
    with suppress(AuthError):  # a param that is missing: the status says so
        base_url = broker.lending.base_url(service.service, instance.name)
        hosts = broker.why(service.service, instance.name).hosts
    return Seen(
        service=service.service,
        instance=instance.name,
        display_name=service.display_name,
        status=instance.status,
        base_url=base_url,
        hosts=hosts,
        identity=instance.identity,
        scopes=instance.scopes,
        expires_at=instance.expires_at,
        # None of these rules has ended: it is asked whether one is left.
        can_write=policy.writes(_of(broker, client, service.service, instance.name), client, 0.0),
    )
