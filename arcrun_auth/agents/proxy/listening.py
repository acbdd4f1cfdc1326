"""Where the proxy listens: at this machine's loopback addresses, or at a Unix socket."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from arcrun_auth import ports
from arcrun_auth.errors import AuthError, printable
from arcrun_auth.stores import private

_GROUP_AND_OTHERS = 0o077
_REFUSED_SECONDS = 1.0
"""How long may somebody who listens at a socket's path take to let us in?"""


def on_loopback(port: int) -> tuple[socket.socket, ...]:
    """127.0.0.1 and ::1 at one port, 0 for any that is free on both. AuthError if it is taken."""
    for each in ports.ANY if port == 0 else (port,):
        with suppress(OSError):
            return ports.listen_on_both(each)
    raise AuthError(
        f"The port {port} of this machine is taken." if port else "No port is free here.",
        hint="arcrun proxy without --port takes one that is free",
    )


def at_socket(path: str) -> socket.socket:
    """A Unix socket, 0600, in a folder that is its owner's alone; that folder is made if need be.

    One that nobody listens at is replaced. AuthError for anything else that has this name, and
    for a folder that others can look into.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise AuthError("This system has no Unix sockets.", hint="arcrun proxy --port 0")
    folder = os.path.dirname(os.path.abspath(path))
    _check_folder(folder)
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o600)
        sock.listen(ports.BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise AuthError(
            f"The socket {printable(path)} cannot be made: {error.strerror or error}.",
            hint="choose a shorter path, in a folder of yours",
        ) from None
    return sock


def _check_folder(folder: str) -> None:
    if not os.path.isdir(folder):
        private.ensure_folder(folder)
    status = os.stat(folder)
    if status.st_uid != os.getuid() or status.st_mode & _GROUP_AND_OTHERS:
        # It is not made tighter here: others may need what else lies there.
        raise AuthError(
            f"Others can look into {printable(folder)}: no socket is put there.",
            hint=f"choose a folder of its own: mkdir -m 700 {printable(folder)}/arcrun",
        )


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise AuthError(
                f"{printable(path)} is there already, and is no socket.",
                hint="choose another --socket",
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.settimeout(_REFUSED_SECONDS)
        probe.connect(path)
        raise AuthError(
            f"Somebody listens at {printable(path)} already.", hint="choose another --socket"
        )
    os.unlink(path)
