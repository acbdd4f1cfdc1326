"""The AWS recipes and primitives: hosts in every region, what is signed, what STS may answer."""

from __future__ import annotations

import threading

import pytest

from arcrun_auth import errors
from arcrun_auth.adapters.aws import process_credentials
from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.consent import hosts
from arcrun_auth.recipe import read
from arcrun_auth.signing import bind_method
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret, Token
from tests import aws_desk, canary
from tests.servers import GUARD, Reply, recorder
from tests.world import Told


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return Catalog(tmp_path_factory.mktemp("home"))


# -- the recipes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("us-east-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"),
        ("ap-southeast-7", "amazonaws.com"), ("cn-northwest-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"), ("us-isob-east-1", "sc2s.sgov.gov"),
    ],
)  # fmt: skip
def test_a_region_stands_in_the_host(shipped, region, domain) -> None:
    params = {"region": region, "domain": domain}
    assert hosts(shipped.recipe("aws_ses"), params) == (f"email.{region}.{domain}",)


@pytest.mark.parametrize(
    "params",
    [
        *({"region": text} for text in ("evil.com", "us-east-1.evil", "us-east-1/", "", "US-1")),
        {"domain": "evil.com"},
    ],
)
def test_nothing_else_does(shipped, params) -> None:
    (name,) = params
    with pytest.raises(ValueError, match=name):
        hosts(shipped.recipe("aws_ses"), params)


def test_a_bucket_may_be_the_host(shipped) -> None:
    binding = bind_method(shipped.recipe("aws_s3"), service="aws_s3", params={})
    permits = binding.fence.permits
    assert permits("https", "s3.us-east-1.amazonaws.com", None)
    assert permits("https", "my.bucket.s3.us-east-1.amazonaws.com", None)
    for host in ("s3.eu-west-1.amazonaws.com", "b.s3.us-east-1.amazonaws.com.evil.example",
                 "amazonaws.com", "bs3.us-east-1.amazonaws.com"):  # fmt: skip
        assert not permits("https", host, None)
    assert not permits("http", "s3.us-east-1.amazonaws.com", None)


KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": canary.fresh("aws")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with recorder() as server:
        yield server, aws_desk.catalog(tmp_path_factory.mktemp("aws"), server.origin)


@pytest.fixture
def answers(place):
    server, _ = place
    server.seen.clear()
    server.answer = lambda _: Reply()
    server.now = 1_800_000_000.0
    return server


@pytest.fixture
def desk(tmp_path, place, answers):
    return Broker(
        home=str(tmp_path / "home"),
        recipes=place[1],
        allow_hosts=[answers.origin],
        store=Memory(),
        person=Told(),
        clock=lambda: answers.now,
    )


def signed_for(seen) -> str:
    return seen.headers["authorization"].split("/", 2)[2].partition("/aws4_request")[0]


def test_a_call_may_name_another_region_than_the_connections(desk, answers) -> None:
    desk.setup("aws", params={"region": "eu-central-1"}, **KEYS)
    for region, given in (
        ("eu-central-1", None), ("sa-east-1", {"region": "sa-east-1"}), ("eu-central-1", None),
    ):  # fmt: skip
        with desk.bind("aws_sqs", params=given) as sqs:
            sqs.get("/")
        assert signed_for(answers.seen[-1]) == f"{region}/sqs"
    with pytest.raises(errors.AuthError, match="other parameters than domain"):
        desk.bind("aws_sqs", params={"domain": "amazonaws.eu", "region": "eusc-de-east-1"})
    assert desk.store.get(Key("credential", "aws")).params["region"] == "eu-central-1"
    url = desk.presigned_url("aws_sqs", "/q?Action=x", params={"region": "sa-east-1"})
    assert "%2Fsa-east-1%2Fsqs%2F" in url


def test_a_key_that_may_not_make_the_test_request_is_a_good_key(desk, answers) -> None:
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    answers.answer = lambda _: Reply(403, body=denied)
    desk.setup("aws_s3", **KEYS)
    assert desk.test("aws_s3").status == 403
    answers.answer = lambda _: Reply(403, body=b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
    with pytest.raises(errors.TokenRefused, match="does not belong"):
        desk.test("aws_s3")


def test_a_key_that_no_header_can_carry_is_refused_before_it_is_kept(desk, answers) -> None:
    with pytest.raises(errors.AuthError, match="access key's id"):
        desk.setup("aws", **KEYS | {"access_key_id": "AKID EXAMPLE"})
    assert not answers.seen
    assert desk.store.get(Key("credential", "aws")) is None


def test_what_inject_adds_is_signed_too(tmp_path) -> None:
    recipe = read(
        "service: gateway\nprimitive: aws_sigv4\nbase_url: https://api.example.com\n"
        "aws: {service: execute-api, region: us-east-1}\n"
        "required_secrets: [{key: access_key_id}, {key: secret_access_key}, {key: api_key}]\n"
        "inject: {header: {X-Api-Key: '{{secret.api_key}}'}}\n"
    )
    from arcrun_auth.primitives import load

    binding = bind_method(recipe, service="gateway", params={}, signer=load("aws_sigv4").signer)
    secrets = {name: Secret(value) for name, value in {**KEYS, "api_key": canary.fresh()}.items()}
    signer = binding.signer(binding)
    ask = {
        "url": "https://api.example.com/x",
        "headers": {"x-api-key": "the caller's"},
        "body": b"",
    }
    signed = signer.sign(method="GET", token=Token("", secrets=secrets), **ask)
    headers = dict(signed.headers)
    assert headers["X-Api-Key"] == secrets["api_key"].reveal()
    assert "SignedHeaders=host;x-amz-date;x-api-key," in headers["Authorization"]
    assert secrets["secret_access_key"].reveal() in signer.secrets
    assert signer.only_headers(Token("", secrets=secrets)) is None


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("required_secrets: [{key: access_key_id}, {key: secret_access_key}]", "aws"),
        ("aws: {service: s3, region: x}\nrequired_secrets: [{key: access_key_id}]",
         "required_secrets"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("primitive", ["aws_sigv4", "aws_assume_role"])
def test_a_recipe_says_all_that_a_signature_needs(primitive, more, field) -> None:
    text = f"service: x\nprimitive: {primitive}\nbase_url: https://x.example.com\n{more}\n"
    with pytest.raises(errors.RecipeError) as caught:
        read(text)
    assert caught.value.field == field


def test_a_role_is_named_by_its_recipe() -> None:
    with pytest.raises(errors.RecipeError) as caught:
        read(
            "service: x\nprimitive: aws_assume_role\nbase_url: https://x.example.com\n"
            "required_secrets: [{key: access_key_id}, {key: secret_access_key}]\n"
            "aws: {service: s3, region: x}\n"
        )
    assert caught.value.field == "assume_role"


# -- roles -------------------------------------------------------------------------------

ROLE = {"role_arn": "arn:aws:iam::123456789012:role/backup"}
COUNT = [0]


def session(until: str = "2027-01-15T09:00:00Z") -> bytes:
    COUNT[0] += 1
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<Credentials><AccessKeyId>ASIA{COUNT[0]}</AccessKeyId>"
        f"<SecretAccessKey>{canary.fresh('session')}</SecretAccessKey>"
        f"<SessionToken>{canary.fresh('token')}</SessionToken><Expiration>{until}</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def error(code: str, words: str = "some words") -> bytes:
    inner = f"<Code>{code}</Code><Message>{words}</Message>"
    return f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>".encode()


def assuming(answers, status: int, body: bytes | None) -> None:
    """Every request is answered 200, and AssumeRole by this."""
    answers.answer = lambda seen: (
        Reply(status, body=session() if body is None else body)
        if b"AssumeRole" in seen.body
        else Reply()
    )


@pytest.mark.parametrize(
    "case",
    [
        (403, error("AccessDenied", "... sts:AssumeRole on resource ..."), errors.TokenRefused,
         "may not be assumed"),
        (403, error("InvalidClientTokenId"), errors.TokenRefused, "does not know this access key"),
        (400, error("ValidationError"), errors.TokenRefused, "some words"),
        (400, error("Throttling"), errors.ProviderUnavailable, "Throttling"),
        (429, error("TooMany"), errors.ProviderUnavailable, "429"),
        (503, b"<html>", errors.ProviderUnavailable, "503"),
        (403, b"no xml", errors.ProviderUnavailable, "403"),
        (200, b"<AssumeRoleResponse/>", errors.ProviderUnavailable, "200"),
        (200, session("soon"), errors.ProviderUnavailable, "200"),
        (200, b'<!DOCTYPE x [<!ENTITY e "x">]>' + session(), errors.ProviderUnavailable, "200"),
        (500, error("InternalFailure"), errors.ProviderUnavailable, "InternalFailure"),
    ],
)  # fmt: skip
def test_an_answer_without_a_session(desk, answers, case) -> None:
    status, body, kind, match = case
    assuming(answers, status, body)
    with pytest.raises(kind, match=match) as caught:
        desk.setup("aws", method="role", params=ROLE, **KEYS)
    assert type(caught.value) is kind
    assert caught.value.service == "aws"
    assert desk.store.get(Key("credential", "aws")) is None


def test_a_session_is_kept_and_signs_for_every_service(desk, answers) -> None:
    assuming(answers, 200, None)
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    kept = desk.store.get(Key("credential", "aws"))
    assert set(kept.grant.secrets) == {"access_key_id", "secret_access_key", "session_token"}
    with desk.bind("aws_s3") as s3, desk.bind("aws_sqs") as sqs:
        s3.get("/")
        sqs.get("/")
    for seen in answers.seen[-2:]:
        assert (
            f"Credential={kept.grant.secrets['access_key_id'].reveal()}/"
            in (seen.headers["authorization"])
        )
        token = kept.grant.secrets["session_token"].reveal()
        assert seen.headers["x-amz-security-token"] == token


def test_an_end_that_many_wait_for_is_asked_for_once(desk, answers) -> None:
    assuming(answers, 200, None)
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    clients = [desk.bind(service) for service in ("aws_s3", "aws_sqs") for _ in range(8)]
    # 2027-01-15T09:00:00Z, less than a minute before
    answers.now = 1_800_003_599.0
    assuming(answers, 200, session("2027-01-15T10:00:00Z"))
    before = len(answers.seen)
    threads = [threading.Thread(target=client.get, args=("/",)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD)
    asked = [seen for seen in answers.seen[before:] if b"AssumeRole" in seen.body]
    assert len(asked) == 1
    assert len(answers.seen) == before + 1 + len(clients)
    for client in clients:
        client.close()


def test_a_refusal_of_a_session_renews_nothing(desk, answers) -> None:
    """What signs has no text of its own that a server could refuse: a storm would follow."""
    assuming(answers, 200, None)
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    renewed = answers.answer
    answers.answer = lambda seen: renewed(seen) if b"AssumeRole" in seen.body else Reply(401)
    before = len(answers.seen)
    with desk.bind("aws_s3") as s3:
        assert [s3.get("/").status_code for _ in range(3)] == [401] * 3
    assert len(answers.seen) == before + 3


def test_a_role_needs_the_key_of_who_assumes_it(desk, answers) -> None:
    assuming(answers, 200, None)
    with pytest.raises(errors.MissingSecret, match="secret_access_key"):
        desk.bind("aws", method="role", params=ROLE, secret={"access_key_id": "AKIDEXAMPLE"})
    with desk.bind("aws", method="role", params=ROLE, secret=KEYS) as sts:
        sts.get("/")
    assert "x-amz-security-token" in answers.seen[-1].headers
    assert desk.store.get(Key("credential", "aws")) is None


def test_a_stream_is_refused_before_anything_is_sent(desk, answers) -> None:
    desk.setup("aws_sqs", **KEYS)
    before = len(answers.seen)
    with desk.bind("aws_sqs") as sqs, pytest.raises(errors.AuthError, match="is a stream"):
        sqs.post("/", content=iter([b"a", b"b"]))
    with desk.bind("aws_s3") as s3, pytest.raises(errors.AuthError, match="only https"):
        s3.put("/b/k", content=iter([b"a", b"b"]))
    assert len(answers.seen) == before


def test_a_redirect_to_another_host_gets_no_signature(desk, answers) -> None:
    with recorder() as other:
        desk._connections.resolver.allow += (other.origin,)
        answers.answer = lambda seen: (
            Reply(307, {"location": f"{other.origin}/there"}) if seen.target == "/from" else Reply()
        )
        desk.setup("aws_s3", **KEYS, session_token=canary.fresh("token"))
        with desk.bind("aws_s3") as s3:
            s3.get("/from", follow_redirects=True)
            (seen,) = other.seen
            assert not {"authorization", "x-amz-security-token", "x-amz-date"} & set(seen.headers)
            answers.answer = lambda seen: (
                Reply(307, {"location": "/b/%C3%A4(1)"}) if seen.target == "/from" else Reply()
            )
            s3.get("/from", follow_redirects=True)
    first, second = answers.seen[-2:]
    assert second.target == "/b/%C3%A4%281%29"
    assert first.headers["authorization"] != second.headers["authorization"]


# -- what AWS's own tools are handed -------------------------------------------------------


def test_what_a_credential_process_prints(desk, answers) -> None:
    assuming(answers, 200, None)
    desk.setup("aws", **KEYS)
    assert process_credentials(broker=desk) == {
        "Version": 1,
        "AccessKeyId": KEYS["access_key_id"],
        "SecretAccessKey": KEYS["secret_access_key"],
    }
    desk.setup("aws@backup", method="role", params=ROLE, **KEYS)
    found = process_credentials("aws", "backup", broker=desk)
    kept = desk.store.get(Key("credential", "aws", "backup")).grant.secrets
    assert found == {
        "Version": 1,
        "AccessKeyId": kept["access_key_id"].reveal(),
        "SecretAccessKey": kept["secret_access_key"].reveal(),
        "SessionToken": kept["session_token"].reveal(),
        "Expiration": "2027-01-15T09:00:00Z",
    }


def test_a_credential_process_asks_nobody(desk) -> None:
    with pytest.raises(errors.MissingSecret) as caught:
        process_credentials(broker=desk)
    assert caught.value.hint == "arcrun setup aws"


def test_a_service_without_access_key_has_none_to_hand_out(tmp_path) -> None:
    broker = Broker(home=str(tmp_path), store=Memory(), person=Told())
    broker.store.put(
        Credential(
            Key("credential", "notion"), method="key", secrets={"notion_token": Secret("x")}
        ),
        expect=0,
    )
    with pytest.raises(errors.AuthError, match="signs with no access key"):
        process_credentials("notion", broker=broker)
    with pytest.raises(errors.AuthError, match="no URLs that carry"):
        broker.presigned_url("notion", "/x")
