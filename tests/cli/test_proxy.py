"""`arcrun proxy` and `arcrun run --proxy`: what they give out, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request

import pytest

from arcrun_auth import Broker
from arcrun_cli.schemas import SCHEMAS
from tests import canary
from tests.cli.conftest import COMMAND, HANG, Agrees
from tests.needs import needs
from tests.proxy_kit import Api

pexpect = pytest.importorskip("pexpect")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


@pytest.fixture
def api():
    made = Api()
    yield made
    made.close()


@pytest.fixture
def holder(cli, api):
    """Whose `fake` is connected."""
    (cli.home / "recipes").mkdir(parents=True, mode=0o700)
    (cli.home / "recipes" / "fake.yaml").write_text(api.recipe())
    cli.env["ARCRUN_ALLOW_HOSTS"] = api.origin
    broker = Broker(home=str(cli.home), environ=cli.env, person=Agrees())
    broker.setup("fake", api_key=api.key)
    broker.close()
    return cli


@contextlib.contextmanager
def running(cli, *args: str):
    """The command as long as it is entered."""
    process = subprocess.Popen(
        [*COMMAND, "proxy", *args], env=cli.env, cwd=cli.folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=HANG)


def get(url: str, bearer: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        return answer.status, answer.read()


def until_brace(process) -> dict[str, object]:
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            return json.loads(text)
    pytest.fail(process.stderr.read())


def test_it_prints_the_variables_serves_and_ends_with_a_signal(holder):
    with running(holder, "fake", "--for", "30m") as process:
        names = dict(process.stdout.readline().rstrip("\n").split("=", 1) for _ in range(4))
        url, bearer = names["ARCRUN_PROXY_URL"], names["ARCRUN_PROXY_TOKEN"]

        assert names["FAKE_BASE_URL"] == f"{url}/fake"
        assert names["FAKE_API_KEY"] == bearer
        assert get(f"{url}/fake/models", bearer)[0] == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=HANG)

    assert (process.returncode, out) == (0, "")
    assert f"fake for proxy at {url}, for 30m" in err
    assert bearer not in err


def test_as_json_with_the_bearer_in_a_file_at_a_socket_until_its_input_ends(holder, tmp_path):
    file, path = tmp_path / "bearer", tmp_path / "run" / "s"
    with running(
        holder, "fake", "--json", "--token-file", str(file), "--socket", str(path),
        "--until-eof", "--client", "Nightly Job",
    ) as process:  # fmt: skip
        told = until_brace(process)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        bearer = file.read_text().strip()

        assert set(told) == {"schema", *SCHEMAS["proxy"]}
        assert told["token"] is None
        assert bearer not in json.dumps(told)
        assert (told["token_file"], told["socket"]) == (str(file), str(path))
        assert told["client"] == "nightly-job"
        assert told["services"] == [{"name": "fake", "base_url": "http://localhost/fake"}]
        assert told["env"] == {
            "ARCRUN_PROXY_URL": "http://localhost",
            "ARCRUN_PROXY_SOCKET": str(path),
            "FAKE_BASE_URL": "http://localhost/fake",
        }
        assert path.exists()
        process.stdin.close()
        process.stdin = None
        process.communicate(timeout=HANG)

    assert process.returncode == 0
    assert not file.exists()
    assert not path.exists()


def test_what_cannot_be_served_is_told_before_anything_listens(inside, tmp_path, monkeypatch):
    assert inside("proxy", "notion", "--for", "soon").code == 2
    assert inside("proxy", "no_such_service").code == 2
    unconnected = inside("proxy", "notion")
    assert unconnected.code == 4
    assert "arcrun setup notion" in unconnected.err
    nothing = inside("proxy")
    assert nothing.code == 1
    assert "Nothing is connected yet" in nothing.err
    assert unconnected.out == nothing.out == ""


def test_no_file_is_written_over_that_holds_no_bearer(holder):
    mine = holder.folder / "given" / "mine"
    mine.write_text("my words")
    mine.chmod(0o600)
    ran = holder("proxy", "fake", "--token-file", str(mine))

    assert ran.code == 1
    assert "holds no bearer" in ran.err
    assert mine.read_text() == "my words"


# -- arcrun run --proxy --------------------------------------------------------------------

ASK = """
import json, os, sys, urllib.request
url, key = os.environ["FAKE_BASE_URL"], os.environ["FAKE_API_KEY"]
request = urllib.request.Request(url + "/echo", headers={"Authorization": "Bearer " + key})
answer = json.load(urllib.request.urlopen(request, timeout=20))
ours = sorted(name for name in os.environ if name.startswith("ARCRUN_"))
print(json.dumps([answer["target"], ours, url]))
print("key", key)
sys.exit(3)
"""


def test_a_command_gets_an_address_and_a_bearer_and_no_secret(holder, api):
    needs(os.path.isdir("/proc/self"), "/proc")
    holder.env["FAKE_API_KEY"] = api.key  # the real one, in the shell that it is typed in
    look = (
        "environ = open('/proc/self/environ', 'rb').read();"
        f"print({api.key[:12]!r}.encode() in environ, b'MASTER_KEY' in environ)\n"
    )
    ran = holder("run", "--proxy", "fake", "--", sys.executable, "-c", look + ASK)

    seen, answer, key = ran.out.splitlines()
    assert ran.code == 3, ran.err
    assert seen == "False False"
    target, ours, url = json.loads(answer)
    assert target == "/v1/echo"
    assert ours == ["ARCRUN_PROXY_TOKEN", "ARCRUN_PROXY_URL"]
    assert key == "key ***"
    assert not canary.hits(ran.both)
    with pytest.raises(OSError, match="refused"):  # it has ended with the command
        get(f"{url}/models", "any")


def test_in_a_terminal_it_has_the_terminal_and_ctrl_c_is_its_own(holder):
    # Short sleeps: a signal that comes just before one is started is heard after it.
    script = (
        "trap 'echo heard; exit 5' INT; test -t 1 && echo ready $FAKE_BASE_URL;"
        "while :; do sleep 0.05; done"
    )
    child = holder.terminal("run", "--proxy", "fake", "--", "sh", "-c", script)
    child.expect(r"ready (http://127.0.0.1:\d+)/fake")
    url = child.match[1]
    child.sendintr()
    child.expect("heard")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 5
    with pytest.raises(OSError, match="refused"):
        get(f"{url}/fake/models", "any")


def test_with_no_service_named_it_is_for_all_and_without_masking_too(holder):
    ran = holder(
        "run", "--proxy", "--no-masking", "--", sys.executable, "-c",
        "import os; print(os.environ['FAKE_API_KEY'][:13])",
    )  # fmt: skip

    assert (ran.code, ran.out) == (0, "arcrun_proxy_\n"), ran.err


def test_a_proxy_that_does_not_come_up_lets_no_command_run(holder):
    ran = holder("run", "--proxy", "notion", "--", "echo", "ran")

    assert ran.code == 4
    assert ran.out == ""
    assert "arcrun setup notion" in ran.err


def test_a_secret_and_a_proxy_do_not_go_together(inside, monkeypatch):
    both = inside("run", "--proxy", "fake", "--with", "notion", "--", "echo")
    assert (both.code, both.out) == (2, "")
    refers = inside("run", "--proxy", "fake", "--", "echo", TOKEN="arcrun://notion/token")
    assert refers.code == 2
    assert "TOKEN refers to a secret" in refers.err
    assert inside("run", "--client", "me", "--", "echo").code == 2


def test_an_agent_may_use_a_proxy_where_a_secret_is_refused(holder):
    holder.env["CLAUDECODE"] = "1"
    ran = holder("run", "--proxy", "fake", "--", sys.executable, "-c", ASK)

    assert ran.code == 3, ran.err
    assert holder("token", "fake").code == 7
