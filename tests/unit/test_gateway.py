"""The gateway: what an agent may know of, what is sent for it, what it is told, what is noted."""

from __future__ import annotations

import json
import re
import socket
import threading

import pytest

from arcrun_auth import errors, lending
from arcrun_auth.agents import answering, gateway, refusals, within
from arcrun_auth.agents.asking import Asked
from arcrun_auth.agents.gateway import Gateway
from arcrun_auth.agents.pace import Pace
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.agents_kit import RECIPE, echo, hits, house
from tests.servers import GUARD, Reply, bomb, drip, endless, raw_server, recorder

POST = (("content-type", "application/json"),)


@pytest.fixture
def key():
    return canary.fresh("key")


@pytest.fixture
def api():
    with recorder(echo) as running:
        yield running


@pytest.fixture
def broker(tmp_path, api, key):
    made = house(tmp_path, api.origin, key)
    yield made
    made.close()


@pytest.fixture
def gate(broker):
    made = Gateway(broker, client="Some Agent", a_minute=100)
    yield made
    made.close()


def get(path: str = "/me", **more) -> Asked:
    return Asked("thing", "GET", path, **more)


def write(path: str = "/pages", body: bytes = b'{"a": 1}') -> Asked:
    return Asked("thing", "POST", path, headers=POST, body=body)


def lines(broker) -> list[tuple[str, ...]]:
    return [
        (entry.client, entry.name, entry.request, entry.result)
        for entry in broker.audit.entries()
        if entry.action == "agent"
    ][::-1]


class TestReading:
    def test_a_read_is_sent_signed_and_answered(self, gate, api, key) -> None:
        judged = gate.judge(get("/things/a b", query={"q": "x y"}, headers={"Accept": "text/x"}))
        assert (judged.what, judged.path, judged.verdict.allowed) == ("read", "/things/a b", True)
        answer = gate.send(judged)
        assert (answer.status, answer.truncated, answer.binary) == (200, False, False)
        seen = api.seen[-1]
        assert seen.target == "/v1/things/a%20b?q=x%20y"
        assert seen.headers["x-thing-key"] == f"Key {key}"
        assert (seen.headers["accept"], seen.headers["accept-encoding"]) == (
            "text/x", "gzip, deflate",
        )  # fmt: skip
        assert json.loads(answer.text)["name"] == "somebody"
        assert not hits(answer.text, key)

    def test_a_post_reads_where_the_recipe_says_so(self, gate, api) -> None:
        judged = gate.judge(write("/search"))
        assert judged.what == "read"
        assert gate.send(judged).status == 200
        assert api.seen[-1].body == b'{"a": 1}'

    def test_no_redirect_is_followed(self, gate, api) -> None:
        answer = gate.send(gate.judge(get("/echo/location")))
        assert answer.status == 302
        assert dict(answer.headers)["location"] == "/v1/next"
        assert api.seen[-1].target == "/v1/echo/location"
        elsewhere = gate.send(gate.judge(get("/echo/elsewhere")))
        assert dict(elsewhere.headers)["location"] == "https://evil.example/…"

    def test_no_cookie_of_one_answer_is_sent_with_the_next(self, gate, api) -> None:
        gate.send(gate.judge(get("/echo/cookie")))
        gate.send(gate.judge(get("/me")))
        assert "cookie" not in api.seen[-1].headers

    def test_it_knows_what_is_connected_and_how(self, gate, api) -> None:
        (seen,) = gate.services()
        assert (seen.service, seen.instance, seen.status) == ("thing", "default", "connected")
        assert (seen.base_url, seen.hosts) == (f"{api.origin}/v1", (api.origin[7:],))
        assert (seen.identity, seen.can_write) == ("somebody", False)

    def test_a_test_tells_whose_account_it_is(self, gate, broker) -> None:
        found = gate.test("thing")
        assert (found.name, found.status, found.identity) == ("thing", 200, "somebody")
        broker.policies.deny("thing")
        with pytest.raises(errors.PolicyRefused):
            gate.test("thing")


class TestWriting:
    def test_nothing_is_written_before_a_rule_allows_it(self, gate, broker, api) -> None:
        judged = gate.judge(write())
        assert (judged.what, judged.verdict.allowed) == ("write", False)
        with pytest.raises(errors.PolicyRefused, match="only read thing") as caught:
            gate.send(judged)
        assert caught.value.rule == "read-only"
        assert caught.value.hint == (
            "Ask your human to run: arcrun policy allow thing --write /pages --method POST --for 1h"
        )
        with pytest.raises(errors.PolicyRefused), gate.stream(judged):
            pytest.fail("nothing is streamed")
        before = len(api.seen)
        broker.policies.allow("thing", "write", paths=["/pages"], left=1)
        assert gate.services()[0].can_write
        assert gate.send(judged).status == 200
        with pytest.raises(errors.PolicyRefused):
            gate.send(judged)
        assert len(api.seen) == before + 1

    def test_a_prohibition_is_told_and_cannot_be_asked_away(self, gate, broker) -> None:
        rule = broker.policies.deny("thing", "read", paths=["/me"])
        judged = gate.judge(get())
        for work in (gate.send, gate.ask_human):
            with pytest.raises(errors.PolicyRefused, match="rule forbids") as caught:
                work(judged)
            assert caught.value.rule == rule.id

    def test_a_prohibition_holds_in_any_case_of_its_letters(self, gate, broker) -> None:
        broker.policies.allow("thing", "write")
        judged = gate.judge(write("/PAGES/x"))
        broker.policies.deny("thing", paths=["/Pages/*"])
        with pytest.raises(errors.PolicyRefused, match="rule forbids"):
            gate.send(judged)
        assert not gate.judge(get("/pages/x")).verdict.allowed

    def test_a_person_approves_one_request_and_no_other(self, gate, broker, api) -> None:
        judged = gate.judge(write())
        waiting = gate.ask_human(judged)
        assert (waiting.state, waiting.client, waiting.path) == ("waiting", "some-agent", "/pages")
        assert waiting.preview == '{"a": 1}'
        assert gate.ask_human(judged).id == waiting.id
        broker.policies.approve(waiting.id)
        with pytest.raises(errors.PolicyRefused):
            gate.send(gate.judge(write(body=b'{"a": 2}')))
        assert gate.send(gate.judge(write())).status == 200
        with pytest.raises(errors.PolicyRefused):
            gate.send(judged)

    def test_who_can_ask_its_person_has_to(self, broker) -> None:
        broker.policies.allow("thing", "write")
        asking = Gateway(broker, client="a", confirmable=True)
        judged = asking.judge(write())
        with pytest.raises(errors.PolicyRefused) as caught:
            asking.send(judged)
        assert caught.value.rule == "confirm"
        assert asking.send(judged, confirmed=True).status == 200
        assert asking.send(asking.judge(get())).status == 200
        asking.close()

    def test_what_a_person_approved_needs_no_second_yes(self, broker) -> None:
        asking = Gateway(broker, client="a", confirmable=True)
        broker.policies.approve(asking.ask_human(asking.judge(write())).id)
        assert asking.send(asking.judge(write())).status == 200
        asking.close()

    def test_the_preview_shows_no_secret_that_the_agent_cannot_know(self, gate, key) -> None:
        waiting = gate.ask_human(gate.judge(write(body=json.dumps({"k": key}).encode())))
        assert waiting.preview == '{"k": "***"}'

    def test_a_rule_for_another_client_is_none_for_this_one(self, gate, broker) -> None:
        broker.policies.allow("thing", "write", client="other")
        assert not gate.judge(write()).verdict.allowed
        assert Gateway(broker, client="Other").judge(write()).verdict.allowed

    def test_a_body_that_is_answered_as_a_whole_is_small(self, gate, broker) -> None:
        broker.policies.allow("thing", "write")
        with pytest.raises(errors.PolicyRefused) as caught:
            gate.send(gate.judge(write(body=bytes((1 << 20) + 1))))
        assert caught.value.rule == "size"


class TestVisible:
    def ambient(self, tmp_path, api, key, **more):
        recipe = RECIPE.replace("label: Key", "label: Key, env: [THING_TOKEN]")
        made = house(tmp_path, api.origin, canary.fresh(), recipe=recipe,
                     environ={"ARCRUN_THING_KEY": key}, **more)  # fmt: skip
        made.remove("thing")
        return made

    def test_a_secret_of_the_environment_is_none_of_the_agents(self, tmp_path, api, key) -> None:
        broker = self.ambient(tmp_path, api, key)
        with broker.bind("thing", interactive=False) as client:
            assert client.get("/me").status_code == 200, "a program of the user's has it"
        gate = Gateway(broker, client="a")
        assert gate.services() == []
        before = len(api.seen)
        for work in (lambda: gate.judge(get()), lambda: gate.test("thing")):
            with pytest.raises(errors.LoginRequired) as caught:
                work()
            assert caught.value.hint == "Ask your human to run: arcrun setup thing"
        assert len(api.seen) == before
        broker.close()

    def test_a_rule_that_names_the_service_makes_it_visible(self, tmp_path, api, key) -> None:
        broker = self.ambient(tmp_path, api, key)
        gate = Gateway(broker, client="a")
        broker.policies.allow("*", "read")
        broker.policies.deny("thing", "write")
        broker.policies.allow("thing", "read", client="other")
        assert gate.services() == []
        broker.policies.allow("thing", "read")
        assert [each.service for each in gate.services()] == ["thing"]
        answer = gate.send(gate.judge(get()))
        assert api.seen[-1].headers["x-thing-key"] == f"Key {key}"
        assert not hits(answer.text, key)
        gate.close()
        broker.close()

    def test_what_was_removed_is_gone_at_once(self, gate, broker) -> None:
        judged = gate.judge(get())
        broker.remove("thing")
        with pytest.raises(errors.LoginRequired):
            gate.send(judged)
        assert gate.services() == []

    def test_a_new_key_is_used_at_once_and_scrubbed(self, gate, broker, api) -> None:
        gate.send(gate.judge(get()))
        fresh = canary.fresh("new")
        broker.setup("thing", thing_key=fresh)
        answer = gate.send(gate.judge(get()))
        assert api.seen[-1].headers["x-thing-key"] == f"Key {fresh}"
        assert not hits(answer.text, fresh)

    def test_names_of_nothing_are_told_apart(self, gate) -> None:
        with pytest.raises(errors.UnknownService):
            gate.judge(Asked("nothing-like-it", "GET", "/"))
        with pytest.raises(errors.PolicyRefused):
            gate.judge(Asked("thing", "GET", "/", instance="../x"))
        with pytest.raises(errors.LoginRequired):
            gate.judge(Asked("thing", "GET", "/", instance="work"))


class TestAnswers:
    def test_only_headers_that_help_are_shown(self, tmp_path, key) -> None:
        told = {
            "content-type": "text/plain", "x-request-id": "r1", "etag": "e", "set-cookie": "a=b",
            "x-ratelimit-remaining": "3", "www-authenticate": "Bearer", "x-powered-by": "x",
            "authorization": "Bearer y", "retry-after": "7", "link": f"<https://x/?k={key}>",
        }  # fmt: skip
        with recorder(lambda _: Reply(headers=told, body=b"ok")) as api:
            broker = house(tmp_path, api.origin, key)
            gate = Gateway(broker, client="a")
            with gate.stream(gate.judge(get())) as it:
                shown = {name: value for name, value in it.headers if name != "date"}
            gate.close()
            broker.close()
        assert shown == {
            "content-type": "text/plain", "x-request-id": "r1", "etag": "e", "retry-after": "7",
            "x-ratelimit-remaining": "3", "link": "<https://x/>",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("place", "starts"),
        [
            ("binary", "[not shown: image/png, "),
            ("utf-16", "[not shown: text/plain, "),
            ("gzip", "you sent *** and"),
            ("chunks", "you sent *** and"),
            ("no type", "you sent *** and"),
            ("error", "you sent *** and"),
        ],
    )
    def test_what_is_no_text_is_told_by_type_and_size(self, gate, place, starts) -> None:
        answer = gate.send(gate.judge(get(f"/echo/{place}")))
        assert answer.text.startswith(starts)
        assert answer.binary == starts.startswith("[")

    def test_what_is_no_utf8_is_shown_as_far_as_it_is(self, tmp_path, key) -> None:
        body = b"caf\xe9 " + key.encode()
        with recorder(lambda _: Reply(headers={"content-type": "text/plain"}, body=body)) as api:
            broker = house(tmp_path, api.origin, key)
            gate = Gateway(broker, client="a")
            assert gate.send(gate.judge(get())).text == "caf\ufffd ***"
            gate.close()
            broker.close()

    @pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x"])
    def test_what_nobody_can_look_into_is_not_shown(self, tmp_path, key, coding) -> None:
        told = {"content-type": "text/plain", "content-encoding": coding}
        with recorder() as api:
            broker = house(tmp_path, api.origin, key)
            gate = Gateway(broker, client="a")
            api.answer = lambda _: Reply(headers=told, body=b"packed")
            judged = gate.judge(get())
            answer = gate.send(judged)
            assert (answer.text, answer.truncated) == (
                "[not shown: text/plain, in a coding nobody asked for]", True,
            )  # fmt: skip
            with pytest.raises(errors.ProviderUnavailable), gate.stream(judged) as streamed:
                list(streamed.iter_bytes())
            gate.close()
            broker.close()

    def test_a_damaged_body_is_an_answer_that_broke_off(self, tmp_path, key) -> None:
        with recorder() as api:
            broker = house(tmp_path, api.origin, key)
            gate = Gateway(broker, client="a")
            api.answer = lambda _: Reply(headers={"content-encoding": "gzip"}, body=b"no gzip")
            with pytest.raises(errors.ProviderUnavailable) as caught:
                gate.send(gate.judge(get()))
            assert caught.value.message == "thing gives no answer now."
            gate.close()
            broker.close()


class TestServersThatLie:
    """Endless bodies, bombs, and servers that never come to an end."""

    @pytest.fixture
    def to(self, tmp_path, key):
        made: list[Gateway] = []

        def to(origin: str, **more) -> Gateway:
            recipe = RECIPE.replace("test:", "# test:")
            broker = house(tmp_path, origin, key, recipe=recipe, **more)
            made.append(Gateway(broker, client="a"))
            return made[-1]

        yield to
        for gate in made:
            gate.close()
            gate.broker.close()

    def test_an_endless_body_is_cut(self, to) -> None:
        sent: list[int] = []
        with raw_server(endless(sent)) as origin:
            gate = to(origin)
            answer = gate.send(gate.judge(get()))
        assert answer.truncated
        assert sum(sent) < 64 << 20

    def test_a_bomb_is_not_unpacked(self, to, monkeypatch) -> None:
        pieces: list[int] = []
        real = lending.unpacked

        def counted(raw, encoding):
            for piece in real(raw, encoding):
                pieces.append(len(piece))
                yield piece

        monkeypatch.setattr(lending, "unpacked", counted)
        with raw_server(bomb(50)) as origin:
            gate = to(origin)
            answer = gate.send(gate.judge(get()))
        assert answer.truncated
        assert sum(pieces) <= answering.MOST_SHOWN + (1 << 16)

    @pytest.mark.parametrize("head", [True, False])
    def test_one_that_drips_is_left(self, to, head, monkeypatch) -> None:
        monkeypatch.setattr(gateway, "SECONDS", 0.3)
        with raw_server(drip(head)) as origin:
            gate = to(origin)
            judged = gate.judge(get())
            with pytest.raises(errors.ProviderUnavailable):
                gate.send(judged)

    def test_nobody_there_is_told_in_our_words(self, to) -> None:
        with raw_server(lambda _: None) as origin:
            gate = to(origin)
            with pytest.raises(errors.ProviderUnavailable, match="thing gives no answer"):
                gate.send(gate.judge(get()))

    def test_a_private_address_gets_nothing_for_an_agent_either(self, tmp_path, key) -> None:
        """Row R26: what the user did not allow by its origin is not reached."""
        with recorder() as api:
            broker = house(tmp_path, api.origin, key)
            broker.close()
            from arcrun_auth.broker import Broker

            strict = Broker(home=broker.settings.home, environ=broker.settings.environ)
            before = len(api.seen)
            gate = Gateway(strict, client="a")
            with pytest.raises(errors.AuthError):
                gate.send(gate.judge(get()))
            assert len(api.seen) == before
            gate.close()
            strict.close()

    def test_a_name_that_leads_to_a_private_address_gets_nothing(
        self, to, api, monkeypatch
    ) -> None:
        # There is no name server here: what one could answer is put in its place.
        real = socket.getaddrinfo

        def resolve(host, *rest, **more):
            return real("127.0.0.1" if host == "api.example.com" else host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        gate = to(f"https://api.example.com:{api.port}", allowed=())
        with pytest.raises(errors.HostNotAllowed, match="not public"):
            gate.send(gate.judge(get()))
        assert (api.connections, api.seen) == (1, [])


class TestStream:
    def test_it_comes_piece_by_piece_and_scrubbed(self, tmp_path, key) -> None:
        go = threading.Event()

        def talk(sock) -> None:
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            sock.sendall(b"data: one\n\n")
            go.wait(GUARD)
            sock.sendall(f"data: {key}\n\n".encode())

        with raw_server(talk) as origin:
            broker = house(tmp_path, origin, key, recipe=RECIPE.replace("test:", "# test:"))
            gate = Gateway(broker, client="a")
            with gate.stream(gate.judge(get())) as answer:
                pieces = answer.iter_bytes()
                assert next(pieces) == b"data: one\n\n", "before the next one was sent"
                go.set()
                assert b"".join(pieces) == b"data: ***\n\n"
            gate.close()
            broker.close()


class TestTrail:
    def test_each_request_leaves_a_line_and_no_value(self, gate, broker) -> None:
        gate.send(gate.judge(get("/things/1", query={"q": "private"})))
        for asked in (get("/tokens?x=private"), write(), Asked("thing", "TRACE", "/x")):
            with pytest.raises(errors.AuthError):
                gate.send(gate.judge(asked))
        with pytest.raises(errors.AuthError):
            gate.judge(Asked("nothing", "GET", "//evil.example"))
        assert lines(broker) == [
            ("some-agent", "thing", "GET /things/1", "200"),
            ("some-agent", "thing", "GET /tokens", "refused: path"),
            ("some-agent", "thing", "POST /pages", "refused: read-only"),
            ("some-agent", "thing", "TRACE /x", "refused: method"),
            ("some-agent", "nothing", "GET //evil.example", "UnknownService"),
        ]
        found = next(e for e in broker.audit.entries() if e.request == "GET /things/1")
        assert found.host.startswith("127.0.0.1:")

    def test_what_a_client_calls_itself_is_a_plain_word(self, broker) -> None:
        Gateway(broker, client="\x1b[31m Ünïted ").services()
        assert Gateway(broker, client="\x1b[31m Cod/ex\n").client == "31m-cod-ex"


class TestPace:
    def test_so_many_a_minute_and_not_one_more(self) -> None:
        now = [100.0]
        pace = Pace(2, clock=lambda: now[0])
        pace.step()
        now[0] += 10
        pace.step()
        with pytest.raises(errors.PolicyRefused, match="More than 2") as caught:
            pace.step()
        assert (caught.value.rule, caught.value.hint) == ("rate-limit", "try again in 51 seconds")
        now[0] += 50.0
        pace.step()

    def test_a_client_that_asks_too_often_is_told_to_wait(self, broker, api) -> None:
        gate = Gateway(broker, client="a", a_minute=1)
        judged, before = gate.judge(get()), len(api.seen)
        gate.send(judged)
        with pytest.raises(errors.PolicyRefused, match="in a minute"):
            gate.send(judged)
        assert len(api.seen) == before + 1
        gate.close()


class TestWords:
    @pytest.mark.parametrize(
        "error",
        [
            errors.LoginRequired("evil words", service="s", why="never"),
            errors.MissingSecret("evil words", key="k", service="s"),
            errors.MissingScope("evil words", scope="x", service="s"),
            errors.ConsentRequired("evil words", service="s"),
            errors.TokenRefused("evil words", error="evil", description="evil", uri="evil"),
            errors.LoginFailed("evil words", error="evil", description="evil"),
            errors.ProviderUnavailable("evil words"),
            errors.RefreshBusy("evil words"),
            errors.RecipeError("evil words", path="evil", line=1, field="evil"),
            errors.StoreLocked("evil words"),
            errors.StoreError("evil words"),
            errors.AuthError("evil words", hint="evil"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_error_says_nothing_of_somebody_elses(self, error) -> None:
        told = refusals.plain(error, "thing")
        assert type(told) is type(error)
        assert "evil" not in f"{told} {told!r} {vars(told)}"
        assert told.hint

    def test_our_own_refusals_stay(self) -> None:
        error = errors.PolicyRefused("Ours.", rule="path", hint="so")
        assert refusals.plain(error, "thing") is error
        assert str(error) == "Ours.\n  → so"


def test_work_that_fails_fails_where_it_is_waited_for() -> None:
    assert within.within(GUARD, lambda _: 7) == 7
    with pytest.raises(KeyError):
        within.within(GUARD, lambda _: {}["x"])


def test_nothing_that_is_kept_shows_a_secret(gate, broker) -> None:
    gate.send(gate.judge(get()))
    (lent,) = gate._lent.values()
    ((_, scrubber),) = gate._scrubbers.values()
    faces = [f"{each!r} {each} {getattr(each, '__dict__', '')}" for each in (gate, lent, scrubber)]
    assert not canary.hits("".join(faces))


@pytest.mark.parametrize("place", ["header", "query", "path", "body", "cookie"])
def test_wherever_the_recipe_puts_it_the_service_gets_it_and_nobody_else(
    tmp_path, key, place
) -> None:
    name = {"path": "bot", "query": "token", "body": "auth.token"}.get(place, "X-Mine")
    recipe = re.sub(
        "inject: .*",
        f'inject: {{{{{place}: {{{{{name}: "{{{{{{{{secret.thing_key}}}}}}}}"}}}}}}}}',
        RECIPE,
    ).replace("test:", "# test:")
    with recorder(lambda seen: Reply(body=seen.raw.encode())) as api:
        broker = house(tmp_path, api.origin, key, recipe=recipe)
        gate = Gateway(broker, client="a")
        path = "/{bot}/search" if place == "path" else "/search"
        broker.policies.allow("thing", "write")
        answer = gate.send(gate.judge(write(path)))
        assert key in api.seen[-1].raw
        assert answer.status == 200
        assert "***" in answer.text
        assert not hits(answer.text, key)
        own = {"query": {"query": {name: "x"}}, "header": {"headers": {name: "x"}},
               "cookie": {"headers": {"Cookie": f"{name}=x"}}}.get(place, {})  # fmt: skip
        asked = Asked("thing", "POST", path, body=b'{"auth": {"token": "x"}}', **own)
        if place == "path":
            asked = write("/{bot}/{bot}")
        with pytest.raises(errors.PolicyRefused) as caught:
            gate.judge(asked)
        assert caught.value.rule == {"cookie": "header"}.get(place, place)
        gate.close()
        broker.close()


def test_who_is_amid_an_answer_keeps_its_connection(gate, broker, api, key) -> None:
    judged = gate.judge(get())
    with gate.stream(judged) as answer:
        broker.setup("thing", thing_key=canary.fresh("other"))
        gate.send(gate.judge(get()))
        assert b"somebody" in b"".join(answer.iter_bytes())


def test_what_is_lent_shows_nothing(broker, key) -> None:
    lent = broker.lending.open("thing")
    assert not canary.hits(f"{lent!r} {lent.binding!r}")
    assert Secret(key) in lent.secrets()
    lent.close()


def test_the_name_of_a_user_is_no_secret_and_the_password_is(tmp_path, key) -> None:
    user = "somebody@example.com"
    recipe = RECIPE.replace(
        "[{{key: thing_key, label: Key}}]",
        "[{{key: thing_key, label: Key}}, {{key: thing_user, label: User}}]",
    ).replace(
        '"Key {{{{secret.thing_key}}}}"', '"{{{{secret.thing_user}}}}:{{{{secret.thing_key}}}}"'
    )
    told = {"name": user, "said": f"{user}:{key}"}
    with recorder(lambda _: Reply(body=json.dumps(told).encode())) as api:
        broker = house(tmp_path, api.origin, key, recipe=recipe, thing_user=user)
        gate = Gateway(broker, client="a")
        answer = json.loads(gate.send(gate.judge(get())).text)
        assert answer == {"name": user, "said": f"{user}:***"}
        gate.close()
        broker.close()


def test_everything_that_a_login_holds_is_sought(tmp_path) -> None:
    from arcrun_auth.testing import Provider
    from tests.world import broker_for, home_with, master_key

    with Provider() as provider:
        broker = broker_for(home_with(tmp_path, provider), provider, environ=master_key())
        app = broker.store.get(Key("app", "demo"))
        secret = Secret(canary.fresh("app"))
        broker.store.put(app.replace(secrets={**app.secrets, "client_secret": secret}), expect=1)
        broker.setup("demo")
        grant = broker.store.get(Key("credential", "demo")).grant
        lent = broker.lending.open("demo")
        held = lent.secrets()
        lent.close()
        broker.close()
    assert {grant.access_token, grant.refresh_token, secret} <= held
    assert Secret("demo") not in held
