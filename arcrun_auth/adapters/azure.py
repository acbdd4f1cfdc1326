"""azure-core's credential protocols, for azure-* and msgraph-sdk.

An SDK asks by scope, and each scope names the API that the token is sent to. A token is given
for the consented hosts alone: whoever asks for another API's would send ours there.
"""

from __future__ import annotations

import time
from functools import cache
from shlex import quote
from typing import TYPE_CHECKING, Any, Self

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.gate import Gate
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load
from arcrun_auth.errors import MissingScope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token

UNTOLD = 300
"""How long may an SDK keep a token whose end the provider did not tell, in seconds?"""

WHATEVER_WAS_GRANTED = ".default"


class _Asked:
    """What both twins do with a request for a token, and what they make of the token."""

    def __init__(self, access: Access) -> None:
        self.tokens = TokenProvider(access)
        """The provider behind it: `tokens.invalidate()` after a refusal."""
        self._access = access
        self._made: Gate | None = None
        self._types = _types()

    def _check(self, scopes: tuple[str, ...], token: Token, binding: Binding) -> None:
        gate = self._made = Gate.of(binding, self._made)
        for scope in scopes:
            resource, slash, name = scope.rpartition("/")
            if resource.lower().startswith(("https://", "http://")):
                gate.check(resource)
            granted = token.scopes
            wanted = name if slash else scope
            if wanted == WHATEVER_WAS_GRANTED or not granted or granted & {scope, wanted}:
                continue
            raise MissingScope(
                f"{self._access.service} was not granted: {wanted}.",
                scope=wanted,
                service=self._access.service,
                hint=f"arcrun setup {self._access.service} --scopes {quote('+' + wanted)}",
            )

    def _refused(self, claims: str | None) -> None:
        """A claims challenge says that the token was refused (Continuous Access Evaluation)."""
        if claims:
            self.tokens.invalidate()

    def _info(self, token: Token) -> Any:
        return self._types.info(token.access_token, _end(token), token_type=token.token_type)

    def _pair(self, token: Token) -> Any:
        return self._types.pair(token.access_token, _end(token))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._access.service!r})"


class AzureCredential(_Asked):
    """`TokenCredential` and `SupportsTokenInfo` of azure-core."""

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A valid `AccessToken`. HostNotAllowed for another API's scope, MissingScope."""
        del tenant_id, enable_cae, kwargs  # what the login was for is what there is
        return self._pair(self._token(scopes, claims))

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> Any:
        """The same as an `AccessTokenInfo`."""
        return self._info(self._token(scopes, (options or {}).get("claims")))

    def _token(self, scopes: tuple[str, ...], claims: str | None) -> Token:
        self._refused(claims)
        token = self.tokens.token()
        self._check(scopes, token, self._access.parts()[0])
        return token

    def close(self) -> None:
        """Nothing to close: the broker is the process's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class AsyncAzureCredential(_Asked):
    """`AsyncTokenCredential` and `AsyncSupportsTokenInfo` of azure-core."""

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A valid `AccessToken`. HostNotAllowed for another API's scope, MissingScope."""
        del tenant_id, enable_cae, kwargs
        return self._pair(await self._token(scopes, claims))

    async def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> Any:
        """The same as an `AccessTokenInfo`."""
        return self._info(await self._token(scopes, (options or {}).get("claims")))

    async def _token(self, scopes: tuple[str, ...], claims: str | None) -> Token:
        self._refused(claims)
        token = await self.tokens.atoken()
        self._check(scopes, token, (await self._access.aparts())[0])
        return token

    async def close(self) -> None:
        """Nothing to close: the broker is the process's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass


def _end(token: Token) -> int:
    return int(time.time() + UNTOLD if token.expires is None else token.expires)


class _Types:
    """azure-core's two kinds of token, with a repr that shows none."""

    def __init__(self) -> None:
        core = load("azure.core.credentials", "azure-core")
        masked = {"__repr__": lambda self: f"{type(self).__name__}('***', {self.expires_on})"}
        self.pair = type("AccessToken", (core.AccessToken,), masked)
        self.info = type("AccessTokenInfo", (core.AccessTokenInfo,), masked)


@cache
def _types() -> _Types:
    return _Types()


def azure_credential(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> AzureCredential:
    """`GraphServiceClient(credentials=auth.azure_credential("microsoft_graph"))`.

    For every client that takes azure-core's `TokenCredential`. Scopes of another API raise
    HostNotAllowed, scopes that were not granted MissingScope; `.default` is what was granted.

    >>> azure_credential("microsoft_graph")  # doctest: +SKIP
    AzureCredential('microsoft_graph')
    """
    return AzureCredential(Access(service, instance, scopes=scopes, broker=broker))


def azure_credential_async(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> AsyncAzureCredential:
    """As `azure_credential`, for clients that take an `AsyncTokenCredential`.

    >>> azure_credential_async("microsoft_graph")  # doctest: +SKIP
    AsyncAzureCredential('microsoft_graph')
    """
    return AsyncAzureCredential(Access(service, instance, scopes=scopes, broker=broker))
