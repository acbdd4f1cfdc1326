"""`arcrun ui`: who is led to the page, and how; and that an agent never gets the link."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from arcrun_auth import browser
from arcrun_auth.agents.ui import server
from arcrun_auth.broker import Broker
from arcrun_auth.browser import NotOpened, Opened
from arcrun_auth.policies import PendingRequest
from arcrun_auth.testing import Provider
from tests.page_kit import Reader
from tests.world import home_with

LINK = re.compile(r"http://127\.0\.0\.1:[0-9]+/open/\S+")


class Person:
    """Somebody at a browser, which opens or not; then at the page, which they close."""

    def __init__(self, result):
        self.result, self.act = result, lambda reader: None
        self.url, self.environ, self.error = "", {}, None

    def open_url(self, url, *, environ):
        self.url, self.environ = url, dict(environ)
        return self.result

    def visits(self, page):
        """Opens it, does what they came for, and closes it: whatever happens, it ends."""
        try:
            reader = Reader()
            reader.open(page.url)
            self.act(reader)
            reader.push("Close")
        except BaseException as error:
            self.error = error
            page.close()


@pytest.fixture
def person(monkeypatch):
    """Whoever is at the browser. One that cannot be opened is opened by hand, by the link."""
    somebody = Person(Opened("firefox"))
    monkeypatch.setattr(browser, "open_url", somebody.open_url)
    real = server.Page.run

    def run(page):
        threading.Thread(target=somebody.visits, args=(page,), daemon=True).start()
        real(page)

    monkeypatch.setattr(server.Page, "run", run)
    yield somebody
    assert somebody.error is None, somebody.error


def test_the_page_opens_in_the_browser_and_is_closed_there(inside, person):
    ran = inside("ui")
    assert ran.code == 0
    assert LINK.fullmatch(person.url)
    assert not LINK.search(ran.both)
    assert "open in your browser" in ran.err
    assert "The page is closed." in ran.err
    assert ran.out == ""


def test_the_link_is_data_where_no_browser_is_wanted(inside, person):
    ran = inside("ui", "--no-browser")
    assert ran.code == 0
    assert person.url == ""
    assert LINK.fullmatch(ran.out.strip())


def test_where_no_browser_opens_the_link_is_told_and_over_ssh_how_to_reach_it(inside, person):
    person.result = NotOpened("there is no graphical session")
    ran = inside(
        "ui", SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22", USER="ada", DISPLAY="",
        WAYLAND_DISPLAY="", BROWSER="",
    )  # fmt: skip
    assert ran.code == 0
    assert ran.out == ""
    assert LINK.search(ran.err)
    assert "there is no graphical session" in ran.err
    assert re.search(r"ssh -N -L ([0-9]+):127\.0\.0\.1:\1 ada@192\.0\.2\.2", ran.err)


def test_an_agent_may_open_the_page_and_its_human_allows_there_what_the_agent_may_not(
    inside, person, tmp_path
):
    with Provider() as provider:
        home = home_with(tmp_path, provider)
        ran = inside("policy", "allow", "keyed", "--write", "/**", ARCRUN_HOME=home, CLAUDECODE="1")
        assert ran.code == 7

        def allow(reader):
            reader.push("Allow once: POST /things of keyed, asked by claudecode")
            assert "may send it once" in reader.hears()[0]

        person.act = allow
        asked = ask(home)
        ran = inside("ui", ARCRUN_HOME=home, CLAUDECODE="1", BROWSER="keep-the-link %s")
    assert ran.code == 0
    assert not LINK.search(ran.both)
    assert "BROWSER" not in person.environ
    assert broker_of(home).policies.request(asked.id).state == "approved"


@pytest.mark.parametrize("arguments", [("ui",), ("ui", "--no-browser")])
def test_an_agent_gets_no_link_but_words_for_its_human(inside, person, arguments):
    person.result = NotOpened("there is no graphical session")
    ran = inside(*arguments, CLAUDECODE="1")
    assert ran.code == 7
    assert not LINK.search(ran.both)
    assert "CLAUDECODE" in ran.err
    assert "Ask your human to run, in their own terminal: arcrun ui" in ran.err


def test_a_port_that_is_taken_is_an_error_and_no_other_is_used(inside, person):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = inside("ui", "--port", port)
    assert ran.code == 5
    assert port in ran.err
    assert person.url == ""


def broker_of(home):
    return Broker(home=home)


def ask(home):
    request = PendingRequest(
        service="keyed", instance="default", client="claudecode", method="POST",
        host="127.0.0.1", path="/things", digest="d", size=2, preview="{}",
    )  # fmt: skip
    return broker_of(home).policies.ask(request)
