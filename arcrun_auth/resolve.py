"""From a name to what signs its requests: recipe, record, consent, source.

Reads the catalogue and the store, never the network and never a person. On the way to
every token: a stored and valid one comes out of here without a recipe being decoded.
"""

from __future__ import annotations

from arcrun_auth.errors import (
    AuthError,
    LoginRequired,
    MissingScope,
    MissingSecret,
    RecipeError,
    UnknownService,
)
from arcrun_auth.recording import Recorder
from arcrun_auth.tokens import DEFAULT_INSTANCE, Key, Token, split_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.catalog import Catalog, Entry, MethodEntry
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.settings import Settings
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential, Grant, Secret


class Connection:
    """A service and an instance: the way in that was chosen, and what is stored for it."""

    __slots__ = ("entry", "instance", "method", "record")

    def __init__(
        self, entry: Entry, instance: str, method: MethodEntry, record: Credential | None
    ) -> None:
        self.entry = entry
        self.instance = instance
        self.method = method
        self.record = record

    @property
    def service(self) -> str:
        return self.entry.service

    @property
    def key(self) -> Key:
        return Key("credential", self.entry.account, self.instance)

    @property
    def name(self) -> str:
        """As it is typed: without the instance where that is the default one."""
        if self.instance == DEFAULT_INSTANCE:
            return self.service
        return f"{self.service}@{self.instance}"

    @property
    def setup(self) -> str:
        """The command that connects it, by the way in that was chosen."""
        stored = self.record.method if self.record is not None else ""
        usual = self.method.id == (stored or self.entry.methods[0].id)
        other = "" if usual else f" --method {self.method.id}"
        return f"arcrun setup {self.name}{other}"

    def missing(self) -> tuple[str, ...]:
        """The keys of the secrets that are required and nowhere; none for a grant."""
        held = self.record.secrets if self.record else {}
        return tuple(
            key for key, optional, _ in self.method.secrets if not optional and key not in held
        )

    @property
    def connected(self) -> bool:
        """Whether there is something to sign with, or to renew it by."""
        if self.record is None:
            return False
        if self.method.source != "grant":
            return not self.missing()
        given = self.record.secrets
        if "access_token" in given or "refresh_token" in given:
            return True
        grant = self.record.grant
        return grant is not None and not grant.dead and not self.record.incomplete


class Resolver:
    """Answers every question about a connection that needs neither network nor person."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        store: Store,
        *,
        allow: Sequence[str],
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self.settings, self.catalog, self.store = settings, catalog, store
        self.allow = tuple(allow)
        self.clock = clock
        self.say = say
        self.audit = Recorder(settings, store, clock)
        self.moved: Callable[[Connection], None] = lambda _: None
        """Told of a connection that another process has set up for another tenant."""

    def entry(self, service: str, instance: str | None) -> tuple[Entry, str]:
        """The service and instance that a caller names, as two words or as one.

        Without an instance it is the one that the project declares, else the default one.

        Raises UnknownService (with similar names), AuthError for a closed service,
        ValueError for an instance that cannot be one.
        """
        name, named = service, instance or DEFAULT_INSTANCE
        if "@" in service and instance is None:
            name, _, named = service.partition("@")
        try:
            split_name(name)
        except ValueError:
            raise UnknownService(name) from None
        split_name(f"{name}@{named}")
        entry = self.catalog.entry(name)
        if entry.status == "closed":
            instead = f"Use {entry.successor!r} instead." if entry.successor else ""
            raise AuthError(
                f"{entry.display_name} has been shut down. {instead}".rstrip(),
                service=entry.service,
                hint=f"arcrun setup {entry.successor}" if entry.successor else None,
            )
        if not instance and name == service:
            named = self.declared(entry) or named
        return entry, named

    def declared(self, entry: Entry) -> str | None:
        """The instance that the project of this folder declares, if it is exactly one."""
        project = self.settings.project
        return None if project is None else project.instance_of(entry.service, *entry.aliases)

    def find(self, service: str, instance: str | None, method: str | None = None) -> Connection:
        """The connection as it stands. AuthError where it is connected by another method."""
        entry, named = self.entry(service, instance)
        record = self.store.get(Key("credential", entry.account, named))
        chosen = self._method(entry, record, method)
        if method and record is not None and record.method and record.method != chosen.id:
            raise AuthError(
                f"{entry.service}@{named} is connected by the method {record.method!r}, "
                f"not {chosen.id!r}.",
                service=entry.service,
                hint=f"arcrun setup {entry.service}@{named} --method {chosen.id}",
            )
        connection = Connection(entry, named, chosen, record)
        self.complete(connection)
        return connection

    def complete(self, connection: Connection) -> None:
        """Puts a grant that is still to be asked for where nothing but that is missing."""
        method = connection.method
        if method.source == "grant" and method.unattended and not connection.connected:
            connection.record = self._unattended(connection) or connection.record

    def _unattended(self, connection: Connection) -> Credential | None:
        from arcrun_auth.desk import open_desk
        from arcrun_auth.tokens import Credential, Grant, Secret

        held = connection.record or Credential(connection.key)
        if held.grant is not None or connection.missing():
            return None
        _, way = self.way(connection)
        try:
            desk = open_desk(self, connection.name, way, held)
        except RecipeError:  # a param that somebody has to type
            return None
        if desk.needs_app or desk.needs_setup:
            return None
        grant = Grant(access_token=Secret(""), issued=0.0, expires=0.0, requested=way.scopes)
        return held.replace(grant=grant)

    def _method(self, entry: Entry, record: Credential | None, wanted: str | None) -> MethodEntry:
        if wanted:
            return entry.method(wanted)
        if record is not None and record.method:
            return entry.method(record.method)
        # Only the environment speaks: the first way in that its secrets are enough for.
        for method in entry.methods:
            if record is not None and Connection(entry, "", method, record).connected:
                return method
        return entry.method()

    def way(self, connection: Connection) -> tuple[Recipe, Method]:
        """The recipe, and its way in of this connection with all that it inherits."""
        recipe = self.catalog.recipe(connection.service)
        way = recipe.way(connection.method.id)
        if way.diagnose and not connection.entry.trusted:
            from arcrun_auth.diagnosis import of_a_stranger

            way = of_a_stranger(way)
        return recipe, way

    # -- consent ---------------------------------------------------------------------

    def check(self, connection: Connection) -> None:
        """Whether the recipe is the one that was agreed to. ConsentRequired if it is not."""
        entry, record = connection.entry, connection.record
        assert record is not None
        consent = record.consents.get(entry.service)
        if consent is None and entry.trusted:
            return
        if consent is not None and consent.digest == connection.method.digest:
            return
        from arcrun_auth import agreement

        agreement.check(self, connection, consent)

    # -- what signs ------------------------------------------------------------------

    def require(self, connection: Connection, missing_scopes: Sequence[str] = ()) -> None:
        """Raises what is missing: MissingSecret, LoginRequired or MissingScope."""
        if not connection.connected:
            raise self._absent(connection)
        if missing_scopes:
            from shlex import quote

            scope = " ".join(missing_scopes)
            # A project may name them, and it may be a stranger's: the line is there to be typed.
            wanted = quote(",".join(f"+{name}" for name in missing_scopes))
            raise MissingScope(
                f"{connection.name} was not granted: {scope}.",
                scope=scope,
                service=connection.service,
                hint=f"arcrun setup {connection.name} --scopes {wanted}",
            )

    def _absent(self, connection: Connection) -> MissingSecret | LoginRequired:
        service, name = connection.service, connection.name
        if connection.missing():
            _, way = self.way(connection)
            missing = connection.missing()
            wanted = next(s for s in way.required_secrets if s.key == missing[0])
            return MissingSecret(
                f"{name} needs its {wanted.label or wanted.key} ({wanted.key}), and it is nowhere.",
                key=wanted.key,
                service=service,
                help_url=wanted.help_url or way.setup_url or None,
                hint=connection.setup,
            )
        grant = connection.record.grant if connection.record is not None else None
        from arcrun_auth.lifetimes import absence

        return LoginRequired(
            f"{name}{absence(grant)}.", service=service, hint=connection.setup,
            why="revoked" if grant is not None and grant.dead else "never",
        )  # fmt: skip

    def missing_scopes(
        self, connection: Connection, scopes: Sequence[str] | None
    ) -> tuple[str, ...]:
        """Which of `scopes` (or of the recipe's sets) a grant does not cover."""
        grant = connection.record.grant if connection.record is not None else None
        if not scopes or grant is None:
            return ()
        from arcrun_auth import scopes as rules

        _, way = self.way(connection)
        if way.oauth2 is None:
            return ()
        return rules.missing(way.oauth2, rules.spelled(way.oauth2, scopes), grant.scopes)

    def was_refused(self, connection: Connection, missing: Sequence[str]) -> bool:
        """Whether the last login asked for all that is missing, and did not get it.

        To ask again by itself would open a browser at every call: `setup` does, when told to.
        """
        grant = connection.record.grant if connection.record is not None else None
        return grant is not None and set(missing) <= set(grant.requested)

    def source(self, connection: Connection) -> Source:
        """Where its tokens come from. The connection is connected and checked."""
        from arcrun_auth.sources import FixedSource

        assert connection.record is not None
        if connection.method.source == "made":
            return self._maker(connection)
        if connection.method.source == "secrets":
            return FixedSource(
                static_token(connection.method, connection.record),
                lambda: self._reread(connection),
            )
        given = connection.record.secrets
        if "access_token" in given:
            return FixedSource(Token(given["access_token"].reveal()))
        from arcrun_auth.renewal import grant_source

        return grant_source(self, connection)

    def trial(self, connection: Connection) -> Source:
        """What a connection that is not stored yet signs with: its token as it is."""
        from arcrun_auth.sources import FixedSource, token_of

        record = connection.record
        assert record is not None
        if record.grant is not None:
            return FixedSource(token_of(record.grant, signing_secrets(connection.method, record)))
        if connection.method.source == "made":
            return self._maker(connection)
        return FixedSource(static_token(connection.method, record))

    def _maker(self, connection: Connection) -> Source:
        """Makes tokens of what the record holds now: another process may have changed it."""
        from arcrun_auth.sources import MadeSource

        def make() -> Grant:
            from arcrun_auth.desk import open_desk

            record = connection.record
            assert record is not None
            if record.generation:
                record = self.store.get(connection.key) or record
            _, way = self.way(connection)
            return open_desk(self, connection.name, way, record).issue(way.scopes)

        return MadeSource(make, self.clock)

    def _reread(self, connection: Connection) -> Token | None:
        """What is stored now, if it is of the same tenant: requests go to the hosts of before."""
        record = self.store.get(connection.key)
        if record is None or self.is_elsewhere(connection, record):
            return None
        fresh = Connection(connection.entry, connection.instance, connection.method, record)
        return None if fresh.missing() else static_token(connection.method, record)

    def is_elsewhere(self, connection: Connection, record: Credential) -> bool:
        """Whether `record`, which is stored now, is for other hosts than were bound to."""
        held = connection.record.params if connection.record is not None else {}
        other = [name for name, value in held.items() if record.params.get(name, value) != value]
        known = self.way(connection)[1].params if other else {}
        return any(name in known and not known[name].per_call for name in other)

    def binding(self, connection: Connection) -> Binding:
        """Where its requests go, and where in them the secrets stand."""
        from arcrun_auth.primitives import load
        from arcrun_auth.signing import bind_method

        _, way = self.way(connection)
        assert connection.record is not None
        service = connection.service
        try:
            return bind_method(
                way, service=service, params=self.params(way, connection.record), allow=self.allow,
                client_id=self.id_to_send(connection, way), signer=load(way.primitive).signer,
            )  # fmt: skip
        except ValueError as error:
            raise unfit(connection, error) from None

    def id_to_send(self, connection: Connection, way: Method) -> str:
        """The id of the app, if the recipe sends it along with each request; else nothing."""
        inject = way.inject
        places = (inject.header, inject.query, inject.body, inject.path, inject.cookie)
        texts = (text for place in places for text in place.values())
        if way.oauth2 is None or not any("{{client.id" in text for text in texts):
            return ""
        from arcrun_auth.authority import Authority

        assert connection.record is not None
        app = Authority(self, connection.name, way, connection.record).app
        return app.client_id if app is not None else ""

    @staticmethod
    def params(way: Method, record: Credential) -> Mapping[str, str]:
        """The stored params; for secrets of the environment with those that stand in them."""
        if record.generation or all(param.source == "user" for param in way.params.values()):
            return record.params
        from arcrun_auth.found import brought

        return {**brought(way, record), **record.params}


def unfit(connection: Connection, error: ValueError) -> RecipeError:
    """A param that is missing, or does not fit the address."""
    return RecipeError(
        f"{connection.name}: {error}.",
        service=connection.service,
        hint=f"arcrun setup {connection.name}",
    )


def signing_secrets(method: MethodEntry, record: Credential) -> dict[str, Secret]:
    """The stored secrets that the recipe's `inject` names beside a grant's token."""
    return {key: record.secrets[key] for key in method.injected if key in record.secrets}


def static_token(method: MethodEntry, record: Credential) -> Token:
    """The secrets of a static key, and the one of them that an SDK wants, if there is one."""
    secret = record.secrets.get(method.token_secret)
    return Token(secret.reveal() if secret else "", secrets=record.secrets)
