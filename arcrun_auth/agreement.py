"""What was agreed to, held against what the recipe says now.

Off the way to a token: `Resolver.check` comes here only where the two are not the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import consent as rules
from arcrun_auth.differences import differences, name_of
from arcrun_auth.errors import ConsentRequired, StoreError
from arcrun_auth.hosts import parse_origin
from arcrun_auth.resolve import unfit
from arcrun_auth.tokens import Consent

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from arcrun_auth.catalog import Catalog, Entry
    from arcrun_auth.differences import Difference
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Credential


def made(
    entry: Entry, recipe: Recipe, way: Method, record: Credential, *, before_login: bool = False
) -> Consent:
    """What is agreed to by setting up `record` with this recipe."""
    projection = rules.project(recipe, way)
    return Consent(
        digest=rules.digest(projection),
        projection=projection,
        hosts=rules.receivers(way, record.params, before_login=before_login),
        tier=entry.tier,
        release=entry.release,
    )


def held(connection: Connection) -> Mapping[str, Consent]:
    """What was agreed to before, for each service of the account."""
    return connection.record.consents if connection.record is not None else {}


def others(connection: Connection) -> frozenset[str]:
    """The services that the same record was set up for, beside this one."""
    return frozenset(held(connection)) - {connection.service}


def joins(connection: Connection) -> bool:
    """Whether it comes to the record of others, and was never part of it."""
    return bool(others(connection)) and connection.service not in held(connection)


def check(resolver: Resolver, connection: Connection, consent: Consent | None) -> None:
    """Whether the recipe may be used although it is not the one that was agreed to.

    ConsentRequired where it may not: nothing was sent.
    """
    if consent is None:
        _check_unasked(resolver, connection)
        return
    entry = connection.entry
    recipe, way = resolver.way(connection)
    if rules.narrower(consent.projection, rules.project(recipe, way)):
        return
    changes = tuple(map(str, changed(consent, recipe, way)))
    if not released(resolver.catalog, consent, entry, way.id):
        raise ConsentRequired(
            f"The recipe of {entry.service} is not the one you agreed to: " + "; ".join(changes),
            service=entry.service,
            changes=changes,
            hint=connection.setup,
        )
    resolver.say(f"The recipe of {entry.service} changed with this release: " + "; ".join(changes))
    _keep(resolver, connection, recipe, way)


def changed(consent: Consent, recipe: Recipe, way: Method) -> tuple[Difference, ...]:
    """What the recipe says otherwise than what was agreed to."""
    name = name_of(recipe.service, recipe.display_name)
    return differences(consent.projection, rules.project(recipe, way), name=name)


def released(catalog: Catalog, consent: Consent, entry: Entry, method: str) -> bool:
    """Whether a change came with a release of this package: such a one is told, not asked.

    The wheel is code, and code was trusted: what was agreed to came with one release, and comes
    with another. An official set is asked about, unless the wheel says the same; and so is the
    way back from it, since a set may be a company's, whose hosts the package does not know.
    """
    if consent.tier != "bundled":
        return False
    if entry.tier == "bundled":
        return consent.release != entry.release
    if entry.tier != "official":
        return False
    return catalog.digest_in_wheel(entry.service, method) == entry.method(method).digest


def _keep(resolver: Resolver, connection: Connection, recipe: Recipe, way: Method) -> None:
    """Records the recipe as it is now as the one agreed to, where that can be written."""
    assert connection.record is not None
    primary = resolver.store.get(connection.key)
    if primary is None or not resolver.store.writable:
        return
    agreed = made(connection.entry, recipe, way, primary)
    fresh = primary.replace(consents={**primary.consents, connection.service: agreed})
    try:
        connection.record = resolver.store.put(fresh, expect=primary.generation)
        resolver.audit.agreed(connection, primary)
    except StoreError:
        # Somebody else has just noted it, or the disk is full: then the next use notes it.
        return


def _check_unasked(resolver: Resolver, connection: Connection) -> None:
    """A secret of the environment, of this call, or of another service of its account:
    nobody agreed to where this recipe sends it."""
    _, way = resolver.way(connection)
    assert connection.record is not None
    allowed = {parse_origin(text)[1:] for text in resolver.allow}
    try:
        params = resolver.params(way, connection.record)
        hosts = (*rules.receivers(way, params), *rules.servers(way, params))
    except ValueError as error:
        raise unfit(connection, error) from None
    strangers = [host for host in dict.fromkeys(hosts) if not _is_named(host, allowed)]
    if strangers:
        raise ConsentRequired(
            f"{connection.service} is a {connection.entry.tier} recipe, and nobody has agreed "
            f"to send its secret to {', '.join(strangers)}.",
            service=connection.service,
            changes=tuple(f"new host {host}" for host in strangers),
            hint=f"arcrun setup {connection.name}, or name the host in ARCRUN_ALLOW_HOSTS",
        )


def _is_named(host: str, allowed: Container[tuple[str, int]]) -> bool:
    """Whether the user named this very host: no wildcard, and no hole for a param."""
    if host.startswith("*") or "{{" in host:
        return False
    return parse_origin(f"https://{host}")[1:] in allowed
