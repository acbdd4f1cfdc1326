"""Signature Version 4 beside botocore: the same signature, byte for byte, for any request."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import pytest
from botocore import auth as botocore_auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from arcrun_auth.sigv4 import MAX_EXPIRES, AccessKey, SigV4
from arcrun_auth.tokens import Secret
from tests import canary

NOW = 1_800_000_000
MOMENT = datetime.fromtimestamp(NOW, UTC)
SECRET = canary.fresh("aws")
SESSION = canary.fresh("session") + "/+=="


def signer(service: str, token: str | None) -> SigV4:
    key = AccessKey("AKIDEXAMPLE", Secret(SECRET), Secret(token) if token else None)
    return SigV4(key, service=service, region="eu-central-1")


SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
SEGMENTS = st.lists(SAFE_TEXT | st.sampled_from(["..", ".", "a b", "a+b", "x:y", "ü%2F", "~*'()"]))
PAIRS = st.lists(st.tuples(SAFE_TEXT.filter(bool), SAFE_TEXT), max_size=4)
NAMES = st.sampled_from(
    ["Content-Type", "X-Amz-Target", "x-amz-meta-Note", "If-Match", "Range", "User-Agent", "TE"]
)
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4)
METHODS = st.sampled_from(["GET", "PUT", "post", "DELETE", "HEAD"])
HOSTS = st.sampled_from(
    ["sts.eu-central-1.amazonaws.com", "Bucket.S3.amazonaws.com:443", "10.0.0.1:9000", "[::1]:99"]
)
TOKENS = st.sampled_from([None, SESSION])
FAMILIES = st.sampled_from(["s3", "sts", "execute-api", "bedrock"])


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """botocore asks the clock itself: it is told what we are told. Its log shows the token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore_auth, "get_current_datetime", lambda: MOMENT)
        patch.setattr(botocore_auth.logger, "disabled", True)
        yield


def encoded(service: str, host: str, segments: list[str], pairs: list[tuple[str, str]]) -> str:
    """A URL as botocore sends it: each part in the strict encoding already."""
    in_part = "/~" if service == "s3" else "~"  # a key of S3 is one text, slashes and all
    path = "/" + "/".join(quote(part, safe=in_part) for part in segments)
    query = "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in pairs)
    return f"https://{host}{path}" + (f"?{query}" if query else "")


def botocore_key(token: str | None):
    return Credentials("AKIDEXAMPLE", SECRET, token)


@given(METHODS, HOSTS, SEGMENTS, PAIRS, HEADERS, st.binary(max_size=80), TOKENS, FAMILIES)
@example("GET", "h.example", ["a", "..", "", "b", ""], [], {}, b"", None, "s3")
@example("GET", "h.example", ["a", "..", "", "b", ""], [], {}, b"", None, "sts")
def test_headers_are_signed_as_by_botocore(  # noqa: PLR0917 - hypothesis passes them so
    method, host, segments, pairs, headers, body, token, service
) -> None:
    url = encoded(service, host, segments, pairs)
    family = botocore_auth.S3SigV4Auth if service == "s3" else botocore_auth.SigV4Auth
    theirs = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    family(botocore_key(token), service, "eu-central-1").add_auth(theirs)

    ours = signer(service, token).sign(
        method=method, url=url, headers=headers.items(), body=body, now=NOW
    )
    added = {name: value for name, value in theirs.headers.items() if name not in headers}
    assert dict(ours.headers) == added


@given(METHODS, HOSTS, SEGMENTS, PAIRS, HEADERS, st.integers(1, MAX_EXPIRES), TOKENS, FAMILIES)
def test_a_query_is_signed_as_by_botocore(  # noqa: PLR0917 - as above
    method, host, segments, pairs, headers, expires, token, service
) -> None:
    pairs = list(dict(pairs).items())  # botocore keeps one of a name
    url = encoded(service, host, segments, pairs)
    family = botocore_auth.S3SigV4QueryAuth if service == "s3" else botocore_auth.SigV4QueryAuth
    theirs = AWSRequest(method=method, url=url, headers=dict(headers))
    family(botocore_key(token), service, "eu-central-1", expires=expires).add_auth(theirs)

    ours = signer(service, token).presign(
        method=method, url=url, headers=headers.items(), expires=expires, now=NOW
    )
    assert ours.rpartition("Signature=")[2] == theirs.url.rpartition("Signature=")[2]
    assert urlsplit(ours).query == urlsplit(theirs.url).query
