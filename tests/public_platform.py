"""The public platform, as it was recorded: its shapes, its faults, its plain values.

It stands in for a service that no test may reach. Nothing it does is what ours does.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.servers import end

NOT_FOUND = 404, "404 Not Found"
KEY = "ak_" + "0123456789abcdef" * 3


class PublicPlatform:
    """A server on port 0 of loopback. `sealed` takes ciphertext, as ours does."""

    def __init__(self, *, sealed: bool = False) -> None:
        self.sealed = sealed
        self.rows: dict[str, dict[str, Any]] = {}
        self.workflows: dict[str, dict[str, Any]] = {}
        self.result: object = {"sum": 3}
        self.wrong: tuple[int, str, str] | None = None
        """Status, content type and body of whatever is asked next, until it is None again."""
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        handler = type("Handler", (_Handler,), {"platform": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        end(self._server)

    def answer(self, method: str, path: str, key: str, body: Any) -> tuple[int, object]:
        routes = {
            ("GET", "/health"): lambda: (200, {"ok": True}),
            ("POST", "/credentials"): lambda: self._kept(body),
            ("GET", "/credentials"): lambda: (200, self._listed()),
            ("DELETE", "/credentials/"): lambda: self._forgotten(path.rpartition("/")[2]),
            ("POST", "/webhooks/named"): lambda: self._stored(body),
            ("GET", "/webhooks/named"): lambda: (200, self._workflows()),
            ("POST", "/webhooks/named/"): lambda: self._run(path.split("/")[3]),
            ("DELETE", "/webhooks/named/"): lambda: self._ended(path.rpartition("/")[2]),
        }
        path = path.partition("?")[0]
        if path != "/health" and not key:
            return 401, {"success": False, "error": "缺少 API key"}
        found = routes.get((method, path))
        for (verb, begun), route in routes.items():
            if verb == method and begun.endswith("/") and path.startswith(begun):
                found = route
        return found() if found else NOT_FOUND

    def _listed(self) -> object:
        rows = [*self.rows.values()][:200]
        return {"success": True, "credentials": rows, "total": len(self.rows)}

    def _forgotten(self, name: str) -> tuple[int, object]:
        if self.rows.pop(name, None) is None:
            return 404, {"success": False, "error": "找不到憑證"}
        return 200, {"success": True, "name": name, "source": "user"}

    def _stored(self, body: Any) -> tuple[int, object]:
        name = body["name"]
        self.workflows[name] = {
            "name": name, "webhook_url": f"{self.url}/w/{name}",
            "description": body["description"], "created_at": "2026-11-01",
        }  # fmt: skip
        return 201, self.workflows[name]

    def _workflows(self) -> object:
        return {"workflows": [*self.workflows.values()], "total": len(self.workflows)}

    def _run(self, name: str) -> tuple[int, object]:
        return (200, self.result) if name in self.workflows else NOT_FOUND

    def _ended(self, name: str) -> tuple[int, object]:
        there = self.workflows.pop(name, None) is not None
        return (200, {"deleted": True, "name": name}) if there else NOT_FOUND

    def _kept(self, body: Any) -> tuple[int, object]:
        if not re.fullmatch(r"\w+", body.get("name", "")):
            return 400, {"success": False, "error": "name 格式錯誤"}
        if not self.sealed and "value" not in body:
            return 400, {"success": False, "error": "缺少 value"}
        row = {"name": body["name"], "service": None, "sensitivity": "high",
               "created_at": "2026-11-01", "last_used_at": None}  # fmt: skip
        self.rows[body["name"]] = row
        return 201, {"success": True, "name": body["name"]}


class _Handler(BaseHTTPRequestHandler):
    platform: PublicPlatform
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        del format, args

    def _serve(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(data) if data else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.platform.seen.append((self.command, self.path, headers, body))
        key = headers.get("x-arcrun-api-key", "")
        if self.platform.wrong is not None:
            self._send(*self.platform.wrong)
            return
        status, found = self.platform.answer(self.command, self.path, key, body)
        plain = (status, found) == NOT_FOUND
        kind = "text/plain" if plain else "application/json"
        text = str(found) if plain else json.dumps(found, ensure_ascii=False)
        self._send(status, kind, text)

    def _send(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - their names there
