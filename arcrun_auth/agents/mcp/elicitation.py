"""A person is asked through the agent's client: by a form, or by an address that it shows.

Two eras of the protocol do it differently. Until 2025-11-25 the server sends a request of its own
amid the call; since 2026-07-28 the call ends in `input_required`, and the client calls again with
the answer. Either way `accept` says what somebody clicked, and no more: never that a login is done.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import ServerRequestContext

LIFETIME = 600.0
"""For how many seconds does an answer count?"""
MOST = 100
"""How many questions may be open at once?"""
_KEY = "answer"
_FIELD = "agree"


class Ask(Exception):
    """Not an error: the call ends in this question, and comes again with its answer."""

    def __init__(self, result: types.InputRequiredResult) -> None:
        super().__init__()
        self.result = result


class Tickets:
    """One-time numbers that bind an answer to what was asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, tuple[str, float]] = {}

    def issue(self, about: str) -> str:
        """A new number for a question about this."""
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        number = secrets.token_urlsafe(32)
        self._open[number] = (about, self._clock() + LIFETIME)
        return number

    def redeem(self, number: str | None, about: str) -> bool:
        """Whether that number was given for a question about this, lately. It counts once."""
        asked, until = self._open.pop(number or "", ("", 0.0))
        return bool(asked) and asked == about and self._clock() < until


class Asker:
    """Whoever can be asked in this one request."""

    def __init__(
        self,
        ctx: ServerRequestContext[Any],
        params: types.CallToolRequestParams | None,
        tickets: Tickets,
    ) -> None:
        self._ctx = ctx
        self._params = params
        self._tickets = tickets
        self._shown: str | None = None
        capabilities = ctx.session.client_capabilities
        self._offers = capabilities.elicitation if capabilities is not None else None

    @property
    def by_url(self) -> bool:
        """Whether the client shows addresses."""
        return self._offers is not None and self._offers.url is not None

    @property
    def by_form(self) -> bool:
        """Whether the client shows forms. `elicitation: {}` says so, too."""
        return self._offers is not None and (self._offers.form is not None or not self.by_url)

    async def form(self, about: str, message: str, question: str) -> bool:
        """A yes to a question. `about` is what the answer is bound to."""
        schema = {
            "type": "object",
            "properties": {_FIELD: {"type": "boolean", "title": question}},
            "required": [_FIELD],
        }
        found = await self._answer(
            about, types.ElicitRequestFormParams(message=message, requested_schema=schema)
        )
        return found.action == "accept" and (found.content or {}).get(_FIELD) is True

    async def url(self, about: str, message: str, address: str) -> bool:
        """Whether they agreed to open an address; what comes of it is told elsewhere."""
        params = types.ElicitRequestURLParams(message=message, url=address)
        return (await self._answer(about, params)).action == "accept"

    async def finished(self) -> None:
        """Tells the client that what it showed an address for has ended."""
        if self._shown is not None:
            await self._ctx.session.send_elicit_complete(self._shown)

    async def _answer(
        self, about: str, params: types.ElicitRequestFormParams | types.ElicitRequestURLParams
    ) -> types.ElicitResult:
        if self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return self._brought(about, params)
        if isinstance(params, types.ElicitRequestURLParams):
            # Required at 2025-11-25, gone since.
            self._shown = params.elicitation_id = secrets.token_urlsafe(16)
        try:
            return await self._ctx.session.send_request(
                types.ElicitRequest(params=params), types.ElicitResult
            )
        except (MCPError, ValidationError):  # it said that it can ask, and cannot
            return types.ElicitResult(action="cancel")

    def _brought(
        self, about: str, params: types.ElicitRequestFormParams | types.ElicitRequestURLParams
    ) -> types.ElicitResult:
        assert self._params is not None
        found = (self._params.input_responses or {}).get(_KEY)
        known = self._tickets.redeem(self._params.request_state, about)
        if known and isinstance(found, types.ElicitResult):
            return found
        raise Ask(
            types.InputRequiredResult(
                input_requests={_KEY: types.ElicitRequest(params=params)},
                request_state=self._tickets.issue(about),
            )
        )
