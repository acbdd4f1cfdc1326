"""Work that outlives a call, and the numbers that bind an answer to its question."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.agents.mcp.elicitation import LIFETIME, MOST, Tickets
from arcrun_auth.agents.mcp.jobs import KEPT, Jobs, StillRunning
from arcrun_auth.agents.mcp.texts import Fault, explained, fenced, named
from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    HostNotAllowed,
    LoginFailed,
    LoginRequired,
    MissingScope,
    MissingSecret,
    NoStore,
    NoToken,
    PolicyRefused,
    ProviderUnavailable,
    RecipeError,
    RefreshBusy,
    StoreLocked,
    SyncAlarm,
    TokenRefused,
    UnknownService,
)

HANG = 30


def soon() -> float:
    """Who calls gives up at once."""
    return anyio.current_time() + 0.01


def late() -> float:
    return anyio.current_time() + HANG


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_who_calls_again_joins_the_work_and_gets_its_end_once() -> None:
    runs = 0

    async def scene() -> None:
        go = anyio.Event()

        async def work() -> int:
            nonlocal runs
            runs += 1
            await go.wait()
            return runs

        async with anyio.create_task_group() as group:
            jobs = Jobs(group)
            for _ in range(3):
                with pytest.raises(StillRunning):
                    await jobs.run("same", work, soon())
            assert runs == 1
            go.set()
            assert await jobs.run("same", work, late()) == 1
            assert await jobs.run("same", work, late()) == 2, "an end was told twice"

    anyio.run(scene)


def test_two_that_wait_for_the_same_work_both_get_its_end() -> None:
    async def scene() -> None:
        go, found = anyio.Event(), []

        async def work() -> str:
            await go.wait()
            return "done"

        async with anyio.create_task_group() as group:
            jobs = Jobs(group)

            async def wait() -> None:
                found.append(await jobs.run("same", work, late()))

            async with anyio.create_task_group() as waiting:
                waiting.start_soon(wait)
                waiting.start_soon(wait)
                go.set()
        assert found == ["done", "done"]

    anyio.run(scene)


def test_an_error_of_the_work_is_told_to_whoever_calls_again() -> None:
    async def scene() -> None:
        go = anyio.Event()

        async def work() -> None:
            await go.wait()
            raise KeyError("gone")

        async with anyio.create_task_group() as group:
            jobs = Jobs(group)
            with pytest.raises(StillRunning):
                await jobs.run("same", work, soon())
            go.set()
            with pytest.raises(KeyError):
                await jobs.run("same", work, late())

    anyio.run(scene)


def test_an_end_that_nobody_asked_for_is_forgotten() -> None:
    clock, runs = Clock(), 0

    async def scene() -> None:
        go = anyio.Event()

        async def work() -> int:
            nonlocal runs
            runs += 1
            await go.wait()
            return runs

        async with anyio.create_task_group() as group:
            jobs = Jobs(group, clock)
            with pytest.raises(StillRunning):
                await jobs.run("same", work, soon())
            go.set()
            await anyio.wait_all_tasks_blocked()
            clock.now += KEPT + 1
            assert await jobs.run("same", work, late()) == 2

    anyio.run(scene)


def test_an_answer_counts_once_for_what_was_asked_and_for_ten_minutes() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    number = tickets.issue("DELETE /a")
    assert not tickets.redeem(number, "DELETE /b"), "a yes to one thing was taken for another"
    assert not tickets.redeem(number, "DELETE /a"), "it was tried already"

    number = tickets.issue("DELETE /a")
    assert tickets.redeem(number, "DELETE /a")
    assert not tickets.redeem(number, "DELETE /a")

    number = tickets.issue("DELETE /a")
    clock.now += LIFETIME
    assert not tickets.redeem(number, "DELETE /a")
    assert not tickets.redeem(None, "DELETE /a")
    assert not tickets.redeem("", "")


def test_open_questions_do_not_pile_up() -> None:
    tickets = Tickets()
    first, *_ = [tickets.issue("x") for _ in range(MOST + 1)]
    assert not tickets.redeem(first, "x")
    assert len(tickets._open) == MOST


ERRORS = {
    "unknown_service": UnknownService("notoin", similar=["notion"]),
    "login_required": LoginRequired("x", service="notion", why="revoked"),
    "missing_secret": MissingSecret("x", key="k", service="notion"),
    "missing_scope": MissingScope("x", scope="write", service="notion"),
    "consent_required": ConsentRequired("x", service="notion"),
    "host_not_allowed": HostNotAllowed("x", host="evil.example", hint="y"),
    "no_token": NoToken("x"),
    "token_refused": TokenRefused("x", description="x"),
    "login_failed": LoginFailed("x", description="x"),
    "refresh_busy": RefreshBusy("x"),
    "store_locked": StoreLocked("x"),
    "no_store": NoStore("x"),
    "recipe_error": RecipeError("x"),
    "sync_alarm": SyncAlarm("x", what="forked"),
    "policy_refused": PolicyRefused("x", rule="deny-path", hint="y"),
    "provider_unavailable": ProviderUnavailable("x", retry_after=7.2, sent=True),
    "internal": RuntimeError("x"),
}


def test_every_failure_has_a_code_and_says_what_to_do() -> None:
    for code, error in ERRORS.items():
        text = str(explained(error, "notion", "work"))
        assert text.startswith(f"[{code}] ")
        assert len(text.splitlines()) == 2, text
        assert "{" not in text
    unavailable = str(explained(ERRORS["provider_unavailable"]))
    assert "7 seconds" in unavailable
    assert "may have arrived" in unavailable
    missing = str(explained(ERRORS["missing_scope"], "notion"))
    assert missing.endswith("Call arcrun_connect, or ask your human to run: arcrun setup notion")
    fault = Fault("x", "y")
    assert explained(fault) is fault
    assert str(fault) == "[x] y"


@given(st.text(), st.text())
def test_no_word_of_an_error_or_of_a_strange_name_reaches_the_agent(words: str, name: str) -> None:
    strange = f"zq {words}"
    for error in (AuthError(strange, hint=strange), TokenRefused(strange, description=strange),
                  RecipeError(strange, path=strange), ValueError(strange)):  # fmt: skip
        assert "zq" not in str(explained(error, f"zq{name} zq", name))
    assert named(f"{name};") == "SERVICE"


@given(st.text())
def test_content_cannot_end_its_own_fence(content: str) -> None:
    shown = fenced(content, "notion")
    head, mark, rest = shown.partition("\n<<<")
    number, _, rest = rest.partition("\n")
    assert "no instruction" in head
    assert mark
    assert rest.removesuffix(f"\n{number}>>>") == content
    assert number not in content
    assert fenced(content, "notion") != shown, "the mark can be known before"


def test_a_question_is_open_as_long_as_an_end_is_kept() -> None:
    assert LIFETIME == KEPT
