"""From what was found to a connection: which one, whether it is there already, and tested."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from arcrun_auth import apps
from arcrun_auth.adoption import is_of
from arcrun_auth.apps.kept import app_of
from arcrun_auth.errors import AuthError
from arcrun_auth.tokens import DEFAULT_INSTANCE, Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.broker import Broker
    from arcrun_auth.checkup import Checked
    from arcrun_auth.importers.model import Found
    from arcrun_auth.importers.services import Services
    from arcrun_auth.stores.base import Store

_TRIES = 20
"""How many instances of a name do we try, before it is somebody else's to choose one?"""


@dataclass(frozen=True)
class Planned:
    """A finding, and the connection that it would become or already is."""

    found: Found
    instance: str = ""
    held: bool = False
    """Whether this very secret is that connection's already."""
    twin: bool = False
    """Whether it is the same secret as one that was planned before."""

    @property
    def name(self) -> str:
        """The connection as it is typed; empty where it cannot be taken in."""
        if not self.found.service or not self.instance:
            return ""
        plain = self.instance == DEFAULT_INSTANCE
        return self.found.service if plain else f"{self.found.service}@{self.instance}"

    @property
    def breaks(self) -> str:
        """What no longer works without the original."""
        return self.found.breaks.replace("{name}", self.name)

    @property
    def open(self) -> bool:
        """Whether it can be taken in, and is not yet."""
        return bool(self.name) and not self.held and not self.found.why_not


class Taking:
    """Makes connections of findings, by the verbs of the broker. Overwrites none."""

    def __init__(self, broker: Broker, services: Services) -> None:
        self._broker = broker
        self._services = services
        store = broker.store
        # What the environment gives is gone with it: only what is kept here is there already.
        self._store: Store = getattr(store, "primary", store)
        self._reserved: dict[Key, Found] = {}
        self._apps: dict[Key, str] = {}
        """The client ids of the apps that would be kept with those."""

    def plan(self, found: Found, *, instance: str = "", reserve: bool = False) -> Planned:
        """What this would become: in `instance` if one is named, else in the first free one.

        With `reserve` the next is planned as if this one were taken in.
        """
        if found.why_not or not found.service:
            return Planned(found)
        account = self._broker.recipes.entry(found.service).account
        for key in self._keys(account):
            if self._is_held(key, found):
                twin = key in self._reserved
                return Planned(found, key.instance, held=not twin, twin=twin)
        chosen = instance or next(self._free(account, found), "")
        if not chosen:
            hint = f"arcrun import {found.source} --as {found.service}@another"
            return Planned(
                replace(found, why_not="every name that it could have is taken", hint=hint)
            )
        if reserve:
            self._reserved[Key("credential", account, chosen)] = found
            if found.app is not None:
                self._apps[self._app_key(found, chosen)] = found.app.client_id
        return Planned(found, chosen)

    def take(self, planned: Planned) -> Checked:
        """Takes it in, and tests what is kept. Whose account it is stands in the answer.

        Raises what `Broker.setup` and `Broker.adopt` raise, AuthError where the instance is
        connected. What the test request refuses then is kept if it is a login.
        """
        found, service, instance = planned.found, planned.found.service, planned.instance
        account = self._broker.recipes.entry(service).account
        if self._store.get(Key("credential", account, instance)) is not None:
            raise AuthError(
                f"{planned.name} is connected already: it was left as it is.",
                service=service,
                hint=f"arcrun import {found.source} --as {service}@another",
            )
        if found.grant is not None:
            self._broker.adopt(service, instance, grant=found.grant, app=found.app)
        else:
            secrets: dict[str, Any] = dict(found.secrets)
            params = found.params or None
            self._broker.setup(service, instance, method=found.method, params=params, **secrets)
        return self._broker.test(service, instance)

    def aimed(self, found: Found, service: str, instance: str) -> Found:
        """The finding for the service that a person names. AuthError where it cannot be."""
        service = self._broker.recipes.entry(service).service
        if found.foreign_app and instance in ("", DEFAULT_INSTANCE):
            raise AuthError(
                f"This login belongs to {found.foreign_app}'s own OAuth app, which must not serve "
                f"all services: it needs an instance of its own.",
                service=service,
                hint=f"arcrun import {found.source} --as {service}@{found.foreign_app}",
            )
        if service == found.service:
            return found
        if found.grant is not None:
            self._check_login(found, service)
            return replace(found, service=service, why_not="", hint="")
        way = self._services.key_way(service)
        if way is None or len(found.secrets) != 1:
            raise AuthError(
                f"This is no key of {service}.", service=service, hint=f"arcrun setup {service}"
            )
        (value,) = found.secrets.values()
        return replace(
            found, service=service, method=way[0], secrets={way[1]: value}, why_not="", hint=""
        )

    def _check_login(self, found: Found, service: str) -> None:
        ways = [way.id for way in self._broker.recipes.entry(service).methods]
        servers = [
            o.token_endpoint for id_ in ways if (o := self._services.way(service, id_).oauth2)
        ]
        if not found.token_endpoint or found.token_endpoint not in servers:
            raise AuthError(
                f"This is no login of {service}: it is renewed elsewhere.",
                service=service,
                hint=f"arcrun setup {service}",
            )

    # -- which instance --------------------------------------------------------------------

    def _keys(self, account: str) -> list[Key]:
        held = [k for k in self._store.keys() if k.kind == "credential" and k.account == account]
        return [*sorted(held), *(key for key in self._reserved if key.account == account)]

    def _is_held(self, key: Key, found: Found) -> bool:
        if key in self._reserved:
            return self._reserved[key].values == found.values
        record = self._store.get(key)
        if record is None or found.grant is not None:
            return record is not None and found.grant is not None and is_of(record, found.grant)
        return found.values <= {secret.reveal() for secret in record.secrets.values()}

    def _free(self, account: str, found: Found) -> Iterator[str]:
        name = re.sub(r"[^a-z0-9._+-]+", "-", found.name.lower()).strip("-._+")[:40]
        usual = [] if found.foreign_app else [DEFAULT_INSTANCE]
        # A profile is what people call an account there: it keeps its name.
        wanted = [name, *usual] if found.source == "aws" else [*usual, name]
        more = [f"{name or found.source}-{number}" for number in range(2, _TRIES)]
        for instance in [*wanted, found.source, *more]:
            key = Key("credential", account, instance or DEFAULT_INSTANCE)
            if not instance or key in self._reserved or self._store.get(key) is not None:
                continue
            if self._app_fits(found, instance):
                yield instance

    def _app_fits(self, found: Found, instance: str) -> bool:
        """Whether no other app stands where this login's would have to."""
        if found.app is None:
            return True
        key = self._app_key(found, instance)
        record = self._broker.store.get(key)
        kept = app_of(record).client_id if record is not None else self._apps.get(key)
        return kept in (None, found.app.client_id)

    def _app_key(self, found: Found, instance: str) -> Key:
        entry = self._broker.recipes.entry(found.service)
        method = next(way.id for way in entry.methods if way.primitive == "oauth2")
        return apps.key_of(found.service, self._services.way(found.service, method), instance)
