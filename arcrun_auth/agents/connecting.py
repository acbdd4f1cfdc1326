"""Connecting a service at the wish of an agent, by its human, on a page of this machine.

The page says who asks, for what, and where it goes, before the provider is asked for anything.
It is opened once; what comes then (a login at the provider, a key that is typed, a question) is
led through by the pages, and the outcome is told to whoever waits.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from arcrun_auth import landing, threads
from arcrun_auth.agents import pages
from arcrun_auth.agents.site import Route, Site
from arcrun_auth.agents.visitor import Visitor
from arcrun_auth.agents.wishes import plan
from arcrun_auth.errors import AuthError, ConsentRequired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from arcrun_auth.agents.site import Visit
    from arcrun_auth.agents.wishes import Plan
    from arcrun_auth.broker import Broker
    from arcrun_auth.listener import Reply

    State = Literal["waiting", "working", "connected", "refused", "failed", "expired"]

DECIDE_SECONDS = 600.0
"""How long may a person think about it?"""
POLL_SECONDS = 8.0
"""How long does a page wait for news before it is shown anew?"""
FAREWELL_SECONDS = 15.0
"""How long is the outcome shown to a browser that has not come back for it yet?"""
UNDER_WAY = ("waiting", "working")

_AGAIN = "Let it be asked for again: a new link is made then."


class Connecting:
    """One wish to connect. `url` is for the person: to be opened once, within ten minutes.

    Whoever has it decides by it: it is shown to the person, and to nobody else. Safe to be looked
    at from any thread.
    """

    def __init__(self, broker: Broker, what: Plan) -> None:
        self._broker = broker
        self._plan = what
        self._site = Site(
            [
                Route("GET", "/", self._ask),
                Route("POST", "/connect", self._connect),
                Route("POST", "/refuse", self._refuse),
                Route("GET", "/now", self._now, slow=True),
                Route("GET", "/back", self._back),
                Route("GET", "/question/{number}", self._question),
                Route("POST", "/question/{number}", self._answer),
            ],
            entry="c",
            again=_AGAIN,
            idle=float("inf"),
        )
        self.url = self._site.url
        back = f"http://127.0.0.1:{self._site.port}{self._site.at('/back')}"
        self._visitor = Visitor(back, patience=broker.settings.login_timeout)
        self._state: State = "waiting"
        self._until = time.monotonic() + DECIDE_SECONDS
        """Until when the page lies there: to be decided, or for its end to be seen."""
        self._ended = threading.Event()
        self.error: AuthError | None = None
        """Why it failed, once it has."""
        self._site.start(ended=self._is_over)

    @property
    def state(self) -> State:
        """`waiting` for the person, `working`, or how it ended."""
        return self._state

    def wait(self, seconds: float) -> State:
        """The state, once it is an end or after so many seconds."""
        self._ended.wait(seconds)
        return self._state

    def close(self) -> None:
        """It is not waited for any more: an undecided page closes. A login that has begun ends by
        itself, in its time limit, and an end is still shown to whoever comes back for it."""
        if self._end("expired", only_from="waiting"):
            self._site.close()
        self._visitor.leave()

    # -- the life of the page --------------------------------------------------------------

    def _is_over(self) -> bool:
        if time.monotonic() < self._until or self._state == "working":
            return False
        self._end("expired", only_from="waiting")
        return True

    def _move(self, state: State, only_from: State) -> bool:
        with self._visitor.changed:
            if self._state != only_from:
                return False
            self._state = state
            return True

    def _end(self, state: State, *, only_from: State, error: AuthError | None = None) -> bool:
        with self._visitor.changed:
            if not self._move(state, only_from):
                return False
            self.error = error
            self._until = time.monotonic() + FAREWELL_SECONDS
        self._ended.set()
        self._visitor.finish()
        return True

    def _set_up(self) -> None:
        """In a thread of its own: it takes as long as the person does."""
        visitor, what = self._visitor, self._plan
        error: AuthError | None = None
        try:
            self._broker.setup_with(
                visitor, visitor.open_url, what.service, what.instance,
                method=what.method, scopes=what.scopes or None,
            )  # fmt: skip
        except AuthError as problem:
            error = problem
        except Exception as problem:  # noqa: BLE001 - whoever waits is told, whatever it is
            error = AuthError(
                f"Connecting {what.service} failed ({type(problem).__name__}).",
                service=what.service,
                hint=f"arcrun setup {what.service}, in a terminal",
            )
        if error is None:
            self._end("connected", only_from="working")
        else:
            no = isinstance(error, ConsentRequired)
            self._end("refused" if no else "failed", only_from="working", error=error)

    # -- the pages -------------------------------------------------------------------------

    def _ask(self, visit: Visit) -> Reply:
        if self._state != "waiting":
            return visit.site.go("/now")
        at = visit.site.at
        return visit.site.show(
            pages.consent(
                self._plan.wish,
                token=visit.site.token,
                connect=at("/connect"),
                refuse=at("/refuse"),
            )
        )

    def _connect(self, visit: Visit) -> Reply:
        if self._move("working", only_from="waiting"):
            threads.start(self._set_up, "arcrun-connect")
        return visit.site.go("/now")

    def _refuse(self, visit: Visit) -> Reply:
        self._end("refused", only_from="waiting")
        return visit.site.go("/now")

    def _now(self, visit: Visit) -> Reply:
        """How far it is, once there is news; on to wherever the browser is wanted."""
        site, wish = visit.site, self._plan.wish
        if self._state == "waiting":
            return site.go("/")
        seen = visit.query.get("seen", "")
        news = self._visitor.news(int(seen) if seen.isdecimal() else -1, POLL_SECONDS)
        if self._state not in UNDER_WAY:
            return site.show(self._outcome())
        if news.question is not None:
            return site.go(f"/question/{news.question.number}")
        if news.is_new:
            self._visitor.go()
            title, body = f"On to {wish.title}", pages.told(news.lines)
            return site.show(landing.onward(title, news.address, body=body))
        again = f"{site.at('/now')}?seen={news.version}"
        return site.show(pages.working(wish.title, news.lines, again, news.address))

    def _back(self, visit: Visit) -> Reply:
        """From a page that asked for keys: that one is closed."""
        self._visitor.come_back()
        return visit.site.go("/now")

    def _outcome(self) -> bytes:
        title = self._plan.wish.title
        if self._state == "connected":
            return pages.connected(title, self._visitor.news(-1, 0).lines)
        if self.error is not None:
            return landing.failed(title, self.error)
        return pages.refused(title)

    def _question(self, visit: Visit) -> Reply:
        news = self._visitor.news(-1, 0)
        if news.question is None or str(news.question.number) != visit.parts["number"]:
            return visit.site.go("/now")
        title = f"Connecting {self._plan.wish.title}"
        page = pages.question(title, news.question, news.lines, visit.site.token)
        return visit.site.show(page)

    def _answer(self, visit: Visit) -> Reply:
        number = visit.parts["number"]
        said = None
        if landing.CANCEL not in visit.form:
            said = visit.form.get(landing.control(0), "")
        self._visitor.answer(int(number) if number.isdecimal() else 0, said)
        return visit.site.go("/now")


def start(
    broker: Broker,
    service: str,
    instance: str | None = None,
    *,
    scopes: Sequence[str] = (),
    client: str,
    method: str | None = None,
) -> Connecting:
    """A page that asks the person whether `client` may have this service connected.

    `scopes` are names of the recipe's sets; `client` is what the program calls itself, empty where
    the person asked themselves. Opens nothing: that is the caller's to do. Raises UnknownService,
    StoreLocked, and AuthError for scopes that are no set of the recipe.

        connecting = start(broker, "notion", client="claude-code")
        browser.open_url(connecting.url)
        connecting.wait(45)
    """
    return Connecting(
        broker,
        plan(broker, service, instance, scopes=scopes, client=client, method=method),
    )
