"""Running the application: the socket it listens at, and the server below it."""

from __future__ import annotations

import socket


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 for one that is free. OSError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY on what says that it is TCP alone: else every answer waits 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError:
        sock.close()
        raise
    return sock
