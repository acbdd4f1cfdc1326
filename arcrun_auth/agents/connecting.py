"""Connecting a service at the wish of an agent, by its human, on a page of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from arcrun_auth.broker import Broker
    from arcrun_auth.errors import AuthError

    State = Literal["waiting", "working", "connected", "refused", "failed", "expired"]


class Connecting:
    """One wish to connect: `url` is to be opened by the person, once, within ten minutes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state: State = "waiting"
        self.error: AuthError | None = None

    def wait(self, seconds: float) -> State:
        """The state once it is an end, or after so many seconds."""
        raise NotImplementedError

    def close(self) -> None:
        """The page is of no more use. A login that has begun ends by itself."""
        raise NotImplementedError


def start(
    broker: Broker,
    service: str,
    instance: str | None = None,
    *,
    scopes: Sequence[str] = (),
    client: str,
    method: str | None = None,
) -> Connecting:
    """A page that asks the person whether `client` may have this service connected.

    `scopes` are names of the recipe's sets. Opens nothing: that is the caller's to do. Raises
    UnknownService, and AuthError for a set that the recipe does not have.
    """
    raise NotImplementedError
