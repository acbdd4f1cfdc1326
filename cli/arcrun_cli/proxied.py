"""A proxy for one command: a process of its own, which ends when this one does.

It is no thread of this process: to run a command, signals are held and terminals forked here,
and a server would be in the way of both. Its standard input is what ends it: it closes with us,
however we end.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from arcrun_cli import programs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SECONDS = 10
"""How long may it take to end, once its input has?"""

SPAN = "30d"
"""For how long is the session, if the command runs as long?"""


class NotServed(Exception):
    """The proxy has not come up. It has said why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__("the proxy has not come up")
        self.code = code


@contextmanager
def serving(names: Sequence[str], client: str | None) -> Iterator[dict[str, Any]]:
    """What `arcrun proxy --json` says, as long as it is entered. Raises NotServed."""
    words = ["proxy", "--json", "--until-eof", "--for", SPAN]
    words += ["--client", client] if client else []
    process = subprocess.Popen(  # noqa: S603 - this very command
        [*programs.executable(), *words, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the command, which may go on
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdout:
            told = _told(process.stdout)
        if told is None or "error" in told:
            raise NotServed(process.wait(SECONDS))
        yield told
    finally:
        process.stdin.close()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told(lines: Iterable[bytes]) -> dict[str, Any] | None:
    """The object that it prints; it goes on, so that there is no end to read to."""
    found = b""
    for line in lines:
        found += line
        if line.rstrip() == b"}":
            data: dict[str, Any] = json.loads(found)
            return data
    return None
