"""Anthropic's `credentials=`: a callable that is told when its token was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load
from arcrun_auth.errors import AuthError

if TYPE_CHECKING:
    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker

CACHED_HERE = 0
"""With which `expires_at` does the SDK ask again before each request?"""


class AnthropicCredentials:
    """The SDK's `AccessTokenProvider`. `AsyncAnthropic` calls it in a thread."""

    def __init__(self, access: Access) -> None:
        self.tokens = TokenProvider(access)
        self._access = access
        self._checked = False
        self._type = load("anthropic.lib.credentials", "anthropic").AccessToken

    def __call__(self, *, force_refresh: bool = False) -> Any:
        """The SDK's `AccessToken`. `force_refresh`: the last one was refused."""
        if not self._checked:
            self._check()
        if force_refresh:
            self.tokens.invalidate()
        return self._type(token=self.tokens(), expires_at=CACHED_HERE)

    def _check(self) -> None:
        """The SDK sends it as a bearer token, which an API key is not."""
        binding, _ = self._access.parts()
        if "authorization" not in {name.lower() for name in binding.inject.header}:
            raise AuthError(
                f"{binding.service} is connected with an API key, which is no bearer token.",
                service=binding.service,
                hint=f"Anthropic(api_key=auth.get_token({self._access.service!r}).access_token)",
            )
        self._checked = True

    def __repr__(self) -> str:
        return f"AnthropicCredentials({self._access.service!r})"


def anthropic_credentials(
    service: str = "anthropic",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> AnthropicCredentials:
    """`Anthropic(credentials=auth.anthropic_credentials("my_gateway"))`, for access tokens.

    Renewed before its end, and once after a 401. An API key is no access token: for that it is
    `Anthropic(api_key=auth.get_token("anthropic").access_token)`, and an AuthError here.

    >>> anthropic_credentials()  # doctest: +SKIP
    AnthropicCredentials('anthropic')
    """
    return AnthropicCredentials(Access(service, instance, scopes=scopes, broker=broker))
