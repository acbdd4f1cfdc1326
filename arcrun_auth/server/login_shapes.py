"""What goes over the wire for logins, CI jobs and shared apps, as types."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from arcrun_auth.server.shapes import Name

Url = Annotated[str, Meta(pattern=r"^https?://[!-~]{1,1000}$")]
Rows = Annotated[list[Name], Meta(min_length=1, max_length=1000)]
Long = Annotated[str, Meta(max_length=16384)]
"""A token or a code: the longest that are known have some kilobytes."""
Scope = Annotated[str, Meta(min_length=1, max_length=300)]


# --- CI jobs


class NewCiVault(msgspec.Struct, kw_only=True):
    label: Annotated[str, Meta(min_length=1, max_length=200)]
    rows: Rows
    issuer: Url
    """Who signs the tokens of the jobs."""
    subject: Annotated[str, Meta(min_length=1, max_length=500)]
    """Which jobs: `*` stands for any text without a colon."""


class CiVault(msgspec.Struct, kw_only=True):
    success: bool = True
    id: str
    label: str
    rows: list[str]
    issuer: str
    subject: str
    created_at: str | None


class CiVaults(msgspec.Struct, kw_only=True):
    success: bool = True
    vaults: list[CiVault]


class CiRemoved(msgspec.Struct, kw_only=True):
    success: bool = True
    id: str


class CiLogin(msgspec.Struct, kw_only=True):
    vault: Annotated[str, Meta(max_length=64)]
    token: Long
    """The job's identity token, made for this server's address as its audience."""


class CiKey(msgspec.Struct, kw_only=True):
    success: bool = True
    api_key: str
    rows: list[str]
    expires_at: str | None


# --- the shared app


class RelayApp(msgspec.Struct, kw_only=True):
    """The app that is shared for a service, and which server it is for."""

    success: bool = True
    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    scopes: list[str]
    """What a login may ask for."""


class RelayStart(msgspec.Struct, kw_only=True):
    challenge: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
    """S256 of the verifier that the code will be exchanged with."""
    port: Annotated[int, Meta(ge=1024, le=65535)]
    """Where the client listens, at 127.0.0.1."""
    scopes: Annotated[list[Scope], Meta(max_length=100)] = []
    authorization_endpoint: Url
    token_endpoint: Url


class RelayStarted(msgspec.Struct, kw_only=True):
    success: bool = True
    state: str
    url: str
    """What the browser opens."""
    client_id: str
    expires_in: int


class RelayCode(msgspec.Struct, kw_only=True, tag="authorization_code", tag_field="grant_type"):
    state: Long
    code: Long
    code_verifier: Annotated[str, Meta(min_length=43, max_length=128)]


class RelayRefresh(msgspec.Struct, kw_only=True, tag="refresh_token", tag_field="grant_type"):
    refresh_token: Long
    binding: Annotated[str, Meta(max_length=100)]


class RelayRevoke(msgspec.Struct, kw_only=True, tag="revoke", tag_field="grant_type"):
    access_token: Long
    refresh_token: Long
    binding: Annotated[str, Meta(max_length=100)]


class Relayed(msgspec.Struct, kw_only=True):
    success: bool = True
    status: int
    headers: dict[str, str]
    body: str
    """What the provider answered, as it is."""
    binding: str
    """What binds the refresh token in it to the key of the login; empty where there is none."""
