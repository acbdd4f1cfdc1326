"""An API on this machine that streams, a broker that is connected to it, and a proxy before it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import yaml

from arcrun_auth.agents.gateway import Gateway
from arcrun_auth.agents.proxy import Proxy, new_session
from arcrun_auth.broker import Broker
from tests import canary
from tests.servers import GUARD, Seen, end
from tests.world import Told, master_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

HOUR = 3600.0

COMPLETION = {
    "id": "c-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "Hello there"}}],
}  # fmt: skip


def _part(text: str, end: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": end}
    data = {**COMPLETION, "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n".encode()


class Api:
    """Answers like the API of a language model, echoes what it is sent, and lets nobody else in.

    `/v1/echo` gives back the headers and the query, `/v1/drip` a part, and the rest when `gate`
    is set; `left` is set when its client has hung up meanwhile.
    """

    def __init__(self) -> None:
        self.key = canary.fresh("key")
        self.seen: list[Seen] = []
        self.gate, self.dripping, self.left = (threading.Event() for _ in range(3))
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(length))
                api.seen.append(seen)
                api.respond(self, seen)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

            def whole(self, data: Any, status: int = 200, **headers: str) -> None:
                body = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def parts(self, kind: str, parts: Iterable[bytes]) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for part in itertools.chain(parts, [b""]):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.admits = lambda seen: seen.headers.get("authorization") == f"Bearer {self.key}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def respond(self, handler: Any, seen: Seen) -> None:
        path = seen.target.partition("?")[0]
        if not self.admits(seen):
            handler.whole({"error": {"message": "unauthorized"}}, 401)
        elif path.endswith("/echo"):
            handler.whole(
                {"headers": seen.headers, "target": seen.target, "body": seen.body.decode()},
                set_cookie=f"sid={self.key}", x_request_id="r-1",
                access_control_allow_origin="*",
            )  # fmt: skip
        elif path.endswith("/break"):
            handler.parts("text/plain", self._broken(handler))
        elif path.endswith("/drip"):
            handler.parts("text/plain", self._drip(handler))
        elif path.endswith("/chat/completions"):
            if json.loads(seen.body).get("stream"):
                # The key among the words of the model, cut in two.
                parts = [_part("Hello "), _part("there", "stop"), b": " + self.key[:9].encode(),
                         self.key[9:].encode() + b"\n\n", b"data: [DONE]\n\n"]  # fmt: skip
                handler.parts("text/event-stream", parts)
            else:
                handler.whole(COMPLETION)
        elif path.endswith("/models"):
            handler.whole({"object": "list", "data": [
                {"id": "m", "object": "model", "created": 1, "owned_by": "x"}]})  # fmt: skip
        else:
            handler.whole({"ok": True})

    def _broken(self, handler: Any) -> Iterator[bytes]:
        yield b"half"
        handler.connection.shutdown(socket.SHUT_RDWR)
        yield b"the rest"

    def _drip(self, handler: Any) -> Iterator[bytes]:
        yield b"first\n"
        self.dripping.set()
        deadline = time.monotonic() + GUARD
        handler.connection.settimeout(0.05)
        while not self.gate.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if not handler.connection.recv(1):
                    self.left.set()
                    return
        yield b"second\n"

    def close(self) -> None:
        self.gate.set()
        end(self._server)

    def recipe(self, service: str = "fake", **changes: Any) -> str:
        found = {
            "service": service,
            "base_url": f"{self.origin}/v1",
            "required_secrets": [{"key": "api_key", "env": [f"{service.upper()}_API_KEY"]}],
            "test": {"path": "/models"},
            "agent": {"read": [{"path": "/search"}]},
            "deny_paths": ["/keys/**"],
            **changes,
        }
        return str(yaml.safe_dump(found))


class Desk:
    """A home that is connected to the API, and proxies before it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.api = Api()
        self._stack = contextlib.ExitStack()
        self.home = folder / "home"
        (self.home / "recipes").mkdir(parents=True, mode=0o700)
        self.environ = master_key()
        self.add("fake", **changes)
        self.broker = self.new_broker()
        self.broker.setup("fake", api_key=self.api.key)

    def add(self, service: str, **changes: Any) -> None:
        text = self.api.recipe(service, **changes)
        (self.home / "recipes" / f"{service}.yaml").write_text(text)

    def new_broker(self) -> Broker:
        broker = Broker(
            home=str(self.home), environ=self.environ, person=Told(),
            allow_hosts=[self.api.origin],
        )  # fmt: skip
        self._stack.callback(broker.close)
        return broker

    def proxy(self, *names: str, client: str = "tester", ends: float | None = None,
              a_minute: int = 600, **options: Any) -> Client:  # fmt: skip
        """A proxy that runs until the end of the test, and a client of it."""
        services = tuple(self.broker.named(name) for name in names)
        session, bearer = new_session(
            client, services, time.time() + HOUR if ends is None else ends
        )
        gateway = Gateway(self.broker, client=client, a_minute=a_minute)
        self._stack.callback(gateway.close)
        proxy = Proxy(gateway, session, **options)
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        self._stack.callback(_ended, proxy, thread)
        return Client(proxy, bearer.reveal())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.gate.set()
        self._stack.close()
        self.api.close()


def _ended(proxy: Proxy, thread: threading.Thread) -> None:
    proxy.stop()
    thread.join(GUARD)
    assert not thread.is_alive()


class Answered:
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Somebody who holds the bearer."""

    def __init__(self, proxy: Proxy, bearer: str) -> None:
        self.proxy, self.bearer = proxy, bearer

    @property
    def authority(self) -> str:
        return self.proxy.origin.removeprefix("http://")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.authority, timeout=GUARD)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.bearer}"}

    def __call__(
        self, method: str, target: str, body: bytes | None = None,
        headers: Mapping[str, str] | None = None, *, bearer: bool = True,
    ) -> Answered:  # fmt: skip
        given = self.authorization if bearer else {}
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, target, body, given | dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())
