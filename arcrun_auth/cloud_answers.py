"""What a platform answers, read: plain values, checked when they come in. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from arcrun_auth.errors import ProviderUnavailable

S = TypeVar("S")

Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""A number of a row, or of an account: what a database can hold."""
ApiKeyText = Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")]
"""What can stand in a header."""


class Registered(Struct, frozen=True):
    """A new account. `api_key` is its first key."""

    account: str
    api_key: ApiKeyText

    def __repr__(self) -> str:
        return f"Registered(account={self.account!r}, api_key='***')"


class Me(Struct, frozen=True):
    """The account of a key."""

    account: str
    email: str | None = None
    display_name: str = ""
    avatar_url: str = ""
    api_key: str = ""
    """Masked."""
    provider: str = ""
    role: str = ""
    created_at: str | None = None


class ApiKey(Struct, frozen=True):
    """A key of the account, without its text."""

    id: str
    kind: Literal["account", "device", "ci"]
    label: str
    created_at: str | None = None
    last_used_at: str | None = None
    expires_at: str | None = None
    current: bool = False
    """Whether it is the key that asked."""


class MintedKey(ApiKey, frozen=True, kw_only=True):
    """A new key, and its text."""

    api_key: ApiKeyText

    def __repr__(self) -> str:
        return f"MintedKey(id={self.id!r}, kind={self.kind!r}, api_key='***')"


class Rotated(Struct, frozen=True):
    """The new text of a key."""

    api_key: ApiKeyText

    def __repr__(self) -> str:
        return "Rotated(api_key='***')"


class CiMade(Struct, frozen=True):
    """What jobs name when they show their identity tokens."""

    id: str


class Row(Struct, frozen=True):
    """A row of ciphertext; `deleted` ones have none. `version` grows with each change."""

    name: str
    version: Count
    encrypted: str = ""
    iv: str = ""
    deleted: bool = False
    updated_at: str | None = None


class Page(Struct, frozen=True):
    """Rows in the order of their versions.

    `cursor` is the number of the account's last change at that moment. While `more` is true the
    next page begins behind `next_cursor`.
    """

    credentials: tuple[Row, ...]
    cursor: Count
    more: bool

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.credentials

    @property
    def next_cursor(self) -> int:
        """What to ask behind, next time."""
        return self.credentials[-1].version if self.more and self.credentials else self.cursor

    def follows(self, cursor: int) -> bool:
        """Whether its rows come one after the other behind `cursor`: else pages had no end."""
        versions = [cursor, *(row.version for row in self.credentials)]
        rising = all(before < after for before, after in pairwise(versions))
        return rising and (versions[-1] <= self.cursor or not self.credentials)


class Named(Struct, frozen=True):
    """A row that has its name in clear, as it is listed."""

    name: str
    version: Count
    service: str | None = None
    sensitivity: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_used_at: str | None = None


class NamedPage(Struct, frozen=True):
    credentials: tuple[Named, ...]
    total: int
    next: str | None = None


class Written(Struct, frozen=True):
    """What a batch came to: the number of the last change, and the version of each row."""

    cursor: Count
    versions: dict[str, Count]


class Lease(Struct, frozen=True):
    """A lease. `interrupted`: a holder before began something, and never said how it ended.

    That one had the fence `interrupted_fence`; who it was, and how many seconds ago it was to
    let go, stands there as long as it may still know what came of it.
    """

    lease: str
    fence: int
    interrupted: bool
    interrupted_fence: int | None = None
    interrupted_by: str | None = None
    interrupted_s: float | None = None
    expires_at: str | None = None


class EnrolmentMade(Struct, frozen=True):
    id: str
    expires_at: str | None = None


class EnrolmentListed(Struct, frozen=True):
    id: str
    messages: int
    created_at: str | None = None
    expires_at: str | None = None


class Enrolments(Struct, frozen=True):
    enrolments: tuple[EnrolmentListed, ...]


class Message(Struct, frozen=True, rename={"sender": "from"}):
    """One message of an enrolment; `body` is what its sender put there."""

    n: int
    sender: Literal["new", "old"]
    body: Any


class Enrolment(Struct, frozen=True):
    id: str
    messages: tuple[Message, ...]
    created_at: str | None = None
    expires_at: str | None = None


class TrailEntry(Struct, frozen=True):
    """One entry of the server's own trail; `at` is in whole seconds since the epoch."""

    n: int
    at: int
    actor: str
    action: str
    name: str
    result: str
    hash: str


class Trail(Struct, frozen=True):
    entries: tuple[TrailEntry, ...]
    head: str


class ApiKeys(Struct, frozen=True):
    keys: tuple[ApiKey, ...]


def read(data: dict[str, Any], shape: type[S], host: str) -> S:
    """`data` as a value of `shape`. ProviderUnavailable for what is no such answer."""
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError:
        # Its words may be anything, and there may be a key among them.
        raise senseless(host) from None


def senseless(host: str) -> ProviderUnavailable:
    """What to raise for an answer that makes no sense."""
    return ProviderUnavailable(f"{host} answered something that no platform answers.", sent=True)


def differing(conflicts: object) -> dict[str, int]:
    """The rows that a conflict names, and at which version they are; nothing of what is none."""
    return {
        row["name"]: row["version"]
        for row in (conflicts if isinstance(conflicts, list) else ())
        if isinstance(row, dict)
        and isinstance(row.get("name"), str)
        and isinstance(row.get("version"), int)
    }
