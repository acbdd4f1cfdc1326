"""The values everything else is about: `Secret`, `Token`, `Key`, `Credential`.

Plain classes with slots and next to no import: every start of `arcrun token` pays for this
module. None of them shows a secret: `repr` and `str` mask, `pickle`, `copy` and JSON refuse.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any, Literal, NoReturn, Self

    Kind = Literal["credential", "app", "device", "policy"]

DEFAULT_INSTANCE = "default"

_SERVICE = re.compile(r"([a-z0-9-]+/)?(?!.*__)[a-z0-9_]{1,64}")
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")


class _Unsharable:
    """Refuses every road by which a secret leaves a process by accident."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled: it holds a secret")

    def __copy__(self) -> NoReturn:
        self.__reduce_ex__(None)

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce_ex__(memo)


class Secret(_Unsharable):
    """A value that must not show. `reveal()` is the only way to read it.

    >>> f"{Secret('hunter2')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Whoever calls this answers for where it goes."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)


class Token(_Unsharable):
    """What signs a request now: an access token, or the secrets of a static-key service.

    `access_token` is the plain string that an SDK wants. Where a service has no single
    one it is empty, and the public `get_token` raises `NoToken` before you see it.
    """

    __slots__ = ("_access_token", "expires", "kept", "scopes", "secrets", "token_type")

    def __init__(
        self,
        access_token: str,
        *,
        token_type: str = "Bearer",  # noqa: S107 - the name of a scheme, no password
        expires: float | None = None,
        scopes: Iterable[str] = (),
        secrets: Mapping[str, Secret] | None = None,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        self._access_token = access_token
        self.token_type = token_type
        self.expires = expires
        """When it ends, in seconds since the epoch; None where the provider did not say."""
        self.scopes = frozenset(scopes)
        self.secrets: Mapping[str, Secret] = secrets or {}
        """The secrets that the recipe's `inject` names, and those that came with the token."""
        self.kept: Mapping[str, str] = kept or {}
        """What came with the token and the recipe wanted kept: a realm, an instance's address."""

    @property
    def access_token(self) -> str:
        return self._access_token

    @property
    def expires_at(self) -> datetime | None:
        """`expires` as an aware UTC time."""
        if self.expires is None:
            return None
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self.expires, UTC)

    def __repr__(self) -> str:
        kind, end = self.token_type, self.expires_at
        return f"Token(access_token='***', token_type={kind!r}, expires_at={end!s})"

    __str__ = __repr__


class Key:
    """The name of a record: what kind it is, whose account, which instance."""

    __slots__ = ("account", "instance", "kind")

    def __init__(self, kind: Kind, account: str, instance: str = DEFAULT_INSTANCE) -> None:
        self.kind: Kind = kind
        self.account = account
        self.instance = instance

    @property
    def parts(self) -> tuple[str, str, str]:
        return (self.kind, self.account, self.instance)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.parts == other.parts

    def __lt__(self, other: Key) -> bool:
        return self.parts < other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"Key({self.kind!r}, {str(self)!r})"

    def __str__(self) -> str:
        return f"{self.account}@{self.instance}"


def split_name(text: str) -> tuple[str, str]:
    """`service[@instance]`, split at the first `@`. Raises ValueError on any other shape.

    >>> split_name("notion@work")
    ('notion', 'work')
    """
    service, at, instance = text.partition("@")
    instance = instance if at else DEFAULT_INSTANCE
    if not _SERVICE.fullmatch(service):
        raise ValueError(
            "a service's name is lower-case letters, digits and single underscores, "
            "or author/service"
        )
    if not _INSTANCE.fullmatch(instance):
        raise ValueError(
            "an instance's name is lower-case letters, digits and . _ + -, "
            "and starts with a letter or digit"
        )
    return service, instance


class _Plain:
    """What is all plain data, by the names of its slots."""

    __slots__: tuple[str, ...] = ()

    def dump(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{name: data[name] for name in cls.__slots__})


class Intent(_Plain):
    """A renewal that was about to be sent: what is left behind if the process dies in it."""

    __slots__ = ("boot_id", "pid", "refresh_hash", "time")

    def __init__(self, *, refresh_hash: str, time: float, pid: int, boot_id: str) -> None:
        self.refresh_hash = refresh_hash
        self.time = time
        self.pid = pid
        self.boot_id = boot_id


class Grant(_Unsharable):
    """What an authorization server gave us: RFC 6749 §5.1, and when. Times are epoch seconds."""

    __slots__ = (
        "access_token", "client", "dead", "expires", "intent", "issued", "kept", "refresh_expires",
        "refresh_token", "relay", "requested", "scopes", "secrets", "since", "token_type",
        "turn",
    )  # fmt: skip
    _HIDDEN = ("access_token", "refresh_token", "relay")

    def __init__(
        self,
        *,
        access_token: Secret,
        issued: float,
        since: float | None = None,
        refresh_token: Secret | None = None,
        token_type: str = "Bearer",  # noqa: S107 - the name of a scheme, no password
        expires: float | None = None,
        refresh_expires: float | None = None,
        scopes: Iterable[str] = (),
        requested: Iterable[str] = (),
        kept: Mapping[str, str] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        intent: Intent | None = None,
        dead: str | None = None,
        client: str | None = None,
        relay: Secret | None = None,
        turn: int | None = None,
    ) -> None:
        self.access_token = access_token
        self.refresh_token = refresh_token
        self.token_type = token_type
        self.issued = issued
        self.since = issued if since is None else since
        """When the person logged in: renewals leave it as it is."""
        self.expires = expires
        self.refresh_expires = refresh_expires
        self.scopes = tuple(scopes)
        """Granted, as the server told; what was asked for where it told nothing."""
        self.requested = tuple(requested)
        self.kept: Mapping[str, str] = kept or {}
        """Values of the answer or the callback that the recipe wants kept; untrusted."""
        self.secrets: Mapping[str, Secret] = secrets or {}
        """Further secrets that came with the token, and sign together with it."""
        self.intent = intent
        self.dead, self.turn = dead, turn
        """Why no renewal can succeed any more (`revoked`, `expired`), and the renewal's number
        among the homes that share it (see `sync.turns`); None while one may, or if none do."""
        self.client, self.relay = client, relay
        """The id of its app, and how a server's shared app renews it (see `relayed`), or None."""

    def replace(self, **changes: Any) -> Grant:
        return Grant(**({name: getattr(self, name) for name in self.__slots__} | changes))

    def dump(self) -> dict[str, Any]:
        data: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        data |= {n: v.reveal() for n in self._HIDDEN if (v := getattr(self, n)) is not None}
        data |= {"intent": self.intent and self.intent.dump(), "kept": dict(self.kept)}
        data["secrets"] = {name: value.reveal() for name, value in self.secrets.items()}
        return {name: value for name, value in data.items() if value not in (None, (), {})}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        fields = {name: data[name] for name in cls.__slots__ if name in data}
        fields |= {name: Secret(data[name]) for name in cls._HIDDEN if name in data}
        if "secrets" in data:
            fields["secrets"] = {name: Secret(value) for name, value in data["secrets"].items()}
        if "intent" in data:
            fields["intent"] = Intent.load(data["intent"])
        return cls(**fields)

    def __repr__(self) -> str:
        return f"Grant(token_type={self.token_type!r}, scopes={self.scopes!r}, dead={self.dead!r})"


class Consent(_Plain):
    """The recipe as it was agreed to: everything in it that decides where secrets go.

    `projection` is plain data (nothing secret), `digest` its hash, `hosts` the hosts as
    rendered. `tier` and `release` say who supplied it: a change that comes with a new
    release of this package needs no new consent, since the wheel is code.
    """

    __slots__ = ("digest", "hosts", "projection", "release", "tier")

    def __init__(
        self,
        *,
        digest: str,
        projection: Mapping[str, Any],
        hosts: Iterable[str],
        tier: str,
        release: str,
    ) -> None:
        self.digest = digest
        self.projection = projection
        self.hosts = tuple(hosts)
        self.tier = tier
        self.release = release

    def __repr__(self) -> str:
        return f"Consent(tier={self.tier!r}, hosts={self.hosts!r})"


class Credential(_Unsharable):
    """What we hold for one account and instance: the unit of storage and of sync.

    Immutable; `replace` makes a changed one. `generation` counts the writes of this
    record, 0 before the first: a store writes only over the generation it was told.
    """

    __slots__ = (
        "consents", "created", "endpoints", "ends", "extra", "generation", "grant", "identity",
        "incomplete", "key", "method", "params", "secrets", "shared", "untested", "updated",
    )  # fmt: skip

    def __init__(
        self,
        key: Key,
        *,
        method: str = "",
        secrets: Mapping[str, Secret] | None = None,
        params: Mapping[str, str] | None = None,
        grant: Grant | None = None,
        consents: Mapping[str, Consent] | None = None,
        identity: str | None = None,
        endpoints: Mapping[str, str] | None = None,
        ends: float | None = None,
        incomplete: bool = False,
        shared: bool = False,
        untested: bool = False,
        generation: int = 0,
        created: float = 0.0,
        updated: float = 0.0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.key = key
        self.method = method
        """The id of the recipe's method it was set up with."""
        self.secrets: Mapping[str, Secret] = secrets or {}
        self.params: Mapping[str, str] = params or {}
        self.grant = grant
        self.consents: Mapping[str, Consent] = consents or {}
        """What was agreed to, by service: those that share an account have one each."""
        self.identity = identity
        """Whose account it is, as the service itself says; for people to read."""
        self.endpoints: Mapping[str, str] = endpoints or {}
        """What the issuer's metadata named at the login, by the names of RFC 8414: pinned."""
        self.ends = ends
        """When the secret itself ends (a key with an expiry, an app's secret), if that is known."""
        self.incomplete, self.shared = incomplete, shared
        """Whether its service's address is still to be found; whether its whole grant is synced."""
        self.untested = untested
        """Whether it was kept although its test could not be made, and none has passed since."""
        self.generation = generation
        self.created = created
        self.updated = updated
        self.extra: Mapping[str, Any] = extra or {}
        """Fields that a newer version wrote: kept, so that an older one loses nothing."""

    def replace(self, **changes: Any) -> Credential:
        fields = {name: getattr(self, name) for name in self.__slots__} | changes
        return Credential(fields.pop("key"), **fields)

    def dump(self) -> dict[str, Any]:
        """As plain data, secrets revealed: for a store to seal, and for nobody else."""
        data: dict[str, Any] = dict(self.extra)
        data["key"] = self.key.parts
        data["generation"] = self.generation
        if self.method:
            data["method"] = self.method
        if self.secrets:
            data["secrets"] = {name: value.reveal() for name, value in self.secrets.items()}
        if self.grant is not None:
            data["grant"] = self.grant.dump()
        if self.consents:
            data["consents"] = {name: value.dump() for name, value in self.consents.items()}
        data |= {n: dict(v) for n in ("params", "endpoints") if (v := getattr(self, n))}
        data |= {n: True for n in ("incomplete", "shared", "untested") if getattr(self, n)}
        data |= {n: v for n in ("identity", "ends") if (v := getattr(self, n)) is not None}
        data["created"], data["updated"] = self.created, self.updated
        return data

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `dump`. KeyError, TypeError or ValueError on any other shape."""
        fields = dict(data)
        key = Key(*fields.pop("key"))
        known = {name: fields.pop(name) for name in cls.__slots__ if name in fields}
        if "secrets" in known:
            known["secrets"] = {name: Secret(value) for name, value in known["secrets"].items()}
        if "grant" in known:
            known["grant"] = Grant.load(known["grant"])
        if "consents" in known:
            known["consents"] = {n: Consent.load(value) for n, value in known["consents"].items()}
        return cls(key, extra=fields, **known)

    def __repr__(self) -> str:
        key, generation = self.key, self.generation
        return f"Credential({str(key)!r}, kind={key.kind!r}, generation={generation})"
