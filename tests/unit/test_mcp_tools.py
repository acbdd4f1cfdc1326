"""The tools, by the official client, in both eras of the protocol."""

from __future__ import annotations

import json
import threading

import anyio
import anyio.to_thread
import pytest
from mcp.shared.exceptions import MCPError

from arcrun_auth.testing import Provider
from tests.agents_kit import RECIPE, echo, house
from tests.canary import fresh
from tests.home import broker_with
from tests.mcp_kit import BOTH, EMPTY, ERAS, FORM, HANG, URL, Somebody, agent, play, words
from tests.servers import recorder
from tests.world import broker_for, home_with, master_key

READS = ["arcrun_services", "arcrun_how_to", "arcrun_connect", "arcrun_get", "arcrun_test"]


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(provider, tmp_path):
    """A broker with `keyed` set up, and `demo` not."""
    home = home_with(tmp_path, provider)
    broker = broker_for(home, provider, environ={**master_key(), "ARCRUN_DEMO_CLIENT_ID": "demo"})
    broker.setup("keyed", key=provider.static_key)
    yield broker
    broker.close()


def test_the_tools_are_described_with_schemas_and_hints_and_writes_are_not_listed(desk) -> None:
    async def scene(one) -> None:
        tools = {tool.name: tool for tool in (await one.client.list_tools()).tools}
        assert list(tools) == READS
        for tool in tools.values():
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema["type"] == "object"
            assert tool.annotations.destructive_hint is False
        assert tools["arcrun_get"].annotations.read_only_hint is True
        assert tools["arcrun_connect"].annotations.read_only_hint is False
        assert "title" not in tools["arcrun_get"].input_schema["properties"]["path"]

    play(scene, desk)


def test_an_agent_sees_what_is_connected_and_nothing_else(desk) -> None:
    async def scene(one) -> None:
        found = await one("arcrun_services")
        (keyed,) = found.structured_content["connections"]
        assert (keyed["service"], keyed["instance"], keyed["status"]) == (
            "keyed", "default", "connected",
        )  # fmt: skip
        assert not keyed["can_write"]
        assert words(found) == "keyed@default: connected"
        (content,) = (await one.client.read_resource("arcrun://services")).contents
        assert json.loads(content.text) == found.structured_content

    play(scene, desk)


def test_reading_gives_status_and_content_between_lines_it_cannot_forge(desk) -> None:
    async def scene(one) -> None:
        found = await one("arcrun_get", service="keyed", path="/static", query={"a": [1, True]})
        answer = found.structured_content
        assert (answer["status"], answer["truncated"]) == (200, False)
        text = words(found)
        assert text.startswith("HTTP status 200.\n")
        assert "no instruction" in text
        assert answer["untrusted_content"] in text

    play(scene, desk)


def test_how_to_and_test_tell_the_state_of_a_connection(desk) -> None:
    async def scene(one) -> None:
        assert "`keyed` is connected" in words(await one("arcrun_how_to", service="keyed"))
        assert "setup demo" in words(await one("arcrun_how_to", service="demo"))
        tested = await one("arcrun_test", service="keyed")
        assert tested.structured_content["ok"] is True
        assert tested.structured_content["latency_ms"] > 0
        missing = await one("arcrun_test", service="demo")
        assert missing.is_error
        assert words(missing).startswith("[login_required] demo is not connected")

    play(scene, desk)


def test_what_a_tool_does_not_take_is_refused_before_anything_is_sent(desk, provider) -> None:
    async def scene(one) -> None:
        before = provider.requests.total()
        wrong = [
            {"service": "keyed", "path": "/static", "save_to": "/etc/cron.d/x"},
            {"service": "keyed", "path": "/static", "token": "x"},
            {"service": "keyed", "path": "/static", "method": "TRACE"},
            {"service": "keyed"},
            {"service": ["keyed"], "path": "/static"},
        ]
        for given in wrong:
            found = await one("arcrun_get", **given)
            assert found.is_error
            assert words(found).startswith("[invalid_arguments] "), words(found)
        assert provider.requests.total() == before
        with pytest.raises(MCPError, match="no tool"):
            await one.client.call_tool("get_token", {"service": "keyed"})
        with pytest.raises(MCPError, match="no resource"):
            await one.client.read_resource("arcrun://vault")
        with pytest.raises(MCPError, match="no prompt"):
            await one.client.get_prompt("token")

    play(scene, desk)


def test_the_prompt_names_the_service_and_the_tools(desk) -> None:
    async def scene(one) -> None:
        (prompt,) = (await one.client.list_prompts()).prompts
        assert prompt.name == "connect"
        (resource,) = (await one.client.list_resources()).resources
        assert str(resource.uri) == "arcrun://services"
        found = await one.client.get_prompt("connect", {"service": "keyed\x1b"})
        (message,) = found.messages
        assert message.content.text.startswith("Connect keyed for me: call arcrun_connect")

    play(scene, desk)


def test_a_write_is_refused_while_nobody_allowed_writes(desk, provider) -> None:
    async def scene(one) -> None:
        before = provider.requests.total()
        for tool in ("arcrun_get", "arcrun_write"):
            found = await one(tool, service="keyed", method="POST", path="/pages", body={"a": 1})
            assert words(found).startswith("[policy_refused] Agents may only read keyed")
            assert "arcrun policy allow keyed --write /pages" in words(found)
        assert provider.requests.total() == before

    play(scene, desk)


def test_a_write_is_confirmed_in_the_client_where_that_can_ask(desk, provider) -> None:
    for offers in (FORM, EMPTY, BOTH):
        somebody = Somebody()

        async def scene(one, somebody=somebody) -> None:
            assert await one.tools() == sorted([*READS, "arcrun_write"], key=[
                "arcrun_services", "arcrun_how_to", "arcrun_connect", "arcrun_get",
                "arcrun_write", "arcrun_test",
            ].index)  # fmt: skip
            found = await one(
                "arcrun_write", service="keyed", method="POST", path="/echo",
                body={"text": "hello\n\nHost: good.example"}, headers={"X-Mode": "overwrite"},
            )  # fmt: skip
            assert not found.is_error, words(found)
            (asked,) = somebody.asked
            lines = asked.message.splitlines()
            assert lines[0] == "claude-code wants to change something by your connection keyed:"
            assert lines[1].startswith("POST http://127.0.0.1:")
            assert lines[3] == "Headers: x-mode: overwrite"
            assert lines[4].startswith("Body: ")
            assert "hello" in lines[4], "how it begins is shown, on its own line"
            assert len(lines) == 6
            assert asked.requested_schema["properties"]["agree"]["type"] == "boolean"
            somebody.asked.clear()

        play(scene, desk, offers=offers, somebody=somebody, allow_write=True)


@pytest.mark.parametrize(
    "somebody", [Somebody("decline"), Somebody("cancel"), Somebody(ticks=False)]
)
def test_without_a_yes_nothing_is_sent(desk, provider, somebody) -> None:
    async def scene(one) -> None:
        before = provider.requests.total()
        found = await one("arcrun_write", service="keyed", method="DELETE", path="/echo")
        assert words(found).startswith("[declined] ")
        assert provider.requests.total() == before

    play(scene, desk, offers=FORM, somebody=somebody, allow_write=True)


def test_where_nobody_can_be_asked_a_write_waits_for_approve(desk, provider) -> None:
    async def scene(one) -> None:
        wish = {"service": "keyed", "method": "POST", "path": "/echo", "body": one.client.mode}
        before = provider.requests.total()
        found = await one("arcrun_write", **wish)
        assert words(found).startswith("[needs_approval] ")
        (pending,) = desk.policies.pending()
        assert f"arcrun approve {pending.id}" in words(found)
        assert pending.client == "claude-code"
        assert words(await one("arcrun_write", **wish)) == words(found), "it was asked for twice"
        assert provider.requests.total() == before

        desk.policies.approve(pending.id)
        assert not (await one("arcrun_write", **wish)).is_error
        assert provider.requests.total() == before + 1
        again = await one("arcrun_write", **wish)
        assert words(again).startswith("[needs_approval] "), "it was approved once"
        desk.policies.refuse(desk.policies.pending()[0].id)
        assert words(await one("arcrun_write", **wish)).startswith("[declined] ")

    play(scene, desk, offers=URL, somebody=Somebody(), allow_write=True)


def test_a_rule_lists_the_tool_and_lets_what_it_covers_through(desk, provider) -> None:
    desk.policies.allow("keyed", "write", paths=["/echo"], client="claude-code")

    async def scene(one) -> None:
        assert "arcrun_write" in await one.tools()
        assert (await one("arcrun_services")).structured_content["connections"][0]["can_write"]
        sent = await one("arcrun_write", service="keyed", method="POST", path="/echo")
        assert not sent.is_error, words(sent)
        other = await one("arcrun_write", service="keyed", method="POST", path="/pages")
        assert words(other).startswith("[needs_approval] ")
        only = await one("arcrun_write", service="keyed", method="GET", path="/static")
        assert words(only).startswith("[reads] ")
        writes = await one("arcrun_get", service="keyed", method="POST", path="/echo")
        assert "Use arcrun_write" in words(writes)

    play(scene, desk)

    async def another(one) -> None:
        assert "arcrun_write" not in await one.tools()

    play(another, desk, name="Codex")


def test_a_yes_in_the_client_widens_no_rule_unless_writes_were_offered(desk, provider) -> None:
    desk.policies.allow("keyed", "write", paths=["/echo"])
    somebody = Somebody()

    async def scene(one) -> None:
        before = provider.requests.total()
        other = await one("arcrun_write", service="keyed", method="POST", path="/pages")
        assert words(other).startswith("[needs_approval] ")
        assert not somebody.asked
        assert provider.requests.total() == before
        sent = await one("arcrun_write", service="keyed", method="POST", path="/echo")
        assert not sent.is_error, words(sent)
        assert len(somebody.asked) == 1
        somebody.asked.clear()

    play(scene, desk, offers=FORM, somebody=somebody)


def test_a_yes_for_one_connection_is_none_for_another(desk, provider) -> None:
    desk.setup("keyed", "other", key=provider.static_key)
    import mcp_types as types

    yes = {"answer": types.ElicitResult(action="accept", content={"agree": True})}

    async def scene(one) -> None:
        wish = {"service": "keyed", "method": "POST", "path": "/echo"}
        session, before = one.client.session, provider.requests.total()
        first = await session.call_tool("arcrun_write", wish, allow_input_required=True)
        other = await session.call_tool(
            "arcrun_write", {**wish, "instance": "other"}, input_responses=yes,
            request_state=first.request_state, allow_input_required=True,
        )  # fmt: skip
        assert other.result_type == "input_required"
        assert provider.requests.total() == before

    play(scene, desk, modes=("auto",), offers=FORM, somebody=Somebody(), allow_write=True)


def test_a_prohibition_beats_a_confirmation(desk, provider) -> None:
    desk.policies.deny("keyed", "write")
    somebody = Somebody()

    async def scene(one) -> None:
        before = provider.requests.total()
        found = await one("arcrun_write", service="keyed", method="POST", path="/echo")
        assert words(found).startswith("[policy_refused] A rule forbids POST /echo")
        assert provider.requests.total() == before
        assert not somebody.asked

    play(scene, desk, offers=FORM, somebody=somebody, allow_write=True)


def test_the_client_is_told_when_the_policy_changes_what_is_listed(desk) -> None:
    async def legacy() -> None:
        told = anyio.Event()

        async def heard(message) -> None:
            if getattr(message, "method", "") == "notifications/tools/list_changed":
                told.set()

        with anyio.fail_after(60):
            async with agent(desk, "legacy", watch=0.05, message_handler=heard) as one:
                await anyio.sleep(0.2)  # looks before anything was listed tell nobody anything
                assert not told.is_set()
                assert "arcrun_write" not in await one.tools()
                desk.policies.allow("keyed", "write")
                await told.wait()
                assert "arcrun_write" in await one.tools()

    async def modern() -> None:
        with anyio.fail_after(60):
            async with agent(desk, "auto", watch=0.05) as one:
                assert "arcrun_write" in await one.tools()
                async with one.client.listen(tools_list_changed=True) as events:
                    desk.policies.deny("keyed", "write")
                    async for _ in events:
                        break
                assert "arcrun_write" not in await one.tools()

    anyio.run(legacy)
    anyio.run(modern)


def test_a_yes_cannot_be_used_a_second_time_or_for_another_request(desk, provider) -> None:
    async def scene(one) -> None:
        session = one.client.session
        wish = {"service": "keyed", "method": "POST", "path": "/echo", "body": "a"}
        first = await session.call_tool("arcrun_write", wish, allow_input_required=True)
        assert first.result_type == "input_required"
        yes = {"answer": {"action": "accept", "content": {"agree": True}}}
        import mcp_types as types

        answers = {"answer": types.ElicitResult.model_validate(yes["answer"])}

        async def come_again(**changed):
            return await session.call_tool(
                "arcrun_write", {**wish, **changed}, input_responses=answers,
                request_state=first.request_state, allow_input_required=True,
            )  # fmt: skip

        before = provider.requests.total()
        assert (await come_again(body="b")).result_type == "input_required"
        assert (await come_again()).result_type == "input_required", "the number was used up"
        assert provider.requests.total() == before

    play(scene, desk, modes=("auto",), offers=FORM, somebody=Somebody(), allow_write=True)


def test_a_vault_that_fails_is_told_and_lists_no_writes(tmp_path) -> None:
    def none():
        from arcrun_auth.errors import StoreLocked

        raise StoreLocked("a secret path")

    async def scene(one) -> None:
        one.session._make = none
        assert await one.tools() == READS
        assert words(await one("arcrun_services")).startswith("[store_locked] ")
        with pytest.raises(MCPError, match="store_locked"):
            await one.client.read_resource("arcrun://services")

    play(scene, None)


def test_a_write_that_waits_for_its_human_goes_on_and_is_sent_once(desk, provider) -> None:
    for mode in ERAS:
        answered = threading.Event()

        class Slow(Somebody):
            async def __call__(self, ctx, params, answered=answered):
                result = await super().__call__(ctx, params)
                await anyio.to_thread.run_sync(answered.wait, HANG)
                return result

        somebody = Slow()

        async def scene(one, answered=answered, somebody=somebody) -> None:
            wish = {"service": "keyed", "method": "POST", "path": "/echo", "body": one.client.mode}
            before = provider.requests.total()
            if one.client.mode == "legacy":
                # Since 2026-07-28 no call lasts while a person thinks.
                while not words(await one("arcrun_write", **wish)).startswith("[still_waiting] "):
                    pass  # a busy machine: its time was over before it had asked
            answered.set()
            while words(found := await one("arcrun_write", **wish)).startswith(
                ("[still_waiting]", "[slow]")
            ):
                pass
            assert not found.is_error, words(found)
            assert len(somebody.asked) == 1
            assert provider.requests.total() == before + 1

        play(
            scene, desk, modes=(mode,), offers=FORM, somebody=somebody, allow_write=True,
            patience=1,
        )  # fmt: skip


def test_a_service_that_does_not_answer_is_waited_for_as_long_as_a_call_may(tmp_path) -> None:
    go = threading.Event()

    def late(seen):
        go.wait(HANG)
        return echo(seen)

    with recorder(late) as api:
        go.set()
        broker = house(tmp_path, api.origin, fresh("key"))
        go.clear()

        async def scene(one) -> None:
            found = await one("arcrun_get", service="thing", path="/me")
            assert words(found).startswith("[slow] No answer has come in time.")
            go.set()

        play(scene, broker, modes=("auto",), patience=1)
        broker.close()


def test_a_client_that_says_it_can_ask_and_cannot_gets_no_yes(desk, provider) -> None:
    import mcp_types as types

    async def cannot(_, params):
        return types.ErrorData(code=types.INVALID_REQUEST, message="no forms here")

    async def scene(one) -> None:
        before = provider.requests.total()
        found = await one("arcrun_write", service="keyed", method="POST", path="/echo")
        assert words(found).startswith("[declined] ")
        assert provider.requests.total() == before

    play(scene, desk, modes=("legacy",), offers=FORM, somebody=cannot, allow_write=True)


@pytest.mark.usefixtures("cheap_passphrases")
def test_while_the_policy_is_locked_a_yes_in_the_client_is_no_rule(desk, provider) -> None:
    desk.policies.lock("open sesame")
    somebody = Somebody()

    async def scene(one) -> None:
        wish = {"service": "keyed", "method": "POST", "path": "/echo", "body": one.client.mode}
        before = provider.requests.total()
        found = await one("arcrun_write", **wish)
        assert words(found).startswith("[needs_approval] ")
        assert provider.requests.total() == before
        (pending,) = desk.policies.pending()
        keeper = desk.policies
        keeper.unlock_with("open sesame")
        keeper.approve(pending.id)
        somebody.asked.clear()
        assert not (await one("arcrun_write", **wish)).is_error
        assert not somebody.asked, "it was approved already, for this very request"

    play(scene, desk, offers=FORM, somebody=somebody, allow_write=True)


def test_what_nobody_expected_is_told_by_its_type_and_the_log_says_where(desk, caplog) -> None:
    def broken():
        raise RuntimeError("words of somebody else")

    async def scene(one) -> None:
        one.session._make = broken
        found = await one("arcrun_services")
        assert words(found).startswith("[internal] arcrun has failed in an unexpected way (Runtime")
        assert "somebody else" not in words(found)

    play(scene, desk, modes=("auto",))
    assert "RuntimeError at " in caplog.text
    assert "somebody else" not in caplog.text


def test_bodies_and_queries_are_sent_as_they_are_meant(tmp_path) -> None:
    with recorder(echo) as api:
        broker = house(tmp_path, api.origin, fresh("key"))

        async def scene(one) -> None:
            for body, sent, kind in (
                ({"a": ["é", None]}, b'{"a": ["\\u00e9", null]}', "application/json"),
                ('{"a": 1}', b'{"a": 1}', "application/json"),
                ("a=1", b"a=1", "text/plain; charset=utf-8"),
                (None, b"", None),
            ):
                found = await one(
                    "arcrun_get", service="thing", method="POST", path="/search", body=body,
                    query={"n": 1, "yes": True, "many": ["a", 2]},
                )  # fmt: skip
                assert not found.is_error, words(found)
                seen = api.seen[-1]
                assert (seen.body, seen.headers.get("content-type")) == (sent, kind)
                assert seen.target == "/v1/search?n=1&yes=true&many=a&many=2"
            await one(
                "arcrun_get", service="thing", method="POST", path="/search", body="q=1",
                headers={"content-type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
            assert api.seen[-1].headers["content-type"] == "application/x-www-form-urlencoded"

        play(scene, broker, modes=("auto",))
        broker.close()


def test_a_key_of_the_environment_is_nobodys_consent(tmp_path) -> None:
    with recorder(echo) as api:
        key = fresh("key")
        broker = broker_with(
            tmp_path, RECIPE.format(origin=api.origin), api.origin, store=None,
            environ={**master_key(), "ARCRUN_THING_KEY": key},
        )  # fmt: skip
        with broker.bind("thing") as client:
            assert client.get("/me").status_code == 200, "a program of the user's has it"
        before = len(api.seen)

        async def hidden(one) -> None:
            assert (await one("arcrun_services")).structured_content["connections"] == []
            for tool, given in (("arcrun_get", {"path": "/me"}), ("arcrun_test", {})):
                found = await one(tool, service="thing", **given)
                assert words(found).startswith("[login_required] ")
            asked = await one("arcrun_connect", service="thing")
            assert asked.structured_content["state"] == "ask_your_human"

        play(hidden, broker)
        assert len(api.seen) == before
        broker.setup("thing", thing_key=key)

        async def seen(one) -> None:
            assert (await one("arcrun_get", service="thing", path="/me")).structured_content

        play(seen, broker)
        broker.close()
