"""Row 24: token endpoints that lie, drip, flood and redirect, each bounded in all it can cost."""

from __future__ import annotations

import json
import resource
import time
from contextlib import contextmanager, nullcontext
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import _http
from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.hosts import Fence
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.requests import refresh_request
from arcrun_auth.recipe import OAuth2
from arcrun_auth.sources import GrantSource
from arcrun_auth.stores.memory import Memory
from arcrun_auth.token_answer import read_token
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary, servers

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    Talk = Callable[[socket.socket], None]

pytestmark = pytest.mark.fault

CALLS = 5
TOTAL = 0.5
"""How many seconds may one request take? Its own limit is 30: that would test patience."""
MEGABYTES = 20
"""By how much may all of it let this process grow?"""

KEY = Key("credential", "demo")
LOGIN_PAGE = b"<html><form action=/login><input name=password></form>Please sign in</html>"
GOOD = json.dumps({"access_token": f"{canary.WORD}-new", "expires_in": 3600}).encode()


def says(status: str, body: bytes = b"", **headers: str) -> Talk:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return lambda sock: sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def evil() -> dict[str, Talk]:
    soon = formatdate(time.time() + 30, usegmt=True)
    return {
        "429, Retry-After 30": says("429 Too Many Requests", retry_after="30"),
        "429, Retry-After a date": says("429 Too Many Requests", retry_after=soon),
        "429, Retry-After 0": says("429 Too Many Requests", retry_after="0"),
        "500": says("500 Internal Server Error", b'{"error":"invalid_grant"}'),
        "502 with a page": says("502 Bad Gateway", LOGIN_PAGE, content_type="text/html"),
        "503": says("503 Service Unavailable"),
        "garbage": says("200 OK", bytes(range(256)) * 64),
        "no HTTP": lambda sock: sock.sendall(b"220 mail.example ESMTP\r\n"),
        "half an answer": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-le"),
        "hangs up": lambda _: None,
        "a drip of the head": servers.drip(head=True),
        "a drip of the body": servers.drip(),
        "silence": lambda _: time.sleep(3 * TOTAL),
        "a gzip bomb": servers.bomb(100),
        "a gigabyte": servers.endless([]),
        "a captive portal, 200": says("200 OK", LOGIN_PAGE, content_type="text/html"),
    }  # fmt: skip


class Desk:
    """A renewing source that sends over real sockets, and a count of what arrived."""

    def __init__(self) -> None:
        self.arrived = 0
        self.refresh = Secret(canary.fresh("rt"))
        self.grant = Grant(
            access_token=Secret(canary.fresh("at")), refresh_token=self.refresh, issued=0.0,
            expires=1.0,
        )  # fmt: skip
        self.store = Memory()
        self.store.put(Credential(KEY, grant=self.grant), expect=0)

    @contextmanager
    def server(self, talk: Talk) -> Iterator[str]:
        def counted(sock: socket.socket) -> None:
            self.arrived += 1
            talk(sock)

        with servers.raw_server(counted) as origin:
            yield origin

    def source(self, origin: str) -> GrantSource:
        return GrantSource(
            self.store, KEY, renew=partial(self._renew, origin), lock=lambda _: nullcontext(),
            service="demo",
        )  # fmt: skip

    def _renew(self, origin: str, record: Credential) -> Grant:
        oauth2 = OAuth2(token_endpoint=f"{origin}/token")
        call = refresh_request(
            oauth2, App("demo"), refresh_token=record.grant.refresh_token, values={}, now=0.0
        )
        guard = Fence([origin.split("//")[1]], [origin])
        answer = _http.send_token(call, guard=guard, total=TOTAL)
        return read_token(
            oauth2, answer.status, answer.headers, answer.body, now=time.time(),
            previous=record.grant, secrets=call.secrets,
        )  # fmt: skip

    def outcomes(self, origin: str) -> set[str]:
        """How so many calls of one source end."""
        source, ended = self.source(origin), set()
        for _ in range(CALLS):
            try:
                source.token()
                ended.add("a token")
            except ProviderUnavailable:
                ended.add("ProviderUnavailable")
            except Exception as error:
                ended.add(repr(error))
        return ended

    @property
    def untouched(self) -> bool:
        held = self.store.get(KEY).grant
        return held.dead is None and held.refresh_token == self.refresh


def _grown() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_row_24_an_evil_token_endpoint_costs_two_requests_and_little_memory(board) -> None:
    desk, most, bad, recovered = Desk(), 0, {}, 0
    talks = evil()
    before = _grown()
    for name, talk in talks.items():
        desk.arrived = 0
        with desk.server(talk) as origin:
            ended = desk.outcomes(origin)
        most = max(most, desk.arrived)
        if ended != {"ProviderUnavailable"} or not desk.untouched or not 1 <= desk.arrived <= 2:
            bad[name] = (desk.arrived, ended)
    grown = _grown() - before
    with desk.server(says("200 OK", GOOD)) as origin:
        recovered = desk.source(origin).token().access_token == f"{canary.WORD}-new"
    board.note(
        24,
        "an evil token endpoint",
        injected=f"{', '.join(talks)}; {CALLS} calls each",
        must_hold=f"at most 2 requests before a pause, less than {MEGABYTES} MB, bounded time, "
        "the login untouched and working afterwards",
        figure=f"at most {most} requests for {CALLS} calls, {grown:.0f} MB more"
        + (f": {bad}" if bad else ""),
        held=not bad and recovered and grown < MEGABYTES,
    )


def test_row_24_a_captive_portal_never_sees_the_refresh_token(board) -> None:
    """It redirects to its login page, and there waits for whatever is posted."""
    desk, ended = Desk(), set()
    with servers.recorder(lambda _: servers.Reply(200, {}, LOGIN_PAGE)) as portal:
        codes = ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent")
        for code in codes:
            with desk.server(says(code, location=f"{portal.origin}/login")) as origin:
                ended |= desk.outcomes(origin)
        seen = len(portal.seen) + portal.connections
    board.note(
        24,
        "a captive portal redirects the token request",
        injected=f"{len(codes)} kinds of redirect, {CALLS} calls each",
        must_hold="0 requests at the portal, 1 request before a pause, the login untouched",
        figure=f"{seen} at the portal; {desk.arrived} requests for {CALLS * len(codes)} calls",
        held=ended == {"ProviderUnavailable"} and seen == 0 and desk.untouched
        and desk.arrived == len(codes),
    )  # fmt: skip
