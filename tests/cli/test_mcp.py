"""`arcrun mcp`, as an agent's program starts it: a process, and the protocol on its pipes."""

from __future__ import annotations

import json
import subprocess

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.canary import hits
from tests.cli.conftest import HANG
from tests.cli.runs import COMMAND
from tests.mcp_kit import FORM, Somebody, offering, words

PARTS = ("arcrun_auth.broker", "arcrun_auth.client", "httpx", "msgspec", "cryptography")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_real_process_serves_an_era_and_writes_what_was_done_into_the_trail(
    mode, connected, tmp_path
) -> None:
    async def scene() -> tuple[list[str], str]:
        args = [*COMMAND[1:], "mcp", "--allow-write"]
        server = StdioServerParameters(command=COMMAND[0], args=args, env=connected.env)
        read = []
        with (tmp_path / "err").open("w+") as err:
            # A copy of the environment of the tests: pipes, and nothing else, are between us.
            client = offering(
                FORM, stdio_client(server, errlog=err), mode=mode, elicitation_callback=Somebody()
            )
            with anyio.fail_after(HANG):
                async with client:
                    assert client.server_info.name == "arcrun"
                    for name, given in (
                        ("arcrun_services", {}),
                        ("arcrun_get", {"service": "demo", "path": "/me"}),
                        ("arcrun_write", {"service": "demo_static", "method": "POST",
                                          "path": "/echo", "body": {"a": 1}}),
                        ("arcrun_test", {"service": "demo_static"}),
                    ):  # fmt: skip
                        result = await client.call_tool(name, given)
                        assert not result.is_error, words(result)
                        read.append(result.model_dump_json())
            err.seek(0)
            return read, err.read()

    read, err = anyio.run(scene)
    assert "ada@example.com" in read[0]
    assert not hits("\n".join(read))
    assert not err, "it talks, and nobody asked it"
    entries = json.loads(connected("audit", "--json").out)["entries"]
    done = [entry for entry in entries if entry["action"] == "agent"]
    assert {entry["client"] for entry in done} == {"mcp"}
    assert {"GET /me", "POST /echo"} <= {entry["request"] for entry in done}


def test_initialize_is_answered_before_anything_of_ours_is_loaded(cli) -> None:
    code = (
        "import sys; from arcrun_cli import main; import anyio; "
        "from arcrun_auth.agents.mcp import server\n"
        "real = server._serve\n"
        "async def serve(session):\n"
        "    server.build(session)\n"
        f"    print([name for name in {PARTS!r} if name in sys.modules])\n"
        "server._serve = serve\n"
        "main(['mcp'])"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code], env=cli.env, capture_output=True, text=True, timeout=HANG,
        check=True,
    )  # fmt: skip
    loaded = json.loads(done.stdout.replace("'", '"'))
    assert [name for name in loaded if name != "cryptography"] == [], "the SDK needs none of it"


def test_without_the_extra_it_says_what_to_install(inside, monkeypatch) -> None:
    from arcrun_cli.commands import mcp

    monkeypatch.setattr(mcp, "find_spec", lambda name: None)
    ran = inside("mcp")
    assert ran.code == 1
    assert "pip install 'arcrun-auth[mcp]'" in ran.err
    assert not ran.out


def test_the_group_has_help_and_install_below_it(inside) -> None:
    ran = inside("mcp", "--help")
    assert ran.code == 0
    assert "install" in ran.out
    assert "--allow-write" in ran.out
    assert inside("mcp", "nothing").code == 2


def test_what_is_no_message_stops_nothing_and_the_end_of_its_input_ends_it(cli) -> None:
    lines = b'{"what"\n' + json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    done = subprocess.run(
        [*COMMAND, "mcp"], env=cli.env, input=lines + b"\n", capture_output=True, timeout=HANG
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"jsonrpc": "2.0", "id": 1, "result": {}} in answers
    assert done.returncode == 0
