"""The AWS recipes with an access key: hosts of every region, what is signed, what is refused."""

from __future__ import annotations

from datetime import datetime

import pytest

import arcrun_auth
from arcrun_auth import errors
from arcrun_auth.adapters.aws import process_credentials
from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.consent import hosts
from arcrun_auth.recipe import read
from arcrun_auth.signing import bind_method
from arcrun_auth.sigv4 import AccessKey, SigV4
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret, Token
from tests import canary
from tests.servers import Reply, recorder
from tests.unit.aws_kit import KEYS, Aws
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


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with Aws(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.fixture
def answers(place):
    return place.fresh()


@pytest.fixture
def desk(tmp_path, place, answers):
    return place.broker(tmp_path)


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


LOCAL = """\
service: ours
account: aws
primitive: aws_sigv4
base_url: https://api.{{param.region}}.example.com
aws: {service: s3, region: "{{param.region}}"}
params: {region: {pattern: "[a-z0-9-]+", default: eu-1, per_call: true}}
required_secrets: [{key: access_key_id}, {key: secret_access_key}]
"""


def test_the_hosts_of_a_recipe_that_is_not_ours_were_agreed_to_one_by_one(tmp_path) -> None:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    (recipes / "ours.yaml").write_text(LOCAL)
    broker = Broker(home=str(tmp_path / "home"), store=Memory(), person=Told())
    broker.setup("ours", **KEYS)
    with pytest.raises(errors.AuthError, match="other parameters than region=eu-2"):
        broker.bind("ours", params={"region": "eu-2"})


def test_a_header_that_comes_twice_is_signed_as_it_is_sent(desk, answers) -> None:
    desk.setup("aws_s3", **KEYS)
    twice = [("x-amz-meta-a", "one"), ("x-amz-meta-a", "two, three")]
    with desk.bind("aws_s3") as s3:
        s3.get("/", headers=twice)
    sent = answers.seen[-1].headers
    moment = datetime.strptime(sent["x-amz-date"], "%Y%m%dT%H%M%S%z").timestamp()
    ours = SigV4(
        AccessKey(KEYS["access_key_id"], Secret(KEYS["secret_access_key"])),
        service="s3", region="us-east-1",
    ).sign(
        method="GET", url=f"{answers.origin}/", now=moment, headers=[*twice, ("accept", "*/*")]
    )  # fmt: skip
    assert sent["authorization"] == dict(ours.headers)["Authorization"]


def test_a_link_leads_to_the_services_own_hosts_only(desk, answers) -> None:
    desk.setup("aws_s3", **KEYS)
    before = len(answers.seen)
    for url in ("https://evil.example/b/k", "//evil.example/b", "http://127.0.0.1:1/b"):
        with pytest.raises(errors.HostNotAllowed):
            desk.presigned_url("aws_s3", url)
    assert len(answers.seen) == before


def test_a_key_that_may_not_make_the_test_request_is_a_good_key(desk, answers) -> None:
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    answers.answer = lambda _: Reply(403, body=denied)
    desk.setup("aws_s3", **KEYS)
    assert desk.test("aws_s3").status == 403
    answers.answer = lambda _: Reply(403, body=b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
    with pytest.raises(errors.TokenRefused, match="does not belong"):
        desk.test("aws_s3")


def test_a_key_that_no_header_can_carry_is_refused_before_it_is_kept(desk, answers) -> None:
    with pytest.raises(errors.AuthError, match=r"the access key's id") as caught:
        desk.setup("aws@work", **KEYS | {"access_key_id": "AKID EXAMPLE"})
    assert caught.value.hint == "arcrun setup aws@work"
    for secret in (canary.fresh() + "\udcff", canary.fresh() + " x"):
        with pytest.raises(errors.AuthError, match="secret access key has a character") as caught:
            desk.setup("aws", **KEYS | {"secret_access_key": secret})
        assert caught.value.__context__ is None
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
    alone = signer.sign(method="GET", token=Token("", secrets=secrets), **ask | {"headers": {}})
    assert alone.headers == signed.headers, "the caller's own is replaced, in the signature too"
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
            s3.get("/from", follow_redirects=True, headers={"X-Amz-Security-Token": "a caller's"})
            (seen,) = other.seen
            assert not {"authorization", "x-amz-security-token", "x-amz-date"} & set(seen.headers)
            answers.answer = lambda seen: (
                Reply(307, {"location": "/b/%C3%A4(1)"}) if seen.target == "/from" else Reply()
            )
            s3.get("/from", follow_redirects=True)
    first, second = answers.seen[-2:]
    assert second.target == "/b/%C3%A4%281%29"
    assert first.headers["authorization"] != second.headers["authorization"]


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


def test_the_door_speaks_for_the_broker_of_the_process(desk, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.shared._default", desk)
    desk.setup("aws", **KEYS)
    assert process_credentials()["AccessKeyId"] == KEYS["access_key_id"]
    url = arcrun_auth.presigned_url("aws_s3", "/b/k", method="PUT", expires=9)
    assert "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&" in url
    assert "&X-Amz-Expires=9&" in url


@pytest.mark.parametrize("prefix", ["AWS", "ARCRUN_AWS"])
def test_the_environment_gives_the_key(tmp_path, place, answers, prefix) -> None:
    environ = {f"{prefix}_{name.upper()}": value for name, value in KEYS.items()}
    broker = place.broker(tmp_path, store=None, environ=environ | {"ARCRUN_KEYRING": "off"})
    with broker.bind("aws_s3", interactive=False, params={"region": "eu-west-3"}) as s3:
        s3.get("/")
    assert signed_for(answers.seen[-1]) == "eu-west-3/s3"
    broker.close()
