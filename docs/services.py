# ruff: noqa: INP001, E402 - a program beside the pages, no package; the checkout comes first
"""The services, as pages: `python docs/services.py FOLDER` writes one for each, and an index.

They are plain HTML that works from a file, without a request to anywhere: the search is a few
lines of script in the page itself. What stands on them is `arcrun_auth.profile`, as in
`arcrun show`. `table()` is the index for docs/services.md.
"""

from __future__ import annotations

import sys
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent)]

from arcrun_auth.catalog import Catalog
from arcrun_auth.profile import sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.finding import Card
    from arcrun_auth.profile import Line, Section
    from arcrun_auth.recipe import Recipe

STYLE = (DOCS / "services.css").read_text("utf-8")
SCRIPT = (DOCS / "services.js").read_text("utf-8")

UNSURE = "not confirmed by two sources"


def page(title: str, body: str, script: str = "") -> str:
    """One document: everything it needs is in it."""
    end = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>{STYLE}</style></head>\n<body>{body}{end}</body></html>\n"
    )


def index(cards: list[Card]) -> str:
    """All services, and a field that finds one."""
    options = "".join(
        f'<option value="{escape(name)}">{escape(name)}</option>'
        for name in sorted({card.category for card in cards})
    )
    return page(
        "Services",
        "<h1>Services</h1><p class=soft>What <code>arcrun setup</code> can connect.</p>"
        '<form role="search"><input type="search" autofocus aria-label="Find a service" '
        'placeholder="mail, gdrive, payments …"><select aria-label="Category">'
        f'<option value="">All categories</option>{options}</select></form>'
        "<p class=soft><output aria-live=polite></output></p>"
        f"<ul>{''.join(map(_item, cards))}</ul>",
        SCRIPT,
    )


def _item(card: Card) -> str:
    words = (card.service, card.display_name, card.category, *card.aliases, *card.tags)
    text = escape(" ".join((*words, card.description)).lower())
    unsure = "" if card.confirmed else f' <span class=mark title="{UNSURE}">unconfirmed</span>'
    return (
        f'<li data-category="{escape(card.category)}" data-text="{text}">'
        f'<a href="{escape(card.service)}.html">{escape(card.display_name)}</a>{unsure}'
        f"<p class=soft>{escape(card.description)}</p></li>"
    )


def service(recipe: Recipe) -> str:
    """Everything about one service."""
    name = recipe.display_name or recipe.service
    parts = [
        '<p><a href="index.html">All services</a></p>',
        f"<h1>{escape(name)}</h1><p>{escape(recipe.description)}</p>",
    ]
    if recipe.status != "closed":
        parts.append(f"<pre><code>{escape(_program(recipe))}</code></pre>")
    parts += [_section(section) for section in sections(recipe)]
    return page(name, "".join(parts))


def _program(recipe: Recipe) -> str:
    test = recipe.test
    path = test.path if test is not None and test.method == "GET" and test.path else "/"
    return (
        f'from arcrun import auth\n\nwith auth.bind("{recipe.service}") as client:\n'
        f'    print(client.get("{path}").json())'
    )


def _section(section: Section) -> str:
    head = f"<h2>{escape(section.title)}</h2>" if section.title else ""
    command = f"<pre><code>$ {escape(section.command)}</code></pre>" if section.command else ""
    return f"{head}{command}<dl>{''.join(map(_line, section.lines))}</dl>"


PAGES = ("docs", "start at", "your app", "needs", "seen at")
"""Behind which labels do links to pages for people stand? A scope may look like one."""


def _line(line: Line) -> str:
    texts = map(_link if line.label in PAGES else escape, line.texts)
    return f"<dt>{escape(line.label)}</dt><dd>{'<br>'.join(texts)}</dd>"


def _link(text: str) -> str:
    shown = escape(text)
    if text.startswith("https://") and " " not in text:
        return f'<a href="{shown}" rel="noreferrer">{shown}</a>'
    return shown


def table() -> str:
    """docs/services.md: every service by category, with its ways in."""
    with tempfile.TemporaryDirectory() as home:
        catalog = Catalog(home)
        ways = {entry.service: [way.id for way in entry.methods] for entry in catalog.entries()}
        cards = catalog.cards()
        catalog.close()
    return "".join(_table(cards, ways))


def _table(cards: list[Card], ways: dict[str, list[str]]) -> Iterator[str]:
    yield (
        "# Services\n\n"
        f"What `arcrun setup` connects: {len(cards)} services. `arcrun list --search WORD` finds\n"
        "one, `arcrun show SERVICE` tells all about it; `make services` writes a page of each,\n"
        "with a search, to `build/services/`. Facts that two sources could not confirm are\n"
        "marked *unconfirmed*. This page is made of the recipes: `make docs`.\n"
    )
    for category in sorted({card.category for card in cards}):
        yield f"\n## {category}\n\n| service | name | ways in | |\n|---|---|---|---|\n"
        for card in cards:
            if card.category == category:
                note = "" if card.confirmed else "*unconfirmed*"
                listed = ", ".join(ways[card.service])
                yield f"| `{card.service}` | {card.display_name} | {listed} | {note} |\n"


def write(folder: Path) -> int:
    """Write all pages to `folder`; how many services there are."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        catalog = Catalog(home)
        cards = catalog.cards()
        for card in cards:
            text = service(catalog.recipe(card.service))
            (folder / f"{card.service}.html").write_text(text, "utf-8")
        catalog.close()
    (folder / "index.html").write_text(index(cards), "utf-8")
    return len(cards)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else DOCS.parent / "build" / "services"
    sys.stdout.write(f"{write(target)} services: {target / 'index.html'}\n")
