"""`auth.azure_credential` and its async twin, in azure-core's own pipeline."""

from __future__ import annotations

import asyncio
import base64
import inspect
import time

import pytest

import arcrun_auth as auth
from arcrun_auth import errors
from arcrun_auth.tokens import Token
from tests import canary
from tests.sdk.desk import as_json, sdk
from tests.servers import Reply


@pytest.fixture
def core():
    return sdk("azure.core", "azure-core")


@pytest.fixture(params=["sync", "async"])
def twin(request, core):
    return request.param


def made(twin, desk, **options):
    make = auth.azure_credential if twin == "sync" else auth.azure_credential_async
    return make("demo", broker=desk.broker, **options)


def value(found):
    """What a sync method gave, or an async one gives."""

    async def work():
        return await found

    return asyncio.run(work()) if inspect.isawaitable(found) else found


class Pipeline:
    """azure-core's client with its policy for bearer tokens, as every azure-* SDK has it."""

    def __init__(self, twin, desk, credential) -> None:
        from azure.core import AsyncPipelineClient, PipelineClient
        from azure.core.pipeline import policies

        self._async = twin == "async"
        kind = (
            policies.AsyncBearerTokenCredentialPolicy
            if self._async
            else policies.BearerTokenCredentialPolicy
        )
        policy = kind(credential, f"{desk.api.origin}/.default")
        self._origin = desk.api.origin
        client = AsyncPipelineClient if self._async else PipelineClient
        self._client = client(desk.api.origin, policies=[policy])

    def get(self, *paths: str) -> list[int]:
        from azure.core.rest import HttpRequest

        # The policy refuses plain http, but for whoever says otherwise.
        requests = [HttpRequest("GET", self._origin + path) for path in paths]
        if not self._async:
            with self._client as client:
                return [
                    client.send_request(one, enforce_https=False).status_code for one in requests
                ]

        async def work() -> list[int]:
            async with self._client as client:
                return [
                    (await client.send_request(one, enforce_https=False)).status_code
                    for one in requests
                ]

        return asyncio.run(work())


def test_it_has_the_protocols_that_azure_asks_for(desk, twin) -> None:
    from azure.core import credentials, credentials_async

    found = made(twin, desk)
    if twin == "sync":
        protocols = (credentials.TokenCredential, credentials.SupportsTokenInfo)
    else:
        protocols = (
            credentials_async.AsyncTokenCredential,
            credentials_async.AsyncSupportsTokenInfo,
        )
    for protocol in protocols:
        assert isinstance(found, protocol)
    assert repr(found) in ("AzureCredential('demo')", "AsyncAzureCredential('demo')")


def test_a_pipeline_is_authenticated_and_an_expired_token_renewed_once(desk, twin) -> None:
    credential = made(twin, desk)
    assert Pipeline(twin, desk, credential).get("/a", "/b") == [200, 200]
    assert desk.renewals == 0
    desk.expire()
    assert Pipeline(twin, desk, credential).get("/a", "/b") == [200, 200]
    assert desk.renewals == 1


def test_a_claims_challenge_renews_once(desk, twin) -> None:
    claims = base64.urlsafe_b64encode(b'{"access_token":{}}').decode()
    challenge = f'Bearer error="insufficient_claims", claims="{claims}"'
    desk.api.refusal = lambda: Reply(401, {"www-authenticate": challenge})
    credential = made(twin, desk)
    value(credential.get_token("read"))
    desk.refuse()
    assert Pipeline(twin, desk, credential).get("/a") == [200]
    assert desk.renewals == 1


def test_a_scheme_in_capitals_is_one(desk, twin) -> None:
    credential = made(twin, desk)
    with pytest.raises(errors.HostNotAllowed):
        value(credential.get_token("HTTPS://other.example/.default"))


def test_both_kinds_of_token_tell_the_end_and_show_nothing(desk, twin) -> None:
    credential = made(twin, desk)
    token = desk.broker.get_token("demo")
    pair = value(credential.get_token("read", claims=None, tenant_id="x", enable_cae=True))
    info = value(credential.get_token_info("read", options={"enable_cae": True}))
    assert pair.token == info.token == token.access_token
    assert pair.expires_on == info.expires_on == int(token.expires)
    assert info.token_type == token.token_type
    assert not canary.hits(f"{pair!r} {pair} {info!r} {info}")
    text, end = pair  # it is a tuple as azure-core has it
    assert (text, end) == (pair.token, pair.expires_on)


def test_an_end_that_nobody_told_is_not_far(desk) -> None:
    from arcrun_auth.adapters.azure import UNTOLD, _end

    assert abs(_end(Token("x")) - time.time() - UNTOLD) < 60


def test_another_api_s_scope_is_refused(desk, twin) -> None:
    credential = made(twin, desk)
    for scope in ("https://vault.azure.net/.default", "http://localhost/.default"):
        with pytest.raises(errors.HostNotAllowed):
            value(credential.get_token(scope))
    assert value(credential.get_token(f"{desk.api.origin}/.default", "api://its-own/read"))


def test_a_scope_that_was_not_granted_is_named(desk, twin) -> None:
    credential = made(twin, desk)
    for scope in ("Mail.Send", f"{desk.api.origin}/Mail.Send"):
        with pytest.raises(errors.MissingScope) as caught:
            value(credential.get_token("read", scope))
        assert caught.value.scope == "Mail.Send"
        assert caught.value.hint == "arcrun setup demo --scopes +Mail.Send"


def test_closing_and_entering_do_no_harm(desk, core) -> None:
    with made("sync", desk) as credential:
        credential.close()
        assert credential.get_token("read").token

    async def work() -> None:
        async with made("async", desk) as credential:
            await credential.close()
            assert (await credential.get_token("read")).token

    asyncio.run(work())


def test_a_refusal_without_a_challenge_is_told_by_hand(desk, twin) -> None:
    credential = made(twin, desk)
    value(credential.get_token("read"))
    desk.api.refusal = lambda: as_json({}, 401)
    desk.refuse()
    assert Pipeline(twin, desk, credential).get("/a") == [401]
    credential.tokens.invalidate()
    assert Pipeline(twin, desk, credential).get("/a") == [200]
    assert desk.renewals == 1
