"""What the tests of the bound client share: bindings, a source that counts."""

from __future__ import annotations

import threading

from arcrun_auth.hosts import Fence
from arcrun_auth.recipe import Inject
from arcrun_auth.signing import Binding
from arcrun_auth.tokens import Secret, Token

PLACES = ("header", "query", "body", "path", "cookie")


def inject(*places: str) -> Inject:
    """`{{secret.key}}` in each of the places, under a name that tells which."""
    names = {
        "header": "X-Api-Key",
        "query": "key",
        "body": "auth.key",
        "path": "key",
        "cookie": "sid",
    }
    return Inject(**{place: {names[place]: "{{secret.key}}"} for place in places})


def binding(origin: str, *places: str, base: str = "", **more) -> Binding:
    """A binding to one loopback origin, which the user allows."""
    host = origin.split("//")[1]
    fence = more.pop("fence", None) or Fence([host], [origin])
    return Binding("demo", origin + base, fence, more.pop("inject", inject(*places)), **more)


def static(key: str) -> Token:
    return Token(key, secrets={"key": Secret(key)})


class CountingSource:
    """Renews `first` into `second` when the first is refused, and counts who asked how."""

    def __init__(self, first: Token, second: Token | None = None, *, warm: bool = True) -> None:
        self.current = first
        self.second = second
        self.warm = warm
        self.asked: list[str | None] = []
        self.peeks = 0
        self.threads: set[str] = set()
        self.renewals = 0
        self._lock = threading.Lock()

    def token(self, *, rejected: str | None = None) -> Token:
        with self._lock:
            self.asked.append(rejected)
            self.threads.add(threading.current_thread().name)
            if rejected is not None and rejected == self.current.access_token and self.second:
                self.renewals += 1
                self.current = self.second
            self.warm = True
            return self.current

    def peek(self) -> Token | None:
        self.peeks += 1
        return self.current if self.warm else None
