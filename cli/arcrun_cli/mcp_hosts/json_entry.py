"""The server in a client's file of JSON. Other servers, and what stands beside, stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from arcrun_cli.helpers import json_config
from arcrun_cli.mcp_hosts.launch import NAME, check_ours, kept

if TYPE_CHECKING:
    from arcrun_cli.helpers.edits import Edit
    from arcrun_cli.mcp_hosts.hosts import Host
    from arcrun_cli.mcp_hosts.launch import Launch


def install(path: str, host: Host, launch: Launch, *, shared: bool) -> Edit:
    """The file with the server. AuthError where another one has its name."""

    def change(data: dict[str, Any]) -> list[str]:
        servers = json_config.section(data, host.section, path)
        old, new = servers.get(NAME), host.entry(launch)
        if old is not None:
            check_ours(old, path)
            # What somebody has set beside them stays: their client's own settings of it.
            new = {**old, **new, **kept(old, launch)}
        if new == old:
            return []
        servers[NAME] = new
        data[host.section] = servers
        before = [f'-     "{NAME}": …'] if old is not None else []
        # Only what is ours: beside it may stand what is nobody's business.
        own = {key: new[key] for key in ("command", "args")}
        own |= {"env": launch.environ} if launch.environ else {}
        shown = json.dumps(own, ensure_ascii=False)
        return [f'  "{host.section}"', *before, f'+     "{NAME}": {shown}']

    hint = f"paste it yourself; arcrun mcp install --print has the text for {path}"
    return json_config.edited(path, change, hint=hint, shared=shared)


def remove(path: str, host: Host) -> Edit:
    """The file without the server. AuthError where another one has its name."""

    def change(data: dict[str, Any]) -> list[str]:
        servers = json_config.section(data, host.section, path)
        if NAME not in servers:
            return []
        check_ours(servers.pop(NAME), path)
        if not servers:
            del data[host.section]
        return [f'  "{host.section}"', f'-     "{NAME}": …']

    return json_config.edited(path, change, hint="take it out yourself")
