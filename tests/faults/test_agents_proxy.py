"""Row 28 through the proxy: an agent that was talked into it, by raw requests, and an API that
repeats what it is sent."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from arcrun_auth.agents.gateway import Gateway
from arcrun_auth.agents.proxy import Proxy, new_session
from tests import canary
from tests.agents_kit import INJECTIONS, PLACES, SPELLINGS, echo, hits, house
from tests.servers import GUARD, recorder

if TYPE_CHECKING:
    from tests.agents_kit import Injection

pytestmark = pytest.mark.fault

HOUR = 3600.0

DROPPED = {
    "a packing that nobody can look into",
    "a second length",
    "a coding of the connection",
}
"""What is between the client and the proxy alone: it is not sent on, and the request is."""

PLAIN = {"a scheme and no host", "a query in the path"}
"""What is a path and a query like any other, in the address of a request."""


@contextlib.contextmanager
def serving(gateway):
    session, bearer = new_session("injected", (), time.time() + HOUR)
    proxy = Proxy(gateway, session)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy, bearer.reveal()
    finally:
        proxy.stop()
        thread.join(GUARD)


def raw(proxy, lines: list[str], body: bytes = b"") -> bytes:
    """The whole answer to a request, written as no library would."""
    with socket.create_connection(("127.0.0.1", proxy.port), GUARD) as sock:
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while data := sock.recv(1 << 16):
                found += data
    return found


def injected(proxy, bearer: str, each: Injection) -> bytes:
    query = each.query if isinstance(each.query, str) else urlencode(each.query)
    path = each.path if each.path.startswith("/") else f"/{each.path}"
    target = f"/{each.service}{path}{'?' if query else ''}{query}"
    # In the recipe's place where the injection needs the other one.
    own = any(name == "Authorization" for name, _ in each.headers)
    lines = [
        f"{each.method} {target} HTTP/1.1",
        f"Host: 127.0.0.1:{proxy.port}",
        f"X-Thing-Key: {bearer}" if own else f"Authorization: Bearer {bearer}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in each.headers),
        *([f"Content-Length: {len(each.body)}"] if each.body else []),
    ]
    chunked = any(name == "Transfer-Encoding" for name, _ in each.headers)
    return raw(proxy, lines, b"0\r\n\r\n" if chunked else each.body)


@pytest.fixture
def no_log(monkeypatch):
    """The library's log tells the headers of answers; agents have none."""
    for name in ("httpcore.http11", "httpcore.connection", "httpx"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)


@pytest.mark.usefixtures("no_log")
def test_row_28_no_raw_request_through_the_proxy_shows_the_key(tmp_path, board) -> None:
    key = canary.fresh("key")
    with recorder(echo) as api, contextlib.ExitStack() as stack:
        broker = house(tmp_path, api.origin, key)
        stack.callback(broker.close)
        gateway = Gateway(broker, client="injected", a_minute=10_000)
        stack.callback(gateway.close)
        proxy, bearer = stack.enter_context(serving(gateway))
        transcript: list[bytes] = []
        wrong, before = [], len(api.seen)
        for each in INJECTIONS:
            count = len(api.seen)
            transcript.append(injected(proxy, bearer, each))
            sent = len(api.seen) > count
            if sent and not (each.harmless or each.name in DROPPED | PLAIN):
                wrong.append(each.name)
        strange = [each.target for each in api.seen[before:] if bearer in each.raw]
        packed = [
            each.target
            for each in api.seen
            if "br" in each.headers.get("accept-encoding", "")
            or "transfer-encoding" in each.headers
        ]
        harmless = len(api.seen) - before
        spellings = [(place, spelled) for place in PLACES for spelled in SPELLINGS
                     if place != "truncated" or spelled == "plain"]  # fmt: skip
        for place, spelled in spellings:
            target = f"/thing/echo/{quote(place)}?as={quote(spelled)}"
            transcript.append(
                raw(proxy, [f"GET {target} HTTP/1.1", f"Host: localhost:{proxy.port}",
                            f"X-Thing-Key: Key {bearer}", "Connection: close"])
            )  # fmt: skip
        assert len(api.seen) == before + harmless + len(spellings), "each was sent"
    assert all(key in each.headers.get("x-thing-key", "") for each in api.seen[1:]), "it was used"
    assert (wrong, strange, packed) == ([], [], [])
    found = [hit for text in transcript for hit in hits(text, key)]
    board.note(
        28,
        "the same, by raw requests to the proxy",
        injected=f"{len(INJECTIONS)} requests, {len(spellings)} echoes as they come; six encodings",
        must_hold="0 hits; nothing sent that means harm; the bearer not sent on",
        figure=f"{len(found)} hits, {harmless} harmless ones sent",
        held=not found,
    )
