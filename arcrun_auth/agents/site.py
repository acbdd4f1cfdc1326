"""Pages on this machine for the one browser that was given the link: a table of handlers.

Anybody here can connect to the port, and any web page can send a browser there. So the link
works once, and what it leaves behind are two things that nobody guesses: a cookie, which goes
along with no request of a foreign site, and the folder that the pages lie in, which is the
cookie's path. Cookies know no ports: without the folder, whoever listens at another port of
127.0.0.1 would be sent ours.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import unquote

from arcrun_auth import forms, landing, threads
from arcrun_auth.errors import AuthError
from arcrun_auth.listener import Listener, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from arcrun_auth.listener import Request

    Handler = Callable[["Visit"], Reply]

IDLE_SECONDS = 600.0
"""After how long without a request of its browser does a site end?"""
LINK_SECONDS = 600.0
"""How long does a link wait to be opened?"""
MAX_SLOW = 16
"""How many slow answers may be in the making at once?"""
CLOSE_SECONDS = 10.0
"""How long does `close` wait for the thread that serves?"""

_OURS = ("same-origin", "same-site", "none")
"""From where may a page be asked for? Another port of this machine (a key form that leads back)
is the same site; forms are looked at more closely."""


@dataclass(frozen=True)
class Visit:
    """A request of the browser that has the link, as a handler sees it."""

    site: Site
    method: str
    path: str
    """Below the site's folder: `/services/notion`."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What stands in the holes of the route's pattern."""
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a POST sent; it was proved, and comes from a page of ours."""


@dataclass(frozen=True)
class Route:
    """What answers `method` (GET or POST) at `pattern`: `/services/{name}`. What is `slow` runs
    in a thread of its own."""

    method: str
    pattern: str
    handler: Handler
    slow: bool = False


class Site:
    """A site of `routes`, served by `run` here or by `start` in a thread of its own.

    `script` and `style` are the one script and the one further style of its pages. `again` is
    what to do for a new link. `close`, or the end of a `with` statement, ends it.

        >>> site = Site([Route("GET", "/", lambda visit: visit.site.show(landing.received()))])
        >>> site.start()
        >>> site.url.startswith("http://127.0.0.1:")
        True
        >>> site.close()
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        entry: str = "open",
        again: str = "Run the command again.",
        script: str = "",
        style: str = "",
        port: int | None = None,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._routes = tuple(routes)
        self._again = again
        self._policy = landing.policy(forms=True, script=script, style=style)
        self._idle = idle
        self._listener = Listener(
            () if port is None else (port,), max_body=forms.MAX_BODY, own=True
        )
        self.port = self._listener.port
        self.token = secrets.token_urlsafe(32)
        """What every form carries, under the name `landing.TOKEN`."""
        self._folder = f"/{secrets.token_urlsafe(16)}"
        self._cookie = f"arcrun-{self.port}"
        self._pass = secrets.token_urlsafe(32)
        self._entry = f"/{entry}/{secrets.token_urlsafe(32)}"
        self._opened = False
        self._made = self._last = time.monotonic()
        self._slow = threading.BoundedSemaphore(MAX_SLOW)
        self._runs = False
        self._closing = threading.Event()
        self._closed = threading.Event()

    # -- what handlers and their owner use -----------------------------------------------

    @property
    def url(self) -> str:
        """The link. It works once, for ten minutes."""
        return f"http://127.0.0.1:{self.port}{self._entry}"

    def for_anybody(self) -> None:
        """Its link is shown to the person alone, who may have a browser of another user of this
        machine. Without this none of those gets in: a browser that is started with the link shows
        it to all of them."""
        self._listener.own = False

    @property
    def opened(self) -> bool:
        """Whether somebody has used the link."""
        return self._opened

    def at(self, path: str) -> str:
        """The address of a page of this site, for its links and forms: `at("/services")`."""
        return self._folder + path

    def show(self, page: bytes, status: int = 200) -> Reply:
        """A page as an answer."""
        return forms.shown(page, status, policy=self._policy)

    def go(self, path: str) -> Reply:
        """To another page of this site, after a POST too (RFC 9110 §15.4.4)."""
        return Reply(303, b"", headers=(("Location", self.at(path)),))

    # -- its life ------------------------------------------------------------------------

    def run(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Serves until it is closed, `ended()`, or its browser has not come for a while. Ctrl-C
        goes through."""
        self._runs = True

        def over() -> bool:
            return self._closing.is_set() or ended() or self._last + self._idle < time.monotonic()

        try:
            with self._listener as listener:
                listener.serve(self._answer, ended=over)
        finally:
            self._closed.set()

    def start(self, ended: Callable[[], bool] = lambda: False) -> None:
        """As `run`, in a thread of its own."""
        self._runs = True
        threads.start(lambda: self.run(ended), "arcrun-site")

    def close(self) -> None:
        """Ends it, from whatever thread; may be called twice."""
        self._closing.set()
        if not self._runs:
            self._listener.close()
        else:
            self._closed.wait(CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- a request -----------------------------------------------------------------------

    def _answer(self, request: Request, respond: Callable[[Reply], None]) -> None:
        found = self._judged(request)
        if isinstance(found, Reply):
            respond(found)
            return
        route, visit = found
        if not route.slow:
            respond(_handled(route, visit))
        elif self._slow.acquire(blocking=False):
            threads.start(lambda: self._respond_later(route, visit, respond), "arcrun-action")
        else:
            respond(Reply(503))

    def _respond_later(self, route: Route, visit: Visit, respond: Callable[[Reply], None]) -> None:
        try:
            reply = _handled(route, visit)
        finally:
            self._last = time.monotonic()
            self._slow.release()  # first: whoever has the answer may ask the next thing
        respond(reply)

    def _judged(self, request: Request) -> Reply | tuple[Route, Visit]:
        """Who is to answer; what is said to all that does not come from our browser."""
        if _same(request.path, self._entry):
            return self._open(request)
        folder, path = request.path[: len(self._folder)], request.path[len(self._folder) :]
        if not _same(folder, self._folder) or not path.startswith("/"):
            return Reply(404)
        if request.headers.get("sec-fetch-site", "none") not in _OURS:
            return Reply(403)
        if not self._is_known(request):
            return Reply(403, landing.closed(self._again))
        self._last = time.monotonic()
        return self._routed(request, path)

    def _routed(self, request: Request, path: str) -> Reply | tuple[Route, Visit]:
        fits = {
            route.method: (route, parts)
            for route in self._routes
            if (parts := _fit(route.pattern, path)) is not None
        }
        if not fits:
            return Reply(404)
        if request.method not in fits:
            return Reply(405, allow=", ".join(fits))
        route, parts = fits[request.method]
        query = forms.pairs(request.query.encode()) if request.query else {}
        if query is None:
            return Reply(400)
        form = forms.read(request, self.token) if request.method == "POST" else {}
        if isinstance(form, Reply):
            return form
        return route, Visit(self, request.method, path, parts, query, form)

    def _open(self, request: Request) -> Reply:
        """The link: used once, and by whoever navigates there, from wherever that may be."""
        if request.method != "GET":
            return Reply(405)
        if "prefetch" in request.headers.get("sec-purpose", ""):
            return Reply(403)  # nobody has gone there yet
        if self._opened or self._made + LINK_SECONDS < time.monotonic():
            return Reply(410, landing.closed(self._again))
        self._opened = True
        self._last = time.monotonic()
        # No redirect: the cookie is Strict, and a link on a foreign page began this one.
        cookie = f"{self._cookie}={self._pass}; Path={self._folder}; SameSite=Strict; HttpOnly"
        page = landing.onward("One moment", self.at("/"))
        return Reply(200, page, headers=(("Set-Cookie", cookie),))

    def _is_known(self, request: Request) -> bool:
        """Whether it has the cookie; another port of this machine may have set one beside it."""
        given = request.headers.get("cookie", "").split(";")
        pairs = (part.strip().partition("=") for part in given)
        return any(name == self._cookie and _same(value, self._pass) for name, _, value in pairs)


def _handled(route: Route, visit: Visit) -> Reply:
    """What its handler says; an error is a page, and ends nothing."""
    try:
        return route.handler(visit)
    except AuthError as error:
        return visit.site.show(landing.problem("That did not work", error), 409)
    except Exception as error:  # noqa: BLE001 - its text could hold anything
        logging.getLogger("arcrun_auth").warning("a local page failed: %s", type(error).__name__)
        return Reply(500)


def _fit(pattern: str, path: str) -> Mapping[str, str] | None:
    """What of `path` stands in the holes of `pattern`; None where they do not fit.

    >>> _fit("/services/{name}/test", "/services/notion%40work/test")
    {'name': 'notion@work'}
    """
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    parts = {}
    for hole, text in zip(wanted, given, strict=True):
        if hole.startswith("{"):
            parts[hole[1:-1]] = unquote(text)
        elif hole != text:
            return None
    return parts


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode("utf-8", "replace"), other.encode())
