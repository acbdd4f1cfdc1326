"""One client's stay: its gateway, what it waits for, and how long that may take."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from arcrun_auth.agents.mcp.elicitation import Asker, Tickets
from arcrun_auth.agents.mcp.jobs import Jobs
from arcrun_auth.agents.mcp.texts import slow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import mcp_types as types
    from anyio.abc import TaskGroup
    from mcp.server import ServerRequestContext

    from arcrun_auth.agents.connecting import Connecting
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.broker import Broker

T = TypeVar("T")

PATIENCE = 40.0
"""After how many seconds is a tool's answer that it still waits? Clients give up after 60."""


class Session:
    """What all calls of one process share. `broker` makes the broker when it is first needed.

    `allow_write`: whether writes are offered although no rule allows any yet; each of them is
    still confirmed, or approved, by a person.
    """

    def __init__(
        self,
        broker: Callable[[], Broker],
        *,
        allow_write: bool = False,
        patience: float = PATIENCE,
        open_url: Callable[[str], object] | None = None,
    ) -> None:
        self.allow_write = allow_write
        self.patience = patience
        self.tickets = Tickets()
        self.attempts: dict[str, Connecting] = {}
        self.starting = anyio.Lock()
        self._open_url = open_url
        self._make = broker
        self._lock = threading.Lock()
        self._broker: Broker | None = None
        self._client: str | None = None
        self._gateways: dict[bool, Gateway] = {}
        self._jobs: Jobs | None = None

    @property
    def jobs(self) -> Jobs:
        """Work that outlives a call; there while the session is `lasting`."""
        assert self._jobs is not None
        return self._jobs

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[TaskGroup]:
        """The time between the first and the last request, and what runs in it beside them."""
        async with anyio.create_task_group() as group:
            self._jobs = Jobs(group)
            try:
                yield group
            finally:
                for attempt in self.attempts.values():
                    attempt.close()
                for gateway in self._gateways.values():
                    gateway.close()
                group.cancel_scope.cancel()

    def close(self) -> None:
        """Let go of the vault, if it was opened."""
        if self._broker is not None:
            self._broker.close()

    def broker(self) -> Broker:
        """Blocks: call it in a thread."""
        with self._lock:
            if self._broker is None:
                self._broker = self._make()
            return self._broker

    def gateway(self, client: str, *, confirmable: bool) -> Gateway:
        """Blocks: call it in a thread. `client` is the name that the first request gave.

        One process serves one client: who calls itself something else later gets no other limits.
        """
        from arcrun_auth.agents.gateway import Gateway

        broker = self.broker()
        with self._lock:
            self._client = self._client or client
            if confirmable not in self._gateways:
                self._gateways[confirmable] = Gateway(
                    broker, client=self._client, confirmable=confirmable,
                    beyond_rules=self.allow_write,
                )  # fmt: skip
            return self._gateways[confirmable]

    def may_write(self, client: str, *, confirmable: bool) -> bool:
        """Whether writes are offered to this client at all. Blocks, and raises as the store does
        where its key is not at hand."""
        if self.allow_write:
            return True
        gateway = self.gateway(client, confirmable=confirmable)
        return gateway.broker.policies.writes(gateway.client)

    def show(self, url: str) -> str:
        """Opens the user's browser; why that could not be done, or nothing. Blocks."""
        from arcrun_auth import browser

        return browser.why_not_opened(self._open_url or browser.open_url, url)


class Call:
    """One request of the client: how long it may take, and how its person can be asked in it."""

    def __init__(
        self,
        session: Session,
        ctx: ServerRequestContext[Session],
        params: types.CallToolRequestParams | None = None,
    ) -> None:
        self.session = session
        self.asker = Asker(ctx, params, session.tickets)
        self.until = anyio.current_time() + session.patience
        told = ctx.session.client_params
        self.client = told.client_info.name if told is not None else ""

    async def gateway(self) -> Gateway:
        """The gateway for this client."""
        confirmable = self.asker.by_form
        return await self.thread(lambda: self.session.gateway(self.client, confirmable=confirmable))

    async def may_write(self) -> bool:
        """Whether writes are offered to this client at all."""
        confirmable = self.asker.by_form
        return await self.thread(
            lambda: self.session.may_write(self.client, confirmable=confirmable)
        )

    async def thread(self, work: Callable[[], T]) -> T:
        """What `work` gives, which may block. Fault once the call's time is over: it goes on
        then, and nobody sees what it gives."""
        with anyio.CancelScope(deadline=self.until):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        raise slow()
