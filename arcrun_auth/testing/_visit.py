"""A person with a browser, as far as the embedded provider's pages need one."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from http.client import HTTPMessage
    from typing import IO

FOLLOW_SECONDS = 60.0
"""How long does `follow` wait for a page? The landing page waits for the token exchange."""

_REDIRECTS = (302, 303)


def decided(url: str, *, user: str, allow: bool) -> tuple[str, str]:
    """Fill in the form at `url` and press a button: where the browser is sent, or else the
    text of the page that follows."""
    opener = build_opener(ProxyHandler({}), _NoRedirect())
    location, page = _open(opener, url)
    form = _Form(page)
    if location or not form.action:
        return location, page
    decision = "allow" if allow else "cancel"
    body = urlencode({**form.fields, "user": user, "decision": decision}).encode()
    return _open(opener, Request(urljoin(url, form.action), data=body))  # noqa: S310 - our page


def page_at(url: str) -> str:
    """The text of a page, an error's page too."""
    return _open(build_opener(ProxyHandler({})), url)[1]


def _open(opener: OpenerDirector, target: str | Request) -> tuple[str, str]:
    try:
        with opener.open(target, timeout=FOLLOW_SECONDS) as page:
            if page.status in _REDIRECTS:
                return str(page.headers["Location"]), ""
            return "", page.read().decode()
    except HTTPError as page:
        with page:
            return "", page.read().decode()


class _NoRedirect(HTTPRedirectHandler):
    """Hands a redirect back as an answer instead of following it."""

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> IO[bytes]:
        del req, code, msg, headers
        return fp

    http_error_303 = http_error_302


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what its inputs hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action = found.get("action") or ""
        elif tag == "input" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""
