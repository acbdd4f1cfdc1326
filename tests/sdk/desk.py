"""A broker that is logged in to a provider, and an API on loopback that takes its tokens."""

from __future__ import annotations

import contextlib
import json
import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import yaml

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests.needs import needs
from tests.servers import Recorder, Reply, Seen
from tests.world import Told, home_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR = 3600.0


def sdk(module: str, package: str = "") -> Any:
    """The module of an SDK; the test is skipped, or fails in CI, where it is not installed."""
    package = package or module
    needs(find_spec(module.partition(".")[0]), f"{package}: pip install {package}")
    return import_module(module)


PLACES = ("bearer", "header", "query", "body", "cookie", "path")
"""Where a recipe may put a token."""


def inject(place: str) -> dict[str, Any]:
    """The recipe's field for one of them."""
    token = "{{token.access_token}}"
    return {
        "bearer": {"header": {"Authorization": f"Bearer {token}"}},
        "header": {"header": {"X-Api-Key": token}},
        "query": {"query": {"key": token}},
        "body": {"body": {"auth.key": token}},
        "cookie": {"cookie": {"sid": token}},
        "path": {"path": {"key": token}},
    }[place]


def token_in(place: str, seen: Seen) -> str:
    """The token of a request, as `Bearer ...`; empty where there is none."""
    path, _, query = seen.target.partition("?")
    if place == "bearer":
        return seen.headers.get("authorization", "")
    if place == "header":
        found = seen.headers.get("x-api-key", "")
    elif place == "query":
        found = dict(parse_qsl(query)).get("key", "")
    elif place == "body":
        found = json.loads(seen.body or b"{}").get("auth", {}).get("key", "")
    elif place == "cookie":
        crumbs = seen.headers.get("cookie", "").split("; ")
        found = dict(crumb.split("=", 1) for crumb in crumbs if crumb).get("sid", "")
    else:
        found = path.removeprefix("/bot").partition("/")[0]
    return f"Bearer {found}"


class Clock:
    """The time of broker and provider."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Api:
    """Answers what a test says, to whoever shows a token of the provider that is good now."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.answers: dict[str, Any] = {}
        """By the last part of the path: what is answered, as JSON; or a `Reply`."""
        self.find: Callable[[Seen], str] = lambda seen: seen.headers.get("authorization", "")
        """Where in a request the API looks for its token, as `Bearer ...`."""
        self.refusal: Callable[[], Reply] = lambda: as_json({"error": "unauthorized"}, 401)
        self.server = Recorder(self._answer)

    @property
    def origin(self) -> str:
        return self.server.origin

    @property
    def host(self) -> str:
        return self.origin.removeprefix("http://")

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    def _answer(self, seen: Seen) -> Reply:
        if self.provider.authority.holder(self.find(seen)) is None:
            return self.refusal()
        path = "/" + seen.target.partition("?")[0].rpartition("/")[2]
        answer = self.answers.get(path, {})
        return answer if isinstance(answer, Reply) else as_json(answer)


def as_json(data: Any, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(data).encode())


class Desk:
    """A user who is logged in to `demo` (OAuth), whose API is `api`."""

    def __init__(self, folder: Path, provider: Provider, clock: Clock) -> None:
        self.provider = provider
        self.clock = clock
        self.api = Api(provider)
        self._folder = folder
        self._broker: Broker | None = None

    def recipe(self, service: str = "demo", **changes: Any) -> str:
        """The provider's recipe, with the API in place of the provider's own."""
        found = yaml.safe_load(self.provider.recipe_yaml(service))
        found["base_url"] = self.api.origin
        found["allowed_hosts"] = [self.api.host, self.provider.authorities[0]]
        found["test"] = {"url": f"{self.provider.issuer}/api/me"}
        return str(yaml.safe_dump(found | changes))

    @property
    def broker(self) -> Broker:
        if self._broker is None:
            self._broker = self.with_recipe(self.recipe())
        return self._broker

    def with_recipe(self, text: str, *origins: str, **more: str) -> Broker:
        """A broker whose `demo` is this recipe, logged in. It allows `origins` beside the API's,
        and has `more` recipes, by service.
        """
        self._broker = Broker(
            home=home_with(self._folder, self.provider, demo=text, **more),
            store=Memory(),
            person=Told(),
            allow_hosts=[self.provider.issuer, self.api.origin, *origins],
            open_url=self.provider.follow,
            clock=self.clock,
        )
        app = Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")})
        self._broker.store.put(app, expect=0)
        self._broker.setup("demo")
        return self._broker

    def with_place(self, place: str, *origins: str) -> Broker:
        """A broker whose `demo` puts its token there, and an API that looks for it there."""
        self.api.find = lambda seen: token_in(place, seen)
        return self.with_recipe(self.recipe(inject=inject(place)), *origins)

    @property
    def renewals(self) -> int:
        """Token requests that renewed, failed ones included."""
        return self.provider.token_requests["refresh_token"]

    def expire(self) -> None:
        """The token ends, as everybody knows."""
        self.clock.ahead += HOUR

    def refuse(self) -> None:
        """The provider takes its tokens back, and nobody here knows."""
        self.provider.authority.expire_access_tokens()

    def close(self) -> None:
        if self._broker is not None:
            self._broker.close()
        self.api.server.close()


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Desk]:
    """A desk, with its provider."""
    clock = Clock()
    with Provider(clock=clock) as provider:
        desk = Desk(folder, provider, clock)
        try:
            yield desk
        finally:
            desk.close()
