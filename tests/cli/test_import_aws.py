"""The keys of AWS profiles, taken in by the recipes that are shipped: one account, all services."""

from __future__ import annotations

import json

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.tokens import Key
from tests import canary
from tests.cli.import_desk import Desk, provider
from tests.servers import Reply
from tests.unit.aws_kit import Aws

__all__ = ["provider"]

ARN = "arn:aws:iam::123456789012:user/ada"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with Aws(tmp_path_factory.mktemp("aws")) as found:
        yield found


class AwsDesk(Desk):
    """The same user, whose recipes are AWS's at a server of ours."""

    place: Aws

    def broker(self, *, interactive: bool | None = None) -> Broker:
        return Broker(
            home=self.home,
            recipes=self.place.catalog,
            person=None if interactive is False else self.person,
            allow_hosts=[self.place.server.origin],
            environ=self.environ,
        )

    def files(self, credentials: str, config: str = "") -> None:
        (self.user / ".aws").mkdir(exist_ok=True)
        (self.user / ".aws" / "credentials").write_text(credentials)
        (self.user / ".aws" / "config").write_text(config)


def known(seen) -> Reply:
    """GetCallerIdentity, of each key but one that is no more."""
    if "AKIAGONE" in seen.headers["authorization"]:
        return Reply(403, {"content-type": "text/xml"}, b"<Code>InvalidClientTokenId</Code>")
    found = {"GetCallerIdentityResponse": {"GetCallerIdentityResult": {"Arn": ARN}}}
    return Reply(200, {"content-type": "application/json"}, json.dumps(found).encode())


@pytest.fixture
def desk(tmp_path, provider, place, monkeypatch, capsys) -> AwsDesk:
    place.fresh().answer = known
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    found = AwsDesk(tmp_path, provider, monkeypatch, capsys)
    found.place = place
    return found


def pair(profile: str, key_id: str, secret: str, **more: str) -> str:
    lines = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, **more}
    return f"[{profile}]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def test_each_profile_is_taken_in_tested_and_cleared_away(desk) -> None:
    one, two = canary.fresh(), canary.fresh()
    desk.files(
        "# mine\n"
        + pair("default", "AKIAEXAMPLE000000001", one)
        + pair("work", "AKIAEXAMPLE000000002", two, output="json"),
        "[default]\nregion = eu-central-1\n[profile work]\nregion = us-west-2\n",
    )
    assert desk.run("aws") == 0, desk.err
    assert "aws is taken in" in desk.err
    assert "aws@work is taken in" in desk.err
    assert f"Connected as {ARN}" in desk.err
    assert (desk.user / ".aws" / "credentials").read_text() == (
        "# mine\n[default]\n[work]\noutput = json\n"
    )
    for line in ("aws aws --profile default.", "aws aws@work --profile work."):
        assert f"until: arcrun credential install {line}" in " ".join(desk.err.split())
    signed = [seen.headers["authorization"] for seen in desk.place.server.seen]
    assert any("AKIAEXAMPLE000000001" in s and "/eu-central-1/sts/" in s for s in signed)
    assert any("AKIAEXAMPLE000000002" in s and "/us-west-2/sts/" in s for s in signed)


def test_what_was_taken_in_once_serves_every_service_of_the_account(desk) -> None:
    desk.files(
        pair("work", "AKIAEXAMPLE000000002", canary.fresh()), "[profile work]\nregion=us-west-2\n"
    )
    assert desk.run("aws", "--yes") == 0, desk.err
    broker = desk.broker(interactive=False)
    with broker.bind("aws_s3", "work", interactive=False) as s3:
        s3.get("/bucket/a name")
    sent = desk.place.server.seen[-1]
    assert "AKIAEXAMPLE000000002/" in sent.headers["authorization"]
    assert "/us-west-2/s3/aws4_request" in sent.headers["authorization"]
    broker.close()


def test_a_temporary_key_comes_with_its_token_and_a_word(desk) -> None:
    token = canary.fresh("session")
    desk.files(pair("temp", "ASIAEXAMPLE000000003", canary.fresh(), aws_session_token=token), "")
    assert desk.run("aws") == 0, desk.err
    assert "ends by itself" in desk.err
    assert desk.place.server.seen[0].headers["x-amz-security-token"] == token
    assert token not in (desk.user / ".aws" / "credentials").read_text()


def test_a_key_that_is_refused_is_not_kept_and_its_original_stays(desk) -> None:
    desk.files(pair("default", "AKIAGONE000000000009", canary.fresh()))
    before = (desk.user / ".aws" / "credentials").read_bytes()
    assert desk.run("aws") == 5
    assert "AWS does not know this access key" in " ".join(desk.err.split())
    assert (desk.user / ".aws" / "credentials").read_bytes() == before
    broker = desk.broker()
    assert broker.store.get(Key("credential", "aws")) is None
    broker.close()


def test_the_variables_of_an_env_file_are_one_account(desk) -> None:
    secret = canary.fresh()
    path = desk.env(
        f"AWS_ACCESS_KEY_ID=AKIAEXAMPLE000000001\nAWS_SECRET_ACCESS_KEY={secret}\nA=1\n"
    )
    assert desk.run("env") == 0, desk.err
    assert [q for q in desk.person.asked if "Take in" in q] == [
        "Take in aws from .env: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (line 1, line 2)?"
    ]
    assert (
        "AWS_ACCESS_KEY_ID=arcrun://aws/access_key_id "
        "AWS_SECRET_ACCESS_KEY=arcrun://aws/secret_access_key arcrun run -- COMMAND"
    ) in " ".join(desk.err.split())
    assert path.read_text() == "A=1\n"


@pytest.mark.parametrize(
    ("region", "domain"),
    [("cn-north-1", "amazonaws.com.cn"), ("eusc-de-east-1", "amazonaws.eu"),
     ("us-isob-east-1", "sc2s.sgov.gov"), ("us-iso-east-1", "c2s.ic.gov"),
     ("us-gov-west-1", None), ("us-west-2", None)],
)  # fmt: skip
def test_a_region_brings_the_domain_of_its_partition(desk, region, domain) -> None:
    desk.files(pair("default", "AKIAEXAMPLE000000001", canary.fresh(), region=region))
    assert desk.run("aws", "--yes") == 0, desk.err
    broker = desk.broker()
    kept = broker.store.get(Key("credential", "aws")).params
    assert (kept["region"], kept["domain"]) == (region, domain or "amazonaws.com")
    broker.close()
