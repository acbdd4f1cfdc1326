"""A port of this machine's loopback addresses, and of no other."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING

from arcrun_auth.errors import LoginFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

BACKLOG = 64
"""How many clients may wait to be accepted?"""
ANY = (0,) * 20
"""How many random ports do we try until one is free on both loopback addresses?"""


def bind(ports: Iterable[int], service: str | None) -> tuple[socket.socket, ...]:
    """Sockets that listen at the first free one of `ports`, 0 for any; LoginFailed at none."""
    tried: list[str] = []
    for port in ports:
        try:
            return listen_on_both(port)
        except OSError:
            tried.append(str(port))
    named = " ".join(sorted(set(tried) - {"0"}))
    raise LoginFailed(
        f"The port that the provider sends the browser back to is taken: {named}. "
        "Close what listens there (another login?)."
        if named
        else "No port of this machine's loopback address is free.",
        service=service,
        hint=f"arcrun setup {service}" if service else "Log in again.",
    )


def listen_on_both(port: int) -> tuple[socket.socket, ...]:
    """127.0.0.1 and ::1 on one port: browsers ask either when the name is localhost.

    OSError where it is taken on either.
    """
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    try:
        return first, _listen(socket.AF_INET6, "::1", first.getsockname()[1])
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):  # a stranger would get the code
            first.close()
            raise
        return (first,)  # a machine without IPv6


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take a port over that is in use.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Here it does not; it only lets a second login follow within a minute (TIME_WAIT).
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
