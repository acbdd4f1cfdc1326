"""`arcrun mcp install`: tells a client of MCP to start the server, and untells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from arcrun_cli import agents, editing, options, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.mcp_hosts import json_entry, launch, toml_entry
from arcrun_cli.mcp_hosts.hosts import HOSTS
from arcrun_cli.options import no_input_option

if TYPE_CHECKING:
    from arcrun_cli.helpers.edits import Edit
    from arcrun_cli.mcp_hosts.hosts import Host
    from arcrun_cli.mcp_hosts.launch import Launch

USAGE = "arcrun mcp install --client claude-code"


@click.command(
    "install",
    cls=Command,
    short_help="Tell a client to start it; --remove untells it.",
    examples=(
        "arcrun mcp install --client claude-code",
        "arcrun mcp install --client vscode --scope project",
        "arcrun mcp install --client cursor --remove",
        "arcrun mcp install --print            for any other client",
    ),
)
@click.option(
    "--client", type=click.Choice(list(HOSTS)), metavar="NAME",
    help=f"Which: {', '.join(HOSTS)}.",
)  # fmt: skip
@click.option(
    "--scope", type=click.Choice(["user", "project"]), default="user", metavar="WHERE",
    help="user: your own file, the default; project: the one that a repository shares.",
)  # fmt: skip
@click.option("--print", "printed", is_flag=True, help="Write nothing: print what to paste.")
@click.option("--dry-run", is_flag=True, help="Write nothing: show the change.")
@click.option("--remove", is_flag=True, help="Take out what was written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def command(
    *, client: str | None, scope: str, printed: bool, dry_run: bool, remove: bool, yes: bool,
    no_input: bool,
) -> int:  # fmt: skip
    """Write the server into the client's own configuration, after showing what it would write.

    Your own file names this command by its absolute path. The file of a project, which others
    read, names `uvx` and this version. Nothing secret stands in either; everything else in the
    file is left as it is. An agent cannot do it for itself.
    """
    if client is None and not printed:
        raise UsageFault("Name the client, or say --print.", USAGE)
    host = HOSTS[client] if client is not None else None
    project = scope == "project"
    if project and host is not None and not host.project:
        raise UsageFault(
            f"{client} has no file in a project.", f"arcrun mcp install --client {client}"
        )
    if printed:
        return _print(host, launch.shared() if project else launch.own(), project=project)
    assert host is not None
    if not (remove or dry_run):
        agents.refuse_here()
    edit = _edit(host, remove=remove, project=project)
    if dry_run:
        editing.show(edit)
        return 0
    code = editing.make(options.terminal(interactive=False if no_input else None), edit, yes=yes)
    if code == 0 and edit.changes and not remove:
        ui.tell(f"  → start {client} again: it has the tools then")
    return code


def _edit(host: Host, *, remove: bool, project: bool) -> Edit:
    from arcrun_cli.coding.places import inside, root_of

    path = inside(root_of(os.getcwd()), host.project) if project else host.user(os.environ)
    if remove:
        return (toml_entry.remove if host.toml else json_entry.remove)(path, host)
    found = launch.shared() if project else launch.own()
    install = toml_entry.install if host.toml else json_entry.install
    return install(path, host, found, shared=project)


def _print(host: Host | None, found: Launch, *, project: bool) -> int:
    """What to paste: the text for the file, and the client's own command where it has one."""
    shown = host or HOSTS["claude-desktop"]
    if host is None:
        where = "Any client that reads mcpServers:"
    else:
        where = f"{host.project if project else host.user(os.environ)}:"
    ui.tell(where)
    ui.put(shown.text(found))
    if shown.command is not None and not project:
        ui.tell("Or:")
        ui.put(shown.command(found))
    return 0
