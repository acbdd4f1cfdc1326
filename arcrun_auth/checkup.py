"""The test request of a recipe: does the connection work, and whose account is it?"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth import diagnosis, rendering, usual
from arcrun_auth.answers import pick
from arcrun_auth.errors import (
    AuthError,
    ProviderUnavailable,
    StoreConflict,
    TokenRefused,
    may_pass,
    printable,
)
from arcrun_auth.held import in_use
from arcrun_auth.moments import epoch_of
from arcrun_auth.probe import Reply, fetch
from arcrun_auth.recipe import regex
from arcrun_auth.recipe.model import TestRequest
from arcrun_auth.scrub import scrub
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Credential

USERINFO = TestRequest()
"""What counts as a good answer of a userinfo endpoint?"""
IDENTITY = "email || preferred_username || name || sub"
"""Who is it, of the claims of OpenID Connect Core §5.1 the one that people know best?"""
_REFUSED = (401, 403)


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
    assert connection.record is not None
    if way.test is None:
        return _userinfo(resolver, connection, way, source)
    test, values = way.test, rendering.values_of(way, connection.record.params, connection.name)
    reply = fetch(
        resolver.binding(connection),
        source,
        rendering.render(test.url or test.path, values),
        method=test.method,
        headers={name: rendering.render(text, values) for name, text in test.headers.items()},
        content=rendering.render(test.body, values).encode() or None,
    )
    _judge(connection, way, test, reply, source)
    found = pick(reply.data, test.identity, reply.headers) if test.identity else None
    ends = epoch_of(pick(reply.data, test.expires, reply.headers)) if test.expires else None
    return Checked(connection.service, connection.instance, reply.status, _name(found), ends)


def passed(resolver: Resolver, connection: Connection, identity: str | None) -> None:
    """Notes that a credential which was kept untested has passed its test, and whose it is."""
    tested, store = connection.record, resolver.store
    assert tested is not None
    while True:
        held = getattr(store, "primary", store).get(connection.key)
        if held is None or not held.untested or not _is_same(held, tested):
            return  # the environment may stand over it, or somebody has set it up anew
        with suppress(StoreConflict):
            known = held.replace(untested=False, identity=identity or held.identity)
            store.put(known, expect=held.generation)
            return


def _is_same(held: Credential, tested: Credential) -> bool:
    logins = [record.grant and record.grant.since for record in (held, tested)]
    return logins[0] == logins[1] and held.secrets == tested.secrets


def _name(found: Any) -> str | None:
    return printable(str(found), 120) if isinstance(found, (str, int)) else None


def _userinfo(resolver: Resolver, connection: Connection, way: Method, source: Source) -> Checked:
    """Without a test request: what OpenID Connect's endpoint says of the user, if there is one."""
    nothing = Checked(connection.service, connection.instance, None, None)
    if way.oauth2 is None:
        return nothing
    from arcrun_auth.authority import Authority
    from arcrun_auth.oauth.requests import userinfo_request

    assert connection.record is not None
    authority = Authority(resolver, connection.name, way, connection.record)
    if not authority.oauth2.userinfo_endpoint:
        return nothing
    token = Secret(source.token().access_token)
    answer = authority.send(userinfo_request(authority.oauth2, token))
    reply = Reply.of(answer.status, answer.headers, answer.body)
    _judge(connection, way, USERINFO, reply, source)
    return Checked(
        connection.service, connection.instance, reply.status, _name(pick(reply.data, IDENTITY))
    )


def _judge(
    connection: Connection, way: Method, test: TestRequest, reply: Reply, source: Source
) -> None:
    name, service, status, data = connection.name, connection.service, reply.status, reply.data
    good = test.ok is None or pick(data, test.ok.path) == test.ok.equals
    if status in test.expect and good:
        return
    if test.denied and re.search(test.denied, reply.text[: regex.MAX_TEXT]):
        return  # by whom, is known there
    reason = _reason(data, in_use(connection, source))
    rules = (*way.diagnose, *usual.of_api(way))
    meant = diagnosis.find(rules, status=status, error=reason or "", text=reply.text)
    meaning, do = (f" {meant.say}", meant.do) if meant is not None else ("", "")
    if may_pass(status):
        raise ProviderUnavailable(
            f"{name} answered {status}.{meaning}",
            service=service,
            status=status,
            hint=do or f"arcrun test {name}",
        )
    if status in _REFUSED or not good:
        raise TokenRefused(
            f"{name} refused the credential (status {status}).{meaning}",
            service=service,
            hint=do or f"arcrun setup {name}",
            error=reason,
            meaning=meant.say if meant is not None else None,
        )
    raise AuthError(
        f"{name} answered the test request with {status}.{meaning}",
        service=service,
        hint=do or f"arcrun show {service}",
    )


def _reason(data: Any, hidden: Iterable[Secret | str]) -> str | None:
    """What the answer calls the fault, wherever APIs commonly put it; some repeat the key."""
    found = pick(data, "error.message || error || message || detail")
    return scrub(found, hidden) if isinstance(found, str) else None
