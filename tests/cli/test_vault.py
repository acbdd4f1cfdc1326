"""`arcrun vault`: its keys, its backups, and what is for eyes only."""

from __future__ import annotations

import json
import re
import sys

import pytest

from arcrun_cli.faults import UsageFault
from arcrun_cli.options import seconds_in
from tests.cli.conftest import plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

PASSPHRASE = "correct horse battery"


def finish(child) -> str:
    import pexpect

    child.expect(pexpect.EOF)
    child.wait()
    return plain(child.before)


def status(cli) -> dict:
    return json.loads(cli("vault", "status", "--json").out)


def kinds(cli) -> list[str]:
    return [slot["kind"] for slot in status(cli)["slots"]]


def set_passphrase(cli) -> None:
    child = cli.terminal("vault", "passphrase")
    for question in ("New passphrase:", "Once more:"):
        child.expect_exact(question)
        child.waitnoecho()
        child.sendline(PASSPHRASE)
    said = finish(child)
    assert child.exitstatus == 0, said
    assert PASSPHRASE not in said


def test_status_before_there_is_one(cli):
    ran = cli("vault", "status")

    assert ran.code == 0
    assert ran.out.startswith("There is no vault yet")
    assert not cli.home.exists()


def test_init_makes_one_and_speaks_of_the_recovery_code(cli):
    ran = cli("vault", "init")

    assert ran.code == 0, ran.err
    assert "→ arcrun vault recovery-code" in ran.err
    assert kinds(cli) == ["key"]
    again = cli("vault", "init")
    assert (again.code, "already" in again.err) == (1, True)


def test_init_without_any_key_says_what_would_do(cli):
    del cli.env["ARCRUN_MASTER_KEY_FILE"]

    ran = cli("vault", "init")

    assert ran.code == 4
    assert "ARCRUN_MASTER_KEY_FILE" in ran.err
    assert not (cli.home / "secrets.db").exists()


def test_init_at_a_terminal_asks_for_a_passphrase(cli):
    del cli.env["ARCRUN_MASTER_KEY_FILE"]
    child = cli.terminal("vault", "init")
    child.expect_exact("New passphrase for the vault:")
    child.waitnoecho()
    child.sendline(PASSPHRASE)
    child.expect_exact("Once more:")
    child.waitnoecho()
    child.sendline(PASSPHRASE)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert PASSPHRASE not in said


def test_status_of_one_that_stands(connected):
    ran = connected("vault", "status")

    assert ran.code == 0
    assert str(connected.home / "secrets.db") in ran.out
    assert "1  a key file, or a key in the environment" in ran.out
    assert re.search(r"^records\s+2$", ran.out, re.MULTILINE)


def test_status_of_one_that_is_locked(connected):
    del connected.env["ARCRUN_MASTER_KEY_FILE"]

    ran = connected("vault", "status")

    assert ran.code == 0
    assert "not open: The vault is locked" in ran.out


def test_a_key_file_is_made_and_opens_it(connected, provider, tmp_path):
    file = tmp_path / "given" / "second.key"

    ran = connected("vault", "key", "add", str(file))

    assert ran.code == 0, ran.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert kinds(connected) == ["key", "key"]
    assert file.read_text().strip() not in ran.both
    shown = connected("token", "demo_static", ARCRUN_MASTER_KEY_FILE=str(file))
    assert shown.out == provider.static_key + "\n"


def test_a_key_is_taken_away_and_the_last_one_is_not(connected, tmp_path):
    connected("vault", "key", "add", str(tmp_path / "given" / "second.key"))

    ran = connected("vault", "key", "remove", "2")

    assert ran.code == 0
    assert "arcrun vault rotate" in ran.err
    last = connected("vault", "key", "remove", "1")
    assert (last.code, "only key" in last.err) == (1, True)


@pytest.mark.parametrize("args", [(), ("file", "--keyring")])
def test_key_add_wants_one_of_two(cli, args):
    assert cli("vault", "key", "add", *args).code == 2


def test_a_keyring_that_is_off_is_no_key(connected):
    assert connected("vault", "key", "add", "--keyring").code == 4


def test_a_passphrase_opens_it_too(connected, provider):
    set_passphrase(connected)
    assert kinds(connected) == ["key", "passphrase"]
    del connected.env["ARCRUN_MASTER_KEY_FILE"]

    child = connected.terminal("token", "demo_static")
    child.expect_exact("passphrase")
    child.waitnoecho()
    child.sendline(PASSPHRASE)
    child.expect_exact(provider.static_key)
    child.wait()

    assert child.exitstatus == 0


def test_two_passphrases_that_differ_are_asked_for_again(connected):
    child = connected.terminal("vault", "passphrase")
    for typed in (PASSPHRASE, "another", PASSPHRASE, PASSPHRASE):
        child.expect(r"(New passphrase|Once more): ")
        child.waitnoecho()
        child.sendline(typed)
    said = finish(child)

    assert child.exitstatus == 0
    assert "passphrase opens the vault now" in said


def test_a_passphrase_needs_a_terminal(connected):
    ran = connected("vault", "passphrase")

    assert ran.code == 1
    assert "  → run it at a terminal" in ran.err


def test_unlock_for_a_while_or_a_clear_no(connected, provider):
    set_passphrase(connected)
    del connected.env["ARCRUN_MASTER_KEY_FILE"]
    child = connected.terminal("vault", "unlock", "--for", "1m")
    child.expect_exact("The vault's passphrase:")
    child.waitnoecho()
    child.sendline(PASSPHRASE)
    said = finish(child)

    if child.exitstatus:  # a container without a kernel keyring
        assert "→ use ARCRUN_MASTER_KEY_FILE" in said
        return
    try:
        assert connected("token", "demo_static").out == provider.static_key + "\n"
    finally:
        locked = connected("vault", "lock")
    assert "Locked." in locked.err
    assert connected("token", "demo_static").code == 4


def test_a_passphrase_that_there_is_not_is_not_asked_for(connected):
    child = connected.terminal("vault", "unlock")
    said = finish(child)
    assert child.exitstatus == 1
    assert "The vault has no passphrase." in said
    assert "passphrase:" not in said


def test_the_doctor_says_what_opens_this_vault_and_no_other(connected):
    del connected.env["ARCRUN_MASTER_KEY_FILE"]
    said = connected("doctor").out
    assert "ARCRUN_MASTER_KEY_FILE" in said
    assert "vault unlock" not in said


@pytest.mark.parametrize(
    ("span", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("2d", 172800)]
)
def test_spans(span, seconds):
    assert seconds_in(span, "") == seconds


@pytest.mark.parametrize("span", ["", "8", "h", "0h", "-1h", "8 h", "1w", "1.5h", "9" * 9 + "h"])
def test_spans_that_are_none(span):
    with pytest.raises(UsageFault):
        seconds_in(span, "")


def test_the_recovery_code_is_for_eyes_only(connected):
    piped = connected("vault", "recovery-code")
    assert (piped.code, piped.out) == (2, "")

    child = connected.terminal("vault", "recovery-code", CURSOR_AGENT="1")
    said = finish(child)
    assert child.exitstatus == 7
    assert "CURSOR_AGENT" in said
    assert kinds(connected) == ["key"]


def test_the_recovery_code_opens_the_vault(connected, provider):
    child = connected.terminal("vault", "recovery-code")
    said = finish(child)
    code = re.search(r"([0-9A-Z]{4}-){6}[0-9A-Z]{4}", said)
    assert child.exitstatus == 0
    assert code is not None
    del connected.env["ARCRUN_MASTER_KEY_FILE"]

    child = connected.terminal("token", "demo_static")
    child.expect_exact("recovery code")
    child.waitnoecho()
    child.sendline(code[0].lower())
    child.expect_exact(provider.static_key)
    child.wait()
    assert child.exitstatus == 0


def test_a_second_code_ends_the_first_and_asks_before(connected):
    connected.terminal("vault", "recovery-code").wait()
    child = connected.terminal("vault", "recovery-code")
    child.expect_exact("The code from before ends. Go on? [y/N]:")
    child.sendline("n")
    finish(child)

    assert child.exitstatus == 1


def test_rotate_keeps_everything_readable(connected, provider):
    before = status(connected)["epoch"]

    ran = connected("vault", "rotate")

    assert ran.code == 0, ran.err
    assert status(connected)["epoch"] == before + 1
    assert connected("token", "demo_static").out == provider.static_key + "\n"


def test_rotate_with_a_recovery_code_shows_the_new_one_to_eyes_only(connected):
    connected.terminal("vault", "recovery-code").wait()

    assert connected("vault", "rotate").code == 2
    child = connected.terminal("vault", "rotate")
    assert re.search(r"([0-9A-Z]{4}-){6}[0-9A-Z]{4}", finish(child))


def test_export_and_import(connected, provider, tmp_path):
    file = tmp_path / "backup.enc"

    ran = connected("vault", "export", str(file))

    assert ran.code == 0, ran.err
    assert "2 records in " in ran.err
    assert connected("remove", "demo_static", "--yes").code == 0
    back = connected("vault", "import", str(file))
    assert "1 added, 0 updated, 1 kept" in back.err
    assert connected("token", "demo_static").out == provider.static_key + "\n"


def test_an_export_is_not_for_agents_and_overwrites_nothing(connected, tmp_path):
    file = tmp_path / "backup.enc"
    assert connected("vault", "export", str(file), AI_AGENT="x").code == 7
    assert not file.exists()

    file.write_text("mine")
    assert connected("vault", "export", str(file)).code == 2
    assert file.read_text() == "mine"


def test_where_there_is_no_vault_the_commands_say_so(cli):
    ran = cli("vault", "rotate", ARCRUN_STORE="keyring", ARCRUN_KEYRING="on")

    assert ran.code == 1
    assert "there is no vault" in ran.err
