"""Who is at the other end of a connection on this machine?

A link that a browser is started with stands in the list of processes, where every user of the
machine can read it and be faster. Linux tells whose a socket is (sock_diag(7), proc_pid_net(5)).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ROOT = 0  # who forwards ports (containers, WSL), and may do whatever they like

# Of sock_diag(7) and netlink(7): the protocol, the request's type and flag, "all that there are",
# and where the user id stands in the answer (after the head, and inet_diag_msg up to it).
_DIAG, _BY_FAMILY, _REQUEST, _ANY, _UID = 4, 20, 1, 0xFFFFFFFF, 16 + 64
_SECONDS = 1.0
"""How long may the answer take? The kernel gives it while it is being asked."""


def is_stranger(sock: socket.socket) -> bool:
    """Whether the client of an accepted connection over loopback is another user's. False where
    the system does not tell."""
    try:
        theirs, ours = sock.getpeername()[:2], sock.getsockname()[:2]
    except OSError:  # it has gone
        return False
    found = _asked(theirs, ours)
    if found is None:
        found = _looked_up(theirs, ours)
    return found is not None and found not in (os.geteuid(), _ROOT)


def _asked(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The user id that the kernel says, by sock_diag(7): at once, however many connections there
    are. None where it may not be asked, or does not answer."""
    if sys.platform != "linux":
        return None
    source, target = ip_address(theirs[0]), ip_address(ours[0])
    family = socket.AF_INET if source.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    named = struct.pack("!HH16s16s", theirs[1], ours[1], source.packed, target.packed)
    request = struct.pack("=BBxxI", family, socket.IPPROTO_TCP, _ANY) + named
    request += struct.pack("=III", 0, _ANY, _ANY)  # at any interface, with any cookie
    head = struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _REQUEST, 0, 0)
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.sendto(head + request, (0, 0))
        answer = kernel.recv(4096)
        if struct.unpack_from("=IH", answer)[1] == _BY_FAMILY:
            return int(struct.unpack_from("=I", answer, _UID)[0])
    return None


def _looked_up(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The same from the tables of all connections, which are long where there are many."""
    pairs = zip(_spelled(*theirs), _spelled(*ours), strict=True)
    wanted = {" ".join(pair) for pair in pairs}
    for table in _TABLES:
        with suppress(OSError), open(table, encoding="ascii") as file:
            found = owner(file.read(), wanted)
            if found is not None:
                return found
    return None


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
