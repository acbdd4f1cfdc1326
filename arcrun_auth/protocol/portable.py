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

LOGIN = 1 << 20
"""How many turns may the homes take with one login? More than they ever will."""

_TAKEN_BACK = "taken_back"
"""Which field of a record tells up to which turn its login was shared?"""


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

    `own` says that the one here has a login of its own: it keeps it, unless the body brings one
    that all share. Where the body is for another tenant or another way in, or shares another
    person's login, the one here stays as it is. KeyError, TypeError or ValueError for a body
    that is none.
    """
    data = {name: value for name, value in body.items() if name not in _LOCAL}
    fields = Credential.load({**data, "key": key.parts})
    if local is None:
        return fields.replace(grant=_grant(None, body))
    until = max(taken_back(local), taken_back(fields))
    lost = local.shared and not fields.shared and not _counts(local, until)
    fields = fields.replace(grant=_grant(None if lost else local.grant, body))
    if own and "grant" not in body and _tenant(local) != _tenant(fields):
        return local
    if (own or local.shared) and local.shared != fields.shared and _others(local, fields):
        return local
    kept = {name: getattr(local, name) for name in ("generation", "created", "updated")}
    if own and not fields.shared:
        kept["identity"] = local.identity
    return with_login(fields.replace(**kept), local)


def _tenant(record: Credential) -> list[Any]:
    return [getattr(record, name) for name in _TENANT]


def _others(one: Credential, other: Credential) -> bool:
    """Whether the two are of different tenants or people, as far as is known."""
    people = {one.identity, other.identity} - {None}
    return len(people) > 1 or _tenant(one) != _tenant(other)


def _grant(local: Grant | None, body: Body) -> Grant | None:
    data: Mapping[str, Any] | None = body.get("grant")
    if data is None:
        return local
    if "access_token" in data:  # the login itself, or a shared one
        return Grant.load(data)
    # The access token is asked for at the first use, as for a login that nobody has used yet.
    told = Grant.load({"access_token": "", "issued": 0.0, "expires": 0.0, **data})
    if local is None or local.refresh_token != told.refresh_token:
        return told
    here = ("access_token", "issued", "expires", "intent", "dead")
    return told.replace(**{name: getattr(local, name) for name in here})


# -- logins that are shared ------------------------------------------------------------------


def with_login(record: Credential, other: Credential) -> Credential:
    """`record`, with what both of the two say of a login that is shared, or was.

    The newest that is shared counts, on whichever side. Where sharing was ended the login stays
    with whoever ended it, and is taken from all others. The same comes out on every device.
    """
    until = max(taken_back(record), taken_back(other))
    sharing = [each for each in (other, record) if _counts(each, until)]
    if until:
        record = record.replace(extra={**record.extra, _TAKEN_BACK: until})
    if sharing:
        newest = max(sharing, key=_age)
        grant = _as_known_here(newest.grant, other.grant, record.grant)
        return record.replace(shared=True, grant=grant, identity=newest.identity)
    if record.shared and until:
        return record.replace(shared=False, grant=None if other.shared else other.grant)
    return record


def _counts(record: Credential, until: int) -> bool:
    """Whether it has a login that is shared, for all that is known."""
    return record.shared and record.grant is not None and (not until or turn_of(record) > until)


def _as_known_here(newest: Grant | None, *held: Grant | None) -> Grant | None:
    """With what only this device knows of its refresh token: that it was sent, or refused."""
    for grant in held:
        if newest is None or grant is None or grant.refresh_token != newest.refresh_token:
            continue
        if grant.intent or grant.dead:
            return newest.replace(intent=grant.intent, dead=grant.dead)
    return newest


def taken_back(record: Credential) -> int:
    """Up to which turn a login was shared that is not any more; 0 where none was."""
    return int(record.extra.get(_TAKEN_BACK, 0))


def turn_of(record: Credential) -> int:
    """How often, as far as is known here, the homes that share this login have renewed it."""
    return (record.grant.turn or 0) if record.grant is not None else 0


def _age(record: Credential) -> tuple[float, int, float, str]:
    """Orders the grants of a shared login: by the login, then by whose turn it was.

    No clock decides: each turn has a higher number than all that its home knew of, and each
    login is later than the one it replaced. The rest only makes all devices choose the same.
    """
    assert record.grant is not None
    grant = record.grant
    return grant.since, grant.turn or 0, grant.issued, grant.access_token.reveal()


def share(record: Credential) -> Credential:
    """The record with its login shared. It has a grant."""
    assert record.grant is not None
    turn = max(turn_of(record), taken_back(record) + 1)
    return record.replace(shared=True, grant=record.grant.replace(turn=turn))


def take_back(record: Credential) -> Credential:
    """The record with its login on this device alone, as all will know once they are told."""
    until = max(turn_of(record), taken_back(record))
    return record.replace(shared=False, extra={**record.extra, _TAKEN_BACK: until})


def relogged(held: Credential | None, record: Credential) -> Credential:
    """A record with a new login in place of `held`: what is shared stays shared.

    It is later than the login before, whatever the clocks of the devices say, and its turns are
    above all of that one: whose turn was interrupted then, for this one nobody waits.
    """
    if held is None or record.grant is None:
        return record
    if taken_back(held):
        record = record.replace(extra={**record.extra, _TAKEN_BACK: taken_back(held)})
    if not held.shared or held.grant is None or record.grant is None:
        return record
    since = max(record.grant.since, math.nextafter(held.grant.since, math.inf))
    turn = (max(turn_of(held), taken_back(held)) // LOGIN + 1) * LOGIN
    return record.replace(shared=True, grant=record.grant.replace(since=since, turn=turn))


def with_consents(record: Credential, body: Body) -> Credential:
    """The record, with the consents of a body for services that it has none for.

    Two devices that began to use two services of one account have agreed to both.
    """
    other = Credential.load({"key": record.key.parts, "consents": body.get("consents", {})})
    return record.replace(consents={**other.consents, **record.consents})
