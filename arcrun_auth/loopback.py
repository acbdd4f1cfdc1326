"""The address on this machine to which a provider sends the browser back (RFC 8252 §7.3).

What makes a request ours is the state it carries, 256 random bits. The path is the recipe's,
exactly: many providers compare it, so a random one would be refused and adds nothing to the
state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import oauth
from arcrun_auth.listener import TICK, Listener, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth import recipe

__all__ = ["TICK", "Loopback"]


class Loopback(Listener):
    """Listens at the recipe's redirect URI; `port` overrides its ports."""

    def __init__(
        self, redirect: recipe.Redirect, *, port: int | None = None, service: str | None = None
    ) -> None:
        ports = redirect.ports if redirect.policy == "fixed_port" else ()
        if port is not None:
            ports = (port,)
        super().__init__(ports, names=(redirect.host,), service=service)
        self.redirect_uri = oauth.redirect_uri(redirect, self.port)
        self._path = redirect.path

    def wait(
        self, accept: Callable[[str], bool], *, until: float, ended: Callable[[], bool]
    ) -> str | None:
        """The query of the first request that `accept` takes; all others get an error.

        None once `ended()`, or after `until` (by `time.monotonic`). The browser that won is
        kept waiting for `answer`.
        """

        def judge(request: Request) -> Reply | None:
            if request.method != "GET":
                return Reply(405)
            ours = request.path == self._path and accept(request.query)
            return None if ours else Reply(404)

        request = self.first(judge, until=until, ended=ended)
        return None if request is None else request.query
