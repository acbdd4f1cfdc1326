"""The real SDKs on google-auth, with our credentials: a first request, a refusal, a renewal."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import threading
import warnings

import pytest

import arcrun_auth
from arcrun_auth.adapters import google
from arcrun_auth.adapters.google import google_credentials, google_credentials_async
from arcrun_auth.errors import AuthError, LoginRequired
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from tests import servers
from tests.needs import needs
from tests.world import broker_for, home_with

pytestmark = pytest.mark.peer

ANSWERS = {
    "/drive/v3/files": {"files": [{"id": "1", "name": "backup.zip"}]},
    "/storage/v1/b": {"items": [{"name": "bucket", "kind": "storage#bucket"}]},
    "/v4/spreadsheets/sheet1": {"properties": {"title": "Budget"}, "sheets": []},
}


def sdk(name: str):
    """A module of an SDK. What it warns of while it is imported is none of our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            needs(False, name)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider):
    broker = broker_for(home_with(tmp_path, provider), provider, store=Memory())
    yield broker
    broker.close()


@pytest.fixture
def api(provider):
    """APIs behind the provider: they know its living tokens, but for those in `refused`."""
    refused: set[str] = set()

    def answer(seen: servers.Seen) -> servers.Reply:
        given = seen.headers.get("authorization", "")
        if given in refused or provider.authority.holder(given) is None:
            return servers.Reply(401, {"content-type": "application/json"})
        body = json.dumps(ANSWERS[seen.target.partition("?")[0]]).encode()
        return servers.Reply(200, {"content-type": "application/json"}, body)

    with servers.recorder(answer) as server:
        server.refused = refused
        yield server


def drive(api, credentials):
    http = sdk("googleapiclient.discovery")
    sdk("google_auth_httplib2")
    service = http.build(
        "drive", "v3", credentials=credentials, static_discovery=True,
        client_options={"api_endpoint": f"{api.origin}/drive/v3/"},
    )  # fmt: skip
    try:
        return service.files().list().execute()["files"][0]["name"]
    finally:
        service.close()


def storage(api, credentials):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = sdk("google.cloud.storage")
        client = module.Client(
            project="demo", credentials=credentials, client_options={"api_endpoint": api.origin}
        )
        try:
            return next(bucket.name for bucket in client.list_buckets())
        finally:
            client.close()


def gspread(api, credentials):
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        module = sdk("gspread")
        # It has no option for where the API stands.
        url = f"{api.origin}/v4/spreadsheets/%s"
        patch.setattr(sdk("gspread.http_client"), "SPREADSHEET_URL", url)
        client = module.authorize(credentials)
        try:
            return client.open_by_key("sheet1").title
        finally:
            client.http_client.session.close()


SDKS = {drive: "backup.zip", storage: "bucket", gspread: "Budget"}


def sent(api) -> list[str]:
    return [seen.headers["authorization"] for seen in api.seen]


@pytest.mark.parametrize("call", SDKS, ids=lambda call: call.__name__)
def test_a_sync_sdk_is_logged_in_and_renewed(desk, provider, api, call) -> None:
    credentials = google_credentials("demo", broker=desk)
    assert provider.authorizations == []  # nothing before the first request
    assert call(api, credentials) == SDKS[call]
    assert call(api, credentials) == SDKS[call]
    assert provider.token_requests == {"authorization_code": 1}
    api.refused |= set(sent(api))  # a server says no before the token's end
    assert call(api, credentials) == SDKS[call]
    assert provider.token_requests == {"authorization_code": 1, "refresh_token": 1}
    assert len(set(sent(api))) == 2
    assert credentials.expiry.tzinfo is None
    assert set(credentials.scopes) == {"read", "write"}
    assert not credentials.requires_scopes


def test_a_token_that_is_about_to_end_is_renewed_by_itself(tmp_path, api, provider) -> None:
    now = [provider.authority.clock()]
    desk = broker_for(home_with(tmp_path, provider), provider, store=Memory(), clock=lambda: now[0])
    credentials = google_credentials("demo", broker=desk)
    storage(api, credentials)
    now[0] += 3600 - 30
    storage(api, credentials)
    assert provider.token_requests == {"authorization_code": 1, "refresh_token": 1}
    assert len(set(sent(api))) == 2
    desk.close()


def test_threads_that_are_refused_at_once_renew_once(desk, provider, api) -> None:
    requests = sdk("google.auth.transport.requests")
    credentials = google_credentials("demo", broker=desk)
    storage(api, credentials)
    api.refused |= set(sent(api))
    gate, statuses = threading.Barrier(8, timeout=servers.GUARD), []

    def call() -> None:
        with requests.AuthorizedSession(credentials) as session:
            gate.wait()
            statuses.append(session.get(f"{api.origin}/storage/v1/b").status_code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(servers.GUARD)
    assert statuses == [200] * 8
    assert provider.token_requests["refresh_token"] == 1


def test_a_request_carries_the_token_that_its_thread_remembers(desk) -> None:
    sdk("google.auth.credentials")
    found = google_credentials("demo", broker=desk)

    class Sent:
        """Another thread takes a token whenever this one has noted its own."""

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            found.token = "another thread's"

    found._sent = Sent()
    headers: dict[str, str] = {}
    found.before_request(None, "GET", "https://a.example", headers)
    assert headers["authorization"] == f"Bearer {found._sent.token}"
    assert found._sent.token == desk.get_token("demo").access_token


def test_who_pays_can_be_another_project(desk, api) -> None:
    requests = sdk("google.auth.transport.requests")
    ours = google_credentials("demo", broker=desk, quota_project="payer")
    for credentials, wanted in ((ours, "payer"), (ours.with_quota_project("other"), "other")):
        with requests.AuthorizedSession(credentials) as session:
            assert session.get(f"{api.origin}/storage/v1/b").status_code == 200
        assert api.seen[-1].headers["x-goog-user-project"] == wanted


def test_without_anybody_there_the_first_request_says_what_to_type(desk, api) -> None:
    requests = sdk("google.auth.transport.requests")
    desk._person = Nobody()
    credentials = google_credentials("demo", broker=desk)
    with requests.AuthorizedSession(credentials) as session, pytest.raises(LoginRequired) as caught:
        session.get(f"{api.origin}/storage/v1/b")
    assert caught.value.hint == "arcrun setup demo"
    assert api.seen == []


def test_an_async_sdk_is_logged_in_and_renewed(desk, provider, api) -> None:
    sessions = sdk("google.auth.aio.transport.sessions")
    sdk("google.auth.aio.transport.aiohttp")

    async def calls() -> list[int]:
        session = sessions.AsyncAuthorizedSession(google_credentials_async("demo", broker=desk))
        try:
            url, found = f"{api.origin}/storage/v1/b", []
            for turn in range(3):
                if turn == 2:
                    api.refused |= set(sent(api))
                answer = await session.get(url)
                found.append(answer.status_code)
                await answer.close()
            return found
        finally:
            await session.close()

    assert asyncio.run(asyncio.wait_for(calls(), servers.GUARD)) == [200, 200, 200]
    assert provider.token_requests == {"authorization_code": 1, "refresh_token": 1}
    assert len(set(sent(api))) == 2


def test_the_door_gives_both_for_the_users_own_broker(desk, monkeypatch) -> None:
    sdk("google.auth.credentials")
    monkeypatch.setattr("arcrun_auth.shared.default", lambda: desk)
    sync, other = (
        arcrun_auth.google_credentials("demo"),
        arcrun_auth.google_credentials_async("demo"),
    )
    sync.refresh(None)
    asyncio.run(other.refresh(None))
    assert sync.token == other.token == desk.get_token("demo").access_token


@pytest.mark.parametrize("make", [google_credentials, google_credentials_async])
def test_without_the_sdk_the_error_names_the_package(desk, monkeypatch, make) -> None:
    google._sync.cache_clear()
    google._async.cache_clear()
    for name in ("google.auth.credentials", "google.auth.aio.credentials"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AuthError) as caught:
        make("demo", broker=desk)
    assert caught.value.hint == "pip install google-auth"
