"""A project that declares what it needs: `arcrun setup` without a name, and `arcrun check`."""

from __future__ import annotations

import json
import sys
import threading

import pytest

from arcrun_cli.schemas import SCHEMAS
from tests.cli.conftest import plain

no_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def declare(cli, services: str) -> str:
    """Makes the folder that commands are typed in a project's, below its own."""
    cli.cwd = cli.folder / "project" / "src"
    cli.cwd.mkdir(parents=True)
    file = cli.folder / "project" / "pyproject.toml"
    file.write_text(f"[tool.arcrun]\nservices = {services}\n")
    return str(file)


def finish(child) -> str:
    import pexpect

    child.expect(pexpect.EOF)
    child.wait()
    return plain(child.before)


# -- setup ---------------------------------------------------------------------------------


@no_terminal
def test_a_bare_setup_connects_what_is_missing_and_skips_the_rest(connected, provider):
    declare(connected, '["demo", "demo_static@work", "demo_static"]')
    child = connected.terminal("setup")
    child.expect_exact("demo is connected already: skipped.")
    child.expect_exact("Connect demo_static@work? [y/N]:")
    child.sendline("y")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("Demo key:")
    child.waitnoecho()
    child.sendline(provider.static_key)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "demo_static is connected already: skipped." in said
    assert "1 connected, 2 skipped, 0 failed." in said
    assert connected("token", "demo_static@work").out == provider.static_key + "\n"


@no_terminal
def test_one_that_fails_does_not_stop_the_others_and_its_code_is_the_last_word(served, provider):
    declare(served, '["demo_statik", "demo", "demo_static"]')
    child = served.terminal("setup")
    child.expect_exact("There is no recipe for 'demo_statik'.")
    child.expect_exact("Connect demo? [y/N]:")
    child.sendline("n")
    child.expect_exact("Connect demo_static? [y/N]:")
    child.sendline("y")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("Demo key:")
    child.waitnoecho()
    child.sendline(provider.static_key)
    said = finish(child)

    assert child.exitstatus == 2
    assert "1 connected, 0 skipped, 2 failed: demo_statik, demo." in said


def log_in(child, provider) -> str:
    child.expect(r"(http://127\.0\.0\.1:\d+/authorize\S*)\r\n")
    threading.Thread(target=provider.follow, args=(child.match[1],), daemon=True).start()
    return finish(child)


@no_terminal
def test_declared_scopes_are_asked_for_beside_those_that_are_there(connected, provider):
    declare(connected, '[{name = "demo", scopes = ["read", "more"]}]')
    child = connected.terminal("setup")
    child.expect_exact("Connect demo with the scopes read, more? [y/N]:")
    child.sendline("y")
    said = log_in(child, provider)

    assert child.exitstatus == 0, said
    assert provider.authorizations[-1]["scope"].split() == ["read", "write", "more"]
    assert connected("check").code == 0


@no_terminal
def test_ctrl_c_ends_all_of_it(served):
    declare(served, '["demo_static", "demo"]')
    child = served.terminal("setup")
    child.expect_exact("Connect demo_static?")
    child.sendintr()
    said = finish(child)

    assert child.exitstatus == 130
    assert "Connect demo?" not in said


def test_where_nobody_is_each_says_what_it_needs(served):
    file = declare(served, '["demo_static", "demo@work"]')
    ran = served("setup", "--no-input")

    assert ran.code == 7  # nobody can agree to the recipe, which is none of ours
    assert f"{file} declares 2 services." in ran.err
    assert "0 connected, 0 skipped, 2 failed: demo_static, demo@work." in ran.err

    ran = served("setup", "--no-input", ARCRUN_DEMO_STATIC_KEY="demo_x")
    assert "demo_static is connected already: skipped." in ran.err


@pytest.mark.parametrize("command", ["setup", "check"])
@pytest.mark.parametrize("services", [None, "[]"])
def test_where_nothing_is_declared_it_says_what_to_write(cli, command, services):
    if services is None:
        cli.cwd = cli.folder
    else:
        declare(cli, services)
    ran = cli(command)

    assert ran.code == 2
    assert '[tool.arcrun]\nservices = ["notion", "google_drive@work"]' in ran.err


@pytest.mark.parametrize(
    "options",
    [("--method", "key"), ("--scopes", "x"), ("--stdin",), ("--port", "4000"), ("--param", "a=b"),
     ("--client-file", "x"), ("--force",)],
    ids=lambda options: options[0],
)  # fmt: skip
def test_options_for_one_service_are_refused_without_one(served, options):
    declare(served, '["demo"]')
    ran = served("setup", *options)

    assert ran.code == 2
    assert f"{options[0]} is for one service" in ran.err


# -- check ---------------------------------------------------------------------------------


def test_check_is_0_where_all_is_there(connected, provider):
    file = declare(connected, '["demo", "demo_static"]')
    before = provider.requests.total()
    ran = connected("check")

    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        "✓ ok    demo         connected",
        "✓ ok    demo_static  connected",
    ]
    assert ran.err == f"2 of 2 can be used; declared in {file}.\n"
    assert provider.requests.total() == before


def test_check_says_what_is_missing_and_ends_with_4(connected):
    declare(connected, '["demo", "demo_static@work"]')
    ran = connected("check")

    assert ran.code == 4
    assert "fail  demo_static@work  not connected (demo_static_key)" in ran.out
    assert "→ arcrun setup demo_static@work" in ran.out
    assert "1 of 2 can be used" in ran.err


def test_an_expired_token_that_is_renewed_by_itself_is_no_fault(connected):
    from arcrun_auth import Broker
    from arcrun_auth.tokens import Key

    declare(connected, '["demo"]')
    broker = Broker(home=str(connected.home), environ=connected.env)
    record = broker.store.get(Key("credential", "demo"))
    assert record is not None
    assert record.grant is not None
    ended = record.replace(grant=record.grant.replace(expires=record.grant.issued))
    broker.store.put(ended, expect=record.generation)
    broker.close()

    ran = connected("check")
    assert (ran.code, "expired, and renewed at its next use" in ran.out) == (0, True)


def test_check_as_json_has_the_fields_that_the_reference_promises(connected, provider):
    file = declare(connected, '["demo", "demo_static@work", "demmo"]')
    ran = connected("check", "--json")
    found = json.loads(ran.out)

    assert ran.code == 2  # a name that is wrong comes before what is missing
    assert found.pop("schema") == 1
    assert set(found) == set(SCHEMAS["check"])
    assert (found["project"], found["ok"]) == (file, False)
    assert found["services"][:2] == [
        {"name": "demo", "status": "connected", "ok": True, "missing": [],
         "error": None, "message": None, "hint": None},
        {"name": "demo_static@work", "status": "not connected", "ok": False,
         "missing": ["demo_static_key"], "error": "MissingSecret",
         "message": "demo_static@work needs its Demo key (demo_static_key), and it is nowhere.",
         "hint": "arcrun setup demo_static@work"},
    ]  # fmt: skip
    assert found["services"][2]["status"] == "unknown service"
    for key in found["services"][0]:
        assert f"`{key}`" in SCHEMAS["check"]["services"]
    assert provider.static_key not in ran.both


def test_a_recipe_that_nobody_agreed_to_ends_with_7(served):
    declare(served, '["demo_static"]')
    del served.env["ARCRUN_ALLOW_HOSTS"]
    ran = served("check", ARCRUN_DEMO_STATIC_KEY="demo_x")

    assert ran.code == 7
    assert "not agreed" in ran.out


def test_a_service_that_was_closed_ends_with_1(served):
    text = (served.home / "recipes" / "demo.yaml").read_text()
    (served.home / "recipes" / "demo.yaml").write_text(text + "status: closed\n")
    declare(served, '["demo"]')
    ran = served("check")

    assert ran.code == 1
    assert "unusable" in ran.out
    assert "has been shut down" in ran.out


def test_a_locked_vault_is_an_error_of_its_own(connected):
    declare(connected, '["demo"]')
    del connected.env["ARCRUN_MASTER_KEY_FILE"]
    assert connected("check").code == 4


def test_a_wrong_file_is_named(cli):
    file = declare(cli, '"notion"')
    for command in ("check", "setup"):
        ran = cli(command)
        assert ran.code == 1
        assert f"{file}: services is no list." in ran.err


# -- which instance a plain name means -----------------------------------------------------


def test_a_plain_name_means_the_declared_instance(connected):
    file = declare(connected, '["demo_static@work"]')
    work = {"ARCRUN_DEMO_STATIC__WORK__KEY": "demo_of_work"}

    assert connected("token", "demo_static", **work).out == "demo_of_work\n"
    why = connected("why", "demo_static", **work)
    assert "demo_static@work" in why.out
    assert f"chosen by   {file}" in why.out
    assert json.loads(connected("why", "demo_static", "--json").out)["project"] == file
    assert connected("token", "demo_static", ARCRUN_PROJECT="0", **work).out != "demo_of_work\n"


def test_the_default_instance_keeps_a_name_that_leads_to_it(connected, provider):
    declare(connected, '["demo_static@work"]')

    assert connected("token", "demo_static@default").out == provider.static_key + "\n"
    assert "demo_static@default" in connected("list").out
    assert "ok    demo_static@default" in connected("test").out
    assert "demo_static@default  " in connected("why", "demo_static@default").out


@no_terminal
def test_remove_and_replace_name_the_instance_they_are_about(connected, provider):
    declare(connected, '["demo@default", "demo_static@work"]')
    ran = connected("remove", "demo_static", "--yes", ARCRUN_DEMO_STATIC__WORK__KEY="demo_x")
    assert "demo_static@work comes from the environment" in ran.err

    child = connected.terminal("remove", "demo")
    child.expect_exact("Forget demo (ada@example.com)?")
    child.sendline("n")
    finish(child)


def test_a_project_of_two_instances_chooses_none(connected, provider):
    declare(connected, '["demo_static@work", "demo_static@home"]')

    assert connected("token", "demo_static").out == provider.static_key + "\n"
