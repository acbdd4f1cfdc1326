"""Ending a connection: told to the provider where that can be done, and forgotten here.

The provider comes first, since only what is here can be shown to it. Whatever it says, the
local copy goes: somebody who removes a login must not be left with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth import apps, rendering
from arcrun_auth.errors import AuthError, ProviderUnavailable, StoreConflict, TokenRefused
from arcrun_auth.keepalive import users

if TYPE_CHECKING:
    from arcrun_auth.oauth import TokenCall
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.tokens import Credential, Key

LOCK_SECONDS = 45.0
"""How long to wait for a renewal that is under way? Longer than it may take."""

_BAD_REQUEST, _CLIENT_ERROR = 400, 4


@dataclass(frozen=True)
class Removed:
    """What was forgotten, and what the provider knows of it. True if there was anything."""

    name: str
    """As it is typed: `google_drive@work`."""
    services: tuple[str, ...] = ()
    """All services that used this credential, and no longer can."""
    there: bool = True
    """Whether something was stored."""
    told: bool | None = None
    """Whether the provider ended it; None where it was not asked or there is no way to."""
    error: AuthError | None = None
    """Why the provider was not told. The copy here is gone all the same."""

    def __bool__(self) -> bool:
        return self.there


def remove(resolver: Resolver, connection: Connection, *, revoke: bool) -> Removed:
    """Ends it at the provider if `revoke`, and deletes the record in any case."""
    name, services = connection.name, users(resolver, connection.entry.account)
    told: bool | None = None
    failure: AuthError | None = None
    try:
        if revoke:
            told = _revoke(resolver, connection)
    except AuthError as error:
        told, failure = False, error
    there = forget(resolver, connection.key)
    return Removed(name, services, there, told if there else None, failure if there else None)


def forget(resolver: Resolver, key: Key) -> bool:
    """Deletes the record, whoever writes it meanwhile. Whether there was one."""
    store = resolver.store
    while True:
        record = store.get(key)
        if record is None or not record.generation:  # nothing, or only in the environment
            return False
        try:
            store.delete(key, expect=record.generation)
        except StoreConflict:  # renewed meanwhile
            continue
        return True


def _revoke(resolver: Resolver, connection: Connection) -> bool | None:
    """True once the provider has ended it; None where there is nothing it could be told."""
    from arcrun_auth.locks import CredentialLock

    # A renewal in between would bring a token that nobody has revoked.
    with CredentialLock(resolver.settings.locks_path, connection.key).acquire(LOCK_SECONDS):
        connection = resolver.find(connection.service, connection.instance)
        record = connection.record
        if record is None or record.grant is None or not record.generation:
            return None
        resolver.check(connection)
        calls = _calls(resolver, connection, record)
        return _tell(resolver, connection, calls) if calls else None


def _calls(resolver: Resolver, connection: Connection, record: Credential) -> list[TokenCall]:
    from msgspec.structs import replace

    from arcrun_auth.oauth.revocation import revocation_requests

    _, way = resolver.way(connection)
    oauth2 = rendering.endpoints(way, record.params, connection.service)
    url = oauth2.revocation_endpoint or record.endpoints.get("revocation_endpoint", "")
    if not url:
        return []
    app = apps.stored(resolver.store, connection.service, way)
    if app is None:
        raise apps.missing(connection.service, way)
    assert record.grant is not None
    oauth2 = replace(oauth2, revocation_endpoint=url)
    return revocation_requests(oauth2, app, record.grant, record.params)


def _tell(resolver: Resolver, connection: Connection, calls: list[TokenCall]) -> bool:
    """Sends all of them, whatever becomes of the first. Raises what kept the login alive."""
    from arcrun_auth.oauth.revocation import UNSUPPORTED

    errors: list[AuthError] = []
    for call in calls:
        try:
            _send(resolver, connection, call)
        except AuthError as error:
            errors.append(error)
    # One kind of token may be all that is revoked, if the other ends with it (RFC 7009 §2.1).
    serious = [error for error in errors if getattr(error, "error", None) != UNSUPPORTED]
    if serious or len(errors) == len(calls):
        raise (serious or errors)[0]
    return True


def _send(resolver: Resolver, connection: Connection, call: TokenCall) -> None:
    from urllib.parse import urlsplit

    from arcrun_auth._http import send_token
    from arcrun_auth.hosts import Fence

    host = urlsplit(call.url)
    try:
        answer = send_token(call, guard=Fence([host.netloc], resolver.allow))
        check_answer(answer.status, answer.body, host.hostname or "The provider")
    except AuthError as error:
        error.service = connection.service
        raise


def check_answer(status: int, body: bytes, host: str) -> None:
    """Raises where the answer does not say that the token is void: TokenRefused for a reason
    that the provider names (RFC 6749 §5.2), else ProviderUnavailable."""
    from arcrun_auth.oauth.revocation import DONE, GONE

    error = _error(body)
    if status in DONE or (status == _BAD_REQUEST and error == GONE):
        return
    if error and status // 100 == _CLIENT_ERROR:
        raise TokenRefused(f"{host} refused to end the login: {error}.", error=error)
    raise ProviderUnavailable(f"{host} answered {status}.", status=status)


def _error(body: bytes) -> str | None:
    """The error code in an answer, if it is one: no text that could repeat what was sent."""
    import json
    import re

    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = data.get("error") if isinstance(data, dict) else None
    return found if isinstance(found, str) and re.fullmatch(r"[a-z_]{1,40}", found) else None
