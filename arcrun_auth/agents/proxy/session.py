"""Who may use a proxy: one client, some services, until a time. Told by a bearer of 256 bits."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from arcrun_auth.tokens import Secret

PREFIX = "arcrun_proxy_"
"""What does a bearer begin with? Scanners of secrets can know it, and so can whoever finds one."""

BEARER = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
"""How does a bearer look: 32 random bytes in base64url (RFC 4648 §5)."""

_BYTES = 32

Name = tuple[str, str]
"""A service and its instance."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a bearer permits. Holds its digest only.

    `services` are the connections that may be used, as `(service, instance)`; empty: all that
    agents see. `ends` is in epoch seconds.
    """

    client: str
    services: tuple[Name, ...]
    ends: float
    digest: bytes

    def holds(self, bearer: str) -> bool:
        """Whether it is this session's. Takes the same time wherever the two differ."""
        return hmac.compare_digest(_digest(bearer), self.digest)

    def permits(self, name: Name) -> bool:
        """Whether the session was opened for this connection."""
        return not self.services or name in self.services


def new_session(client: str, services: tuple[Name, ...], ends: float) -> tuple[Session, Secret]:
    """A session and its bearer, which is nowhere else.

    >>> session, bearer = new_session("claude-code", (("notion", "work"),), ends=2e9)
    >>> session.holds(bearer.reveal()), session.permits(("notion", "home"))
    (True, False)
    """
    bearer = PREFIX + secrets.token_urlsafe(_BYTES)
    return Session(client, services, ends, _digest(bearer)), Secret(bearer)


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode("utf-8", "surrogateescape")).digest()
