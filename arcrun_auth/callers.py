"""Who is at the other end of a connection on this machine?

A link that a browser is started with stands in the list of processes, where every user of the
machine can read it and be faster. Linux tells whose a socket is: by a question for that one socket
(sock_diag(7)), or else in a table of all of them (proc_pid_net(5)), which takes a third of a second
to read where there are thousands.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    Address = tuple[IPv4Address | IPv6Address, int]

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ROOT = 0  # who forwards ports (containers, WSL), and may do whatever they like

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _REQUEST = 20, 1  # SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST
_PATIENCE = 1.0
"""For how many seconds does the kernel have the time to answer? It does so at once, or never."""

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_WANTED = struct.Struct("=BBBxI")  # the head of struct inet_diag_req_v2
_PORTS = struct.Struct("!HH")  # of struct inet_diag_sockid, then two addresses of 16 bytes
_ANY_SOCKET = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # its interface, and no cookie
_FOUND = struct.Struct("=4x48x12xII")  # struct inet_diag_msg: user id, inode


class Owner(NamedTuple):
    """Whose a socket is. No inode: no process holds it any more, and the user is not told."""

    user: int
    inode: int


def is_stranger(sock: socket.socket) -> bool:
    """Whether the client of an accepted connection over loopback is another user's, or has gone
    before it could be told. False where the system does not tell."""
    try:
        theirs, ours = _address(sock.getpeername()), _address(sock.getsockname())
    except OSError:
        return False  # nobody is there
    found = _asked(theirs, ours) or _looked_up(theirs, ours)
    return found is not None and (not found.inode or found.user not in (os.geteuid(), _ROOT))


def _address(name: tuple[str, int]) -> Address:
    return ip_address(name[0].partition("%")[0]), name[1]


# -- Asked for ----------------------------------------------------------------------------


def _asked(theirs: Address, ours: Address) -> Owner | None:
    """What the kernel answers about one socket; None where it does not know such a question."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return None
    with suppress(OSError), socket.socket(family, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.sendto(_question(theirs, ours), (0, 0))
        return _answer(kernel.recv(4096))
    return None


def _question(theirs: Address, ours: Address) -> bytes:
    family = socket.AF_INET if theirs[0].version == 4 else socket.AF_INET6  # noqa: PLR2004 - of IP
    ends = b"".join(host.packed.ljust(16, b"\0") for host, _ in (theirs, ours))
    wanted = (
        _WANTED.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
        + _PORTS.pack(theirs[1], ours[1])
        + ends
        + _ANY_SOCKET
    )
    return _HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _REQUEST, 0, 0) + wanted


def _answer(message: bytes) -> Owner | None:
    if len(message) < _HEADER.size + _FOUND.size or _HEADER.unpack_from(message)[1] != _BY_FAMILY:
        return None  # an error: no such socket, or no module that knows
    return Owner(*_FOUND.unpack_from(message, _HEADER.size))


# -- Looked up ----------------------------------------------------------------------------


def _looked_up(theirs: Address, ours: Address) -> Owner | None:
    wanted = {" ".join(pair) for pair in zip(_spelled(*theirs), _spelled(*ours), strict=True)}
    for table in _TABLES:
        with suppress(OSError), open(table, encoding="ascii") as file:
            found = owner(file.read(), wanted)
            if found is not None:
                return found
    return None


def owner(table: str, wanted: set[str]) -> Owner | None:
    """Whose is the line with the local and remote address that are `wanted`; None without one.

    >>> line = "0: 0100007F:1F90 0100007F:A1 01 0:0 00:0 0 1000 0 4711"
    >>> owner(line, {"0100007F:1F90 0100007F:A1"})
    Owner(user=1000, inode=4711)
    """
    for line in table.splitlines():
        parts = line.split()
        if " ".join(parts[1:3]) in wanted:
            return Owner(int(parts[7]), int(parts[9]))
    return None


def _spelled(address: IPv4Address | IPv6Address, port: int) -> tuple[str, ...]:
    """An address as the tables have it: by words, in the order of this machine; one of IPv4 also
    as programs have it that know IPv6 alone (RFC 4291 §2.5.5.2)."""
    packed = [address.packed]
    if address.version == 4:  # noqa: PLR2004 - of the Internet Protocol
        packed.append(bytes(10) + b"\xff\xff" + address.packed)
    words = (struct.unpack(f"={len(each) // 4}I", each) for each in packed)
    return tuple("".join(f"{word:08X}" for word in each) + f":{port:04X}" for each in words)
