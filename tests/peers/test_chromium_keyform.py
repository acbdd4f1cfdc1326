"""The page that asks for keys, in a real browser: typed into, pressed, and by the keyboard."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

import pytest

from arcrun_auth.keyform import Field, ask_on_page
from tests import canary
from tests.peers.drive_chromium import launched

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("with_chromium")]

HANG = 60.0
FIELDS = (
    Field(
        "sid",
        "Account SID",
        help="It begins with AC, and stands on the first page of the console.",
        help_url="https://example.com/help",
    ),
    Field("token", "Auth token", check=lambda v: None if len(v) > 4 else "It is longer than that."),
    Field("pem", "Certificate", lines=True, optional=True),
    Field("region", "Region", hidden=False, choices=("eu", "us")),
)


class Person:
    """Somebody at Chromium: does `act` on the page and tells what was seen."""

    def __init__(self, act, *, width=1280, scheme="light", picture=""):
        self.act = act
        self.options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
        self.picture = picture
        self.ended = queue.SimpleQueue()

    def __call__(self, url):
        threading.Thread(target=self._browse, args=(url,), daemon=True).start()

    def _browse(self, url):
        try:
            self.ended.put(self._see(url))
        except BaseException as error:
            self.ended.put({"error": error})

    def _see(self, url):
        from playwright.sync_api import sync_playwright

        requested, complaints = [], []
        with sync_playwright() as playwright:
            browser = launched(playwright)
            page = browser.new_page(**self.options)
            page.set_default_timeout(HANG * 1000)
            page.on("request", lambda request: requested.append((request.method, request.url)))
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(url)
            seen = {
                "overflow": page.evaluate(
                    "document.documentElement.scrollWidth > window.innerWidth"
                ),
                "focused": page.evaluate("document.activeElement.id"),
                "background": page.evaluate("getComputedStyle(document.body).backgroundColor"),
            }
            self._photograph(page, "form")
            self.act(page, lambda: self._photograph(page, "wrong"))
            page.wait_for_function("!document.querySelector('form')")
            self._photograph(page, "end")
            seen |= {"text": page.inner_text("main"), "url": page.url}
            browser.close()
        return seen | {
            "requested": [r for r in requested if not r[1].startswith("data:")],
            "complaints": complaints,
        }

    def _photograph(self, page, what):
        folder = os.environ.get("ARCRUN_TEST_PICTURES")
        if folder and self.picture:
            page.screenshot(path=Path(folder) / f"{self.picture}-{what}.png", full_page=True)


def ask(person, said):
    typed = ask_on_page(
        "Connect Shop", FIELDS, open_url=person, say=said.append, timeout=HANG,
        help_url="https://example.com/keys", environ={},
    )  # fmt: skip
    seen = person.ended.get(timeout=HANG)
    assert "error" not in seen, seen["error"]
    return typed, seen


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "light"), (360, "dark")])
def test_keys_are_typed_and_arrive_and_show_nowhere(width, scheme):
    sid, token = canary.fresh("sid"), canary.fresh("token")

    def act(page, photograph):
        assert page.locator("input[type=password]").count() == 2
        # Who types before the page has its focus is told so by the browser.
        page.wait_for_function("document.activeElement.id === 'field0'")
        page.get_by_label("Account SID").fill(sid)
        page.get_by_label("Auth token").fill("x")
        page.get_by_label("Certificate").fill("-----BEGIN\nx\n-----END")
        page.get_by_label("Region").select_option("us")
        page.click("text=Save")
        page.wait_for_selector(".wrong")
        photograph()
        assert page.evaluate("document.activeElement.id") == "field1"  # where it was wrong
        assert page.get_by_label("Account SID").input_value() == ""
        page.get_by_label("Account SID").fill(sid)
        page.get_by_label("Auth token").fill(token)
        page.click("text=Save")

    said = []
    person = Person(act, width=width, scheme=scheme, picture=f"{width}-{scheme}")
    typed, seen = ask(person, said)
    assert {name: value.reveal() for name, value in typed.items()} == {
        "sid": sid, "token": token, "region": "eu",
    }  # fmt: skip
    assert seen["text"].startswith("Thank you")
    assert seen["complaints"] == [
        # The one thing a browser remarks: that the first answer was not taken.
        "Failed to load resource: the server responded with a status of 422 (Unprocessable Content)"
    ]
    assert not seen["overflow"]
    assert seen["focused"] == "field0"
    assert (seen["background"] == "rgb(243, 244, 248)") is (scheme == "light")
    # No icon, no font, no script; the address is the same from first to last.
    assert [method for method, _ in seen["requested"]] == ["GET", "POST", "POST"]
    assert {url for _, url in seen["requested"]} == {seen["url"]}
    assert not canary.hits("\n".join([*said, seen["text"], seen["url"]]))


def test_the_keyboard_is_enough(tmp_path):
    def act(page, photograph):
        keyboard = page.keyboard
        keyboard.type("AC1")  # the first field has the focus
        keyboard.press("Tab")  # the link of its help
        keyboard.press("Tab")
        keyboard.type("long enough")
        keyboard.press("Enter")

    typed, seen = ask(Person(act), [])
    assert typed["sid"].reveal() == "AC1"
    assert typed["token"].reveal() == "long enough"
    assert "pem" not in typed
    assert [method for method, _ in seen["requested"]] == ["GET", "POST"]


def test_what_is_needed_is_wanted_by_the_browser_itself():
    def act(page, photograph):
        page.click("text=Save")  # nothing is sent
        assert page.evaluate("document.querySelector('#field0').matches(':invalid')")
        page.click("text=Cancel")

    typed, seen = ask(Person(act), [])
    assert typed is None
    assert "Nothing was saved" in seen["text"]
    assert [method for method, _ in seen["requested"]] == ["GET", "POST"]


def test_a_foreign_page_cannot_answer(tmp_path):
    def act(page, photograph):
        url = page.url
        token = page.locator("input[name=token]").first.input_value()
        # Even one that knew the address and the token.
        page.goto("data:text/html,<p>elsewhere")
        page.set_content(
            f'<form method=post action="{url}"><input name=token value="{token}">'
            "<input name=field0 value=forged><input name=field1 value=forged>"
            "<input name=field3 value=eu><button>Go</button></form>"
        )
        with page.expect_response(url) as response:
            page.click("text=Go")
        assert response.value.status == 403
        page.goto(url)
        page.get_by_label("Account SID").fill("AC1")
        page.get_by_label("Auth token").fill("the true one")
        page.click("text=Save")

    typed, _ = ask(Person(act), [])
    assert typed["token"].reveal() == "the true one"
