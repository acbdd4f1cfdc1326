"""What of a record travels to the user's other devices, and how it is joined there. Pure.

Keys, params, consents and apps travel whole. Of a login only a grant travels that many can use:
one whose refresh token stays the same. One that rotates belongs to one device, since a second
user of it would end it for both (RFC 9700 §4.14.2); unless its devices share it, and renew it in
turns. What a renewal changes is no change, but for a shared login.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from arcrun_auth.protocol.words import canonical
from arcrun_auth.tokens import Credential, Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.tokens import Key

    Body = dict[str, Any]

Login = Literal["travels", "stays", "anew"]
"""What becomes of a record's grant: it travels; it stays on its device; each device asks for one
of its own, without anybody at a browser."""

KINDS = ("credential", "app")
"""Which kinds of records travel?"""

_LOCAL = ("key", "generation", "created", "updated", "grant")
"""What of a record is this device's own, or is told in another way."""

_GRANT = (
    "refresh_token", "token_type", "since", "scopes", "requested", "kept", "secrets", "client",
    "relay",
)  # fmt: skip
_ALONE = ("access_token", "issued", "expires")
"""What travels too where there is no refresh token: the access token is the login then."""
_BESIDE = ("refresh_expires",)
"""What is told, and makes no change of its own: each renewal may put it off."""

_TENANT = ("method", "params", "endpoints")
"""What a login was made for. With another tenant's it would reach the wrong one."""


def portable(record: Credential, login: Login) -> Body:
    """The record as it travels; `login` says what becomes of its grant."""
    data = {name: value for name, value in record.dump().items() if name not in _LOCAL}
    grant = record.grant
    if grant is None:
        return data
    if record.shared:
        data["grant"] = {k: v for k, v in grant.dump().items() if k not in ("intent", "dead")}
    elif login == "travels":
        dumped = grant.dump()
        names = (*_GRANT, *_BESIDE) if grant.refresh_token is not None else (*_GRANT, *_ALONE)
        data["grant"] = {name: dumped[name] for name in names if name in dumped}
    return data


def content(body: Body) -> bytes:
    """What two bodies are compared by."""
    grant = body.get("grant")
    if grant is not None and not body.get("shared"):
        body = {**body, "grant": {k: v for k, v in grant.items() if k not in _BESIDE}}
    return canonical(body)


def own_login(record: Credential, login: Login) -> bool:
    """Whether the record has a grant that stays on this device."""
    return record.grant is not None and login == "stays" and not record.shared


def merged(local: Credential | None, key: Key, body: Body, *, own: bool = False) -> Credential:
    """The record that a body makes of the one that is here, at the generation of that.

    `own` says that the one here has a login of its own. It keeps it, unless the body brings one
    that all share; and where the body is for another tenant, another way in or another person it
    stays as it is. A shared one loses its login where the body says that it is shared no more:
    the device that said so has it. KeyError, TypeError or ValueError for a body that is none.
    """
    data = {name: value for name, value in body.items() if name not in _LOCAL}
    fields = Credential.load({**data, "key": key.parts})
    if local is None:
        return fields.replace(grant=_grant(None, body))
    told = "grant" in body
    if own and not told and _tenant(local) != _tenant(fields):
        return local
    if (own or local.grant) and local.shared != fields.shared and _others(local, fields):
        return local
    ended = local.shared and not fields.shared and not told
    grant = None if ended else _grant(local.grant, body, shared=local.shared and fields.shared)
    kept = {name: getattr(local, name) for name in ("generation", "created", "updated")}
    identity = local.identity if own and not told else fields.identity
    return fields.replace(grant=grant, identity=identity, **kept)


def _tenant(record: Credential) -> list[Any]:
    return [getattr(record, name) for name in _TENANT]


def _others(one: Credential, other: Credential) -> bool:
    """Whether the two are of different tenants or people, as far as is known."""
    people = {one.identity, other.identity} - {None}
    return len(people) > 1 or _tenant(one) != _tenant(other)


def _grant(local: Grant | None, body: Body, *, shared: bool = False) -> Grant | None:
    data: Mapping[str, Any] | None = body.get("grant")
    if data is None:
        return local
    if "access_token" in data:  # the login itself, or a shared one: the newer of two
        told = Grant.load(data)
        return local if shared and local is not None and _age(local) >= _age(told) else told
    # The access token is asked for at the first use, as for a login that nobody has used yet.
    told = Grant.load({"access_token": "", "issued": 0.0, "expires": 0.0, **data})
    if local is None or local.refresh_token != told.refresh_token:
        return told
    here = ("access_token", "issued", "expires", "intent", "dead")
    return told.replace(**{name: getattr(local, name) for name in here})


def _age(grant: Grant) -> tuple[float, int, float, str]:
    """Orders the grants of a shared login: by the login, then by whose turn it was.

    No clock decides: each turn has a higher number than all that its home knew of, and each
    login is later than that which it replaced. The rest only makes all choose the same.
    """
    return grant.since, grant.turn or 0, grant.issued, grant.access_token.reveal()


def relogged(held: Credential | None, record: Credential) -> Credential:
    """A record with a new login, in place of `held`: what is shared stays shared.

    It is later than the login before, whatever the clocks of the devices say.
    """
    if held is None or not held.shared or record.grant is None:
        return record
    grant = record.grant
    if held.grant is not None:
        since = max(grant.since, math.nextafter(held.grant.since, math.inf))
        grant = grant.replace(since=since)
    turn = (held.grant.turn or 0 if held.grant is not None else 0) + 1
    return record.replace(shared=True, grant=grant.replace(turn=turn))


def with_consents(record: Credential, body: Body) -> Credential:
    """The record, with the consents of a body for services that it has none for.

    Two devices that began to use two services of one account have agreed to both.
    """
    other = Credential.load({"key": record.key.parts, "consents": body.get("consents", {})})
    return record.replace(consents={**other.consents, **record.consents})
