"""No parameter of a recipe takes the place of one that binds a login to its person and app."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import oauth
from arcrun_auth.oauth import requests
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.revocation import revocation_requests
from arcrun_auth.recipe import OAuth2, parameters
from arcrun_auth.tokens import Grant, Secret

URL = "https://id.example"
STATE, VERIFIER, CODE, REDIRECT = "the-state", "the-verifier", "the-code", "http://127.0.0.1:5/cb"
APP = App("the-client", Secret("the-secret"))
GRANT = Grant(access_token=Secret("the-access"), refresh_token=Secret("the-refresh"), issued=1.0)

OURS = {
    "client_id": {"the-client"},
    "state": {STATE},
    "redirect_uri": {REDIRECT},
    "code": {CODE},
    "code_verifier": {VERIFIER},
    "code_challenge": {"the-challenge"},
    "refresh_token": {"the-refresh"},
    "device_code": {"the-device"},
    "grant_type": {"authorization_code", "refresh_token", requests.DEVICE_GRANT,
                   "client_credentials"},
    "response_type": {"code"},
}  # fmt: skip

names = st.sampled_from([*sorted(parameters.RESERVED), "scope", "their", "x", "y"])
queries = st.sampled_from(["", "?state=EVIL", "?client_id=EVIL", "?v=2", "?their=EVIL", "?code"])
bodies = st.sampled_from(["form", "json", "query"])
maps = st.dictionaries(names, st.just("EVIL"), max_size=4)


def without_its_faults(recipe: dict) -> OAuth2:
    """The recipe without whatever is refused in it: what is left is what a login would use."""
    server = msgspec.convert(recipe, OAuth2)
    while found := list(parameters.faults(server)):
        (*way, last), _ = found[0]
        at = recipe
        for step in way:
            at = at[step]
        del at[last]
        server = msgspec.convert({"token_endpoint": f"{URL}/token"} | recipe, OAuth2)
    return server


def wire(call) -> dict[str, list[str]]:
    """What stands in a request, by name: a name may stand there twice."""
    found = parse_qs(urlsplit(call.url).query, keep_blank_values=True)
    if call.content and call.headers["content-type"] == "application/json":
        found |= {name: [value] for name, value in json.loads(call.content).items()}
    elif call.content:
        for name, value in parse_qsl(call.content.decode(), keep_blank_values=True):
            found.setdefault(name, []).append(value)
    return found


def everything(server: OAuth2):
    """Every request that a login, its renewal and its end send."""
    known = values({}, app=APP, access_token=GRANT.access_token)
    more = {"values": known, "now": 1.0}
    verifier = None if server.pkce == "no" else Secret(VERIFIER)
    yield wire(requests.code_request(
        server, APP, code=Secret(CODE), redirect_uri=REDIRECT, state=STATE, verifier=verifier,
        **more,
    ))  # fmt: skip
    yield wire(requests.device_request(server, APP, scopes=("read",), **more))
    yield wire(requests.device_token_request(
        server, APP, device_code=Secret("the-device"), scopes=("read",), **more
    ))  # fmt: skip
    yield wire(requests.refresh_request(server, APP, refresh_token=GRANT.refresh_token, **more))
    yield wire(requests.unattended_request(
        server, APP, grant="client_credentials", scopes=("read",), assertion=None, **more
    ))  # fmt: skip
    for call in revocation_requests(server, APP, GRANT, **more):
        yield wire(call)
    url = oauth.authorization_url(
        server, client_id="the-client", redirect_uri=REDIRECT, scopes=("read",), state=STATE,
        challenge=None if server.pkce == "no" else "the-challenge",
    )  # fmt: skip
    yield parse_qs(urlsplit(url).query, keep_blank_values=True)


@given(
    st.fixed_dictionaries(
        {
            "token_endpoint": queries.map(lambda query: f"{URL}/token{query}"),
            "authorization_endpoint": queries.map(lambda query: f"{URL}/authorize{query}"),
            "device_authorization_endpoint": st.just(f"{URL}/device"),
            "revocation_endpoint": queries.map(lambda query: f"{URL}/revoke{query}"),
            "param_names": st.dictionaries(names, names, max_size=3),
            "authorize_params": maps,
            "token_request": st.fixed_dictionaries(
                {"params": maps, "body": bodies, "send_redirect_uri": st.booleans()}
            ),
            "refresh": st.fixed_dictionaries({"params": maps}),
            "revoke": st.fixed_dictionaries({"params": maps, "body": bodies}),
            "client": st.fixed_dictionaries({"auth": st.sampled_from(["none", "post", "basic"])}),
            "scope_param": names,
            "pkce": st.sampled_from(["S256", "no"]),
        }
    )
)
def test_what_is_left_of_a_hostile_recipe_overrides_nothing(recipe) -> None:
    server = without_its_faults(recipe)
    for sent in everything(server):
        for name, ours in OURS.items():
            for spelled in {name, server.param_names.get(name, name)}:
                assert set(sent.get(spelled, ())) <= ours
                assert len(sent.get(spelled, ())) <= 1
        assert sent.get(server.param_names.get("client_id", "client_id"), ["the-client"]) == [
            "the-client"
        ]


def faults(**fields) -> list[tuple[object, ...]]:
    defaults = {"token_endpoint": f"{URL}/token"}
    return [place for place, _ in parameters.faults(msgspec.convert(defaults | fields, OAuth2))]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"param_names": {"client_id": "state"}}, ("param_names", "client_id")),
        ({"param_names": {"nonce": "client_id"}}, ("param_names", "nonce")),
        ({"param_names": {"client_id": "key", "code": "key"}}, ("param_names", "client_id")),
        ({"param_names": {"client_id": "scope"}}, ("param_names", "client_id")),
        ({"param_names": {"client_id": ""}}, ("param_names", "client_id")),
        (
            {"param_names": {"client_id": "who"}, "scope_param": "who"},
            ("param_names", "client_id"),
        ),
        ({"scope_param": "state"}, ("scope_param",)),
        ({"authorize_params": {"scope": "x"}}, ("authorize_params", "scope")),
        ({"authorize_params": {"state": "x"}}, ("authorize_params", "state")),
        (
            {"param_names": {"client_id": "key"}, "authorize_params": {"key": "x"}},
            ("authorize_params", "key"),
        ),
        (
            {"param_names": {"client_id": "key"}, "token_request": {"params": {"key": "x"}}},
            ("token_request", "params", "key"),
        ),
        (
            {"token_request": {"params": {"redirect_uri": "x"}}},
            ("token_request", "params", "redirect_uri"),
        ),
        ({"refresh": {"params": {"client_id": "x"}}}, ("refresh", "params", "client_id")),
        ({"revoke": {"params": {"client_id": "x"}}}, ("revoke", "params", "client_id")),
        ({"authorization_endpoint": f"{URL}/?client_id=x"}, ("authorization_endpoint",)),
        ({"authorization_endpoint": f"{URL}/?a=1&state"}, ("authorization_endpoint",)),
        ({"token_endpoint": f"{URL}/?%63ode=x"}, ("token_endpoint",)),
        ({"refresh": {"url": f"{URL}/?refresh_token=x"}}, ("refresh", "url")),
        ({"callback": {"keep": ["realm", "code"]}}, ("callback", "keep", 1)),
        ({"callback": {"code": "auth_code", "keep": ["auth_code"]}}, ("callback", "keep", 0)),
        ({"callback": {"keep": ["state"]}}, ("callback", "keep", 0)),
    ],
)
def test_a_name_that_is_taken_is_refused(fields, place) -> None:
    assert place in faults(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"param_names": {"client_id": "client_key", "client_secret": "key", "code": "auth_code"}},
        {"param_names": {"client_id": "client_id"}},
        {"authorize_params": {"access_type": "offline"}, "scope_param": "user_scope"},
        {"token_request": {"params": {"audience": "x"}}},
        {"refresh": {"mode": "exchange", "params": {"grant_type": "swap", "access_token": "x"}}},
        {"refresh": {"client": False, "params": {"client_id": "{{client.id}}"}}},
        {"revoke": {"params": {"client_id": "{{client.id}}", "token_type_hint": "x"}}},
        {"authorization_endpoint": f"{URL}/?v=2"},
        {"callback": {"keep": ["realmId"]}},
    ],
)
def test_its_neighbour_that_takes_no_place_is_not(fields) -> None:
    assert faults(**fields) == []
