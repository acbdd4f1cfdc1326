"""The page as HTML, without a browser's help: text in, bytes out. Pure.

Buttons belong to one form, so that its token is written once. Each says by its accessible name
what it does to what; results stand in a live region, and beside what they are about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from arcrun_auth.agents.ui import aside
from arcrun_auth.agents.ui.controls import FORM, Told, button, command, hidden, link
from arcrun_auth.agents.ui.rows import full_name
from arcrun_auth.agents.ui.style import SCRIPT, STYLE
from arcrun_auth.agents.ui.words import text, when
from arcrun_auth.moments import ago

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arcrun_auth.agents.ui.controls import At
    from arcrun_auth.agents.ui.data import Offer, Picture
    from arcrun_auth.agents.ui.rows import Connected
    from arcrun_auth.policies import PendingRequest


def page(
    picture: Picture,
    *,
    at: At,
    token: str,
    notices: Sequence[Told] = (),
    told: Mapping[str, Told] | None = None,
    focus: bool = True,
) -> bytes:
    """The whole page. `token` proves that a form came from it; `told` says by connection what
    became of a test; `focus` is not for a page whose address leads to a row: there it is."""
    count = f"({len(picture.pending)}) " if picture.pending else ""
    troubles = [Told("warn", error.message, error.hint or "") for error in picture.troubles]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{count}arcrun</title>'
        f"<style>{STYLE}</style></head>"
        f"<body{' class=searching' if picture.query else ''}>"
        f"{_top(picture, at)}<main>{_said([*notices, *troubles], fresh=bool(notices) and focus)}"
        f"{waiting(picture.pending, picture.now, at=at)}{_connected(picture, told or {}, at)}"
        f"<aside>{aside.agents(picture, at, token)}{aside.trail(picture)}</aside>"
        f"{_services(picture, at)}"
        f'</main><form id="{FORM}" method="post">{hidden("token", token)}</form>'
        f"<script>{SCRIPT}</script></body></html>"
    ).encode()


def waiting(pending: Sequence[PendingRequest], now: float, *, at: At) -> str:
    """The requests that wait for a person, as the part of the page that is looked at anew."""
    ids = text(" ".join(each.id for each in pending), 1000)
    cards = "".join(_request(each, now, at) for each in pending)
    if cards:
        cards = (
            '<section aria-labelledby="h-waiting"><div class="head">'
            '<h2 id="h-waiting">Waiting for you</h2><span class="soft">An agent may send this '
            f"once, if you allow it.</span></div>{cards}</section>"
        )
    return (
        f'<div id="waiting" aria-live="polite" data-from="{at("/waiting")}" data-ids="{ids}">'
        f"{cards}</div>"
    )


def _top(picture: Picture, at: At) -> str:
    value = text(picture.query, 200)
    links = {
        "connected": "Connections",
        "agents": "Agents",
        "trail": "Activity",
        "services": "Services",
    }
    nav = "".join(f'<a href="#{to}">{word}</a>' for to, word in links.items())
    clear = f'<a class="button" href="{at("/")}">Clear</a>' if picture.query else ""
    return (
        '<a class="skip" href="#connected">Skip to the connections</a>'
        '<header class="top"><div><h1>arcrun</h1>'
        f'<form class="search" role="search" action="{at("/")}"><label class="unseen" for="q">'
        "Search connections and services</label>"
        f'<input id="q" name="q" type="search" value="{value}" autocomplete="off" '
        f'spellcheck="false" placeholder="Search {_shown_services(picture)}">'
        f"<button>Search</button>{clear}</form>"
        f'<nav aria-label="Parts of this page">{nav}</nav>'
        f"{button(at('/stop'), 'Close', 'Close this page, and end arcrun ui', kind='plain')}"
        "</div></header>"
    )


def _shown_services(picture: Picture) -> str:
    return "services" if picture.query else f"{len(picture.offers)} services"


def _said(notices: Iterable[Told], *, fresh: bool) -> str:
    """What is told on top. What is `fresh` has the focus: a page that was just loaded announces
    nothing by itself to whoever hears it."""
    notes = "".join(
        f'<p class="note {each.mood}"><span>{text(each.text, 600)}</span>{command(each)}</p>'
        for each in notices
    )
    focus = ' tabindex="-1" autofocus' if fresh else ""
    return f'<div id="said" role="status" aria-live="polite"{focus}>{notes}</div>'


def _request(asked: PendingRequest, now: float, at: At) -> str:
    name = full_name(asked.service, asked.instance)
    about = f"{asked.method} {asked.path} of {name}, asked by {asked.client}"
    preview = f"<pre>{text(asked.preview, 320)}</pre>" if asked.preview else ""
    size = f"{asked.size} bytes are sent along" if asked.size else "nothing is sent along"
    return (
        f'<article class="card ask"><div><h3>{text(asked.client, 64)} wants to send to '
        f"{text(name, 140)}</h3><p><code><b>{text(asked.method, 20)} "
        f"{text(asked.path, 1000)}</b></code> at <code>{text(asked.host, 255)}</code></p>"
        f'<p class="soft small">{size} · asked {when(asked.time, now)} · '
        f"ends {when(asked.expires, now)}</p></div>"
        f'{preview}<div class="do">'
        f"{button(at('/refuse'), 'Refuse', f'Refuse {about}', id=asked.id)}"
        f"{button(at('/approve'), 'Allow once', f'Allow once: {about}', kind='go', id=asked.id)}"
        "</div></article>"
    )


def _connected(picture: Picture, told: Mapping[str, Told], at: At) -> str:
    rows = "".join(
        _row(row, told.get(row.name), picture.now, picture.since, at) for row in picture.connected
    )
    empty = "Nothing that is connected fits." if picture.query else "Nothing is connected yet."
    body = (
        f'<ul class="card">{rows}</ul>'
        if rows
        else f'<p class="card pad soft">{empty} Choose a service below.</p>'
    )
    return (
        '<section id="connected" aria-labelledby="h-connected" tabindex="-1"><div class="head">'
        f'<h2 id="h-connected">Connections</h2><span class="soft">on this machine</span></div>'
        f"{body}</section>"
    )


def _row(row: Connected, told: Told | None, now: float, since: float, at: At) -> str:
    # What is renewed at its next use asks nothing of anybody.
    status = "connected" if row.status == "expired" and row.mood != "bad" else row.status
    used = f"used by {text(row.used.who, 60)} {when(row.used.time, now)}" if row.used else ""
    unused = f"not used {ago(now - since)}"
    identity = text(row.identity, 120) or '<span class="soft">no account named</span>'
    return (
        f'<li class="row" id="c-{text(row.name, 140)}" data-text="{text(row.text, 600)}">'
        f'<div><h3>{text(row.title, 80)} <code class="soft">{text(row.name, 140)}</code></h3>'
        f"<p>{identity}</p></div>"
        f'<div><p><span class="badge {row.mood}">{text(status, 40)}</span> '
        f'<span class="small">{text(row.until, 80)}</span></p>'
        f'<p class="soft small">{used or unused}</p></div>'
        f'<div class="do">{_buttons(row, at)}</div>'
        f"{_result(told)}{_warnings(row)}{_details(row)}</li>"
    )


def _buttons(row: Connected, at: At) -> str:
    first = button(at("/test"), "Test", f"Test {row.name}", name=row.name)
    if row.mood == "bad":  # there is nothing to test: what it takes is a person
        _, _, instance = row.name.partition("@")
        where = f"{at('/connect')}?{urlencode({'service': row.service, 'instance': instance})}"
        first = link(where, "Reconnect", f"Reconnect {row.name}")
    where = f"{at('/remove')}?{urlencode({'name': row.name})}"
    return first + (link(where, "Disconnect…", f"Disconnect {row.name}") if row.stored else "")


def _result(told: Told | None) -> str:
    if told is None:
        return ""
    said = f"{text(told.text, 400)} {command(told)}".strip()
    return f'<p class="more told {told.mood}" role="status">{said}</p>'


def _warnings(row: Connected) -> str:
    return "".join(
        f'<p class="more told warn">{text(said, 300)}. <code>{text(typed, 200)}</code></p>'
        for said, typed in row.warnings
    )


def _details(row: Connected) -> str:
    facts = (
        ("Way in", [row.method]),
        ("Scopes", row.scopes),
        ("Sent to", row.hosts),
        ("Serves too", row.also),
        ("Comes from", row.places),
        ("Agents", [row.agents]),
    )
    listed = "".join(
        f"<dt>{label}</dt><dd>{', '.join(text(each, 200) for each in values)}</dd>"
        for label, values in facts
        if values
    )
    scopes = f" · {len(row.scopes)} scopes" if len(row.scopes) > 1 else ""
    return (
        '<details class="more"><summary>Details'
        f'<span class="unseen"> of {text(row.name, 140)}</span>{scopes}</summary>'
        f"<dl>{listed}</dl></details>"
    )


def _services(picture: Picture, at: At) -> str:
    offers = "".join(_offer(offer, at) for offer in picture.offers)
    number = len(picture.offers)
    found = "1 service" if number == 1 else f"{number} services"
    body = (
        f'<ul class="offers">{offers}</ul>'
        if offers
        else '<p class="card pad soft">No service is found. <code>arcrun recipes new</code></p>'
    )
    return (
        '<section id="services" aria-labelledby="h-services"><div class="head">'
        '<h2 id="h-services">Connect a service</h2>'
        f'<output id="found" class="soft" for="q" aria-live="polite">{found}</output></div>'
        f"{body}</section>"
    )


def _offer(offer: Offer, at: At) -> str:
    about = " · ".join(filter(None, (offer.category, offer.note)))
    word = "Add account" if offer.connected else "Connect"
    where = f"{at('/connect')}?{urlencode({'service': offer.service})}"
    return (
        f'<li data-text="{text(offer.text, 600)}"><div><h3>{text(offer.title, 80)}</h3>'
        f'<p class="soft small">{text(about, 80)}</p></div>'
        f"{link(where, word, f'{word}: {offer.title}')}</li>"
    )
