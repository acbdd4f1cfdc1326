"""A real browser, for those who ask for one."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from tests.needs import needs
from tests.peers.drive_chromium import launched


@pytest.fixture(scope="module")
def with_chromium() -> None:
    """There is one, which the test starts itself."""
    needs(shutil.which("chromium"), "chromium")
    needs(importlib.util.find_spec("playwright"), "playwright")


@pytest.fixture(scope="module")
def chromium(with_chromium):
    """One for all of a module; each person gets a context (cookies) of their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()
