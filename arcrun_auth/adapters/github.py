"""PyGithub's `auth=`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load

if TYPE_CHECKING:
    from github.Auth import Auth

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker


class _Auth:
    """Read anew for each request. Joined to PyGithub's own class in `_kit`."""

    def __init__(self, tokens: TokenProvider) -> None:
        self.tokens = tokens
        """The provider behind it: `tokens.invalidate()` after a refusal."""

    @property
    def token_type(self) -> str:
        return "Bearer"

    @property
    def token(self) -> str:
        return self.tokens()

    @property
    def _masked_token(self) -> str:
        return "Bearer ***"

    def __repr__(self) -> str:
        return f"GithubAuth({self.tokens.service!r})"


@cache
def _kit() -> Any:
    return type("GithubAuth", (_Auth, load("github.Auth", "PyGithub").Auth), {})


def github_auth(
    service: str = "github",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> Auth:
    """`Github(auth=auth.github_auth())`, with PyGithub.

    The token is read for each request, so it is renewed in time. PyGithub does not tell of a
    refusal: after one, `github_auth(...).tokens.invalidate()` renews.

    >>> github_auth()  # doctest: +SKIP
    GithubAuth('github')
    """
    access = Access(service, instance, scopes=scopes, broker=broker)
    return cast("Auth", _kit()(TokenProvider(access)))
