"""Row 15: the sync server beside what others would build it with, one worker each."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from bench.board import Goal, Row
from bench.measure import rounds
from bench.processes import PYTHON, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS = 16
EACH = 1500
"""How many requests has one sample?"""
NAMES = 1000

PEERS = {"fastapi": Goal(0.77), "raw ASGI": Goal(1.43)}
"""1.3 times as many requests as the one, 0.7 times as many as the other."""
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def row_15(runs: int) -> Row:
    """One row written, one row read, with the key looked up, and the disk synced for a write."""
    row = Row(15, "sync server on SQLite, one worker")
    with contextlib.ExitStack() as stack:
        served = {name: stack.enter_context(_served(name)) for name in ("ours", *PEERS)}
        for what, request in (("POST", _post), ("GET", _get)):
            subjects = {
                name: _load(port, [request(key, n) for n in range(NAMES)])
                for name, (port, key) in served.items()
            }
            found = rounds(subjects, runs)
            row.compare(f"{what} /credentials, {CONNECTIONS} connections", found, PEERS)
    return row


@contextlib.contextmanager
def _served(kind: str) -> Iterator[tuple[int, str]]:
    """The port of a server in a process of its own, and a key of an account there."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [PYTHON, "-m", "bench.serving_desk", kind, folder], cwd=HERE,
            stdout=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        try:
            assert process.stdout is not None
            port, key = process.stdout.readline().split()
            yield int(port), key.decode()
        finally:
            process.terminate()
            process.communicate()


def _post(key: str, number: int) -> bytes:
    row = {
        "name": f"s_{number:040x}",
        "encrypted": base64.b64encode(os.urandom(512)).decode(),
        "iv": base64.b64encode(os.urandom(12)).decode(),
    }
    body = json.dumps(row)
    return (
        f"POST /credentials HTTP/1.1\r\nhost: localhost\r\nx-arcrun-api-key: {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _get(key: str, number: int) -> bytes:
    return (
        f"GET /credentials/s_{number:040x} HTTP/1.1\r\nhost: localhost\r\n"
        f"x-arcrun-api-key: {key}\r\n\r\n"
    ).encode()


def _load(port: int, requests: list[bytes]) -> Callable[[], float]:
    """A subject: so many requests over kept connections; the seconds of one."""

    def timed() -> float:
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            socks = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(CONNECTIONS)
            ]
            for sock in socks:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(sock, selectors.EVENT_READ, bytearray())
            started = time.perf_counter()
            for sent, sock in enumerate(socks):
                sock.sendall(requests[sent % len(requests)])
            sent, done = len(socks), 0
            while done < EACH:
                for found, _ in selector.select():
                    found.data.extend(found.fileobj.recv(65536))
                    if not _whole(found.data):
                        continue
                    done += 1
                    found.data.clear()
                    if sent < EACH:
                        found.fileobj.sendall(requests[sent % len(requests)])
                        sent += 1
            return (time.perf_counter() - started) / EACH

    return timed


def _whole(data: bytearray) -> bool:
    """Whether a whole answer is there. RuntimeError for one that is no success."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return False
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise RuntimeError(head.split(b"\r\n")[0].decode())
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
