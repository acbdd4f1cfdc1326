"""What strace tells of a process: its system calls, one by one, in order."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CALL = re.compile(r"^(?:(\d+) +)?(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
_UNFINISHED = re.compile(r"^(?:(\d+) +)?(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(?:(\d+) +)?<\.\.\. (\w+) resumed>(.*)$")
_DESCRIPTOR = re.compile(r"\d+<(?:TCP\w*:\[([^\]]*)\]|([^>]*))>")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Call:
    """One system call that came back: `data` is every string among its arguments, decoded."""

    pid: int
    name: str
    arguments: str
    result: int
    rest: str

    @property
    def fd(self) -> int:
        found = re.match(r"(\d+)", self.arguments)
        return int(found[1]) if found else -1

    @property
    def strings(self) -> list[bytes]:
        return [bytes.fromhex(text.replace("\\x", "")) for text in _HEX.findall(self.arguments)]

    @property
    def peer(self) -> str:
        """Where a socket's other end is (`127.0.0.1:80`), or the path of a file; with `-yy`."""
        found = _DESCRIPTOR.match(self.arguments)
        if found is None:
            return ""
        if found[1] is not None:
            return found[1].rpartition("->")[2]
        return _ESCAPED.sub(lambda byte: chr(int(byte[1], 16)), found[2])

    @property
    def data(self) -> bytes:
        return b"".join(self.strings)


def command(log: str, calls: Sequence[str], *options: str) -> list[str]:
    """The words before the command to be traced. Skips where there is no strace."""
    needs(shutil.which("strace"), "strace")
    trace = f"trace={','.join(calls)}"
    return ["strace", "-f", "-qq", "-o", log, "-xx", "-s", "1048576", "-e", trace,
            "-e", "signal=none", *options]  # fmt: skip


def read(log: str) -> Iterator[Call]:
    """The calls of a trace, in the order in which they came back."""
    waiting: dict[tuple[str, str], str] = {}
    with open(log, encoding="ascii", errors="replace") as file:
        for line in file:
            text = line.rstrip("\n")
            begun = _UNFINISHED.match(text)
            if begun:
                waiting[begun[1] or "0", begun[2]] = begun[3]
                continue
            resumed = _RESUMED.match(text)
            if resumed:
                first = waiting.pop((resumed[1] or "0", resumed[2]), "")
                text = f"{resumed[1] or 0} {resumed[2]}({first}{resumed[3]}"
            found = _CALL.match(text)
            if found:
                result = -1 if found[4] == "?" else int(found[4])
                yield Call(int(found[1] or 0), found[2], found[3], result, found[5])
