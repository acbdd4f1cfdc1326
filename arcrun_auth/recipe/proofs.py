"""The parts of a recipe about requests that prove who sends them, each by itself.

They name secrets by their keys. The docstring under a field is its description in the
JSON Schema.
"""

from __future__ import annotations

from typing import Literal

from arcrun_auth.recipe.types import Model, Name


class OAuth1(Model, frozen=True):
    """How requests are signed by OAuth 1.0 (RFC 5849)."""

    consumer_key: Name = "consumer_key"
    """The secret that names the app."""
    consumer_secret: Name = "consumer_secret"  # noqa: S105 - a key's name
    """The app's secret."""
    token: str = ""
    """The secret that is the user's token; none where the app speaks for itself."""
    token_secret: str = ""
    """The secret that belongs to the token."""
    signature_method: Literal["HMAC-SHA1", "HMAC-SHA256"] = "HMAC-SHA1"
    """How it is signed."""
    realm: str = ""
    """What the header says beside: a template of params."""


class Digest(Model, frozen=True):
    """Who answers the server's challenge (RFC 7616)."""

    username: Name = "username"
    """The secret that is the user's name."""
    password: Name = "password"  # noqa: S105 - a key's name
    """The secret that is the password; it is never sent."""


class Mtls(Model, frozen=True):
    """The certificate that TLS shows to the service, and to no other host (RFC 8705)."""

    certificate: Name = "certificate"
    """The secret with the certificate as PEM, those of its issuers behind it."""
    key: str = ""
    """The secret with the private key; the one of the certificate if not given."""
    passphrase: str = ""
    """The secret that unlocks the key, where it is locked."""
