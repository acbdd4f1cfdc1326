"""Services that sign each request with an access key: the adapters of HTTP libraries do it too."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest

import arcrun_auth as auth
from arcrun_auth.broker import Broker
from arcrun_auth.sigv4 import AccessKey, SigV4
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Secret
from tests import aws_desk, canary
from tests.sdk.desk import sdk
from tests.servers import Seen, recorder
from tests.world import Told

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": canary.fresh("aws")}


def with_requests(url: str, body: bytes, broker: Broker) -> int:
    signs = auth.requests_auth("aws_ses", broker=broker)
    return sdk("requests").post(url, data=body, auth=signs, timeout=20).status_code


def with_httpx(url: str, body: bytes, broker: Broker) -> int:
    import httpx

    with httpx.Client(auth=auth.httpx_auth("aws_ses", broker=broker)) as client:
        return client.post(url, content=body).status_code


def with_aiohttp(url: str, body: bytes, broker: Broker) -> int:
    aiohttp = sdk("aiohttp")

    async def work() -> int:
        signs = auth.aiohttp_middleware("aws_ses", broker=broker)
        async with (
            aiohttp.ClientSession(middlewares=(signs,)) as session,
            session.post(url, data=body) as answer,
        ):
            return answer.status

    return asyncio.run(work())


def is_signed(seen: Seen, origin: str) -> bool:
    """Whether the signature is the one of all that arrived, body included."""
    given = seen.headers["authorization"]
    names = re.search(r"SignedHeaders=([^,]+)", given)[1].split(";")
    added = {"host", "x-amz-date", "x-amz-content-sha256"}
    now = datetime.strptime(seen.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    key = AccessKey(KEYS["access_key_id"], Secret(KEYS["secret_access_key"]))
    again = SigV4(key, service="ses", region="us-east-1").sign(
        method=seen.method,
        url=origin + seen.target,
        headers=[(name, seen.headers[name]) for name in names if name not in added],
        body=seen.body,
        now=now.timestamp(),
    )
    return {name.lower(): value for name, value in again.headers}["authorization"] == given


@pytest.mark.parametrize("send", [with_requests, with_httpx, with_aiohttp])
def test_each_request_carries_a_signature_of_its_own(send, tmp_path) -> None:
    with recorder() as api:
        broker = Broker(
            home=str(tmp_path / "home"),
            recipes=aws_desk.catalog(tmp_path / "aws", api.origin),
            allow_hosts=[api.origin],
            store=Memory(),
            person=Told(),
        )
        broker.setup("aws", **KEYS)
        api.seen.clear()
        for body in (b'{"n": 1}', b'{"n": 2}'):
            assert send(f"{api.origin}/v2/email/account?b=2&a=1%20x", body, broker) == 200
        assert [seen.body for seen in api.seen] == [b'{"n": 1}', b'{"n": 2}']
        assert all(is_signed(seen, api.origin) for seen in api.seen)
        tampered = Seen("POST", api.seen[0].target, api.seen[0].headers, b"{}")
        assert not is_signed(tampered, api.origin)
        broker.close()
