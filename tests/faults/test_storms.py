"""However many want the same expired or refused token: one token request, nobody fails."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trio

from arcrun_auth.tokens import Consent, Credential, Key, Secret
from tests import canary
from tests.faults.board import count
from tests.faults.desk import GUARD, Caller, Callers, Desk

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fault


class Storm:
    """The figures of one storm, and what must hold for every one."""

    def __init__(self, desk: Desk) -> None:
        provider = desk.provider
        self.provider = provider
        self.before = provider.token_requests["refresh_token"]
        self.reuses = provider.reuses
        self.families = provider.families_revoked
        self.outcomes: list[str] = []

    @property
    def requests(self) -> int:
        return self.provider.token_requests["refresh_token"] - self.before

    @property
    def failed(self) -> int:
        return sum(outcome != "ok" for outcome in self.outcomes)

    @property
    def revoked(self) -> int:
        return self.provider.families_revoked - self.families

    def held(self, callers: int, rounds: int = 1) -> bool:
        return (
            (self.requests, self.failed, self.revoked) == (rounds, 0, 0)
            and self.provider.reuses == self.reuses
            and len(self.outcomes) == callers * rounds
        )

    @property
    def figure(self) -> str:
        worst = sorted({outcome for outcome in self.outcomes if outcome != "ok"})[:2]
        return (
            f"requests {self.requests}, failed {self.failed} of {len(self.outcomes)}, "
            f"logins lost {self.revoked}{': ' + '; '.join(worst) if worst else ''}"
        )


def in_threads(number: int, work: Callable[[], object]) -> list[str]:
    outcomes: list[str] = []
    barrier = threading.Barrier(number)

    def one() -> None:
        barrier.wait(GUARD)
        try:
            work()
        except Exception as error:
            outcomes.append(repr(error))
        else:
            outcomes.append("ok")

    threads = [threading.Thread(target=one, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD)
    return outcomes


async def _outcome(client) -> str:
    try:
        response = await client.get("/me", timeout=GUARD)
        response.raise_for_status()
    except Exception as error:
        return repr(error)
    return "ok"


def in_asyncio(desk: Desk, number: int) -> list[str]:
    async def run() -> list[str]:
        async with asyncio.timeout(GUARD), desk.another().bind_async("demo") as client:
            return await asyncio.gather(*(_outcome(client) for _ in range(number)))

    return asyncio.run(run())


def in_trio(desk: Desk, number: int) -> list[str]:
    outcomes: list[str] = []

    async def run() -> None:
        async def one(client) -> None:
            outcomes.append(await _outcome(client))

        with trio.fail_after(GUARD):
            async with desk.another().bind_async("demo") as client, trio.open_nursery() as nursery:
                for _ in range(number):
                    nursery.start_soon(one, client)

    trio.run(run)
    return outcomes


def threads(desk: Desk, number: int) -> list[str]:
    client = desk.another().bind("demo", interactive=False)
    with client:
        return in_threads(number, lambda: client.get("/me", timeout=GUARD).raise_for_status())


INSIDE = {"32 threads": (threads, 32), "100 asyncio tasks": (in_asyncio, 100),
          "30 trio tasks": (in_trio, 30)}  # fmt: skip
CAUSES = ("expired", "refused (401)")


def strike(desk: Desk, cause: str) -> None:
    """The token that all of them hold, or will read, is no good any more."""
    if cause == "expired":
        desk.expire()
    else:
        desk.provider.authority.expire_access_tokens()


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("shape", INSIDE)
def test_one_process_full_of_callers_sends_one_request(desk, board, shape, cause) -> None:
    run, number = INSIDE[shape]
    strike(desk, cause)
    storm = Storm(desk)
    storm.outcomes = run(desk, number)
    board.note(
        "storm",
        shape,
        injected=f"the token has {'expired' if cause == 'expired' else 'been refused (401)'}",
        must_hold="1 request, 0 failed",
        figure=storm.figure,
        held=storm.held(number),
    )


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize(("processes", "each"), [(8, 1), (8, 4)])
def test_many_processes_send_one_request(desk, board, processes, each, cause) -> None:
    with Callers(desk, processes) as callers:
        if cause != "expired":
            assert callers.each("bind") == ["ok"] * processes
        strike(desk, cause)
        storm = Storm(desk)
        storm.outcomes = callers.each("token" if cause == "expired" else "call", threads=each)
    board.note(
        "storm",
        f"{processes} processes" + (f" of {each} threads" if each > 1 else ""),
        injected=f"the token has {'expired' if cause == 'expired' else 'been refused (401)'}",
        must_hold="1 request, 0 failed",
        figure=storm.figure,
        held=storm.held(processes * each),
    )


def test_forked_children_of_an_open_vault_send_one_request(desk, board) -> None:
    """As under gunicorn with a preloaded application: the parent has the vault open."""
    desk.expire()
    with Callers(desk, 1) as callers:
        storm = Storm(desk)
        storm.outcomes = callers.each("forked", children=8)
    board.note(
        "storm",
        "8 forked children of a process with an open vault",
        injected="the token has expired",
        must_hold="1 request, 0 failed",
        figure=storm.figure,
        held=storm.held(8),
    )


def test_many_processes_may_make_the_vault_at_once(tmp_path, provider, board) -> None:
    rounds, outcomes, kept = count(100), [], 0
    with Desk(tmp_path, provider) as desk, Callers(desk, 8) as callers:
        for _ in range(rounds):
            desk.broker.close()
            for name in os.listdir(desk.home):
                if name.startswith("secrets.db"):
                    os.unlink(os.path.join(desk.home, name))
            for number, caller in enumerate(callers.all):
                caller.tell("put", name=f"service{number}")
            outcomes += [answer for caller in callers.all for answer in caller.hear()]
            kept += sum(
                desk.broker.store.get(Key("credential", f"service{number}")) is not None
                for number in range(8)
            )
    failed = [outcome for outcome in outcomes if outcome != "ok"]
    board.note(
        "storm",
        "8 processes make the vault at once",
        injected=f"the first write of each, {rounds} rounds",
        must_hold="one vault, every record in it",
        figure=f"{len(failed)} of {len(outcomes)} failed, {kept} of {8 * rounds} records kept"
        + (f"; {min(failed)}" if failed else ""),
        held=not failed and kept == 8 * rounds,
    )


def test_a_release_that_changes_a_recipe_fails_nobody(desk, board) -> None:
    """Whoever binds first notes the change; all the others may come in between."""
    rounds, outcomes = count(100), []
    store, key = desk.broker.store, Key("credential", "notion")
    desk.broker.bind("notion", secret={"token": canary.fresh()}).close()  # it is indexed now
    for _ in range(rounds):
        held = store.get(key)
        consent = Consent(digest="0" * 32, projection={}, hosts=(), tier="bundled", release="0.0.1")
        record = Credential(
            key, secrets={"notion_token": Secret(canary.fresh())}, consents={"notion": consent}
        )
        store.put(record, expect=held.generation if held else 0)
        brokers = [desk.another() for _ in range(8)]
        for broker in brokers:
            broker.recipes.entry("notion")
        waiting = iter(brokers)
        outcomes += in_threads(8, lambda w=waiting: next(w).bind("notion", interactive=False))
        for broker in brokers:
            broker.close()
    failed = [outcome for outcome in outcomes if outcome != "ok"]
    board.note(
        "storm",
        "8 brokers at the first use after a release that changed the recipe",
        injected=f"a barrier, {rounds} rounds",
        must_hold="0 failed",
        figure=f"{len(failed)} of {len(outcomes)} failed" + (f": {min(failed)}" if failed else ""),
        held=not failed,
    )


@pytest.mark.parametrize("processes", [8, 32])
def test_row_4_a_rotating_refresh_token_survives_many_processes(desk, board, processes) -> None:
    rounds = count(100)
    desk.provider.latency = 0.05
    with Callers(desk, processes) as callers:
        storm = Storm(desk)
        for _ in range(rounds):
            desk.expire()
            storm.outcomes += callers.each("token")
    board.note(
        4,
        f"{processes} processes, one rotating refresh token",
        injected=f"{rounds} rounds; reuse revokes the family",
        must_hold="1 request a round, login alive",
        figure=storm.figure,
        held=storm.held(processes, rounds),
    )


def test_row_5_a_hundred_threads_send_one_request(desk, board) -> None:
    rounds = count(20)
    storm = Storm(desk)
    for _ in range(rounds):
        desk.expire()
        broker = desk.another()
        storm.outcomes += in_threads(100, lambda b=broker: b.get_token("demo", interactive=False))
    board.note(
        5,
        "100 threads, expired token",
        injected=f"a barrier, {rounds} rounds",
        must_hold="1 request a round",
        figure=storm.figure,
        held=storm.held(100, rounds),
    )


def test_row_7_nobody_waits_for_a_dead_holder(desk, board) -> None:
    rounds = count(40)
    desk.provider.latency = 0.05
    with Callers(desk, 8) as callers:
        storm = Storm(desk)
        waits = [_round_with_a_dead_holder(desk, callers, storm) for _ in range(rounds)]
    board.note(
        7,
        "the lock's holder is killed before it sends",
        injected=f"kill -9, 8 waiting processes, {rounds} rounds",
        must_hold="1 request a round, 0 failed",
        figure=f"{storm.figure}; request {1000 * sorted(waits)[len(waits) // 2]:.0f} ms "
        "after the kill (median)",
        held=storm.held(8, rounds),
    )


def _round_with_a_dead_holder(desk: Desk, callers: Callers, storm: Storm) -> float:
    """Seconds from the kill to the token request."""
    desk.expire()
    holder = Caller(desk.environ)
    arrived: list[float] = []
    counted = desk.provider.count_token

    def count_token(grant_type: str):
        arrived.append(time.monotonic())
        return counted(grant_type)

    desk.provider.count_token = count_token
    try:
        assert holder.ask("hold") == "holding"
        for caller in callers.all:
            caller.tell("token")
        time.sleep(0.2)  # so that they wait at the lock; whoever does not, only comes later
        killed = time.monotonic()
        holder.kill()
        storm.outcomes += [answer for caller in callers.all for answer in caller.hear() or ["died"]]
    finally:
        desk.provider.count_token = counted
        holder.close()
    return arrived[0] - killed if arrived else float("nan")
