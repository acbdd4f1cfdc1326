"""`arcrun token`: one line for a script, quick, and never in an agent's transcript."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from arcrun_cli import agents

MARKERS = [{name: "1"} for name in agents.MARKERS] + [{"CODEX_SANDBOX": "seatbelt"}]


def test_prints_the_token_and_a_newline_and_nothing_else(connected, provider):
    ran = connected("token", "demo_static")

    assert (ran.code, ran.out, ran.err) == (0, provider.static_key + "\n", "")


def test_a_shell_takes_it_as_it_is(connected, provider):
    script = f"printf '[%s]' \"$({sys.executable} -m arcrun_cli token demo_static)\""
    done = subprocess.run(["sh", "-c", script], env=connected.env, capture_output=True, timeout=60)

    assert done.stdout.decode() == f"[{provider.static_key}]"


def test_prints_to_a_terminal_too(connected, provider):
    child = connected.terminal("token", "demo_static")
    child.expect_exact(provider.static_key)
    child.wait()

    assert child.exitstatus == 0


def test_an_expired_token_is_renewed_first(connected, provider):
    provider.authority.expire_access_tokens()
    before = provider.refreshes
    from arcrun_auth import Broker
    from arcrun_auth.tokens import Key

    broker = Broker(home=str(connected.home), environ=connected.env)
    record = broker.store.get(Key("credential", "demo"))
    assert record is not None
    assert record.grant is not None
    ended = record.replace(grant=record.grant.replace(expires=record.grant.issued))
    broker.store.put(ended, expect=record.generation)
    broker.close()

    ran = connected("token", "demo")

    assert ran.code == 0, ran.err
    assert ran.out.strip() != record.grant.access_token.reveal()
    assert provider.refreshes == before + 1


def test_as_json(connected, provider):
    ran = connected("token", "demo_static", "--json")

    assert json.loads(ran.out) == {
        "schema": 1,
        "access_token": provider.static_key,
        "token_type": "Bearer",
        "expires_at": None,
        "scopes": [],
    }


def test_of_a_login_it_says_when_it_ends_and_what_it_may(connected):
    found = json.loads(connected("token", "demo", "--json").out)

    assert found["scopes"] == ["read", "write"]
    assert found["expires_at"].endswith("+00:00")


def test_an_instance_is_named_after_the_at_sign(served, provider):
    ran = served("token", "demo_static@work", ARCRUN_DEMO_STATIC__WORK__KEY=provider.static_key)

    assert ran.out == provider.static_key + "\n"


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: next(iter(marker)))
def test_in_an_agent_s_shell_it_is_refused(cli, marker):
    ran = cli("token", "notion", **marker, ARCRUN_NOTION_TOKEN="ntn_secret")

    assert ran.code == 7
    assert "ntn_secret" not in ran.both
    assert next(iter(marker)) in ran.err
    assert 'auth.bind("notion")' in ran.err


@pytest.mark.parametrize("args", [("token", "demo_static"), ("token", "demo_static", "--json")])
def test_both_ways_to_it_are_guarded(connected, provider, args):
    ran = connected(*args, CLAUDECODE="1")

    assert ran.code == 7
    assert provider.static_key not in ran.both


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_a_marker_that_is_off_is_none(value):
    assert agents.marker({"AGENT": value}) is None


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("notion", 4, "  → arcrun setup notion"),
        ("github@work", 4, "  → arcrun setup github@work"),
        ("google_drive", 4, "  → arcrun setup google_drive"),
        ("notoin", 2, "Did you mean 'notion'"),
        ("No/Such/Thing", 2, "This is no name of a service"),
        ("notion@WORK", 2, "an instance's name"),
    ],
)
def test_what_is_not_there_ends_in_the_right_code(cli, name, code, said):
    ran = cli("token", name)

    assert ran.code == code, ran.err
    assert said in ran.err
    assert ran.out == ""


def test_never_logs_in_by_itself(served, provider):
    ran = served("token", "demo", ARCRUN_INTERACTIVE="1", BROWSER="true")

    assert ran.code == 4
    assert provider.requests.total() == 0


def test_a_locked_vault_is_exit_code_4_and_says_how_to_open_it(connected):
    del connected.env["ARCRUN_MASTER_KEY_FILE"]
    ran = connected("token", "demo_static")

    assert ran.code == 4
    assert "ARCRUN_MASTER_KEY_FILE" in ran.err


# -- What it costs: the modules a start loads ---------------------------------------------

HEAVY = ("httpx", "httpx2", "authlib", "keyring", "yaml", "msgspec", "filelock", "truststore",
         "anyio", "platformdirs", "publicsuffixlist", "asyncio", "dataclasses", "typing",
         "inspect", "enum")  # fmt: skip
OF_OURS = ("arcrun_auth.people", "arcrun_auth.notebook", "arcrun_auth.login")
"""What only somebody who can be asked needs."""
ALWAYS = ("enum",)
"""Loaded by `re` and `json`, which nobody does without."""


def modules(cli, *args: str) -> set[str]:
    code = (
        "import sys; from arcrun_cli import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    env = {name: value for name, value in cli.env.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *args], env=env, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    names = done.stderr.decode().split("\n")[-2].split()
    return {part for name in names for part in (name, name.partition(".")[0])}


def test_a_token_loads_no_click_and_nothing_heavy(connected):
    loaded = modules(connected, "token", "demo_static")

    assert loaded.isdisjoint({"click", *HEAVY, *OF_OURS} - {*ALWAYS})


def test_a_valid_token_of_a_login_loads_no_more(connected):
    loaded = modules(connected, "token", "demo")

    assert loaded.isdisjoint({"click", *HEAVY, *OF_OURS} - {*ALWAYS})


def test_help_loads_click_and_nothing_heavy(cli):
    loaded = modules(cli, "--help")

    assert "click" in loaded
    assert loaded.isdisjoint(
        {"httpx", "authlib", "keyring", "yaml", "msgspec", "cryptography", "sqlite3"}
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("what", ["environ", "maps", "mem"])
def test_nobody_reads_its_memory_or_environment(cli, what):
    """R2: another process of the same user."""
    code = (
        "import os, sys; from arcrun_cli import hardening; hardening.apply();"
        "pid = os.getpid(); child = os.fork();\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        f"try: open(f'/proc/{{pid}}/{what}', 'rb').read(1)\n"
        "except PermissionError: os._exit(7)\n"
        "os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=cli.env, timeout=60)

    assert done.returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no core files")
def test_there_is_no_core_dump():
    """R22."""
    code = (
        "import resource; from arcrun_cli import hardening; hardening.apply();"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)

    assert done.stdout == b"(0, 0)\n"
