"""What the embedded provider keeps: apps, logins, what waits for a user, and its refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")

UNAUTHORIZED = 401

Auth = Literal["none", "post", "basic", "private_key_jwt", "client_secret_jwt"]

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class App:
    """An OAuth app as it is registered with the provider (RFC 6749 §2)."""

    id: str
    secret: str | None = field(default=None, repr=False)
    auth: Auth = "none"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/callback", "http://localhost/callback")
    key: str | None = field(default=None, repr=False)
    """A PEM that verifies its assertions, for `private_key_jwt`."""
    secret_expires: float = 0.0
    """When the secret ends; 0: never (RFC 7591 §3.2.1)."""

    def takes(self, redirect_uri: str, *, exactly: bool = False) -> bool:
        """Whether the redirect URI is a registered one: exactly, but for a loopback's port."""
        if exactly:
            return redirect_uri in self.redirect_uris
        return any(_bare(redirect_uri) == _bare(known) for known in self.redirect_uris)


@dataclass
class Family:
    """Everything that came from one login; it lives and dies together."""

    app: App
    user: str
    scope: str
    alive: bool = True


@dataclass(frozen=True)
class Request:
    """An authorization request that was found good and waits for the user."""

    app: App
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    resource: str = ""
    offline: bool = False
    consent: bool = False


@dataclass
class Code:
    """An authorization code, and what its first use gave."""

    request: Request
    user: str
    issued: float
    family: Family | None = None


@dataclass
class Refresh:
    """A refresh token. `used`: when it was rotated away."""

    family: Family
    expires: float
    used: float | None = None


@dataclass
class Device:
    """A device that waits for its user (RFC 8628)."""

    app: App
    scope: str
    user_code: str
    issued: float
    interval: float
    polled: float | None = None
    user: str = ""
    allowed: bool | None = None

    def early(self, now: float) -> bool:
        """Whether a poll comes sooner than the interval after the one before."""
        return self.polled is not None and now - self.polled < self.interval


class Refusal(Exception):
    """An error of RFC 6749 §4.1.2.1 or §5.2. `location` is where the browser goes with it."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, location: str | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.location = location


class Drop(Exception):
    """Close the connection without an answer."""


def _bare(uri: str) -> str:
    """A redirect URI for comparison: a loopback's port does not count (RFC 8252 §7.3)."""
    url = urlsplit(uri)
    if url.scheme == "http" and url.hostname in LOOPBACK and "@" not in url.netloc:
        return url._replace(netloc=url.hostname).geturl()
    return uri
