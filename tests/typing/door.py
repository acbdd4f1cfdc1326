"""What a type checker sees of the door: checked by pyright and mypy, never run."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

import httpx
import httpx2

import arcrun_auth
from arcrun import auth
from arcrun_auth.bound import AsyncBound
from arcrun_auth.broker import Broker
from arcrun_auth.checkup import Checked
from arcrun_auth.removal import Removed
from arcrun_auth.report import Service
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Secret, Token

drive = auth.bind("google_drive")
assert_type(drive, httpx.Client)
assert_type(auth.bind("notion", secret={"token": "x"}), httpx.Client)
assert_type(auth.bind("google_drive", "work", scopes=["readonly"], interactive=False), httpx.Client)
assert_type(auth.bind_async("google_drive", instance="work"), AsyncBound)

token = auth.get_token("google_drive")
assert_type(token, Token)
assert_type(token.access_token, str)
assert_type(token.expires_at, datetime | None)
assert_type(token.scopes, frozenset[str])

assert_type(auth.list_services(), dict[str, Service])
assert_type(auth.setup("openai", api_key="x"), Service)
assert_type(auth.setup("openai", api_key=Secret("x")), Service)
assert_type(auth.test("openai"), Checked)
assert_type(auth.remove("openai"), Removed)
assert_type(auth.Broker(allow_hosts=["http://127.0.0.1:1"]), Broker)

# The alias is the same module for a type checker as well.
assert_type(arcrun_auth.Broker(), auth.Broker)


async def asynchronous() -> None:
    async with auth.bind_async("google_drive") as client:
        assert_type(client, httpx.AsyncClient)
    assert_type(await auth.get_token_async("google_drive"), Token)


def errors() -> None:
    try:
        auth.bind("google_drive")
    except auth.LoginRequired as error:
        assert_type(error.why, auth.errors.Why)
        assert_type(error.hint, str | None)
    except auth.UnknownService as error:
        assert_type(error.similar, tuple[str, ...])


with Provider() as provider:
    assert_type(provider, Provider)


def credentials_for_sdks() -> None:
    tokens = auth.token_provider("openai", "work", scopes=["read"], broker=auth.Broker())
    assert_type(tokens, auth.TokenProvider)
    assert_type(tokens(), str)
    assert_type(tokens.token(), Token)
    tokens.invalidate(tokens.token())
    httpx.Client(auth=auth.httpx_auth("notion"))
    httpx2.AsyncClient(auth=auth.httpx_auth("notion"))
    auth.requests_auth("notion")
    auth.aiohttp_middleware("notion")
    auth.azure_credential("microsoft_graph").get_token("https://graph.microsoft.com/.default")
    auth.azure_credential_async("microsoft_graph")
    auth.anthropic_credentials()
    auth.github_auth()
    auth.slack_client()
    auth.slack_client_async()
    auth.hf_api()


async def async_tokens() -> None:
    assert_type(await auth.token_provider("openai").acall(), str)
    assert_type(await auth.token_provider("openai").atoken(), Token)
