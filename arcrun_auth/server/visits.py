"""One request of a browser, and what it is shown: cookies, forms and pages, without a framework.

`Site` is what the functions behind the pages work with. They run in threads, since they may ask
an issuer in between: what they read and write is one transaction each.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from arcrun_auth.landing import FORM_POLICY
from arcrun_auth.server import state
from arcrun_auth.server.issuers import Issuers
from arcrun_auth.server.pages import CSRF, Form, refused
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.routes import Reply
from arcrun_auth.server.sealing import Unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.server.config import Config
    from arcrun_auth.server.database import Database, Tx
    from arcrun_auth.server.routes import Headers, Method
    from arcrun_auth.server.sealing import Sealer
    from arcrun_auth.server.shared_apps import Offer

    T = TypeVar("T")

SESSION = "arcrun_session"
SESSION_SECONDS = 3600.0
"""How long does a browser stay signed in?"""
TOKEN_SECONDS = 12 * 3600.0
"""How long does a page hold that somebody left open?"""

_SAME = ("same-origin", "none")

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": FORM_POLICY,
    "referrer-policy": "no-referrer",  # addresses hold codes
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass
class Visit:
    """A request, as far as a page looks at it."""

    method: Method
    headers: Headers
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    """Of two values under one name there is none; in a form neither."""
    form: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    secure: bool = False
    """Whether people reach this server by https."""
    body: Any = None
    """What JSON said, where a route takes it."""


def show(body: bytes, status: int = 200, cookies: Sequence[str] = ()) -> Reply:
    """A page as an answer."""
    return Reply(body, status, dict(HEADERS), cookies=tuple(cookies))


def elsewhere(url: str, cookies: Sequence[str] = ()) -> Reply:
    """A redirect within this server, after a POST too (RFC 9110 §15.4.4)."""
    return Reply(b"", 303, {"location": url}, cookies=tuple(cookies))


class Site:
    """What all visits share."""

    def __init__(self, database: Database, config: Config) -> None:
        """AuthError where an app that the configuration names cannot be shared."""
        self.database = database
        self.config = config
        self.providers = config.providers
        self.issuers = Issuers(self.providers.allow_hosts)
        self.offers = self._offers()

    @cached_property
    def sealer(self) -> Sealer:
        return self.write(state.sealer)

    def _offers(self) -> dict[str, Offer]:
        if not self.providers.apps:
            return {}
        from arcrun_auth.catalog import Catalog
        from arcrun_auth.server.shared_apps import offers

        return offers(self.providers.apps, Catalog(self.config.folder))

    def read(self, work: Callable[[Tx], T]) -> T:
        return self.database.read(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.database.write(work)

    def now(self) -> float:
        return self.read(lambda tx: tx.now())

    def spend(self, purpose: str, text: str, seconds: float) -> bool:
        """Whether this is its first use; `seconds` is how long it would have held at most."""
        return self.write(lambda tx: state.spend(tx, purpose, text, ends=tx.now() + seconds))

    @property
    def url(self) -> str:
        """Where people reach this server: what the admin says, and never what a stranger's `Host`
        says. Problem 503 where nobody has said it."""
        if not self.config.url:
            raise Problem(503, "The admin has not said yet under which address this is reached.")
        return self.config.url

    # -- cookies -----------------------------------------------------------------------

    def cookie(self, visit: Visit, name: str, value: str, seconds: float) -> str:
        """A Set-Cookie that no script reads, and that goes along with no foreign form. On https
        under a name that only this very host can have set (RFC 6265bis §4.1.3.2)."""
        secure = "; Secure" if visit.secure else ""
        return (
            f"{_named(visit, name)}={value}; Path=/; Max-Age={seconds:.0f}; HttpOnly; "
            f"SameSite=Lax{secure}"
        )

    def given(self, visit: Visit, name: str) -> dict[str, Any] | None:
        """What stands sealed in a cookie of ours; None where there is none that holds."""
        text = visit.cookies.get(_named(visit, name), "")
        try:
            return self.sealer.open(name, text, now=self.now())
        except Unsealed:
            return None

    def hand(self, visit: Visit, name: str, data: dict[str, Any], seconds: float) -> str:
        """The Set-Cookie for that."""
        text = self.sealer.seal(name, data, ends=self.now() + seconds)
        return self.cookie(visit, name, text, seconds)

    # -- forms -------------------------------------------------------------------------

    def form(self, visit: Visit, shown_with: list[str], **hidden: str) -> Form:
        """A form for this browser. The cookie that its proof belongs to goes to `shown_with`."""
        text = visit.cookies.get(_named(visit, CSRF), "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
            text = secrets.token_urlsafe(32)
            shown_with.append(self.cookie(visit, CSRF, text, TOKEN_SECONDS))
        return Form(self.sealer.mark(CSRF, text.encode()), **hidden)

    def check_form(self, visit: Visit) -> None:
        """Whether a form comes from a page that we showed to this browser; else Problem 403."""
        text = visit.cookies.get(_named(visit, CSRF), "")
        foreign = visit.headers.get("sec-fetch-site", "same-origin") not in _SAME
        mark = visit.form.get(CSRF, "")
        if foreign or not text or not self.sealer.marked(CSRF, mark, text.encode()):
            raise Problem(403, "This form is not from a page of this browser, or too old.")

    def sealed(self, purpose: str, text: str) -> dict[str, Any]:
        """What we sealed, and got back through a browser. Problem 400 where it holds no more."""
        try:
            return self.sealer.open(purpose, text, now=self.now())
        except Unsealed:
            raise Problem(400, "This login is over, or none of ours. Begin it again.") from None


def as_page(problem: Problem) -> Reply:
    """A problem, for a person."""
    return show(refused("That did not work", problem.detail), problem.status)


def _named(visit: Visit, name: str) -> str:
    return f"__Host-{name}" if visit.secure else name
