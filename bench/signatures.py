"""Row 13: one signature of AWS Signature Version 4, over a request that is there already."""

from __future__ import annotations

import calendar
import json
import time
from typing import TYPE_CHECKING

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from httpx_auth import AWS4Auth

from arcrun_auth.sigv4 import AccessKey, SigV4
from arcrun_auth.tokens import Secret
from bench.board import Goal, Row
from bench.measure import loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 200
"""How many signatures make one sample?"""

SERVICE, REGION = "dynamodb", "eu-central-1"
URL = f"https://{SERVICE}.{REGION}.amazonaws.com/"
KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Host": f"{SERVICE}.{REGION}.amazonaws.com",
    "X-Amz-Target": "DynamoDB_20120810.GetItem",
}
BODY = json.dumps({"TableName": "orders", "Key": {"id": {"S": "2026-11-21/000017"}}}).encode()


def row_13(runs: int) -> Row:
    """Nothing is sent. Ours and botocore's are the same signature, which is checked first."""
    row = Row(13, "one SigV4 signature")
    ours, botocore = _ours(), _botocore()
    _check(ours, botocore)
    subjects = {
        "arcrun-auth": loop(ours, BATCH),
        "botocore": loop(botocore, BATCH),
        "httpx-auth": loop(_httpx_auth(), BATCH),
    }
    row.compare("SigV4, one signature", rounds(subjects, runs), {"botocore": Goal(0.4)})
    return row


def _ours() -> Callable[..., dict[str, str]]:
    identity, secret = KEY
    signer = SigV4(AccessKey(identity, Secret(secret)), service=SERVICE, region=REGION)

    def sign(now: float | None = None) -> dict[str, str]:
        signed = signer.sign(
            method="POST", url=URL, headers=HEADERS.items(), body=BODY, now=now or time.time()
        )
        return dict(signed.headers)

    return sign


def _botocore() -> Callable[[], dict[str, str]]:
    auth = SigV4Auth(Credentials(*KEY), SERVICE, REGION)
    request = AWSRequest(method="POST", url=URL, headers=HEADERS, data=BODY)

    def sign() -> dict[str, str]:
        auth.add_auth(request)  # takes its own headers of the time before out again
        return dict(request.headers.items())

    return sign


def _httpx_auth() -> Callable[[], object]:
    auth = AWS4Auth(*KEY, REGION, SERVICE)
    request = httpx.Request("POST", URL, headers=HEADERS, content=BODY)
    return lambda: next(auth.auth_flow(request))


def _check(ours: Callable[..., dict[str, str]], botocore: Callable[[], dict[str, str]]) -> None:
    theirs = botocore()
    moment = time.strptime(theirs["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    mine = ours(calendar.timegm(moment))
    assert mine == {name: theirs[name] for name in mine}
