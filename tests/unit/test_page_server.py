"""The page of this machine at work: somebody reads it, presses its buttons, and things happen."""

from __future__ import annotations

import threading
import time

import pytest

from arcrun_auth import recording
from arcrun_auth.agents import connecting
from arcrun_auth.agents.ui import actions, server
from arcrun_auth.agents.ui.server import Page
from arcrun_auth.policies import PendingRequest
from arcrun_auth.testing import Provider
from tests import canary
from tests.page_kit import Reader
from tests.world import broker_for, home_with, master_key

HANG = 60


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def broker(tmp_path, provider, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    broker = broker_for(home_with(tmp_path, provider), provider)
    yield broker
    broker.close()


@pytest.fixture
def page(broker):
    with Page(broker) as page:
        page.start()
        yield page


@pytest.fixture
def reader(page):
    reader = Reader()
    reader.open(page.url)
    assert reader.status == 200
    yield reader
    assert not canary.hits("".join(reader.shown))


def ask(broker, digest="d1"):
    return broker.policies.ask(
        PendingRequest(
            service="keyed",
            instance="default",
            client="some-agent",
            method="POST",
            host="127.0.0.1",
            path="/things",
            digest=digest,
            size=2,
            preview="{}",
        )
    )


def test_a_connection_is_tested_and_disconnected(broker, provider, reader, monkeypatch):
    monkeypatch.setattr(recording, "_told", ("arcrun ui", "use"))
    broker.setup("keyed", "work", key=provider.static_key)
    reader.open("./")
    assert "keyed@work" in reader.section("connected")
    reader.push("Test keyed@work")
    assert reader.url.endswith("/#c-keyed%40work")
    assert reader.hears() == ["It works, as Demo workspace."]
    assert "used by arcrun ui" in reader.section("connected")

    reader.follow("Disconnect keyed@work")
    assert reader.page.title == "Disconnect keyed@work?"
    reader.follow("Keep it")
    assert broker.list_services()["keyed"].connected
    reader.follow("Disconnect keyed@work")
    reader.push("Disconnect")
    assert reader.hears() == [
        "keyed@work is forgotten here. What it was given may still work at its provider."
    ]
    assert not broker.list_services()["keyed"].connected
    assert "keyed@work disconnected · by arcrun ui" in reader.section("trail")
    reader.open("./")
    assert reader.hears() == []  # told once


def test_a_login_is_ended_at_its_provider_where_that_can_be_done(broker, provider, reader):
    broker.setup("demo")
    reader.open("./")
    reader.follow("Disconnect demo")
    reader.push("Disconnect, and end the login at Demo")
    assert reader.hears() == ["demo is forgotten here, and its provider has ended the login."]
    assert not broker.list_services()["demo"].connected


def test_what_a_service_says_no_to_is_told_with_what_to_do(broker, provider, reader):
    broker.setup("demo")
    broker.remove("demo")
    reader.open("./")
    # The page was there before somebody removed the connection elsewhere.
    for action, said in (
        ("test", "demo is not connected."),
        ("remove", "demo: there is nothing stored to disconnect."),
        ("revoke", "demo: there is nothing stored to disconnect."),
    ):
        form = {"token": reader.token(), "name": "demo"}
        reader.open(f"./{action}", form, Origin=reader.origin())
        if action == "test":
            # It stands at its connection, which has gone; so there is nothing to see.
            assert reader.hears() == []
            continue
        assert said in reader.hears()[0]


def test_a_request_of_an_agent_is_allowed_once_or_refused(broker, reader):
    first, second = ask(broker), ask(broker, "d2")
    reader.open("./")
    assert reader.html().one("title").text == "(2) arcrun"
    label = "Allow once: POST /things of keyed, asked by some-agent"
    reader.push(label)
    assert reader.hears() == ["some-agent may send it once, in the next ten minutes."]
    assert broker.policies.request(first.id).state == "approved"
    assert "one request that was approved" in reader.section("agents")

    reader.push("Refuse POST /things of keyed, asked by some-agent")
    assert reader.hears() == ["some-agent may not send it."]
    assert broker.policies.request(second.id).state == "refused"
    assert not reader.html().all("article")

    form = {"token": reader.token(), "id": second.id}
    reader.open("./approve", form, Origin=reader.origin())
    assert reader.hears() == ["No request of that id waits.arcrun approve"]


@pytest.mark.usefixtures("cheap_passphrases")
def test_rules_are_removed_and_made_and_a_locked_policy_is_widened_at_the_terminal(broker, reader):
    broker.policies.allow("keyed", "write")
    reader.open("./")
    reader.push("Remove rule r1")
    assert reader.hears() == ["That is allowed no longer."]
    reader.push("Prohibit", client=" some-agent ", what="read")
    assert reader.hears() == ["That is prohibited now, whatever else is allowed."]
    (rule,) = broker.policies.rules()
    assert (rule.service, rule.what, rule.client, rule.allow) == ("*", "read", "some-agent", False)
    reader.push("Remove rule r2")
    assert reader.hears() == ["That is prohibited no longer."]
    reader.push("Prohibit", what="everything")
    assert "arcrun" in reader.hears()[0]
    assert not broker.policies.rules()

    reader.push("Prohibit")
    waits = ask(broker)
    broker.policies.lock("a passphrase of the test")
    reader.open("./")
    reader.push("Remove rule r3")
    assert reader.hears() == [
        "The policy is locked: this takes its passphrase, in your terminal.arcrun policy remove r3"
    ]
    reader.push("Allow once: POST /things of keyed, asked by some-agent")
    assert reader.hears()[0].endswith(f"in your terminal.arcrun approve {waits.id}")
    assert broker.policies.request(waits.id).state == "waiting"


def test_what_is_typed_into_the_search_narrows_the_page(broker, provider, reader):
    broker.setup("keyed", key=provider.static_key)
    reader.open("./?q=gmail")
    assert reader.html().one("input", id="q")["value"] == "gmail"
    offers = [e.text for e in reader.html().all("h3")]
    assert offers[0] == "Gmail"
    assert len(offers) < 6
    reader.open("./?q=" + "x" * 500)
    assert "No service is found." in reader.section("services")


def test_a_key_is_connected_on_pages_of_its_own_while_the_first_one_follows(
    broker, provider, page, reader
):
    reader.open("./connect?service=keyed&instance=work")
    assert reader.page.title == "Connect Demo with a key"
    reader.push("Continue")
    assert reader.page.title == "Connecting keyed@work"
    followed = reader.url
    other = Reader()
    other.open(reader.html().one("a", **{"class": "go"})["href"])
    other.push("Connect")
    assert "Go on in the other tab" in reader.only(followed).text
    led_through(other, provider.static_key)

    arrived = threading.Event()
    for _ in range(600):
        reader.open(followed)
        if reader.page.title == "arcrun":
            break
        arrived.wait(0.1)
    assert reader.hears() == ["keyed@work is connected."]
    assert "autofocus" not in reader.html().one("div", id="said").attributes, "its address leads"
    assert "keyed@work" in reader.section("connected")
    reader.open(followed)  # it is known no more
    assert reader.page.title == "arcrun"


def led_through(reader, key):
    """Goes where the pages of a connection lead, until the key is typed."""
    for _ in range(50):
        html = reader.html()
        if html.all("input", type="password"):
            reader.push("Save", field0=key)
            return
        if [e for e in html.all("button") if e.text == "Yes"]:
            reader.push("Yes")
        else:
            reader.open(next((e["href"] for e in html.all("a", **{"class": "go"})), reader.url))
    raise AssertionError(reader.page.text)


def test_what_is_refused_or_given_up_is_told(broker, page, reader, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTING", 1)
    reader.open("./connect?service=keyed")
    reader.push("Continue")
    first = reader.url
    link = reader.html().one("a", **{"class": "go"})["href"]
    other = Reader()
    other.open(link)
    other.push("Cancel")
    reader.open(first)
    assert reader.hears() == ["keyed was not connected: you refused."]

    links, folder = [], reader.url.partition("#")[0]
    for _ in range(2):
        reader.open(f"{folder}connect?service=keyed")
        reader.push("Continue")
        links.append(reader.html().one("a", **{"class": "go"})["href"])
    assert Reader().reach(links[0]) is False  # the first was given up for the second
    assert Reader().reach(links[1])
    page.close()
    assert Reader().reach(links[1]) is False


def test_a_key_that_is_refused_and_a_link_that_nobody_opens_are_told(
    broker, provider, reader, monkeypatch
):
    folder = reader.url
    reader.open(f"{folder}connect?service=keyed")
    reader.push("Continue")
    followed, other = reader.url, Reader()
    other.open(reader.html().one("a", **{"class": "go"})["href"])
    other.push("Connect")
    led_through(other, "demo_wrong")
    wait = threading.Event()
    for _ in range(600):
        reader.open(followed)
        if reader.page.title == "arcrun":
            break
        wait.wait(0.1)
    assert "keyed refused the credential" in reader.hears()[0]

    monkeypatch.setattr(connecting, "DECIDE_SECONDS", 0.0)
    reader.open(f"{folder}connect?service=keyed")
    reader.push("Continue")
    for _ in range(600):
        if reader.page.title == "arcrun":
            break
        wait.wait(0.1)
        reader.open(reader.url)
    assert reader.hears() == ["keyed was not connected: nobody went on within ten minutes."]


def test_what_the_provider_was_not_told_is_said(tmp_path, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    with Provider() as provider:
        broker = broker_for(home_with(tmp_path, provider), provider)
        broker.setup("demo")
    told = actions.remove(broker, "demo", revoke=True)  # it is gone
    assert told.mood == "warn"
    assert told.text.startswith("demo is forgotten here. What it was given may still work")
    assert not broker.list_services()["demo"].connected
    broker.close()


def test_a_recipe_without_a_test_request_says_so(tmp_path, provider, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    text = provider.recipe_yaml("untried", primitive="static_key").partition("\ntest:")[0]
    broker = broker_for(home_with(tmp_path, provider, untried=text), provider)
    broker.setup("untried", key=provider.static_key)
    told = actions.test(broker, "untried")
    assert told == ("good", "It is connected; its recipe has no test request.", "")
    broker.close()


def test_a_broker_of_an_agent_widens_nothing(tmp_path, provider):
    broker = broker_for(
        home_with(tmp_path, provider), provider, environ={**master_key(), "CLAUDECODE": "1"}
    )
    told = actions.approve(broker, ask(broker).id)
    assert told.mood == "bad"
    assert "CLAUDECODE" in told.text
    broker.close()


def test_a_wish_that_cannot_be_is_told_on_a_page(reader):
    for path in ("./connect?service=nothing_like_it", "./remove?name=nothing_like_it"):
        reader.open(path)
        assert reader.status == 409
        assert "There is no recipe for" in reader.page.text
        reader.open("./")


def test_the_part_that_is_looked_at_anew_has_the_requests_and_nothing_else(broker, reader):
    ask(broker)
    reader.only("./waiting")
    assert reader.html().elements[0].tag == "div"
    assert len(reader.html().all("article")) == 1
    assert not reader.html().all("form")


def test_its_button_ends_it(page, reader):
    reader.push("Close")
    assert reader.page.title == "The page is closed"
    until = time.monotonic() + HANG
    while Reader().reach(page.url):
        assert time.monotonic() < until, "it goes on"


def test_its_rules_let_run_its_own_script_and_nothing_else(reader):
    policy = reader.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    (script,) = reader.html().all("script")
    assert reader.hash(script.text) in policy
    (style,) = reader.html().all("style")
    assert reader.hash(style.text) in policy
    assert reader.headers["cache-control"] == "no-store"


def test_nobody_without_the_link_sees_or_does_anything(broker, provider, page, reader):
    broker.setup("keyed", key=provider.static_key)
    stranger = Reader()
    stranger.only(reader.url.partition("#")[0])
    assert stranger.status == 403
    form = {"token": reader.token(), "name": "keyed"}
    stranger.only(reader.url + "remove", form, Origin=reader.origin())
    assert stranger.status == 403
    stranger.only(page.url)
    assert stranger.status == 410
    reader.only("./remove", {"name": "keyed"}, Origin=reader.origin())
    assert reader.status == 403  # without the token of a page of ours
    reader.only("./remove", form, Origin="https://evil.example")
    assert reader.status == 403
    assert broker.list_services()["keyed"].connected
