"""The SDKs of language models: openai and anthropic."""

from __future__ import annotations

import asyncio

import pytest

import arcrun_auth as auth
from arcrun_auth import errors
from arcrun_auth.people import Nobody
from tests.sdk.desk import sdk

MODELS = {
    "object": "list",
    "data": [{"id": "m-1", "object": "model", "created": 1, "owned_by": "x"}],
}
CLAUDES = {
    "data": [
        {"id": "c-1", "type": "model", "display_name": "C", "created_at": "2026-01-01T00:00:00Z"}
    ],
    "has_more": False, "first_id": "c-1", "last_id": "c-1",
}  # fmt: skip


@pytest.fixture
def openai():
    return sdk("openai")


@pytest.fixture
def anthropic():
    return sdk("anthropic")


def test_openai_takes_the_provider_and_renews_once(desk, openai) -> None:
    desk.api.answers["/models"] = MODELS
    tokens = auth.token_provider("demo", broker=desk.broker)
    with openai.OpenAI(api_key=tokens, base_url=desk.api.origin) as client:
        assert [model.id for model in client.models.list()] == ["m-1"]
        desk.expire()
        assert [model.id for model in client.models.list()] == ["m-1"]
        desk.refuse()
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
        tokens.invalidate()
        assert client.models.list().data
    assert desk.renewals == 2


def test_openai_async_takes_its_acall(desk, openai) -> None:
    desk.api.answers["/models"] = MODELS
    tokens = auth.token_provider("demo", broker=desk.broker)

    async def work() -> None:
        async with openai.AsyncOpenAI(api_key=tokens.acall, base_url=desk.api.origin) as client:
            assert (await client.models.list()).data
            desk.expire()
            assert (await client.models.list()).data

    asyncio.run(work())
    assert desk.renewals == 1


def test_openai_over_a_bound_client_renews_a_refused_token_too(desk, openai) -> None:
    desk.api.answers["/models"] = MODELS
    http = desk.broker.bind("demo", http="httpx2")
    with openai.OpenAI(
        api_key="in the client", base_url=desk.api.origin, http_client=http
    ) as client:
        assert client.models.list().data
        desk.refuse()
        assert client.models.list().data
        with pytest.raises(errors.HostNotAllowed):
            client.with_options(base_url="http://localhost/v1").models.list()
    assert desk.renewals == 1


@pytest.mark.parametrize("end", ["expire", "refuse"])
def test_anthropic_renews_once_before_the_end_and_after_a_401(desk, anthropic, end) -> None:
    desk.api.answers["/models"] = CLAUDES
    credentials = auth.anthropic_credentials("demo", broker=desk.broker)
    with anthropic.Anthropic(credentials=credentials, base_url=desk.api.origin) as client:
        assert client.models.list().data
        getattr(desk, end)()
        assert client.models.list().data
    assert desk.renewals == 1
    assert repr(credentials) == "AnthropicCredentials('demo')"


def test_anthropic_async_takes_the_same(desk, anthropic) -> None:
    desk.api.answers["/models"] = CLAUDES
    credentials = auth.anthropic_credentials("demo", broker=desk.broker)

    async def work() -> None:
        async with anthropic.AsyncAnthropic(
            credentials=credentials, base_url=desk.api.origin
        ) as client:
            assert (await client.models.list()).data
            desk.refuse()
            assert (await client.models.list()).data

    asyncio.run(work())
    assert desk.renewals == 1


def test_what_the_credential_raises_is_the_cause_that_anthropic_names(desk, anthropic) -> None:
    credentials = auth.anthropic_credentials("demo", broker=desk.broker)
    desk.broker.remove("demo")
    desk.broker._person = Nobody()
    with (
        anthropic.Anthropic(
            credentials=credentials, base_url=desk.api.origin, max_retries=0
        ) as client,
        pytest.raises(anthropic.APIConnectionError) as caught,
    ):
        client.models.list()
    assert isinstance(caught.value.__cause__, errors.LoginRequired)
    assert desk.api.seen == []
