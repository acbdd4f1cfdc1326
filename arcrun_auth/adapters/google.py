"""Credentials for everything that is built on google-auth.

That is google-api-python-client, the google-cloud-* packages, gspread, and what speaks gRPC.

google-auth renews by two rules of its own: some minutes before the end, and after a 401.
The first is not needed here: each request asks for the token that is good now, which
comes from memory. The second tells us which token was refused.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.sdk import load
from arcrun_auth.connections import the_one

if TYPE_CHECKING:
    from datetime import datetime

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker
    from arcrun_auth.tokens import Token


def google_credentials(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    quota_project: str | None = None,
    broker: Broker | None = None,
) -> Any:
    """A `google.auth.credentials.Credentials`, for google-api-python-client, gspread and so on.

    `build("drive", "v3", credentials=auth.google_credentials("google_drive"))`

    Nothing is sent before the first request, which logs in if it has to and somebody is
    there. `scopes` as in `Broker.get_token`; `quota_project` is who pays for the requests,
    where that is not the project of the credential; `broker` is one of your own in place of
    the process's. Its methods raise our errors as they are.

    AuthError where google-auth is not installed.
    """
    made = _sync()(Access(service, instance, scopes=scopes, broker=broker))
    return made if quota_project is None else made.with_quota_project(quota_project)


def google_credentials_async(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> Any:
    """A `google.auth.aio.credentials.Credentials`: as `google_credentials`, awaited."""
    return _async()(Access(service, instance, scopes=scopes, broker=broker))


@cache
def _sync() -> type[Any]:
    theirs = load("google.auth.credentials", "google-auth")
    scoped: Any = theirs.ReadOnlyScoped
    quota: Any = theirs.CredentialsWithQuotaProject

    class Credentials(scoped, quota):  # type: ignore[misc]
        """Tokens of one connection, pulled for each request."""

        requires_scopes = False

        def __init__(self, access: Access) -> None:
            super().__init__()
            self._access = access
            self._sent = threading.local()

        def before_request(self, _request: Any, _method: str, _url: str, headers: Any) -> None:
            # Not by `self.token`, which another thread may write meanwhile.
            self._sent.token = token = self._take()
            self.apply(headers, token)

        def refresh(self, _request: Any) -> None:
            """Gets another token than the one that this thread's last request carried."""
            self._sent.token = self._take(rejected=getattr(self._sent, "token", self.token))

        def with_quota_project(self, quota_project_id: str | None) -> Any:
            other = type(self)(self._access)
            other._quota_project_id = quota_project_id  # noqa: SLF001 - the same class
            return other

        def _take(self, rejected: str | None = None) -> str:
            found = the_one(self._access.token(rejected), self._access.service)
            self.token, self.expiry = found.access_token, _naive(found)
            self._scopes = sorted(found.scopes)
            return found.access_token

    return Credentials


@cache
def _async() -> type[Any]:
    base: Any = load("google.auth.aio.credentials", "google-auth").Credentials

    class Credentials(base):  # type: ignore[misc]
        """Tokens of one connection, pulled for each request."""

        def __init__(self, access: Access) -> None:
            super().__init__()
            self._access = access

        async def before_request(
            self, _request: Any, _method: str, _url: str, headers: Any
        ) -> None:
            await self._take()
            await self.apply(headers)

        async def refresh(self, _request: Any) -> None:
            """Gets another token than the last one."""
            await self._take(rejected=self.token)

        async def _take(self, rejected: str | None = None) -> None:
            found = the_one(await self._access.atoken(rejected), self._access.service)
            self.token, self.expiry = found.access_token, _naive(found)

    return Credentials


def _naive(token: Token) -> datetime | None:
    """The end of a token as google-auth writes it: UTC, without saying so."""
    ends = token.expires_at
    return ends and ends.replace(tzinfo=None)
