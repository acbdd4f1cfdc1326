"""The requests that end a grant: RFC 7009, and those who do otherwise."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.revocation import revocation_requests
from arcrun_auth.recipe.oauth2 import ClientAuth, OAuth2, Revoke, TokenRequest
from arcrun_auth.tokens import Grant, Secret
from tests import canary

URL = "https://id.example/revoke"
APP = App("my/app id", Secret(canary.fresh("cs")))
GRANT = Grant(
    access_token=Secret(canary.fresh("at")), refresh_token=Secret(canary.fresh("rt")), issued=1.0
)
ACCESS, REFRESH = GRANT.access_token.reveal(), GRANT.refresh_token.reveal()


def calls(revoke: Revoke | None = None, *, url=URL, grant=GRANT, client="post", **more):
    oauth2 = OAuth2(
        revocation_endpoint=url, revoke=revoke or Revoke(), client=ClientAuth(auth=client), **more
    )
    known = values({"tenant": "acme"}, app=APP, access_token=grant.access_token)
    return revocation_requests(oauth2, APP, grant, values=known, now=1e9)


def form(call) -> dict[str, str]:
    return dict(parse_qsl(call.content.decode(), strict_parsing=True))


def test_by_the_book_the_refresh_token_is_posted_with_the_client() -> None:
    (call,) = calls()
    assert (call.method, call.url) == ("POST", URL)
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form(call) == {
        "token": REFRESH,
        "client_id": "my/app id",
        "client_secret": APP.client_secret.reveal(),
    }
    assert {secret.reveal() for secret in call.secrets} >= {REFRESH, APP.client_secret.reveal()}
    assert canary.hits(repr(call)) == []


def test_without_a_refresh_token_the_access_token_ends_the_grant() -> None:
    (call,) = calls(grant=GRANT.replace(refresh_token=None))
    assert form(call)["token"] == ACCESS


def test_without_an_endpoint_there_is_nothing_to_send() -> None:
    assert calls(url="") == []


@pytest.mark.parametrize(
    ("which", "tokens"),
    [("refresh", [REFRESH]), ("access", [ACCESS]), ("both", [REFRESH, ACCESS])],
)
def test_the_recipe_says_which_token_ends_it(which, tokens) -> None:
    assert [form(call)["token"] for call in calls(Revoke(which=which))] == tokens
    alone = calls(Revoke(which=which), grant=GRANT.replace(refresh_token=None))
    assert [form(call)["token"] for call in alone] == [ACCESS]


def test_the_client_may_stand_in_the_header() -> None:
    for revoke, client in ((Revoke(), "basic"), (Revoke(auth="basic"), "post")):
        (call,) = calls(revoke, client=client)
        pair = base64.b64decode(call.headers["authorization"].removeprefix("Basic ")).decode()
        assert pair == f"my%2Fapp+id:{APP.client_secret.reveal()}"
        assert form(call) == {"token": REFRESH}


def test_a_public_client_only_names_itself() -> None:
    (call,) = calls(client="none")
    assert form(call) == {"token": REFRESH, "client_id": "my/app id"}
    assert "authorization" not in call.headers


def test_the_client_s_parameters_may_have_other_names() -> None:
    (call,) = calls(param_names={"client_id": "client_key"})
    assert form(call)["client_key"] == "my/app id"
    assert "client_id" not in form(call)


def test_the_access_token_itself_may_be_what_authorizes() -> None:
    (call,) = calls(Revoke(auth="bearer", param=""))
    assert call.headers["authorization"] == f"Bearer {ACCESS}"
    assert call.content is None
    assert "content-type" not in call.headers
    assert ACCESS in {secret.reveal() for secret in call.secrets}


def test_nobody_may_have_to_prove_anything() -> None:
    (call,) = calls(Revoke(auth="none"))
    assert form(call) == {"token": REFRESH}
    assert "authorization" not in call.headers


def test_the_id_of_the_app_in_an_address_cannot_leave_its_place() -> None:
    (call,) = calls(
        Revoke(method="DELETE", auth="basic", body="json", param="access_token", which="access"),
        url="https://acme.example/apps/{{client.id}}/grant",
    )
    assert (call.method, call.url) == ("DELETE", "https://acme.example/apps/my%2Fapp%20id/grant")
    assert json.loads(call.content) == {"access_token": ACCESS}
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize("revoke", [Revoke(method="GET"), Revoke(body="query")])
def test_a_query_keeps_what_the_address_brings_along(revoke) -> None:
    (call,) = calls(revoke, url=f"{URL}?v=2", client="none")
    assert call.content is None
    query = dict(parse_qsl(urlsplit(call.url).query))
    assert query == {"v": "2", "token": REFRESH, "client_id": "my/app id"}
    assert canary.hits(repr(call)) == []


def test_further_parameters_may_name_the_token_and_are_secret_then() -> None:
    params = {"t": "{{token.access_token}}", "app": "{{client.id}}", "w": "{{param.tenant}}"}
    (call,) = calls(Revoke(auth="none", param="", params={**params, "v": "1"}))
    assert form(call) == {"t": ACCESS, "app": "my/app id", "w": "acme", "v": "1"}


def test_headers_of_every_token_request_go_along() -> None:
    headers = {"X-API": "{{param.tenant}}", "Authorization": "Basic theirs"}
    (call,) = calls(Revoke(auth="bearer"), token_request=TokenRequest(headers=headers))
    assert call.headers["x-api"] == "acme"
    assert call.headers["authorization"] == f"Bearer {ACCESS}"


def test_an_address_from_elsewhere_is_no_template() -> None:
    """An issuer names its endpoints itself: it must not fetch a key out of the record that way."""
    key = canary.fresh("key")
    known = values({}, secrets={"signing_key": Secret(key)}, app=APP)
    url = URL + "?k={{secret.signing_key}}&p={{param.none}}&t={{token.access_token}}"
    oauth2 = OAuth2(revocation_endpoint=url, revoke=Revoke(), client=ClientAuth(auth="post"))
    (call,) = revocation_requests(oauth2, APP, GRANT, values=known, now=1e9)
    assert key not in call.url
    assert ACCESS not in call.url
