"""A sync server in a process of its own: `python -m bench.serving_desk KIND FOLDER`.

Prints its port and an API key. The peers do the same work as ours: the key by its hash, the
account's next number, the row, one durable transaction; each in the way that suits it best.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
import time
from importlib import import_module
from typing import Any

import uvicorn

from arcrun_auth.server import accounts, running
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.database import open_database
from arcrun_auth.server.running import listening
from arcrun_auth.server.shapes import Register

NAME = re.compile(r"[A-Za-z0-9_]{1,128}")
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
WHO = (
    "SELECT k.id, k.kind, k.tail, k.row_names, k.expires_at, k.last_used_at, a.id, a.role"
    " FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.hash = ?"
)
NEXT = "UPDATE accounts SET seq = seq + ? WHERE id = ? RETURNING seq, row_count"
THERE = "SELECT fold, name, version, deleted FROM credentials WHERE account = ? AND fold IN (?)"
COUNT = "UPDATE accounts SET row_count = row_count + 1 WHERE id = ?"
PUT = """
INSERT INTO credentials (account, fold, name, sync, encrypted, iv, version, deleted, service,
                         sensitivity, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
ON CONFLICT (account, fold) DO UPDATE SET
  encrypted = excluded.encrypted, iv = excluded.iv, version = excluded.version, deleted = 0,
  service = excluded.service, sensitivity = excluded.sensitivity,
  updated_at = excluded.updated_at
"""
ONE = """
SELECT name, encrypted, iv, version, updated_at FROM credentials
WHERE account = ? AND fold = ? AND deleted = 0
"""


class Refused(Exception):
    """No valid key."""


class Rows:
    """The same SQL on one connection, where it is called: what a careful peer would write."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")

    def _account(self, key: str) -> str:
        found = self.db.execute(WHO, (hashlib.sha256(key.encode()).hexdigest(),)).fetchall()
        if not found or (found[0][4] is not None and found[0][4] <= time.time()):
            raise Refused
        return found[0][6]

    def put(self, key: str, name: str, encrypted: str, iv: str) -> dict[str, Any]:
        if not (NAME.fullmatch(name) and BASE64.fullmatch(encrypted) and BASE64.fullmatch(iv)):
            raise ValueError(name)
        self.db.execute("BEGIN IMMEDIATE")
        try:
            account, now, fold = self._account(key), time.time(), name.lower()
            version = self.db.execute(NEXT, (1, account)).fetchall()[0][0]
            there = self.db.execute(THERE, (account, fold)).fetchall()
            self.db.execute(
                PUT, (account, fold, name, 1, encrypted, iv, version, None, None, now, now)
            )
            if not there:
                self.db.execute(COUNT, (account,))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        return {"success": True, "name": name, "version": version, "updated_at": _stamp(now)}

    def get(self, key: str, name: str) -> dict[str, Any] | None:
        self.db.execute("BEGIN")
        try:
            row = self.db.execute(ONE, (self._account(key), name.lower())).fetchall()
        finally:
            self.db.execute("COMMIT")
        if not row:
            return None
        name, encrypted, iv, version, updated = row[0]
        return {"success": True, "name": name, "encrypted": encrypted, "iv": iv,
                "version": version, "updated_at": _stamp(updated)}  # fmt: skip


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def raw_app(rows: Rows) -> Any:
    """The least that serves it."""
    import msgspec

    async def app(scope: Any, receive: Any, send: Any) -> None:
        key = next((v.decode() for k, v in scope["headers"] if k == b"x-arcrun-api-key"), "")
        status, found = 200, None
        try:
            if scope["method"] == "POST":
                body, more = b"", True
                while more:
                    message = await receive()
                    body += message["body"]
                    more = message.get("more_body", False)
                given = msgspec.json.decode(body)
                found = rows.put(key, given["name"], given["encrypted"], given["iv"])
            else:
                found = rows.get(key, scope["path"].rpartition("/")[2])
        except Refused:
            status = 401
        content = msgspec.json.encode(found)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def main(kind: str, folder: str) -> None:
    path = os.path.join(folder, "server.db")
    database = open_database(path)
    made = database.write(lambda tx: accounts.register(tx, Register(), "open"))
    sock = listening("127.0.0.1", 0)
    print(sock.getsockname()[1], made.api_key, flush=True)
    if kind == "ours":
        free = Limits(key_rate=0, address_rate=0)
        serving = running.server(running.application(database, Config(limits=free)))
    else:
        make = raw_app if kind == "raw ASGI" else import_module("bench.serving_fastapi").make
        config = uvicorn.Config(
            make(Rows(path)), log_config=None, access_log=False, lifespan="off", ws="none",
            proxy_headers=False,
        )  # fmt: skip
        serving = uvicorn.Server(config)
    serving.run([sock])


if __name__ == "__main__":
    main(*sys.argv[1:])
