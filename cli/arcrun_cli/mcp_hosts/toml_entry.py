"""The server in a client's file of TOML, which is edited as text: comments and order stay.

What the text became is read again: it has to say what it said before, but for our server.
"""

from __future__ import annotations

import copy
import re
import tomllib
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, printable
from arcrun_cli.helpers.edits import Edit, read
from arcrun_cli.mcp_hosts.hosts import table
from arcrun_cli.mcp_hosts.launch import NAME, check_ours, kept

if TYPE_CHECKING:
    from arcrun_cli.mcp_hosts.hosts import Host
    from arcrun_cli.mcp_hosts.launch import Launch

_HEADER = re.compile(r"\s*\[")
_MINE = re.compile(rf"\s*\[\s*mcp_servers\s*\.\s*{NAME}\s*(?:\.|\])")
_START = re.compile(rf"\s*\[\s*mcp_servers\s*\.\s*{NAME}\s*\]")
_KEY = re.compile(r"\s*(command|args)\s*=")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def install(path: str, host: Host, launch: Launch, *, shared: bool) -> Edit:
    """The file with the server. AuthError where another one has its name, or where the text
    cannot be edited safely."""
    before, text, data = _read(path)
    wanted = copy.deepcopy(data)
    servers = wanted.setdefault(host.section, {})
    old = servers.get(NAME) if isinstance(servers, dict) else None
    if old is None:
        lines = table(launch).split("\n")
        after = _appended(text, table(launch))
        if isinstance(servers, dict):
            servers[NAME] = host.entry(launch)
    else:
        check_ours(old, path)
        own = kept(old, launch)
        if {key: old.get(key) for key in own} == own:
            return Edit(path, before, before or b"", ())
        servers[NAME] = {**old, **own}
        renewed = table(type(launch)(launch.command, tuple(own["args"])))
        lines = renewed.split("\n")
        after = _replaced(text, renewed)
    _must_say(after, wanted, path, host.text(launch))
    shown = tuple(f"+ {line}" for line in lines)
    return Edit(path, before, after.encode(), shown, shared)


def remove(path: str, host: Host) -> Edit:
    """The file without the server, and without the tables below it."""
    before, text, data = _read(path)
    servers = data.get(host.section)
    if not isinstance(servers, dict) or NAME not in servers:
        return Edit(path, before, before or b"", ())
    check_ours(servers[NAME], path)
    wanted = copy.deepcopy(data)
    del wanted[host.section][NAME]
    if not wanted[host.section]:
        del wanted[host.section]
    after = _without(text)
    _must_say(after, wanted, path, "")
    return Edit(path, before, after.encode(), (f"- [mcp_servers.{NAME}]",))


def _read(path: str) -> tuple[bytes | None, str, dict[str, Any]]:
    before = read(path)
    try:
        text = (before or b"").decode()
        return before, text, tomllib.loads(text)
    except (ValueError, RecursionError):
        raise AuthError(f"{printable(path)} is no TOML: it was left alone.") from None


def _must_say(after: str, wanted: dict[str, Any], path: str, paste: str) -> None:
    """AuthError where the edited text does not say what is wanted, and that alone."""
    try:
        same = tomllib.loads(after) == wanted
    except ValueError:
        same = False
    if not same:
        raise AuthError(
            f"{printable(path)} is written in a way that cannot be edited safely: it was left "
            "alone.",
            hint=f"write it yourself:\n{paste}" if paste else "take it out yourself",
        )


def _newline(text: str) -> str:
    return "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"


def _appended(text: str, block: str) -> str:
    newline = _newline(text)
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + block.replace("\n", newline) + newline


def _replaced(text: str, block: str) -> str:
    """The two lines of the table that say what is started; a value of several lines is not one."""
    new = dict(zip(("command", "args"), block.split("\n")[1:3], strict=True))
    lines, within = _LINE.findall(text), False
    for at, line in enumerate(lines):
        if _HEADER.match(line):
            within = _START.match(line) is not None
        elif within and (key := _KEY.match(line)):
            lines[at] = new[key[1]] + line[len(line.rstrip("\r\n")) :]
    return "".join(lines)


def _without(text: str) -> str:
    """Without our tables; comments and empty lines right above the next one are that one's."""
    kept_lines: list[str] = []
    held: list[str] = []
    within = False
    for line in _LINE.findall(text):
        if _HEADER.match(line):
            if not (mine := _MINE.match(line) is not None):
                kept_lines += held
            held, within = [], mine
        if not within:
            kept_lines.append(line)
        elif line.lstrip().startswith("#") or not line.strip():
            held.append(line)
        else:
            held = []
    return "".join([*kept_lines, *held])
