"""An agent's wish to connect, in a real browser: by its link, by a login, a key, and the keyboard.

One Chromium for all of it, with a context (its own cookies) for each person.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arcrun_auth.agents import connecting
from arcrun_auth.testing import Provider
from tests import canary
from tests.world import broker_for, home_with, master_key

pytestmark = pytest.mark.peer

HANG = 20.0
SHOP = """\
service: shop
primitive: static_key
display_name: "Shop <img src=x onerror=alert(1)>"
base_url: "{issuer}/api"
required_secrets:
  - {{key: shop_key, label: "API key\u202e", help: From your profile., help_url: https://example.com}}
inject: {{header: {{Authorization: "Bearer {{{{secret.shop_key}}}}"}}}}
test: {{path: /static, identity: name}}
"""


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def broker(tmp_path, provider):
    home = home_with(tmp_path, provider, shop=SHOP.format(issuer=provider.issuer))
    broker = broker_for(home, provider, environ=master_key())
    yield broker
    broker.close()


class Sitting:
    """A person at a page of a width and a scheme; what the browser complained about is kept."""

    def __init__(self, chromium, width=1280, scheme="light"):
        self.context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(HANG * 1000)
        self.name = f"{width}-{scheme}"
        self.complaints, self.requested = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def look(self, what):
        """Nothing is wider than the screen. A picture of it, where somebody wants to see it."""
        wide = "document.documentElement.scrollWidth > window.innerWidth"
        assert not self.page.evaluate(wide), what
        folder = os.environ.get("ARCRUN_TEST_PICTURES")
        if folder:
            path = Path(folder) / f"connect-{self.name}-{what}.png"
            self.page.screenshot(path=path, full_page=True)

    def press(self, button):
        self.page.get_by_role("button", name=button, exact=True).click()

    def text(self):
        return self.page.inner_text("main")

    def seen(self, text):
        self.page.wait_for_selector(f"main:has-text({text!r})")


def test_a_login_is_agreed_to_and_comes_true(chromium, broker):
    wish = connecting.start(broker, "demo", client="claude-code")
    with Sitting(chromium) as person, Sitting(chromium) as other:
        page = person.page
        page.goto(wish.url)
        person.seen("Connect Demo?")
        person.look("consent")
        for told in ("claude-code", "local", "/authorize", "read", "write"):
            assert told in person.text()
        assert page.evaluate("document.activeElement.tagName") == "BODY"  # Enter agrees to nothing
        assert wish.state == "waiting"

        assert other.page.goto(wish.url).status == 410  # the link has been used
        other.look("over")
        assert other.page.goto(page.url).status == 403  # and the page is not for others

        person.press("Connect")
        person.seen("Do you agree?")
        person.look("question")
        person.press("Yes")
        page.wait_for_selector("text=wants to connect")  # at the provider
        person.press("Allow")
        person.seen("You are connected to Demo")
        person.look("landed")
        assert wish.wait(HANG) == "connected"
    assert broker.test("demo").identity == "ada@example.com"
    assert person.complaints == []
    assert all(
        url.startswith("http://127.0.0.1:") for url in person.requested if "data:" not in url
    )


def test_a_key_is_typed_on_a_telephone_and_its_outcome_is_shown(chromium, broker, provider):
    wish = connecting.start(broker, "shop", client="<b>evil</b>\u202egpj", method=None)
    with Sitting(chromium, 360, "dark") as person:
        page = person.page
        page.goto(wish.url)
        person.seen("asks to use it")
        person.look("consent")
        assert "<b>evil</b>gpj" in person.text()  # as text, and read from left to right
        assert page.locator("main img").count() == 0
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the first button, by the keyboard alone
        person.seen("Do you agree?")
        person.look("question")
        person.press("Yes")
        page.wait_for_selector("input[type=password]")
        person.look("key")
        page.get_by_label("API key").fill(provider.static_key)
        page.keyboard.press("Enter")
        person.seen("You are connected to Shop")
        person.look("connected")
        assert wish.wait(HANG) == "connected"
        assert "Testing connection… OK" in person.text()
        assert not canary.hits(person.text())
    assert person.complaints == []


def test_a_key_that_is_refused_says_so_where_the_person_is(chromium, broker):
    wish = connecting.start(broker, "shop", client="")
    with Sitting(chromium, 360) as person:
        page = person.page
        page.goto(wish.url)
        person.seen("on this computer")
        person.look("own-consent")
        person.press("Connect")
        person.press("Yes")
        page.get_by_label("API key").fill(canary.fresh("wrong"))
        person.press("Save")
        person.seen("Not connected to Shop")
        person.look("failed")
        assert wish.wait(HANG) == "failed"
        assert not canary.hits(person.text() + str(wish.error))


def test_whoever_refuses_sends_nothing(chromium, broker, provider):
    wish = connecting.start(broker, "demo", client="claude-code")
    with Sitting(chromium, 1280, "dark") as person:
        person.page.goto(wish.url)
        person.seen("asks to use it")
        person.look("consent")
        person.press("Refuse")
        person.seen("was not connected")
        person.look("refused")
        assert wish.wait(HANG) == "refused"
    assert not provider.requests
