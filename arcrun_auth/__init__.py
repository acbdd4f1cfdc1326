"""Authenticated connections to any service, with no account, no server and no cloud.

    from arcrun import auth                     # the same module as: import arcrun_auth as auth

    drive = auth.bind("google_drive")           # an httpx client; the first time it logs in
    token = auth.get_token("google_drive")      # token.access_token, for any official SDK
    auth.list_services()                        # what can be bound, and what is connected

Importing this imports next to nothing: everything below comes when it is first used.
"""

from __future__ import annotations

__version__ = "0.6.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    import httpx

    from arcrun_auth import errors, testing
    from arcrun_auth.adapters.aiohttp import aiohttp_middleware
    from arcrun_auth.adapters.anthropic import anthropic_credentials
    from arcrun_auth.adapters.azure import azure_credential, azure_credential_async
    from arcrun_auth.adapters.boto3 import boto3_session
    from arcrun_auth.adapters.github import github_auth
    from arcrun_auth.adapters.google import google_credentials, google_credentials_async
    from arcrun_auth.adapters.httpx import httpx_auth
    from arcrun_auth.adapters.huggingface import hf_api
    from arcrun_auth.adapters.provider import TokenProvider, token_provider
    from arcrun_auth.adapters.requests import requests_auth
    from arcrun_auth.adapters.slack import slack_client, slack_client_async
    from arcrun_auth.bound import AsyncBound
    from arcrun_auth.broker import Broker, Http
    from arcrun_auth.checkup import Checked
    from arcrun_auth.errors import (
        AuthError,
        ConsentRequired,
        HostNotAllowed,
        LoginFailed,
        LoginRequired,
        MissingScope,
        MissingSecret,
        NoStore,
        NoToken,
        PolicyRefused,
        ProviderUnavailable,
        RecipeError,
        RefreshBusy,
        StoreConflict,
        StoreCorrupt,
        StoreError,
        StoreLocked,
        SyncAlarm,
        SyncConflict,
        TokenRefused,
        UnknownService,
    )
    from arcrun_auth.login.plan import Ownership, Wish
    from arcrun_auth.platform_sdk import Arcrun
    from arcrun_auth.removal import Removed
    from arcrun_auth.report import Service
    from arcrun_auth.tokens import Secret, Token

__all__ = [
    "Arcrun",
    "AuthError",
    "Broker",
    "ConsentRequired",
    "HostNotAllowed",
    "LoginFailed",
    "LoginRequired",
    "MissingScope",
    "MissingSecret",
    "NoStore",
    "NoToken",
    "PolicyRefused",
    "ProviderUnavailable",
    "RecipeError",
    "RefreshBusy",
    "Secret",
    "StoreConflict",
    "StoreCorrupt",
    "StoreError",
    "StoreLocked",
    "SyncAlarm",
    "SyncConflict",
    "Token",
    "TokenProvider",
    "TokenRefused",
    "UnknownService",
    "aiohttp_middleware",
    "anthropic_credentials",
    "azure_credential",
    "azure_credential_async",
    "bind",
    "bind_async",
    "boto3_session",
    "errors",
    "get_token",
    "get_token_async",
    "github_auth",
    "google_credentials",
    "google_credentials_async",
    "hf_api",
    "httpx_auth",
    "list_services",
    "presigned_url",
    "remove",
    "requests_auth",
    "setup",
    "slack_client",
    "slack_client_async",
    "test",
    "testing",
    "token_provider",
]


def bind(
    service: str,
    instance: str | None = None,
    *,
    method: str | None = None,
    scopes: str | Sequence[str] | None = None,
    secret: Mapping[str, str | Secret] | None = None,
    params: Mapping[str, str] | None = None,
    interactive: bool | None = None,
    http: Http = "httpx",
) -> httpx.Client:
    """An httpx client that is logged in to `service`, and sends its secret nowhere else.

    See `Broker.bind`, which this calls on the broker of the process.

    >>> import httpx
    >>> isinstance(bind("notion", secret={"token": "ntn_example"}), httpx.Client)
    True
    """
    return _broker().bind(
        service,
        instance,
        method=method,
        scopes=scopes,
        secret=secret,
        params=params,
        interactive=interactive,
        http=http,
    )


def bind_async(
    service: str,
    instance: str | None = None,
    *,
    method: str | None = None,
    scopes: str | Sequence[str] | None = None,
    secret: Mapping[str, str | Secret] | None = None,
    params: Mapping[str, str] | None = None,
    interactive: bool | None = None,
    http: Http = "httpx",
) -> AsyncBound:
    """As `bind`, for `async with auth.bind_async("notion") as notion:`. See `Broker.bind_async`."""
    return _broker().bind_async(
        service,
        instance,
        method=method,
        scopes=scopes,
        secret=secret,
        params=params,
        interactive=interactive,
        http=http,
    )


def get_token(
    service: str,
    instance: str | None = None,
    *,
    scopes: str | Sequence[str] | None = None,
    interactive: bool | None = None,
    rejected: str | None = None,
) -> Token:
    """A valid token for an official SDK, renewed if need be. See `Broker.get_token`."""
    return _broker().get_token(
        service, instance, scopes=scopes, interactive=interactive, rejected=rejected
    )


async def get_token_async(
    service: str,
    instance: str | None = None,
    *,
    scopes: str | Sequence[str] | None = None,
    interactive: bool | None = None,
    rejected: str | None = None,
) -> Token:
    """As `get_token`, without blocking the event loop. See `Broker.get_token_async`."""
    return await _broker().get_token_async(
        service, instance, scopes=scopes, interactive=interactive, rejected=rejected
    )


def presigned_url(
    service: str,
    url: str,
    instance: str | None = None,
    *,
    method: str = "GET",
    expires: int = 3600,
    params: Mapping[str, str] | None = None,
    interactive: bool | None = None,
) -> str:
    """A URL for one request, that anybody may send until it ends. See `Broker.presigned_url`."""
    return _broker().presigned_url(
        service,
        url,
        instance,
        method=method,
        expires=expires,
        params=params,
        interactive=interactive,
    )


def list_services() -> dict[str, Service]:
    """What can be bound, and what is connected. See `Broker.list_services`."""
    return _broker().list_services()


def setup(
    service: str,
    instance: str | None = None,
    *,
    method: str | None = None,
    scopes: str | Sequence[str] | None = None,
    params: Mapping[str, str] | None = None,
    interactive: bool | None = None,
    port: int | None = None,
    login: Wish | None = None,
    ownership: Ownership | None = None,
    client_file: str | None = None,
    key_file: str | None = None,
    replace: bool = False,
    expires: str | float | datetime | None = None,
    **secrets: str | Secret,
) -> Service:
    """Connect a service now and keep it: `setup("openai", api_key=...)`. See `Broker.setup`."""
    return _broker().setup(
        service,
        instance,
        method=method,
        scopes=scopes,
        params=params,
        interactive=interactive,
        port=port,
        login=login,
        ownership=ownership,
        client_file=client_file,
        key_file=key_file,
        replace=replace,
        expires=expires,
        **secrets,
    )


def test(service: str, instance: str | None = None) -> Checked:
    """Send the recipe's test request: does it work, and whose account is it? See `Broker.test`."""
    return _broker().test(service, instance)


def remove(service: str, instance: str | None = None, *, revoke: bool = False) -> Removed:
    """Forget the credential of one instance; true if there was one. See `Broker.remove`."""
    return _broker().remove(service, instance, revoke=revoke)


def _broker() -> Broker:
    from arcrun_auth.shared import default

    return default()


def __getattr__(name: str) -> Any:
    if name in ("errors", "testing"):
        return __import__(f"arcrun_auth.{name}", fromlist=[name])
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(__import__(f"arcrun_auth.{_home(name)}", fromlist=[name]), name)
    globals()[name] = value
    return value


def _home(name: str) -> str:
    """The module of ours that a public name lives in."""
    homes = {"Arcrun": "platform_sdk", "Broker": "broker", "Secret": "tokens", "Token": "tokens"}
    home = homes.get(name)
    if home is None:
        from arcrun_auth.adapters import HOMES

        home = f"adapters.{HOMES[name]}" if name in HOMES else "errors"
    return home


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
