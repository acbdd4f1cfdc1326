"""AWS as moto has it, which checks every signature: the shipped recipes, roles, boto3."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from urllib.parse import parse_qs

import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from arcrun_auth import errors
from arcrun_auth.adapters.aws import process_credentials
from arcrun_auth.adapters.boto3 import boto3_session
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key
from tests import aws_desk
from tests.servers import Reply, recorder
from tests.world import Told

STS = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
STARS = {"x-amz-target": "DynamoDB_20120810.ListTables"}


@pytest.fixture(scope="module")
def moto():
    with aws_desk.Moto() as server:
        yield server


@pytest.fixture
def relay(moto):
    """moto, with a record of what reaches it on the way; the host stays, since it is signed."""

    def answer(seen):
        # moto finds out by itself what an address of ours stands for.
        given = moto.client.request(
            seen.method, moto.origin + seen.target, headers=seen.headers, content=seen.body
        )
        kept = {n: v for n, v in given.headers.items() if n in ("content-type", "etag")}
        return Reply(given.status_code, kept, given.content)

    with recorder(answer) as server:
        yield server


class Desk:
    """A broker with the shipped recipes at the relay, and a clock that can be set forward."""

    def __init__(self, folder, origin, **settings) -> None:
        self.ahead = 0.0
        self.person = Told()
        self.broker = Broker(
            home=str(folder / "home"),
            recipes=aws_desk.catalog(folder, origin),
            allow_hosts=[origin],
            store=settings.pop("store", Memory()),
            person=self.person,
            clock=lambda: time.time() + self.ahead,
            **settings,
        )


@pytest.fixture
def desk(tmp_path, relay):
    return Desk(tmp_path, relay.origin)


@pytest.fixture
def connected(desk, moto):
    desk.broker.setup("aws", **moto.keys._asdict())
    return desk


@pytest.fixture
def in_role(desk, moto):
    desk.broker.setup("aws", method="role", params={"role_arn": moto.role}, **moto.keys._asdict())
    return desk


def assumed(relay) -> int:
    return sum(b"Action=AssumeRole" in seen.body for seen in relay.seen)


def arn(client) -> str:
    found = re.search("<Arn>(.*?)</Arn>", client.post("/", data=STS).raise_for_status().text)
    return found[1]


# -- keys --------------------------------------------------------------------------------


def test_a_key_that_signs_is_kept_and_one_that_does_not_is_refused(desk, moto) -> None:
    keys = moto.keys._asdict()
    with pytest.raises(errors.TokenRefused, match="does not belong to this access key ID"):
        desk.broker.setup("aws", **keys | {"secret_access_key": keys["secret_access_key"] + "x"})
    assert desk.broker.store.get(Key("credential", "aws")) is None
    desk.broker.setup("aws", **keys)
    assert desk.broker.test("aws_sts").status == 200, "the alias"
    assert not [text for text in desk.person.said if "untested" in text]


def test_one_account_serves_every_service(connected) -> None:
    broker = connected.broker
    with broker.bind("aws") as sts, broker.bind("aws_dynamodb") as dynamodb:
        assert arn(sts).endswith(":user/ada")
        kind = {"content-type": "application/x-amz-json-1.0"}
        answer = dynamodb.post("/", content=b"{}", headers=STARS | kind)
        assert answer.json() == {"TableNames": []}
    for service in ("aws_s3", "aws_sqs", "aws_sns", "aws_dynamodb", "aws_secretsmanager"):
        assert broker.test(service).status == 200
    assert not connected.person.asked


def test_the_key_of_the_environment_signs(tmp_path, relay, moto) -> None:
    environ = {f"AWS_{name.upper()}": value for name, value in moto.keys._asdict().items()}
    desk = Desk(tmp_path, relay.origin, environ=environ, store=None)
    with desk.broker.bind("aws", interactive=False) as sts:
        assert arn(sts).endswith(":user/ada")


KEYS = ["plain.txt", "a b/c+d.txt", "ümlaut (1)/~*'!.txt", "x:y=z&w,@;$.txt", "a//b/", "%2F%.txt"]


def test_objects_of_any_name_come_back(connected) -> None:
    with connected.broker.bind("aws_s3") as s3:
        s3.put("/names").raise_for_status()
        for number, name in enumerate(KEYS):
            path = httpx.URL(path=f"/names/{name}").raw_path.decode()
            s3.put(path, content=f"{number}").raise_for_status()
            assert s3.get(path).raise_for_status().text == f"{number}", name
        listed = s3.get("/names", params={"list-type": 2, "prefix": "a b/", "delimiter": "/"})
        assert "<Key>a b/c+d.txt</Key>" in listed.raise_for_status().text


def test_a_client_that_awaits_signs_too(connected) -> None:
    async def main() -> str:
        async with connected.broker.bind_async("aws_s3") as s3:
            (await s3.put("/awaited")).raise_for_status()
            (await s3.put("/awaited/k", content=b"v" * 100_000)).raise_for_status()
            return (await s3.get("/awaited/k")).raise_for_status().text

    assert asyncio.run(main()) == "v" * 100_000


def test_the_secret_key_is_never_sent(connected, relay, moto) -> None:
    with connected.broker.bind("aws_s3") as s3:
        s3.get("/").raise_for_status()
    assert relay.seen
    for seen in relay.seen:
        assert moto.keys.secret_access_key not in seen.raw


# -- roles -------------------------------------------------------------------------------


def test_a_roles_session_signs(in_role, relay) -> None:
    broker = in_role.broker
    with broker.bind("aws") as sts, broker.bind("aws_s3") as s3:
        assert arn(sts).endswith(":assumed-role/backup/arcrun")
        s3.put("/by-role").raise_for_status()
    assert assumed(relay) == 1, "the vault has it, for all services"
    with pytest.raises(errors.NoToken):
        broker.get_token("aws")


def test_an_ended_session_is_renewed_once_for_all_callers(in_role, relay) -> None:
    broker = in_role.broker
    clients = [broker.bind("aws") for _ in range(20)]
    before = assumed(relay)
    in_role.ahead = 3590
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda c=client: got.append(c.post("/", data=STS).status_code))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == [200] * 20
    assert assumed(relay) == before + 1
    for client in clients:
        client.close()


def test_what_a_role_is_asked_with(desk, moto, relay) -> None:
    params = {"role_arn": moto.role, "session_name": "nightly", "external_id": "x/1:@"}
    desk.broker.setup("aws_s3", method="role", params=params, **moto.keys._asdict())
    (asked,) = [seen for seen in relay.seen if b"Action=AssumeRole" in seen.body]
    assert {name: value for name, (value,) in parse_qs(asked.body.decode()).items()} == {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": moto.role,
        "RoleSessionName": "nightly", "ExternalId": "x/1:@", "DurationSeconds": "3600",
    }  # fmt: skip
    with desk.broker.bind("aws") as sts:
        assert arn(sts).endswith(":assumed-role/backup/nightly")


def test_a_role_that_is_refused_says_so(desk, moto) -> None:
    wrong = moto.keys._asdict() | {"secret_access_key": "x" * 40}
    params = {"role_arn": moto.role}
    with pytest.raises(errors.TokenRefused, match="does not belong") as caught:
        desk.broker.setup("aws", method="role", params=params, **wrong)
    assert caught.value.error == "SignatureDoesNotMatch"
    assert desk.broker.store.get(Key("credential", "aws")) is None


# -- URLs that carry their permission ------------------------------------------------------


def test_a_presigned_url_is_botocores(connected, moto) -> None:
    ours = connected.broker.presigned_url("aws_s3", "/names/a b.txt", expires=60, method="PUT")
    plain, _, query = ours.partition("?")
    assert plain.endswith("/names/a%20b.txt")
    signed = {name: value for name, (value,) in parse_qs(query).items()}
    theirs = S3SigV4QueryAuth(Credentials(*moto.keys), "s3", "us-east-1", 60)
    request = AWSRequest("PUT", ours.rpartition("&X-Amz-Signature=")[0])
    request.context["timestamp"] = signed["X-Amz-Date"]
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert theirs.signature(text, request) == signed["X-Amz-Signature"]
    with pytest.raises(errors.HostNotAllowed):
        connected.broker.presigned_url("aws_s3", "https://evil.example/names/k")


# -- what AWS's own tools are handed --------------------------------------------------------


@pytest.fixture
def botocore(monkeypatch):
    """Real boto3, which finds no other key here, and whose log shows tokens."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.WARNING)


@pytest.mark.usefixtures("botocore")
def test_boto3_signs_with_the_connections_key(connected, relay) -> None:
    session = boto3_session("aws", broker=connected.broker)
    assert session.region_name == "us-east-1"
    assert session.get_credentials().method == "custom-arcrun"
    s3 = session.client("s3", endpoint_url=relay.origin)
    s3.create_bucket(Bucket="by-boto3")
    s3.put_object(Bucket="by-boto3", Key="a b", Body=b"hello")
    assert s3.get_object(Bucket="by-boto3", Key="a b")["Body"].read() == b"hello"


@pytest.mark.usefixtures("botocore")
def test_boto3_signs_with_the_key_that_is_set_up_later_and_with_none_that_was_removed(
    connected, relay, moto
) -> None:
    session = boto3_session("aws", broker=connected.broker)
    sts = session.client("sts", endpoint_url=relay.origin)
    assert ":user/" in sts.get_caller_identity()["Arn"]
    keys = moto.keys._asdict()
    connected.broker.setup(
        "aws", method="role", params={"role_arn": moto.role}, replace=True, **keys
    )
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/backup/arcrun")
    assert keys["secret_access_key"] not in str(vars(session.get_credentials()))
    connected.broker.remove("aws")
    connected.broker._person = Nobody()
    sent = len(relay.seen)
    with pytest.raises(errors.MissingSecret):
        sts.get_caller_identity()
    assert len(relay.seen) == sent


@pytest.mark.usefixtures("botocore")
def test_boto3_goes_on_when_a_session_ends(in_role, relay) -> None:
    session = boto3_session("aws", broker=in_role.broker, region_name="eu-west-1")
    assert session.region_name == "eu-west-1"
    sts = session.client("sts", endpoint_url=relay.origin)
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/backup/arcrun")
    first = session.get_credentials().get_frozen_credentials()
    before = assumed(relay)

    in_role.ahead = 3550
    keys = session.get_credentials()
    second = keys.get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == second[:3]
    assert second.access_key != first.access_key
    assert assumed(relay) == before + 1
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/backup/arcrun")


@pytest.mark.usefixtures("botocore")
def test_botocore_takes_what_a_credential_process_prints(in_role, relay, tmp_path) -> None:
    found = process_credentials(broker=in_role.broker)
    assert set(found) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    given = tmp_path / "given"
    given.mkdir()
    (given / "printed").write_text(json.dumps(found))
    (given / "config").write_text(
        f"[profile ours]\nregion = us-east-1\ncredential_process = cat {given / 'printed'}\n"
    )
    session = Session(profile="ours")
    session.set_config_variable("config_file", str(given / "config"))
    keys = session.get_credentials()
    assert (keys.method, keys.access_key) == ("custom-process", found["AccessKeyId"])
    sts = session.create_client("sts", endpoint_url=relay.origin)
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/backup/arcrun")
