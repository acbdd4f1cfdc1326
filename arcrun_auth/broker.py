"""The broker: recipes, store, browser and HTTP put together behind a few verbs.

`arcrun_auth.bind` and its siblings are one broker per process with the user's settings.
Make one of your own to give it another home, store, person, browser or clock.
"""

from __future__ import annotations

from arcrun_auth.connections import the_one
from arcrun_auth.parts import Parts, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any, Literal

    import httpx

    from arcrun_auth.bound import AsyncBound
    from arcrun_auth.checkup import Checked
    from arcrun_auth.declared import Needed
    from arcrun_auth.keepalive import Kept
    from arcrun_auth.login.plan import Ownership, Wish
    from arcrun_auth.oauth.app import App
    from arcrun_auth.parts import Scopes, Secrets
    from arcrun_auth.people import Person
    from arcrun_auth.removal import Removed
    from arcrun_auth.report import Service, Why
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Grant, Secret, Token

    Http = Literal["httpx", "httpx2"]


class Broker(Parts):
    """Authenticated connections for one user. Safe to share between threads and tasks.

    `home` is the folder of vault and configuration (`ARCRUN_HOME`, else `~/.arcrun`);
    `store` a place for credentials instead of the configured one; `recipes` a catalogue;
    `person` whoever can be asked; `open_url` what shows an address to them; `clock` gives
    epoch seconds; `allow_hosts` are further exact origins that may be private or plain
    http; `environ` stands for `os.environ`.
    """

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
        ownership: Ownership | None = None,
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
        the address that the browser ends on. `ownership` says whose OAuth app the login uses:
        `own`, `shared` (the recipe's, else the server's) or `managed` (the configured server's
        alone); if not given, the first of them that there is. `expires` is when the key ends (for
        a login, the secret of one's own app), to be warned in time.

        Raises what `bind` raises, TokenRefused (a key), LoginFailed (a login without a grant).
        """
        from arcrun_auth.report import services

        fresh = self._connections.set_up(
            service,
            instance,
            person=self._whoever(interactive),
            method=method,
            scopes=listed(scopes),
            params=params,
            secrets=secrets,
            port=port,
            wish=login,
            ownership=ownership,
            client_file=client_file,
            key_file=key_file,
            replace=replace,
            expires=expires,
        )
        return services(self._connections.resolver, only=fresh.service)[fresh.service]

    def setup_with(
        self,
        person: Person,
        open_url: Callable[[str], object],
        service: str,
        instance: str | None = None,
        *,
        method: str | None = None,
        scopes: Scopes | None = None,
    ) -> Service:
        """As `setup`, for a `person` who is not the broker's: somebody at a page, say.

        They are asked, and `open_url` shows addresses to them.
        """
        from arcrun_auth.report import services

        fresh = self._connections.set_up(
            service,
            instance,
            person=person,
            open_url=open_url,
            method=method,
            scopes=listed(scopes),
        )
        return services(self._connections.resolver, only=fresh.service)[fresh.service]

    def adopt(
        self,
        service: str,
        instance: str | None = None,
        *,
        grant: Grant,
        app: App | None = None,
        interactive: bool | None = None,
    ) -> Service:
        """Take over a login of another program: `adopt("dropbox", grant=grant, app=app)`.

        It is renewed once and tested. Its `app` serves the whole family from then on, in an
        instance other than the default one that alone. Where each renewal brings a new refresh
        token, the other program has lost the login. Raises AuthError where the instance is
        connected or has another app, and where another instance has this login; LoginRequired
        where the login has ended, what renewing does.
        """
        from arcrun_auth.report import services

        person, made = self._whoever(interactive), self._connections
        fresh = made.adopt(service, instance, person=person, grant=grant, app=app)
        return services(made.resolver, only=fresh.service)[fresh.service]

    def test(self, service: str, instance: str | None = None) -> Checked:
        """Send the recipe's test request. Tells whose account it is.

        Raises LoginRequired or MissingSecret where it is not connected, TokenRefused where
        the service says no, ProviderUnavailable where it cannot be reached.
        """
        connection, source = self._connection(service, instance, interactive=False)
        return self._connections.test(connection, source)

    def secret(self, reference: str) -> Secret:
        """What `arcrun://service[@instance]/key` names, renewed if need be. Asks nobody.

        Raises AuthError for another shape or key, and what `bind` raises.
        """
        from arcrun_auth.referred import secret

        return secret(self._connections, reference)

    def remove(self, service: str, instance: str | None = None, *, revoke: bool = False) -> Removed:
        """Forget the credential of one instance. True if there was one.

        With `revoke` the provider is told first, and a login ends there too. Where that fails
        it is forgotten all the same: `removed.error` says why. One whose recipe was removed
        is forgotten by the name that it had.
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
        """How what the project declares stands (`[tool.arcrun]`). Sends nothing, asks nobody."""
        from arcrun_auth.declared import check

        return check(self._connections.resolver)
