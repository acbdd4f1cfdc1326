"""What of a record travels to the user's other devices, and how it is joined there. Pure.

Keys, params, consents and apps travel whole. Of a login only a grant travels that many can use:
one whose refresh token stays the same. One that rotates belongs to one device, since a second
user of it would end it for both (RFC 9700 §4.14.2). What a renewal changes is no change.
"""

from __future__ import annotations

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

    `own` says that the one here has a login of its own: it keeps it, and where the body is for
    another tenant or another way in it stays as it is. KeyError, TypeError or ValueError for a
    body that is none.
    """
    data = {name: value for name, value in body.items() if name not in _LOCAL}
    fields = Credential.load({**data, "key": key.parts})
    if local is None:
        return fields.replace(grant=_grant(None, body))
    if own and "grant" not in body and _tenant(local) != _tenant(fields):
        return local
    kept = {name: getattr(local, name) for name in ("generation", "created", "updated")}
    identity = local.identity if own else fields.identity
    return fields.replace(grant=_grant(local.grant, body), identity=identity, **kept)


def _tenant(record: Credential) -> list[Any]:
    return [getattr(record, name) for name in _TENANT]


def _grant(local: Grant | None, body: Body) -> Grant | None:
    data: Mapping[str, Any] | None = body.get("grant")
    if data is None:
        return local
    if "access_token" in data:  # the login itself, or a shared one: the newer of two
        told = Grant.load(data)
        older = local is not None and bool(body.get("shared")) and local.issued > told.issued
        return local if older else told
    # The access token is asked for at the first use, as for a login that nobody has used yet.
    told = Grant.load({"access_token": "", "issued": 0.0, "expires": 0.0, **data})
    if local is None or local.refresh_token != told.refresh_token:
        return told
    here = ("access_token", "issued", "expires", "intent", "dead")
    return told.replace(**{name: getattr(local, name) for name in here})


def with_consents(record: Credential, body: Body) -> Credential:
    """The record, with the consents of a body for services that it has none for.

    Two devices that began to use two services of one account have agreed to both.
    """
    other = Credential.load({"key": record.key.parts, "consents": body.get("consents", {})})
    return record.replace(consents={**other.consents, **record.consents})
