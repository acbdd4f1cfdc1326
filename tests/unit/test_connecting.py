"""An agent's wish to connect: what the person is told, what comes of their answer, what is told."""

from __future__ import annotations

import re
import threading
import time

import pytest
import yaml

from arcrun_auth.agents import connecting, visitor
from arcrun_auth.agents.connecting import start
from arcrun_auth.agents.visitor import Line, Visitor
from arcrun_auth.browser import NotOpened, Opened
from arcrun_auth.errors import AuthError, RecipeError, UnknownService
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key
from tests import canary
from tests.knocking import HANG
from tests.surfer import Surfer
from tests.world import broker_for, home_with, master_key

HOSTILE = "<script>alert(1)</script>\u202egpj.exe"


@pytest.fixture
def provider():
    with Provider(device_interval=1) as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider):
    """Makes a broker whose `demo` says what is given otherwise."""
    made = []

    def make(**changes):
        recipe = yaml.safe_load(provider.recipe_yaml("demo"))
        oauth2 = changes.pop("oauth2", {})
        recipe = recipe | changes | {"oauth2": recipe["oauth2"] | oauth2}
        home = home_with(tmp_path, provider, demo=yaml.safe_dump(recipe))
        made.append(broker_for(home, provider, environ=master_key()))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


class Wish:
    """A wish and the browser of the person that it is shown to."""

    def __init__(self, broker, service="demo", instance=None, *, client="claude-code", **options):
        self.made = start(broker, service, instance, client=client, **options)
        self.person = Surfer()

    def __enter__(self):
        self.person.open(self.made.url)
        return self

    def __exit__(self, *_):
        self.made.close()

    @property
    def text(self):
        return re.sub("<style>.*</style>", "", self.person.page.text, flags=re.DOTALL)

    def agree(self):
        self.person.press("Connect")
        assert "Do you agree?" in self.text  # the recipe is a local one
        return self.person.press("Yes")

    def log_in(self):
        assert "wants to connect" in self.text
        return self.person.press("CancelAllow")

    def ended(self):
        assert self.made.wait(HANG) not in connecting.UNDER_WAY
        return self.made.state


class TestThePage:
    def test_says_who_asks_for_what_and_where_it_goes(self, desk, provider):
        broker = desk(oauth2={"scope_sets": {"less": ["read"], "more": ["read", "admin"]}})
        with Wish(broker, "demo", "work", scopes=["more"]) as wish:
            host = provider.issuer.removeprefix("http://")
            assert wish.person.page.title == "Connect Demo?"
            for told in (
                "<b>claude-code</b>",
                "<dd>demo@work</dd>",
                f"<dd>{provider.issuer}/authorize</dd>",
                "<dt>Permissions asked for (more)</dt><dd>read</dd><dd>admin</dd>",
                f"<dt>Requests go to</dt><dd>{host}</dd>",
                f"<dt>Tokens come from</dt><dd>{host}</dd>",
                "The recipe of demo is local",
                "It can only read, unless you allow more.",
            ):
                assert told in wish.text, told
            assert "<dd>write</dd>" not in wish.text
        assert not provider.requests  # nobody has agreed to anything

    def test_asks_for_keys_by_their_names(self, desk):
        with Wish(desk(), "keyed", client="") as wish:
            assert "<dt>You will be asked for</dt><dd>Demo key</dd>" in wish.text
            assert "You are about to connect it" in wish.text
            assert "It can only read" not in wish.text  # no agent is told of
            assert [form.button for form in wish.person.page.forms] == ["Connect", "Cancel"]

    def test_takes_no_markup_and_no_direction_from_anybody(self, desk):
        broker = desk(display_name=HOSTILE)
        with Wish(broker, client=HOSTILE) as wish:
            assert "<script" not in wish.text
            assert "\u202e" not in wish.text
            assert wish.text.count("&lt;script&gt;") >= 2

    def test_of_a_recipe_of_ours_warns_of_nothing_and_asks_nothing_twice(self, desk):
        with Wish(desk(), "notion") as wish:
            assert "nobody who makes this program" not in wish.text
            wish.person.press("Connect")
            assert wish.person.page.title.startswith("Connect Notion")
            wish.person.press("Cancel")
            assert wish.ended() == "failed"
            assert "cancelled" in str(wish.made.error)

    def test_says_whose_it_is_by_now_and_loses_no_scope_of_before(self, desk, provider):
        broker = desk(oauth2={"scopes": ["read", "write"], "scope_sets": {"more": ["admin"]}})
        broker.setup("demo")
        with Wish(broker, scopes=["more"]) as wish:
            assert "now connected as ada@example.com" in wish.text
            assert "<dd>read</dd><dd>write</dd><dd>admin</dd>" in wish.text
            wish.person.press("Connect")
            wish.log_in()
            assert wish.ended() == "connected"
        grant = broker.store.get(Key("credential", "demo")).grant
        assert grant.requested == ("read", "write", "admin")


class TestAWish:
    @pytest.mark.parametrize(
        ("service", "scopes", "hint"),
        [
            ("demo", ["write"], "its sets are: less"),  # a scope, and no set
            ("demo", ["less", "+less"], "its sets are: less"),
            ("demo", [HOSTILE], "its sets are: less"),
            ("keyed", ["less"], "its sets are: none"),
        ],
    )
    def test_names_sets_of_the_recipe_and_nothing_else(self, desk, service, scopes, hint):
        broker = desk(oauth2={"scope_sets": {"less": ["read"]}})
        with pytest.raises(AuthError) as caught:
            start(broker, service, scopes=scopes, client="x")
        assert caught.value.hint == hint
        assert "\u202e" not in str(caught.value)

    def test_names_a_service_and_a_method_that_there_are(self, desk):
        broker = desk()
        with pytest.raises(UnknownService):
            start(broker, "dmeo", client="x")
        with pytest.raises(RecipeError):
            start(broker, "demo", client="x", method="other")

    def test_comes_true_by_a_login(self, desk, provider):
        broker = desk()
        with Wish(broker, "demo", "work") as wish:
            here = wish.person.url
            assert wish.made.state == "waiting"
            assert wish.person.open(f"{here}now").title == "Connect Demo?"  # too early
            wish.agree()
            assert wish.made.state == "working"
            wish.log_in()
            assert wish.person.page.title == "You are connected to Demo"
            assert wish.ended() == "connected"
            assert wish.made.error is None
            # Whoever goes back to the page sees the same.
            wish.person.open(here)
            assert "Connected as ada@example.com" in wish.text
        assert broker.test("demo", "work").identity == "ada@example.com"

    def test_comes_true_by_a_key_and_leads_back_to_how_it_ended(self, desk, provider):
        broker = desk()
        with Wish(broker, "keyed") as wish:
            assert wish.agree().title == "Connect Demo with a key"
            here = wish.person.host
            wish.person.press("Save", field0=provider.static_key)
            assert wish.person.page.title == "You are connected to Demo with a key"
            assert "Testing connection… OK." in wish.text
            assert wish.person.host != here
            assert wish.ended() == "connected"

    def test_fails_by_a_wrong_key_and_says_so_to_both(self, desk):
        broker = desk()
        with Wish(broker, "keyed") as wish:
            wish.agree()
            wish.person.press("Save", field0=canary.fresh("wrong"))
            assert wish.person.page.title == "Not connected to Demo with a key"
            assert wish.ended() == "failed"
            assert wish.made.error.hint in wish.text
            assert not canary.hits(wish.text + str(wish.made.error))
        assert broker.store.get(Key("credential", "keyed")) is None

    def test_fails_by_a_no_at_the_provider(self, desk):
        with Wish(desk()) as wish:
            wish.agree()
            form = wish.person.page.forms[0]
            wish.person.open(form.action, {**form.fields, "decision": "cancel"})
            assert wish.ended() == "failed"
            assert wish.made.error.error == "access_denied"

    def test_comes_true_while_another_one_waits_for_its_person(self, desk):
        broker = desk()
        with Wish(broker) as slow, Wish(broker, "demo", "work") as quick:
            slow.agree()
            quick.agree()
            quick.log_in()
            assert quick.ended() == "connected"
            assert slow.made.state == "working"
            slow.log_in()
            assert slow.ended() == "connected"

    @pytest.mark.parametrize("late", [False, True])
    def test_is_refused_before_or_after_the_first_yes(self, desk, provider, late):
        broker = desk()
        with Wish(broker) as wish:
            if late:
                wish.person.press("Connect")
                wish.person.press("No")
            else:
                wish.person.press("Refuse")
            assert wish.person.page.title.startswith("Not connected")
            assert wish.ended() == "refused"
        assert broker.store.get(Key("credential", "demo")) is None
        assert not provider.requests

    def test_is_decided_once(self, desk):
        with Wish(desk()) as wish:
            url, consent = wish.person.url, wish.person.page
            wish.person.press("Refuse")
            wish.person.url, wish.person.page = url, consent
            assert wish.person.press("Connect").title == "Not connected"
            assert wish.ended() == "refused"
            wish.person.open(url)  # the address of the question shows how it ended
            assert wish.person.page.title == "Not connected"

    def test_that_nobody_decides_on_ends_in_time(self, desk, monkeypatch):
        monkeypatch.setattr(connecting, "DECIDE_SECONDS", 0.0)
        wish = Wish(desk())
        assert wish.ended() == "expired"
        wish.made._site.close()
        with pytest.raises(OSError):
            wish.person.open(wish.made.url)

    def test_that_is_not_waited_for_any_more_is_closed(self, desk):
        wish = Wish(desk())
        assert wish.made.wait(0) == "waiting"
        wish.made.close()
        assert wish.ended() == "expired"
        with pytest.raises(OSError):
            wish.person.open(wish.made.url)
        wish.made.close()

    def test_that_is_given_up_while_something_is_asked_gets_no_answer(self, desk, provider):
        with Wish(desk()) as wish:
            wish.person.press("Connect")
            assert "Do you agree?" in wish.text
            wish.made.close()
            assert wish.ended() == "refused"
        assert not provider.requests

    def test_whose_end_nobody_comes_back_for_is_gone_after_a_while(self, desk):
        with Wish(desk()) as wish:
            wish.person.press("Refuse")
            assert wish.person.page.title == "Not connected"
            assert not wish.made._site._closed.is_set()
            wish.made._until -= connecting.FAREWELL_SECONDS
            assert wish.made._site._closed.wait(HANG)

    def test_that_breaks_something_fails_and_says_no_more_than_what(self, desk, monkeypatch):
        broker = desk()

        def broken(*_, **__):
            raise RuntimeError(canary.fresh("inside"))

        monkeypatch.setattr(broker, "setup_with", broken)
        with Wish(broker) as wish:
            wish.person.press("Connect")
            assert wish.ended() == "failed"
            assert "RuntimeError" in wish.text
            assert not canary.hits(wish.text + str(wish.made.error))


class TestOnTheWay:
    def test_a_notice_is_read_before_the_browser_goes_on(self, desk):
        with Wish(desk(oauth2={"notices": ["An <administrator> must agree."]})) as wish:
            assert wish.agree().title == "On to Demo"
            assert "An &lt;administrator&gt; must agree." in wish.text
            assert wish.person.page.onward == ""
            wish.person.click("Go on")
            wish.log_in()
            assert wish.ended() == "connected"

    def test_whoever_lost_the_tab_can_go_there_again(self, desk):
        with Wish(desk()) as wish:
            wish.agree()
            link = wish.person.url
            now = next(url for url in wish.person.visited if url.endswith("/now"))
            wish.person.only(now)
            assert wish.person.page.title == "Connecting Demo"
            assert wish.person.page.links["Go there again"] == link
            wish.person.click("Go there again")
            wish.log_in()
            assert wish.ended() == "connected"

    def test_ones_own_app_is_asked_for_on_the_page(self, desk):
        broker = desk(app_guide=[{"text": "Press <New>.", "url": "https://console.example.com/"}])
        key = Key("app", "demo")
        broker.store.delete(key, expect=broker.store.get(key).generation)
        with Wish(broker) as wish:
            wish.agree()
            assert "Press &lt;New&gt;." in wish.text
            assert 'href="https://console.example.com/"' in wish.text
            wish.person.press("Save", field0="demo")
            if wish.person.page.title == "Connecting Demo":  # its secret, which may be none
                wish.person.press("Save", field0="")
            wish.log_in()
            assert wish.ended() == "connected"
        assert broker.store.get(key).secrets["client_id"].reveal() == "demo"

    def test_what_is_not_answered_ends_it_with_the_command_to_type(self, desk):
        broker = desk()
        key = Key("app", "demo")
        broker.store.delete(key, expect=broker.store.get(key).generation)
        with Wish(broker) as wish:
            wish.agree()
            wish.person.press("Cancel")
            assert wish.ended() == "failed"
            assert wish.made.error.hint == "arcrun app add demo"
            assert "arcrun app add demo" in wish.text

    def test_a_code_for_another_device_is_shown_until_it_was_typed(self, desk, provider):
        oauth2 = {
            "grants": ["device_code", "refresh_token"],
            "device_authorization_endpoint": f"{provider.issuer}/device",
        }
        with Wish(desk(oauth2=oauth2)) as wish:
            wish.person.press("Connect")
            yes = next(form for form in wish.person.page.forms if form.button == "Yes")
            wish.person.only(wish.person.url, yes.fields, Origin=f"http://{wish.person.host}")
            wish.person.only(wish.person.headers["location"])
            while "enter the code" not in wish.text:
                assert wish.made.state == "working"
                wish.person.only(wish.person.page.onward)
            assert f'href="{provider.issuer}' in wish.text
            code = re.search("enter the code: ([A-Z0-9-]+)", wish.text)[1]
            provider.approve(code)
            assert wish.ended() == "connected"
            wish.person.open(wish.person.url)
            assert wish.person.page.title == "You are connected to Demo"

    def test_a_stale_question_answers_nothing(self, desk):
        with Wish(desk()) as wish:
            wish.person.press("Connect")
            asked, question = wish.person.url, wish.person.page
            for number in ("0", "7", "x", "%C2%B2"):
                wish.person.url = asked.rpartition("/")[0] + "/" + number
                wish.person.page = question
                assert "Do you agree?" in wish.person.press("Yes").text
            assert wish.made.state == "working"
            wish.person.press("No")
            wish.person.open(asked)
            assert wish.ended() == "refused"


class TestAVisitor:
    def visitor(self, patience=HANG):
        return Visitor("http://127.0.0.1:1/now", patience=patience)

    def test_is_at_a_page_and_led_back_to_it(self):
        here = self.visitor()
        assert here.reach == "desktop"
        assert here.back == "http://127.0.0.1:1/now"

    def test_hears_lines_and_the_addresses_that_they_announce(self):
        here = self.visitor()
        here.say("\nStep 1:\x1b[2J")
        here.say("Open this:")
        here.say("https://a.example/x")
        here.show_link("https://b.example", "Enter it")
        here.say("Then:")
        assert here.news(-1, 0).lines == (
            Line("Step 1:[2J"),
            Line("Open this:", "https://a.example/x"),
            Line("Enter it", "https://b.example"),
        )
        here.say("done")
        assert [line.text for line in here.news(-1, 0).lines][-2:] == ["Then:", "done"]

    def test_is_not_told_of_the_address_that_the_browser_goes_to_by_itself(self):
        here = self.visitor()
        assert here.open_url("https://a.example/x") == Opened("the page")
        here.say("Open this:")
        here.say("https://a.example/x")
        news = here.news(-1, 0)
        assert news.lines == ()
        assert news.is_new
        here.go()
        assert not here.news(-1, 0).is_new
        assert here.news(-1, 0).address == "https://a.example/x"
        here.come_back()
        assert here.news(-1, 0).address == ""

    def test_is_sent_to_no_odd_address(self):
        here = self.visitor()
        assert isinstance(here.open_url("javascript:alert(1)"), NotOpened)
        assert here.news(-1, 0).address == ""

    def test_is_told_no_more_than_a_page_holds(self):
        here = self.visitor()
        for number in range(visitor.MAX_LINES + 5):
            here.say(str(number))
        lines = here.news(-1, 0).lines
        assert len(lines) == visitor.MAX_LINES
        assert lines[-1].text == str(visitor.MAX_LINES + 4)

    def test_that_does_not_answer_is_not_waited_for_for_ever(self):
        here = self.visitor(patience=0.01)
        assert here.ask("Which one?") is None
        assert not here.confirm("Sure?")
        assert here.news(-1, 0).question is None

    def test_that_has_left_answers_nothing(self):
        here = self.visitor()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(here.ask("Which?", hidden=True)))
        asking.start()
        end = time.monotonic() + HANG
        while (question := here.news(-1, 1).question) is None:
            assert time.monotonic() < end
        assert question.hidden
        here.leave()
        asking.join(HANG)
        assert answers == [None]
        assert here.ask("And now?") is None

    def test_that_is_busy_has_news_at_once_else_when_something_is_said(self, monkeypatch):
        monkeypatch.setattr(visitor, "SETTLE_SECONDS", 0.0)
        here = self.visitor()
        seen = here.news(-1, HANG).version
        threading.Timer(0.01, here.say, ("more",)).start()
        assert here.news(seen, HANG).version == seen + 1
        here.finish()
        assert here.news(seen + 2, HANG).version == seen + 2
