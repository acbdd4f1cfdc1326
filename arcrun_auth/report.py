"""What is there: the services, the connections, and where each part of one comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from arcrun_auth.catalog import Entry
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.logins import Logins
    from arcrun_auth.tokens import Credential, Key


@dataclass(frozen=True)
class Instance:
    """One connection of a service."""

    name: str
    method: str
    status: str
    """`connected`, `untested` (kept although its test could not be made), `expired` (renewed at
    the next use), `revoked`, `copied` (the login belongs to the home that this one is a copy of)
    or `incomplete`."""
    identity: str | None = None
    expires_at: datetime | None = None
    """When the access token ends."""
    scopes: tuple[str, ...] = ()
    can_renew: bool = False
    """Whether a new one comes by itself then."""
    refresh_expires_at: datetime | None = None
    """When the login itself ends, as far as is known."""
    can_extend: bool = False
    """Whether each renewal puts that off."""
    secret_expires_at: datetime | None = None
    """When a key ends."""
    warnings: tuple[str, ...] = ()
    """What will end soon, or has, and after the arrow the command to type."""
    device_local: bool = False
    """Whether its login is no part of what this home syncs: each device has one of its own."""


class Service:
    """A service that can be bound, and its connections by instance.

    What is listed is the whole catalogue: each looks into its entry when it is asked.
    """

    __slots__ = ("_entry", "_instances")

    def __init__(self, entry: Entry, instances: dict[str, Instance]) -> None:
        self._entry = entry
        self._instances = instances

    @property
    def service(self) -> str:
        return self._entry.service

    @property
    def display_name(self) -> str:
        return self._entry.display_name

    @property
    def category(self) -> str:
        return self._entry.category

    @property
    def tier(self) -> str:
        return self._entry.tier

    @property
    def status(self) -> str:
        """Of the recipe: `active` or `deprecated`."""
        return self._entry.status

    @property
    def methods(self) -> tuple[str, ...]:
        """Its ways in by their ids, the default one first."""
        return tuple(method.id for method in self._entry.methods)

    @property
    def account(self) -> str:
        """Under which name its credential is kept; services of one account share it."""
        return self._entry.account

    @property
    def instances(self) -> dict[str, Instance]:
        """Its connections by their names; empty if there is none."""
        return self._instances

    @property
    def connected(self) -> bool:
        return bool(self._instances)

    def __repr__(self) -> str:
        return f"Service({self.service!r}, instances={list(self.instances)})"


@dataclass(frozen=True)
class Origin:
    """Where one secret comes from: a store by its name, and the variable or file if any."""

    key: str
    store: str
    place: str = ""


@dataclass(frozen=True)
class Why:
    """The whole story of one connection, without a value."""

    service: str
    instance: str
    method: str
    status: str
    recipe: str
    tier: str
    hosts: tuple[str, ...]
    origins: tuple[Origin, ...]
    identity: str | None = None
    scopes: tuple[str, ...] = ()
    missing_scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    can_renew: bool = False
    project: str | None = None
    """The pyproject.toml that chose the instance, where none was named."""
    app: tuple[Origin, ...] = ()
    """Where each part of one's own OAuth app comes from."""
    refresh_expires_at: datetime | None = None
    can_extend: bool = False
    secret_expires_at: datetime | None = None
    warnings: tuple[str, ...] = ()
    can_revoke: bool = False
    """Whether the provider can be told to end the login."""
    shared_with: tuple[str, ...] = ()
    """The other services that use the same credential."""
    ownership: str = ""
    """Whose OAuth app it is, or would be: `own`, `shared`, `managed`; empty where there is none."""
    through: str = ""
    """The server whose app it is: its tokens pass through there in passing."""


def services(resolver: Resolver, *, only: str | None = None) -> dict[str, Service]:
    """Every service by its id (or `only` that one), closed ones left out."""
    entries = [resolver.catalog.entry(only)] if only else resolver.catalog.entries()
    held = _connections(resolver, entries)
    return {
        entry.service: Service(entry, held.get(entry.service, {}))
        for entry in entries
        if entry.status != "closed"
    }


def _connections(resolver: Resolver, entries: Sequence[Entry]) -> dict[str, dict[str, Instance]]:
    """What is connected of these services, by service and instance."""
    held: dict[str, dict[str, Instance]] = {}
    keys = [key for key in resolver.store.keys() if key.kind == "credential"]
    if not keys:
        return held
    accounts = {key.account for key in keys}
    by_account: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.account in accounts:
            by_account.setdefault(entry.account, []).append(entry)
    logins = _logins(resolver)
    for key in sorted(keys):
        for entry in by_account.get(key.account, ()):
            try:
                connection = resolver.find(entry.service, key.instance)
            except AuthError:  # a damaged record, or a method that its recipe no longer has
                continue
            held.setdefault(entry.service, {})[key.instance] = _instance(
                resolver, connection, logins
            )
    return held


def _logins(resolver: Resolver) -> Logins | None:
    """What tells which logins stay here; None where this home does not sync."""
    from arcrun_auth.sync.logins import Logins, syncs

    return Logins(resolver.catalog) if syncs(resolver.store) else None


def _instance(resolver: Resolver, connection: Connection, logins: Logins | None) -> Instance:
    assert connection.record is not None
    grant = connection.record.grant
    return Instance(
        name=connection.instance,
        method=connection.method.id,
        status=status_of(resolver, connection),
        identity=connection.record.identity,
        scopes=grant.scopes if grant else (),
        device_local=logins is not None and logins.stay(connection.record),
        **_times(resolver, connection),
    )


def _times(resolver: Resolver, connection: Connection) -> dict[str, Any]:
    """The fields about what ends when, which `Instance` and `Why` have in common."""
    from arcrun_auth import lifetimes
    from arcrun_auth.ends import warnings_of

    record = connection.record
    if record is None:
        return {}
    found: dict[str, Any] = {
        "secret_expires_at": _when(record.ends),
        "warnings": warnings_of(resolver, connection),
    }
    grant = record.grant
    if grant is None:
        return found
    way, now = _way(resolver, connection), resolver.clock()
    refresh = way.renewal if way is not None else None
    return {
        **found,
        "expires_at": _when(grant.expires) if grant.access_token else None,
        "refresh_expires_at": _when(grant.refresh_expires),
        "can_renew": refresh is not None and lifetimes.can_renew(grant, refresh, now),
        "can_extend": refresh is not None and lifetimes.can_extend(grant, refresh, now),
    }


def _way(resolver: Resolver, connection: Connection) -> Method | None:
    try:
        return resolver.way(connection)[1]
    except AuthError:  # told where the recipe is used
        return None


def _can_revoke(resolver: Resolver, connection: Connection) -> bool:
    record, way = connection.record, _way(resolver, connection)
    if record is None or record.grant is None or way is None or way.oauth2 is None:
        return False
    return bool(way.oauth2.revocation_endpoint or record.endpoints.get("revocation_endpoint"))


def status_of(resolver: Resolver, connection: Connection) -> str:
    """How a connection stands, in one word."""
    record = connection.record
    if record is None:
        return "not connected"
    if record.grant is not None and record.grant.dead:
        return record.grant.dead
    if not connection.connected:
        return "incomplete"
    ends = record.grant.expires if record.grant is not None else None
    asked = record.grant is None or bool(record.grant.access_token)
    if asked and ends is not None and ends <= resolver.clock():
        return "expired"  # but one that was never asked for, of which nothing is missing
    return "untested" if record.untested else "connected"


def why(resolver: Resolver, connection: Connection, *, plain: bool = False) -> Why:
    """Where each part of `connection` comes from. Probes nothing, asks nobody.

    `plain`: no instance was named, so that the project may have chosen it.
    """
    record, entry = connection.record, connection.entry
    grant = record.grant if record else None
    consent = record.consents.get(connection.service) if record else None
    project = resolver.settings.project if plain and resolver.declared(entry) else None
    return Why(
        service=connection.service,
        instance=connection.instance,
        method=connection.method.id,
        status=status_of(resolver, connection),
        recipe=entry.path,
        tier=entry.tier,
        hosts=consent.hosts if consent else _hosts(resolver, connection),
        origins=_origins(resolver, connection),
        identity=record.identity if record else None,
        scopes=grant.scopes if grant else (),
        missing_scopes=resolver.missing_scopes(connection, grant.requested) if grant else (),
        project=project.path if project is not None else None,
        app=_app(resolver, connection),
        can_revoke=_can_revoke(resolver, connection),
        shared_with=_shared_with(resolver, connection),
        **_owner(resolver, connection),
        **_times(resolver, connection),
    )


def _owner(resolver: Resolver, connection: Connection) -> dict[str, Any]:
    """The fields of `Why` about whose app it is."""
    from arcrun_auth.authority import Authority
    from arcrun_auth.ownership import told
    from arcrun_auth.tokens import Credential

    if connection.method.primitive != "oauth2" or connection.method.unattended:
        return {}
    record = connection.record or Credential(connection.key)
    try:
        _, way = resolver.way(connection)
        whose, through = told(Authority(resolver, connection.name, way, record))
    except AuthError:  # told where it is used
        return {}
    return {"ownership": whose, "through": through}


def _shared_with(resolver: Resolver, connection: Connection) -> tuple[str, ...]:
    from arcrun_auth.keepalive import users

    found = users(resolver, connection.entry.account)
    return tuple(service for service in found if service != connection.service)


def _hosts(resolver: Resolver, connection: Connection) -> tuple[str, ...]:
    """The hosts of the recipe; as it writes them where a param is not known yet."""
    from arcrun_auth import consent as rules

    try:
        _, way = resolver.way(connection)
        params = connection.record.params if connection.record else {}
        return rules.receivers(way, params)
    except RecipeError:
        return ()
    except ValueError:
        from arcrun_auth.recipe import helpers

        return helpers.receivers(way)


def _app(resolver: Resolver, connection: Connection) -> tuple[Origin, ...]:
    """The parts of the OAuth app that serves this connection; none for a static key."""
    if connection.method.primitive != "oauth2":
        return ()
    from arcrun_auth.apps import key_for
    from arcrun_auth.authority import Authority

    record = connection.record
    try:
        _, way = resolver.way(connection)
        key = key_for(resolver.store, connection.service, way, connection.instance)
        if record is not None and way.oauth2 and way.oauth2.client.registration == "dcr":
            key = Authority(resolver, connection.name, way, record).app_key
    except RecipeError:
        return ()
    return origins_of(resolver.store, key, resolver.store.get(key))


def _origins(resolver: Resolver, connection: Connection) -> tuple[Origin, ...]:
    """Who gave each secret: of several layers the closest, as at use."""
    return origins_of(resolver.store, connection.key, connection.record)


def origins_of(store: Store, key: Key, record: Credential | None) -> tuple[Origin, ...]:
    """The same for any record of a store."""
    if record is None:
        return ()
    found: dict[str, Origin] = {}
    trace = getattr(store, "trace", None)
    layers = trace(key) if trace is not None else ()
    for layer, places in layers:
        for part, place in places.items():
            if part == "grant" and record.generation and layer != store.name:
                continue  # the store's own record is the one that is used
            found.setdefault(part, Origin(part, layer, "" if place == layer else place))
    for part in [*record.secrets, *(["grant"] if record.grant else [])]:
        found.setdefault(part, Origin(part, store.name))
    return tuple(found.values())


def _when(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)
