"""`$BROWSER` of a test: a real Chromium that logs in and consents at oidc-provider's pages."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Playwright

ARGUMENTS = [
    "--no-sandbox",
    # Nothing but this machine is ever asked.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def main(told: str, url: str) -> None:
    with chromium() as page:
        page.goto(url)
        log_in(page)
        page.wait_for_selector("main svg")
        Path(told).write_text(page.inner_text("main"))


def type_code(url: str, code: str) -> str:
    """Enter a device's code where it wants one, and log in: the text that it ends with."""
    with chromium() as page:
        page.goto(url)
        page.fill("input[name=user_code]", code.lower())
        page.click("button[type=submit]")
        page.click("button[autofocus]")
        log_in(page)
        page.wait_for_url(url + "/*")
        return page.inner_text("body")


def log_in(page: Page) -> None:
    """Oidc-provider's pages for development: any name, and then the consent."""
    page.fill("input[name=login]", "ada")
    page.fill("input[name=password]", "x")
    page.click("button[type=submit]")
    page.wait_for_selector("input[name=prompt][value=consent]", state="attached")
    page.click("button[type=submit]")


def launched(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)


@contextmanager
def chromium() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)
        try:
            yield browser.new_page()
        finally:
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
