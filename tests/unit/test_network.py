"""Where connections lead: only those of the context that asked for it go elsewhere."""

from __future__ import annotations

import threading

import pytest

from arcrun_auth import _http, network, threads
from arcrun_auth.client import bound_client
from arcrun_auth.errors import HostNotAllowed, ProviderUnavailable
from arcrun_auth.hosts import Fence
from arcrun_auth.oauth.requests import get_request
from arcrun_auth.testing.conformance.stage import Reply, Stage
from tests.bound import CountingSource, binding, static
from tests.servers import GUARD, recorder

URL = "https://api.example.com/metadata"


@pytest.fixture
def stage():
    with Stage() as stage:
        stage.answer = lambda _: Reply(200, {"here": True})
        yield stage


def test_nothing_is_led_as_a_rule() -> None:
    assert network.options(verify=True) == {}


def test_a_token_request_is_led_and_the_real_host_is_dialled_by_its_name(stage) -> None:
    with stage.leads():
        answer = _http.send_token(get_request(URL), guard=Fence(["api.example.com"]))
    assert (answer.status, answer.body) == (200, b'{"here": true}')
    assert stage.dialled == ["http://api.example.com:443", "https://api.example.com"]


def test_a_bound_client_is_led_and_still_refuses_other_hosts(stage) -> None:
    bound = binding("https://api.example.com", "header", fence=Fence(["api.example.com"]))
    with stage.leads(), bound_client(bound, CountingSource(static("k"))) as client:
        assert client.get("/me").json() == {"here": True}
        with pytest.raises(HostNotAllowed):
            client.get("https://example.org/")
    assert set(stage.dialled) == {"http://api.example.com:443", "https://api.example.com"}


def test_who_did_not_ask_for_it_is_led_nowhere(stage) -> None:
    with recorder() as server, stage.leads():
        fence = Fence([server.origin.removeprefix("http://")], [server.origin])
        found: list[int] = []

        def asks() -> None:
            found.append(_http.send_token(get_request(server.origin), guard=fence).status)

        stranger = threading.Thread(target=asks)  # of its own, with a context of its own
        stranger.start()
        stranger.join(GUARD)
        assert (found, len(server.seen), stage.dialled) == ([200], 1, [])
        _http.send_token(get_request(server.origin), guard=fence)
        assert len(server.seen) == 1
        assert stage.dialled == [server.origin]


def test_threads_that_help_are_led_too(stage) -> None:
    done, found = threading.Event(), list[dict[str, object]]()

    def look() -> None:
        found.append(network.options(verify=True))
        done.set()

    with stage.leads():
        threads.start(look, "arcrun-example")
        assert done.wait(GUARD)
    assert list(found[0]) == ["transport"]


def test_where_nobody_answers_the_error_is_the_usual_one(stage) -> None:
    def hangs_up(_: object) -> Reply:
        raise RuntimeError("no answer")

    stage.answer = hangs_up
    with stage.leads(), pytest.raises(ProviderUnavailable) as caught:
        _http.send_token(get_request(URL), guard=Fence(["api.example.com"]))
    assert caught.value.sent
