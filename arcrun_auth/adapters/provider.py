"""A callable that gives a valid access token: for every SDK that takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.adapters.access import Access
from arcrun_auth.connections import the_one
from arcrun_auth.tokens import Token

if TYPE_CHECKING:
    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker


class TokenProvider:
    """Gives the access token of a connection, renewed when it is about to end.

    `provider()` is the token as a text, `await provider.acall()` the same for async SDKs;
    `token()` and `atoken()` give the whole `Token`. From memory that costs next to nothing,
    so call it for each request and keep no copy. Safe to share between threads and tasks.

    A token handed out goes wherever the SDK sends it: no host is checked, as `auth.bind` does.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._given: str | None = None
        self._rejected: str | None = None

    @property
    def service(self) -> str:
        """The name that it was made with."""
        return self._access.service

    def __call__(self) -> str:
        """The access token. Raises what `Broker.get_token` raises."""
        return self.token().access_token

    async def acall(self) -> str:
        """The access token, without blocking the event loop."""
        return (await self.atoken()).access_token

    def token(self) -> Token:
        """The whole token: `access_token`, `expires_at`, `scopes`, `token_type`."""
        rejected = self._rejected
        return self._hand_out(self._access.token(rejected), rejected)

    async def atoken(self) -> Token:
        """As `token`, without blocking the event loop."""
        rejected = self._rejected
        return self._hand_out(await self._access.atoken(rejected), rejected)

    def invalidate(self, refused: str | Token | None = None) -> None:
        """A server has refused the token: the next call renews it.

        Say which one, if you know: of a hundred callers whose requests failed together only
        the first then causes a renewal. Without it the one handed out last is meant.
        """
        if isinstance(refused, Token):
            refused = refused.access_token
        self._rejected = refused or self._given

    def _hand_out(self, token: Token, rejected: str | None) -> Token:
        self._given = the_one(token, self.service).access_token
        if self._rejected == rejected:  # else another thread has had one refused meanwhile
            self._rejected = None
        return token

    def __repr__(self) -> str:
        return f"TokenProvider({self.service!r})"


def token_provider(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> TokenProvider:
    """A callable that gives a valid access token: `OpenAI(api_key=auth.token_provider("openai"))`.

    For an async SDK pass its `acall`. `scopes` are what you need of the login; `broker` is one
    of your own in place of the process's. Raises UnknownService at once, and when it is called
    what `bind` raises, and NoToken where the service has no single token.

    >>> token_provider("notion")
    TokenProvider('notion')
    """
    return TokenProvider(Access(service, instance, scopes=scopes, broker=broker))
