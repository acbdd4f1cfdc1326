"""Rows 6 and model: the renewal under every interleaving and at every place to fail in.

Other rows try it with real processes, as often as there is time for. Here nothing is left to
chance: within the bounds that the row names, all that can happen does.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import combinations_with_replacement as choose
from itertools import product

import pytest

from arcrun_auth.custody import Custody
from arcrun_auth.sources import GrantSource
from tests.faults.board import FULL
from tests.faults.model import SERVERS, Model, Violation
from tests.faults.steps import PROGRAMS, isolate

pytestmark = pytest.mark.fault

SIMPLE = "once"
ONE_SURPRISE = list(choose(PROGRAMS, 3))
TWO_SURPRISES = [(SIMPLE,) * 3]
if FULL:
    TWO_SURPRISES += [*choose(PROGRAMS, 2), (SIMPLE, SIMPLE, "refused"), (SIMPLE, SIMPLE, "twice")]


@pytest.fixture(autouse=True)
def isolated(monkeypatch) -> None:
    isolate(monkeypatch)


def _explored(board, server: str, *, surprises: int, scenarios: list[tuple[str, ...]]) -> None:
    states = transitions = executions = 0
    wrong = ""
    for valid in (False, True):
        model = Model(server, surprises, valid=valid)
        try:
            for programs in scenarios:
                model.explore(programs)
        except Violation as violation:
            wrong = str(violation)
        states += model.states
        transitions += model.transitions
        executions += model.executions
    actors = " or ".join(map(str, sorted({len(programs) for programs in scenarios})))
    board.note(
        "model",
        f"every interleaving of {actors} processes, server that {BY_NAME[server]}",
        injected=f"one or two calls each, {len(scenarios)} x 2 beginnings; at most {surprises} of: "
        "a crash before any step, a request or an answer lost, 503, store cannot read or write, "
        "interrupt, lock busy, an hour passes, clock set back a day, an edit, a new login",
        must_hold="1 request for an ended token, 1 more for a failure at it; a login is lost by "
        "a torn rotation alone, and that is told; no dead token, no deadlock, typed errors",
        figure=wrong
        or f"0 violations in {states} states, {transitions} transitions, "
        f"{executions:.1e} executions",
        held=not wrong,
    )


BY_NAME = {
    "strict": "ends the login at reuse",
    "grace": "takes the last one again",
    "keeps": "does not rotate",
}


@pytest.mark.parametrize("server", SERVERS)
def test_row_6_every_interleaving_with_one_surprise_keeps_the_login(board, server) -> None:
    _explored(board, server, surprises=1, scenarios=ONE_SURPRISE)


@pytest.mark.parametrize("server", SERVERS)
def test_row_6_two_surprises_at_once_keep_it_too(board, server) -> None:
    _explored(board, server, surprises=2, scenarios=TWO_SURPRISES)


def test_without_a_surprise_three_processes_cause_one_request() -> None:
    model = Model("strict", 0)
    model.explore((SIMPLE,) * 3)
    requests = {sum(count for _, count in world.spent) for world in model._worlds}
    assert requests == {0, 1}
    assert all(world.alive for world in model._worlds)
    assert model.executions > model.states > 50


# -- the checker can fail: renewals that lack one rule each --------------------------------


class Broken(GrantSource):
    """A renewal with a custody of its own."""

    custody: type[Custody] = Custody

    def __init__(self, store, key, *, service, **more) -> None:
        super().__init__(store, key, service=service, **more)
        self._custody = self.custody(store, key, service, lambda _: None)


class WithoutLock(Broken):
    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more | {"lock": lambda _: nullcontext()})


class WithoutSecondReading(Broken):
    """Under the lock it renews, whoever has done so before."""

    def _under_lock(self, rejected):
        record = self._custody.read(locked=True)
        return self._holding(record, self._request(record))


class CommitsLater(Broken):
    class custody(Custody):  # noqa: N801 - a setting
        def commit(self, record, grant):
            self._unsaved = record.grant, grant
            return grant


class WritesOverANewerLogin(Broken):
    class custody(Custody):  # noqa: N801
        def commit(self, record, grant):
            latest = self.store.get(self.key)
            self.store.put(latest.replace(grant=grant), expect=latest.generation)
            return grant


class SavesLateWithoutLock(Broken):
    class custody(Custody):  # noqa: N801
        def read(self, *, locked=False):
            return super().read(locked=True)


class DeletesWhatIsRefused(Broken):
    class custody(Custody):  # noqa: N801
        def bury(self, record):
            self.store.delete(self.key, expect=record.generation)


class BelievesOneReading(Broken):
    class custody(Custody):  # noqa: N801
        def bury(self, record):
            pass


class LeavesNoIntent(Broken):
    class custody(Custody):  # noqa: N801
        def intend(self, record, now):
            return record


class NeverRetries(Broken):
    """A silent server is taken for a refusal."""

    def _request(self, record, turn=None):
        from arcrun_auth.errors import LoginRequired, ProviderUnavailable

        try:
            return super()._request(record, turn)
        except ProviderUnavailable:
            raise LoginRequired("gone", service="demo", why="revoked") from None


class GivesTheRefusedOne(Broken):
    def token(self, *, rejected=None):
        return super().token()


class Hangs(Broken):
    """It keeps the lock."""

    def __init__(self, *args, lock, **more) -> None:
        super().__init__(*args, lock=lock, **more)
        self._process = lock.__self__
        self._lock = self._keep

    def _keep(self, timeout):
        self._process.step("acquire")
        self._process.holds = True
        return nullcontext()


class Untyped(Broken):
    def _last_use(self, rejected, error):
        raise KeyError(rejected)


BROKEN = {
    WithoutLock: "request too many",
    WithoutSecondReading: "request without a reason",
    CommitsLater: "request too many",
    WritesOverANewerLogin: "older grant over a newer one",
    SavesLateWithoutLock: "login is lost",
    DeletesWhatIsRefused: "login is deleted",
    BelievesOneReading: "newer login is not seen",
    LeavesNoIntent: "not told",
    NeverRetries: "nothing has ended this login",
    GivesTheRefusedOne: "refused token is given again",
    Hangs: "deadlock",
    Untyped: "error without a reason: .*untyped KeyError",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_renewal_that_lacks_a_rule_is_found(broken) -> None:
    def explore() -> None:
        for surprises, server in product((0, 1), SERVERS):
            model = Model(server, surprises, source=broken)
            for programs in (*choose(PROGRAMS, 2), *ONE_SURPRISE):
                model.explore(programs)

    with pytest.raises(Violation, match=BROKEN[broken]):
        explore()
