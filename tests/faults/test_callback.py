"""Rows 12 and 13: whoever else talks to the address that a login waits at."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.faults.board import count
from tests.faults.desk import GUARD, Desk

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fault


class Login:
    """A login whose browser is kept waiting until `before(port, state)` is through."""

    def __init__(self, desk: Desk, before: Callable[[int, str], None]) -> None:
        self._desk = desk
        self._before = before
        self._error: list[BaseException] = []
        self._thread: threading.Thread | None = None

    def _open(self, url: str) -> bool:
        self._thread = threading.Thread(target=self._browse, args=(url,), daemon=True)
        self._thread.start()
        return True

    def _browse(self, url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        port = urlsplit(query["redirect_uri"][0]).port
        assert port is not None
        try:
            self._before(port, query["state"][0])
        except BaseException as error:
            self._error.append(error)
        self._desk.provider.follow(url)

    def run(self) -> bool:
        """Whether the login succeeded, with the true account."""
        service = self._desk.another(open_url=self._open).setup("demo")
        assert self._thread is not None
        self._thread.join(GUARD)
        assert not self._error, self._error
        return service.instances["default"].identity == "ada@example.com"


def ask(port: int, target: str, *, method: str = "GET", host: str | None = None, **headers: str):
    """One request to the listener: its status, 0 where it hung up on us."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", port), timeout=GUARD) as sock,
    ):
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = sock.makefile("rb").readline().split()
        return int(answer[1]) if len(answer) > 1 else 0
    return 0


STRAY: tuple[dict[str, str], ...] = (
    {"target": "/favicon.ico"},
    {"target": "/"},
    {"target": "/callback"},
    {"target": "/callback?code=forged&state=wrong"},
    {"target": "/callback?code=forged"},
    {"target": "/callback?error=access_denied&state=wrong"},
    {"target": "/callback?error=access_denied"},
    {"target": "/callback?code=forged&state={state}", "host": "evil.example"},
    {"target": "/callback?code=forged&state={state}", "Origin": "https://evil.example"},
    {"target": "/callback?code=forged&state={state}", "method": "POST"},
    {"target": "/callback?code=forged&state={state}x"},
    {"target": "/callback/../callback?code=forged&state={state}"},
    {"target": "/callback?state=" + "a" * 65536},
    {"target": "/callback?code=forged&state=%00%ff"},
)


def test_row_12_a_login_survives_whatever_comes_first(desk, board) -> None:
    number, statuses = count(1000), Counter()
    desk.provider.latency = 0.0
    codes = desk.provider.token_requests["authorization_code"]
    silent: list[socket.socket] = []

    def noise(port: int, state: str) -> None:
        for _ in range(50):  # who begins and never ends
            silent.append(sock := socket.create_connection(("127.0.0.1", port), timeout=GUARD))
            sock.sendall(b"GET /callback?code=fo")
        for index in range(number):
            stray = {k: v.replace("{state}", state) for k, v in STRAY[index % len(STRAY)].items()}
            statuses[ask(port, **stray)] += 1

    succeeded = Login(desk, noise).run()
    for sock in silent:
        sock.close()
    forged = desk.provider.token_requests["authorization_code"] - codes - 1
    board.note(
        12,
        "callback noise and forged state",
        injected=f"{sum(statuses.values())} requests of {len(STRAY)} kinds, 50 silent clients",
        must_hold="the login succeeds, 0 forged codes reach the token endpoint",
        figure=f"login {'succeeded' if succeeded else 'FAILED'}, {forged} forged codes; answers "
        + ", ".join(f"{status or 'hung up'}: {n}" for status, n in sorted(statuses.items())),
        held=succeeded and forged == 0 and statuses[200] == 0,
    )


HOSTS = ("evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1",
         "127.0.0.1.evil:{port}", "127.1:{port}", "0.0.0.0:{port}", "2130706433:{port}",
         "localhost.:{port}", "")  # fmt: skip
ORIGINS = ("https://evil.example", "http://evil.example:{port}", "null", "file://",
           "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1:{port}",
           "http://127.0.0.1:{port}.evil.example", "http://localhost.evil:{port}")  # fmt: skip


def test_row_13_foreign_hosts_and_origins_are_refused(desk, board) -> None:
    """With the true state, which no stranger has: so it is these two that refuse."""
    statuses: Counter[int] = Counter()
    desk.provider.latency = 0.0
    codes = desk.provider.token_requests["authorization_code"]

    def matrix(port: int, state: str) -> None:
        target = f"/callback?code=forged&state={state}"
        ours = f"127.0.0.1:{port}"
        for host in HOSTS:
            statuses[ask(port, target, host=host.format(port=port) or " ")] += 1
            for origin in ORIGINS:
                headers = {"Origin": origin.format(port=port)}
                statuses[ask(port, target, host=host.format(port=port) or " ", **headers)] += 1
        for origin in ORIGINS:
            statuses[ask(port, target, host=ours, Origin=origin.format(port=port))] += 1

    succeeded = Login(desk, matrix).run()
    accepted = sum(n for status, n in statuses.items() if status not in (421, 403))
    forged = desk.provider.token_requests["authorization_code"] - codes - 1
    board.note(
        13,
        "foreign Host and Origin at the callback",
        injected=f"{sum(statuses.values())} pairs, with the true state",
        must_hold="421 or 403, and the login goes on",
        figure=f"{accepted} accepted; "
        + ", ".join(f"{status}: {n}" for status, n in sorted(statuses.items())),
        held=accepted == 0 and forged == 0 and succeeded,
    )
