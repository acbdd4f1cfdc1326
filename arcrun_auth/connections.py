"""What connects a name to a source of tokens, for all callers of one process.

Every bound client, task and thread of a connection shares one source, and with it one
token in memory and one renewal; and one login, however many ask for it at once.
"""

from __future__ import annotations

from arcrun_auth.errors import AuthError, NoToken, UnknownService
from arcrun_auth.forks import Mutex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from arcrun_auth.adoption import Adoption
    from arcrun_auth.checkup import Checked
    from arcrun_auth.keepalive import Kept
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.oauth.app import App
    from arcrun_auth.people import Person
    from arcrun_auth.removal import Removed
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Credential, Grant, Key, Secret, Token

    Name = tuple[str, str | None]
    Scopes = Sequence[str] | None


class Connections:
    """The connections of one broker. Safe to share between threads, and after a fork."""

    def __init__(self, resolver: Resolver, open_url: Callable[[str], object] | None) -> None:
        self.resolver = resolver
        self._open_url = open_url
        resolver.moved = self._forget
        self._sources: dict[tuple[Any, ...], Source] = {}
        """By the words that named one, and by its service, instance and params."""
        self.changes = 0
        """How often something was set up or removed here: whoever holds a source asks anew then."""
        self.warned: set[Key] = set()
        """Of whose ends somebody was told."""
        self._logins = Mutex()
        self._mutex = Mutex()
        """Guards the sources. Never held while somebody is asked."""

    def known(self, service: str, instance: str | None) -> Source | None:
        """The source of a name that was asked for before, by exactly these words."""
        return self._sources.get((service, instance))

    def get(
        self,
        service: str,
        instance: str | None,
        *,
        person: Callable[[], Person],
        method: str | None = None,
        scopes: Scopes = None,
        params: Mapping[str, str] | None = None,
    ) -> tuple[Connection, Source]:
        """A connection that works as far as is known, logged in now if it has to be.

        `person` is called only if somebody has to be asked. Raises what `Broker.bind` does.
        """
        connection = self._find(service, instance, method, params)
        if not connection.connected or scopes is not None:
            with self._logins:  # one login, however many threads bind at once
                connection = self._find(service, instance, method, params)
                connection = self._connected(connection, person, scopes, params)
        stored = connection.record
        if params:
            self._with_params(connection, params)
        self.resolver.check(connection)
        name = None if params else (service, instance)
        return connection, self._source(name, connection, stored)

    def _find(
        self,
        service: str,
        instance: str | None,
        method: str | None,
        params: Mapping[str, str] | None,
    ) -> Connection:
        """The connection. One that needs no person may lack nothing but the caller's params."""
        from arcrun_auth.tokens import Credential

        connection = self.resolver.find(service, instance, method)
        if not params or connection.connected or not connection.method.unattended:
            return connection
        before = connection.record
        held = before or Credential(connection.key)
        connection.record = held.replace(params={**held.params, **params})
        self.resolver.complete(connection)
        if not connection.connected:
            connection.record = before
        return connection

    def set_up(
        self,
        service: str,
        instance: str | None,
        *,
        person: Person,
        method: str | None,
        scopes: Scopes,
        params: Mapping[str, str] | None = None,
        secrets: Mapping[str, str | Secret] | None = None,
        port: int | None = None,
        wish: Wish | None = None,
        ownership: str | None = None,
        client_file: str | None = None,
        key_file: str | None = None,
        replace: bool = False,
        expires: str | float | datetime | None = None,
        open_url: Callable[[str], object] | None = None,
    ) -> Connection:
        """Connects, whatever is there. Another method takes the first one's place if agreed."""
        from contextlib import nullcontext

        from arcrun_auth import ends, named

        end = ends.said(expires, self.resolver.clock())
        resolver = self.resolver
        if key_file is not None:
            entry, _ = resolver.entry(service, instance)
            recipe = resolver.catalog.recipe(entry.service)
            method, secrets = named.with_file(recipe, method, secrets or {}, key_file)
        asked = None if replace else person
        connection = named.in_place_of(resolver, service, instance, method, asked)
        app = None if client_file is None else named.app_of(resolver, connection, client_file)
        # Two at one terminal would talk into each other; whoever has a page is in nobody's way.
        with self._logins if open_url is None else nullcontext():
            fresh = self._connect(
                connection, person, port=port, wish=wish, ownership=ownership, open_url=open_url,
                secrets=secrets, params=params, scopes=scopes, app=app,
            )  # fmt: skip
            self._forget(fresh)
        if end is not None and fresh.record is not None and fresh.record.ends is None:
            ends.keep(self.resolver, fresh, end)
        return fresh

    def adopt(
        self,
        service: str,
        instance: str | None,
        *,
        person: Person,
        grant: Grant,
        app: App | None,
    ) -> Connection:
        """See `Broker.adopt`."""
        from arcrun_auth.adoption import Adoption, place_for

        connection = place_for(self.resolver.find(service, instance))
        adoption = Adoption(self.resolver, person, grant, app)
        with self._logins:
            fresh = self._connect(connection, person, adoption=adoption)
            self._forget(fresh)
        return fresh

    def test(self, connection: Connection, source: Source) -> Checked:
        """Sends the test request, and keeps what it tells: that it was made, and the key's end."""
        from arcrun_auth import ends
        from arcrun_auth.checkup import check, passed

        checked = check(self.resolver, connection, source)
        if connection.record is not None and connection.record.untested:
            passed(self.resolver, connection, checked.identity)
        if checked.ends is not None and ends.is_stored(self.resolver, connection):
            ends.keep(self.resolver, connection, checked.ends)
        return checked

    def keepalive(self) -> list[Kept]:
        """See `Broker.keepalive`."""
        from arcrun_auth.keepalive import keepalive

        return keepalive(self)

    def remove(self, service: str, instance: str | None, *, revoke: bool = False) -> Removed:
        """Deletes the record and what is in memory of it, told to the provider if `revoke`."""
        from arcrun_auth import removal

        try:
            connection = self.resolver.find(service, instance)
        except UnknownService:
            name, resolver = f"{service}@{instance}" if instance else service, self.resolver
            key = removal.orphan(resolver.store, resolver.catalog, name)
            if key is None:
                raise
            return removal.Removed(name, there=removal.forget(resolver, key))
        removed = removal.remove(self.resolver, connection, revoke=revoke)
        self.resolver.audit.removed(removed)
        self._forget(connection)
        return removed

    def remove_all(self, *, revoke: bool = False) -> list[Removed]:
        """Deletes every stored credential, those that no recipe knows any more included."""
        from arcrun_auth import keepalive, removal

        found = [
            self.remove(connection.service, connection.instance, revoke=revoke)
            for connection, _ in keepalive.by_record(self.resolver)
        ]
        found += [
            removal.Removed(str(key))
            for key in sorted(self.resolver.store.keys())
            if key.kind == "credential" and removal.forget(self.resolver, key)
        ]
        return [removed for removed in found if removed]

    def close(self) -> None:
        import sys

        signing_key = sys.modules.get("arcrun_auth.signing_key")
        if signing_key is not None:  # else no key was ever read
            signing_key.forget()
        with self._mutex:
            self.changes += 1
            self._sources.clear()
            self.resolver.audit.close()
            self.resolver.store.close()
            self.resolver.catalog.close()

    def _connected(
        self,
        connection: Connection,
        person: Callable[[], Person],
        scopes: Scopes,
        params: Mapping[str, str] | None,
    ) -> Connection:
        resolver = self.resolver
        missing = resolver.missing_scopes(connection, scopes)
        if connection.connected and (not missing or resolver.was_refused(connection, missing)):
            resolver.require(connection, missing)
            return connection
        somebody = person()
        if somebody.reach is None:
            resolver.require(connection, missing)
        fresh = self._connect(connection, somebody, params=params, scopes=scopes, widen=True)
        self._forget(fresh)
        resolver.require(fresh, resolver.missing_scopes(fresh, scopes))
        return fresh

    def _with_params(self, connection: Connection, params: Mapping[str, str]) -> None:
        """A caller who names a shop must not be handed the client of another one.

        A connection that only the environment speaks of has no shop of its own: it gets this.
        """

        record = connection.record
        assert record is not None
        if record.generation:
            free = self._free(connection, params)
            self._check_params(connection, record, {n: params[n] for n in params if n not in free})
            params = {name: params[name] for name in free}
        connection.record = record.replace(params={**record.params, **params})

    def _free(self, connection: Connection, params: Mapping[str, str]) -> set[str]:
        """Which of `params` a call may choose: where it is, but never whose it is."""
        if not connection.entry.trusted:
            return set()  # the hosts were agreed to one by one
        _, way = self.resolver.way(connection)
        return {name for name in params if name in way.params and way.params[name].per_call}

    def _check_params(
        self, connection: Connection, record: Credential, params: Mapping[str, str]
    ) -> None:
        from arcrun_auth import rendering

        _, way = self.resolver.way(connection)
        held = rendering.values_of(way, record.params, connection.name)
        asked = rendering.values_of(way, {**held, **params}, connection.name)
        other = [f"{name}={value}" for name, value in asked.items() if held[name] != value]
        if other:
            raise AuthError(
                f"{connection.name} is connected with other parameters than {', '.join(other)}.",
                service=connection.service,
                hint=f"arcrun setup {connection.service}@another --param {other[0]}",
            )

    def _source(
        self, name: Name | None, connection: Connection, stored: Credential | None
    ) -> Source:
        """One for all who use a connection. What a call may choose makes no other one of a stored
        one; of what is not stored, each tenant has its own."""
        from arcrun_auth.sources import FixedSource

        record = stored if stored is not None and stored.generation else connection.record
        assert record is not None
        own = (connection.service, connection.instance, *sorted(record.params.items()))
        with self._mutex:
            known = self._sources.get(own)
            if known is None or isinstance(known, FixedSource):  # a key may have been replaced
                self._warn(connection)
                self.resolver.audit.used(connection)
                known = self._sources[own] = self.resolver.source(connection)
            if name is not None:
                self._sources[name] = known
            return known

    def _forget(self, connection: Connection) -> None:
        """Drops what is in memory of an account: all services and names that share it."""
        account = (connection.entry.account, connection.instance)
        with self._mutex:
            self.changes += 1
            for key in list(self._sources):
                entry, named = self.resolver.entry(key[0], key[1])
                if (entry.account, named) == account:
                    del self._sources[key]

    def _connect(
        self,
        connection: Connection,
        person: Person,
        *,
        port: int | None = None,
        wish: Wish | None = None,
        adoption: Adoption | None = None,
        ownership: str | None = None,
        open_url: Callable[[str], object] | None = None,
        **wanted: Any,
    ) -> Connection:
        """Enrols it. What the test request tells of a key's end is kept beside the key."""
        from functools import partial

        from arcrun_auth import browser, ends
        from arcrun_auth.checkup import check
        from arcrun_auth.enrol import Enroller
        from arcrun_auth.surroundings import Surroundings, look

        resolver, environ = self.resolver, self.resolver.settings.environ
        # What the caller opens addresses with knows where the person is.
        given = open_url or self._open_url
        opens = given or partial(browser.open_url, environ=environ)
        here = look(environ) if given is None else Surroundings(browser=True)
        told: list[float | None] = [None]

        def verify(connection: Connection) -> str | None:
            checked = check(resolver, connection, resolver.trial(connection))
            told.append(checked.ends)
            return checked.identity

        fresh = Enroller(
            resolver,
            person,
            open_url=opens,
            here=here,
            verify=verify,
            port=port,
            wish=wish,
            ownership=ownership,
            adoption=adoption,
        ).connect(connection, **wanted)
        if told[-1] is not None and fresh.record is not None and fresh.record.grant is None:
            ends.keep(resolver, fresh, told[-1])
        resolver.audit.set_up(fresh, connection.record)
        return fresh

    def _warn(self, connection: Connection) -> None:
        """Once per connection and process: what will end soon. Called on the cold path only."""
        record = connection.record
        assert record is not None
        if connection.key in self.warned or not _ends(record, self.resolver.clock()):
            return
        from arcrun_auth import ends

        found = ends.warnings_of(self.resolver, connection)
        if found:
            import logging

            self.warned.add(connection.key)
            for warning in found:
                logging.getLogger("arcrun_auth").warning("%s: %s", connection.name, warning)


def _ends(record: Credential, now: float) -> bool:
    """Whether a look at its ends may be worth it: costs nothing where none is known."""
    grant = record.grant
    if record.ends is None and (grant is None or grant.refresh_expires is None):
        # A renewal is to come: it reads recipe and app anyway, and the app has an end too.
        return grant is not None and grant.expires is not None and grant.expires <= now
    from arcrun_auth.lifetimes import soon

    return soon(record, now)


def the_one(token: Token, service: str) -> Token:
    """`token`, where it is a single one that can be handed out. NoToken where it is not."""
    if token.access_token:
        return token
    raise NoToken(
        f"{service} has no single token to hand out.",
        service=service,
        hint=f"use auth.bind({service!r}), which signs every request",
    )
