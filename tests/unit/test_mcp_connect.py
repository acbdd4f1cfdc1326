"""`arcrun_connect`: the ladder of consent, in both eras of the protocol."""

from __future__ import annotations

import threading

import anyio
import pytest

from arcrun_auth.agents.mcp import connect
from arcrun_auth.browser import NotOpened
from arcrun_auth.errors import StoreError
from arcrun_auth.testing import Provider
from tests.mcp_kit import EMPTY, ERAS, FORM, URL, Somebody, play, words
from tests.surfer import Surfer
from tests.world import broker_for, home_with, master_key


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(provider, tmp_path):
    """A broker with nothing set up."""
    home = home_with(tmp_path, provider)
    environ = {**master_key(), "ARCRUN_DEMO_CLIENT_ID": "demo"}
    broker = broker_for(home, provider, environ=environ, open_url=_nobody)
    yield broker
    broker.close()


def _nobody(url: str) -> None:
    raise AssertionError("a browser was opened behind the ladder's back")


class Person:
    """Sits at a browser: presses a button of the consent page, and agrees to the login."""

    def __init__(self, provider: Provider, button: str = "Connect") -> None:
        self.provider = provider
        self.button = button
        self.opened: list[str] = []
        self.read: list[str] = []

    def __call__(self, url: str) -> None:
        self.opened.append(url)
        # As a browser does it: whoever opens it does not wait for what comes of it.
        threading.Thread(target=self._visit, args=(url,), daemon=True).start()

    def _visit(self, url: str) -> None:
        surfer = Surfer()
        surfer.open(url)
        self.read.append(surfer.page.text)
        surfer.press(self.button)
        if self.button == "Connect":
            surfer.press("Yes")  # to a recipe of this machine's own
            self.provider.follow(surfer.url)


async def until_settled(one, **given):
    """What an agent does: it calls again while it is told to."""
    while True:
        found = await one("arcrun_connect", **given)
        if _state(found) != "waiting" and not words(found).startswith("[slow]"):
            return found


def _state(found) -> str:
    return (found.structured_content or {}).get("state", "error")


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("offers", [URL, FORM, EMPTY], ids=["url", "form", "empty"])
def test_a_service_is_connected_by_the_page_that_the_client_leads_to(
    mode, offers, desk, provider
) -> None:
    person = Person(provider)
    somebody = Somebody(opens=person)

    async def scene(one) -> None:
        found = await until_settled(one, service="demo")
        assert _state(found) == "connected", words(found)
        assert len(person.opened) == len(somebody.asked) == 1
        assert "claude-code" in person.read[0], "the page says who asks"
        (asked,) = somebody.asked
        assert asked.mode == ("url" if offers is URL else "form")
        assert person.opened[0] not in "\n".join(one.transcript), "the agent has the link"
        again = await one("arcrun_connect", service="demo")
        assert words(again) == "demo is connected."
        assert len(somebody.asked) == 1
        assert (await one("arcrun_get", service="demo", path="/me")).structured_content[
            "status"
        ] == 200
        assert not one.session.attempts

    opens = None if offers is URL else person
    play(scene, desk, modes=(mode,), offers=offers, somebody=somebody, open_url=opens, patience=20)


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_that_cannot_ask_gets_the_command_and_no_browser_opens(mode, desk) -> None:
    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo", instance="work")
        assert _state(found) == "ask_your_human"
        assert words(found).endswith("arcrun setup demo@work")
        assert not one.session.attempts

    play(scene, desk, modes=(mode,), open_url=_nobody)


@pytest.mark.parametrize("mode", ERAS)
def test_no_is_no_and_the_page_is_gone(mode, desk) -> None:
    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo")
        assert words(found).startswith("[declined] ")
        assert not one.session.attempts
        assert not (await one("arcrun_services")).structured_content["connections"]

    for somebody in (Somebody("decline"), Somebody("cancel")):
        play(scene, desk, modes=(mode,), offers=URL, somebody=somebody)
        play(scene, desk, modes=(mode,), offers=FORM, somebody=somebody, open_url=_nobody)
    play(scene, desk, modes=(mode,), offers=FORM, somebody=Somebody(ticks=False), open_url=_nobody)


def test_a_no_on_the_page_is_told_as_one(desk, provider) -> None:
    person = Person(provider, "Refuse")

    async def scene(one) -> None:
        found = await until_settled(one, service="demo")
        assert words(found).startswith("[declined] ")
        assert "Do not ask for a key" in words(found)

    play(scene, desk, offers=URL, somebody=Somebody(opens=person))


@pytest.mark.parametrize("mode", ERAS)
def test_it_never_waits_longer_than_it_may_and_asks_nobody_twice(mode, desk, provider) -> None:
    person = Person(provider)
    somebody = Somebody(opens=person.opened.append)

    async def scene(one) -> None:
        waited = 0
        while waited < 2:
            found = await one("arcrun_connect", service="demo")
            waited += _state(found) == "waiting"
            assert _state(found) == "waiting" or words(found).startswith("[slow]"), words(found)
        assert len(somebody.asked) == len(person.opened) == 1
        threading.Thread(target=person._visit, args=(person.opened[0],), daemon=True).start()
        found = await until_settled(one, service="demo")
        assert _state(found) == "connected", words(found)
        assert len(somebody.asked) == 1

    play(scene, desk, modes=(mode,), offers=URL, somebody=somebody, patience=1)


def test_where_no_browser_opens_the_command_is_told(desk) -> None:
    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo")
        assert words(found).startswith("[no_browser] ")
        assert "arcrun setup demo" in words(found)
        assert not one.session.attempts

    play(
            scene, desk, offers=FORM, somebody=Somebody(),
            open_url=lambda url: NotOpened("nothing there"),
        )  # fmt: skip


def test_scopes_are_named_sets_and_nothing_else(desk) -> None:
    somebody = Somebody()

    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo", scopes=["https://scope.example/all"])
        assert words(found).startswith("[unknown_scopes] ")
        assert not somebody.asked
        unknown = await one("arcrun_connect", service="demoo")
        assert "Did you mean 'demo'?" in words(unknown)

    play(scene, desk, offers=URL, somebody=somebody)


def test_a_page_that_cannot_be_made_is_told_in_words_of_ours(desk, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("words of somebody else")

    from arcrun_auth.agents import connecting

    monkeypatch.setattr(connecting, "start", full)

    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo")
        assert words(found).startswith("[store_error] The vault cannot be used.")

    play(scene, desk, modes=("auto",), offers=URL, somebody=Somebody())


def test_a_service_that_a_rule_keeps_an_agent_off_is_not_asked_for(desk) -> None:
    desk.policies.deny("demo")
    somebody = Somebody()

    async def scene(one) -> None:
        found = await one("arcrun_connect", service="demo")
        assert words(found).startswith("[policy_refused] ")
        assert not somebody.asked

    play(scene, desk, modes=("auto",), offers=URL, somebody=somebody)


def test_a_login_that_fails_is_told_in_words_of_ours(desk, provider) -> None:
    def refuses(url: str) -> None:
        surfer = Surfer()
        surfer.open(url)
        surfer.press("Connect")
        surfer.press("Yes")
        provider.follow(surfer.url, allow=False)

    async def scene(one) -> None:
        found = await until_settled(one, service="demo")
        assert words(found).startswith("[login_failed] "), words(found)

    play(scene, desk, modes=("auto",), offers=URL, somebody=Somebody(opens=refuses))


def test_a_page_that_lies_there_too_long_is_told_as_that(desk, monkeypatch) -> None:
    from arcrun_auth.agents import connecting

    monkeypatch.setattr(connecting, "DECIDE_SECONDS", 0.05)

    async def scene(one) -> None:
        found = await until_settled(one, service="demo")
        assert words(found).startswith("[expired] ")

    play(scene, desk, modes=("legacy",), offers=URL, somebody=Somebody(opens=lambda url: None))


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_asks_for_so_many_pages_and_no_more(mode, desk) -> None:
    """Each is a port and a thread here, for ten minutes, whether its client asks or not."""

    async def scene(one) -> None:
        async def ask(number: int) -> None:
            found = await one("arcrun_connect", service="demo", instance=f"i{number}")
            told.append(words(found).partition(" ")[0])
            if len(told) == 5:  # the others wait for their human
                group.cancel_scope.cancel()

        told: list[str] = []
        async with anyio.create_task_group() as group:
            for number in range(connect.MOST_PAGES + 5):
                group.start_soon(ask, number)
        assert told == ["[too_many]"] * 5
        assert len(one.session.attempts) == connect.MOST_PAGES

    play(scene, desk, modes=(mode,), offers=URL, somebody=Somebody(), patience=20)
