"""slack_sdk's clients, which take a fixed text: here with one that stays fresh."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load

if TYPE_CHECKING:
    from slack_sdk.web import WebClient
    from slack_sdk.web.async_client import AsyncWebClient

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker

    Base = Any
else:
    Base = object

REFUSED = ("token_expired", "invalid_auth")
"""By which errors does a server that answers 200 refuse a token? Others renewing cannot mend."""


class _Fresh(Base):  # type: ignore[misc]  # the SDK's class, in `_kit`
    """What both clients have in common: `token` is read for each call."""

    def __init__(self, tokens: TokenProvider, **options: Any) -> None:
        self.tokens = tokens
        super().__init__(**options)

    @property
    def token(self) -> str:
        return self.tokens()

    @token.setter
    def token(self, value: str | None) -> None:
        """The SDK's constructor sets the one that it was not given."""

    def _refused(self, error: Any, options: dict[str, Any]) -> bool:
        # What was read from a file is gone, and cannot be sent again.
        return error.response.get("error") in REFUSED and not options.get("files")


class _Sync(_Fresh):
    def api_call(self, api_method: str, **options: Any) -> Any:
        """As in the SDK; a refused token is renewed, and the call sent once more."""
        used = self.tokens()
        try:
            return super().api_call(api_method, **_copied(options))
        except _error() as error:
            if not self._refused(error, options):
                raise
            self.tokens.invalidate(used)
            if self.tokens() == used:
                raise
        return super().api_call(api_method, **options)


class _Async(_Fresh):
    async def api_call(self, api_method: str, **options: Any) -> Any:
        """As in the SDK; a refused token is renewed, and the call sent once more."""
        used = await self.tokens.acall()
        try:
            return await super().api_call(api_method, **_copied(options))
        except _error() as error:
            if not self._refused(error, options):
                raise
            self.tokens.invalidate(used)
            if await self.tokens.acall() == used:
                raise
        return await super().api_call(api_method, **options)


def _copied(options: dict[str, Any]) -> dict[str, Any]:
    """The SDK writes into the mappings it is given, the token included."""
    return {name: dict(it) if isinstance(it, dict) else it for name, it in options.items()}


def _error() -> Any:
    return load("slack_sdk.errors", "slack_sdk").SlackApiError


@cache
def _kit(mixin: type, module: str, name: str) -> Any:
    return type(name, (mixin, getattr(load(module, "slack_sdk"), name)), {})


def slack_client(
    service: str = "slack",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
    **options: Any,
) -> WebClient:
    """`auth.slack_client().chat_postMessage(...)`: slack_sdk's `WebClient`, always logged in.

    Its token is read for each call, and renewed once where Slack says that it has expired.
    `options` are those of `WebClient`, but `token`.

    >>> slack_client().base_url  # doctest: +SKIP
    'https://www.slack.com/api/'
    """
    tokens = TokenProvider(Access(service, instance, scopes=scopes, broker=broker))
    return cast("WebClient", _kit(_Sync, "slack_sdk.web", "WebClient")(tokens, **options))


def slack_client_async(
    service: str = "slack",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
    **options: Any,
) -> AsyncWebClient:
    """As `slack_client`, for asyncio: slack_sdk's `AsyncWebClient`, which needs aiohttp.

    >>> slack_client_async().base_url  # doctest: +SKIP
    'https://www.slack.com/api/'
    """
    tokens = TokenProvider(Access(service, instance, scopes=scopes, broker=broker))
    made = _kit(_Async, "slack_sdk.web.async_client", "AsyncWebClient")
    return cast("AsyncWebClient", made(tokens, **options))
