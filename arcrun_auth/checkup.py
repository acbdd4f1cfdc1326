"""The test request of a recipe: does the connection work, and whose account is it?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth import rendering
from arcrun_auth._http import library
from arcrun_auth.answers import pick
from arcrun_auth.client import bound_client
from arcrun_auth.errors import AuthError, ProviderUnavailable, TokenRefused, printable
from arcrun_auth.moments import epoch_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import TestRequest
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import Source

MAX_BODY = 1 << 20
"""How much of the answer do we read? One that needs more is no test request."""

_REFUSED = (401, 403)
_PASSING = (408, 425, 429)
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Checked:
    """A connection that works. `identity` is whose account it is, as the service calls it."""

    service: str
    instance: str
    status: int | None
    """The HTTP status of the test request; None where the recipe has none to send."""
    identity: str | None
    ends: float | None = None
    """When the key itself ends, in seconds since the epoch, where the service tells."""


def check(resolver: Resolver, connection: Connection, source: Source) -> Checked:
    """Sends the test request. TokenRefused, ProviderUnavailable or AuthError if it fails."""
    _, way = resolver.way(connection)
    if way.test is None:
        return Checked(connection.service, connection.instance, None, None)
    assert connection.record is not None
    values = rendering.values_of(way, connection.record.params, connection.service)
    status, data, headers = _send(resolver, connection, source, way.test, values)
    _judge(connection, way.test, status, data)
    found = pick(data, way.test.identity, headers) if way.test.identity else None
    identity = printable(str(found), 120) if isinstance(found, (str, int)) else None
    ends = epoch_of(pick(data, way.test.expires, headers)) if way.test.expires else None
    return Checked(connection.service, connection.instance, status, identity, ends)


def _send(
    resolver: Resolver,
    connection: Connection,
    source: Source,
    test: TestRequest,
    values: dict[str, str],
) -> tuple[int, Any, Mapping[str, str]]:
    name = connection.name
    url = rendering.render(test.url or test.path, values)
    content = rendering.render(test.body, values).encode() or None
    try:
        with (
            bound_client(resolver.binding(connection), source) as client,
            client.stream(test.method, url, headers=dict(test.headers), content=content) as answer,
        ):
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    break
            status, headers = int(answer.status_code), dict(answer.headers)
    except library().RequestError as error:
        raise ProviderUnavailable(
            f"{name} cannot be reached ({type(error).__name__}).",
            service=connection.service,
            hint="check the network, then: arcrun test " + name,
        ) from None
    try:
        return status, json.loads(body), headers
    except ValueError:
        return status, None, headers


def _judge(connection: Connection, test: TestRequest, status: int, data: Any) -> None:
    name, service = connection.name, connection.service
    good = test.ok is None or pick(data, test.ok.path) == test.ok.equals
    if status in test.expect and good:
        return
    if status >= _SERVER_ERROR or status in _PASSING:
        raise ProviderUnavailable(
            f"{name} answered {status}.", service=service, status=status, hint=f"arcrun test {name}"
        )
    if status in _REFUSED or not good:
        raise TokenRefused(
            f"{name} refused the credential (status {status}).",
            service=service,
            hint=f"arcrun setup {name}",
            error=_reason(data),
        )
    raise AuthError(
        f"{name} answered the test request with {status}.",
        service=service,
        hint=f"arcrun show {service}",
    )


def _reason(data: Any) -> str | None:
    """What the answer calls the fault, wherever APIs commonly put it."""
    found = pick(data, "error.message || error || message || detail")
    return found if isinstance(found, str) else None
