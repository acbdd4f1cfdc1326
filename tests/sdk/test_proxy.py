"""The official SDK of a language model, through the proxy: it is given an address and a bearer."""

from __future__ import annotations

import json

import pytest

from tests import canary
from tests.proxy_kit import Desk
from tests.sdk.desk import sdk

MESSAGES = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def openai():
    return sdk("openai")


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as made:
        yield made


def client_of(openai, proxied):
    return openai.OpenAI(
        base_url=proxied.proxy.base_url("fake"), api_key=proxied.bearer, max_retries=0
    )


def test_openai_reads_and_writes_once_somebody_has_approved_it(desk, openai):
    with client_of(openai, desk.proxy("fake")) as client:
        assert [model.id for model in client.models.list()] == ["m"]
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.chat.completions.create(model="m", messages=MESSAGES)
        problem = json.loads(refused.value.response.text)
        assert "arcrun approve" in problem["hint"]
        desk.broker.policies.approve(problem["request"])
        done = client.chat.completions.create(model="m", messages=MESSAGES)
        assert done.choices[0].message.content == "Hello there"
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="m", messages=MESSAGES)


def test_openai_needs_no_line_of_code(desk, openai, monkeypatch):
    """By the variables that `arcrun run --proxy openai` sets."""
    proxied = desk.proxy("fake")
    monkeypatch.setenv("OPENAI_BASE_URL", proxied.proxy.base_url("fake"))
    monkeypatch.setenv("OPENAI_API_KEY", proxied.bearer)
    with openai.OpenAI() as client:
        assert [model.id for model in client.models.list()] == ["m"]


def test_openai_streams_what_the_policy_allows(desk, openai):
    desk.broker.policies.allow("fake", "write", paths=("/chat/completions",))
    with client_of(openai, desk.proxy("fake")) as client:
        parts = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))

    assert "".join(part.choices[0].delta.content for part in parts) == "Hello there"
    assert desk.api.seen[-1].headers["authorization"] == f"Bearer {desk.api.key}"


def test_openai_with_a_wrong_bearer_is_told_so(desk, openai):
    proxied = desk.proxy("fake")
    proxied.bearer = canary.fresh("wrong")
    with client_of(openai, proxied) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
