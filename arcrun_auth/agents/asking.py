"""What an agent asks for, what became of it, and what it gets: values, no more.

The tools and the proxy make an `Asked` of what they were sent. `Gateway.judge` makes a `Judged`
of it, and only that can be sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from arcrun_auth.policy import Verdict, Wanted


@dataclass(frozen=True)
class Asked:
    """One request that a client wants to be sent, as it says it. Nothing of it is checked."""

    service: str
    method: str
    path: str
    """Relative to `base_url`, as `auth.bind(...)` takes it; without a query."""
    instance: str | None = None
    query: Mapping[str, str | Sequence[str]] | str = field(default_factory=dict)
    """Names and values, or the text behind the question mark as it was sent."""
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Judged:
    """A request that can be sent, as far as shape, recipe and hosts go; see `verdict` for more."""

    asked: Asked
    name: str
    """The connection, as it is typed."""
    service: str
    instance: str
    method: str
    what: Literal["read", "write"]
    url: str
    """The whole address, as it will be sent; without any secret."""
    host: str
    path: str
    """As rules are written: decoded, relative to `base_url` or under a root path."""
    query: str
    headers: tuple[tuple[str, str], ...]
    """Those of the caller."""
    digest: str
    """Of method, address and body: what a person approves."""
    verdict: Verdict
    """What the policy says of it now. `send` asks again."""

    def wanted(self, client: str) -> Wanted:
        """What the policy is asked about it."""
        from arcrun_auth.policy import Wanted

        return Wanted(
            service=self.service, instance=self.instance, client=client, what=self.what,
            method=self.method, path=self.path, digest=self.digest,
        )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the service said, scrubbed. `text` is somebody else's, and never an instruction."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content_type: str
    text: str
    """Of an answer that is no text, only what it is, and how large."""
    truncated: bool = False
    binary: bool = False


@dataclass(frozen=True)
class Tested:
    """What the recipe's test request told."""

    name: str
    status: int | None
    """The HTTP status; None where the recipe has no request to send."""
    identity: str | None
    """Whose account it is, as the service calls it."""
    seconds: float


@dataclass(frozen=True)
class Seen:
    """A connection that agents may know of."""

    service: str
    instance: str
    display_name: str
    status: str
    base_url: str
    hosts: tuple[str, ...]
    identity: str | None = None
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    can_write: bool = False
    """Whether any write is allowed to this client."""
