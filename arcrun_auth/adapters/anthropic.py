"""Anthropic's `credentials=`: a callable that is told when its token was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load

if TYPE_CHECKING:
    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker

CACHED_HERE = 0
"""With which `expires_at` does the SDK ask again before each request?"""


class AnthropicCredentials:
    """The SDK's `AccessTokenProvider`. `AsyncAnthropic` calls it in a thread."""

    def __init__(self, access: Access) -> None:
        self.tokens = TokenProvider(access)
        """The provider behind it."""
        self._type = load("anthropic.lib.credentials", "anthropic").AccessToken

    def __call__(self, *, force_refresh: bool = False) -> Any:
        """The SDK's `AccessToken`. `force_refresh`: the last one was refused."""
        if force_refresh:
            self.tokens.invalidate()
        return self._type(token=self.tokens(), expires_at=CACHED_HERE)

    def __repr__(self) -> str:
        return f"AnthropicCredentials({self.tokens.service!r})"


def anthropic_credentials(
    service: str = "anthropic",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> AnthropicCredentials:
    """`Anthropic(credentials=auth.anthropic_credentials())`, and the same for `AsyncAnthropic`.

    For an API key as for an access token: the SDK sends either as a bearer token. It is renewed
    before its end, and once after a 401. What is raised here, a LoginRequired say, the SDK
    reports as the cause of an error of its connection.

    >>> anthropic_credentials()  # doctest: +SKIP
    AnthropicCredentials('anthropic')
    """
    return AnthropicCredentials(Access(service, instance, scopes=scopes, broker=broker))
