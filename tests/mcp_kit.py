"""An agent's program, by the official client: what it can ask its person, and what they answer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import mcp_types as types
from mcp import Client

from arcrun_auth.agents.mcp.server import build
from arcrun_auth.agents.mcp.session import Session
from tests.canary import hits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

HANG = 60
"""After how many seconds do we call a scene hung?"""

ERAS = ("legacy", "auto")
"""Until 2025-11-25, and since 2026-07-28."""

FORM = types.ElicitationCapability(form=types.FormElicitationCapability())
EMPTY = types.ElicitationCapability()
"""What the first clients said that show forms."""
URL = types.ElicitationCapability(url=types.UrlElicitationCapability())
BOTH = types.ElicitationCapability(
    form=types.FormElicitationCapability(), url=types.UrlElicitationCapability()
)


@dataclass
class Somebody:
    """Sits at the agent's program. `says` is what they click; what they were asked is kept."""

    says: str = "accept"
    ticks: bool = True
    opens: Callable[[str], object] | None = None
    """What their browser does with an address."""
    asked: list[Any] = field(default_factory=list)

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params)
        if isinstance(params, types.ElicitRequestURLParams):
            if self.says == "accept" and self.opens is not None:
                opens = self.opens
                await anyio.to_thread.run_sync(lambda: opens(params.url))
            return types.ElicitResult(action=self.says)
        content = dict.fromkeys(params.requested_schema["properties"], self.ticks)
        return types.ElicitResult(
            action=self.says, content=content if self.says == "accept" else None
        )


class _Offering(Client):
    """A client that offers this of elicitation, and no more."""

    offers: types.ElicitationCapability | None = None

    async def _build_session(self, exit_stack):
        session = await super()._build_session(exit_stack)
        offered = types.ClientCapabilities(elicitation=self.offers)
        session._build_capabilities = lambda _: offered
        return session


def offering(offers: types.ElicitationCapability | None, server: Any, **client: Any) -> Client:
    """The official client of a server or transport, which says that it can ask by `offers`."""
    made = _Offering(server, **client)
    made.offers = offers
    return made


@dataclass
class Agent:
    """Calls tools, and keeps all that it read: `transcript`."""

    client: Client
    session: Session
    transcript: list[str] = field(default_factory=list)

    async def __call__(self, tool: str, **arguments: Any) -> types.CallToolResult:
        result = await self.client.call_tool(tool, arguments)
        self.transcript.append(result.model_dump_json())
        return result

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]


def words(result: types.CallToolResult) -> str:
    """What an agent reads of a result."""
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@asynccontextmanager
async def agent(
    broker: Any,
    mode: str,
    *,
    offers: types.ElicitationCapability | None = None,
    somebody: Somebody | None = None,
    name: str = "Claude Code",
    watch: float = 3600.0,
    message_handler: Any = None,
    **session: Any,
) -> AsyncIterator[Agent]:
    """An agent that talks to a server of its own in this process."""
    made = Session(lambda: broker, **session)
    client = offering(
        offers,
        build(made, watch=watch),
        mode=mode,
        client_info=types.Implementation(name=name, version="1"),
        elicitation_callback=somebody,
        message_handler=message_handler,
    )
    async with client:
        yield Agent(client, made)


def play(
    scene: Callable[[Agent], Awaitable[None]],
    broker: Any,
    *,
    modes: Sequence[str] = ERAS,
    **kinds: Any,
) -> None:
    """The scene in each era, with an agent and a server of its own. No secret may be read in it."""

    async def played(mode: str) -> None:
        failure: Exception | None = None
        with anyio.fail_after(HANG):
            async with agent(broker, mode, **kinds) as one:
                try:
                    await scene(one)
                except Exception as error:  # told without the layers that it would leave by
                    failure = error
        if failure is not None:
            raise failure
        assert not hits("\n".join(one.transcript)), "a tool has shown a secret"

    for mode in modes:
        anyio.run(played, mode)
