"""The page of this machine in tests: values to show, and somebody who reads and presses."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from arcrun_auth.agents.ui.data import Offer, Picture
from arcrun_auth.agents.ui.rows import Connected, Use
from arcrun_auth.audit.reading import Entry
from arcrun_auth.policies import PendingRequest
from arcrun_auth.policy import Rule
from tests.surfer import Surfer

NOW = 1_800_000_000.0
VOID = ("meta", "link", "input", "br")


def picture(text: str = "x", **changes) -> Picture:
    """A page with something of everything, whose words from elsewhere are all `text`."""
    row = {
        "name": text, "service": text, "title": text, "identity": text,
        "method": text, "status": text, "mood": "warn", "until": text, "scopes": (text, text),
        "hosts": (text,), "also": (text,), "warnings": ((text, text),), "places": (text,),
        "stored": True, "agents": text, "used": Use(NOW - 90, text), "text": text,
    }  # fmt: skip
    rule = Rule(
        id=text, service=text, what="write", instance=text, client=text, methods=(text,),
        paths=(text,), expires=NOW + 60, left=2,
    )  # fmt: skip
    asked = PendingRequest(
        id=text, time=NOW - 60, expires=NOW + 540, service=text, instance=text, client=text,
        method=text, host=text, path=text, digest="d", size=3, preview=text,
    )  # fmt: skip
    line = Entry(1, NOW - 5, text, text, text, text, text, "", text, text)
    values = {
        "query": "", "connected": (Connected(**row), Connected(**{**row, "mood": "bad"})),
        "offers": (Offer(text, text, text, text, False, text),), "pending": (asked,),
        "rules": (rule,), "locked": True, "lines": (line,) * 12, "troubles": (),
    }  # fmt: skip
    return Picture(NOW, NOW - 30 * 86400, **{**values, **changes})


class Element:
    """One of a page: its tag, its attributes, all of its text, where it stands."""

    def __init__(self, tag, attributes, above):
        self.tag, self.attributes, self.above, self.text = tag, attributes, above, ""

    def __getitem__(self, name):
        return self.attributes.get(name) or ""

    def inside(self, tag):
        found = self.above
        while found is not None and found.tag != tag:
            found = found.above
        return found


class Html(HTMLParser):
    """The elements of a page in their order. Fails where what is opened is not closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self._open = [], None
        self.feed(page.decode() if isinstance(page, bytes) else page)
        assert self._open is None, f"{self._open.tag} is not closed"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        found = Element(tag, dict(attrs), self._open)
        self.elements.append(found)
        if tag not in VOID:
            self._open = found

    def handle_endtag(self, tag):
        assert self._open is not None, f"{tag} is closed, and was not open"
        assert self._open.tag == tag, f"{tag} is closed, and {self._open.tag} is open"
        self._open = self._open.above

    def handle_data(self, data):
        at = self._open
        while at is not None:
            at.text += data
            at = at.above

    def all(self, *tags, **attributes):
        return [
            e for e in self.elements
            if e.tag in tags and all(e[name] == text for name, text in attributes.items())
        ]  # fmt: skip

    def one(self, *tags, **attributes):
        (found,) = self.all(*tags, **attributes)
        return found

    @property
    def shape(self):
        """Its elements and the names of their attributes: what no text may change."""
        return [(e.tag, tuple(e.attributes)) for e in self.elements]


class Reader(Surfer):
    """Somebody at the page, by what they hear of it: buttons and links by their labels."""

    def __init__(self):
        super().__init__()
        self._parsed = None
        self.shown = []
        """All that was shown to them."""

    def _load(self, url, form, headers):
        super()._load(url, form, headers)
        self.shown.append(self.page.text)

    def reach(self, url):
        """Whether anything is shown there."""
        try:
            self.only(url)
        except OSError:
            return False
        return self.status == 200

    def token(self):
        return self.html().all("input", name="token")[0]["value"]

    def origin(self):
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @staticmethod
    def hash(text):
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    def html(self):
        if self._parsed is None or self._parsed[0] is not self.page:
            self._parsed = self.page, Html(self.page.text)
        return self._parsed[1]

    def hears(self):
        """What is told on the page, beside what it shows anyway."""
        return [
            e.text for e in self.html().all("p") if "note" in e["class"] or "told" in e["class"]
        ]

    def section(self, name):
        return self.html().one("section", id=name).text

    def follow(self, label):
        found = [e for e in self.html().all("a") if label in (e["aria-label"], e.text)]
        return self.open(found[0]["href"])

    def push(self, label, **typed):
        """Press the button, with what was typed into its form."""
        html = self.html()
        button = next(e for e in html.all("button") if label in (e["aria-label"], e.text))
        form = html.one("form", id=button["form"]) if button["form"] else button.inside("form")
        inner = (e for e in html.all("input") if e.inside("form") is form)
        fields = {e["name"]: e["value"] for e in inner if e["name"]}
        fields |= {
            e["name"]: first(html, e) for e in html.all("select") if e.inside("form") is form
        }
        fields |= {button["name"]: button["value"]} if button["name"] else {}
        where = urljoin(self.url, button["formaction"] or form["action"] or self.url)
        parts = urlsplit(where)
        return self.open(where, {**fields, **typed}, Origin=f"{parts.scheme}://{parts.netloc}")


def first(html, select):
    """What a choice is before anybody chooses."""
    option = next(e for e in html.all("option") if e.inside("select") is select)
    return option["value"] if "value" in option.attributes else option.text
