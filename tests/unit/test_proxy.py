"""The proxy as a whole, before an API on this machine: who gets through, with what, to where."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time

import pytest

from arcrun_auth.agents.gateway import Gateway
from arcrun_auth.agents.proxy import forwarding
from tests import canary
from tests.proxy_kit import Desk
from tests.servers import GUARD


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as made:
        yield made


@pytest.fixture
def client(desk):
    return desk.proxy("fake")


# -- what gets through ---------------------------------------------------------------------


def test_a_request_reaches_the_service_with_its_key_in_place_of_the_bearer(desk, client):
    answer = client("GET", "/fake/echo?a=%20b&a=c", headers={"X-Mine": "1", "User-Agent": "curl"})

    assert answer.status == 200
    (seen,) = desk.api.seen[1:]  # the first one is the setup's test
    assert seen.target == "/v1/echo?a=%20b&a=c"
    assert seen.headers["authorization"] == f"Bearer {desk.api.key}"
    assert seen.headers["x-mine"] == "1"
    assert seen.headers["user-agent"] == "curl"
    assert client.bearer not in seen.raw
    assert client.authority not in seen.raw


def test_the_answer_shows_neither_key_nor_cookie_and_no_page_can_use_it(client):
    answer = client("GET", "/fake/echo")

    assert not canary.hits(answer.body)
    assert not canary.hits(str(answer.headers))
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-type"] == "application/json"


def test_paths_are_relative_to_the_base_and_root_paths_stand_at_the_origin(desk, client):
    for path in ("/fake/models", "/fake/v1/models", "/fake@default/models"):
        if "@" in path:
            desk.broker.named("fake@default")
        assert client("GET", path).status == 200
    assert {seen.target for seen in desk.api.seen} == {"/v1/models"}


@pytest.mark.parametrize(
    ("inject", "send"),
    [
        ({"header": {"X-Api-Key": "{{secret.api_key}}"}}, "header"),
        ({"header": {"Authorization": "Basic {{secret.api_key}}:"}}, "basic"),
        ({"query": {"key": "{{secret.api_key}}"}}, "query"),
        ({"cookie": {"sid": "{{secret.api_key}}"}}, "cookie"),
        ({"path": {"bot": "{{secret.api_key}}"}}, "path"),
    ],
    ids=["header", "basic", "query", "cookie", "path"],
)
def test_the_bearer_is_taken_from_where_the_recipe_puts_the_key(tmp_path, inject, send):
    with Desk(tmp_path) as desk:
        desk.api.admits = lambda seen: (
            desk.api.key in seen.raw
            or base64.b64encode(f"{desk.api.key}:".encode()).decode() in seen.raw
        )
        test = {"path": "/bot{bot}/models" if send == "path" else "/models"}
        desk.add("placed", inject=inject, test=test)
        broker = desk.broker
        broker.recipes.reindex()
        broker.setup("placed", api_key=desk.api.key)
        client = desk.proxy("placed")
        basic = base64.b64encode(f"{client.bearer}:".encode()).decode()
        headers, query = {
            "header": ({"X-Api-Key": client.bearer}, ""),
            "basic": ({"Authorization": f"Basic {basic}"}, ""),
            "query": ({}, f"&key={client.bearer}"),
            "cookie": ({"Cookie": f"sid={client.bearer}"}, ""),
            "path": ({}, ""),
        }[send]
        before = f"/bot{client.bearer}" if send == "path" else ""

        answer = client("GET", f"/placed{before}/echo?a=b{query}", headers=headers, bearer=False)

        assert answer.status == 200
        assert client.bearer not in desk.api.seen[-1].raw
        assert not canary.hits(answer.body)
        own = "/bot{bot}" if send == "path" else ""
        assert client("GET", f"/placed{own}/echo").status == 200  # Authorization always does


def test_a_body_is_sent_whole_and_one_that_is_too_large_is_not(desk, client, monkeypatch):
    desk.broker.policies.allow("fake", "write")
    body = bytes(range(256)) * 4096

    assert client("POST", "/fake/upload", body).status == 200
    assert desk.api.seen[-1].body == body
    monkeypatch.setattr(forwarding, "MAX_BODY", len(body) - 1)
    count = len(desk.api.seen)
    assert client("POST", "/fake/upload", body).status == 413
    assert len(desk.api.seen) == count


# -- who does not --------------------------------------------------------------------------


def test_without_the_bearer_nobody_learns_which_services_there_are(desk, client):
    count = len(desk.api.seen)
    other = desk.proxy("fake").bearer
    told = set()
    for path in ("/fake/models", "/no_such/models", "/", "/fake@x/y", "/fake/keys/1"):
        for headers in ({}, {"Authorization": f"Bearer {other}"}, {"Authorization": "Bearer x"},
                        {"X-Api-Key": client.bearer}):  # fmt: skip
            answer = client("GET", path, headers=headers, bearer=False)
            assert answer.status == 401
            assert answer.headers["content-type"] == "application/problem+json"
            told.add(answer.body)
    assert len(told) == 1
    assert b"fake" not in told.pop()
    assert len(desk.api.seen) == count


def test_two_bearers_are_none(client):
    other = "arcrun_proxy_" + "x" * 43
    headers = {"Authorization": f"Bearer {client.bearer} {other}"}

    assert client("GET", "/fake/models", headers=headers, bearer=False).status == 401


def test_a_session_is_for_its_services_and_ends(desk):
    desk.add("more")
    desk.broker.recipes.reindex()
    desk.broker.setup("more", api_key=desk.api.key)
    client = desk.proxy("more")

    answer = client("GET", "/fake/models")
    assert (answer.status, answer.json["code"]) == (403, "session")
    assert client("GET", "/more/models").status == 200
    assert client("GET", "/no_such/models").json["code"] == "unknown-service"
    all_of_them = desk.proxy()
    assert all_of_them("GET", "/fake/models").status == 200
    assert all_of_them("GET", "/more/models").status == 200


def test_the_proxy_ends_with_its_session(desk):
    client = desk.proxy("fake", ends=time.time() + 0.3)
    deadline = time.monotonic() + GUARD
    while time.monotonic() < deadline:
        try:
            if client("GET", "/fake/models").status == 401:
                return
        except OSError:
            return  # nobody listens any more
        time.sleep(0.05)
    pytest.fail("the session does not end")


def test_it_answers_under_its_own_names_only(desk, client):
    port = client.proxy.port
    for host in (f"127.0.0.1:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert client("GET", "/fake/models", headers={"Host": host}).status == 200
    count = len(desk.api.seen)
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost:1",
                 f"127.0.0.1:{port}.evil.example", f"a@127.0.0.1:{port}"):  # fmt: skip
        assert client("GET", "/fake/models", headers={"Host": host}).status == 421, host
    assert len(desk.api.seen) == count


def test_no_page_may_ask_but_one_that_was_named(desk, client):
    for origin in ("https://evil.example", "null", client.proxy.origin):
        answer = client("GET", "/fake/models", headers={"Origin": origin})
        assert (answer.status, answer.json["code"]) == (403, "origin")
    options = client("OPTIONS", "/fake/models", headers={"Origin": "https://evil.example"})
    assert options.status == 403
    assert not any(name.startswith("access-control") for name in options.headers)
    named = desk.proxy("fake", origins=["app://mine"])
    assert named("GET", "/fake/models", headers={"Origin": "app://mine"}).status == 200
    assert "origin" not in desk.api.seen[-1].headers


def test_a_bearer_that_would_reach_the_service_is_not_sent(desk, client):
    desk.broker.policies.allow("fake", "write")
    count = len(desk.api.seen)
    for target, body, headers in (
        (f"/fake/models?note={client.bearer}", None, {}),
        (f"/fake/{client.bearer}", None, {}),
        ("/fake/models", None, {"X-Note": client.bearer}),
        ("/fake/notes", client.bearer.encode(), {}),
    ):
        answer = client("POST" if body else "GET", target, body, headers)
        assert (answer.status, answer.json["code"]) == (400, "bearer-astray")
    assert len(desk.api.seen) == count


# -- what it may do ------------------------------------------------------------------------


def test_a_write_waits_for_a_person_passes_once_and_not_a_second_time(desk, client):
    refused = client("POST", "/fake/pages", b'{"a": 1}')

    assert refused.status == 403
    problem = refused.json
    assert problem["code"] == "needs-approval"
    assert f"arcrun approve {problem['request']}" in problem["hint"]
    assert client("POST", "/fake/pages", b'{"a": 1}').json["request"] == problem["request"]
    desk.broker.policies.approve(problem["request"])
    assert client("POST", "/fake/pages", b'{"a": 2}').status == 403  # another request
    assert client("POST", "/fake/pages", b'{"a": 1}').status == 200
    assert client("POST", "/fake/pages", b'{"a": 1}').status == 403
    assert [seen.body for seen in desk.api.seen if seen.method == "POST"] == [b'{"a": 1}']


def test_a_rule_is_for_the_client_of_the_session(desk, client):
    desk.broker.policies.allow("fake", "write", client="another", paths=("/pages/*",))
    assert client("PATCH", "/fake/pages/1", b"{}").status == 403
    desk.broker.policies.allow("fake", "write", client="tester", paths=("/pages/*",))
    assert client("PATCH", "/fake/pages/1", b"{}").status == 200
    assert client("PATCH", "/fake/blocks/1", b"{}").status == 403


def test_what_is_forbidden_is_told_and_nobody_is_asked(desk, client):
    desk.broker.policies.deny("fake", "any")
    answer = client("GET", "/fake/models")

    assert answer.status == 403
    assert "request" not in answer.json
    assert desk.broker.policies.pending() == ()


def test_where_an_agent_never_goes_the_proxy_does_not_either(desk, client):
    desk.broker.policies.allow("fake", "write")
    count = len(desk.api.seen)
    for path in ("/keys/1", "/v1/keys", "/%6beys/1", "/models/../keys", "//evil.example/x",
                 "/a%2f..%2fkeys", "/\\evil.example"):  # fmt: skip
        answer = client("GET", "/fake" + path)
        assert 400 <= answer.status < 500, path
        assert answer.headers["content-type"] == "application/problem+json", path
    assert len(desk.api.seen) == count


def test_a_service_that_is_not_connected_is_told_with_what_to_ask_for(desk):
    desk.add("later")
    desk.broker.recipes.reindex()
    answer = desk.proxy()("GET", "/later/models")

    assert (answer.status, answer.json["code"]) == (403, "login-required")
    assert "arcrun setup later" in answer.json["hint"]


def test_a_service_that_is_down_is_worth_another_try(desk, client):
    desk.api.close()
    answer = client("GET", "/fake/models")

    assert (answer.status, answer.json["code"]) == (502, "unavailable")


def test_every_request_is_in_the_trail_without_query_and_body(desk, client):
    client("GET", "/fake/models?secret=of-the-user")
    client("POST", "/fake/pages", b"words")
    found = [entry for entry in desk.broker.audit.entries() if entry.action == "agent"]

    assert [entry.client for entry in found] == ["tester", "tester"]
    assert {entry.request for entry in found} == {"GET /models", "POST /pages"}
    assert "of-the-user" not in str(found)


def test_a_failure_of_ours_says_nothing_of_what_it_was(desk, client, monkeypatch, caplog):
    """A mock: there is no way known to make the gateway fail like that."""

    def judge(self, asked):
        raise KeyError(canary.fresh("in its text"))

    monkeypatch.setattr(Gateway, "judge", judge)
    answer = client("GET", "/fake/models")

    assert (answer.status, answer.json["code"]) == (500, "failed")
    assert not canary.hits(answer.body)
    assert "KeyError at" in caplog.text


def test_too_many_requests_are_told_as_such(desk):
    client = desk.proxy("fake", a_minute=2)
    found = [client("GET", "/fake/models").status for _ in range(3)]

    assert found == [200, 200, 429]


# -- streaming -----------------------------------------------------------------------------


def test_a_part_of_an_answer_is_there_before_the_rest(desk, client):
    connection = client.connect()
    with contextlib.closing(connection):
        connection.request("GET", "/fake/drip", headers=client.authorization)
        answer = connection.getresponse()
        assert answer.read(6) == b"first\n"
        desk.api.gate.set()
        assert answer.read() == b"second\n"


def test_an_answer_that_breaks_off_does_not_look_complete(desk, client):
    connection = client.connect()
    with contextlib.closing(connection):
        connection.request("GET", "/fake/break", headers=client.authorization)
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()


def test_a_client_that_hangs_up_ends_the_request_to_the_service(desk, client):
    connection = client.connect()
    connection.request("GET", "/fake/drip", headers=client.authorization)
    answer = connection.getresponse()
    assert answer.read(6) == b"first\n"
    answer.close()
    connection.close()

    assert desk.api.left.wait(GUARD)


def test_a_stream_of_events_comes_scrubbed(desk, client):
    desk.broker.policies.allow("fake", "write")
    answer = client("POST", "/fake/chat/completions", b'{"stream": true}')

    assert answer.headers["content-type"] == "text/event-stream"
    assert b"Hello " in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert not canary.hits(answer.body)


def test_many_clients_at_once_get_their_own_answers(desk, client):
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = client("GET", f"/fake/echo?n={number}").json["target"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD)

    assert found == {number: f"/v1/echo?n={number}" for number in range(20)}


# -- at a Unix socket ----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Unix sockets")
def test_at_a_socket_it_answers_as_localhost_and_takes_it_away_at_the_end(desk, tmp_path):
    path = tmp_path / "run" / "s"
    client = desk.proxy("fake", path=str(path))

    def ask(host: str) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(GUARD)
        sock.connect(str(path))
        connection = http.client.HTTPConnection(host)
        connection.sock = sock
        with contextlib.closing(connection):
            connection.request("GET", "/fake/models", headers=client.authorization)
            return connection.getresponse().status

    assert (ask("localhost"), ask("evil.example")) == (200, 421)
    client.proxy.stop()
    deadline = time.monotonic() + GUARD
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not path.exists()
