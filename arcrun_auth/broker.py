"""The broker: recipes, store, browser and HTTP put together behind a few verbs.

`arcrun_auth.bind` and its siblings are one broker per process with the user's settings.
Make one of your own to give it another home, store, person, browser or clock.
"""

from __future__ import annotations

import time

from arcrun_auth.connections import Connections, the_one
from arcrun_auth.forks import Mutex
from arcrun_auth.resolve import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any, Literal

    import httpx

    from arcrun_auth.bound import AsyncBound
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.checkup import Checked
    from arcrun_auth.declared import Needed
    from arcrun_auth.keepalive import Kept
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.people import Person
    from arcrun_auth.removal import Removed
    from arcrun_auth.report import Service, Why
    from arcrun_auth.resolve import Connection
    from arcrun_auth.settings import Settings
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Secret, Token

    Http = Literal["httpx", "httpx2"]
    Secrets = Mapping[str, str | Secret]
    Scopes = str | Sequence[str]


class Broker:
    """Authenticated connections for one user. Safe to share between threads and tasks.

    `home` is the folder of vault and configuration (`ARCRUN_HOME`, else `~/.arcrun`);
    `store` a place for credentials instead of the configured one; `recipes` a catalogue;
    `person` whoever can be asked; `open_url` what shows an address to them; `clock` gives
    epoch seconds; `allow_hosts` are further exact origins that may be private or plain
    http; `environ` stands for `os.environ`.
    """

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

    # -- the verbs -------------------------------------------------------------------

    def bind(
        self,
        service: str,
        instance: str | None = None,
        *,
        method: str | None = None,
        scopes: Scopes | None = None,
        secret: Secrets | None = None,
        params: Mapping[str, str] | None = None,
        interactive: bool | None = None,
        http: Http = "httpx",
    ) -> httpx.Client:
        """An httpx client that is logged in to `service`, and to nothing else.

        Checks the name and reads the store at once; sends nothing before you do. The first
        time it logs in, or asks for the key, in place. `scopes` are what you need (names of
        scopes or of the recipe's sets); `secret` is used for this client only and stored
        nowhere; `interactive` overrides whether somebody can be asked.

        Raises UnknownService, LoginRequired or MissingSecret (nobody to ask), MissingScope,
        ConsentRequired (the recipe changed), StoreLocked, NoStore; requests raise
        HostNotAllowed, LoginRequired and ProviderUnavailable beside httpx's own errors.
        """
        from arcrun_auth.client import bound_client

        binding, source = self._parts(
            service,
            instance,
            method=method,
            scopes=scopes,
            secret=secret,
            params=params,
            interactive=interactive,
        )
        client: httpx.Client = bound_client(binding, source, http=http)
        return client

    def bind_async(
        self,
        service: str,
        instance: str | None = None,
        *,
        method: str | None = None,
        scopes: Scopes | None = None,
        secret: Secrets | None = None,
        params: Mapping[str, str] | None = None,
        interactive: bool | None = None,
        http: Http = "httpx",
    ) -> AsyncBound:
        """As `bind`, for `async with`: entering it reads the store and logs in, in a thread.

        Checks only the name before that, and raises UnknownService at once.
        """
        from arcrun_auth.bound import AsyncBound

        prepare = self.prepare(
            service,
            instance,
            method=method,
            scopes=scopes,
            secret=secret,
            params=params,
            interactive=interactive,
        )
        return AsyncBound(prepare, http)

    def prepare(
        self, service: str, instance: str | None = None, **wanted: Any
    ) -> Callable[[], tuple[Binding, Source]]:
        """What a client of any kind is made of, for whoever writes one: `bind` in two steps.

        Checks the name, and raises UnknownService at once. What it gives reads the store and
        logs in when it is called: where requests may go and how they are signed, and where
        their tokens come from. `wanted` are the keywords of `bind`, but `http`.
        """
        self._connections.resolver.entry(service, instance)
        return lambda: self._parts(service, instance, **wanted)

    def get_token(
        self,
        service: str,
        instance: str | None = None,
        *,
        scopes: Scopes | None = None,
        interactive: bool | None = None,
        rejected: str | None = None,
    ) -> Token:
        """A valid token for an SDK: `token.access_token`, `token.expires_at`.

        Renewed if it is about to end. `rejected` is the access token that a server has just
        refused: the token is another one then, if there can be one. Raises what `bind` raises,
        and NoToken where the service has several secrets and no single token.
        """
        source = self._connections.known(service, instance) if scopes is None else None
        if source is None:
            _, source = self._connection(service, instance, scopes=scopes, interactive=interactive)
        return the_one(source.token(rejected=rejected), service)

    async def get_token_async(
        self,
        service: str,
        instance: str | None = None,
        *,
        scopes: Scopes | None = None,
        interactive: bool | None = None,
        rejected: str | None = None,
    ) -> Token:
        """As `get_token`: from memory at once, else in a worker thread."""
        source = self._connections.known(service, instance) if scopes is None else None
        token = source.peek() if source is not None else None
        if token is not None and token.access_token and token.access_token != rejected:
            return token
        from arcrun_auth.client import in_thread

        return await in_thread(
            lambda: self.get_token(
                service, instance, scopes=scopes, interactive=interactive, rejected=rejected
            )
        )

    def presigned_url(
        self,
        service: str,
        url: str,
        instance: str | None = None,
        *,
        method: str = "GET",
        expires: int = 3600,
        params: Mapping[str, str] | None = None,
        interactive: bool | None = None,
    ) -> str:
        """A URL for one request, that anybody may send for `expires` seconds (1 to 604800).

        `url` is a path below the service's address, or a whole URL of one of its hosts. Nothing
        is sent. What comes back is a secret for as long as it holds; that of a session ends
        with the session.

        Raises what `bind` raises, HostNotAllowed, ValueError for such an `expires`, and
        AuthError where the service has no such URLs.
        """
        from arcrun_auth.presigned import presigned_url

        binding, source = self._parts(service, instance, params=params, interactive=interactive)
        return presigned_url(binding, source, url, method=method, expires=expires)

    def list_services(self) -> dict[str, Service]:
        """Every service that can be bound, by its id, and what is connected of it."""
        from arcrun_auth.report import services

        return services(self._connections.resolver)

    def setup(
        self,
        service: str,
        instance: str | None = None,
        *,
        method: str | None = None,
        scopes: Scopes | None = None,
        params: Mapping[str, str] | None = None,
        interactive: bool | None = None,
        port: int | None = None,
        login: Wish | None = None,
        client_file: str | None = None,
        key_file: str | None = None,
        replace: bool = False,
        expires: str | float | datetime | None = None,
        **secrets: str | Secret,
    ) -> Service:
        """Connect a service now, and keep it: `setup("openai", api_key=...)`.

        Secrets go by their full name or a short one (`token` for `notion_token`); what is
        not given is asked for. A connection by another method is replaced if the person
        agrees, or with `replace`. `client_file` is one's own OAuth app, `key_file` the key of a
        service account: paths of what the provider's console downloads, kept here. `port` is
        where the login comes back to, instead of the recipe's choice. `login` asks for a way in:
        `no_browser` opens none here, `device` shows a code for another device, `paste` waits for
        the address that the browser ends on. `expires` is when the key ends (for a login, the
        secret of one's own app), to be warned in time.

        Raises what `bind` raises, TokenRefused (a key), LoginFailed (a login without a grant).
        """
        from arcrun_auth.report import services

        fresh = self._connections.set_up(
            service,
            instance,
            person=self._whoever(interactive),
            method=method,
            scopes=_list(scopes),
            params=params,
            secrets=secrets,
            port=port,
            wish=login,
            client_file=client_file,
            key_file=key_file,
            replace=replace,
            expires=expires,
        )
        return services(self._connections.resolver, only=fresh.service)[fresh.service]

    def test(self, service: str, instance: str | None = None) -> Checked:
        """Send the recipe's test request. Tells whose account it is.

        Raises LoginRequired or MissingSecret where it is not connected, TokenRefused where
        the service says no, ProviderUnavailable where it cannot be reached.
        """
        connection, source = self._connection(service, instance, interactive=False)
        return self._connections.test(connection, source)

    def remove(self, service: str, instance: str | None = None, *, revoke: bool = False) -> Removed:
        """Forget the credential of one instance. True if there was one.

        With `revoke` the provider is told first, and a login ends there too. Where that fails
        it is forgotten all the same: `removed.error` says why.
        """
        return self._connections.remove(service, instance, revoke=revoke)

    def remove_all(self, *, revoke: bool = False) -> list[Removed]:
        """As `remove`, for everything that is connected. Your own OAuth apps stay."""
        return self._connections.remove_all(revoke=revoke)

    def keepalive(self) -> list[Kept]:
        """Renew the logins that would end because nobody uses them. A failure stops no other.

        For a daily job: `arcrun keepalive --install` prints one.
        """
        return self._connections.keepalive()

    def why(self, service: str, instance: str | None = None) -> Why:
        """Where each part of a connection comes from, and how it stands. Never a value."""
        from arcrun_auth.report import why

        resolver = self._connections.resolver
        plain = not instance and "@" not in service
        return why(resolver, resolver.find(service, instance), plain=plain)

    def check(self) -> tuple[Needed, ...]:
        """Whether all that the project declares (`[tool.arcrun]`) can be used as it stands.

        Sends nothing and asks nobody: what is wrong with each stands in its `error`.
        """
        from arcrun_auth.declared import check

        return check(self._connections.resolver)

    # -- what they are made of -------------------------------------------------------

    @property
    def recipes(self) -> Catalog:
        """The catalogue of services."""
        return self._connections.resolver.catalog

    @property
    def store(self) -> Store:
        """Where credentials are read and written."""
        return self._connections.resolver.store

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
        catalog = self._recipes or Catalog(settings.home)
        store = self._store
        if store is None:
            from arcrun_auth.stores.opening import open_store

            def ask(question: str, *, confirm: bool) -> str | None:
                from arcrun_auth.people import ask_hidden

                return ask_hidden(self._whoever(None), question, confirm=confirm)

            store = open_store(settings, catalog, ask=ask)
        resolver = Resolver(
            settings,
            catalog,
            store,
            allow=(*settings.allow_hosts, *self._allow_hosts),
            clock=self._clock,
            say=lambda text: self._whoever(None).say(text),
        )
        return Connections(resolver, self._open_url)

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
            scopes=_list(scopes),
            params=params,
        )


def _list(scopes: Scopes | None) -> Sequence[str] | None:
    return [scopes] if isinstance(scopes, str) else scopes
