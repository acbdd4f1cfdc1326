"""The real botocore takes keys by `credential_process`, as `credential install aws` writes it."""

from __future__ import annotations

import sys
import time

import pytest
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

from tests import canary
from tests.cli.conftest import cli  # noqa: F401 - a fixture
from tests.servers import Reply, recorder

RECIPE = """\
service: cloud
primitive: aws_sigv4
base_url: https://sts.cloud.example
aws: {service: sts, region: us-east-1}
required_secrets:
  - {key: access_key_id}
  - {key: secret_access_key}
  - {key: session_token, optional: true}
"""


@pytest.fixture
def cloud(cli, monkeypatch):  # noqa: F811 - the fixture
    """With the profile `arcrun`, whose keys come from a recipe of the test's own."""
    recipes = cli.home / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    (recipes / "cloud.yaml").write_text(RECIPE)
    cli.env |= {
        "ARCRUN_CLOUD_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "ARCRUN_CLOUD_SECRET_ACCESS_KEY": canary.fresh("secret"),
        "ARCRUN_CLOUD_SESSION_TOKEN": "session",  # botocore writes it into its own debug log
        "ARCRUN_ALLOW_HOSTS": "https://sts.cloud.example",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ran = cli("credential", "install", "aws", "cloud", "--yes")
    assert ran.code == 0, ran.err
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)
    return cli


def session() -> Session:
    return Session(profile="arcrun")


def test_botocore_gets_the_keys(cloud):
    found = session().get_credentials()
    assert found.method == "custom-process"
    keys = found.get_frozen_credentials()
    assert keys.access_key == "AKIAIOSFODNN7EXAMPLE"
    assert keys.secret_key == cloud.env["ARCRUN_CLOUD_SECRET_ACCESS_KEY"]
    assert keys.token == cloud.env["ARCRUN_CLOUD_SESSION_TOKEN"]


IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""


def test_a_client_signs_with_them(cloud):
    with recorder(lambda _: Reply(headers={"content-type": "text/xml"}, body=IDENTITY)) as server:
        client = session().create_client(
            "sts", region_name="eu-central-1", endpoint_url=server.origin
        )
        assert client.get_caller_identity()["Account"] == "123456789012"
        (seen,) = server.seen
    assert "Credential=AKIAIOSFODNN7EXAMPLE/" in seen.headers["authorization"]
    assert seen.headers["x-amz-security-token"] == cloud.env["ARCRUN_CLOUD_SESSION_TOKEN"]


def test_what_is_missing_reaches_whoever_uses_botocore(cloud, monkeypatch):
    monkeypatch.delenv("ARCRUN_CLOUD_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialRetrievalError, match="arcrun setup cloud"):
        session().get_credentials()


PROGRAM = """\
import sys, time
from arcrun_auth.tokens import Secret, Token
from arcrun_cli.helpers import wire

count = open(sys.argv[1], "a+")
count.write("x")
secrets = {"access_key_id": f"ASIA{count.tell()}", "secret_access_key": "s", "session_token": "t"}
secrets = {name: Secret(value) for name, value in secrets.items()}
print(wire.aws_answer("aws", Token("", expires=time.time() + float(sys.argv[2]), secrets=secrets)))
"""


@pytest.mark.parametrize(("life", "calls"), [(3600, 1), (300, 3)])
def test_keys_that_end_are_asked_for_again_in_time(tmp_path, monkeypatch, life, calls):
    """botocore renews by force in the last ten minutes: `Expiration` is read as it is meant."""
    program, config, count = (tmp_path / name for name in ("program.py", "config", "count"))
    program.write_text(PROGRAM)
    config.write_text(
        f"[profile arcrun]\ncredential_process = {sys.executable} {program} {count} {life}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    found = session().get_credentials()
    for _ in range(2):
        keys = found.get_frozen_credentials()
    assert keys.access_key == f"ASIA{calls}"
    assert count.read_text() == "x" * calls
    assert found._expiry_time.timestamp() == pytest.approx(time.time() + life, abs=60)
