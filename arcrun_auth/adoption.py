"""A login that another program has, taken over together with the app it was given to.

RFC 6749 §6: a refresh token is bound to the client it was issued to. So the app comes along:
in the default instance as the app of the family, in another one for that instance alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import apps, scopes
from arcrun_auth.apps.kept import app_of
from arcrun_auth.authority import Authority
from arcrun_auth.custody import fingerprint
from arcrun_auth.errors import AuthError, LoginRequired
from arcrun_auth.resolve import Connection
from arcrun_auth.tokens import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.oauth.app import App
    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Method, Recipe
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential, Grant


MARK = "adopted"
"""In which field of a record is the fingerprint of the refresh token that it was adopted with?"""


def is_of(record: Credential, grant: Grant) -> bool:
    """Whether the record is this very login, however often it was renewed since.

    To adopt it a second time would look like theft (RFC 9700 §4.14.2): a provider whose refresh
    tokens rotate ends the whole login then.
    """
    held = record.grant
    if grant.refresh_token is None:
        return held is not None and held.access_token == grant.access_token
    same = held is not None and held.refresh_token == grant.refresh_token
    return same or record.extra.get(MARK) == fingerprint(grant)


def place_for(held: Connection) -> Connection:
    """Where a login would go: a connection that is not there yet, by its way in with a login.

    AuthError where it is connected already, or has no such way in.
    """
    if held.record is not None and held.record.incomplete:
        raise AuthError(
            f"{held.name} has a login already that is not complete.",
            service=held.service,
            hint=f"{held.setup} goes on with it",
        )
    if held.record is not None and held.record.generation:
        raise AuthError(
            f"{held.name} is connected already: it was left as it is.",
            service=held.service,
            hint=f"take it in as {held.service}@another, or first: arcrun remove {held.name}",
        )
    ways = [way for way in held.entry.methods if way.primitive == "oauth2"]
    if not ways:
        raise AuthError(
            f"{held.name} takes a key: there is no login to take over.",
            service=held.service,
            hint=f"arcrun setup {held.name}",
        )
    return Connection(held.entry, held.instance, ways[0], None)


def _kept(connection: Connection, app: str) -> str:
    if connection.instance == DEFAULT_INSTANCE:
        return f"Its OAuth app is kept as {app}: later logins use it as well."
    return f"Its OAuth app is kept as {app}@{connection.instance}, for that instance alone."


def _mark(grant: Grant) -> dict[str, str]:
    return {MARK: fingerprint(grant)} if grant.refresh_token is not None else {}


class Adoption:
    """Brings one grant that is there already, where `SignIn` would log in for one.

    `app` is None where the grant belongs to the app that is kept here, or to the recipe's own.
    """

    def __init__(self, resolver: Resolver, person: Person, grant: Grant, app: App | None) -> None:
        self._resolver = resolver
        self._person = person
        self._grant = grant
        self._app = app

    def grant(
        self,
        recipe: Recipe,
        way: Method,
        record: Credential,
        connection: Connection,
        *,
        asked: Sequence[str] | None,
        widen: bool,
    ) -> Credential:
        """`record` with the grant, renewed once: that shows that it lives and fits its app.

        Raises AuthError where another app stands in its place or another connection has the
        login, MissingSecret where the app
        is not whole, LoginRequired where the token has ended and cannot be renewed,
        TokenRefused, ProviderUnavailable. Nothing is stored then.
        """
        del recipe, asked, widen
        assert way.oauth2 is not None
        if way.oauth2.discovery:
            from arcrun_auth.discovery import discover

            found = discover(self._resolver, connection, way, record)
            record = record.replace(endpoints=found.endpoints)
        authority = Authority(self._resolver, connection.name, way, record)
        keeps = self._place(authority, connection)
        self._check_unshared(connection)
        self._resolver.store.prepare()  # a refresh token that rotates is spent after this
        grant = self._proven(authority, connection)
        if keeps and self._app is not None:
            store, service = self._resolver.store, connection.service
            kept = apps.keep(store, service, way, self._app, instance=connection.instance)
            self._resolver.audit.note("app add", kept)
            self._person.say(_kept(connection, apps.key_of(service, way).account))
        lacking = scopes.missing(way.oauth2, way.oauth2.scopes, grant.scopes)
        if lacking:
            self._person.say(f"It was not granted: {' '.join(lacking)}. What needs it fails.")
        return record.replace(grant=grant, extra={**record.extra, **_mark(self._grant)})

    def _place(self, authority: Authority, connection: Connection) -> bool:
        """Puts the grant's app in; whether it has to be kept, since it is not there yet."""
        if self._app is None:
            if authority.needs_app:
                authority.known_app()
            return False
        known = authority.app
        if known is not None and known.client_id == self._app.client_id:
            return False
        own = apps.key_of(connection.service, authority.way, connection.instance)
        held = self._resolver.store.get(own)
        fixed = authority.oauth2.client.id
        if fixed or (held is not None and app_of(held).client_id != self._app.client_id):
            raise self._other_app(connection, own.account, fixed=bool(fixed))
        absent = apps.lacking(self._app, authority.way)
        if absent:
            raise apps.missing(connection.service, authority.way, absent)
        authority.app = self._app
        return True

    def _check_unshared(self, connection: Connection) -> None:
        """AuthError where another connection goes on with this login, and only one can."""
        store, service = self._resolver.store, connection.service
        if self._grant.refresh_token is None or connection.method.rotates == "no":
            return
        for key in store.keys():
            record = store.get(key)
            if record is not None and is_of(record, self._grant):
                raise AuthError(
                    f"This login is kept as {key} already, and only one connection can go on "
                    "with it.",
                    service=service,
                    hint=f"arcrun setup {service} logs in for a second one",
                )

    def _other_app(self, connection: Connection, app: str, *, fixed: bool) -> AuthError:
        name = connection.name
        if fixed:
            return AuthError(
                f"{name} logs in by an app of the recipe's own, and this login is another app's.",
                service=connection.service,
                hint=f"arcrun setup {name}",
            )
        return AuthError(
            f"{name} uses the OAuth app {app} that is kept already, and this login is another "
            "app's: it can be renewed by that one only.",
            service=connection.service,
            hint=f"take it in under an instance of its own: {connection.service}@another",
        )

    def _proven(self, authority: Authority, connection: Connection) -> Grant:
        grant, now = self._grant, self._resolver.clock()
        if grant.refresh_token is not None and authority.oauth2.refresh.mode == "yes":
            return authority.renewed(grant)
        if not grant.access_token or (grant.expires is not None and grant.expires <= now):
            raise LoginRequired(
                f"{connection.name}: this login has ended, and nothing in it can renew it.",
                service=connection.service,
                why="expired",
                hint=connection.setup,
            )
        return grant
