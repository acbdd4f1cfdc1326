"""`arcrun keepalive`, and the ends that every listing tells of."""

from __future__ import annotations

import json
import plistlib
import shlex
import time

import pytest

from arcrun_auth import Broker
from arcrun_auth.errors import AuthError
from arcrun_auth.lifetimes import DAY
from arcrun_auth.stores.memory import Memory
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Key
from arcrun_cli import daily, health, programs
from tests.cli.conftest import plain

KEY = Key("credential", "demo")


def change(cli, key=KEY, *, grant=None, **fields) -> None:
    """The stored record, changed as time or another program would have."""
    broker = Broker(home=str(cli.home), environ=cli.env)
    record = broker.store.get(key)
    if grant is not None:
        fields["grant"] = record.grant.replace(**grant)
    broker.store.put(record.replace(**fields), expect=record.generation)
    broker.close()


# -- renewing ------------------------------------------------------------------------------


def test_what_is_due_is_renewed_and_the_rest_is_left(connected, provider):
    ran = connected("keepalive", "--no-input")
    assert (ran.code, provider.refreshes) == (0, 0)
    assert ran.out.splitlines() == [
        "✓ ok    demo         not due yet", "✓ ok    demo_static  nothing to renew",
    ]  # fmt: skip

    change(connected, grant={"issued": time.time() - 8 * DAY})
    ran = connected("keepalive")
    assert (ran.code, provider.refreshes) == (0, 1)
    assert ran.out.splitlines()[0] == "✓ ok    demo         renewed"


def test_a_login_that_has_ended_ends_with_4_and_the_others_are_renewed(connected, provider):
    change(connected, grant={"dead": "revoked"})

    ran = connected("keepalive")
    assert ran.code == 4
    assert "✗ fail  demo         demo: this login has ended." in ran.out
    assert "        → arcrun setup demo" in ran.out
    assert "✓ ok    demo_static" in ran.out

    asked = connected("keepalive", "--json")
    found = json.loads(asked.out)["results"]
    assert [each["error"] for each in found] == ["LoginRequired", None]
    assert found[0]["hint"] == "arcrun setup demo"
    assert asked.code == 4


def test_the_worst_failure_decides(connected, provider):
    change(connected, grant={"issued": time.time() - 8 * DAY})
    provider.fail_next(1, 503)

    assert connected("keepalive").code == 6
    assert provider.refreshes == 0


def test_with_nothing_connected_it_says_so(cli):
    ran = cli("keepalive")

    assert (ran.code, ran.out) == (0, "")
    assert "Nothing is connected yet." in ran.err


# -- what ends is told ---------------------------------------------------------------------


def test_every_listing_warns_with_the_command_to_type(connected):
    change(connected, Key("credential", "demo_static"), ends=time.time() + 12.5 * DAY)

    for args in (("list",), ("why", "demo_static"), ("keepalive",)):
        ran = connected(*args)
        assert ran.code == 0
        assert "! demo_static: the key ends in 12 days\n" in ran.err
        assert "  → arcrun setup demo_static\n" in ran.err
    found = json.loads(connected("doctor", "--json").out)["checks"]
    (logins,) = [check for check in found if check["name"] == "logins"]
    assert logins["state"] == "warn"
    assert logins["message"] == "demo_static: the key ends in 12 days"
    assert logins["hint"] == "arcrun setup demo_static"
    assert "key ends in 12 days" in connected("list").out
    assert "the key in 12 days, on " in connected("why", "demo_static").out


def test_json_has_all_the_times(connected):
    end = time.time() + 12.5 * DAY
    change(connected, grant={"refresh_expires": end})

    shown = json.loads(connected("why", "demo", "--json").out)
    services = json.loads(connected("list", "--json").out)["services"]
    (listed,) = next(each["instances"] for each in services if each["service"] == "demo")

    for found in (shown, listed):
        assert found["refresh_expires_at"].startswith(time.strftime("%Y-%m-%d", time.gmtime(end)))
        assert (found["can_renew"], found["can_extend"]) == (True, True)
        assert (found["secret_expires_at"], found["warnings"]) == (None, [])
    assert "the login in 12 days, on " in connected("why", "demo").out
    assert "put off by each renewal" in connected("why", "demo").out


@pytest.mark.parametrize(
    ("grant", "shown"),
    [
        ({}, "in 59 min, renews itself"),
        ({"expires": 1.0}, "renews itself"),
        ({"refresh_token": None}, "in 59 min"),
        ({"expires": None}, ""),
        ({"refresh_token": None, "refresh_expires": 12.5}, "login ends in 12 days"),
        ({"refresh_token": None, "refresh_expires": -1.5}, "login ended 1 day ago"),
    ],
)
def test_the_list_says_what_matters_of_an_end(connected, grant, shown):
    now = time.time()
    if "refresh_expires" in grant:
        grant = {**grant, "refresh_expires": now + grant["refresh_expires"] * DAY}
    change(connected, grant=grant)

    row = connected("list").out.splitlines()[1]
    assert row.split("  ")[0] == "demo"
    assert row.endswith(shown)
    assert shown or row.endswith(("connected", "expired"))


def test_a_list_with_warnings_fits_a_terminal(connected):
    change(connected, Key("credential", "demo_static"), ends=time.time() + 12.5 * DAY)

    child = connected.terminal("list")
    lines = plain(child.read()).splitlines()
    child.wait()
    assert "renews itself" in lines[1]
    assert [line for line in lines if len(line) > 80] == []


def test_the_end_of_a_key_can_be_said_at_setup(served, provider):
    ran = served(
        "setup", "demo_static", "--stdin", "--no-input", "--expires", "2999-12-31",
        stdin=provider.static_key,
    )  # fmt: skip
    assert ran.code == 7  # a recipe of one's own wants a person's agreement

    wrong = served("setup", "demo_static", "--expires", "cAnArY-9f-no-date")
    assert wrong.code == 2
    assert "--expires takes a date" in wrong.err
    assert "cAnArY" not in wrong.both


def test_the_end_of_a_key_that_was_said_is_shown(cli):
    proxyless = {"HTTPS_PROXY": "http://127.0.0.1:9"}
    ran = cli(
        "setup", "notion", "--stdin", "--no-input", "--expires", "2999-12-31",
        stdin="ntn_example0000", **proxyless,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert json.loads(cli("why", "notion", "--json").out)["secret_expires_at"].startswith(
        "2999-12-31"
    )


def test_the_doctor_counts_what_is_well(connected):
    found = json.loads(connected("doctor", "--json").out)["checks"]
    (logins,) = [check for check in found if check["name"] == "logins"]
    assert (logins["state"], logins["message"]) == ("ok", "2 connections, none ends soon")
    assert "logins" in health.CHECKS


# -- the daily job -------------------------------------------------------------------------


def test_a_job_is_printed_and_nothing_is_changed(connected):
    before = sorted(path.name for path in connected.folder.rglob("*"))
    for kind in daily.KINDS:
        ran = connected("keepalive", "--install", kind)
        assert ran.code == 0
        assert "keepalive" in ran.out
        assert "--no-input" in ran.out
        assert str(connected.home) in ran.out
        assert connected.env["ARCRUN_MASTER_KEY_FILE"] in ran.out
        assert "would not open" not in ran.err
    assert sorted(path.name for path in connected.folder.rglob("*")) == before


def test_a_vault_that_only_a_passphrase_opens_is_told(cli):
    child = cli.terminal("vault", "init", ARCRUN_MASTER_KEY_FILE="")
    for question in ("New passphrase for the vault: ", "Once more: "):
        child.expect_exact(question)
        child.waitnoecho()
        child.sendline("correct horse battery staple")
    child.read()
    child.wait()

    ran = cli("keepalive", "--install", "systemd", ARCRUN_MASTER_KEY_FILE="")
    assert ran.code == 0
    assert "the vault would not open there" in ran.err
    assert "ARCRUN_MASTER_KEY_FILE" in ran.err


@pytest.mark.parametrize("kind", ["systemd", "launchd"])
def test_a_command_to_copy_stands_whole_on_its_line(kind):
    from arcrun_cli import daily, ui

    commands = [line for line in daily._THEN[kind].split("\n") if line.startswith("  ")]
    assert commands
    assert all(ui.wrap(line, ui.WIDTH) == line for line in commands)


COMMAND = ["/opt/my tools/100%/arcrun", "keepalive"]
ENVIRON = {"ARCRUN_HOME": '/home/ada/a "b" \\ $c%'}


def test_systemd_reads_back_what_was_meant():
    made = daily.systemd(COMMAND, ENVIRON)
    lines = dict(line.split("=", 1) for line in made.splitlines() if "=" in line)
    assert lines["ExecStart"] == '"/opt/my tools/100%%/arcrun" keepalive'
    assert lines["Environment"] == '"ARCRUN_HOME=/home/ada/a \\"b\\" \\\\ $c%%"'
    assert lines["Persistent"] == "true"
    assert daily.systemd(["/x/$y"], {}).count("$$y") == 1


def test_cron_reads_back_what_was_meant():
    line = daily.cron(COMMAND, ENVIRON)
    assert line.startswith("17 9 * * * ")
    assert "%" not in line.replace("\\%", "")
    words = shlex.split(line.split(" ", 5)[5].replace("\\%", "%"))
    assert words == [f"ARCRUN_HOME={ENVIRON['ARCRUN_HOME']}", *COMMAND]


def test_launchd_reads_back_what_was_meant():
    job = plistlib.loads(daily.launchd(COMMAND, ENVIRON).encode())
    assert job["ProgramArguments"] == COMMAND
    assert job["EnvironmentVariables"] == ENVIRON
    assert job["StartCalendarInterval"] == {"Hour": 9, "Minute": 17}
    assert "EnvironmentVariables" not in plistlib.loads(daily.launchd(COMMAND, {}).encode())


@pytest.mark.parametrize("kind", daily.KINDS)
@pytest.mark.parametrize("name", daily.VARIABLES)
def test_a_path_with_a_second_line_makes_no_job(capsys, tmp_path, kind, name):
    """A crontab has one job a line, whatever the quotes say."""
    path = f"{tmp_path}/x\nExecStartPost=/bin/other\n* * * * * other"
    here = Broker(home=str(tmp_path), environ={name: path, "ARCRUN_KEYRING": "off"})
    with pytest.raises(AuthError, match="can stand in no job"):
        daily.show(kind, here)
    assert capsys.readouterr().out == ""


def test_the_command_is_found_by_its_absolute_path(monkeypatch, tmp_path):
    program = tmp_path / "arcrun"
    program.write_text("")
    program.chmod(0o700)
    monkeypatch.setattr(programs.sys, "argv", [str(program)])
    assert programs.executable() == [str(program)]

    monkeypatch.setattr(programs.sys, "argv", ["/nowhere/__main__.py"])
    monkeypatch.setattr(programs.sys, "executable", str(tmp_path / "python"))
    assert programs.executable() == [str(program)]

    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.executable() == [str(tmp_path / "python"), "-m", "arcrun_cli"]


FILE = {"ARCRUN_MASTER_KEY_FILE": "/k"}


@pytest.mark.parametrize(
    ("kinds", "environ", "kind", "said"),
    [
        ((), {}, "systemd", ""),
        (("keyring",), {}, "systemd", ""),
        (("keyring",), {}, "cron", "outside your session"),
        (("keyring",), {"ARCRUN_KEYRING": "off"}, "launchd", "would not open"),
        (("passphrase",), {}, "launchd", "would not open"),
        (("passphrase",), FILE, "cron", "would not open"),
        (("passphrase", "key"), FILE, "cron", ""),
    ],
)
def test_whether_the_vault_opens_there(monkeypatch, kinds, environ, kind, said):
    class Fake(Vault):
        """Only what is looked at: a keyring cannot be had in a test."""

        def __init__(self) -> None:
            pass

        def status(self):
            return {"slots": [{"number": 1, "kind": each} for each in kinds]}

    monkeypatch.setattr(daily.sys, "platform", "linux")
    here = Broker(home="/nowhere", environ=environ, store=Fake())
    found = daily.why_locked(kind, here) or ""
    assert bool(found) == bool(said)
    assert said in found


def test_another_store_has_no_vault_to_open(tmp_path):
    assert daily.why_locked("cron", Broker(home=str(tmp_path), store=Memory(), environ={})) is None
