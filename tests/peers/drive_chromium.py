"""`$BROWSER` of a test: a real Chromium that logs in and consents at oidc-provider's pages."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def main(told: str, url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        page = browser.new_page()
        page.goto(url)
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", "x")
        page.click("button[type=submit]")
        page.wait_for_selector("input[name=prompt][value=consent]", state="attached")
        page.click("button[type=submit]")
        page.wait_for_selector("main svg")
        Path(told).write_text(page.inner_text("main"))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
