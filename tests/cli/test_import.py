"""`arcrun import` looks and asks: what is shown before anything changes, and to whom."""

from __future__ import annotations

import base64
import json

import pytest

from arcrun_auth.stores import keyring_backend
from arcrun_auth.stores.keyring_backend import OSKeyring
from tests.cli.conftest import plain
from tests.cli.import_desk import desk, full, provider

__all__ = ["desk", "provider"]

# -- the dry run -------------------------------------------------------------------------


def test_nothing_found_is_no_error(desk) -> None:
    assert desk.run() == 0
    assert "Nothing was found" in desk.err
    assert desk.out == ""
    assert desk.run("--json") == 0
    assert desk.data() == []


def test_a_dry_run_shows_all_of_it_and_changes_nothing(desk) -> None:
    full(desk)
    desk.run("--no-input")  # makes what the catalogue keeps of its recipes
    before = desk.state()
    for args in ((), ("--json",), ("--no-input",), ("env", "gh")):
        assert desk.run(*args, yes=False) == 0
        assert desk.state() == before
    assert desk.provider.requests.total() == 0
    desk.run(yes=False)
    rows = desk.out.splitlines()
    assert rows[0].split() == ["FROM", "WHERE", "WHAT", "BECOMES"]
    assert {row.split()[0] for row in rows[1:]} == {"gh", "token", "rclone", "env"}
    assert any("~/.config/gh/hosts.yml: github.com, user ada" in row for row in rows)
    assert any(row.split()[-1] == "google_drive" for row in rows)
    assert "token.pickle: it is a pickle" in desk.err


def test_without_anybody_to_ask_the_next_command_is_told(desk) -> None:
    desk.env()
    assert desk.run("--no-input") == 0
    assert "Nothing was changed." in desk.err
    assert "--yes takes all of it in" in desk.err


def test_json_says_where_and_what_and_never_a_value(desk) -> None:
    desk.env()
    assert desk.run("env", "--json") == 0
    assert desk.data() == [
        {
            "source": "env",
            "path": str(desk.work / ".env"),
            "at": "ARCRUN_KEYED_KEY (line 2)",
            "what": "key",
            "service": "keyed",
            "name": "keyed",
            "connected": False,
            "plain_text": True,
            "account": None,
            "why_not": None,
            "hint": None,
            "notices": [],
        }
    ]
    assert desk.person.asked == []


# -- who may -----------------------------------------------------------------------------


def test_an_agent_sees_a_dry_run_and_takes_nothing_in(desk, monkeypatch) -> None:
    desk.env()
    monkeypatch.setenv("AI_AGENT", "1")
    before = desk.state()
    assert desk.run("--yes") == 7
    assert "AI_AGENT is set" in desk.err
    assert desk.run() == 0
    assert desk.person.asked == []
    assert "a person runs it in a terminal" in desk.err
    assert desk.provider.requests.total() == 0
    kept = {name: state for name, state in desk.state().items() if "home" not in name}
    assert kept.items() <= before.items()


def test_a_strangers_recipe_needs_somebody_who_agrees(desk) -> None:
    desk.env()
    assert desk.run("--yes", "--no-input") == 7
    assert desk.provider.requests.total() == 0


# -- the keyring -------------------------------------------------------------------------


def test_an_item_of_the_keyring_is_taken_in_and_left_there(desk, monkeypatch) -> None:
    value = base64.b64encode(desk.provider.static_key.encode()).decode()

    class Backend:
        def get_password(self, service: str, username: str) -> str | None:
            known = (service, username) == ("gh:github.com", "")
            return f"go-keyring-base64:{value}" if known else None

    ring = OSKeyring(Backend)
    monkeypatch.setattr(keyring_backend, "system", lambda environ: ring)
    assert desk.run("keyring") == 0
    assert "Nothing was found" in desk.err, "it is switched off"
    del desk.environ["ARCRUN_KEYRING"]
    assert desk.run("keyring") == 0
    assert desk.person.asked[-1] != "Remove it"
    assert "github is taken in" in desk.err


# -- the program itself ------------------------------------------------------------------


def test_it_runs_as_a_program_and_at_a_terminal(served, provider) -> None:
    pytest.importorskip("pexpect")
    folder = served.folder / "given"
    path = folder / ".env"
    path.write_text(f"ARCRUN_DEMO_STATIC_KEY={provider.static_key}\n")
    served.cwd = folder
    ran = served("import", "--json")
    assert json.loads(ran.out)["found"][0]["name"] == "demo_static"
    child = served.terminal("import")
    for question in ("Take in demo_static", "Do you agree?", "Remove it from .env?"):
        child.expect_exact(question)
        child.sendline("y")
    child.expect_exact("Removed from .env.")
    child.wait()
    assert child.exitstatus == 0, plain(child.before)
    assert path.read_text() == ""
    assert served("token", "demo_static").out == provider.static_key + "\n"


def test_keys_of_the_platforms_own_file_are_moved_into_the_vault(inside, tmp_path, monkeypatch):
    from arcrun_auth import Broker, platform_config
    from tests.world import Told

    home = tmp_path / "given"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("ARCRUN_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDECODE", raising=False)
    config = home / "config.yaml"
    before = f"base_url: https://p.example\nencryption_key: {'ab' * 32}\n"
    config.write_text(before)
    assert "in clear in" in inside("import").err
    assert config.read_text() == before
    assert "in the vault now" in inside("import", "--yes").err
    assert "nothing new" in inside("import", "--yes").err
    assert config.read_text() == before
    inside("import", person=Told())
    assert config.read_text() == "base_url: https://p.example\n"
    assert platform_config.encryption_key(Broker().store) is not None
    assert "platform" not in inside("import").err
