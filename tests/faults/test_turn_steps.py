"""A home that shares a login dies at each step of its renewal, one after the other; what follows.

Each request to the platform, each write to its vault and its memory, and the token request itself
is a step that it dies before, or behind.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import sources
from arcrun_auth.authority import Authority
from arcrun_auth.cloud import Cloud
from arcrun_auth.custody import interrupted
from arcrun_auth.errors import LoginRequired, RefreshBusy
from arcrun_auth.stores.vault import Vault
from arcrun_auth.sync import turns
from arcrun_auth.sync.state import State
from arcrun_auth.testing import Provider
from tests.faults.board import FULL
from tests.sync_crashing import Crash, Fuse
from tests.sync_sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fault

STRIDE = 1 if FULL else 20
ENDLESS = 500
A, B = "laptop", "desktop"


@pytest.fixture(scope="module")
def sharing(tmp_path_factory) -> Iterator[Sharing]:
    with Provider() as provider:
        made = Sharing(tmp_path_factory.mktemp("steps"), provider)
        yield made
        made.close()


@contextmanager
def fragile(monkeypatch, fuse: Fuse) -> Iterator[None]:
    """Inside, every step burns the fuse twice: before it is done and behind it."""

    def around(where: type, name: str) -> None:
        real = getattr(where, name)
        patch.setattr(where, name, lambda *args, **more: fuse.around(real, *args, **more))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        fuse.step()
        with real_transaction(self):
            yield
        fuse.step()

    real_transaction = State.transaction
    with monkeypatch.context() as patch:
        around(Cloud, "ask")
        around(Vault, "put")
        around(Authority, "send")
        patch.setattr(State, "transaction", transaction)
        yield


def dies(monkeypatch, sharing: Sharing, steps: int) -> bool:
    """Home A renews, and is gone after so many steps. False if it did not get that far."""
    sharing.begin()
    sharing.expire(A, B)
    broker = sharing.another(A)
    try:
        with fragile(monkeypatch, Fuse(steps)):
            broker.get_token("demo", interactive=False)
    except Crash:
        return True
    finally:
        broker.close()
    return False


def ended(sharing: Sharing, name: str) -> str:
    """What a home gets: its token, or the error's type."""
    try:
        return sharing.token(name)
    except RefreshBusy:
        return "RefreshBusy"
    except LoginRequired as error:
        return "LoginRequired" if "rotation interrupted" in error.message else "not told"


class Points:
    """Every place to die in, and what it came to."""

    def __init__(self, monkeypatch, sharing: Sharing) -> None:
        self._monkeypatch, self._sharing = monkeypatch, sharing
        self.places = self.torn = 0
        self.wrong: list[str] = []

    def each(self) -> Iterator[tuple[int, bool]]:
        """The number of each, and whether the rotation was torn from the store there."""
        for steps in range(0, ENDLESS, STRIDE):
            if not dies(self._monkeypatch, self._sharing, steps):
                return
            rotated = self._sharing.requests > 0
            torn = rotated and interrupted(self._sharing.grant(A))
            self.places += 1
            self.torn += torn
            yield steps, torn
        raise AssertionError("a renewal that never ends")

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(what)

    def healthy(self, steps: int, torn: bool, *tokens: str) -> None:
        """Nothing was used twice, and all have one token; or it was torn, and that was told."""
        if torn:
            self.check(set(tokens) <= {"LoginRequired", "RefreshBusy"}, f"{steps}: {tokens}")
        else:
            one = len(set(tokens)) == 1 and "at_" in tokens[0]
            self.check(one and self._sharing.well, f"{steps}: {tokens}")


def test_whoever_comes_first_afterwards_nothing_is_used_twice(
    sharing: Sharing, monkeypatch, board
) -> None:
    points = Points(monkeypatch, sharing)
    monkeypatch.setattr(sources, "LOCK_WAIT", 2.0)
    for steps, torn in points.each():  # it comes back at once
        first = ended(sharing, A)
        points.healthy(steps, torn, first, ended(sharing, B))
    for steps, torn in points.each():  # another asks before it is back
        sharing.lapse()
        early = ended(sharing, B)
        late = ended(sharing, A)
        sharing.sync(A)
        points.healthy(steps, torn, late, ended(sharing, B))
        if early != "RefreshBusy":
            points.healthy(steps, torn, early, late)
    monkeypatch.setattr(turns, "GRACE", 0.0)
    for steps, _ in points.each():  # it does not come back
        rotated, told = sharing.requests > 0, sharing.grant(A).intent is None
        sharing.lapse()
        token = ended(sharing, B)
        lost = rotated and not told and token == "LoginRequired"
        points.check(lost or ("at_" in token and sharing.well), f"{steps}: {token}")
    board.note(
        "turns",
        "a home dies in its turn, and comes back at once, after another asked, or never",
        injected=f"{points.places} places: before and behind each request and each write",
        must_hold="no reuse unless the rotation was torn from the store, or its home never comes "
        "back; that is told exactly; else all homes have one token",
        figure="; ".join(points.wrong[:3]) or f"as it must ({points.torn} torn)",
        held=not points.wrong and points.places > 0,
    )
