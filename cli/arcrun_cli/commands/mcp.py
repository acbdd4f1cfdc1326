"""`arcrun mcp`."""

from __future__ import annotations

import click

from arcrun_cli.app import Group
from arcrun_cli.commands import mcp_install


@click.group("mcp", cls=Group, short_help="Let an AI agent use your connections by MCP.")
def command() -> None:
    """The server of MCP, and how clients are told of it."""


command.add_command(mcp_install.command)
