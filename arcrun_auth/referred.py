"""The secret that a reference names, out of a connection, renewed if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, MissingSecret, printable
from arcrun_auth.people import Nobody
from arcrun_auth.references import SCHEME, SHAPE, Reference, named
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from arcrun_auth.connections import Connections
    from arcrun_auth.resolve import Connection

TOKEN_KEYS = ("token", "access_token")
"""Which keys stand for the one token of a connection, where no secret of it has that name?"""


def secret(connections: Connections, text: str) -> Secret:
    """See `Broker.secret`."""
    try:
        reference = Reference(text)
    except ValueError as error:
        raise AuthError(f"This is no reference: {error}.", hint=f"write {SHAPE}") from None
    connection, source = connections.get(reference.name, None, person=Nobody)
    keys = [key for key, _, _ in connection.method.secrets]
    token = reference.key in TOKEN_KEYS  # what may be left out is no way to name *the* token
    meant = [key for key, optional, _ in connection.method.secrets if not (token and optional)]
    fits = named(reference.key, meant, connection.service)
    if len(fits) == 1:
        return _held(connection, fits[0])
    if not fits and token:
        text = source.token().access_token
        if text:
            return Secret(text)
    raise AuthError(
        f"{connection.name} has no single secret {printable(reference.key, 80)!r}.",
        service=connection.service,
        hint="possible are: " + ", ".join(_possible(connection, reference.name, keys)),
    )


def _held(connection: Connection, key: str) -> Secret:
    assert connection.record is not None
    found = connection.record.secrets.get(key)
    if found is None:
        raise MissingSecret(
            f"{connection.name} was set up without its {key}, which is optional.",
            key=key,
            service=connection.service,
            hint=connection.setup,
        )
    return found


def _possible(connection: Connection, name: str, keys: list[str]) -> list[str]:
    one = connection.method.token_secret or connection.method.primitive != "static_key"
    token = [] if not one or named("token", keys, connection.service) else ["token"]
    return [f"{SCHEME}{name}/{key}" for key in (*keys, *token)]
