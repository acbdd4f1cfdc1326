"""One process that wants tokens, as a machine of steps: the real `GrantSource`, run piecewise.

The code of a renewal touches the world only by its store, its lock, its clock and its token
request. Each of these is a step here. What a process does next depends on nothing but what its
steps have given it so far, so it can be stopped anywhere, forgotten, and run up to there again:
a `Node` is a process that has seen so much and waits for its next step. No thread is needed, and
what many interleavings have in common is run once.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from arcrun_auth import custody, sources
from arcrun_auth.errors import (
    AuthError,
    LoginRequired,
    ProviderUnavailable,
    RefreshBusy,
    StoreConflict,
    StoreError,
    TokenRefused,
)
from arcrun_auth.sources import GrantSource
from arcrun_auth.stores.base import Store
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

KEY = Key("credential", "demo")
LIFE = 3600.0
"""How many seconds does a token of the model live?"""

ENDLESS = 120
"""After how many steps is a process taken for one that never ends?"""

RAISES: dict[str, Callable[[], BaseException]] = {
    "conflict": lambda: StoreConflict("changed meanwhile"),
    "full": lambda: StoreError("the disk is full"),
    "unreadable": lambda: StoreError("the disk fails"),
    "busy": lambda: RefreshBusy("busy"),
    "down": lambda: ProviderUnavailable("answered 503", status=503),
    "silence": lambda: ProviderUnavailable("did not answer", sent=True),
    "refused": lambda: TokenRefused("no", error=sources.PERMANENT),
    "cut": KeyboardInterrupt,
}
"""What a step may end in, beside going well."""


def number(secret: str) -> int:
    return int(secret.rpartition("-")[2])


def access(n: int) -> Secret:
    return Secret(f"{canary.WORD}-at-{n}")


def refresh(n: int) -> Secret:
    return Secret(f"{canary.WORD}-rt-{n}")


class Records:
    """Every record that ever stood in the store, by a number: the same content, the same one."""

    def __init__(self) -> None:
        self.all: list[Credential] = []
        self._numbers: dict[str, int] = {}

    def of(self, record: Credential) -> int:
        content = json.dumps(record.dump(), sort_keys=True)
        found = self._numbers.get(content)
        if found is None:
            found = self._numbers[content] = len(self.all)
            self.all.append(record)
        return found

    def grant(self, n: int) -> Grant:
        found = self.all[n].grant
        assert found is not None
        return found


class Seen(NamedTuple):
    """What one step gave to the process that took it, and when by its clocks."""

    kind: str
    value: Any = None
    wall: float = 0.0
    ticks: float = 0.0


class Result(NamedTuple):
    """How one call of `token` ended."""

    kind: str
    """`token`, or the error's type."""
    token: int | None = None
    expires: float | None = None
    rejected: int | None = None
    why: str = ""
    told: bool = False
    """Whether the text says that a rotation was interrupted."""
    wall: float = 0.0
    """The time when the process last looked at what it gives: after that it cannot know."""


class Stop(BaseException):
    """The process has used up what it has seen: it waits for its next step."""


class Process:
    """What the real code is given for a world; plays `history` back, then stops."""

    def __init__(self, history: tuple[Seen, ...], records: Records) -> None:
        self._history = history
        self._records = records
        self._next = 0
        self.wall, self.ticks = history[0][2:] if history else (0.0, 0.0)
        self.looked = self.wall
        self.waits: tuple[Any, ...] | None = None
        self.holds = False
        self.flight: int | None = None
        self.answered = False
        self.misread = False
        self.results: list[Result] = []

    def step(self, *operation: Any) -> Any:
        if self.waits is not None or self._next == len(self._history):
            self.waits = self.waits or operation
            raise Stop
        kind, value, self.wall, self.ticks = self._history[self._next]
        self._next += 1
        if kind in ("record", "arrived"):
            # After its own answer it reads the store to save, so what it gives may be older.
            self.looked = min(self.looked, self.wall) if self.answered else self.wall
        if kind == "refused":
            self.misread, self.flight, self.answered = value, operation[1], False
        if kind in RAISES:
            raise RAISES[kind]()  # noqa: RSE102 - makes a new one
        return value

    def monotonic(self) -> float:
        return self.ticks

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        assert timeout == sources.LOCK_WAIT
        self.step("acquire")
        self.holds = True
        try:
            yield
        finally:
            self.step("release")
            self.holds, self.flight, self.answered = False, None, False

    def renew(self, record: Credential) -> Grant:
        grant = record.grant
        assert grant is not None
        assert grant.refresh_token is not None
        base = number(grant.access_token.reveal())
        new = self.step("send", base, number(grant.refresh_token.reveal()), grant.expires)
        self.flight, self.answered = base, True
        self.step("receive")
        self.looked = self.wall
        return Grant(
            access_token=access(new[0]),
            refresh_token=grant.refresh_token if new[1] is None else refresh(new[1]),
            issued=self.wall,
            expires=self.wall + LIFE,
        )

    def ask(self, source: GrantSource, rejected: int | None = None) -> int | None:
        """One call; its token's number, None where there is none."""
        self.looked, self.misread = self.wall, False
        given = None if rejected is None else access(rejected).reveal()
        try:
            token = source.token(rejected=given)
        except Stop:
            raise
        except BaseException as error:
            self.results.append(self._failed(error, rejected))
            return None
        found = number(token.access_token)
        self.results.append(Result("token", found, token.expires, rejected, wall=self.looked))
        return found

    def _failed(self, error: BaseException, rejected: int | None) -> Result:
        kind = type(error).__name__
        if not isinstance(error, AuthError | KeyboardInterrupt):
            kind = f"untyped {error!r}"
        why = error.why if isinstance(error, LoginRequired) else ""
        told = "rotation interrupted" in str(error)
        return Result(kind, rejected=rejected, why=why, told=told, wall=self.looked)


class _Place(Store):
    """The store that all processes share, as one of them reaches it."""

    name = "model"

    def __init__(self, process: Process, records: Records) -> None:
        self._process = process
        self._records = records

    def _record(self, n: int | None) -> Credential | None:
        return None if n is None else self._records.all[n]

    def get(self, key: Key) -> Credential | None:
        return self._record(self._process.step("get"))

    def put(self, record: Credential, *, expect: int) -> Credential:
        stored = self._record(self._process.step("put", self._records.of(record), expect))
        assert stored is not None
        return stored

    def delete(self, key: Key, *, expect: int) -> None:
        self._process.step("delete", expect)

    def keys(self) -> Iterator[Key]:
        return iter(())


class Node:
    """A process that has seen so much, and the step it waits for; None where it has ended."""

    __slots__ = ("answered", "children", "depth", "flight", "history", "holds", "misread",
                 "program", "results", "waits")  # fmt: skip

    def __init__(self, process: Process, program: str, history: tuple[Seen, ...]) -> None:
        self.program = program
        self.history = history
        self.depth = len(history)
        self.waits = process.waits
        self.holds = process.holds
        """Whether it holds the lock."""
        self.flight = process.flight
        """The access token it is renewing, from the server's answer until it lets the lock go."""
        self.answered = process.answered
        """Whether that answer was a new grant, and no refusal."""
        self.misread = process.misread
        """Whether, at its last refusal, the store held a grant that was still good."""
        self.results = tuple(process.results)
        self.children: dict[Seen, Node] = {}

    def saw(self, *kinds: str) -> bool:
        return any(seen.kind in kinds for seen in self.history)

    def __str__(self) -> str:
        steps = " ".join(f"{seen.kind}({'' if seen.value is None else seen.value})"
                         for seen in self.history)  # fmt: skip
        return f"{self.program}: {steps} | waits for {self.waits} | {list(self.results)}"


def once(ask: Callable[..., int | None]) -> None:
    ask()


def twice(ask: Callable[..., int | None]) -> None:
    ask()
    ask()


def refused(ask: Callable[..., int | None]) -> None:
    """The server refuses the token it gets, so it asks for another."""
    ask(ask())


PROGRAMS = {program.__name__: program for program in (once, twice, refused)}


class Machine:
    """Makes nodes: runs the real code once for each different past of a process."""

    def __init__(self, source: type[GrantSource] = GrantSource) -> None:
        self.source = source
        self.records = Records()
        self.runs = 0
        self._roots: dict[tuple[str, float, float], Node] = {}

    def root(self, program: str, wall: float, ticks: float) -> Node:
        """A process that has only just started."""
        at = program, wall, ticks
        if at not in self._roots:
            self._roots[at] = self._run(program, (Seen("start", None, wall, ticks),))
        return self._roots[at]

    def after(self, node: Node, seen: Seen) -> Node:
        """The same process, one step on."""
        if seen not in node.children:
            node.children[seen] = self._run(node.program, (*node.history, seen))
        return node.children[seen]

    def _run(self, program: str, history: tuple[Seen, ...]) -> Node:
        assert len(history) < ENDLESS, "a process that never ends"
        self.runs += 1
        process = Process(history[1:], self.records)
        process.wall, process.ticks = history[0].wall, history[0].ticks
        sources.time = process
        source = self.source(
            _Place(process, self.records), KEY, renew=process.renew, lock=process.lock,
            service="demo", rotates="maybe", clock=lambda: process.wall,
        )  # fmt: skip
        with suppress(Stop):
            PROGRAMS[program](lambda rejected=None: process.ask(source, rejected))
        return Node(process, program, history)


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code takes from this machine and not from its arguments: one answer for all.

    The clock of the model is no clock of the system's, and a warning said a million times is
    no use to anybody.
    """
    monkeypatch.setattr(sources, "time", sources.time)
    monkeypatch.setattr(custody, "_boot_id", lambda: "boot")
    monkeypatch.setattr(custody, "_warn", lambda *_: None)
