"""Who is at the other end of a connection on this machine?

A link that a browser is started with stands in the list of processes, where every user of the
machine can read it and be faster. Linux tells whose a socket is (proc_pid_net(5)).
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ROOT = 0  # who forwards ports (containers, WSL), and may do whatever they like


def is_stranger(sock: socket.socket) -> bool:
    """Whether the client of an accepted connection over loopback is another user's. False where
    the system does not tell."""
    try:
        theirs, ours = sock.getpeername()[:2], sock.getsockname()[:2]
    except OSError:  # it has gone
        return False
    pairs = zip(_spelled(*theirs), _spelled(*ours), strict=True)
    wanted = {" ".join(pair) for pair in pairs}
    for table in _TABLES:
        with suppress(OSError), open(table, encoding="ascii") as file:
            found = owner(file.read(), wanted)
            if found is not None:
                return found not in (os.geteuid(), _ROOT)
    return False


def owner(table: str, wanted: set[str]) -> int | None:
    """The user id beside the local and remote address that are `wanted`; None where there is none.

    >>> owner("0: 0100007F:1F90 0100007F:A1 01 0:0 00:0 0 1000 0", {"0100007F:1F90 0100007F:A1"})
    1000
    """
    for line in table.splitlines():
        parts = line.split()
        if " ".join(parts[1:3]) in wanted:
            return int(parts[7])
    return None


def _spelled(host: str, port: int) -> tuple[str, ...]:
    """An address as the tables have it: by words, in the order of this machine; one of IPv4 also
    as programs have it that know IPv6 alone (RFC 4291 §2.5.5.2)."""
    address = ip_address(host.partition("%")[0])
    packed = [address.packed]
    if address.version == 4:  # noqa: PLR2004 - of the Internet Protocol
        packed.append(bytes(10) + b"\xff\xff" + address.packed)
    words = (struct.unpack(f"={len(each) // 4}I", each) for each in packed)
    return tuple("".join(f"{word:08X}" for word in each) + f":{port:04X}" for each in words)
