"""Roles of AWS: what STS may answer, sessions that sign and end, what other tools are handed."""

from __future__ import annotations

import threading

import pytest

from arcrun_auth import errors
from arcrun_auth.adapters.aws import process_credentials
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.servers import GUARD, Reply
from tests.unit.aws_kit import KEYS, Aws


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
        (200, ('<!DOCTYPE x [<!ENTITY e "x">]>' + session().decode()).encode("utf-16"),
         errors.ProviderUnavailable, "200"),
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


@pytest.mark.parametrize("theirs", ["2027-01-15T08:56:00Z", "2027-01-15T09:04:00Z"])
def test_a_session_ends_no_later_than_it_lasts_whatever_the_clocks_say(
    desk, place, answers, theirs
) -> None:
    """Of ours and of AWS's one is four minutes ahead."""
    assuming(answers, 200, session(theirs))
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    kept = desk.store.get(Key("credential", "aws"))
    assert kept.grant.expires <= place.now + 3600


def test_a_renewal_puts_no_session_over_that_of_a_new_setup(desk, place, answers) -> None:
    assuming(answers, 200, None)
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    key = Key("credential", "aws")
    place.now += 3600  # the session is over
    newer = canary.fresh("newer")

    def meanwhile(seen):
        held = desk.store.get(key)
        if b"AssumeRole" in seen.body and newer not in held.grant.secrets["session_token"].reveal():
            secrets = {**held.grant.secrets, "session_token": Secret(newer)}
            grant = held.grant.replace(secrets=secrets, expires=place.now + 3600)
            desk.store.put(held.replace(grant=grant), expect=held.generation)
        return Reply(body=session("2027-01-15T10:00:00Z")) if seen.body else Reply()

    answers.answer = meanwhile
    with desk.bind("aws_s3") as s3:
        s3.get("/")
    assert answers.seen[-1].headers["x-amz-security-token"] == newer
    assert desk.store.get(key).grant.secrets["session_token"].reveal() == newer


def test_an_end_that_many_wait_for_is_asked_for_once(desk, place, answers) -> None:
    assuming(answers, 200, None)
    desk.setup("aws", method="role", params=ROLE, **KEYS)
    clients = [desk.bind(service) for service in ("aws_s3", "aws_sqs") for _ in range(8)]
    # 2027-01-15T09:00:00Z, less than a minute before
    place.now = 1_800_003_599.0
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
