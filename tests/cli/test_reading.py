"""The commands that read: for eyes, and as JSON that keeps its promises."""

from __future__ import annotations

import json
import re

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.snippets import Snippet
from arcrun_cli.schemas import SCHEMAS
from tests import canary
from tests.cli.conftest import plain


@pytest.mark.parametrize(
    "args",
    [
        ("list",), ("test",), ("keepalive",), ("token", "demo"), ("why", "demo"),
        ("show", "notion"), ("doctor",), ("recipes", "list"), ("recipes", "lint", "recipes"),
        ("vault", "status"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_json_has_the_fields_that_the_reference_promises(connected, provider, args):
    name = " ".join(args) if " ".join(args) in SCHEMAS else args[0]
    name = "recipes lint" if args[:2] == ("recipes", "lint") else name
    if name == "recipes lint":
        args = ("recipes", "lint", str(connected.home / "recipes" / "demo.yaml"))

    ran = connected(*args, "--json")

    found = json.loads(ran.out)
    assert ran.code == 0, ran.err
    assert found.pop("schema") == 1
    assert set(found) == set(SCHEMAS[name])
    for field, text in SCHEMAS[name].items():
        for each in found[field] if isinstance(found[field], list) else ():
            if isinstance(each, dict):
                assert all(f"`{key}`" in text for key in each), (field, each)
    assert name == "token" or provider.static_key not in ran.out


def test_an_error_as_json(cli):
    ran = cli("why", "notoin", "--json")

    assert ran.code == 2
    assert json.loads(ran.out)["error"]["similar"] == ["notion"]
    assert "Did you mean" in ran.err


def test_list_shows_what_is_connected_and_no_secret(connected, provider):
    ran = connected("list")

    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[0] == ["CONNECTED", "METHOD", "ACCOUNT", "STATUS", "EXPIRES"]
    assert " ".join(rows[1]) == "demo oauth ada@example.com connected in 59 min, renews itself"
    assert rows[2][0] == "demo_static"
    assert provider.static_key not in ran.both


def test_list_with_nothing_connected_shows_what_could_be(cli):
    ran = cli("list")

    assert ran.code == 0
    assert "Nothing is connected yet." in ran.err
    assert "notion" in ran.out
    assert "productivity" in ran.out


def test_list_by_a_word(cli):
    ran = cli("list", "goo")

    assert "google_drive" in ran.out
    assert "notion" not in ran.out


def test_list_by_what_a_service_does_or_is_called(cli):
    found = [line.split()[0] for line in cli("list", "--search", "mail").out.splitlines()[1:]]
    by_alias = cli("list", "--search", "gdrive").out.splitlines()[1]

    assert {"gmail", "mailgun", "sendgrid", "microsoft_graph"} <= set(found)
    assert "notion" not in found
    assert by_alias.startswith("google_drive ")


def test_list_of_a_category(cli):
    ran = cli("list", "--category", "email")

    assert ran.out.splitlines()[0].split() == ["SERVICE", "NAME", "CATEGORY", "WAYS", "IN"]
    found = json.loads(cli("list", "--category", "email", "--json").out)["services"]
    assert {service["category"] for service in found} == {"email"}
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == [s["service"] for s in found]


def test_a_search_that_finds_nothing_says_how_to_go_on(cli):
    ran = cli("list", "--search", "qqqqqqqq")

    assert (ran.code, ran.out) == (0, "")
    assert "→ arcrun list --all" in ran.err


def test_what_is_connected_comes_first_in_what_a_search_finds(connected):
    ran = connected("list", "--search", "demo")

    assert ran.out.splitlines()[0].startswith("CONNECTED")
    assert ran.out.splitlines()[1].startswith("demo ")


def test_facts_that_nobody_confirmed_are_told(cli):
    assert "not confirmed" in cli("list", "--search", "tailscale").out
    assert "not confirmed" not in cli("list", "--search", "notion").out
    assert "not confirmed by two sources" in cli("show", "tailscale").out
    found = json.loads(cli("list", "--search", "tailscale", "--json").out)["services"]
    assert [found[0]["service"], found[0]["confirmed"]] == ["tailscale", False]


def test_services_of_one_account_are_one_connection(cli):
    key = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    ran = cli("list", **key)

    rows = [line for line in ran.out.splitlines() if "connected" in line]
    assert len(rows) == 1
    assert rows[0].startswith("aws ")
    assert "aws serves aws_bedrock_runtime, aws_dynamodb" in ran.out


def test_columns_that_do_not_fit_become_lines(connected):
    child = connected.terminal("list", COLUMNS="48")
    shown = plain(child.read())
    child.wait()

    lines = shown.splitlines()
    assert "demo" in lines
    assert any("ada@example.com" in line for line in lines)
    assert [line for line in lines if len(line) > 48] == []


def test_what_a_search_finds_is_whole_on_a_narrow_terminal(cli):
    for args in (("list", "gmail"), ("recipes", "list", "gmail")):
        child = cli.terminal(*args, COLUMNS="40")
        shown = plain(child.read())
        child.wait()
        assert "\ngmail\n  Gmail; google; oauth, service_account," in f"\n{shown}"
        assert "…" not in shown


def test_list_all_has_both(connected):
    ran = connected("list", "--all")

    assert "ada@example.com" in ran.out
    assert "google_drive" in ran.out


def test_list_fits_a_terminal_of_80_columns(connected):
    child = connected.terminal("list", "--all")
    shown = plain(child.read())
    child.wait()

    assert child.exitstatus == 0
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_an_instance_of_the_environment_is_connected_too(cli):
    ran = cli("list", ARCRUN_NOTION_TOKEN="ntn_x")

    assert "notion" in ran.out.splitlines()[1]
    assert "ntn_x" not in ran.both


def test_test_tries_everything_and_says_whose_account_it_is(connected, provider):
    ran = connected("test")

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "✓ ok    demo         ada@example.com",
        "✓ ok    demo_static  Demo workspace",
    ]


def test_test_of_one_that_is_refused_ends_with_5_and_the_way_on(connected, provider):
    provider.static_key = "another"  # the old one is void from now on

    ran = connected("test", "demo_static")

    assert ran.code == 5
    assert "fail" in ran.out
    assert "→ arcrun setup demo_static" in ran.out


def test_test_goes_on_after_a_failure_and_ends_with_the_worst_code(connected, provider):
    provider.static_key = "another"

    found = json.loads((ran := connected("test", "--json")).out)

    assert ran.code == 5
    assert [(r["name"], r["ok"]) for r in found["results"]] == [
        ("demo", True),
        ("demo_static", False),
    ]


def test_test_of_a_host_that_is_away_ends_with_6(cli):
    ran = cli("test", "notion", ARCRUN_NOTION_TOKEN="ntn_x")

    assert ran.code == 6
    assert "cannot be reached" in ran.out


def test_test_with_nothing_connected(cli):
    ran = cli("test")

    assert (ran.code, ran.out) == (0, "")
    assert "Nothing is connected yet." in ran.err


def test_why_names_sources_hosts_and_scopes(connected, provider):
    host = provider.issuer.removeprefix("http://")

    ran = connected("why", "demo")

    assert ran.code == 0
    assert host.partition(":")[0] in ran.out
    for said in ("ada@example.com", "from the vault", "and to no other host", "read, write",
                 "then renewed by itself", "local"):  # fmt: skip
        assert said in ran.out


def test_why_names_the_variable_and_not_the_value(cli):
    ran = cli("why", "notion", NOTION_TOKEN="ntn_x")

    assert "NOTION_TOKEN" in ran.out
    assert "ntn_x" not in ran.both


def test_why_of_what_is_not_connected_says_how(cli):
    ran = cli("why", "notion")

    assert ran.code == 0
    assert "not connected" in ran.out
    assert "→ arcrun setup notion" in ran.err


def test_show_says_where_a_token_is_got_and_asks_for_no_param_that_is_found(cli):
    assert "token from  hub.docker.com\n" in cli("show", "docker_hub").out
    ghost = cli("show", "ghost").out
    assert "\n--param ghost_site  " in ghost
    assert "token from" not in ghost


def test_show_says_what_the_recipe_says(cli):
    ran = cli("show", "notion")

    for said in ("Notion", "arcrun setup notion --method oauth", "notion_token",
                 "https://www.notion.so/my-integrations", "api.notion.com"):  # fmt: skip
        assert said in ran.out


def test_snippets_of_every_service_are_python(tmp_path):
    catalog = Catalog(tmp_path)
    for service in catalog.names():
        for text in (
            Snippet(catalog.recipe(service)).client(asynchronous=False),
            Snippet(catalog.recipe(service)).client(asynchronous=True),
            Snippet(catalog.recipe(service)).with_sdk("requests"),
        ):
            compile(text, service, "exec")
            assert f'"{service}"' in text
            long = [line for line in text.splitlines() if len(line) > 110]
            assert [line for line in long if not line.strip().startswith('"https://')] == []
            assert "{{" not in text, service


@pytest.mark.parametrize("options", [(), ("--async",)])
def test_a_snippet_is_printed_as_it_is(cli, options):
    ran = cli("snippet", "notion", *options)

    compile(ran.out, "notion", "exec")
    assert ("await" in ran.out) is bool(options)


def test_a_snippet_runs_as_it_is(connected, tmp_path):
    import subprocess
    import sys

    code = connected("snippet", "demo").out
    done = subprocess.run(
        [sys.executable, "-c", code], env=connected.env, capture_output=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert b"ada@example.com" in done.stdout


def test_no_colour_reaches_a_pipe_and_a_terminal_may_refuse_it(connected):
    assert "\x1b" not in connected("list").both
    assert "\x1b[" in connected("list", CLICOLOR_FORCE="1").out

    child = connected.terminal("list", NO_COLOR="1")
    assert "\x1b" not in child.read()
    child.wait()


def test_a_key_that_nobody_could_try_is_told_as_untested_everywhere(cli):
    secret = "ntn_" + canary.fresh().replace("-", "")
    ran = cli("setup", "notion", "--stdin", "--no-input", stdin=secret)
    assert ran.code == 0, ran.both

    assert re.search(r"notion +key +untested\n", cli("list").out)
    assert re.search(r"notion +key +untested\n", cli("show", "notion").out)
    ran = cli("why", "notion")
    assert "notion  ! untested" in ran.out
    assert ran.err.endswith("→ arcrun test notion\n")
    found = json.loads(cli("list", "notion", "--json").out)["services"]
    assert [i["status"] for s in found for i in s["instances"]] == ["untested"]
