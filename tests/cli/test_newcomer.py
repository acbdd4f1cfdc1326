"""What people do at first, and what they are told then."""

from __future__ import annotations

import json

from tests.cli.conftest import plain


def test_what_was_not_tried_is_not_said_to_be_fine(cli):
    ran = cli("setup", "kbdb", "--stdin", stdin="kbdb-key-of-a-test\n")

    assert ran.code == 0
    assert "Not tested" in ran.err
    assert "OK" not in ran.both


def test_a_name_as_people_write_it_is_answered_with_the_name(cli):
    for written, name in (("Notion", "notion"), ("google-drive", "google_drive")):
        ran = cli("show", written)
        assert ran.code == 2
        assert f"→ arcrun show {name}\n" in ran.err
    assert "→ arcrun show --help" in cli("show", "a/b/c").err


def test_the_catalogue_is_found_with_a_locked_vault(connected):
    locked = {"ARCRUN_MASTER_KEY_FILE": ""}
    ran = connected("list", "--search", "notion", **locked)

    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[1].startswith("notion ")
    assert "What is connected is not shown." in ran.err
    assert connected("list", **locked).code == 4
    shown = connected("show", "notion", **locked)
    assert (shown.code, "api.notion.com" in shown.out) == (0, True)


def test_a_category_that_is_none_names_those_there_are(cli):
    ran = cli("list", "--category", "mail")

    assert ran.code == 2
    assert "email" in ran.err


def test_a_search_is_written_once(cli):
    ran = cli("list", "mail", "--search", "calendar")

    assert ran.code == 2
    assert "--search" in ran.err


def test_aliases_and_categories_are_completed(cli):
    def completed(*words):
        line = " ".join(("arcrun", *words))
        ran = cli(_ARCRUN_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words)))
        return ran.out.split()

    assert "plain,gdrive" in completed("show", "gdri")
    assert "plain,email" in completed("list", "--category", "ema")


def test_a_value_that_does_not_fit_is_asked_for_again(cli):
    child = cli.terminal("setup", "jira")
    child.expect("Site name")
    child.sendline("My Site!")
    child.expect("as the service writes it")
    child.expect("Site name")
    child.sendline("mysite")
    child.expect("Account e-mail:")
    child.sendintr()
    shown = plain(child.read())
    child.wait()

    assert "Interrupted." in shown
    assert child.exitstatus == 130


def test_a_secret_that_nobody_can_be_asked_for_names_the_way_without_a_terminal(cli):
    ran = cli("setup", "notion")

    assert ran.code == 4
    assert "--stdin" in ran.err
    assert json.loads(cli("list", "--json").out)["services"]
