"""`arcrun mcp`."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError
from arcrun_cli.app import Group
from arcrun_cli.commands import mcp_install

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker


@click.group(
    "mcp",
    cls=Group,
    invoke_without_command=True,
    short_help="Tools for AI agents: they use your connections, and never see a key.",
    examples=(
        "arcrun mcp                  what an agent's program starts",
        "arcrun mcp --allow-write    offers writes, too: you confirm or approve each",
        "arcrun mcp install --client claude-code",
    ),
)
@click.option(
    "--allow-write", is_flag=True, help="Offer writes, too. Each is confirmed by you, or by a rule."
)
@click.pass_context
def command(ctx: click.Context, *, allow_write: bool) -> int:
    """Serve the Model Context Protocol on stdin and stdout, for one agent's program.

    The agent lists what you have connected, reads, and asks you to connect more. Its requests go
    to the hosts of the service alone, and no answer holds a secret. It reads only, unless you
    allow more: see arcrun policy.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    if find_spec("mcp") is None:
        raise AuthError(
            "The MCP server needs what is not installed: mcp.",
            hint="pip install 'arcrun-auth[mcp]'",
        )
    gc.disable()  # the SDK makes a great many classes, and nothing that is worth collecting
    from arcrun_auth.agents.mcp.server import serve

    gc.enable()
    serve(_broker, allow_write=allow_write)
    return 0


command.add_command(mcp_install.command)


def _broker() -> Broker:
    """The user's broker. Nobody sits at this terminal: it belongs to the agent's program."""
    from arcrun_auth.broker import Broker
    from arcrun_auth.people import Nobody

    return Broker(person=Nobody())
