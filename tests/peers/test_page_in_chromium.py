"""The page of this machine in a real browser: the whole story, by mouse and by keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arcrun_auth.agents.ui.server import Page
from arcrun_auth.policies import PendingRequest
from arcrun_auth.testing import Provider
from tests import canary
from tests.world import broker_for, home_with, master_key

pytestmark = pytest.mark.peer

HANG = 30.0
WIDTHS = [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def broker(tmp_path, provider):
    broker = broker_for(home_with(tmp_path, provider), provider, environ=master_key())
    yield broker
    broker.close()


class Sitting:
    """A person in front of it. What the browser asked for, showed and complained of is kept."""

    def __init__(self, chromium):
        self.context = chromium.new_context(viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(HANG * 1000)
        self.requested, self.complaints, self.seen = [], [], []
        self.context.on("request", lambda request: self.requested.append(request.url))
        self.context.on("console", lambda message: self.complaints.append(message.text))
        self.tab = self.context.new_page()

    def press(self, name, tab=None):
        (tab or self.tab).get_by_role("button", name=name, exact=True).click()

    def follow(self, name):
        self.tab.get_by_role("link", name=name, exact=True).click()

    def hears(self, text):
        self.tab.locator("[role=status]", has_text=text).first.wait_for()

    def look(self, what, tab=None):
        """At every width, in light and dark: nothing is wider than the screen."""
        tab = tab or self.tab
        self.seen.append(tab.content())
        folder = os.environ.get("ARCRUN_TEST_PICTURES")
        for width, scheme in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)
            wide = "document.documentElement.scrollWidth > window.innerWidth"
            assert not tab.evaluate(wide), (what, width)
            if folder:
                tab.screenshot(path=Path(folder) / f"page-{what}-{width}-{scheme}.png")
        tab.set_viewport_size({"width": 1280, "height": 900})
        tab.emulate_media(color_scheme="light")


@pytest.fixture
def person(chromium):
    sitting = Sitting(chromium)
    yield sitting
    sitting.context.close()


def request_of_an_agent(broker):
    return broker.policies.ask(
        PendingRequest(
            service="keyed", instance="default", client="some-agent", method="POST",
            host="127.0.0.1", path="/things", digest="d", size=17, preview='{"title": "Milk"}',
        )
    )  # fmt: skip


def shown(person):
    """The services that can be seen now, by their names."""
    return person.tab.locator(".offers li:visible h3").all_inner_texts()


def connect_by_key(person, key):
    """On pages of their own: what is agreed to, and where the key is typed."""
    with person.context.expect_page() as opened:
        person.follow("Go on in a new tab")
    tab = opened.value
    tab.get_by_role("button", name="Connect", exact=True).wait_for()
    person.look("consent", tab)
    person.press("Connect", tab)
    field = tab.locator("input[type=password]")
    yes = tab.get_by_role("button", name="Yes", exact=True)
    onward = tab.locator("a.go")
    while not field.count():
        if yes.count():
            yes.click()
        elif onward.count():
            onward.click()
        tab.wait_for_timeout(100)
    person.look("key", tab)
    field.fill(key)
    person.press("Save", tab)
    tab.wait_for_selector("main:has-text('connected')")
    tab.close()


def test_from_the_link_to_the_last_word(chromium, broker, provider, person):
    with Page(broker) as page:
        page.start()
        tab = person.tab
        tab.goto(page.url)
        tab.wait_for_selector("#services")
        everything = len(shown(person))
        assert everything > 290
        person.look("empty")

        # The keyboard: past what is on top, and into the search.
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == "Skip to the connections"
        assert tab.locator(".skip").bounding_box()["y"] >= 0
        tab.keyboard.press("Tab")
        tab.keyboard.type("Keyed")
        assert shown(person) == ["Demo with a key"]
        assert tab.inner_text("#found") == "1 service"
        tab.keyboard.press("Enter")  # what is asked for is shown already
        assert shown(person) == ["Demo with a key"]
        tab.fill("#q", "gmail")
        assert shown(person)[0] == "Gmail"
        person.look("search")
        tab.fill("#q", "keyed")

        person.follow("Connect: Demo with a key")
        person.look("choose")
        person.press("Continue")
        tab.wait_for_selector("main:has-text('Connecting')")
        connect_by_key(person, provider.static_key)
        person.hears("keyed is connected.")
        # The address leads to its row; whoever goes on by keyboard is there already.
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.closest('li')?.id") == "c-keyed"

        button = tab.get_by_role("button", name="Test keyed", exact=True)
        button.focus()
        assert button.evaluate("e => e.matches(':focus-visible')")
        tab.keyboard.press("Enter")
        person.hears("It works, as Demo workspace.")

        # It comes while the page is open, and nobody loads it anew.
        asked = request_of_an_agent(broker)
        tab.wait_for_selector("article:has-text('some-agent wants to send to keyed')")
        broker.policies.deny("keyed", "token")
        tab.reload()
        person.look("whole")
        tab.locator("article button", has_text="Allow once").click()
        person.hears("some-agent may send it once")
        assert broker.policies.request(asked.id).state == "approved"
        assert "one request that was approved" in tab.inner_text("#agents")

        person.follow("Disconnect keyed")
        person.look("disconnect")
        person.press("Disconnect")
        person.hears("keyed is forgotten here.")
        assert tab.evaluate("document.activeElement.id") == "said"
        assert not broker.list_services()["keyed"].connected
        tab.get_by_text("Prohibit something").click()
        person.look("end")
        person.press("Close this page, and end arcrun ui")
        tab.wait_for_selector("main:has-text('The page is closed')")

    assert person.complaints == []
    assert {url.split("/")[2].partition(":")[0] for url in person.requested
            if not url.startswith("data:")} == {"127.0.0.1"}  # fmt: skip
    assert not canary.hits("".join(person.seen))


def test_without_script_it_can_do_the_same(chromium, broker, provider):
    broker.setup("keyed", key=provider.static_key)
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    with Page(broker) as page:
        page.start()
        tab.goto(page.url)
        tab.wait_for_selector("#services")
        tab.fill("#q", "keyed")
        tab.get_by_role("button", name="Search", exact=True).click()
        tab.wait_for_selector("#found:has-text('1 service')")
        tab.get_by_role("button", name="Test keyed", exact=True).click()
        tab.wait_for_selector("main:has-text('It works, as Demo workspace.')")
    context.close()
