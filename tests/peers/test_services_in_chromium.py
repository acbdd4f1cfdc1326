"""The pages of the services, in a real browser: a word is typed, and the right ones stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(with_chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    command = [sys.executable, str(ROOT / "docs" / "services.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=str)
def page(request, site, chromium):
    width, scheme = request.param
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"file://{site}/index.html")
    yield page
    page.close()


def shown(page):
    return page.locator("li:visible a").all_inner_texts()


def test_what_is_typed_filters_by_every_word_and_says_how_many_are_left(page):
    everything = len(shown(page))
    page.keyboard.type("Google mail")  # the field has the focus from the start

    assert "Gmail" in shown(page)
    assert 0 < len(shown(page)) < 10 < everything
    assert page.inner_text("output") == f"{len(shown(page))} services"
    page.fill("input", "gdrive")
    assert shown(page) == ["Google Drive"]
    page.fill("input", "qqqqqq")
    assert shown(page) == []
    page.fill("input", "")
    assert len(shown(page)) == everything


def test_a_category_narrows_it_and_enter_opens_the_first(page):
    page.select_option("select", "email")
    assert "SendGrid" in shown(page)
    assert "Notion" not in shown(page)

    page.select_option("select", "")
    page.fill("input", "notion")
    page.press("input", "Enter")
    page.wait_for_url("**/notion.html")
    assert page.inner_text("h1") == "Notion"
    assert "arcrun setup notion --method oauth" in page.inner_text("body")


def test_a_search_can_be_linked_to_and_is_kept_on_the_way_back(page):
    page.fill("input", "spotify")
    page.click("li:visible a")
    page.wait_for_url("**/spotify.html")
    page.go_back()

    assert page.url.endswith("#spotify")
    assert shown(page) == ["Spotify"]


def test_nothing_but_these_files_is_asked_for_and_no_page_is_wider_than_the_screen(page, site):
    for name in ("index", "google_drive", "slack"):
        page.goto(f"file://{site}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    assert {url for url in page.asked if not url.startswith(f"file://{site}/")} == set()
