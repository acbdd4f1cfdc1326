"""The real docker command, without its daemon, and a registry that wants a password."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys

import pytest

from arcrun_auth import Broker
from tests.cli.conftest import Agrees, cli, provider, served  # noqa: F401 - fixtures
from tests.servers import Reply, authority, recorder

pytestmark = [
    pytest.mark.peer,
    # Not every distribution has the client without its daemon: test_docker_library.py of
    # tests/sdk asks the same by Docker's Python library, which can be installed anywhere.
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command"),
]

UNKNOWN = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}


@pytest.fixture
def registry(served, provider, tmp_path):  # noqa: F811 - the fixtures
    """With the configuration that `credential install docker` writes; `registry.seen` records."""
    wanted = base64.b64encode(f"token:{provider.static_key}".encode()).decode()

    def answer(seen):
        if seen.headers.get("authorization") != f"Basic {wanted}":
            return Reply(401, {"www-authenticate": 'Basic realm="registry"'})
        if "/manifests/" not in seen.target:
            return Reply(200, {"content-type": "application/json"})
        return Reply(404, {"content-type": "application/json"}, json.dumps(UNKNOWN).encode())

    ca, context = authority(tmp_path / "given")
    served.env["SSL_CERT_FILE"] = str(ca)
    with recorder(answer, context) as server:
        host = server.origin.removeprefix("https://")
        file = served.home / "recipes" / "demo_static.yaml"
        file.write_text(
            f"{file.read_text()}\ndocker: {{registries: ['{host}'], username: token}}\n"
        )
        served.env["ARCRUN_ALLOW_HOSTS"] += f",{server.origin}"
        served.env["PATH"] = os.path.dirname(sys.executable) + ":" + served.env["PATH"]
        ran = served("credential", "install", "docker", "demo_static", "--yes")
        assert (ran.code, "not on the PATH" in ran.err) == (0, False), ran.err
        server.host = host
        yield server


def inspect(cli, registry, **env):  # noqa: F811
    return subprocess.run(
        ["docker", "manifest", "inspect", f"{registry.host}/team/image:1"],
        env=cli.env | env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def connect(cli, provider):  # noqa: F811
    broker = Broker(home=str(cli.home), environ=cli.env, person=Agrees())
    broker.setup("demo_static", key=provider.static_key)
    broker.close()


def test_docker_gets_in_with_the_token(served, provider, registry):  # noqa: F811
    connect(served, provider)
    ran = inspect(served, registry)
    assert ran.stderr == "manifest unknown\n"  # what only those hear who were let in
    config = (served.folder / "user" / ".docker" / "config.json").read_text()
    assert json.loads(config) == {"credHelpers": {registry.host: "arcrun"}}


@pytest.mark.parametrize("connected", [True, False])
def test_docker_goes_on_without_a_password_and_does_not_fail_for_it(
    served, provider, registry, connected  # noqa: F811
):  # fmt: skip
    """A public image is one that needs none: the refusal is the registry's own."""
    if connected:
        connect(served, provider)
    ran = inspect(served, registry, **({"CLAUDECODE": "1"} if connected else {}))
    assert ran.returncode == 1
    assert "error getting credentials" not in ran.stderr
    assert ("CLAUDECODE" if connected else "arcrun setup demo_static") in ran.stderr
    assert all("authorization" not in seen.headers for seen in registry.seen)
