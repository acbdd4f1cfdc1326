"""huggingface_hub's `HfApi`, which takes a fixed text: here with one that stays fresh."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.provider import TokenProvider
from arcrun_auth.adapters.sdk import load

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker

    Base = Any
else:
    Base = object


class _Fresh(Base):  # type: ignore[misc]  # the SDK's class, in `_kit`
    """`token` is read for each call. Joined to the SDK's own class in `_kit`."""

    def __init__(self, tokens: TokenProvider, **options: Any) -> None:
        self.tokens = tokens
        """The provider behind it: `tokens.invalidate()` after a refusal."""
        super().__init__(**options)

    @property
    def token(self) -> str:
        return self.tokens()

    @token.setter
    def token(self, value: str | bool | None) -> None:
        """The SDK's constructor sets the one that it was not given."""


@cache
def _kit() -> Any:
    return type("HfApi", (_Fresh, load("huggingface_hub", "huggingface_hub").HfApi), {})


def hf_api(
    service: str = "huggingface",
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
    **options: Any,
) -> HfApi:
    """`auth.hf_api().whoami()`: huggingface_hub's `HfApi`, always logged in.

    Its token is read for each call. The SDK does not tell of a refusal: after one,
    `hf_api(...).tokens.invalidate()` renews. Functions outside `HfApi` take a text: give
    them `token=auth.get_token("huggingface").access_token`, fresh for each call. `options`
    are those of `HfApi`, but `token`.

    >>> hf_api().endpoint  # doctest: +SKIP
    'https://huggingface.co'
    """
    tokens = TokenProvider(Access(service, instance, scopes=scopes, broker=broker))
    return cast("HfApi", _kit()(tokens, **options))
