"""A browser of a few lines: cookies, redirects, pages that lead on, forms and links. No script."""

from __future__ import annotations

from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from tests.servers import GUARD


class Surfer:
    """One person's browser. `page` is what it shows, `url` where it is."""

    def __init__(self, proxies=()):
        """`proxies` by scheme; none if not given, those of the environment for None."""
        self.jar = CookieJar()
        ways = ProxyHandler(None if proxies is None else dict(proxies))
        self._opener = build_opener(ways, HTTPCookieProcessor(self.jar), _Stays())
        self.url, self.status, self.headers, self.page = "", 0, {}, Page("")
        self.visited = []

    def open(self, url, form=None, **headers):
        """Go there; follow redirects and pages that lead on, as long as they do."""
        while url:
            url = urljoin(self.url, url)
            self._load(url, form, headers)
            form, headers = None, {}
            url = self.headers.get("location") or self.page.onward
        return self.page

    def only(self, url, form=None, **headers):
        """Go there, and no further."""
        self._load(urljoin(self.url, url), form, headers)
        return self.page

    def press(self, button, **typed):
        """Press the button of that text, with what was typed into the form around it."""
        form = next(f for f in self.page.forms if f.button == button)
        # A browser says of every form from which page it comes.
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        return self.open(form.action or self.url, {**form.fields, **typed}, Origin=origin)

    def click(self, link):
        """Follow the link of that text."""
        return self.open(self.page.links[link])

    def _load(self, url, form, headers):
        body = None if form is None else urlencode(form).encode()
        request = Request(url, body, headers)
        self.url = url
        self.visited.append(url)
        try:
            answer = self._opener.open(request, timeout=GUARD)
        except HTTPError as error:
            answer = error
        with answer:
            self.status = answer.status
            self.headers = {name.lower(): value for name, value in answer.headers.items()}
            self.set_cookies = answer.headers.get_all("set-cookie") or []
            self.page = Page(answer.read().decode())

    @property
    def host(self):
        return urlsplit(self.url).netloc


class Form:
    def __init__(self, action):
        self.action, self.fields, self.button = action, {}, ""


class Page(HTMLParser):
    """What a person sees of a page: its title, its forms by their buttons, its links."""

    def __init__(self, text):
        super().__init__()
        self.text, self.title, self.onward = text, "", ""
        self.forms, self.links = [], {}
        self._in, self._href = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._in = tag
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag in ("input", "button") and self.forms and found.get("name"):
            self.forms[-1].fields[found["name"]] = found.get("value", "")
        elif tag == "a":
            self._href = found["href"]
        elif tag == "meta" and found.get("http-equiv") == "refresh":
            self.onward = found["content"].partition("url=")[2]

    def handle_data(self, data):
        if self._in == "h1":
            self.title += data
        elif self._in == "button" and self.forms:
            self.forms[-1].button += data
        elif self._in == "a":
            self.links[data] = self._href

    def handle_endtag(self, tag):
        self._in = ""


class _Stays(HTTPRedirectHandler):
    def http_error_302(self, req, fp, code, msg, headers):
        return fp

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
