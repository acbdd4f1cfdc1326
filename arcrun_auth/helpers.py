"""What answers a credential helper: whose token is for this host, and is it good?

git and docker ask a program of ours for a user and a password; AWS asks for keys. All of it
comes from what is connected. Nobody is asked and no browser opens: whoever asked has other
helpers, and can ask the user as well.
"""

from __future__ import annotations

from arcrun_auth.errors import HostNotAllowed, LoginRequired, NoToken, StoreCorrupt, printable
from arcrun_auth.hosts import Fence
from arcrun_auth.people import Nobody
from arcrun_auth.tokens import Secret, Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from arcrun_auth.catalog.index import Helper
    from arcrun_auth.connections import Connections
    from arcrun_auth.hosts import Origin
    from arcrun_auth.resolve import Connection

    Kind = Literal["git", "docker"]


class Match:
    """A connection that answers for a host, and the user that goes with its token."""

    __slots__ = ("connection", "host", "password", "username")

    def __init__(
        self, connection: Connection, host: str, username: str, password: str = ""
    ) -> None:
        self.connection = connection
        self.host = host.lower()
        self.username = username
        self.password = Secret(password)
        """What goes in the place of the token; empty where that is the token itself."""

    @property
    def name(self) -> str:
        """As it is typed: `service[@instance]`."""
        return self.connection.name

    @property
    def full_name(self) -> str:
        """With its instance in any case."""
        return f"{self.connection.service}@{self.connection.instance}"


class Helpers:
    """The credential helpers of one broker. Safe to share between threads."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._resolver = connections.resolver

    def find(
        self, kind: Kind, origin: Origin, *, user: str = "", instance: str | None = None
    ) -> Match | None:
        """The connection whose token is for `origin`; None if no recipe names its host.

        Of several instances it is `instance`; else the one that is called `user`, or whose
        account is; else the one of the project, or the default one. Sends nothing.

        Raises LoginRequired where the service is known and nothing fits is connected, and
        HostNotAllowed for plain http that the user has not allowed.
        """
        plain, open_ = self._rows(kind, origin)
        for row in (*plain, *open_):
            for connection in self._candidates(row, user, instance):
                match = self._match(row, connection)
                if match is not None and self._permits(match.host, origin):
                    return match
        if plain:
            raise self._absent(plain[0][1], origin, user, instance)
        self._check_scheme(kind, origin)
        return None

    def token(self, match: Match) -> Token:
        """Its token, renewed if need be, or what goes as the password in its place.

        Raises what `Broker.get_token` does.
        """
        service, instance = match.connection.service, match.connection.instance
        if match.password:
            self._connections.get(service, instance, person=Nobody)  # asks for the consent
            return Token(match.password.reveal())
        token = self.signing(service, instance)
        if not token.access_token:
            raise NoToken(
                f"{match.name} has several secrets, and its recipe says not which is the token.",
                service=service,
            )
        return token

    def signing(self, service: str, instance: str | None = None) -> Token:
        """What signs requests of a service, all of its secrets included, renewed if need be."""
        _, source = self._connections.get(service, instance, person=Nobody)
        return source.token()

    def refused(self, kind: Kind, origin: Origin, password: str) -> tuple[Match, bool] | None:
        """What a server refused: whose password it was, and whether there is a newer one now.

        A refused request deletes nothing: a login is renewed, a key stays. None for a password
        that is not ours, or no longer. Whoever asks may have forgotten which account it was,
        so all of them are looked at.
        """
        for match in self._answering(kind, origin):
            if self._holds(match.connection, password):
                service, instance = match.connection.service, match.connection.instance
                _, source = self._connections.get(service, instance, person=Nobody)
                return match, source.token(rejected=password).access_token != password
        return None

    def connected(self, kind: Kind) -> list[Match]:
        """What is answered for now: the first that would be, for each host."""
        found: dict[str, Match] = {}
        for row in self._resolver.catalog.helpers(kind):
            try:
                (connection,) = self._candidates(row, "", None)
            except StoreCorrupt:  # one damaged record takes no other with it
                continue
            match = self._match(row, connection)
            if match is not None:
                found.setdefault(match.host, match)
        return list(found.values())

    def hosts(self, kind: Kind, name: str) -> list[str]:
        """The hosts that `service[@instance]` answers for, or will once it is connected."""
        connection = self._resolver.find(name, None)
        found = [
            match.host if match is not None else row[0]
            for row in self._resolver.catalog.helpers(kind)
            if row[1] == connection.service
            and ((match := self._match(row, connection)) is not None or "{{" not in row[0])
        ]
        return list(dict.fromkeys(found))

    # -- who --------------------------------------------------------------------------

    def _rows(self, kind: Kind, origin: Origin) -> tuple[list[Helper], list[Helper]]:
        """The recipes that answer for this origin, and those whose host has a hole in it."""
        rows = self._resolver.catalog.helpers(kind)
        plain = [row for row in rows if "{{" not in row[0] and self._permits(row[0], origin)]
        return plain, [row for row in rows if "{{" in row[0]]

    def _permits(self, host: str, origin: Origin) -> bool:
        return Fence([host], self._resolver.allow).permits(*origin)

    def _candidates(self, row: Helper, user: str, instance: str | None) -> Iterator[Connection]:
        """The connections of a recipe that are meant, those that are none yet included."""
        resolver = self._resolver
        _, service, _, username, _ = row
        if instance is not None or user in ("", username):
            yield resolver.find(service, instance)
            return
        for connection in self._instances(service):
            identity = connection.record.identity if connection.record is not None else None
            match = self._match(row, connection) if "{{" in username else None
            if user in (connection.instance, identity, match and match.username):
                yield connection

    def _instances(self, service: str) -> Iterator[Connection]:
        """All that are stored of a service, and the one that would be taken unasked."""
        resolver = self._resolver
        first = resolver.find(service, None)
        yield first
        for key in sorted(resolver.store.keys()):
            own = key.kind == "credential" and key.account == first.entry.account
            if own and key.instance != first.instance:
                yield resolver.find(service, key.instance)

    def _answering(self, kind: Kind, origin: Origin) -> Iterator[Match]:
        """All connections that answer for an origin, whoever asks."""
        plain, open_ = self._rows(kind, origin)
        for row in (*plain, *open_):
            for connection in self._instances(row[1]):
                match = self._match(row, connection)
                if match is not None and self._permits(match.host, origin):
                    yield match

    @staticmethod
    def _holds(connection: Connection, password: str) -> bool:
        """Whether this is the token that is kept. Sends nothing."""
        from hmac import compare_digest

        record = connection.record
        assert record is not None
        key = record.secrets.get(connection.method.token_secret)
        held = record.grant.access_token if record.grant is not None else key
        return held is not None and compare_digest(held.reveal().encode(), password.encode())

    def _match(self, row: Helper, connection: Connection) -> Match | None:
        """The row filled in for a connection; None where that is none, or by another method."""
        host, _, method, username, password = row
        if not connection.connected or connection.method.id != method:
            return None
        if "{{" not in host + username + password:
            return Match(connection, host, username)
        try:
            return Match(connection, *self._rendered(connection, host, username, password))
        except ValueError:  # a param that is missing, or does not fit: no host of its
            return None

    def _rendered(self, connection: Connection, *texts: str) -> Iterator[str]:
        """The texts filled in; ValueError where a param is missing, or fits no host."""
        from arcrun_auth.consent import receivers
        from arcrun_auth.template import Template

        resolver, record = self._resolver, connection.record
        assert record is not None
        _, way = resolver.way(connection)
        params = resolver.params(way, record)
        receivers(way, params)  # its rules on what may stand in a host
        secrets = {name: value.reveal() for name, value in record.secrets.items()}
        values = {"param": way.values(params), "secret": secrets}
        for text in texts:
            yield Template.parse(text, strict=True).render(values)

    def _absent(
        self, service: str, origin: Origin, user: str, instance: str | None
    ) -> LoginRequired:
        whom = f" for the user {printable(user, 80)!r}" if user else ""
        return LoginRequired(
            f"Nothing is connected that answers for {origin[1]}{whom}.",
            service=service,
            why="never",
            hint=self._resolver.find(service, instance).setup,
        )

    def _check_scheme(self, kind: Kind, origin: Origin) -> None:
        """A word on plain http, which looks like a host that nobody knows."""
        scheme, host, port = origin
        if scheme == "https" or not self._rows(kind, ("https", host, 443))[0]:
            return
        raise HostNotAllowed(
            f"A token for {host} is not handed out for plain http: everybody on the way could "
            "read it.",
            host=host,
            hint=f"use https://{host}, or name http://{host}:{port} in ARCRUN_ALLOW_HOSTS",
        )
