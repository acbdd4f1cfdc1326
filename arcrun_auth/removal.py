"""Ending a connection: told to the provider where that can be done, and forgotten here.

The provider comes first, since only what is here can be shown to it. Whatever it says, the
local copy goes: somebody who removes a login must not be left with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.authority import Authority
from arcrun_auth.errors import AuthError, ProviderUnavailable, StoreConflict, TokenRefused
from arcrun_auth.keepalive import users
from arcrun_auth.tokens import Key, split_name

if TYPE_CHECKING:
    from arcrun_auth._http import Answer
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.recipe.oauth2 import OAuth2
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Grant

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


def orphan(store: Store, catalog: Catalog, name: str) -> Key | None:
    """Where something is kept under `service[@instance]`, if no recipe uses it any more."""
    try:
        key = Key("credential", *split_name(name))
    except ValueError:
        return None
    used = any(entry.account == key.account for entry in catalog.entries())
    return key if not used and key in store.keys() else None


def forget(resolver: Resolver, key: Key) -> bool:
    """Deletes the record, whoever writes it meanwhile. Whether there was one."""
    from arcrun_auth.sync import removed

    store = resolver.store
    while True:
        record = store.get(key)
        if record is None or not record.generation:  # nothing, or only in the environment
            return False
        removed.note(store, record)
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
        _, way = resolver.way(connection)
        if way.oauth2 is None:  # its token ends by itself, and the key is the person's to withdraw
            return None
        return _tell(Authority(resolver, connection.name, way, record))


def _tell(authority: Authority) -> bool | None:
    """Sends all that has to be sent, whatever becomes of the first. None if that is nothing.

    Raises what kept the login alive.
    """
    from arcrun_auth.oauth.revocation import UNSUPPORTED, revocation_requests

    grant, oauth2 = authority.record.grant, authority.oauth2
    assert grant is not None
    if not oauth2.revocation_endpoint:
        return None
    if grant.relay is not None and oauth2.revoke.auth in ("client", "basic"):
        return _tell_relay(authority, grant)
    app = authority.known_app() if oauth2.revoke.auth in ("client", "basic") else authority.app
    values, now = authority.values(grant.access_token), authority.resolver.clock()
    calls = revocation_requests(oauth2, app, grant, values=values, now=now)
    errors: list[AuthError] = []
    for call in calls:
        try:
            check_answer(oauth2, authority.send(call), urlsplit(call.url).hostname or "")
        except AuthError as error:
            error.service = authority.service
            errors.append(error)
    # One kind of token may be all that is revoked, if the other ends with it (RFC 7009 §2.1).
    serious = [error for error in errors if getattr(error, "error", None) != UNSUPPORTED]
    if serious or len(errors) == len(calls):
        raise (serious or errors)[0]
    return True


def _tell_relay(authority: Authority, grant: Grant) -> bool | None:
    """The same by the server whose app the login used. None for a grant that it cannot know."""
    from arcrun_auth.relayed import Relay

    if grant.refresh_token is None:
        return None
    relay = Relay.of(authority.resolver, authority.service, grant)
    check_answer(authority.oauth2, relay.revoke(grant), relay.host)
    return True


def check_answer(oauth2: OAuth2, answer: Answer, host: str) -> None:
    """Raises where the answer does not say that the token is void: TokenRefused for a reason
    that the provider names (RFC 6749 §5.2), else ProviderUnavailable."""
    from arcrun_auth.oauth.revocation import DONE, GONE
    from arcrun_auth.token_answer import error_in, says_ok

    error = error_in(oauth2, answer.headers, answer.body)
    error = error if re.fullmatch(r"[a-z_]{1,40}", error) else ""  # it could repeat what was sent
    good = says_ok(oauth2, answer.headers, answer.body)
    if (answer.status in DONE and good) or (answer.status == _BAD_REQUEST and error == GONE):
        return
    if error and (answer.status // 100 == _CLIENT_ERROR or not good):
        raise TokenRefused(f"{host} refused to end the login: {error}.", error=error)
    raise ProviderUnavailable(f"{host} answered {answer.status}.", status=answer.status)
