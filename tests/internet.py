"""The Internet on this machine: the real names, TLS and all, and whoever the test puts there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from tests.servers import Reply, authority, proxy, recorder
from tests.world import Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.servers import Seen


class Internet:
    """`with Internet(folder, monkeypatch, "api.example.com") as net:`; `net.answer` answers.

    A proxy leads the names to one server here, with certificates of an authority that the
    environment trusts. So the shipped recipes are used as they are.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
        self._folder, self._patch, self._hosts = folder, monkeypatch, hosts
        self._stack = ExitStack()
        self.answer: Callable[[Seen], Reply] = lambda _: Reply()

    def __enter__(self) -> Self:
        ca, context = authority(self._folder, *self._hosts)
        self.server = self._stack.enter_context(recorder(self._reply, context))
        door = self._stack.enter_context(proxy(self._route))
        self._patch.setenv("HTTPS_PROXY", door.url)
        self._patch.setenv("SSL_CERT_FILE", str(ca))
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            self._patch.delenv(name, raising=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _reply(self, seen: Seen) -> Reply:
        return self.answer(seen)

    def _route(self, host: str, _tls: bool) -> int:
        assert host in self._hosts, f"nobody plays {host} here"
        return self.server.port

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    def broker(self, **settings) -> Broker:
        """A broker that knows the shipped recipes alone, and keeps nothing."""
        home = self._folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        settings.setdefault("store", Memory())
        return Broker(home=str(home), person=Told(), environ={}, **settings)
