"""The page of this machine as HTML: what it says, to whom, and that nothing breaks out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.agents.ui import cards, view
from arcrun_auth.agents.ui.controls import FORM, Told
from arcrun_auth.agents.ui.rows import Connected, Use
from arcrun_auth.audit.reading import Entry
from arcrun_auth.errors import StoreLocked
from arcrun_auth.policy import Rule
from arcrun_auth.recipe import read
from arcrun_auth.report import Why
from tests.page_kit import NOW, Html, picture

TOLD = Told("bad", "x", "x")


def at(path: str) -> str:
    return f"/folder{path}"


def shown(what=None, **given) -> Html:
    return Html(view.page(what or picture(), at=at, token="t", **given))


def row(**changes) -> Connected:
    plain = Connected(
        name="notion@work", service="notion", title="Notion", identity="ada",
        method="token", status="connected", mood="good", until="", scopes=(), hosts=("a.example",),
        also=(), warnings=(), places=(), stored=True, agents="may read", used=None,
        text="notion@work notion ada",
    )  # fmt: skip
    return replace(plain, **changes)


RECIPE = read("""
service: thing
primitive: static_key
display_name: Thing & Co
description: Things.
base_url: https://api.thing.example
required_secrets: [{key: token}]
methods:
  - id: oauth
    primitive: oauth2
    label: Log in
    oauth2:
      authorization_endpoint: https://thing.example/auth
      token_endpoint: https://thing.example/token
      scope_sets: {reading: [read], all: [read, write]}
""")
WHY = Why(
    "thing", "work", "oauth", "connected", "thing.yaml", "local", ("api.thing.example",), (),
    identity="ada", shared_with=("other",),
)  # fmt: skip


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=40).map(lambda text: f"x{text}"))
def test_no_word_from_elsewhere_changes_what_the_page_is_made_of(word):
    plain = shown(picture("x", query="x"), notices=[TOLD], told={"x": TOLD})
    told = Told("bad", word, word)
    page = shown(picture(word, query=word), notices=[told], told={word: told})

    assert page.shape == plain.shape


@pytest.mark.parametrize(
    "word", ['"><script>alert(1)</script>', "'onload=x x='", "</style><b>", "\u202egnp.exe"]
)
def test_what_would_break_out_is_shown_as_it_is_written(word):
    page = shown(picture(word))

    assert len(page.all("script")) == 1
    assert "\u202e" not in page.one("main").text
    assert any(word.replace("\u202e", "") in e.text for e in page.all("h3"))


def test_each_control_has_a_name_that_says_what_it_does_to_what():
    page = shown(notices=[TOLD], told={"x": TOLD})
    labels = {label["for"] for label in page.all("label") if label["for"]}
    for element in page.all("button", "a", "input", "select"):
        if element["type"] == "hidden":
            continue
        named = element["aria-label"] or element.text.strip()
        assert named or element.inside("label") or element["id"] in labels, element.attributes
        word = element.text.strip().removesuffix("…")
        assert word in (element["aria-label"] or word), "who speaks to it says what they read"
    assert page.one("input", id="q")["type"] == "search"


def test_the_keyboard_goes_through_it_in_the_order_of_the_page():
    page = shown()
    assert not [e for e in page.elements if e["tabindex"] not in ("", "-1")]
    first = next(e for e in page.elements if e.tag in ("a", "button", "input"))
    assert first.text == "Skip to the connections"
    ids = [e["id"] for e in page.elements if e["id"]]
    assert len(ids) == len(set(ids)) + 1  # the sample shows one connection twice
    for link in page.all("a"):
        assert not link["href"].startswith("#") or link["href"][1:] in ids
    assert [e["id"] for e in page.elements if e["aria-live"]] == ["said", "waiting", "found"]


def test_it_is_whole_in_itself_and_leads_only_into_its_own_folder():
    page = shown(told={"x": TOLD})
    for element in page.elements:
        assert not {name for name in element.attributes if name.startswith("on")}
        assert "style" not in element.attributes
        assert "src" not in element.attributes
        for name in ("href", "action", "formaction"):
            where = element[name]
            assert where[:1] in ("", "#") or where.startswith(("/folder/", "data:,")), where
    assert page.one("form", id=FORM)["method"] == "post"


def test_a_request_says_what_it_would_do_before_it_can_be_allowed():
    page = shown(picture("x", pending=(replace(
        picture("notion").pending[0], method="POST", path="/pages", host="api.example",
        client="some-agent", instance="default", preview='{"a": 1}'),)))  # fmt: skip
    card = page.one("article")
    for said in ("some-agent wants to send to notion", "POST /pages", "api.example", "3 bytes",
                 '{"a": 1}', "asked 1 min ago", "ends in 9 min"):  # fmt: skip
        assert said in card.text
    order = [e.tag for e in page.elements if e.inside("article") is card]
    assert order.index("pre") < order.index("button")
    assert page.one("title").text == "(1) arcrun"
    allow = page.one("button", formaction="/folder/approve")
    assert allow["aria-label"] == "Allow once: POST /pages of notion, asked by some-agent"


def test_without_a_request_nothing_is_said_of_one_and_the_place_is_kept_for_it():
    page = shown(picture("x", pending=()))
    assert page.one("title").text == "arcrun"
    assert page.one("div", id="waiting").text == ""
    assert not page.all("article")
    quiet = replace(picture("x").pending[0], preview="", size=0)
    assert "nothing is sent along" in Html(view.waiting([quiet], NOW, at=at)).one("article").text


@pytest.mark.parametrize(
    ("changes", "badge", "said"),
    [
        ({}, "connected", "not used in 30 days"),
        ({"until": "in 2 h"}, "connected", "in 2 h"),
        ({"status": "expired", "until": "renews itself"}, "connected", "renews itself"),
        ({"status": "expired", "mood": "bad", "until": "2 h ago"}, "expired", "2 h ago"),
        ({"status": "revoked", "mood": "bad"}, "revoked", ""),
        ({"used": Use(NOW - 120, "some-agent")}, "connected", "used by some-agent 2 min ago"),
        ({"identity": ""}, "connected", "no account named"),
        ({"warnings": (("its key ends", "arcrun setup x"),)}, "connected", "arcrun setup x"),
    ],
)
def test_a_connection_says_how_it_stands_and_who_used_it(changes, badge, said):
    page = shown(picture("x", connected=(row(**changes),)))
    found = page.one("li", id="c-notion@work")
    assert page.one("span", **{"class": f"badge {row(**changes).mood}"}).text == badge
    assert said in found.text


def test_what_cannot_be_tested_is_connected_anew_and_what_is_not_stored_cannot_be_disconnected():
    page = shown(picture("x", connected=(row(status="revoked", mood="bad"),), pending=()))
    again = page.one("a", **{"aria-label": "Reconnect notion@work"})
    assert again["href"] == "/folder/connect?service=notion&instance=work"
    assert not page.all("button", formaction="/folder/test")

    page = shown(picture("x", connected=(row(stored=False, places=("NOTION_TOKEN",)),)))
    assert page.one("button", formaction="/folder/test")["value"] == "notion@work"
    assert not page.all("a", **{"aria-label": "Disconnect notion@work"})
    assert "NOTION_TOKEN" in page.one("dl").text


def test_what_became_of_a_test_stands_at_its_connection():
    told = {"notion@work": Told("bad", "It was refused.", "arcrun setup notion@work")}
    page = shown(picture("x", connected=(row(), row(name="other"))), told=told)
    (said,) = page.all("p", role="status")
    assert said.text == "It was refused. arcrun setup notion@work"
    assert said.inside("li")["id"] == "c-notion@work"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule(service="notion", what="write"), "Every agent may write to notion"),
        (Rule(service="*", what="any", allow=False, client="a"), "a may not use every service"),
        (Rule(service="notion", instance="work", what="read", allow=False, methods=("GET", "HEAD"),
              paths=("/x/*",)), "Every agent may not read from notion@workGET · HEAD · /x/*"),
        (Rule(service="notion", what="write", left=1, expires=NOW + 7200),
         "Every agent may write to notiononce more · ends in 2 h"),
        (Rule(service="notion", what="write", left=3),
         "Every agent may write to notion3 more times"),
        (Rule(service="notion", what="write", left=1, digest="d"),
         "Every agent may write to notionone request that was approved"),
    ],
)  # fmt: skip
def test_a_rule_is_a_sentence(rule, said):
    page = shown(picture("x", rules=(replace(rule, id="r7"),)))
    item = page.one("li", **{"class": "rule"})
    assert item.text == f"{said}Remove"
    assert page.one("button", formaction="/folder/rule/remove")["value"] == "r7"


def test_the_passphrase_of_a_locked_policy_is_a_matter_of_the_terminal():
    locked, free = shown(picture("x")), shown(picture("x", locked=False))
    assert "and the policy's passphrase" in locked.one("section", id="agents").text
    assert "passphrase" not in free.one("section", id="agents").text
    assert not [e for e in locked.all("input") if e["type"] == "password"]


def test_an_empty_page_says_where_to_begin():
    page = shown(picture("x", connected=(), rules=(), lines=(), pending=()))
    assert "Nothing is connected yet. Choose a service below." in page.one("main").text
    assert "Nothing yet." in page.one("section", id="trail").text

    page = shown(picture("x", query="mail", connected=(), offers=()))
    assert "Nothing that is connected fits." in page.one("main").text
    assert "No service is found. arcrun recipes new" in page.one("main").text
    assert page.one("input", id="q")["value"] == "mail"
    assert page.one("body")["class"] == "searching"


def test_what_could_not_be_looked_at_is_said_and_the_rest_shown():
    error = StoreLocked("The vault is locked.", hint="arcrun vault unlock")
    page = shown(picture("x", troubles=(error,)), notices=[Told("good", "Done.")])
    said = page.one("div", id="said")
    assert said["role"] == "status"
    assert said.text == "Done.The vault is locked.arcrun vault unlock"
    assert "autofocus" in said.attributes
    assert (
        "autofocus" not in shown(picture("x", troubles=(error,))).one("div", id="said").attributes
    )
    row = shown(picture("x"), notices=[Told("good", "Done.")], focus=False)
    assert "autofocus" not in row.one("div", id="said").attributes
    assert page.all("article")


def test_the_choice_of_a_way_in_and_of_access_is_there_where_there_is_one():
    page = Html(cards.choose(RECIPE, "work", at=at, token="t"))
    assert page.one("h1").text == "Connect Thing & Co"
    assert [o.text for o in page.all("option")] == ["key", "Log in", "as usual", "reading", "all"]
    assert page.one("input", id="instance")["value"] == "work"
    assert page.one("form")["action"] == "/folder/connect"

    plain = read("""
service: thing
primitive: static_key
base_url: https://api.thing.example
required_secrets: [{key: token}]
""")
    page = Html(cards.choose(plain, "", at=at, token="t"))
    assert not page.all("select")
    assert page.one("h1").text == "Connect Thing"


def test_disconnecting_says_what_goes_and_what_stays():
    page = Html(cards.leave("thing@work", "Thing", WHY, at=at, token="t"))
    said = page.one("main").text
    for words in ("Disconnect thing@work?", "as ada", "other use it too", "stays valid at Thing"):
        assert words in said
    assert [form["action"] for form in page.all("form")] == ["/folder/remove"]

    ends = replace(WHY, can_revoke=True, identity=None, shared_with=())
    page = Html(cards.leave("thing@work", "Thing", ends, at=at, token="t"))
    assert [form["action"] for form in page.all("form")] == ["/folder/remove", "/folder/revoke"]
    assert "stays valid" not in page.one("main").text


def test_the_tab_that_waits_leads_to_the_other_one_and_follows_it():
    page = Html(cards.waiting("thing", "http://127.0.0.1:9/open/x", working=False, at=at))
    link = page.one("a", **{"class": "go"})
    assert link["href"] == "http://127.0.0.1:9/open/x"
    assert link["target"] == "_blank"
    assert "noopener" in link["rel"]
    assert [e["http-equiv"] for e in page.all("meta") if e["http-equiv"]] == ["refresh"]

    page = Html(cards.waiting("thing", "http://127.0.0.1:9/open/x", working=True, at=at))
    assert not page.all("a", **{"class": "go"})
    assert "Go on in the other tab" in page.one("main").text


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(1, NOW - 60, "use", "notion", program="a.py"), "notion used · by a.py"),
        (Entry(1, NOW - 60, "agent", "notion", result="refused: r1", program="arcrun mcp",
               client="some-agent", request="GET /pages"),
         "notion request · GET /pages · by some-agent · refused: r1"),
        (Entry(1, NOW - 60, "policy deny", "notion", program="arcrun ui"),
         "agents may do less: notion · by arcrun ui"),
        (Entry(1, NOW - 60, "policy allow", program="cli"), "agents may do more · by cli"),
        (Entry(1, NOW - 60, "trail", "", result="broken", program=""), "trail · broken"),
    ],
)  # fmt: skip
def test_a_line_of_the_trail_is_a_sentence(entry, said):
    page = shown(picture("x", lines=(entry,)))
    assert page.one("li", **{"class": "line"}).text == f"{said}1 min ago"


def test_the_first_lines_are_shown_and_the_others_are_a_click_away():
    page = shown(picture("x"))
    assert [e.text for e in page.all("summary")][-1] == "4 more"
    assert len(page.all("li", **{"class": "line"})) == 12
    assert (
        "more"
        not in shown(picture("x", lines=picture("x").lines[:8])).one("section", id="trail").text
    )
