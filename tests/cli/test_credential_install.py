"""`arcrun credential install`: shown, written as a whole, taken out again; nothing else changes."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_cli import programs
from arcrun_cli.helpers import aws_config, docker_config, edits, git_config
from tests.cli.conftest import Cli, plain
from tests.needs import needs

KEY = git_config.key("forge.example")


@pytest.fixture(autouse=True)
def no_system_config(monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


# -- the file ------------------------------------------------------------------------------


def edit_of(path, after=b"new", before=None):
    return edits.Edit(str(path), before, after, ("+ new",))


def test_a_file_that_is_not_there_is_made_for_its_owner(tmp_path):
    path = tmp_path / "sub" / "config"
    edit_of(path).apply()
    assert path.read_bytes() == b"new"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    real, link = tmp_path / "dotfiles", tmp_path / "config"
    real.write_bytes(b"old")
    real.chmod(0o644)
    link.symlink_to(real)
    edit_of(link, before=b"old").apply()
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o644
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config", "dotfiles"]


def test_a_file_that_has_changed_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"somebody else's")
    with pytest.raises(AuthError, match="has changed"):
        edit_of(path, before=b"old").apply()
    assert path.read_bytes() == b"somebody else's"
    assert [p.name for p in tmp_path.iterdir()] == ["config"]


def test_a_file_that_somebody_is_writing_is_left_to_them(tmp_path):
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    lock.write_bytes(b"theirs")
    with pytest.raises(AuthError, match="Somebody else"):
        edit_of(path).apply()
    assert lock.read_bytes() == b"theirs"
    assert not path.exists()


def test_what_cannot_be_written_is_said_so_and_nothing_is_left(tmp_path, monkeypatch):
    path = tmp_path / "config"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AuthError, match="cannot be written"):
        edit_of(tmp_path / "file" / "config").apply()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(edits.os, "fsync", full)
    with pytest.raises(AuthError, match="No space left"):
        edit_of(path).apply()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_of_configuration_is_not_read(tmp_path):
    with pytest.raises(AuthError, match="cannot be read"):
        edits.read(str(tmp_path))
    big = tmp_path / "big"
    big.write_bytes(b"#" * (edits.MAX_BYTES + 1))
    with pytest.raises(AuthError, match="1 MiB"):
        edits.read(str(big))


# -- git -----------------------------------------------------------------------------------

git = pytest.mark.usefixtures("has_git")


@pytest.fixture
def has_git():
    needs(shutil.which("git"), "git")


def values(path, key=KEY):
    done = subprocess.run(
        ["git", "config", "--file", str(path), "--get-all", key], capture_output=True, text=True
    )
    return done.stdout.split("\n")[:-1]


def install_git(path, value=None, key=KEY):
    edit = git_config.install(str(path), {key: value or git_config.helper()})
    edit.apply()
    return edit


@git
def test_git_is_told_by_an_absolute_path_and_forgets_other_helpers(tmp_path):
    path = tmp_path / "config"
    edit = install_git(path)
    reset, helper = values(path)
    assert reset == ""
    assert os.path.isabs(helper)
    assert os.path.basename(helper) == "git-credential-arcrun"
    assert edit.lines[0] == '  [credential "https://forge.example"]'
    assert [line[0] for line in edit.lines[1:]] == ["+", "+"]


@git
@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"# mine\n[user]\n\tname = Ada\n",
        b'[credential]\n\thelper = cache\n[credential "https://forge.example"]\n\tusername = me\n',
        b"[include]\n    path = other\n; end\n",
        b"[user]\r\n\tname = Ada\r\n",
        b'# a\n[credential "https://forge.example"]\n\t# b\n helper = store ; c\n[user]\n a = b\n',
        b'[credential "https://forge.example"]\n\thelper = "!f() { :; }; f" # $.*\n\tusername=me\n',
    ],
)
def test_twice_is_once_and_removing_gives_back_every_byte(tmp_path, before):
    path = tmp_path / "config"
    path.write_bytes(before)
    install_git(path)
    first = path.read_bytes()
    assert not git_config.install(str(path), {KEY: git_config.helper()}).changes
    removal = git_config.remove(str(path))
    removal.apply()
    assert path.read_bytes() == before
    assert [line[0] for line in removal.lines[1:]] == ["-", "-"]
    assert not git_config.remove(str(path)).changes
    assert first != before


@git
def test_helpers_of_others_stay_in_their_order(tmp_path):
    path = tmp_path / "config"
    theirs = ["", "!gh auth git-credential", "cache --timeout 9"]
    for text in theirs:
        subprocess.run(["git", "config", "--file", str(path), "--add", KEY, text], check=True)
    install_git(path)
    ours = git_config.helper()
    assert values(path) == [*theirs, "", ours]
    subprocess.run(["git", "config", "--file", str(path), "--add", KEY, "later"], check=True)
    assert not git_config.install(str(path), {KEY: ours}).changes  # where it stands is theirs
    git_config.remove(str(path)).apply()
    assert values(path) == [*theirs, "later"]


@git
def test_an_older_path_and_another_account_are_replaced(tmp_path):
    path = tmp_path / "config"
    install_git(path, "/gone/git-credential-arcrun")
    install_git(path, "!'/with space/arcrun' credential git --instance work")
    edit = install_git(path)
    assert values(path) == ["", git_config.helper()]
    assert sum(line.startswith("-") for line in edit.lines) == 2


@git
def test_only_the_hosts_that_are_named_are_removed(tmp_path):
    path, other = tmp_path / "config", git_config.key("other.example", "acme")
    install_git(path)
    install_git(path, key=other)
    assert other == "credential.https://other.example/acme.helper"
    git_config.remove(str(path), [KEY]).apply()
    assert values(path) == []
    assert len(values(path, other)) == 2


@git
def test_a_configuration_that_git_cannot_read_is_left_alone(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"[broken\n")
    with pytest.raises(AuthError, match="cannot read its configuration"):
        install_git(path)
    assert path.read_bytes() == b"[broken\n"


@git
def test_a_path_with_a_space_is_for_a_shell(tmp_path, monkeypatch):
    program = tmp_path / "with space" / "git-credential-arcrun"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "username=%s\\npassword=x\\n" "$2"\n')
    program.chmod(0o700)
    monkeypatch.setattr(programs, "beside", lambda name: str(program))
    path = tmp_path / "config"
    install_git(path, git_config.helper("work"))
    done = subprocess.run(
        ["git", "credential", "fill"], input="protocol=https\nhost=forge.example\n", text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": str(path), "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
    )  # fmt: skip
    assert "username=work\n" in done.stdout, done.stderr


def test_without_a_script_the_command_itself_is_called(monkeypatch):
    monkeypatch.setattr(programs, "beside", lambda name: None)
    words = shlex.split(git_config.helper().removeprefix("!"))
    assert words[-2:] == ["credential", "git"]
    assert git_config._OURS.search(git_config.helper())


def test_a_path_that_ends_its_line_stands_in_no_configuration(monkeypatch):
    monkeypatch.setattr(programs, "beside", lambda name: "/a\n[x]\nb")
    with pytest.raises(AuthError, match="control character"):
        git_config.helper()
    monkeypatch.setattr(programs, "executable", lambda: ["/a\n[x]\nb"])
    with pytest.raises(AuthError, match="control character"):
        aws_config.process("aws")


def test_the_file_is_the_one_that_git_writes(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert git_config.file({}, local=False) == str(home / ".gitconfig")
    (home / ".config" / "git" / "config").touch()
    assert git_config.file({}, local=False) == str(home / ".config" / "git" / "config")
    (home / ".gitconfig").touch()
    assert git_config.file({}, local=False) == str(home / ".gitconfig")
    environ = {"GIT_CONFIG_GLOBAL": "/x", "XDG_CONFIG_HOME": "/y"}
    assert git_config.file(environ, local=False) == "/x"


@git
def test_local_is_the_repository_one_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuthError, match="no git repository"):
        git_config.file({}, local=True)
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert git_config.file({}, local=True) == str(tmp_path / ".git" / "config")


def test_without_git_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AuthError, match="git is not installed"):
        git_config.install(str(tmp_path / "config"), {KEY: "x"})


# -- docker --------------------------------------------------------------------------------

CONFIG = """{
	"auths": {
		"https://index.docker.io/v1/": {
			"auth": "bWU6aHVudGVyMg=="
		}
	},
	"credsStore": "desktop",
	"HttpHeaders": {"User-Agent": "é"}
}"""


def test_docker_gets_an_entry_for_each_registry_and_keeps_the_rest(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(CONFIG)
    edit = docker_config.install(str(path), ["ghcr.io", "registry.example"])
    edit.apply()
    wanted = {"ghcr.io": "arcrun", "registry.example": "arcrun"}
    found = json.loads(path.read_text())
    assert found.pop("credHelpers") == wanted
    assert found == json.loads(CONFIG)
    assert "hunter2" not in "".join(edit.lines)
    assert "bWU6" not in "".join(edit.lines)
    assert '\n\t"auths"' in path.read_text()  # as docker writes it
    assert not docker_config.install(str(path), ["ghcr.io"]).changes
    docker_config.remove(str(path), ["ghcr.io"]).apply()
    assert json.loads(path.read_text())["credHelpers"] == {"registry.example": "arcrun"}
    docker_config.remove(str(path)).apply()
    assert json.loads(path.read_text()) == json.loads(CONFIG)
    assert not docker_config.remove(str(path)).changes


def test_docker_s_file_is_made_where_there_is_none(tmp_path):
    path = tmp_path / "sub" / "config.json"
    docker_config.install(str(path), ["ghcr.io"]).apply()
    assert json.loads(path.read_text()) == {"credHelpers": {"ghcr.io": "arcrun"}}
    assert not docker_config.remove(str(tmp_path / "none")).changes


def test_the_default_registry_has_docker_s_own_name(tmp_path):
    path = tmp_path / "config.json"
    docker_config.install(str(path), ["index.docker.io"]).apply()
    assert json.loads(path.read_text())["credHelpers"] == {"https://index.docker.io/v1/": "arcrun"}
    docker_config.remove(str(path), ["index.docker.io"]).apply()
    assert json.loads(path.read_text()) == {}


def test_another_helper_keeps_its_registry(tmp_path):
    path = tmp_path / "config.json"
    text = '{\n  "credHelpers": {\n    "ghcr.io": "gh"\n  }\n}\n'
    path.write_text(text)
    with pytest.raises(AuthError, match="another credential helper: gh"):
        docker_config.install(str(path), ["ghcr.io"])
    docker_config.install(str(path), ["other.example"]).apply()
    docker_config.remove(str(path)).apply()
    assert path.read_text() == text  # two spaces and the end of the line included


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{", '{"a": 1, "a": 2}', '{"credHelpers": []}', "[" * 100_000, '"x"',
        '{"a": 1e400}', '{"a": "\\ud800"}', '{"\\udc80": 1}', "\ufeff{}",
    ],
)  # fmt: skip
def test_a_file_that_would_lose_something_is_left_alone(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(AuthError, match="left alone"):
        docker_config.install(str(path), ["ghcr.io"])
    assert path.read_text() == text


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_ends_of_lines_stay_as_they_are(tmp_path, newline):
    path = tmp_path / "config.json"
    before = newline.join(["{", '\t"auths": {', '\t\t"a": {}', "\t}", "}", ""]).encode()
    path.write_bytes(before)
    docker_config.install(str(path), ["ghcr.io"]).apply()
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(newline.encode()) > 5
    docker_config.remove(str(path)).apply()
    assert path.read_bytes() == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8).filter(lambda k: k != "credHelpers"), JSON, max_size=4))
def test_whatever_docker_keeps_there_is_kept(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("docker") / "config.json"
    path.write_text(json.dumps(data, indent="\t"))
    before = path.read_text()
    docker_config.install(str(path), ["ghcr.io"]).apply()
    assert json.loads(path.read_text()) == {**data, "credHelpers": {"ghcr.io": "arcrun"}}
    docker_config.remove(str(path)).apply()
    assert json.loads(path.read_text()) == json.loads(before)


# -- AWS -----------------------------------------------------------------------------------

COMMAND = "/opt/arcrun credential aws aws"


@pytest.mark.parametrize(
    "before",
    [
        "",
        "[default]\nregion = eu-west-1\n",
        "# mine\n[profile dev]\nregion=eu-west-1\n\n; end\n",
        "[profile arcrun]\nregion = eu-central-1\noutput = json\n\n[default]\n",
        "[default]\r\nregion = eu-west-1\r\n",
        "[sso-session x]\nsso_start_url = https://x\n[profile other]\nrole_arn = arn\n",
    ],
)
def test_a_profile_is_added_and_taken_out_byte_by_byte(tmp_path, before):
    path = tmp_path / "config"
    path.write_bytes(before.encode())
    edit = aws_config.install(str(path), "arcrun", COMMAND)
    edit.apply()
    assert aws_config.install(str(path), "arcrun", COMMAND).changes is False
    parser = configparser.RawConfigParser(default_section="none")
    parser.read_string(path.read_text())
    assert parser["profile arcrun"]["credential_process"] == COMMAND
    if "profile arcrun" in before:
        assert parser["profile arcrun"]["region"] == "eu-central-1"
    aws_config.remove(str(path)).apply()
    assert path.read_bytes() == before.encode()
    assert not aws_config.remove(str(path)).changes


def test_the_last_line_may_have_no_end(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"[default]\nregion = eu-west-1")
    aws_config.install(str(path), "arcrun", COMMAND).apply()
    aws_config.remove(str(path)).apply()
    assert path.read_bytes() == b"[default]\nregion = eu-west-1\n"


def test_the_default_profile_has_another_header(tmp_path):
    path = tmp_path / "config"
    edit = aws_config.install(str(path), "default", COMMAND)
    assert edit.after.startswith(b"[default]\n")
    path.write_bytes(b"[default]\nregion = x\n")
    edit = aws_config.install(str(path), "default", COMMAND)
    assert edit.lines == ("  [default]", f"+ credential_process = {COMMAND}")


def test_an_older_command_is_replaced_in_its_place(tmp_path):
    path = tmp_path / "config"
    path.write_text(f"[profile a]\nregion = x\ncredential_process = {COMMAND}@old\n[default]\n")
    edit = aws_config.install(str(path), "a", COMMAND)
    edit.apply()
    assert path.read_text().count("credential_process") == 1
    assert f"- credential_process = {COMMAND}@old" in edit.lines
    assert path.read_text().endswith("region = x\n[default]\n")


def test_only_the_profile_that_is_named_is_removed(tmp_path):
    path = tmp_path / "config"
    for profile in ("a", "b"):
        aws_config.install(str(path), profile, COMMAND).apply()
    aws_config.remove(str(path), "a").apply()
    assert path.read_text() == f"[profile b]\ncredential_process = {COMMAND}\n"
    assert not aws_config.remove(str(path), "a").changes


@pytest.mark.parametrize(
    "line",
    ["credential_process = /bin/other", "sso_session=x", "role_arn: arn", "AWS_ACCESS_KEY_ID = A"],
)
def test_a_profile_with_keys_of_its_own_is_left_alone(tmp_path, line):
    path = tmp_path / "config"
    text = f"[profile arcrun]\n{line}\n"
    path.write_text(text)
    with pytest.raises(AuthError, match="already"):
        aws_config.install(str(path), "arcrun", COMMAND)
    assert not aws_config.remove(str(path)).changes
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["", "a b", "a]", "a\nb", "x" * 65])
def test_a_profile_s_name_cannot_end_its_line(tmp_path, name):
    with pytest.raises(AuthError, match="profile's name"):
        aws_config.install(str(tmp_path / "config"), name, COMMAND)


def test_the_command_is_one_that_every_sdk_splits_alike(monkeypatch):
    monkeypatch.setattr(programs, "executable", lambda: ["/with space/arcrun"])
    assert shlex.split(aws_config.process("aws@work")) == [
        "/with space/arcrun", "credential", "aws", "aws@work",
    ]  # fmt: skip
    for path in ('/a"b', "/a$b", "/a`b"):
        monkeypatch.setattr(programs, "executable", lambda path=path: [path])
        with pytest.raises(AuthError, match="that shells read"):
            aws_config.process("aws")


def test_the_files_are_where_their_programs_look(monkeypatch):
    home = os.path.expanduser("~")
    assert aws_config.file({}) == os.path.join(home, ".aws", "config")
    assert aws_config.file({"AWS_CONFIG_FILE": "/x"}) == "/x"
    assert docker_config.file({}) == os.path.join(home, ".docker", "config.json")
    assert docker_config.file({"DOCKER_CONFIG": "/x"}) == os.path.join("/x", "config.json")


# -- the command ---------------------------------------------------------------------------


def installed(cli: Cli, *args: str, **env: str):
    return cli("credential", "install", *args, ARCRUN_GITHUB_TOKEN="github_pat_x", **env)


@git
def test_it_is_shown_and_asked_for_before_it_is_written(cli):
    config = cli.folder / "user" / ".gitconfig"
    for answer, code in (("n", 1), ("y", 0)):
        child = cli.terminal(
            "credential", "install", "git", ARCRUN_GITHUB_TOKEN="github_pat_x", NO_COLOR="1"
        )
        child.expect_exact("Write this? [y/N]: ")
        shown = plain(child.before)
        assert str(config) in shown
        assert '[credential "https://github.com"]' in shown
        child.sendline(answer)
        child.expect_exact("Written." if answer == "y" else "left as it is")
        child.wait()
        assert child.exitstatus == code
        assert config.exists() == (answer == "y")


@git
def test_where_nobody_can_be_asked_it_wants_yes(cli):
    ran = installed(cli, "git")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert "+     helper" in ran.out
    assert not (cli.folder / "user" / ".gitconfig").exists()


@git
def test_git_for_a_service_an_account_and_a_path(cli):
    installed(cli, "git", "gitlab", "github@work", "--path", "/acme/", "--yes")
    config = cli.folder / "user" / ".gitconfig"
    assert len(values(config, "credential.https://gitlab.com/acme.helper")) == 2
    _, work = values(config, "credential.https://github.com/acme.helper")
    assert work.endswith(" --instance work")
    again = installed(cli, "git", "gitlab", "github@work", "--path", "acme", "--yes")
    assert (again.code, again.out) == (0, "")
    assert "stays as it is" in again.err
    gone = installed(cli, "git", "--remove", "--yes")
    assert gone.code == 0
    assert config.read_bytes() == b""


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("git", "--path", "acme"), 2, "--path is for a service"),
        (("git", "notion"), 2, "answers git for no host"),
        (("git", "no_such_thing"), 2, "no recipe"),
        (("docker", "github@work"), 2, "which account"),
        (("docker", "huggingface"), 2, "answers docker for no host"),
        (("aws",), 2, "Name the connection"),
        (("aws", "no_such_thing"), 2, "no recipe"),
        (("aws", "github"), 2, "github does not sign for AWS"),
        (("aws", "aws", "--profile", "a b"), 1, "profile's name"),
    ],
)
def test_what_cannot_be_installed_is_said_so(cli, args, code, said):
    ran = installed(cli, *args, "--yes")
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "→ arcrun show SERVICE" not in ran.err  # a hint is a command that can be typed


@pytest.mark.parametrize("kind", ["git", "docker"])
def test_where_nothing_is_connected_there_is_nothing_to_install(cli, kind):
    ran = cli("credential", "install", kind, "--yes")
    assert ran.code == 4
    assert "arcrun show SERVICE" in ran.err


def test_docker_is_told_and_the_missing_program_is_named(cli):
    script = os.path.join(os.path.dirname(sys.executable), "docker-credential-arcrun")
    ran = installed(cli, "docker", "--yes", PATH="/usr/bin:/bin")
    config = cli.folder / "user" / ".docker" / "config.json"
    assert json.loads(config.read_text()) == {"credHelpers": {"ghcr.io": "arcrun"}}
    assert f"ln -s {script}" in ran.err
    beside = f"{os.path.dirname(script)}:/usr/bin:/bin"
    again = installed(cli, "docker", "github", "--yes", PATH=beside)
    assert "ln -s" not in again.err
    assert installed(cli, "docker", "github", "--remove", "--yes").code == 0
    assert json.loads(config.read_text()) == {}


def test_aws_is_told_by_a_profile(cli):
    ran = installed(cli, "aws", "aws@work", "--yes")
    config = cli.folder / "user" / ".aws" / "config"
    assert "AWS_PROFILE=work" in ran.err
    assert "[profile work]\ncredential_process = /" in config.read_text()
    assert config.read_text().endswith("arcrun credential aws aws@work\n")
    installed(cli, "aws", "--remove", "--yes")
    assert config.read_text() == ""
