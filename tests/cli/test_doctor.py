"""`arcrun doctor`: each line a state, a reason and a way on."""

from __future__ import annotations

import json

import pytest

from arcrun_auth.settings import Settings
from arcrun_auth.surroundings import Surroundings
from arcrun_cli import health


def checks(ran) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for check in json.loads(ran.out)["checks"]:
        found.setdefault(check["name"], []).append(check)
    return found


def test_every_check_has_a_line_and_nothing_is_sent(connected, provider):
    before = provider.requests.total()

    ran = connected("doctor", "--json")

    found = checks(ran)
    assert set(health.CHECKS) | {"keyring"} == set(found)
    assert all(c["state"] in ("ok", "warn", "fail") for lines in found.values() for c in lines)
    assert found["vault"][0]["message"].startswith("2 records, opened by key:")
    assert (ran.code, provider.requests.total()) == (0, before)


def test_for_eyes_every_line_has_its_word(cli):
    ran = cli("doctor")

    assert ran.code == 0
    assert all(line.split()[1] in ("ok", "warn", "fail")
               for line in ran.out.splitlines() if not line.startswith(" "))  # fmt: skip


def test_a_vault_that_does_not_open_is_a_failure(connected, tmp_path):
    other = tmp_path / "given" / "other"
    other.write_text("A" * 43 + "=")
    other.chmod(0o600)

    ran = connected("doctor", "--json", ARCRUN_MASTER_KEY_FILE=str(other))

    vault = checks(ran)["vault"][0]
    assert ran.code == 1
    assert (vault["state"], bool(vault["hint"])) == ("fail", True)


@pytest.mark.parametrize(
    ("env", "name", "state", "said"),
    [
        ({"SSL_CERT_FILE": "/nowhere.pem"}, "network", "fail", "/nowhere.pem"),
        ({"HTTPS_PROXY": "http://u:hidden@proxy:1"}, "network", "ok", "HTTPS_PROXY=http://proxy:1"),
        ({"ARCRUN_STORE": "paper"}, "settings", "fail", "paper"),
        ({"CLAUDECODE": "1"}, "agent", "ok", "CLAUDECODE"),
        ({"BROWSER": "true"}, "browser", "ok", "can open one"),
        ({"CLAUDECODE": "1"}, "place", "ok", "agent; ways in: none, since nobody"),
        ({"ARCRUN_INTERACTIVE": "1"}, "place", "ok", "keys on a page of it"),
    ],
)
def test_what_the_environment_says(cli, env, name, state, said):
    ran = cli("doctor", "--json", **env)

    assert any(c["state"] == state and said in c["message"] for c in checks(ran)[name]), ran.out
    assert "hidden" not in ran.both
    assert ran.code == (1 if state == "fail" else 0)


def test_a_home_that_others_can_read(cli):
    cli.home.mkdir(mode=0o755)
    cli.home.chmod(0o755)

    home = checks(cli("doctor", "--json"))["home"][0]

    assert (home["state"], home["hint"]) == ("warn", f"chmod 700 {cli.home}")


def test_a_recipe_that_is_not_usable(cli):
    (cli.home / "recipes").mkdir(parents=True, mode=0o700)
    (cli.home / "recipes" / "x.yaml").write_text("service: x\n")

    found = checks(cli("doctor", "--json"))["recipes"]

    assert [c["state"] for c in found] == ["ok", "warn"]
    assert "arcrun recipes lint" in found[1]["hint"]


def test_somebody_else_s_package_of_the_name_is_told(cli, tmp_path):
    package = tmp_path / "given" / "arcrun"
    package.mkdir()
    (package / "__init__.py").write_text("")

    found = checks(cli("doctor", "--json", PYTHONPATH=str(package.parent)))["import"][0]

    assert found["state"] == "warn"
    assert "import arcrun_auth as auth" in found["hint"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy:1", "http://proxy:1"),
        ("http://user:p@ss@proxy:1", "http://proxy:1"),
        ("proxy:1", "proxy:1"),
    ],
)
def test_a_proxy_is_shown_without_its_password(url, shown):
    assert health.without_password(url) == shown


def test_a_vault_that_others_could_read_is_told_and_mended(connected):
    file = connected.home / "secrets.db"
    file.chmod(0o644)

    vault = checks(connected("doctor", "--json"))["vault"]

    assert [c["state"] for c in vault] == ["warn", "ok"]
    assert "mode 644" in vault[0]["message"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_vault_that_is_no_vault_any_more(connected):
    (connected.home / "secrets.db").write_bytes(b"nothing of ours " * 500)

    ran = connected("doctor", "--json")

    assert ran.code == 1
    assert [c["state"] for c in checks(ran)["vault"]] == ["fail", "warn"]
    assert "damaged" in connected("vault", "status").out
    assert list(connected.home.glob("secrets.db.corrupt-*"))


def test_where_a_keyring_could_keep_the_key(monkeypatch, cli):
    from arcrun_auth import Broker
    from arcrun_auth.stores import keyring_backend
    from arcrun_cli import safe

    class Keyring:
        def why_not(self) -> None:
            return None

    monkeypatch.setattr(keyring_backend, "system", lambda _: Keyring())

    keyring, vault = safe.examine(Broker(home=str(cli.home), environ=cli.env))

    assert (keyring.name, keyring.state) == ("keyring", "ok")
    assert (vault.name, vault.state) == ("vault", "ok")


SSH = Surroundings(("ssh",), elsewhere=True, ssh_target="ada@192.0.2.9")


@pytest.mark.parametrize(
    ("seen", "reach", "ways"),
    [
        (SSH, None, ["none, since nobody can be asked here"]),
        (Surroundings(browser=True), "desktop", ["a browser", "keys on a page of it"]),
        (
            Surroundings(browser=True),
            "terminal",
            ["a browser", "its last address pasted here", "keys typed here"],
        ),
        (
            SSH,
            "terminal",
            [
                "a browser on another machine",
                "--port 8423 and a tunnel (ssh -N -L 8423:127.0.0.1:8423 ada@192.0.2.9)",
                "its last address pasted here",
                "keys typed here",
            ],
        ),
    ],
)
def test_how_one_gets_in_depends_on_where_one_is(seen, reach, ways):
    assert health.ways_in(seen, reach) == ways


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604])
def test_a_file_with_the_secret_of_an_app_is_nobody_elses_to_read(tmp_path, mode):
    (tmp_path / "secret one").write_text("x")
    (tmp_path / "client.json").write_text("{}")
    (tmp_path / "config.toml").write_text(
        '[apps.a]\nclient_id = "x"\nclient_secret_file = "secret one"\nkey_id = "k"\n'
        '[apps.b]\nprivate_key_file = "not there"\n'
    )
    for name in ("secret one", "client.json"):
        (tmp_path / name).chmod(mode)
    given = {"ARCRUN_B_CLIENT_FILE": str(tmp_path / "client.json")}
    here = Settings(str(tmp_path), environ=given)
    found = list(health._app_files(here))
    assert [f.hint for f in found] == (
        []
        if mode == 0o600
        else [f"chmod 600 {tmp_path}/client.json", f"chmod 600 '{tmp_path}/secret one'"]
    )
