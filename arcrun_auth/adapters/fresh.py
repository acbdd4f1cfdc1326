"""What an SDK's own client becomes that keeps its token as an attribute: one that is never old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arcrun_auth.adapters.provider import TokenProvider

    Base = Any
else:
    Base = object


class FreshToken(Base):  # type: ignore[misc]  # the SDK's class, which it is joined to
    """A mixin in front of such a class: `token` is read for each call."""

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
