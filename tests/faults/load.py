"""Many clients of one server at once, over connections that are kept: what they get, how fast."""

from __future__ import annotations

import json
import selectors
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tests.servers import GUARD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Client:
    """One connection with its key, and the requests that it sends, one after the other."""

    def __init__(self, port: int, key: str, requests: Sequence[tuple[str, str, Any]]) -> None:
        self._waiting = iter([_request(key, *each) for each in requests])
        self.answers: list[Any] = []
        self.seconds: list[float] = []
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = bytearray()
        self._sent = 0.0

    def send(self) -> bool:
        """Sends the next request; False where there is none."""
        request = next(self._waiting, None)
        if request is None:
            return False
        self._sent = time.perf_counter()
        self.sock.sendall(request)
        return True

    def receive(self) -> bool:
        """Takes what has come; True where that ends an answer."""
        piece = self.sock.recv(1 << 18)
        assert piece, "the server hung up"
        self._data += piece
        head, mark, body = bytes(self._data).partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
        if not mark or len(body) < length:
            return False
        self.seconds.append(time.perf_counter() - self._sent)
        self.answers.append((int(head[9:12]), json.loads(body)))
        self._data.clear()
        return True


class Load:
    """What one run of all clients took."""

    def __init__(self, clients: Sequence[Client]) -> None:
        started = time.perf_counter()
        self.clients = clients
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            for client in clients:
                stack.enter_context(client.sock)
                if client.send():
                    selector.register(client.sock, selectors.EVENT_READ, client)
            while selector.get_map():
                ready = selector.select(GUARD)
                assert ready, "the server hangs"
                for key, _ in ready:
                    if key.data.receive() and not key.data.send():
                        selector.unregister(key.fileobj)
        self.taken = time.perf_counter() - started
        self.seconds = sorted(second for client in clients for second in client.seconds)

    def answers(self) -> Iterator[Any]:
        """(status, body) of all, client by client."""
        for client in self.clients:
            yield from client.answers

    def __str__(self) -> str:
        at = [self.seconds[int(len(self.seconds) * part)] * 1000 for part in (0.5, 0.99)]
        return f"{len(self.seconds) / self.taken:.0f}/s, p50 {at[0]:.0f} ms, p99 {at[1]:.0f} ms"


def _request(key: str, method: str, path: str, body: Any) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-arcrun-api-key: {key}\r\n"
    if content:
        head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content
