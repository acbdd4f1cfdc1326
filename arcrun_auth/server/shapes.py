"""What goes over the wire: the bodies of requests, and those of answers.

They are read, checked and written by msgspec, and the OpenAPI document is made of them: what
is published is what is done. Members that a client does not know it may leave unread; those
that we do not know we leave unread, too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,128}$")]
Cipher = Annotated[str, Meta(min_length=24, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
"""Base64 of at least the tag of 16 bytes."""
Iv = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{16}$")]
"""Base64 of 12 bytes."""
Short = Annotated[str, Meta(max_length=200)]
Kind = Literal["account", "device", "ci"]


class Empty(Struct):
    """A request without anything in its body."""


class Done(Struct, kw_only=True):
    success: bool = True


class Health(Struct):
    ok: bool = True


# --- accounts and keys


class Register(Struct, kw_only=True):
    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")] | None = None
    display_name: Short = ""
    invite: Short = ""


class Registered(Struct, kw_only=True):
    success: bool = True
    api_key: str
    account: str


class Me(Struct, kw_only=True):
    account: str
    email: str | None
    display_name: str
    avatar_url: str
    api_key: str
    """Masked: the server keeps no more of it than its end."""
    provider: str
    role: str
    created_at: str | None


class Rotated(Struct, kw_only=True):
    success: bool = True
    api_key: str
    message: str = "The old key is no longer valid. What is stored is untouched."


class NewKey(Struct, kw_only=True):
    kind: Kind
    label: Annotated[str, Meta(min_length=1, max_length=200)]
    rows: Annotated[list[Name], Meta(max_length=1000)] | None = None
    expires_in: Annotated[int, Meta(gt=0, le=10 * 366 * 86400)] | None = None


class ApiKey(Struct, kw_only=True):
    id: str
    kind: Kind
    label: str
    created_at: str | None
    last_used_at: str | None
    expires_at: str | None
    current: bool = False
    """Whether it is the key that this request shows."""


class MintedKey(ApiKey, kw_only=True):
    success: bool = True
    api_key: str


class ApiKeys(Struct, kw_only=True):
    success: bool = True
    keys: list[ApiKey]


class RemovedKey(Struct, kw_only=True):
    success: bool = True
    id: str


# --- rows


class NewRow(Struct, kw_only=True):
    name: Name
    encrypted: Cipher | UnsetType = UNSET
    iv: Iv | UnsetType = UNSET
    service: Short | None = None
    sensitivity: Short | None = None
    value: Any = UNSET
    """Never taken: it is here to be refused with a reason."""


class RowWritten(Struct, kw_only=True):
    success: bool = True
    name: str
    version: int
    updated_at: str | None


class Change(Struct, kw_only=True):
    name: Name
    encrypted: Cipher | UnsetType = UNSET
    iv: Iv | UnsetType = UNSET
    deleted: bool = False
    expect: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    value: Any = UNSET


class Batch(Struct, kw_only=True):
    rows: list[Change]


class BatchWritten(Struct, kw_only=True):
    success: bool = True
    cursor: int
    versions: dict[str, int]


class RowGiven(Struct, kw_only=True):
    success: bool = True
    name: str
    encrypted: str
    iv: str
    version: int
    updated_at: str | None


class SyncRow(Struct, kw_only=True, omit_defaults=True):
    name: str
    version: int
    updated_at: str | None
    encrypted: str | UnsetType = UNSET
    iv: str | UnsetType = UNSET
    deleted: bool = False


class SyncPage(Struct, kw_only=True):
    success: bool = True
    credentials: list[SyncRow]
    cursor: int
    more: bool


class PlainRow(Struct, kw_only=True):
    name: str
    service: str | None
    sensitivity: str | None
    version: int
    created_at: str | None
    updated_at: str | None
    last_used_at: str | None


class PlainPage(Struct, kw_only=True):
    success: bool = True
    credentials: list[PlainRow]
    total: int
    next: str | None


class RowDeleted(Struct, kw_only=True):
    success: bool = True
    name: str
    source: Literal["server"] = "server"


# --- leases and enrolments

LeaseName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
Ttl = Annotated[float, Meta(gt=0, le=120)]
"""How long a lease lasts at most, in seconds: its holder renews it, or somebody else may go on."""


class NewLease(Struct, kw_only=True):
    name: LeaseName
    ttl_s: Ttl
    holder: Annotated[str, Meta(min_length=1, max_length=128)]
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    """What the fence has to be above, if the holder knows of a higher one than this server."""


class Lease(Struct, kw_only=True):
    success: bool = True
    lease: str
    fence: int
    """Higher with each new holder."""
    expires_at: str | None
    interrupted: bool
    """Whether a holder before began what it was about, and never said how it ended."""
    interrupted_fence: int | None = None
    """And which fence it had."""
    interrupted_by: str | None = None
    """And who it was, if that one may still know."""
    interrupted_s: float | None = None
    """And how many seconds ago that was."""


class RenewLease(Struct, kw_only=True):
    lease: Annotated[str, Meta(max_length=64)]
    ttl_s: Ttl
    begins: bool = False
    """Whether the holder begins now: from here on it is told if it never says how it ended."""


class ReleaseLease(Struct, kw_only=True):
    lease: Annotated[str, Meta(max_length=64)]
    unknown: bool = False
    """Whether what was begun may have happened or not, and its holder does not know."""


class NewEnrolment(Struct, kw_only=True):
    body: msgspec.Raw


class NewMessage(Struct, kw_only=True, rename={"sender": "from"}):
    sender: Literal["new", "old"]
    body: msgspec.Raw


class EnrolmentMade(Struct, kw_only=True):
    success: bool = True
    id: str
    expires_at: str | None


class EnrolmentListed(Struct, kw_only=True):
    id: str
    created_at: str | None
    expires_at: str | None
    messages: int


class Enrolments(Struct, kw_only=True):
    success: bool = True
    enrolments: list[EnrolmentListed]


class Message(Struct, kw_only=True, rename={"sender": "from"}):
    n: int
    sender: Literal["new", "old"]
    body: msgspec.Raw


class Enrolment(Struct, kw_only=True):
    success: bool = True
    id: str
    created_at: str | None
    expires_at: str | None
    messages: list[Message]


class MessageTaken(Struct, kw_only=True):
    success: bool = True
    n: int


class EnrolmentEnded(Struct, kw_only=True):
    success: bool = True
    id: str


# --- recipes and the trail


class Recipes(Struct, kw_only=True):
    success: bool = True
    recipes: list[msgspec.Raw]
    count: int


class RecipeGiven(Struct, kw_only=True):
    success: bool = True
    recipe: msgspec.Raw


class RecipeWritten(Struct, kw_only=True):
    success: bool = True
    service: str


class AuditEntry(Struct):
    n: int
    at: int
    """Whole seconds since the epoch."""
    actor: str
    action: str
    name: str
    result: str
    hash: str


class AuditTrail(Struct):
    entries: list[AuditEntry]
    head: str
    success: bool = True
