"""`arcrun setup` and `arcrun remove`: a dialogue at a terminal, and without one."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import canary
from tests.cli.conftest import plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def finish(child) -> str:
    import pexpect

    child.expect(pexpect.EOF)
    child.wait()
    return plain(child.before)


def test_a_key_is_asked_for_hidden_tried_and_saved(served, provider):
    child = served.terminal("setup", "demo_static")
    child.expect_exact("Do you agree? [y/N]:")
    child.sendline("y")
    child.expect_exact("Demo key:")
    child.waitnoecho()
    child.sendline(provider.static_key)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert provider.static_key not in said
    assert "Testing connection… OK" in said
    assert "demo_static@default" in said
    assert "arcrun snippet demo_static" in said
    assert provider.requests["/api/static"] == 1
    assert served("token", "demo_static").out == provider.static_key + "\n"


def test_a_key_that_is_refused_is_not_kept(served, provider):
    child = served.terminal("setup", "demo_static")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("Demo key:")
    child.waitnoecho()
    child.sendline("demo_" + canary.fresh())
    said = finish(child)

    assert child.exitstatus == 5
    assert canary.WORD not in said
    assert served("token", "demo_static").code == 4


def test_a_login_by_the_browser(served, provider, tmp_path):
    browser = tmp_path / "given" / "browser"
    seen = tmp_path / "given" / "environ"
    browser.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"open({str(seen)!r}, 'w').write('\\n'.join(os.environ))\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from arcrun_auth.testing import Provider\nProvider().follow(sys.argv[1])\n"
    )
    browser.chmod(0o700)
    child = served.terminal("setup", "demo", BROWSER=str(browser), DISPLAY=":9")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "ada@example.com" in said
    assert provider.authorizations[0]["code_challenge_method"] == "S256"
    # R24: what a child is given.
    assert not [name for name in seen.read_text().split("\n") if name.startswith("ARCRUN_")]


def test_no_consent_no_setup(served, provider):
    child = served.terminal("setup", "demo_static")
    child.expect_exact("Do you agree?")
    child.sendline("n")
    said = finish(child)

    assert child.exitstatus == 7
    assert "Nobody has agreed" in said
    assert provider.requests.total() == 0


def test_ctrl_c_ends_it_with_130_and_saves_nothing(served):
    child = served.terminal("setup", "demo_static")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("Demo key:")
    child.waitnoecho()
    child.sendintr()
    said = finish(child)

    assert child.exitstatus == 130
    assert "Interrupted" in said
    assert "Traceback" not in said
    assert not (served.home / "secrets.db").exists()


def test_a_pipe_gives_the_secret_and_the_terminal_the_consent(served, provider, tmp_path):
    given = tmp_path / "given" / "secret"
    given.write_text(provider.static_key + "\n")
    import pexpect

    command = f"{sys.executable} -m arcrun_cli setup demo_static --stdin < {given}"
    child = pexpect.spawn("sh", ["-c", command], env=served.env, timeout=60, encoding="utf-8")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    said = finish(child)

    assert child.exitstatus == 0, said
    assert served("token", "demo_static").out == provider.static_key + "\n"


@pytest.mark.parametrize("way", ["--device", "--paste", "--no-browser"])
def test_a_key_has_no_ways_to_log_in(served, way):
    ran = served("setup", "demo_static", way)
    assert ran.code == 2
    assert "set up without a login" in ran.err
    assert "→ arcrun setup demo_static" in ran.err


def test_an_option_that_there_is_not_brings_the_one_that_was_meant(cli):
    ran = cli("setup", "google_drive", "--scope", "readonly")
    assert ran.code == 2
    assert "Did you mean --scopes?" in ran.err


def test_where_nobody_is_the_hint_keeps_the_way_in_that_was_named(cli):
    for typed in ("github", "github@work"):
        ran = cli("setup", typed, "--method", "oauth", "--no-input")
        assert ran.code == 4
        assert f"→ arcrun setup {typed} --method oauth\n" in ran.err
    assert "→ arcrun setup google_drive\n" in cli("setup", "google_drive", "--no-input").err


def test_a_secret_from_a_pipe_where_nobody_is(cli):
    secret = "ntn_" + canary.fresh().replace("-", "")
    ran = cli("setup", "notion", "--stdin", "--no-input", stdin=secret + "\n")

    # Nothing of this test reaches the outside: the key is kept, and that is said.
    assert ran.code == 0, ran.err
    assert "The key is kept, untested." in ran.err
    assert secret not in ran.both
    assert cli("token", "notion").out == secret + "\n"


def test_several_secrets_as_json_and_as_lines(cli):
    both = {"twilio_account_sid": "AC" + "1" * 32, "twilio_auth_token": "t" * 32}
    for stdin in (json.dumps(both), "\n".join(f"{k}={v}" for k, v in both.items())):
        ran = cli("setup", "twilio", "--stdin", "--no-input", "--force", stdin=stdin)
        assert ran.code == 0, ran.err

    assert json.loads(cli("why", "twilio", "--json").out)["status"] == "untested"


@pytest.mark.parametrize(
    ("service", "stdin", "said"),
    [
        ("notion", b"", "is empty"),
        ("notion", b"\xff\xfe\x00", "not UTF-8"),
        ("notion", b"x" * (1 << 20) + b"xx", "more than 1 MiB"),
        ("twilio", b"WORD-one-line", "several secrets"),
        ("google_drive", b"x", "set up by logging in"),
    ],
)
def test_what_does_not_fit_on_stdin_is_refused(cli, service, stdin, said):
    given = stdin.replace(b"WORD", canary.WORD.encode())  # a test's name must not hold it
    ran = cli("setup", service, "--stdin", "--no-input", stdin=given)

    assert ran.code == 2
    assert said in ran.err
    assert canary.WORD not in ran.both


def test_nobody_there_and_nothing_given_is_exit_code_4(cli):
    ran = cli("setup", "notion", "--no-input")

    assert ran.code == 4
    assert "  → arcrun setup notion" in ran.err


def test_what_is_connected_is_replaced_only_with_a_word(connected, provider):
    refused = connected("setup", "demo_static", "--no-input", "--stdin", stdin="demo_x")
    assert refused.code == 2
    assert "--force" in refused.err

    child = connected.terminal("setup", "demo_static")
    child.expect_exact("Replace it? [y/N]:")
    child.sendline("n")
    assert "It was left as it is." in finish(child)
    assert child.exitstatus == 1
    assert connected("token", "demo_static").out == provider.static_key + "\n"


def test_a_client_file_is_one_s_own_oauth_app(served, provider, tmp_path):
    del served.env["ARCRUN_DEMO_CLIENT_ID"]
    file = tmp_path / "given" / "client.json"
    file.write_text(json.dumps({"installed": {"client_id": "demo"}}))
    child = served.terminal("setup", "demo", "--client-file", str(file))
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect(r"(http://127\.0\.0\.1:\d+/authorize\S*)\r\n")
    threading.Thread(target=provider.follow, args=(child.match[1],), daemon=True).start()
    said = finish(child)

    assert child.exitstatus == 0, said
    assert provider.authorizations[0]["client_id"] == "demo"


def test_a_client_file_for_a_key_is_refused(cli, tmp_path):
    ran = cli("setup", "notion", "--client-file", str(tmp_path), "--no-input")

    assert ran.code == 1
    assert "  → arcrun setup notion --method oauth" in ran.err or "cannot be read" in ran.err


@pytest.mark.parametrize("args", [("--param", "shop"), ("--param", "=x"), ("--port", "80")])
def test_options_of_a_wrong_shape(cli, args):
    assert cli("setup", "shopify", *args, "--no-input").code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_secret_in_any_argument_list(cli):
    """R23: every process of this machine, looked at all the while. What is looked for is this
    secret: another test that runs meanwhile may type the word of all of them."""
    secret, seen, done = "ntn_" + canary.fresh(), [], threading.Event()
    forms = canary.disguises(secret)

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                seen.extend(form for form in forms if form in line)
            time.sleep(0.005)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        ran = cli("setup", "notion", "--stdin", "--no-input", stdin=secret)
        shown = cli("token", "notion")
    finally:
        done.set()
        watch.join()

    assert ran.code == shown.code == 0
    assert seen == []


def test_remove_asks_forgets_and_says_where_to_end_it_too(connected):
    child = connected.terminal("remove", "demo_static")
    child.expect_exact("Forget demo_static")
    child.sendline("y")
    said = finish(child)

    assert child.exitstatus == 0
    assert "end it there as well" in said
    assert connected("token", "demo_static").code == 4


def test_remove_without_anybody_wants_yes(connected):
    refused = connected("remove", "demo_static")
    assert refused.code == 2
    assert "  → arcrun remove demo_static --yes" in refused.err

    assert connected("remove", "demo_static", "--yes").code == 0
    again = connected("remove", "demo_static", "--yes")
    assert (again.code, "nothing to remove" in again.err) == (0, True)


def test_remove_of_what_the_environment_gives(cli):
    ran = cli("remove", "notion", "--yes", ARCRUN_NOTION_TOKEN="ntn_x")

    assert ran.code == 1
    assert "comes from the environment" in ran.err


FILLS_IN = """\
import re, sys
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

url = sys.argv[-1]
page = urlopen(url, timeout=60).read().decode()
token = re.search('name="token" value="([^"]+)"', page)[1]
values = {"token": token, "field0": open(sys.argv[1]).read()}
origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
urlopen(Request(url, urlencode(values).encode(), {"Origin": origin}), timeout=60).read()
"""


def test_in_an_agent_s_shell_the_key_is_typed_in_the_browser_and_shows_nowhere(cli, tmp_path):
    key = f"ntn_{canary.fresh()}"
    (tmp_path / "given" / "typed").write_text(key)
    script = tmp_path / "given" / "browser.py"
    script.write_text(FILLS_IN)
    browser = f"{sys.executable} {script} {tmp_path / 'given' / 'typed'} %s"

    ran = cli("setup", "notion", CLAUDECODE="1", BROWSER=browser)

    assert ran.code == 0, ran.err
    assert "It is asked for in your browser, not here." in ran.err
    assert "http://127.0.0.1:" in ran.err
    assert not canary.hits(ran.both)
    held = json.loads(cli("list", "--json").out)
    assert "notion" in json.dumps(held)
    assert cli("token", "notion").out == key + "\n"
