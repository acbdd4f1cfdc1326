"""What somebody sees who opens the server in a browser, and the first start: a link that makes the
admin's account, once, for whoever sees the terminal.

The page of that has a button, as programs that preview a link would use it up otherwise.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from arcrun_auth.landing import CROSS, FORM_POLICY, KEY, POLICY, TICK, page
from arcrun_auth.server import accounts
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.routes import Call, Reply, Route
from arcrun_auth.server.shapes import Register

if TYPE_CHECKING:
    from arcrun_auth.server.database import Database, Tx

PATH = "/first/{invite}"


async def front(database: Database, call: Call) -> Reply:
    """The page for whoever opens the server's address in a browser."""
    del database
    body = (
        "<p>It keeps what your machines share, sealed. To use it, type on one of them:</p>"
        f"{_login(call)}"
    )
    return shown(page(KEY, "This is a server of arcrun-auth", body, "ask"))


async def ask(database: Database, call: Call) -> Reply:
    """The page of the one-time admin link."""
    del database, call
    body = (
        "<p>This makes the first account of this server: the admin's.</p>"
        '<form method="post"><button class="go">Make the admin account</button></form>'
    )
    return shown(page(KEY, "Welcome to your server", body, "ask"), policy=FORM_POLICY)


def make(tx: Tx, call: Call) -> Reply:
    """Makes the admin's account, and shows its key once."""
    try:
        made = accounts.register(tx, Register(invite=call.path["invite"]), "closed")
    except Problem as problem:
        text = (
            f"<p>{escape(problem.detail)} "
            "Each start of a server that has no account prints a new one.</p>"
        )
        return shown(page(CROSS, "No account was made", text, "bad"), problem.status)
    key = escape(made.api_key)
    body = (
        "<p>This is its API key. Keep it: nobody can show it again.</p>"
        f"<code>{key}</code><p>Then log in, and paste it when you are asked:</p>"
        f"{_login(call)}"
    )
    return shown(page(TICK, "Your account is there", body))


def _login(call: Call) -> str:
    return f"<code>arcrun login --server {escape(call.config.url)}</code>"


def shown(body: bytes, status: int = 200, *, policy: str = POLICY) -> Reply:
    """A page as an answer. Its address holds a secret: no other site hears of it."""
    headers = {
        "content-type": "text/html; charset=utf-8", "content-security-policy": policy,
        "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
    }  # fmt: skip
    return Reply(body, status, headers)


ROUTES = [
    Route("GET", "/", answers={200: bytes}, own=front),
    Route("GET", PATH, answers={200: bytes}, own=ask),
    Route("POST", PATH, make, {200: bytes}, form=True),
]
