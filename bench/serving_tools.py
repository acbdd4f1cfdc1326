"""Row 16: `arcrun mcp`, from its start to the answer of `initialize`."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from bench import place
from bench.board import Goal, Row
from bench.measure import rounds
from bench.processes import PYTHON, command, script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HANG = 60
"""After how many seconds do we call a server hung?"""

ALONE = "import mcp"
"""Taking the interpreter apart is no part of either: both end at once."""
_BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")

@server.tool()
def echo(text: str) -> str:
    return text

server.run()
"""
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}


def row_16(runs: int) -> Row:
    """Beside the import of the SDK, which any server that is written with it pays first."""
    row = Row(16, "arcrun mcp: start to initialize answered")
    arcrun = script("arcrun")
    if arcrun is None:
        row.notes.append("the command arcrun is not installed beside this interpreter")
        return row
    with place.home() as home:
        vault = home.vault()
        place.fill(vault, [place.static_key()])
        vault.close()
        found = rounds(
            {
                "arcrun mcp": answering([arcrun, "mcp"], home.environ),
                ALONE: command([PYTHON, "-c", f"{ALONE}, os; os._exit(0)"], home.environ),
                "an MCPServer with one tool": answering([PYTHON, "-c", _BARE], home.environ),
            },
            runs,
        )
        row.compare(
            "arcrun mcp, to initialize answered",
            found,
            {ALONE: Goal(1.2)},
            why="the command line and the event loop come on top of the SDK, which is most of it",
            cpu=True,
        )
    return row


def answering(args: Sequence[str], env: Mapping[str, str]) -> Callable[[], tuple[float, float]]:
    """A subject: a server on stdin and stdout, from its start to its first answer, in wall and
    CPU seconds. RuntimeError if that is none."""
    request = json.dumps(_INITIALIZE).encode() + b"\n"

    def timed() -> tuple[float, float]:
        (stdin, ours), (theirs, stdout) = os.pipe(), os.pipe()
        started = time.perf_counter()
        pid = os.posix_spawn(
            args[0], args, env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_CLOSE, ours),
                (os.POSIX_SPAWN_CLOSE, theirs),
            ],
        )  # fmt: skip
        os.close(stdin)
        os.close(stdout)
        try:
            os.write(ours, request)
            line = _line(theirs)
            wall = time.perf_counter() - started
        finally:
            # How it ends is no part of it.
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            os.close(ours)
            os.close(theirs)
        if json.loads(line)["result"]["protocolVersion"] != "2025-11-25":
            raise RuntimeError(f"{args[0]} has answered something else")
        return wall, usage.ru_utime + usage.ru_stime

    return timed


def _line(number: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        if not select.select([number], [], [], HANG)[0]:
            raise RuntimeError("no answer came")
        more = os.read(number, 1 << 16)
        if not more:
            raise RuntimeError("the server has ended without an answer")
        found += more
    return found
