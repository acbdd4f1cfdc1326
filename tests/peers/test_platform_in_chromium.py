"""The server's pages in a real browser: their policy lets through what it must, and no more."""

from __future__ import annotations

import pytest

from arcrun_auth.server import accounts
from arcrun_auth.server.config import Config
from arcrun_auth.testing import Provider
from tests.peers.drive_chromium import chromium
from tests.peers.test_chromium_login import HANG
from tests.platform_desk import FREE, desk
from tests.unit.test_platform_login import Home, key_of
from tests.unit.test_relay import CREDENTIAL, World

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("with_chromium")]


class Watching:
    """Opens an address in Chromium, does what `act` says, and keeps what the browser said."""

    def __init__(self, act):
        self.act, self.complaints, self.texts, self.asked = act, [], [], []

    def __call__(self, url):
        with chromium() as page:
            page.set_default_timeout(HANG * 1000)
            page.on("console", lambda message: self.complaints.append(message.text))
            page.on("request", lambda request: self.asked.append(request.url))
            page.goto(url)
            self.act(page)
            page.wait_for_selector("text=You are connected")
            self.texts.append(page.inner_text("main"))


def test_a_device_logs_in_through_the_servers_pages(tmp_path):
    with desk(tmp_path / "server") as there:
        home, key = Home(there, tmp_path), key_of(there, email="ada@example.com")

        def act(page):
            page.fill("input[name=key]", key.reveal())
            page.click("text=Sign in with the key")
            assert "ada@example.com" in page.inner_text("main")
            page.click("button:has-text('Log in')")

        browser = Watching(act)
        found = home.login(browser)
        assert found.email == "ada@example.com"
        assert browser.complaints == []
        assert not any(key.reveal() in url for url in browser.asked)


def test_a_login_by_the_servers_app_goes_through_its_pages_and_the_providers(tmp_path):
    with Provider() as provider:
        world = World(tmp_path, provider)

        def act(page):
            page.click("button:has-text('Go on')")
            page.wait_for_url(f"{provider.issuer}/**")  # by itself, from a page of the server
            page.click("button[value=allow]")
            page.wait_for_url(f"{world.desk.url}/oauth/redirect**")
            # It waits for the person: nothing on it leads on by itself.
            assert page.query_selector("meta[http-equiv=refresh]") is None
            page.click("text=Back to the program")

        browser = Watching(act)
        broker = world.broker(open_url=browser)
        try:
            world.login(broker)
            assert broker.store.get(CREDENTIAL).grant.relay is not None
            assert browser.complaints == []
            hosts = {url.split("/")[2] for url in browser.asked}
            # The provider, the server, and the program that waits: nobody else is asked.
            assert len(hosts) == 3
        finally:
            world.close()


def test_the_page_with_the_admins_key_is_no_wider_than_a_telephone(tmp_path):
    with desk(tmp_path / "server", Config(limits=FREE)) as there, chromium() as page:
        page.set_viewport_size({"width": 360, "height": 700})
        page.goto(f"{there.url}/first/{there.database.write(accounts.first_invite)}")
        page.click("button")
        assert "ak_" in page.inner_text("main")
        wide = page.evaluate("[...document.querySelectorAll('main, code')].map(e => e.scrollWidth)")
        assert max(wide) <= 360
        assert page.evaluate("document.documentElement.scrollWidth") == 360
