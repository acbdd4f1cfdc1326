"""A connection that is looked up when it is first used: what every adapter stands on.

An adapter is made where an SDK's client is: at import, in an event loop, long before the
first request. So making one only checks the name; the store is read, and somebody asked to
log in, when the first token is needed, in async code in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Token

    Scopes = str | Sequence[str] | None


class Access:
    """The binding and the tokens of one connection. Safe to share between threads and tasks.

    All that use a connection share its token, and cause one renewal between them. Raises
    UnknownService when it is made, and what `Broker.bind` raises when it is first used.

    After a setup or a removal in this process it is looked up again: an SDK's client that lives
    long goes on with the new key, and not at all with one that was removed.
    """

    def __init__(
        self, service: str, instance: str | None, *, scopes: Scopes, broker: Broker | None
    ) -> None:
        if broker is None:
            from arcrun_auth.shared import default

            broker = default()
        self.service = service
        self._broker = broker
        self._prepare = broker.prepare(service, instance, scopes=scopes)
        self._found: tuple[int, tuple[Binding, Source]] | None = None

    def _known(self) -> tuple[Binding, Source] | None:
        found = self._found
        return found[1] if found is not None and found[0] == self._broker.changes else None

    def parts(self) -> tuple[Binding, Source]:
        """Where its requests may go and how they are signed; where its tokens come from."""
        known = self._known()
        if known is None:
            changes = self._broker.changes
            known = self._prepare()  # a login in here counts, and is looked up once more
            self._found = changes, known
        return known

    async def aparts(self) -> tuple[Binding, Source]:
        """As `parts`, without blocking the event loop."""
        from arcrun_auth.client import in_thread

        known = self._known()
        return await in_thread(self.parts) if known is None else known

    def token(self, rejected: str | None = None) -> Token:
        """A valid token. `rejected` is the access token that a server has just refused."""
        return self.parts()[1].token(rejected=rejected)

    async def atoken(self, rejected: str | None = None) -> Token:
        """As `token`, without blocking the event loop."""
        from arcrun_auth.transport import token_from

        _, source = await self.aparts()
        return await token_from(source, rejected)


def renewed(source: Source, refused: Token) -> Token | None:
    """What to try again with after a refusal; None where there is nothing newer."""
    return _newer(source.token(rejected=refused.access_token), refused)


async def arenewed(source: Source, refused: Token) -> Token | None:
    """As `renewed`, without blocking the event loop."""
    from arcrun_auth.transport import token_from

    return _newer(await token_from(source, refused.access_token), refused)


def _newer(fresh: Token, refused: Token) -> Token | None:
    same = fresh.access_token == refused.access_token and fresh.secrets == refused.secrets
    return None if same else fresh
