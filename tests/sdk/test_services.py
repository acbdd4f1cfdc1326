"""The SDKs of single services: PyGithub, slack_sdk, notion-client, stripe, huggingface_hub."""

from __future__ import annotations

import asyncio

import pytest

import arcrun_auth as auth
from tests import canary
from tests.sdk.desk import as_json, sdk

# -- PyGithub ------------------------------------------------------------------------------


def test_pygithub_reads_the_token_for_each_request(desk) -> None:
    github = sdk("github", "PyGithub")
    desk.api.answers["/user"] = {"login": "ada", "id": 1}
    desk.api.refusal = lambda: as_json({"message": "Bad credentials"}, 401)
    signs = auth.github_auth("demo", broker=desk.broker)
    with github.Github(auth=signs, base_url=desk.api.origin, retry=None) as client:
        assert client.get_user().login == "ada"
        desk.expire()
        assert client.get_user().login == "ada"
        assert desk.renewals == 1
        desk.refuse()
        with pytest.raises(github.BadCredentialsException):
            _ = client.get_user().login
        signs.tokens.invalidate()
        assert client.get_user().login == "ada"
    assert desk.renewals == 2
    assert isinstance(signs, github.Auth.Auth)
    assert repr(signs) == "GithubAuth('demo')"
    headers: dict[str, str] = {}
    signs.mask_authentication(headers)
    assert headers == {"Authorization": "Bearer ***"}


# -- slack_sdk -----------------------------------------------------------------------------


@pytest.fixture
def slack(desk):
    """Slack answers 200 to whatever it refuses."""
    sdk("slack_sdk")
    desk.api.answers["/auth.test"] = {"ok": True, "user": "ada"}
    desk.api.answers["/chat.postMessage"] = {"ok": True}
    desk.api.refusal = lambda: as_json({"ok": False, "error": "token_expired"})
    return f"{desk.api.origin}/api/"


@pytest.mark.parametrize("end", ["expire", "refuse"])
def test_slack_s_client_renews_once_before_the_end_and_after_a_refusal(desk, slack, end) -> None:
    client = auth.slack_client("demo", broker=desk.broker, base_url=slack)
    assert client.auth_test()["user"] == "ada"
    getattr(desk, end)()
    assert client.auth_test()["user"] == "ada"
    assert client.chat_postMessage(channel="C1", text="hello")["ok"]
    assert b"hello" in desk.api.seen[-1].body
    assert desk.renewals == 1


@pytest.mark.parametrize("end", ["expire", "refuse"])
def test_slack_s_async_client_does_the_same(desk, slack, end) -> None:
    sdk("aiohttp")

    async def work() -> None:
        client = auth.slack_client_async("demo", broker=desk.broker, base_url=slack)
        assert (await client.auth_test())["user"] == "ada"
        getattr(desk, end)()
        assert (await client.auth_test())["user"] == "ada"

    asyncio.run(work())
    assert desk.renewals == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_other_errors_of_slack_s_and_what_no_renewal_mends_are_handed_on(desk, slack, kind) -> None:
    from slack_sdk.errors import SlackApiError

    def sync(service: str):
        return auth.slack_client(service, broker=desk.broker, base_url=slack).auth_test()

    async def awaited(service: str):
        client = auth.slack_client_async(service, broker=desk.broker, base_url=slack)
        return await client.auth_test()

    def call(service: str) -> str:
        with pytest.raises(SlackApiError) as caught:
            sync(service) if kind == "sync" else asyncio.run(awaited(service))
        return caught.value.response["error"]

    desk.api.answers["/auth.test"] = {"ok": False, "error": "channel_not_found"}
    assert call("demo") == "channel_not_found"
    assert desk.renewals == 0
    desk.broker.setup("keyed", key=desk.provider.static_key)
    assert call("keyed") == "token_expired"
    assert len(desk.api.seen) == 2


def test_slack_s_files_are_not_sent_twice(desk, slack) -> None:
    from slack_sdk.errors import SlackApiError

    client = auth.slack_client("demo", broker=desk.broker, base_url=slack)
    desk.refuse()
    with pytest.raises(SlackApiError):
        client.api_call("files.upload", files={"file": b"x"}, data={"n": "1"})
    assert (desk.renewals, len(desk.api.seen)) == (0, 1)


# -- notion-client -------------------------------------------------------------------------


def test_notion_s_client_takes_a_bound_client(desk) -> None:
    notion_client = sdk("notion_client", "notion-client")
    desk.api.answers["/me"] = {"object": "user", "name": "ada"}
    with desk.broker.bind("demo") as http:
        notion = notion_client.Client(client=http, base_url=desk.api.origin)
        assert notion.users.me()["name"] == "ada"
        desk.expire()
        assert notion.users.me()["name"] == "ada"
        desk.refuse()
        assert notion.users.me()["name"] == "ada"
    assert desk.renewals == 2
    assert desk.api.seen[0].headers["notion-version"]


def test_notion_s_async_client_takes_an_async_one(desk) -> None:
    notion_client = sdk("notion_client", "notion-client")
    desk.api.answers["/me"] = {"object": "user", "name": "ada"}

    async def work() -> None:
        async with desk.broker.bind_async("demo") as http:
            notion = notion_client.AsyncClient(client=http, base_url=desk.api.origin)
            assert (await notion.users.me())["name"] == "ada"
            desk.refuse()
            assert (await notion.users.me())["name"] == "ada"

    asyncio.run(work())
    assert desk.renewals == 1


# -- stripe --------------------------------------------------------------------------------


def test_stripe_takes_a_key_or_a_session_that_signs(desk) -> None:
    stripe, requests = sdk("stripe"), sdk("requests")
    desk.api.answers["/account"] = {"id": "acct_1", "object": "account"}
    addresses = {"api": desk.api.origin}
    plain = stripe.StripeClient(
        desk.broker.get_token("demo").access_token, base_addresses=addresses,
        http_client=stripe.RequestsClient(),
    )  # fmt: skip
    assert plain.v1.accounts.retrieve_current().id == "acct_1"

    with requests.Session() as session:
        session.auth = auth.requests_auth("demo", broker=desk.broker)
        http = stripe.RequestsClient(session=session)
        client = stripe.StripeClient("in the session", base_addresses=addresses, http_client=http)
        desk.expire()
        assert client.v1.accounts.retrieve_current().id == "acct_1"
        desk.refuse()
        assert client.v1.accounts.retrieve_current().id == "acct_1"
    assert desk.renewals == 2


# -- huggingface_hub -----------------------------------------------------------------------


def test_hugging_face_s_api_reads_the_token_for_each_call(desk) -> None:
    sdk("huggingface_hub")
    from huggingface_hub.errors import HfHubHTTPError

    desk.api.answers["/whoami-v2"] = {"name": "ada", "type": "user"}
    api = auth.hf_api("demo", broker=desk.broker, endpoint=desk.api.origin)
    assert api.whoami()["name"] == "ada"
    desk.expire()
    assert api.whoami()["name"] == "ada"
    assert desk.renewals == 1
    desk.refuse()
    with pytest.raises(HfHubHTTPError):
        api.whoami()
    api.tokens.invalidate()
    assert api.whoami()["name"] == "ada"
    assert desk.renewals == 2
    assert not canary.hits(repr(vars(api)))
