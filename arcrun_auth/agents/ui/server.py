"""The page at work: a table of handlers behind a one-time link, and what was told last."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcrun_auth.agents import connecting
from arcrun_auth.agents.site import Route, Site
from arcrun_auth.agents.ui import actions, cards, data, view
from arcrun_auth.agents.ui.controls import Told
from arcrun_auth.agents.ui.rows import full_name
from arcrun_auth.agents.ui.style import SCRIPT, STYLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from arcrun_auth.agents.connecting import Connecting
    from arcrun_auth.agents.site import Visit
    from arcrun_auth.broker import Broker
    from arcrun_auth.listener import Reply

MAX_CONNECTING = 8
"""How many services may be on their way at once? One more, and the oldest is given up."""


class Page:
    """`arcrun ui`. `url` works once; `run` serves until somebody closes it or nobody comes.

        >>> page = Page(Broker())                                  # doctest: +SKIP
        >>> browser.open_url(page.url)                             # doctest: +SKIP
        >>> page.run()                                             # doctest: +SKIP

    Raises LoginFailed where `port` is taken. `clock` gives epoch seconds.
    """

    def __init__(
        self, broker: Broker, *, port: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._lock = threading.Lock()
        self._notices: list[Told] = []
        self._leads = False
        """Whether the address of the next page leads to a row of it."""
        self._told: dict[str, Told] = {}
        self._connecting: dict[str, tuple[str, Connecting]] = {}
        self._count = 0
        self._over = self._anybody = False
        self._site = Site(
            self._routes(), again="Run arcrun ui again.", script=SCRIPT, style=STYLE, port=port
        )
        self.port = self._site.port

    @property
    def url(self) -> str:
        """The link to open. It works once."""
        return self._site.url

    def for_anybody(self) -> None:
        """The link is shown to the person alone: see `Site.for_anybody`."""
        self._anybody = True
        self._site.for_anybody()

    def run(self) -> None:
        """Serves in this thread."""
        self._site.run(lambda: self._over)

    def start(self) -> None:
        """Serves in a thread of its own."""
        self._site.start(lambda: self._over)

    def close(self) -> None:
        """Ends it, and what is on its way."""
        self._site.close()
        with self._lock:
            under_way = [each for _, each in self._connecting.values()]
            self._connecting.clear()
        for each in under_way:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/", self._show, slow=True),
            Route("GET", "/waiting", self._waiting),
            Route("POST", "/test", self._test, slow=True),
            Route("GET", "/remove", self._leave),
            Route("POST", "/remove", self._remove(revoke=False), slow=True),
            Route("POST", "/revoke", self._remove(revoke=True), slow=True),
            Route("GET", "/connect", self._choose),
            Route("POST", "/connect", self._connect),
            Route("GET", "/connecting/{id}", self._follow),
            Route("POST", "/approve", self._act(actions.approve, "id")),
            Route("POST", "/refuse", self._act(actions.refuse, "id")),
            Route("POST", "/rule/remove", self._act(actions.remove_rule, "id")),
            Route("POST", "/rule/deny", self._act(actions.deny, "service", "what", "client")),
            Route("POST", "/stop", self._stop),
        )

    # -- The page ----------------------------------------------------------------------

    def _show(self, visit: Visit) -> Reply:
        query = " ".join(visit.query.get("q", "").split())[:200]
        picture = data.look(self._broker, query, self._clock())
        with self._lock:
            notices, self._notices = self._notices, []
            leads, self._leads = self._leads, False
            told = dict(self._told)
        site = visit.site
        page = view.page(
            picture, at=site.at, token=site.token, notices=notices, told=told, focus=not leads
        )
        return site.show(page)

    def _waiting(self, visit: Visit) -> Reply:
        """What the script asks for from time to time: the requests that wait now."""
        pending = self._broker.policies.pending()
        return visit.site.show(view.waiting(pending, self._clock(), at=visit.site.at).encode())

    def _tell(self, visit: Visit, told: Told, where: str = "") -> Reply:
        """Back to the page, which says what became of it."""
        with self._lock:
            self._notices.append(told)
            self._leads = bool(where)
        return visit.site.go(f"/{where}")

    # -- What its buttons do -----------------------------------------------------------

    def _test(self, visit: Visit) -> Reply:
        name = visit.form.get("name", "")
        told = actions.test(self._broker, name)
        with self._lock:
            self._told[name] = told
        return visit.site.go(f"/#c-{quote(name)}")

    def _leave(self, visit: Visit) -> Reply:
        name, site = visit.query.get("name", ""), visit.site
        why = self._broker.why(name)
        title = self._broker.recipes.entry(why.service).display_name
        name = full_name(why.service, why.instance)
        return site.show(cards.leave(name, title, why, at=site.at, token=site.token))

    def _remove(self, *, revoke: bool) -> Callable[[Visit], Reply]:
        def handle(visit: Visit) -> Reply:
            name = visit.form.get("name", "")
            with self._lock:
                self._told.pop(name, None)
            return self._tell(visit, actions.remove(self._broker, name, revoke=revoke))

        return handle

    def _act(self, action: Callable[..., Told], *names: str) -> Callable[[Visit], Reply]:
        """A handler that gives an action what the form sent under these names."""

        def handle(visit: Visit) -> Reply:
            given = (visit.form.get(name, "") for name in names)
            return self._tell(visit, action(self._broker, *given))

        return handle

    def _stop(self, visit: Visit) -> Reply:
        self._over = True
        return visit.site.show(cards.ended())

    # -- Connecting --------------------------------------------------------------------

    def _choose(self, visit: Visit) -> Reply:
        site, recipe = visit.site, self._broker.recipes.recipe(visit.query.get("service", ""))
        instance = visit.query.get("instance", "")
        return site.show(cards.choose(recipe, instance, at=site.at, token=site.token))

    def _connect(self, visit: Visit) -> Reply:
        """Makes the page that asks the person; the browser is led there by hand, since a form
        may lead to no other port."""
        wanted: Mapping[str, str] = {name: text.strip() for name, text in visit.form.items()}
        service, instance = wanted.get("service", ""), wanted.get("instance") or "default"
        entry = self._broker.recipes.entry(service)
        begun = connecting.start(
            self._broker,
            entry.service,
            instance,
            scopes=tuple(filter(None, [wanted.get("scopes")])),
            client="",
            method=wanted.get("method") or None,
        )
        if self._anybody:
            begun.for_anybody()
        with self._lock:
            self._count += 1
            named = str(self._count)
            self._connecting[named] = (full_name(entry.service, instance), begun)
            surplus = len(self._connecting) - MAX_CONNECTING
            over = (
                [self._connecting.pop(each) for each in list(self._connecting)[:surplus]]
                if surplus > 0
                else []
            )
        for _, each in over:
            each.close()
        return visit.site.go(f"/connecting/{named}")

    def _follow(self, visit: Visit) -> Reply:
        """How far it is: the tab waits here for the other one."""
        with self._lock:
            found = self._connecting.get(visit.parts["id"])
        if found is None:
            return visit.site.go("/")
        name, begun = found
        state = begun.state
        if state in ("waiting", "working"):
            site = visit.site
            page = cards.waiting(name, begun.url, working=state == "working", at=site.at)
            return site.show(page)
        with self._lock:
            self._connecting.pop(visit.parts["id"], None)
        begun.close()
        return self._tell(visit, _end_of(name, begun), f"#c-{quote(name)}")


def _end_of(name: str, begun: Connecting) -> Told:
    if begun.state == "connected":
        return Told("good", f"{name} is connected.")
    if begun.error is not None:
        return actions.failed(begun.error)
    if begun.state == "refused":
        return Told("warn", f"{name} was not connected: you refused.")
    return Told("warn", f"{name} was not connected: nobody went on within ten minutes.")
