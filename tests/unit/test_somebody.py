"""The stand-in for a person says yes, types what it was given, and pastes when it is time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from arcrun_auth.testing import Provider, Quirks, Somebody
from tests.provider_calls import answer_of
from tests.world import broker_for, home_with, master_key

HANG = 30


def test_it_agrees_types_its_lines_and_remembers():
    ada = Somebody("one")
    ada.say("hello")
    assert ada.reach == "terminal"
    assert [ada.ask("first", hidden=True), ada.ask("second")] == ["one", None]
    assert ada.confirm("third")
    assert (ada.said, ada.asked) == (["hello"], ["first", "second", "third"])


def test_it_pastes_what_comes_while_the_login_waits_and_nothing_after():
    ada, stop = Somebody(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ada.paste, stop)
        ada.pastes("https://localhost/callback?code=x")
        assert waiting.result(HANG) == "https://localhost/callback?code=x"
        waiting = pool.submit(ada.paste, stop)
        stop.set()
        assert waiting.result(HANG) is None


def test_a_whole_login_by_pasting(tmp_path):
    with Provider(quirks=Quirks(https_only=True)) as provider:
        ada, seen = Somebody(), []

        def browse(url):
            seen.append(provider.redirected(url))
            ada.pastes(seen[0])

        home = home_with(tmp_path, provider)
        broker = broker_for(home, provider, ada, open_url=browse, environ=master_key())
        broker.setup("demo")
        assert "code" in answer_of(seen[0])
        assert broker.test("demo").identity == "ada@example.com"
        broker.close()
