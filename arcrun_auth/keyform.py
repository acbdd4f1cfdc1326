"""Keys are asked for on a page of this machine, where nobody can type at a terminal.

An agent's shell and an IDE show what a program prints, and their transcripts keep it: a key
must not pass through there. The page lies at an address with 256 random bits in it, its
answer must carry 256 more and come from that page, it answers once, and then it is gone.
"""

from __future__ import annotations

import os
import queue
import secrets
import time
from hmac import compare_digest
from typing import TYPE_CHECKING

from arcrun_auth import forms, landing, threads
from arcrun_auth.browser import why_not_opened
from arcrun_auth.errors import LoginFailed, printable
from arcrun_auth.landing import Field
from arcrun_auth.listener import Listener, Reply, Request
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Field", "ask_on_page"]


def ask_on_page(
    title: str,
    fields: Sequence[Field],
    *,
    open_url: Callable[[str], object],
    say: Callable[[str], None],
    timeout: float,
    service: str | None = None,
    help_url: str = "",
    port: int | None = None,
    environ: Mapping[str, str] = os.environ,
    back: str = "",
) -> dict[str, Secret] | None:
    """What the person typed on the page, by name; an optional field left empty is not in it.

    None if they pressed Cancel. Raises LoginFailed when nobody answered within `timeout`
    seconds. `open_url` shows the page; it runs in a thread of its own, and the address is
    told by `say` as well. At the end it leads to `back`, if there is one. Whatever else is sent to
    the address ends nothing.
    """
    with Listener(
        () if port is None else (port,), max_body=forms.MAX_BODY, service=service
    ) as listener:
        page = _Page(title, fields, help_url)
        url = f"http://127.0.0.1:{listener.port}{page.path}"
        browser = _Browser(url, open_url, say)
        _tell(url, listener.port, say, environ)
        request = listener.first(
            page.judge, until=time.monotonic() + timeout, ended=browser.has_nothing_to_say
        )
        if request is None:
            raise LoginFailed(
                f"Nobody filled in the page that was shown (limit: {timeout:g} s). "
                "Nothing was saved.",
                service=service,
                hint=f"arcrun setup {service}" if service else "Ask again.",
            )
        end = landing.cancelled if page.typed is None else landing.received
        listener.answer(end(back))
        return page.typed


class _Page:
    """The page, and what may be an answer to it."""

    def __init__(self, title: str, fields: Sequence[Field], help_url: str) -> None:
        self._title = printable(title, 200)
        self._fields = fields
        self._help_url = help_url
        self._token = secrets.token_urlsafe(32)
        self.path = f"/{secrets.token_urlsafe(32)}"
        self.typed: dict[str, Secret] | None = None
        """What was typed, once the answer is here; None if that was Cancel."""

    def judge(self, request: Request) -> Reply | None:
        """None for the answer; for all else what is said to it."""
        if request.query or not compare_digest(request.path, self.path):
            return Reply(404)
        if request.method == "GET":
            return self._show(200)
        if request.method != "POST":
            return Reply(405, allow="GET, POST")
        values = forms.read(request, self._token)
        if isinstance(values, Reply):
            return values
        return None if landing.CANCEL in values else self._take(values)

    def _take(self, values: Mapping[str, str]) -> Reply | None:
        typed: dict[str, Secret] = {}
        wrong: dict[str, str] = {}
        for number, field in enumerate(self._fields):
            value = values.get(landing.control(number), "").replace("\r\n", "\n").strip()
            problem = field.check(value) if value else None
            if not value and not field.optional:
                problem = "This is needed."
            if problem is not None:
                wrong[field.name] = problem
            elif value:
                typed[field.name] = Secret(value)
        if wrong:
            return self._show(422, wrong)
        self.typed = typed
        return None

    def _show(self, status: int, wrong: Mapping[str, str] | None = None) -> Reply:
        page = landing.form(
            self._title, self._fields, token=self._token, help_url=self._help_url, wrong=wrong
        )
        return forms.shown(page, status)


class _Browser:
    """Shows the page from a thread, since a browser may take its time to start or to fail."""

    def __init__(
        self, url: str, open_url: Callable[[str], object], say: Callable[[str], None]
    ) -> None:
        self._url = url
        self._open_url = open_url
        self._say = say
        self._reasons: queue.SimpleQueue[str] = queue.SimpleQueue()
        threads.start(self._open, "arcrun-browser")

    def has_nothing_to_say(self) -> bool:
        """Tell, from the thread that waits, why none was opened. The wait always goes on."""
        while not self._reasons.empty():
            self._say(f"No browser was opened here ({self._reasons.get()}).")
        return False

    def _open(self) -> None:
        failed = why_not_opened(self._open_url, self._url)
        if failed:
            self._reasons.put(failed)


def _tell(url: str, port: int, say: Callable[[str], None], environ: Mapping[str, str]) -> None:
    from arcrun_auth.surroundings import look

    say("It is asked for in your browser, not here. If no page opens, open this address:")
    say(url)
    here = look(environ)
    tunnel = here.ssh_hint(port) if here.elsewhere else None
    if tunnel is not None:
        say(f"If your browser is on another machine, run this there first:\n  {tunnel}")
