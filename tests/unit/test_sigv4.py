"""Signature Version 4: AWS's published cases, and what a client other than AWS's may send.

That it agrees with botocore over random requests: tests/sdk/test_sigv4_botocore.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_auth.sigv4 import MAX_EXPIRES, AccessKey, SigV4
from arcrun_auth.tokens import Secret
from tests import canary
from tests.unit import sigv4_vectors as suite

NOW = 1_800_000_000
SECRET = canary.fresh("aws")
SESSION = canary.fresh("session") + "/+=="


def key(token: str | None = None) -> AccessKey:
    return AccessKey("AKIDEXAMPLE", Secret(SECRET), Secret(token) if token else None)


def signer(service: str = "sts", token: str | None = None, region: str = "eu-central-1") -> SigV4:
    return SigV4(key(token), service=service, region=region)


# AWS's own cases


def suite_signer(name: str) -> SigV4:
    identity, secret = suite.ACCESS_KEY
    token = suite.TOKENS.get(name)
    signs = SigV4(
        AccessKey(identity, Secret(secret), Secret(token) if token else None), **suite.SCOPE
    )
    # The suite sets the rules of the path apart from those of the body; a service has both.
    signs._path_as_is = name.endswith("-unnormalized") or name in suite.ENCODED_ONCE
    return signs


def content_hash(case: suite.Case) -> list[tuple[str, str]]:
    """The suite sends the hash of a body to every service."""
    import hashlib

    digest = hashlib.sha256(case.body).hexdigest()
    return [("X-Amz-Content-SHA256", digest)] if case.body else []


@pytest.mark.parametrize("name", suite.CASES)
def test_headers_are_signed_as_aws_published_it(name) -> None:
    case = suite.CASES[name]
    signed = suite_signer(name).sign(
        method=case.method,
        url=f"https://{suite.HOST}{case.target}",
        headers=case.pairs + content_hash(case),
        body=case.body,
        now=suite.NOW,
    )
    assert dict(signed.headers)["Authorization"].endswith(f", Signature={case.in_headers}")


@pytest.mark.parametrize("name", suite.CASES)
def test_a_query_is_signed_as_aws_published_it(name) -> None:
    case = suite.CASES[name]
    url = suite_signer(name).presign(
        method=case.method,
        url=f"https://{suite.HOST}{case.target}",
        headers=case.pairs,
        body=case.body,
        expires=suite.EXPIRES,
        now=suite.NOW,
    )
    assert url.endswith(f"&X-Amz-Signature={case.in_query}")


def test_the_key_of_a_new_day_is_another() -> None:
    ours = signer()
    ask = {"method": "GET", "url": "https://sts.example.com/"}
    today = ours.sign(**ask, now=NOW)
    tomorrow = ours.sign(**ask, now=NOW + 86400)
    assert ours.sign(**ask, now=NOW).headers == today.headers
    assert signer().sign(**ask, now=NOW + 86400).headers == tomorrow.headers != today.headers


# What a client that is not botocore may send


@pytest.mark.parametrize(
    ("service", "sent", "same"),
    [
        ("sts", "/model/a.b-v1:0/invoke", "/model/a.b-v1%3A0/invoke"),
        ("sts", "/f/arn%3aaws%2fx", "/f/arn%3Aaws%2Fx"),
        ("sts", "/a%2E%2E/%2e%2e/b", "/a../%2E%2E/b"),
        ("sts", "", "/"),
        ("s3", "/key (1)+ä.txt", "/key%20%281%29%2B%C3%A4.txt"),
        ("s3", "/a%2Fb//c", "/a/b//c"),
        ("s3", "/a/%2e%2E/c/.", "/a/%2E%2E/c/%2E"),
        ("s3", "/100%", "/100%25"),
        ("s3", "?list-type=2&prefix=a/b&&acl", "/?list-type=2&prefix=a%2Fb&acl"),
        ("s3", "/?a=1+2%2B3&%c3%bc=#part", "/?a=1%202%2B3&%C3%BC=#part"),
    ],
)
def test_a_url_goes_out_in_the_encoding_that_is_signed(service, sent, same) -> None:
    """Whether a server takes the bytes or what they mean, it comes to the same signature."""
    ours = signer(service)
    loose = ours.sign(method="GET", url=f"https://h.example{sent}", now=NOW)
    strict = ours.sign(method="GET", url=f"https://h.example{same}", now=NOW)
    assert (loose.url, loose.headers) == (f"https://h.example{same}", strict.headers)


@given(st.sampled_from(["s3", "sts"]), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_rewritten_is_not_rewritten_again(service, tail) -> None:
    once = signer(service).sign(method="GET", url=f"https://h.example/{tail}", now=NOW)
    assert signer(service).sign(method="GET", url=once.url, now=NOW).url == once.url


def signed_names(signed) -> set[str]:
    found = dict(signed.headers)["Authorization"]
    return set(found.partition("SignedHeaders=")[2].partition(",")[0].split(";"))


def test_what_a_proxy_may_change_is_not_signed() -> None:
    headers = [
        ("Accept", "*/*"), ("Accept-Encoding", "gzip"), ("Connection", "keep-alive"),
        ("User-Agent", "x"), ("Via", "1.1 proxy"), ("Host", "h.example"),
        ("Authorization", "Bearer of-the-caller"), ("X-Amz-Date", "20000101T000000Z"),
    ]  # fmt: skip
    signed = signer().sign(method="GET", url="https://other/", headers=headers, now=NOW)
    assert signed_names(signed) == {"accept", "host", "x-amz-date"}
    without = signer().sign(
        method="GET", url="https://h.example/", headers=[("Accept", "*/*")], now=NOW
    )
    assert without.headers == signed.headers


def test_a_stream_goes_unsigned_to_s3_over_https_only() -> None:
    ask = {"method": "PUT", "body": None, "now": NOW}
    signed = signer("s3").sign(url="https://b.s3.amazonaws.com/k", **ask)
    assert dict(signed.headers)["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"
    assert "x-amz-content-sha256" in signed_names(signed)
    with pytest.raises(AuthError, match="only https protects") as caught:
        signer("s3").sign(url="http://127.0.0.1/b/k", **ask)
    assert "bytes" in str(caught.value.hint)
    with pytest.raises(AuthError, match="wants the whole body signed") as caught:
        signer("lambda").sign(url="https://lambda.example/", **ask)
    assert "X-Amz-Content-SHA256" in str(caught.value.hint)


def test_a_hash_of_the_callers_stands_for_a_stream() -> None:
    import hashlib

    body = b"a body that the caller hashed by himself"
    ask = {"method": "POST", "url": "https://lambda.example/", "now": NOW}
    given = [("x-amz-content-sha256", hashlib.sha256(body).hexdigest())]
    streamed = signer("lambda").sign(**ask, headers=given, body=None)
    assert streamed.headers == signer("lambda").sign(**ask, headers=given, body=body).headers
    assert dict(streamed.headers)["X-Amz-Content-SHA256"] == given[0][1]
    whole = signer("lambda").sign(**ask, body=body)
    assert "X-Amz-Content-SHA256" not in dict(whole.headers)


@pytest.mark.parametrize("expires", [0, -1, MAX_EXPIRES + 1])
def test_a_presigned_url_holds_a_week_at_most(expires) -> None:
    with pytest.raises(ValueError, match="1 to 604800"):
        signer().presign(method="GET", url="https://h.example/", expires=expires, now=NOW)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "", "a b", "schlüssel"])
def test_a_key_that_no_header_may_carry_is_refused_without_showing_it(text) -> None:
    with pytest.raises(ValueError, match="access key's id") as caught:
        AccessKey(text, Secret(SECRET))
    assert not text or text not in str(caught.value)
    if text:
        with pytest.raises(ValueError, match="session token"):
            AccessKey("AKID", Secret(SECRET), Secret(text))


def test_no_key_shows() -> None:
    ours = signer("s3", SESSION)
    signed = ours.sign(method="GET", url="https://h.example/", now=NOW)
    derived = ours._day[1]
    shown = repr(ours) + repr(signed) + repr(key(SESSION)) + str(ours) + str(key(SESSION))
    assert not canary.hits(shown)
    assert derived.hex() not in shown
    assert repr(derived) not in shown
