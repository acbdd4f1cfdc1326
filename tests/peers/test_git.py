"""The real git, over TLS, with a real `git http-backend` that wants a password."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import Broker
from arcrun_auth.testing import Provider
from tests import canary
from tests.cli.conftest import Agrees, cli, served  # noqa: F401 - fixtures
from tests.cli.test_credential import end_tokens
from tests.needs import needs
from tests.peers.git_server import Forge
from tests.servers import authority, proxy, recorder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli
    from tests.servers import Proxy

pytestmark = [pytest.mark.peer, pytest.mark.skipif(sys.platform == "win32", reason="a CGI of sh")]

HOST, OTHER = "forge.example", "other.example"
SCRIPT = os.path.join(os.path.dirname(sys.executable), "git-credential-arcrun")


@dataclass
class Desk:
    """Somebody with git and arcrun, and the forge that they work with."""

    cli: Cli
    forge: Forge
    provider: Provider
    proxy: Proxy
    folder: Path

    def git(self, *args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *args], cwd=self.folder, env=self.cli.env | env, input=stdin, text=True,
            capture_output=True, timeout=60,
        )  # fmt: skip

    def set_up(self, name: str, **secrets: str) -> None:
        broker = Broker(
            home=str(self.cli.home), environ=self.cli.env, person=Agrees(),
            open_url=self.provider.follow,
        )  # fmt: skip
        broker.setup(name, **secrets)
        broker.close()

    def install(self, *args: str) -> None:
        ran = self.cli("credential", "install", "git", *args, "--yes")
        assert ran.code == 0, ran.err


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(served, provider, tmp_path):  # noqa: F811 - the fixture
    needs(shutil.which("git"), "git")
    needs(os.path.exists(SCRIPT), "git-credential-arcrun, installed")
    # Only this host asks; `demo_static` answers for it as well, as another account of it.
    git = f"git: {{hosts: [{HOST}], username: token}}\n"
    recipe = served.home / "recipes" / "demo.yaml"
    recipe.write_text(f"{recipe.read_text()}\n{git}")
    root, work = tmp_path / "forge", tmp_path / "work"
    root.mkdir()
    work.mkdir()
    forge = Forge(
        root, lambda user, word: user == "token" and provider.authority.holder(f"Bearer {word}")
    )
    forge.repository("acme/tools.git")
    ca, context = authority(tmp_path / "given", HOST, OTHER)
    with recorder(forge.answer, context) as server, proxy(lambda *_: server.port) as way:
        served.env |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSL_CAINFO": str(ca),
            "https_proxy": way.url,
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
        }  # fmt: skip
        yield Desk(served, forge, provider, way, work)


URL = f"https://{HOST}/acme/tools.git"


def test_clone_fetch_and_push_with_the_token_of_a_login(desk):
    desk.set_up("demo")
    desk.install()
    cloned = desk.git("clone", "--quiet", URL)
    assert (cloned.returncode, cloned.stderr) == (0, "")
    for args in (
        ("commit", "--quiet", "--allow-empty", "-m", "second"),
        ("push", "--quiet", "origin", "HEAD:main"),
        ("fetch", "--quiet"),
    ):
        ran = desk.git("-C", "tools", *args)
        assert (ran.returncode, ran.stderr) == (0, ""), args
    log = desk.forge.git("-C", str(desk.forge.root / "acme/tools.git"), "log", "--format=%s")
    assert log.split() == ["second", "first"]
    assert {user for user, _ in desk.forge.users} == {"token"}
    assert all(desk.provider.authority.holder(f"Bearer {word}") for _, word in desk.forge.users)
    # Nothing of it lies in the clone or in git's configuration: `no_canary_in_logs` looks.


def test_a_token_that_has_ended_is_renewed_before_git_gets_it(desk):
    desk.set_up("demo")
    desk.install("demo")
    end_tokens(desk.cli)
    desk.provider.authority.expire_access_tokens()

    assert desk.git("ls-remote", URL).returncode == 0
    assert desk.provider.refreshes == 1


def test_a_token_that_the_server_refuses_is_renewed_for_the_next_try(desk):
    desk.set_up("demo")
    desk.install()
    desk.provider.authority.expire_access_tokens()  # not by our clock: only the server knows

    refused = desk.git("ls-remote", URL)
    assert refused.returncode != 0
    assert "there is a new one now: try again" in refused.stderr
    assert desk.provider.refreshes == 1
    again = desk.git("ls-remote", URL)
    assert (again.returncode, again.stderr) == (0, "")
    assert desk.provider.refreshes == 1


def test_where_nothing_is_connected_git_fails_at_once_and_says_how_to_connect_it(desk):
    desk.install("demo")
    ran = desk.git("ls-remote", URL)
    assert ran.returncode == 128
    assert "arcrun setup demo" in ran.stderr
    assert desk.provider.requests.total() == 0


def test_a_host_that_no_recipe_names_is_left_to_the_next_helper(desk):
    desk.set_up("demo")
    other = desk.folder / "other"
    other.write_text('#!/bin/sh\n[ "$1" = get ] && printf "username=other\\npassword=theirs\\n"\n')
    other.chmod(0o700)
    desk.git("config", "--global", "--add", "credential.helper", SCRIPT)
    desk.git("config", "--global", "--add", "credential.helper", str(other))
    desk.forge.accepts = lambda user, _: user == "other"
    ran = desk.git("ls-remote", URL.replace(HOST, OTHER))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert desk.forge.users[-1] == ("other", "theirs")


def test_a_helper_that_keeps_passwords_in_clear_gets_none_of_ours(desk):
    desk.set_up("demo")
    kept = desk.folder / "kept"
    desk.git("config", "--global", "credential.helper", f"store --file {kept}")
    desk.install()
    assert desk.git("ls-remote", URL).returncode == 0
    assert desk.forge.users
    assert not kept.exists()


def test_the_path_or_the_user_of_a_url_chooses_the_account(desk):
    """Two accounts at one host: one for the repositories below `acme`, one for the others."""
    desk.forge.repository("ada/notes.git")
    desk.set_up("demo")
    desk.set_up("demo@work")
    desk.install("demo")
    desk.install("demo@work", "--path", "acme")
    tokens = _tokens(desk)
    for url, instance in (
        (URL, "work"),
        (f"https://{HOST}/ada/notes.git", "default"),
        (f"https://work@{HOST}/ada/notes.git", "work"),
    ):
        ran = desk.git("ls-remote", url)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert desk.forge.users[-1] == ("token", tokens[instance])


def _tokens(desk: Desk) -> dict[str, str]:
    broker = Broker(home=str(desk.cli.home), environ=desk.cli.env)
    found = {
        name: broker.get_token("demo", name, interactive=False).access_token
        for name in ("default", "work")
    }
    broker.close()
    return found


def test_a_git_that_an_agent_runs_gets_no_token(desk):
    desk.set_up("demo")
    desk.install()
    ran = desk.git("ls-remote", URL, CLAUDECODE="1")
    assert ran.returncode == 128
    assert "not shown to an agent" in ran.stderr
    assert desk.forge.users == []


@pytest.mark.parametrize("field", ["host", "username", "path"])
def test_a_carriage_return_from_git_gets_no_token(desk, field):
    """CVE-2024-50338: what one side takes for the end of a line the other does not."""
    desk.set_up("demo")
    desk.install()
    desk.git("config", "--global", "credential.helper", SCRIPT)
    fields = {"protocol": "https", "host": HOST, "path": "x", "username": "token"}
    fields[field] += f"\rhost={HOST}"  # git itself drops one at the end of a line
    data = "".join(f"{name}={value}\n" for name, value in fields.items())
    done = subprocess.run(
        ["git", "-c", "credential.useHttpPath=true", "credential", "fill"], cwd=desk.folder,
        env=desk.cli.env, input=data.encode(), capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 128
    assert canary.hits(done.stdout) == []
    assert b"carriage return" in done.stderr


def test_removing_it_gives_back_what_was_there(desk):
    config = desk.cli.folder / "user" / ".gitconfig"
    config.write_text("# mine\n[credential]\n\thelper = cache\n[user]\n\tname = Ada\n")
    before = config.read_bytes()
    desk.set_up("demo")
    desk.install()
    assert desk.git("config", "--global", "--get-all", f"credential.https://{HOST}.helper").stdout
    desk.install("--remove")
    assert config.read_bytes() == before
