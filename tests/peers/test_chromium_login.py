"""A whole login in a real browser: the provider's pages, the redirect, our last page."""

from __future__ import annotations

import queue
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from arcrun_auth import landing
from arcrun_auth.errors import LoginFailed
from arcrun_auth.login import Dialogue, LoginPlan, Ways, log_in
from arcrun_auth.oauth.app import App
from arcrun_auth.recipe import OAuth2
from arcrun_auth.testing import Provider
from tests.peers.drive_chromium import launched
from tests.peers.oidc_server import OidcProvider, send

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("with_chromium")]

HANG = 60.0


class Chromium:
    """Opens the login's address and does what a person would; runs in the login's thread."""

    def __init__(self, act, *, width=1280, scheme="light"):
        self.act = act
        self.options = {"viewport": {"width": width, "height": 640}, "color_scheme": scheme}
        self.ended = queue.SimpleQueue()

    def __call__(self, url):
        from playwright.sync_api import sync_playwright

        requested, complaints = [], []
        with sync_playwright() as playwright:
            browser = launched(playwright)
            page = browser.new_page(**self.options)
            page.set_default_timeout(HANG * 1000)
            page.on("request", lambda request: requested.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(url)
            self.act(page)
            page.wait_for_selector("main svg")
            self.ended.put(
                {
                    "text": page.inner_text("main"),
                    "url": page.url,
                    "requested": requested,
                    "complaints": complaints,
                    "overflow": page.evaluate(
                        "document.documentElement.scrollWidth > window.innerWidth"
                    ),
                    "background": page.evaluate("getComputedStyle(document.body).backgroundColor"),
                }
            )
            browser.close()


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def plan_for(provider):
    oauth2 = msgspec.convert(yaml.safe_load(provider.recipe_yaml())["oauth2"], OAuth2)
    return LoginPlan("demo", "Demo", oauth2, App("demo"), scopes=oauth2.scopes)


def run(plan, browser):
    dialogue = Dialogue(say=lambda line: None, open_url=browser)
    return log_in(plan, Ways(), dialogue, send=send, timeout=HANG)


def allow(page):
    page.click("text=Allow")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_login_ends_on_a_page_that_fetches_nothing(provider, scheme):
    browser = Chromium(allow, width=360, scheme=scheme)
    grant = run(plan_for(provider), browser)
    ended = browser.ended.get(timeout=HANG)
    assert ended["text"].split("\n")[0] == "You are connected to Demo"
    assert provider.authority.holder(f"Bearer {grant.access_token.reveal()}").user == "ada"
    callback = urlsplit(ended["url"])
    assert (callback.hostname, callback.path) == ("127.0.0.1", "/callback")
    # The provider's page, the consent, the callback; no icon, no font, no script.
    pages = [url for url in ended["requested"] if not url.startswith("data:")]
    assert [urlsplit(url).path for url in pages] == ["/authorize", "/consent", "/callback"]
    assert ended["complaints"] == []  # the content security policy permits all there is
    assert not ended["overflow"]
    light = ended["background"] == "rgb(243, 244, 248)"
    assert light is (scheme == "light")


def test_a_cancel_ends_on_a_page_that_says_what_to_do(provider):
    browser = Chromium(lambda page: page.click("text=Cancel"), width=360)
    with pytest.raises(LoginFailed, match="cancelled"):
        run(plan_for(provider), browser)
    ended = browser.ended.get(timeout=HANG)
    assert ended["text"].split("\n")[0] == "Not connected to Demo"
    assert "arcrun setup demo" in ended["text"]
    assert not ended["overflow"]
    assert provider.token_requests == {}


def test_a_login_through_the_pages_of_a_certified_provider():
    def log_in_and_consent(page):
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", "x")
        page.click("button[type=submit]")
        page.wait_for_selector("input[name=prompt][value=consent]", state="attached")
        page.click("button[type=submit]")

    with OidcProvider() as server:
        oauth2 = server.oauth2()
        plan = LoginPlan("peer", "Peer", oauth2, App("public"), scopes=oauth2.scopes)
        browser = Chromium(log_in_and_consent)
        grant = run(plan, browser)
    assert grant.refresh_token
    assert browser.ended.get(timeout=HANG)["text"].startswith("You are connected to Peer")


def test_markup_in_a_message_is_only_text(tmp_path):
    from playwright.sync_api import sync_playwright

    hostile = (
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    )
    file = tmp_path / "page.html"
    file.write_bytes(landing.failed(hostile, LoginFailed(hostile, hint=hostile)))
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page()
        page.goto(file.as_uri())
        assert page.title() == f"Not connected to {hostile}"
        assert page.locator("img, script").count() == 0
        browser.close()
