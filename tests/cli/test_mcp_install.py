"""`arcrun mcp install`: the shapes of each client, and nothing else of its file is lost."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arcrun_auth
from arcrun_auth.errors import AuthError
from arcrun_auth.markers import MARKERS
from arcrun_cli import programs
from arcrun_cli.mcp_hosts import hosts, launch, toml_entry
from arcrun_cli.mcp_hosts.hosts import HOSTS
from arcrun_cli.mcp_hosts.launch import Launch
from tests.cli.conftest import Agrees

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the homes and programs of the tests are those of POSIX"
)

UVX = ["--from", f"arcrun-auth[mcp]=={arcrun_auth.__version__}", "arcrun", "mcp"]
FILES = {
    "claude-code": ".claude.json",
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's home on Linux, who keeps nothing elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr(hosts.sys, "platform", "linux")
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "ARCRUN_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in MARKERS:  # whoever runs the tests may be an agent
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "user"


@pytest.fixture
def install(inside, home):
    return lambda *words, **more: inside("mcp", "install", *words, **more)


def data(path):
    text = path.read_text("utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


# -- shapes --------------------------------------------------------------------------------


@pytest.mark.parametrize("client", FILES)
def test_each_client_is_told_in_its_own_file_and_shape_and_untold(install, home, client) -> None:
    host, path = HOSTS[client], home / FILES[client]
    assert install("--client", client, "--yes").code == 0
    entry = data(path)[host.section]["arcrun"]
    assert os.path.isabs(entry["command"])
    assert entry["args"][-1] == "mcp"
    extra = {"type"} if client == "vscode" else set()
    assert set(entry) == {"command", "args"} | extra
    assert host.section == {"vscode": "servers", "codex": "mcp_servers"}.get(client, "mcpServers")
    before = path.read_bytes()
    assert "stays as it is" in install("--client", client, "--yes").err
    assert path.read_bytes() == before
    assert install("--client", client, "--remove", "--yes").code == 0
    assert data(path) == {}
    assert "stays as it is" in install("--client", client, "--remove", "--yes").err


@pytest.mark.parametrize("client", [name for name, host in HOSTS.items() if host.project])
def test_the_file_of_a_project_names_nothing_of_this_machine(
    install, home, tmp_path, monkeypatch, client
) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "src").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "src")
    ran = install("--client", client, "--scope", "project", "--yes", ARCRUN_HOME="/my/own")
    assert ran.code == 0
    path = tmp_path / "repo" / HOSTS[client].project
    entry = data(path)[HOSTS[client].section]["arcrun"]
    assert (entry["command"], entry["args"]) == ("uvx", UVX)
    assert "env" not in entry
    assert str(tmp_path) not in path.read_text()
    assert install("--client", client, "--scope", "project", "--remove", "--yes").code == 0
    assert data(path) == {}


def test_a_client_without_a_file_in_a_project_says_so(install) -> None:
    ran = install("--client", "claude-desktop", "--scope", "project", "--yes")
    assert ran.code == 2
    assert "arcrun mcp install --client claude-desktop" in ran.err


def test_without_a_client_it_is_asked_for(install) -> None:
    assert install("--yes").code == 2


@pytest.mark.parametrize(
    ("platform", "environ", "path"),
    [
        ("darwin", {}, "Library/Application Support/Code/User/mcp.json"),
        ("win32", {}, "AppData/Roaming/Code/User/mcp.json"),
        ("win32", {"APPDATA": "R"}, "R/Code/User/mcp.json"),
        ("linux", {"XDG_CONFIG_HOME": "R"}, "R/Code/User/mcp.json"),
    ],
)
def test_each_platform_keeps_them_where_it_does(home, monkeypatch, platform, environ, path) -> None:
    monkeypatch.setattr(hosts.sys, "platform", platform)
    assert HOSTS["vscode"].user(environ).replace(os.sep, "/").endswith(path)


def test_folders_that_a_client_s_own_variable_names_are_used() -> None:
    assert HOSTS["claude-code"].user({"CLAUDE_CONFIG_DIR": "/c"}) == "/c/.claude.json"
    assert HOSTS["codex"].user({"CODEX_HOME": "/c"}) == "/c/config.toml"


# -- what is started -----------------------------------------------------------------------


def test_what_is_written_starts_with_a_minimal_path(install, home) -> None:
    install("--client", "cursor", "--yes")
    entry = data(home / FILES["cursor"])["mcpServers"]["arcrun"]
    command = [entry["command"], *entry["args"][:-1], "--version"]
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"arcrun-auth {arcrun_auth.__version__}\n"


def test_a_home_of_one_s_own_goes_along(install, home) -> None:
    for client in ("cursor", "codex"):
        install("--client", client, "--yes", ARCRUN_HOME="/my/vault")
        entry = data(home / FILES[client])[HOSTS[client].section]["arcrun"]
        assert entry["env"] == {"ARCRUN_HOME": "/my/vault"}
    ran = install("--client", "claude-code", "--print", ARCRUN_HOME="/my/vault")
    assert "arcrun mcp add" not in ran.out
    assert "claude mcp add --scope user arcrun --env ARCRUN_HOME=/my/vault -- /" in ran.out


def test_without_the_extra_it_is_uvx_and_without_that_it_says_what_to_install(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv("ARCRUN_HOME", raising=False)
    monkeypatch.setattr(launch, "find_spec", lambda _: None)
    monkeypatch.setattr(launch.shutil, "which", lambda _: "/opt/uvx")
    assert launch.own() == Launch("/opt/uvx", tuple(UVX))
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    with pytest.raises(AuthError) as caught:
        launch.own()
    assert caught.value.hint == "pip install 'arcrun-auth[mcp]'"


def test_what_uvx_keeps_for_a_while_is_started_by_uvx(monkeypatch) -> None:
    monkeypatch.setattr(programs.sys, "prefix", os.path.join("c", "uv", "archive-v0", "x9"))
    monkeypatch.setattr(launch.shutil, "which", lambda _: "/opt/uvx")
    assert launch.own().args == tuple(UVX)


def test_a_path_with_a_line_break_is_written_nowhere(install, home) -> None:
    ran = install("--client", "codex", "--yes", ARCRUN_HOME="/my\nvault")
    assert ran.code == 1
    assert "control character" in ran.err
    assert not (home / FILES["codex"]).exists()


# -- what stands there already -------------------------------------------------------------


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_other_servers_and_settings_stay(install, home) -> None:
    path = home / FILES["gemini"]
    theirs = {"theme": "ä", "mcpServers": {"other": {"command": "x", "env": {"A": "b"}}}}
    write(path, json.dumps(theirs, indent=4, ensure_ascii=False))
    install("--client", "gemini", "--yes")
    assert path.read_text("utf-8").startswith('{\n    "theme": "ä",\n')
    install("--client", "gemini", "--remove", "--yes")
    assert path.read_text("utf-8") == json.dumps(theirs, indent=4, ensure_ascii=False)


def test_an_older_entry_is_renewed_and_keeps_what_somebody_added(install, home) -> None:
    old = {"command": "/old/uvx", "args": ["--from", "arcrun-auth[mcp]==0.1", "arcrun", "mcp",
           "--allow-write"], "trust": False, "env": {"HTTPS_PROXY": "http://p:1"}}  # fmt: skip
    path = home / FILES["gemini"]
    write(path, json.dumps({"mcpServers": {"arcrun": old}}))
    ran = install("--client", "gemini", "--yes", ARCRUN_HOME="/my/vault")
    assert '-     "arcrun": …' in ran.out
    assert '"env": {"ARCRUN_HOME": "/my/vault"}}' in ran.out
    assert "http://p" not in ran.both
    entry = data(path)["mcpServers"]["arcrun"]
    assert entry["command"] != "/old/uvx"
    assert entry["args"][-2:] == ["mcp", "--allow-write"]
    assert entry["trust"] is False
    assert entry["env"] == {"HTTPS_PROXY": "http://p:1", "ARCRUN_HOME": "/my/vault"}


@pytest.mark.parametrize("client", ["cursor", "codex"])
def test_another_server_of_that_name_is_left_alone(install, home, client) -> None:
    path = home / FILES[client]
    text = '[mcp_servers.arcrun]\ncommand = "npx"\nargs = ["mcp"]\n'
    write(
        path,
        text if client == "codex" else '{"mcpServers": {"arcrun": {"command": "npx"}}}',
    )
    before = path.read_bytes()
    for words in ([], ["--remove"]):
        ran = install("--client", client, "--yes", *words)
        assert ran.code == 1
        assert "another server by the name of arcrun" in ran.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text", ['{"servers": {}, // mine\n}', '{"servers": {"a": {}},}', "[]", '{"servers": []}']
)
def test_a_file_that_is_no_plain_json_is_left_alone(install, home, text) -> None:
    path = home / FILES["vscode"]
    write(path, text)
    ran = install("--client", "vscode", "--yes")
    assert ran.code == 1
    assert "left alone" in ran.err
    if not text.endswith("[]}"):
        assert "arcrun mcp install --print" in ran.err
    assert path.read_text() == text


def test_an_agent_gives_itself_no_tools(install, home) -> None:
    ran = install("--client", "cursor", "--yes", CLAUDECODE="1")
    assert ran.code == 7
    assert "Ask your human" in ran.err
    assert not (home / ".cursor").exists()
    for words in (["--dry-run"], ["--print"], ["--remove", "--yes"]):
        assert install("--client", "cursor", *words, CLAUDECODE="1").code == 0


def test_nothing_is_written_before_it_is_agreed_to(install, home) -> None:
    class No(Agrees):
        def confirm(self, question):
            return False

    assert install("--client", "cursor", person=No()).code == 1
    assert install("--client", "cursor", "--no-input").code == 2
    dry = install("--client", "cursor", "--dry-run")
    assert dry.code == 0
    assert '+     "arcrun": {"command": "/' in dry.out
    assert not (home / ".cursor").exists()
    assert install("--client", "cursor", person=Agrees()).code == 0
    assert (home / FILES["cursor"]).exists()


# -- TOML ----------------------------------------------------------------------------------

TOML = """\
# my own
model = "o9"

[mcp_servers.arcrun]
# pinned
command = "/old/arcrun"  # by hand
args = ["mcp", "--allow-write"]
tool_timeout_sec = 90

[mcp_servers.arcrun.tools]
x = 1

# about the other
[mcp_servers.other]
command = "x"
"""


def test_in_toml_comments_and_settings_stay(install, home) -> None:
    path = home / FILES["codex"]
    write(path, TOML.replace("\n", "\r\n"))
    path.write_bytes(TOML.replace("\n", "\r\n").encode())
    install("--client", "codex", "--yes")
    text = path.read_bytes().decode()
    entry = tomllib.loads(text)["mcp_servers"]["arcrun"]
    assert entry["args"] == ["mcp", "--allow-write"]
    assert entry["command"] != "/old/arcrun"
    assert entry["tool_timeout_sec"] == 90
    for kept in ("# my own\r\n", "# pinned\r\n", "# about the other\r\n", "x = 1\r\n"):
        assert kept in text
    assert "\n" not in text.replace("\r\n", "")
    install("--client", "codex", "--remove", "--yes")
    left = path.read_bytes().decode().replace("\r\n", "\n")
    assert left == (
        '# my own\nmodel = "o9"\n\n\n# about the other\n[mcp_servers.other]\ncommand = "x"\n'
    )


HIDDEN = """\
a = '''
[mcp_servers.arcrun]
command = 1
'''
[mcp_servers]
arcrun.command = "arcrun"
arcrun.args = ["mcp"]
"""


def test_a_home_that_a_toml_file_does_not_name_yet_is_the_person_s_to_write(install, home):
    path = home / FILES["codex"]
    write(path, TOML)
    ran = install("--client", "codex", "--yes", ARCRUN_HOME="/my/vault")
    assert ran.code == 1
    assert 'env = { ARCRUN_HOME = "/my/vault" }' in ran.err
    assert path.read_text() == TOML


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = 5\n",
        'mcp_servers = {other = {command = "x"}}\n',
        'mcp_servers = {arcrun = {command = "/old/arcrun", args = ["mcp"]}}\n',
        'mcp_servers.arcrun.command = "/old/arcrun"\nmcp_servers.arcrun.args = ["mcp"]\n',
        '[mcp_servers.arcrun]\ncommand = "/old/arcrun"\nargs = [\n  "mcp",\n]\n',
        '["mcp_servers"."arcrun"]\ncommand = "/old/arcrun"\nargs = ["mcp"]\n',
        HIDDEN,
    ],
)
def test_toml_that_cannot_be_edited_safely_is_left_alone(install, home, text) -> None:
    path = home / FILES["codex"]
    write(path, text)
    ran = install("--client", "codex", "--yes")
    assert ran.code == 1
    assert "write it yourself" in ran.err
    assert path.read_text() == text


def test_what_is_no_toml_is_left_alone(install, home) -> None:
    write(home / FILES["codex"], "a = \n")
    assert "is no TOML" in install("--client", "codex", "--yes").err


def test_a_removal_that_would_take_more_is_refused(install, home) -> None:
    path = home / FILES["codex"]
    write(path, 'mcp_servers = {arcrun = {command = "arcrun", args = ["mcp"]}}\n')
    ran = install("--client", "codex", "--remove", "--yes")
    assert ran.code == 1
    assert "take it out yourself" in ran.err


@settings(max_examples=40)  # each writes to the disk
@given(
    st.dictionaries(
        st.text("abc[]# =.\"'", min_size=1, max_size=8),
        st.one_of(st.integers(), st.text("ab[]#\"'\\ ", max_size=8), st.booleans()),
        max_size=3,
    ),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1),
)
def test_whatever_stands_in_toml_is_there_after_coming_and_going(tmp_path_factory, held, word):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    text = "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in held.items())
    path.write_text(f"{text}[x]\n", encoding="utf-8")
    start = Launch(f"/opt/{word}/arcrun", ("mcp",))
    toml_entry.install(str(path), HOSTS["codex"], start, shared=False).apply()
    assert data(path) == {
        **held, "x": {}, "mcp_servers": {"arcrun": {"command": start.command, "args": ["mcp"]}},
    }  # fmt: skip
    toml_entry.remove(str(path), HOSTS["codex"]).apply()
    assert data(path) == {**held, "x": {}}


# -- what is printed -----------------------------------------------------------------------


def test_what_is_printed_is_what_would_be_written(install, home) -> None:
    for client, host in HOSTS.items():
        text = re.split(
            r"\n(?=claude |codex |code |cursor:)", install("--client", client, "--print").out
        )[0]
        read = tomllib.loads(text) if host.toml else json.loads(text)
        install("--client", client, "--yes")
        assert read == data(home / FILES[client])
    assert set(json.loads(install("--print").out)) == {"mcpServers"}
    assert "uvx" in install("--print", "--client", "cursor", "--scope", "project").out


def test_the_links_and_lines_of_clients_hold_the_same_command(home) -> None:
    start = Launch("/opt/my tools/arcrun", ("mcp",), "/my home")
    link = urlsplit(HOSTS["cursor"].command(start))
    query = parse_qs(link.query)
    assert (link.scheme, query["name"]) == ("cursor", ["arcrun"])
    assert json.loads(base64.b64decode(query["config"][0])) == HOSTS["cursor"].entry(start)
    code, flag, entry = shlex.split(HOSTS["vscode"].command(start))
    assert (code, flag) == ("code", "--add-mcp")
    assert json.loads(entry) == {"name": "arcrun", **HOSTS["vscode"].entry(start)}
    words = shlex.split(HOSTS["codex"].command(start))
    assert words == ["codex", "mcp", "add", "arcrun", "--env", "ARCRUN_HOME=/my home", "--",
                     "/opt/my tools/arcrun", "mcp"]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "args", "ours"),
    [
        ("/x/arcrun", ["mcp"], True),
        ("C:\\x\\arcrun.exe", ["mcp"], True),
        ("python", ["-m", "arcrun_cli", "mcp"], True),
        ("/x/uvx", UVX, True),
        ("/x/arcrun", ["serve"], False),
        ("npx", ["-y", "mcp", "arcrun"], False),
        (None, ["mcp"], False),
        ("arcrun", "mcp", False),
        ("arcrun", [1, "mcp"], True),
    ],
)
def test_what_starts_this_server_is_known(command, args, ours) -> None:
    assert launch.is_ours(command, args) is ours
