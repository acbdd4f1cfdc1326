"""What a broker is made of: settings, person, catalogue and store, made when first used."""

from __future__ import annotations

import time

from arcrun_auth.connections import Connections
from arcrun_auth.forks import Mutex
from arcrun_auth.resolve import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.helpers import Helpers
    from arcrun_auth.lending import Lending
    from arcrun_auth.people import Person
    from arcrun_auth.policies import Policies
    from arcrun_auth.recording import Recorder
    from arcrun_auth.resolve import Connection
    from arcrun_auth.settings import Settings
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.stores.base import Store
    from arcrun_auth.sync.ci import CiVaults
    from arcrun_auth.tokens import Secret

    Secrets = Mapping[str, str | Secret]
    Scopes = str | Sequence[str]


class Parts:
    """Everything of a broker but its verbs: see `Broker` for what it is given."""

    def __init__(
        self,
        *,
        home: str | None = None,
        store: Store | None = None,
        recipes: Catalog | None = None,
        person: Person | None = None,
        open_url: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.time,
        allow_hosts: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        from arcrun_auth.settings import Settings

        self.settings: Settings = Settings(home, environ=environ)
        self._store = store
        self._recipes = recipes
        self._person = person
        self._open_url = open_url
        self._clock = clock
        self._allow_hosts = tuple(allow_hosts)
        self._mutex = Mutex()
        self._made: Connections | None = None

    @property
    def recipes(self) -> Catalog:
        """The catalogue of services."""
        return self._connections.resolver.catalog

    @property
    def store(self) -> Store:
        """Where credentials are read and written."""
        return self._connections.resolver.store

    @property
    def helpers(self) -> Helpers:
        """What git, docker and AWS get when they ask for a password or for keys."""
        from arcrun_auth.helpers import Helpers

        return Helpers(self._connections)

    @property
    def lending(self) -> Lending:
        """The use of connections, for who is to get nothing else of them."""
        from arcrun_auth.lending import Lending

        return Lending(self._connections)

    @property
    def audit(self) -> Recorder:
        """The trail of what was done with the credentials of this home."""
        return self._connections.resolver.audit

    def named(self, service: str, instance: str | None = None) -> tuple[str, str]:
        """Which service and instance are meant by a name: aliases, `service@instance` and what
        the project declares are resolved. Raises UnknownService, AuthError for a closed one."""
        entry, named = self._connections.resolver.entry(service, instance)
        return entry.service, named

    @property
    def policies(self) -> Policies:
        """What agents may do with the connections of this home. A new object each time, and what
        is unlocked is so for that one."""
        from arcrun_auth.policies import Policies

        resolver = self._connections.resolver
        environ, note = self.settings.environ, resolver.audit.note
        return Policies(resolver.store, clock=self._clock, environ=environ, note=note)

    @property
    def ci(self) -> CiVaults:
        """The connections that CI jobs get."""
        from arcrun_auth.sync.ci import CiVaults

        return CiVaults(self._connections.resolver)

    @property
    def person(self) -> Person:
        """Whoever can be asked."""
        return self._whoever(None)

    @property
    def changes(self) -> int:
        """How often a connection was set up or removed here: what `prepare` gave before that is
        to be prepared anew."""
        return self._connections.changes

    def close(self) -> None:
        """Let go of files and of tokens in memory. The next use opens them again."""
        if self._made is not None:
            self._made.close()

    @property
    def _connections(self) -> Connections:
        made = self._made
        if made is None:
            with self._mutex:
                made = self._made = self._made or self._make()
        return made

    def _make(self) -> Connections:
        from arcrun_auth.catalog import Catalog

        settings = self.settings
        catalog = self._recipes or Catalog(settings.home, settings=settings)
        store = self._store
        if store is None:
            from arcrun_auth.stores.opening import open_store

            def ask(question: str, *, confirm: bool) -> str | None:
                from arcrun_auth.people import ask_hidden

                return ask_hidden(self._whoever(None), question, confirm=confirm)

            store = open_store(settings, catalog, ask=ask, primary=self._cloud_store())
        resolver = Resolver(
            settings,
            catalog,
            store,
            allow=(*settings.allow_hosts, *self._allow_hosts),
            clock=self._clock,
            say=lambda text: self._whoever(None).say(text),
        )
        return Connections(resolver, self._open_url)

    def _cloud_store(self) -> Store | None:
        """The CI vault of a job, where the settings say that this is one."""
        if self.settings.store != "cloud":
            return None
        from arcrun_auth.sync.ci import cloud_store

        return cloud_store(self.settings, self._clock)

    def _whoever(self, interactive: bool | None) -> Person:
        from arcrun_auth.people import Here, Nobody

        if interactive is False:
            return Nobody()
        if self._person is not None:
            return self._person
        wanted = self.settings.flag("interactive") if interactive is None else interactive
        return Here(interactive=wanted, environ=self.settings.environ)

    def _parts(self, service: str, instance: str | None, **wanted: Any) -> tuple[Binding, Source]:
        connection, source = self._connection(service, instance, **wanted)
        return self._connections.resolver.binding(connection), source

    def _connection(
        self,
        service: str,
        instance: str | None,
        *,
        method: str | None = None,
        scopes: Scopes | None = None,
        secret: Secrets | None = None,
        params: Mapping[str, str] | None = None,
        interactive: bool | None = None,
    ) -> tuple[Connection, Source]:
        if secret is not None:
            from arcrun_auth.bound import for_this_call

            return for_this_call(
                self._connections.resolver,
                service,
                instance,
                method=method,
                secrets=secret,
                params=params or {},
            )
        return self._connections.get(
            service,
            instance,
            person=lambda: self._whoever(interactive),
            method=method,
            scopes=listed(scopes),
            params=params,
        )


def listed(scopes: Scopes | None) -> Sequence[str] | None:
    """Scopes as a list, of which one alone may be given by its name."""
    return [scopes] if isinstance(scopes, str) else scopes
