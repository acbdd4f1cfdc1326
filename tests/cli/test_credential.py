"""`arcrun credential` and its two scripts, spoken to as git, docker and AWS do."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from arcrun_auth.errors import AuthError
from arcrun_cli.helpers import git, wire
from arcrun_cli.schemas import SCHEMAS
from tests import canary
from tests.cli.conftest import COMMAND, Agrees
from tests.world import Told

AWS = """\
service: cloud
primitive: static_key
base_url: https://sts.cloud.example
required_secrets:
  - {key: access_key_id}
  - {key: secret_access_key}
  - {key: session_token, optional: true}
inject: {header: {X-Key: "{{secret.access_key_id}}"}}
"""


@pytest.fixture
def forge(served, provider):
    """With the two recipes of the provider as a forge: `demo` for git, `demo_static` for both."""
    host = provider.authorities[0]
    for name in ("demo", "demo_static"):
        file = served.home / "recipes" / f"{name}.yaml"
        more = f"\ndocker: {{registries: ['{host}'], username: docker}}\n" * (name != "demo")
        file.write_text(f"{file.read_text()}\ngit: {{hosts: ['{host}'], username: git}}\n{more}")
    (served.home / "recipes" / "cloud.yaml").write_text(AWS)
    return served


def set_up(cli, provider, *names):
    from arcrun_auth import Broker

    broker = Broker(home=str(cli.home), environ=cli.env, person=Agrees(), open_url=provider.follow)
    for name in names:
        if name.startswith("demo_static"):
            broker.setup(name, key=provider.static_key)
        else:
            broker.setup(name)
    broker.close()


def end_tokens(cli):
    """By our clock: the provider would still take them."""
    from arcrun_auth import Broker
    from arcrun_auth.tokens import Key

    broker = Broker(home=str(cli.home), environ=cli.env)
    record = broker.store.get(Key("credential", "demo"))
    ended = record.replace(grant=record.grant.replace(expires=record.grant.issued))
    broker.store.put(ended, expect=record.generation)
    broker.close()


def request(provider, **more):
    scheme, _, host = provider.issuer.partition("://")
    fields = {"protocol": scheme, "host": host, **more}
    return "".join(f"{name}={value}\n" for name, value in fields.items()) + "\n"


# -- git -----------------------------------------------------------------------------------


def test_git_gets_user_password_and_end(forge, provider):
    set_up(forge, provider, "demo")
    ran = forge("credential", "git", "get", stdin=request(provider))
    assert (ran.code, ran.err) == (0, "")
    fields = dict(line.split("=", 1) for line in ran.out.splitlines())
    assert fields["username"] == "git"
    assert provider.authority.holder(f"Bearer {fields['password']}") is not None
    assert int(fields["password_expiry_utc"]) > 0
    assert list(fields) == ["username", "password", "password_expiry_utc"]


def test_the_script_answers_the_same(forge, provider):
    set_up(forge, provider, "demo_static")
    script = os.path.join(os.path.dirname(sys.executable), "git-credential-arcrun")
    done = subprocess.run(
        [script, "get"], input=request(provider).encode(), env=forge.env, capture_output=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout.decode() == f"username=git\npassword={provider.static_key}\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("protocol=https\nhost=nobody.example\n", 0),
        ("protocol=https\nhost=\n", 0),
        ("protocol=https\n", 0),
        ("", 0),
        ("protocol=ssh\nhost=127.0.0.1\n", 0),
        ("{request}host=nobody.example\n", 1),
        ("{request}x=\r\n", 1),
        ("{host}\n", 1),
    ],
)
def test_what_is_not_for_us_gets_no_answer(forge, provider, data, code):
    set_up(forge, provider, "demo_static")
    given = request(provider)
    data = data.format(request=given.rstrip("\n") + "\n", host=given.split()[1] + "\rhost=x")
    ran = forge("credential", "git", "get", stdin=data)
    assert (ran.code, ran.out) == (code, "")
    assert bool(ran.err) == bool(code)


def test_what_is_not_connected_says_so_to_the_person_and_nothing_to_git(forge, provider):
    ran = forge("credential", "git", "get", stdin=request(provider), ARCRUN_INTERACTIVE="1")
    assert (ran.code, ran.out) == (4, "")
    assert "  → arcrun setup demo" in ran.err
    assert provider.requests.total() == 0


def test_a_locked_vault_is_not_asked_to_be_opened(forge, provider):
    from arcrun_auth import Broker

    del forge.env["ARCRUN_MASTER_KEY_FILE"]
    person = Told("a passphrase", "a passphrase")
    broker = Broker(home=str(forge.home), environ=forge.env, person=person)
    broker.setup("demo_static", key=provider.static_key)
    broker.close()
    assert person.hidden  # it was opened by one
    child = forge.terminal("credential", "git", "get", ARCRUN_INTERACTIVE="1")
    child.send(request(provider))
    shown = child.read()
    child.wait()
    assert child.exitstatus == 4
    assert "The vault is locked" in shown
    assert "assphrase:" not in shown


def test_an_instance_is_chosen_by_option_or_by_the_user(forge, provider):
    set_up(forge, provider, "demo", "demo_static@work")
    by_user = forge("credential", "git", "get", stdin=request(provider, username="work"))
    by_option = forge("credential", "git", "--instance", "work", "get", stdin=request(provider))
    assert by_user.out == by_option.out == f"username=git\npassword={provider.static_key}\n"
    other = forge("credential", "git", "--instance", "No Such", "get", stdin=request(provider))
    assert (other.code, other.out) == (2, "")


@pytest.mark.parametrize("action", ["store", "capability", "whatever"])
def test_what_there_is_nothing_to_do_about_is_passed_over(forge, provider, action):
    set_up(forge, provider, "demo_static")
    mine = canary.fresh("other")
    ran = forge("credential", "git", action, stdin=request(provider, password=mine))
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_erase_renews_a_login_and_keeps_a_key(forge, provider):
    set_up(forge, provider, "demo")
    first = forge("credential", "git", "get", stdin=request(provider)).out
    password = dict(line.split("=", 1) for line in first.splitlines())["password"]
    before = provider.refreshes
    ran = forge("credential", "git", "erase", stdin=request(provider, password=password))
    assert (ran.code, ran.out) == (0, "")
    assert "try again" in ran.err
    assert provider.refreshes == before + 1
    second = forge("credential", "git", "get", stdin=request(provider)).out
    assert "password=" in second
    assert second != first


def test_submodules_that_are_fetched_at_once_renew_once(forge, provider):
    set_up(forge, provider, "demo")
    end_tokens(forge)
    asking = [
        subprocess.Popen(
            [*COMMAND, "credential", "git", "get"], env=forge.env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(5)
    ]  # fmt: skip
    for child in asking:
        child.stdin.write(request(provider).encode())
        child.stdin.close()
    answers = {child.stdout.read() for child in asking}
    assert [child.wait(60) for child in asking] == [0] * 5
    for child in asking:
        child.stdout.close()
    assert len(answers) == 1
    assert b"password=" in answers.pop()
    assert provider.refreshes == 1


def test_erase_keeps_a_key_and_says_how_to_replace_it(forge, provider):
    set_up(forge, provider, "demo_static")
    for password, said in ((provider.static_key, "It is kept."), ("other", ""), ("", "")):
        ran = forge("credential", "git", "erase", stdin=request(provider, password=password))
        assert (ran.code, ran.out) == (0, "")
        assert said in ran.err
        assert bool(ran.err) == bool(said)
    assert forge("credential", "git", "get", stdin=request(provider)).out


# -- docker --------------------------------------------------------------------------------


def test_docker_gets_its_object(forge, provider):
    set_up(forge, provider, "demo_static")
    script = shutil.which("docker-credential-arcrun", path=os.path.dirname(sys.executable))
    done = subprocess.run(
        [script, "get"], input=provider.issuer.encode(), env=forge.env, capture_output=True,
        timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == {
        "ServerURL": provider.issuer, "Username": "docker", "Secret": provider.static_key,
    }  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_docker_lists_what_is_connected(forge, provider):
    assert json.loads(forge("credential", "docker", "list").out) == {}
    set_up(forge, provider, "demo_static")
    found = json.loads(forge("credential", "docker", "list", stdin="unused").out)
    assert found == {provider.authorities[0]: "docker"}


@pytest.mark.parametrize(
    ("server", "env", "told"),
    [
        ("nobody.example", {}, ""),
        ("{issuer}", {}, "arcrun setup demo_static"),  # a public image is got all the same
        ("{connected}", {"CLAUDECODE": "1"}, "CLAUDECODE"),
    ],
)
def test_docker_goes_on_without_a_password(forge, provider, server, env, told):
    if server == "{connected}":
        set_up(forge, provider, "demo_static")
    url = server.format(issuer=provider.issuer, connected=provider.issuer)
    ran = forge("credential", "docker", "get", stdin=url, **env)
    assert (ran.code, ran.out) == (1, wire.NOT_FOUND + "\n")
    assert told in ran.err


@pytest.mark.parametrize(
    ("action", "stdin", "said"),
    [
        ("get", "", "no credentials server URL"),
        ("get", "a\nb", "line break"),
        ("erase", "nobody.example", wire.NOT_FOUND),
        ("erase", "", "no credentials server URL"),
        ("frobnicate", "", "no such action"),
    ],
)
def test_what_went_wrong_stands_where_docker_looks_for_it(forge, action, stdin, said):
    ran = forge("credential", "docker", action, stdin=stdin)
    assert (ran.code, ran.err) == (1, "")
    assert said in ran.out


def test_docker_login_and_logout_change_nothing(forge, provider):
    set_up(forge, provider, "demo_static")
    secret = canary.fresh("login")
    given = {"ServerURL": provider.issuer, "Username": "me", "Secret": secret}
    stored = forge("credential", "docker", "store", stdin=json.dumps(given))
    assert stored.code == 1
    assert "arcrun setup SERVICE" in stored.out
    assert secret not in stored.both
    erased = forge("credential", "docker", "erase", stdin=provider.issuer)
    assert erased.code == 1
    assert "arcrun remove demo_static" in erased.out
    got = forge("credential", "docker", "get", stdin=provider.issuer)
    assert json.loads(got.out)["Secret"] == provider.static_key


def test_docker_is_told_the_version(forge):
    from arcrun_auth import __version__

    ran = forge("credential", "docker", "version")
    assert ran.out == f"docker-credential-arcrun (arcrun-auth) {__version__}\n"


# -- AWS and CI ----------------------------------------------------------------------------


def cloud(**more):
    return {
        "ARCRUN_CLOUD_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "ARCRUN_CLOUD_SECRET_ACCESS_KEY": "example",
        "ARCRUN_ALLOW_HOSTS": "https://sts.cloud.example",
        **more,
    }


def test_aws_gets_its_keys(forge):
    ran = forge("credential", "aws", "cloud", **cloud(ARCRUN_CLOUD_SESSION_TOKEN="session"))
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {
        "Version": 1,
        "AccessKeyId": "AKIAEXAMPLE",
        "SecretAccessKey": "example",
        "SessionToken": "session",
    }


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("cloud@work", 4, "arcrun setup cloud@work"),
        ("demo_static", 4, "arcrun setup demo_static"),
        ("nothing_like_it", 2, "no recipe"),
    ],
)
def test_aws_is_told_what_is_missing_on_standard_error(forge, name, code, said):
    ran = forge("credential", "aws", name, **cloud())
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_what_does_not_sign_for_aws_is_no_answer(forge, provider):
    set_up(forge, provider, "demo_static")
    ran = forge("credential", "aws", "demo_static")
    assert (ran.code, ran.out) == (1, "")
    assert "no access_key_id" in ran.err


def test_a_ci_job_gets_its_token(forge):
    import base64
    import time

    end = int(time.time()) + 300
    body = base64.urlsafe_b64encode(json.dumps({"aud": "vault", "exp": end}).encode()).decode()
    token = f"e30.{body.rstrip('=')}.c2ln"
    args = ("credential", "oidc", "--audience", "vault", "--variable", "ID_TOKEN")
    assert forge(*args, ID_TOKEN=token).out == token + "\n"
    data = json.loads(forge(*args, "--json", ID_TOKEN=token).out)
    assert set(data) == {"schema", *SCHEMAS["credential oidc"]}
    assert data["token"] == token
    assert data["expires_at"].endswith("+00:00")
    both = forge(*args, "--file", "x", ID_TOKEN=token)
    assert (both.code, both.out) == (2, "")
    none = forge("credential", "oidc", "--audience", "vault")
    assert (none.code, none.out) == (1, "")
    assert "no CI job" in none.err


def test_a_recipe_says_for_which_hosts_it_answers(cli):
    shown = cli("show", "github").out
    for host in ("github.com", "gist.github.com", "ghcr.io"):
        assert host in shown
    data = json.loads(cli("show", "github", "--json").out)
    assert all(way["docker"] == ["ghcr.io"] for way in data["methods"])
    assert all(way["git"] == ["github.com", "gist.github.com"] for way in data["methods"])
    why = json.loads(cli("why", "github", "--json", ARCRUN_GITHUB_TOKEN="github_pat_x").out)
    assert {"github.com", "ghcr.io"} <= set(why["hosts"])


# -- an agent's shell ----------------------------------------------------------------------


def test_in_an_agent_s_shell_nothing_that_reveals_is_answered(forge, provider):
    set_up(forge, provider, "demo_static")
    for args, stdin in (
        (("git", "get"), request(provider)),
        (("git", "--instance", "default", "get"), request(provider)),
        (("aws", "cloud"), ""),
        (("oidc", "--audience", "vault", "--variable", "ID_TOKEN"), ""),
    ):
        ran = forge("credential", *args, stdin=stdin, CLAUDECODE="1", ID_TOKEN="x")
        assert (ran.code, ran.out) == (7, ""), args
        assert "CLAUDECODE" in ran.err
        assert provider.static_key not in ran.both


def test_what_a_rule_allows_is_answered_as_often_as_it_says(forge, provider):
    set_up(forge, provider, "demo_static")
    forge("policy", "allow", "demo_static", "--command", "credential", "--count", "2")
    forge("policy", "allow", "cloud@work", "--command", "credential")
    keys = {f"ARCRUN_CLOUD__WORK__{name}": "x" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    keys["ARCRUN_ALLOW_HOSTS"] = f"{provider.issuer},https://sts.cloud.example"
    for args, stdin, code in (
        (("git", "get"), request(provider), 0),
        (("docker", "get"), provider.issuer, 0),
        (("git", "get"), request(provider), 7),
        (("aws", "cloud@work"), "", 0),
        (("aws", "cloud"), "", 7),
    ):
        ran = forge("credential", *args, stdin=stdin, CLAUDECODE="1", **keys)
        assert ran.code == code, (args, ran.err)
        assert bool(ran.out) == (code == 0)
    assert (
        "arcrun policy allow demo_static --command credential"
        in forge("credential", "docker", "get", stdin=provider.issuer, CLAUDECODE="1").err
    )


# -- what it costs -------------------------------------------------------------------------


def test_git_waits_for_no_module_that_is_not_needed(forge, provider):
    set_up(forge, provider, "demo_static")
    code = (
        "import sys; from arcrun_cli import git_credential; sys.argv[1:] = ['get'];"
        "code = git_credential(); print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    env = {name: value for name, value in forge.env.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], input=request(provider).encode(), env=env,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith(b"username=git\n")
    loaded = set(done.stderr.decode().split())
    assert loaded.isdisjoint({"click", "httpx", "authlib", "keyring", "yaml", "msgspec", "asyncio"})


class Endless(io.RawIOBase):
    """What never ends a line; it counts how much of it is taken."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self.taken += len(buffer)
        assert self.taken < 10 * wire.MAX_BYTES
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


def test_of_what_never_ends_only_so_much_is_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(AuthError, match="more than a request"):
        git.serve("get")


def test_docker_is_told_the_names_that_it_asks_for():
    assert wire.docker_name("index.docker.io") == "https://index.docker.io/v1/"
    assert wire.docker_name("ghcr.io") == "ghcr.io"
