"""`arcrun login`, `logout`, `whoami` and `account`, against a real platform."""

from __future__ import annotations

import json

import pytest

from arcrun_auth.tokens import Secret
from arcrun_cli.schemas import SCHEMAS
from tests.platform_desk import desk
from tests.surfer import Surfer
from tests.world import Told


@pytest.fixture
def there(tmp_path):
    with desk(tmp_path / "server") as found:
        yield found


@pytest.fixture
def run(inside, there, monkeypatch, tmp_path):
    """Commands with that platform configured, and a home of their own."""
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARCRUN_KEYRING", "off")
    monkeypatch.setenv("ARCRUN_ALLOW_HOSTS", there.origin)
    monkeypatch.setenv("ARCRUN_SERVER", there.url)
    monkeypatch.delenv("ARCRUN_API_KEY", raising=False)
    return inside


def with_key(run, there, monkeypatch, **more):
    import io

    from arcrun_cli import stdin

    with there.account(**more) as cloud:
        key = cloud.key
    given = io.TextIOWrapper(io.BytesIO(key.reveal().encode() + b"\n"))
    monkeypatch.setattr(stdin.sys, "stdin", given)
    assert run("login", "--key-stdin").code == 0
    return key


def test_a_login_with_a_key_from_stdin_and_what_follows_it(run, there, monkeypatch):
    key = with_key(run, there, monkeypatch, email="ada@example.com")
    shown = run("whoami", "--json")
    who = json.loads(shown.out)
    assert set(who) == {"schema", *SCHEMAS["whoami"]}
    assert (who["server"], who["email"], who["source"]) == (there.url, "ada@example.com", "vault")
    assert "ada@example.com" in run("whoami").out
    assert run("account", "rotate-key").code == 0
    assert json.loads(run("whoami", "--json").out)["account"] == who["account"]
    with there.cloud(key) as old, pytest.raises(Exception, match="not take the API key"):
        old.me()
    done = run("logout")
    assert done.code == 0
    assert "ada@example.com is logged out" in done.err
    assert run("whoami").code == 4
    again = run("logout")
    assert (again.code, "Nobody is logged in" in again.err) == (0, True)


def test_a_login_through_the_browser(run, there, monkeypatch):
    from arcrun_auth import browser, surroundings

    with there.account(email="ada@example.com") as cloud:
        key = cloud.key
    surfer = Surfer()

    def opened(url, **_):
        surfer.open(url)
        surfer.press("Sign in with the key", key=key.reveal())
        surfer.press("Log in")
        return browser.Opened("test")

    from arcrun_cli.talk import Terminal

    class Somebody(Terminal):
        reach = "terminal"

        def paste(self, stop):
            stop.wait(60)

    monkeypatch.setattr(browser, "open_url", opened)
    here = surroundings.Surroundings(browser=True)
    monkeypatch.setattr(surroundings, "look", lambda *_: here)
    done = run("login", person=Somebody())
    assert done.code == 0, done.err
    assert "as ada@example.com" in done.err
    assert json.loads(run("whoami", "--json").out)["email"] == "ada@example.com"


def test_the_keys_of_the_account_are_listed_and_one_of_them_is_ended(run, there, monkeypatch):
    key = with_key(run, there, monkeypatch)
    with there.cloud(key) as cloud:
        made = cloud.create_key("device", "old\x1b laptop")
    shown = json.loads(run("account", "keys", "--json").out)
    assert set(shown) == {"schema", *SCHEMAS["account keys"]}
    (own, other) = sorted(shown["keys"], key=lambda each: not each["current"])
    assert (own["kind"], other["kind"], other["label"]) == ("account", "device", "old laptop")
    table = run("account", "keys").out
    assert own["id"] + " (this one)" in table
    assert key.reveal() not in table
    assert made.api_key not in table
    assert run("account", "end-key", other["id"]).code == 0
    assert [each["id"] for each in json.loads(run("account", "keys", "--json").out)["keys"]] == [
        own["id"]
    ]
    again = run("account", "end-key", other["id"])
    assert again.code == 2
    assert "→ arcrun account keys" in again.err
    with there.cloud(Secret(made.api_key)) as old, pytest.raises(Exception, match="not take"):
        old.me()


def test_a_key_of_a_device_does_not_end_that_of_the_account(run, there, monkeypatch):
    key = with_key(run, there, monkeypatch)
    own = json.loads(run("account", "keys", "--json").out)["keys"][0]["id"]
    with there.cloud(key) as cloud:
        monkeypatch.setenv("ARCRUN_API_KEY", cloud.create_key("device", "laptop").api_key)
    refused = run("account", "end-key", own)
    assert refused.code != 0
    assert len(json.loads(run("account", "keys", "--json").out)["keys"]) == 2


def test_a_server_of_this_machine_is_named_by_the_command_that_lets_it(run, there, monkeypatch):
    with_key(run, there, monkeypatch)
    monkeypatch.delenv("ARCRUN_ALLOW_HOSTS")
    refused = run("whoami")
    assert refused.code == 7
    assert f"export ARCRUN_ALLOW_HOSTS={there.url}" in refused.err


def test_an_account_is_deleted_by_whoever_types_its_name(run, there, monkeypatch):
    with_key(run, there, monkeypatch, email="ada@example.com")
    nobody = run("account", "delete")
    assert nobody.code == 2
    wrong = run("account", "delete", person=Told("other@example.com"))
    assert wrong.code == 1
    assert run("whoami").code == 0
    done = run("account", "delete", person=Told("ada@example.com"))
    assert done.code == 0
    assert there.database.read(lambda tx: tx.all("SELECT id FROM accounts")) == []
    assert run("whoami").code == 4


def test_a_logout_that_the_platform_does_not_hear_of_says_so(run, there, monkeypatch):
    with_key(run, there, monkeypatch)
    there.close()
    done = run("logout")
    assert done.code == 6
    assert "stays valid there" in done.err
    assert run("whoami").code == 4


def test_what_is_wrong_on_the_command_line_is_told_with_the_next_command(run, monkeypatch):
    several = run("login", "--device", "--key-stdin")
    assert (several.code, "take one" in several.err) == (2, True)
    nobody = run("login", "--no-input")
    assert nobody.code == 4
    assert "--key-stdin" in nobody.err
    monkeypatch.delenv("ARCRUN_SERVER")
    unnamed = run("login")
    assert unnamed.code == 2
    assert "arcrun serve" in unnamed.err
    as_key = run("login", "--key", "ak_x")
    assert as_key.code == 2
    assert "does not belong on the command line" in as_key.err
    assert "ak_x" not in as_key.err


def test_a_key_of_the_environment_is_no_login_that_could_be_forgotten(run, there, monkeypatch):
    with there.account() as cloud:
        monkeypatch.setenv("ARCRUN_API_KEY", cloud.key.reveal())
    assert json.loads(run("whoami", "--json").out)["source"] == "ARCRUN_API_KEY"
    done = run("logout")
    assert done.code == 1
    assert "unset ARCRUN_API_KEY" in done.err


def test_a_login_outside_of_a_job_by_its_token_says_what_is_missing(run):
    done = run("login", "--oidc", "ci_0123456789abcdef")
    assert done.code == 1
    assert "no CI job" in done.err


RECIPE = """
service: weather
primitive: static_key
display_name: Weather
description: The weather of tomorrow.
base_url: https://api.weather.example
required_secrets: [{key: weather_key, label: Key, help_url: "https://weather.example/keys"}]
inject: {header: {X-Key: "{{secret.weather_key}}"}}
test: {path: /me}
"""


def test_a_recipe_is_published_with_the_key_of_the_login(run, there, monkeypatch, tmp_path):
    with_key(run, there, monkeypatch)
    there.database.write(lambda tx: tx.run("UPDATE accounts SET role = 'recipes'"))
    path = tmp_path / "weather.yaml"
    path.write_text(RECIPE)
    done = run("recipes", "push", str(path), "--yes")
    assert done.code == 0, done.err
    with there.cloud() as nobody:
        assert nobody.ask("GET", "/auth-recipes/weather")["recipe"]["service"] == "weather"


def test_why_says_whose_app_a_login_would_use_and_what_passes_through_whom(run, there, monkeypatch):
    shown = run("why", "google_drive").out
    assert f"that of {there.url}, if it shares one; tokens pass through it" in " ".join(
        shown.split()
    )
    monkeypatch.setenv("ARCRUN_OWNERSHIP", "own")
    assert "your own" in run("why", "google_drive").out
    monkeypatch.setenv("ARCRUN_OWNERSHIP", "managed")
    monkeypatch.delenv("ARCRUN_SERVER")
    assert "none is configured" in run("why", "google_drive").out
    assert run("setup", "openai", "--ownership", "own").code == 2
