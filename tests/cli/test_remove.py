"""`arcrun remove --revoke` and `--all`: what the provider is told, and what people are."""

from __future__ import annotations

import pytest

from arcrun_auth.broker import Broker
from arcrun_cli.commands import removing
from tests.cli.test_setup import finish


def test_revoke_ends_the_login_at_the_provider(connected, provider):
    ran = connected("remove", "demo", "--revoke", "--yes")

    assert (ran.code, provider.families_revoked) == (0, 1)
    assert "✓ demo is forgotten here." in ran.err
    assert "✓ Demo has ended the login." in ran.err
    assert "It may still work" not in ran.err
    assert connected("token", "demo").code == 4


def test_without_it_the_provider_is_not_told_and_the_option_is_named(connected, provider):
    ran = connected("remove", "demo", "--yes")

    assert (ran.code, provider.families_revoked) == (0, 0)
    assert "It may still work at Demo: end it there as well" in ran.err
    assert "arcrun remove demo --revoke" in ran.err


def test_a_key_is_ended_by_hand_and_no_option_is_named(connected):
    ran = connected("remove", "demo_static", "--revoke", "--yes")

    assert ran.code == 0
    assert "It may still work at Demo with a key" in ran.err
    assert "--revoke" not in ran.err


def test_the_page_to_end_it_by_hand_is_the_key_s_or_the_app_s(tmp_path):
    here = Broker(home=str(tmp_path), environ={})
    pages = {name: removing._by_hand(here, here.why(name)) for name in ("notion", "gmail")}
    assert pages["notion"] == ("Notion", "https://www.notion.so/my-integrations")
    assert pages["gmail"] == ("Gmail", "https://console.cloud.google.com/auth/clients")
    here.close()


def test_where_the_provider_is_away_what_is_here_goes_and_that_is_said(connected, provider):
    provider.__exit__()

    ran = connected("remove", "demo", "--revoke", "--yes")
    assert ran.code == 6
    assert "✓ demo is forgotten here." in ran.err
    assert "! Demo was not told: 127.0.0.1 could not be reached" in ran.err
    assert "end it there as well" in ran.err
    assert connected("token", "demo").code == 4


def test_all_asks_once_names_them_and_forgets_everything(connected, provider):
    child = connected.terminal("remove", "--all", "--revoke")
    child.expect_exact("Forget all connections (demo, demo_static)?")
    child.sendline("y")
    said = finish(child)

    assert child.exitstatus == 0
    assert "Demo has ended the login." in said
    assert "demo_static is forgotten here." in said
    assert provider.families_revoked == 1
    again = connected("remove", "--all", "--yes")
    assert (again.code, "Nothing is connected" in again.err) == (0, True)


def test_no_leaves_everything_as_it_is(connected, provider):
    child = connected.terminal("remove", "--all")
    child.expect_exact("Forget all connections")
    child.sendline("n")
    said = finish(child)

    assert child.exitstatus == 1
    assert "left as it is" in said
    assert connected("token", "demo").code == 0


def test_all_without_anybody_wants_yes(connected):
    ran = connected("remove", "--all")

    assert ran.code == 2
    assert "  → arcrun remove --all --yes" in ran.err


@pytest.mark.parametrize("args", [(), ("demo", "--all")])
def test_it_is_one_or_all(connected, args):
    ran = connected("remove", *args, "--yes")

    assert ran.code == 2
    assert "Name a connection, or --all." in ran.err


def test_who_else_loses_a_shared_login_is_said_before_and_after(connected, provider):
    text = provider.recipe_yaml("other") + "account: demo\n"
    (connected.home / "recipes" / "other.yaml").write_text(text)

    assert "other" in connected("why", "demo").out
    child = connected.terminal("remove", "demo")
    child.expect_exact("Forget demo (ada@example.com), and with it other?")
    child.sendline("y")
    said = finish(child)
    assert "demo is forgotten here, and with it other." in said


def test_what_no_recipe_knows_any_more_goes_with_all(connected):
    (connected.home / "recipes" / "demo_static.yaml").unlink()

    ran = connected("remove", "--all", "--yes")
    assert ran.code == 0
    assert "demo_static@default is forgotten here." in ran.err
    assert "It may still work at its provider" in ran.err
