"""Raw requests to a page of this machine: what browsers send, and what no browser would."""

from __future__ import annotations

import socket
from contextlib import closing

HANG = 30.0  # a guard against hanging, no measure of anything


def send(port, data, host="127.0.0.1"):
    """What is answered to these bytes; what was read until then, where the line breaks."""
    with closing(socket.create_connection((host, port), timeout=HANG)) as sock:
        read = b""
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                read += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
        return read.decode()


def ask(port, path, *, method="GET", body="", host=None, **headers):
    """The answer to one request. An empty header is left out; `_` stands for `-`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return send(port, "\r\n".join([*lines, "", body]).encode())


def post(port, path, body, **headers):
    """As a form of our own page comes; each header may be another one."""
    ours = {
        "Origin": f"http://127.0.0.1:{port}",
        "Content_Type": "application/x-www-form-urlencoded",
        "Content_Length": str(len(body)),
    }
    return ask(port, path, method="POST", body=body, **(ours | headers))


def status(answer):
    return int(answer.split()[1])
