"""Every client that can be told: which file, which shape, which command of its own.

The shapes are those of each vendor's documentation, looked up in November 2026.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcrun_cli.mcp_hosts.launch import NAME

if TYPE_CHECKING:
    from arcrun_cli.mcp_hosts.launch import Launch

Path = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Host:
    """One client. `user` is its own file, `project` the one that a project shares, or empty."""

    user: Path
    project: str
    section: str
    """Under which key its servers stand."""
    toml: bool = False
    typed: bool = False
    """Whether an entry says that it is `stdio`."""
    command: Callable[[Launch], str] | None = None
    """Its own command, or link, that adds a server."""

    def entry(self, launch: Launch) -> dict[str, Any]:
        """The server, as it stands in the file."""
        found: dict[str, Any] = {"type": "stdio"} if self.typed else {}
        found |= {"command": launch.command, "args": list(launch.args)}
        return found | ({"env": launch.environ} if launch.environ else {})

    def text(self, launch: Launch) -> str:
        """What a person pastes who writes the file by hand."""
        if self.toml:
            return table(launch)
        whole: dict[str, Any] = {self.section: {NAME: self.entry(launch)}}
        return json.dumps(whole, indent=2, ensure_ascii=False)


def table(launch: Launch) -> str:
    """The entry in TOML. JSON's texts are texts of TOML, too, where all of them is printable."""

    def text(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [
        f"[mcp_servers.{NAME}]",
        f"command = {text(launch.command)}",
        f"args = {text(list(launch.args))}",
    ]
    if launch.environ:
        inner = ", ".join(f"{key} = {text(value)}" for key, value in launch.environ.items())
        lines.append(f"env = {{ {inner} }}")
    return "\n".join(lines)


def _home(*parts: str) -> str:
    return os.path.join(os.path.expanduser("~"), *parts)


def _of_desktop(environ: Mapping[str, str], *parts: str) -> str:
    """Where programs with a window keep their settings."""
    if sys.platform == "win32":
        return os.path.join(environ.get("APPDATA") or _home("AppData", "Roaming"), *parts)
    if sys.platform == "darwin":
        return _home("Library", "Application Support", *parts)
    return os.path.join(environ.get("XDG_CONFIG_HOME") or _home(".config"), *parts)


def _claude_code(environ: Mapping[str, str]) -> str:
    return os.path.join(environ.get("CLAUDE_CONFIG_DIR") or _home(), ".claude.json")


def _codex(environ: Mapping[str, str]) -> str:
    return os.path.join(environ.get("CODEX_HOME") or _home(".codex"), "config.toml")


def _adds(*words: str) -> Callable[[Launch], str]:
    """`PROGRAM mcp add arcrun -- COMMAND`."""

    def line(launch: Launch) -> str:
        given = [word for pair in launch.environ.items() for word in ("--env", "=".join(pair))]
        # The name first: what takes several values would take it for one of them.
        return shlex.join([*words, NAME, *given, "--", *launch.words])

    return line


def _cursor_link(launch: Launch) -> str:
    config = json.dumps(HOSTS["cursor"].entry(launch)).encode()
    encoded = quote(base64.b64encode(config).decode(), safe="")
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={encoded}"


def _code_line(launch: Launch) -> str:
    entry = {"name": NAME, **HOSTS["vscode"].entry(launch)}
    return shlex.join(["code", "--add-mcp", json.dumps(entry)])


HOSTS = {
    "claude-code": Host(
        _claude_code, ".mcp.json", "mcpServers",
        command=_adds("claude", "mcp", "add", "--scope", "user"),
    ),
    "claude-desktop": Host(
        lambda environ: _of_desktop(environ, "Claude", "claude_desktop_config.json"), "",
        "mcpServers",
    ),
    "cursor": Host(
        lambda _: _home(".cursor", "mcp.json"), ".cursor/mcp.json", "mcpServers",
        command=_cursor_link,
    ),
    "vscode": Host(
        lambda environ: _of_desktop(environ, "Code", "User", "mcp.json"), ".vscode/mcp.json",
        "servers", typed=True, command=_code_line,
    ),
    "codex": Host(
        _codex, ".codex/config.toml", "mcp_servers", toml=True,
        command=_adds("codex", "mcp", "add"),
    ),
    "gemini": Host(
        lambda _: _home(".gemini", "settings.json"), ".gemini/settings.json", "mcpServers",
    ),
}  # fmt: skip
"""By the names that `--client` takes."""
