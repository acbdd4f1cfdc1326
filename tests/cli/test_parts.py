"""Parts that a run of the command does not reach on every machine."""

from __future__ import annotations

import ast
import os
import socket
import sys

import pytest

import arcrun_cli
from arcrun_auth import snippets
from arcrun_auth.recipe import Method, TestRequest
from arcrun_cli import agents, hardening, health, options, reference, ui


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        (None, 'get("/")'),
        (TestRequest(path="/me"), 'get("/me")'),
        (TestRequest(url="https://a.example/me"), 'get("https://a.example/me")'),
        (TestRequest(method="POST", path="/me"), 'post("/me")'),
        (TestRequest(path="/me", headers={"A": "b"}), 'get("/me", headers={"A": "b"})'),
        (TestRequest(method="POST", path="/q", body='{"q": "x"}'), 'post("/q", json={"q": "x"})'),
        (
            TestRequest(method="POST", path="/q", body='{"q": true}'),
            "post(\"/q\", json={'q': True})",
        ),
        (TestRequest(method="POST", path="/q", body="a=b"), 'post("/q", content="a=b")'),
    ],
)
def test_the_call_of_a_snippet_is_the_recipe_s_test_request(request_, call):
    made = snippets._call(Method(primitive="static_key", test=request_))

    assert made == call
    ast.parse(f"client.{made}")


@pytest.mark.parametrize(
    ("service", "name"), [("notion", "notion"), ("class", "client"), ("ada/my_api", "my_api")]
)
def test_the_client_of_a_snippet_is_called_like_the_service(service, name):
    assert snippets._variable(service) == name


def test_the_reference_writes_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reference", str(tmp_path / "cli.md")])
    reference.main()
    monkeypatch.setattr(sys, "argv", ["reference"])
    reference.main()

    assert (tmp_path / "cli.md").read_text("utf-8") == capsys.readouterr().out == reference.render()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("missing", [[], ["_ctypes"], ["_ctypes", "ctypes"]])
def test_where_the_quick_way_to_prctl_is_missing_the_long_one_serves(monkeypatch, missing):
    """In a child, since it cannot be taken back."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        import ctypes

        libc = ctypes.CDLL(None)
        for name in missing:
            sys.modules[name] = None  # type: ignore[assignment]
        hardening.apply()
        os.write(write, b"%d" % libc.prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)

    assert os.read(read, 8) == (b"1" if "ctypes" in missing else b"0")
    os.close(read)


def test_on_windows_there_is_nothing_to_close(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")

    hardening.apply()


def test_services_are_completed_and_a_broken_home_is_no_traceback(monkeypatch):
    found = options.Service().shell_complete(None, None, "noti")
    assert [item.value for item in found] == ["notion"]

    monkeypatch.setattr(options, "catalog", _no_recipes)
    assert options.Service().shell_complete(None, None, "noti") == []


def _no_recipes():
    from arcrun_auth.errors import RecipeError

    raise RecipeError("none")


def test_without_loopback_no_login_can_work(monkeypatch):
    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(13, "Permission denied")

    monkeypatch.setattr(health.socket, "socket", Refused)

    v4, v6 = health.CHECKS["loopback"](None)  # type: ignore[arg-type]

    assert (v4.state, v6.state) == ("fail", "ok")
    assert v4.hint


def test_an_old_python_is_told(monkeypatch):
    monkeypatch.setattr(health, "OLDEST_PYTHON", (99, 0))

    (found,) = health.CHECKS["python"](None)  # type: ignore[arg-type]

    assert (found.state, bool(found.hint)) == ("fail", True)


def test_a_network_file_system_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(health, "network_filesystem", lambda _: "nfs4")
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path))
    tmp_path.chmod(0o700)

    found = list(health.CHECKS["home"](options.broker()))

    assert [f.state for f in found] == ["ok", "warn"]
    assert "nfs4" in found[1].message


def test_a_setting_for_an_agent_is_no_sign_of_one():
    assert agents.marker({"CODEX_HOME": "/home/ada/.codex"}) is None
    assert agents.marker({}) is None


def test_a_long_url_stands_on_a_line_of_its_own(monkeypatch, capsys):
    url = "https://example.com/" + "a" * 50
    monkeypatch.setattr(ui, "width_of", lambda _: 80)

    ui.pairs([("docs", url), ("more", "words " * 20)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["docs", f"  {url}"]
    assert lines[2].startswith("more        words words")
    assert all(len(line) <= 80 for line in lines)


def test_main_gives_the_exit_code_to_whoever_calls_it(connected, provider, monkeypatch, capsys):
    monkeypatch.setattr(hardening, "apply", lambda: None)  # this process goes on
    for name in [name for name in os.environ if agents.marker({name: "1"})]:
        monkeypatch.delenv(name)
    for name, value in connected.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(provider, "static_key", "unused")

    assert arcrun_cli.main(["token", "demo_static", "--json"]) == 0
    assert '"schema": 1' in _shown(capsys)
    assert arcrun_cli.main(["token", "demo_static"]) == 0
    assert len(_shown(capsys).split()) == 1
    assert arcrun_cli.main(["token", "notion"]) == 4
    assert arcrun_cli.main(["--version"]) == 0


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out
