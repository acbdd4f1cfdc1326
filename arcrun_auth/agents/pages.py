"""The pages on which a person lets an agent's wish to connect come true, or not. Pure.

They look like all pages of ours. Whatever is not ours is escaped where it is put in.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from arcrun_auth.errors import printable
from arcrun_auth.landing import CANCEL, CROSS, KEY, TICK, Field, closing, form, page, press

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.agents.visitor import Line, Question

REFRESH_SECONDS = 1
"""How long is a page shown at least that tells how far things are?"""


@dataclass(frozen=True)
class Fact:
    """Something to know before one agrees: texts, each a line of its own."""

    label: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What is to be connected, and all that a person should know of it."""

    title: str
    """The service, as people know it."""
    client: str
    """The program that asks; empty if it is the person themselves."""
    facts: tuple[Fact, ...]
    warning: str = ""
    """What speaks against it: a recipe that nobody has looked at."""


def consent(wish: Wish, *, token: str, connect: str, refuse: str) -> bytes:
    """Who asks, for what, and where it goes; `connect` and `refuse` are where the buttons lead."""
    asks = "<p>You are about to connect it on this computer.</p>"
    promise = ""
    if wish.client:
        asks = (
            f"<p>A program that calls itself <b>{escape(printable(wish.client, 64))}</b> asks to "
            "use it.</p>"
        )
        promise = (
            "<p>It gets what the service answers, and never the key or the login: those stay in "
            "the vault of this computer. It can only read, unless you allow more.</p>"
        )
    warning = f'<p class="note">{escape(wish.warning)}</p>' if wish.warning else ""
    no = "Refuse" if wish.client else "Cancel"
    buttons = press(token, connect, "Connect", go=True) + press(token, refuse, no)
    body = f"{asks}{warning}{_facts(wish.facts)}{promise}{buttons}"
    return page(KEY, f"Connect {wish.title}?", body, "ask")


def working(title: str, lines: Sequence[Line], again: str, address: str = "") -> bytes:
    """How far it is; looks for news at `again`. `address` is where the browser was sent."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS};url={escape(again)}">'
    said = told(lines)
    if address:
        said += "<p>It goes on at a page that was opened from here.</p>"
        said += f'<a class="go" href="{escape(address)}" rel="noreferrer">Go there again</a>'
    body = said or "<p>One moment…</p>"
    return page(KEY, f"Connecting {title}", body, "ask", head=refresh)


def question(title: str, asked: Question, lines: Sequence[Line], token: str) -> bytes:
    """A question that came up on the way."""
    if not asked.yes_no:
        # Whoever asks knows what to make of nothing, and says so in the question.
        field = Field("answer", asked.text, hidden=asked.hidden, optional=True, noted=False)
        return form(title, [field], token=token, about=told(lines))
    text = f"<p><b>{escape(asked.text)}</b></p>"
    yes = press(token, "", "Yes", go=True, name="yes")
    return page(KEY, title, told(lines) + text + yes + press(token, "", "No", name=CANCEL), "ask")


def connected(title: str, lines: Sequence[Line]) -> bytes:
    """It works, or is kept untested: the lines say which."""
    return page(TICK, f"You are connected to {title}", told(lines) + closing())


def refused(title: str) -> bytes:
    """The person did not want to."""
    text = f"<p>{escape(title)} was not connected, and nothing was sent.</p>"
    return page(CROSS, "Not connected", text + closing(), "bad")


def told(lines: Sequence[Line]) -> str:
    """What was said, as HTML."""
    return "".join(f"<p>{_line(line)}</p>" for line in lines)


def _line(line: Line) -> str:
    text = "<br>".join(map(escape, line.text.splitlines()))
    if not line.url:
        return text
    shown = escape(line.url)
    link = f'<a href="{shown}" target="_blank" rel="noopener noreferrer">{shown}</a>'
    return link if line.text == line.url else f"{text} {link}"


def _facts(facts: Sequence[Fact]) -> str:
    rows = (
        f"<dt>{escape(fact.label)}</dt>"
        + "".join(f"<dd>{escape(text)}</dd>" for text in fact.texts)
        for fact in facts
        if fact.texts
    )
    return f"<dl>{''.join(rows)}</dl>"
