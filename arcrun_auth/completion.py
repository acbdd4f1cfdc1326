"""From a grant or a key to a connection: kept, completed by what its service tells, and tried.

A grant is kept before anything else is sent: it may work once only, and it cost a person a
login. What fails after that leaves it incomplete, and the next `setup` goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth import agreement, found, scopes
from arcrun_auth.errors import AuthError, LoginFailed, LoginRequired, StoreConflict, TokenRefused
from arcrun_auth.protocol.portable import relogged
from arcrun_auth.resolve import Connection, unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.people import Person
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential


class Completion:
    """What becomes of one connection once there is a key or a grant. `verify` tries it, and
    tells whose it is."""

    def __init__(
        self,
        resolver: Resolver,
        person: Person,
        connection: Connection,
        verify: Callable[[Connection], str | None],
    ) -> None:
        self._resolver = resolver
        self._person = person
        self._connection = connection
        self._recipe, self._way = resolver.way(connection)
        self._verify = verify

    def gone_on(self, params: Mapping[str, str], asked: Sequence[str] | None) -> Connection | None:
        """The connection, from a login of before that is incomplete; None where a new one is
        needed. `params` and `asked` (scopes) are what is wanted now."""
        held, name = self._connection.record, self._connection.name
        if held is None or not self._fits(held, params, asked):
            return None
        self._person.say(
            f"Going on with the login to {name} that is kept. To log in as somebody else: "
            f"arcrun remove {name}, and set it up again."
        )
        try:
            return self._completed(held, again=True)
        except (LoginFailed, LoginRequired, TokenRefused) as error:
            self._person.say(f"{error.message} A new login is needed.")
            return None

    def finished(self, record: Credential) -> Connection:
        """The connection of a `record` with a fresh key or grant.

        Raises what the requests for the rest raise: a grant is kept all the same, a key is
        not; nor is a key that is refused, or a grant that came without what it should bring.
        """
        brought = found.of_login(self._way, record, service=self._connection.name)
        record = record.replace(params={**record.params, **brought})
        if record.grant is None:
            return self._with_key(record)
        record = record.replace(incomplete=bool(self._way.discover))
        return self._completed(self._put(self._agreed(record)), again=False)

    def _fits(
        self, held: Credential, params: Mapping[str, str], asked: Sequence[str] | None
    ) -> bool:
        grant, oauth2 = held.grant, self._way.oauth2
        if not held.incomplete or grant is None or grant.dead or oauth2 is None:
            return False
        if agreement.joins(self._connection):  # it was begun for another service
            return False
        typed = [name for name, param in self._way.params.items() if param.source == "user"]
        wanted = scopes.spelled(oauth2, asked or ())
        return all(held.params.get(name) == params.get(name) for name in typed) and not (
            scopes.missing(oauth2, wanted, grant.scopes)
        )

    def _with_key(self, record: Credential) -> Connection:
        params = self._discovered(record, again=False)
        record = self._agreed(record.replace(params={**record.params, **params}))
        fresh = self._of(record)
        told = self._tried(fresh)
        fresh.record = self._put(record.replace(**{"identity": None, **told}))
        return self._announced(fresh)

    def _completed(self, held: Credential, *, again: bool) -> Connection:
        """With a grant that is kept. `again`: it is not the one of this very login."""
        if held.incomplete:
            params = self._told(held, again=again)
            held = self._edited(
                held,
                lambda record: self._agreed(
                    record.replace(params={**record.params, **params}, incomplete=False)
                ),
            )
        fresh = self._of(held)
        told = self._tried(fresh)
        if any(getattr(held, name) != value for name, value in told.items()):
            fresh.record = self._edited(held, lambda record: record.replace(**told))
        return self._announced(fresh)

    def _told(self, held: Credential, *, again: bool) -> Mapping[str, str]:
        try:
            return self._discovered(held, again=again)
        except AuthError as error:
            if not isinstance(error, LoginFailed | LoginRequired | TokenRefused):
                error.hint = f"{self._connection.setup} goes on with this login, which is kept"
            raise

    def _discovered(self, record: Credential, *, again: bool) -> Mapping[str, str]:
        """What the service tells; for that a login of before may have to be renewed."""
        connection, resolver = self._connection, self._resolver
        if not self._way.discover:
            return {}
        trial = self._of(record)
        return found.discovered(
            self._way,
            record,
            before=connection.record.params if connection.record is not None else {},
            service=connection.name,
            source=resolver.source(trial) if again else resolver.trial(trial),
            person=self._person,
            allow=resolver.allow,
            client_id=resolver.id_to_send(trial, self._way),
        )

    def _tried(self, fresh: Connection) -> dict[str, Any]:
        """What the record is told by its test: whose account it is, or that there was none.

        TokenRefused goes on for a key; all else is only said.
        """
        assert fresh.record is not None
        if self._way.test is None and self._way.oauth2 is None:  # a login may have its userinfo
            self._person.say("Not tested: the recipe has no test request.")
            return {"untested": False}
        try:
            identity = self._verify(fresh)
        except TokenRefused as error:
            if fresh.record.grant is None:
                raise
            problem: AuthError = error
        except AuthError as error:
            problem = error
        else:
            whose = f" Connected as {identity}." if identity else ""
            self._person.say(f"Testing connection… OK.{whose}")
            return {"untested": False} | ({"identity": identity} if identity is not None else {})
        kept = "key" if fresh.record.grant is None else "login"
        self._person.say(f"Testing connection… {problem.message} The {kept} is kept, untested.")
        return {"untested": True}

    def _announced(self, fresh: Connection) -> Connection:
        description = self._resolver.store.description
        self._person.say(f"Saved to the {description} as {self._connection.key}.")
        return fresh

    def _of(self, record: Credential) -> Connection:
        connection = self._connection
        return Connection(connection.entry, connection.instance, connection.method, record)

    def _agreed(self, record: Credential) -> Credential:
        """With what was agreed to: its hosts, as far as they are known."""
        connection = self._connection
        try:
            consent = agreement.made(
                connection.entry, self._recipe, self._way, record, before_login=record.incomplete
            )
        except ValueError as error:
            raise unfit(connection, error) from None
        others = record.consents or agreement.held(connection)
        return record.replace(consents={**others, connection.service: consent})

    # -- the store -------------------------------------------------------------------

    def _put(self, record: Credential) -> Credential:
        """In place of whatever is there: this login is the newer word."""
        store = self._resolver.store
        while True:
            held = store.get(record.key)
            generation = held.generation if held is not None else 0
            created = held.created if held is not None else 0.0
            record = relogged(held, record)
            try:
                return store.put(record.replace(created=created), expect=generation)
            except StoreConflict:  # a renewal in another process
                continue

    def _edited(self, mine: Credential, change: Callable[[Credential], Credential]) -> Credential:
        """`change` made to what is stored by now: `mine`, which others may have renewed."""
        store = self._resolver.store
        while True:
            latest = store.get(mine.key) or mine.replace(generation=0)
            if not _is_same_login(latest, mine):
                return mine  # somebody has logged in anew
            try:
                return store.put(change(latest), expect=latest.generation)
            except StoreConflict:
                continue


def _is_same_login(one: Credential, other: Credential) -> bool:
    mine, theirs = one.grant, other.grant
    return mine is not None and theirs is not None and mine.since == theirs.since
