"""Every grant and client authentication, from the recipe on, at a certified server."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

import pytest

from arcrun_auth.errors import LoginFailed, LoginRequired
from tests.peers.oidc_desk import (
    APP,
    PEER,
    WithDevice,
    app_of,
    desk,
    grant_of,
    renewed,
    userinfo,
)
from tests.peers.oidc_server import SECRET, OidcProvider, Person

pytestmark = pytest.mark.peer

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CONFIDENTIAL = {"client_id": "confidential", "client_secret": SECRET}
INTERVAL = 5.0
"""How many seconds lie between two polls where the server names none (RFC 8628 §3.2)?"""


@pytest.fixture(scope="module")
def oidc():
    with OidcProvider() as server:
        yield server


def introspected(oidc, token, app):
    """What the server says of a token to its client (RFC 7662)."""
    pair = f"{quote_plus(app['client_id'])}:{quote_plus(app['client_secret'])}"
    basic = "Basic " + base64.b64encode(pair.encode()).decode()
    form = urlencode({"token": token}).encode()
    return oidc.json("/token/introspection", form, authorization=basic)


# -- a code for another device -----------------------------------------------------------


def device_desk(tmp_path, oidc, person, **fields):
    client = oidc.register(grant_types=[DEVICE, "refresh_token"], response_types=[], **fields)
    return desk(
        tmp_path, oidc, app=app_of(client), person=WithDevice(person),
        grants=["device_code", "refresh_token"],
    )  # fmt: skip


def test_a_login_by_a_code_that_is_typed_elsewhere(tmp_path, oidc):
    before = oidc.asked("/token")
    broker = device_desk(tmp_path, oidc, Person())
    broker.setup("peer")
    assert userinfo(broker) == (200, {"sub": "ada"})
    renewed(broker)
    assert userinfo(broker)[0] == 200
    # One poll and one renewal: who asks sooner is told to slow down, by stricter servers.
    given, (polled, _) = oidc.asked("/device/auth")[-1], oidc.asked("/token")[len(before) :]
    assert polled - given >= INTERVAL


def test_a_code_that_is_turned_down_there(tmp_path, oidc):
    broker = device_desk(tmp_path, oidc, Person(allow=False))
    with pytest.raises(LoginFailed, match="cancelled") as caught:
        broker.setup("peer")
    assert caught.value.error == "access_denied"
    assert broker.store.get(PEER) is None


def test_a_code_that_nobody_types_in_time(tmp_path, oidc):
    broker = device_desk(tmp_path, oidc, None, client_name="hasty")
    with pytest.raises(LoginFailed, match="expired") as caught:
        broker.setup("peer")
    assert caught.value.error == "expired_token"
    assert caught.value.hint == "arcrun setup peer"


# -- a client that registers itself ------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "basic", "post"])
def test_no_app_is_needed_where_one_registers_itself(tmp_path, oidc, auth):
    client = {"registration": "dcr", "auth": auth}
    broker = desk(tmp_path, oidc, client=client)
    broker.setup("peer")
    assert userinfo(broker) == (200, {"sub": "ada"})
    renewed(broker)
    assert userinfo(broker)[0] == 200

    app, registrations = broker.store.get(APP), len(oidc.asked("/reg"))
    assert ("client_secret" in app.secrets) is (auth != "none")
    broker.setup("peer")  # again: by the client of before
    assert userinfo(broker)[0] == 200
    assert len(oidc.asked("/reg")) == registrations
    assert broker.store.get(APP).generation == app.generation


def test_a_client_that_registered_itself_may_ask_for_more_later(tmp_path, oidc):
    """This server lets it ask for nothing that it did not name then (RFC 7591 §2)."""
    client, more = {"registration": "dcr", "auth": "none"}, {"reader": ["read"]}
    broker = desk(tmp_path, oidc, client=client, scope_sets=more)
    broker.setup("peer")
    registrations = len(oidc.asked("/reg"))
    broker.setup("peer", scopes=["+reader"], replace=True)
    assert "read" in broker.why("peer").scopes
    assert len(oidc.asked("/reg")) == registrations
    with pytest.raises(LoginFailed) as caught:
        broker.setup("peer", scopes=["+write"], replace=True)
    assert caught.value.error == "invalid_scope"
    assert caught.value.hint == (
        "arcrun app remove peer, then: arcrun setup peer; the app that registered itself did "
        "not name this scope then"
    )


# -- without anybody ---------------------------------------------------------------------


def unattended(tmp_path, oidc, **oauth2):
    registered = oidc.register(
        grant_types=["client_credentials"], response_types=[], redirect_uris=[],
        token_endpoint_auth_method="client_secret_basic", scope="read write",
    )  # fmt: skip
    oauth2 = {
        "grants": ["client_credentials"], "client": {"auth": "basic"}, "scopes": ["read"],
        "refresh": {"mode": "reissue"}, "authorize_params": {}, **oauth2,
    }  # fmt: skip
    broker = desk(tmp_path, oidc, app=app_of(registered), **oauth2)
    broker.setup("peer")  # the recipe is a file of one's own: it has to be agreed to
    assert broker.person.asked == ["Do you agree?"]
    return app_of(registered), broker


def test_client_credentials_need_nobody(tmp_path, oidc):
    logins = oidc.asked("/auth")
    app, broker = unattended(tmp_path, oidc)
    assert app["client_secret"].endswith(SECRET)  # &, =, +, % and a colon
    for token in (broker.get_token("peer", interactive=False), renewed(broker)):
        said = introspected(oidc, token.access_token, app)
        assert (said["active"], said["client_id"]) == (True, app["client_id"])
    assert oidc.asked("/auth") == logins


def test_client_credentials_for_one_api(tmp_path, oidc):
    api = "https://api.example.com"
    app, broker = unattended(tmp_path, oidc, resource=api)
    said = introspected(oidc, broker.get_token("peer").access_token, app)
    assert (said["aud"], said["scope"]) == (api, "read")


# -- clients that prove themselves by a JWT ----------------------------------------------


def key_pair(alg):
    from joserfc.jwk import ECKey, RSAKey

    made = RSAKey.generate_key(2048) if alg == "RS256" else ECKey.generate_key("P-256")
    return made.as_pem(private=True).decode(), made.as_dict(private=False)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_client_with_a_private_key(tmp_path, oidc, alg):
    # The server takes each jti once, and checks aud and exp: RFC 7523 §3.
    pem, public = key_pair(alg)
    registered = oidc.register(
        token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg=alg,
        jwks={"keys": [public]}, grant_types=["authorization_code", "refresh_token"],
    )  # fmt: skip
    app = {**app_of(registered), "private_key": pem}
    broker = desk(tmp_path, oidc, app=app, client={"auth": "private_key_jwt", "alg": alg})
    broker.setup("peer")
    for _ in range(2):
        renewed(broker)
        assert userinfo(broker) == (200, {"sub": "ada"})


def test_another_private_key_is_refused(tmp_path, oidc):
    registered = oidc.register(
        token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key_pair("ES256")[1]]},
        token_endpoint_auth_signing_alg="ES256",
    )  # fmt: skip
    app = {**app_of(registered), "private_key": key_pair("ES256")[0]}
    broker = desk(tmp_path, oidc, app=app, client={"auth": "private_key_jwt", "alg": "ES256"})
    with pytest.raises(LoginFailed) as caught:
        broker.setup("peer")
    assert caught.value.error == "invalid_client"


def test_a_client_that_signs_with_its_secret(tmp_path, oidc):
    registered = oidc.register(
        token_endpoint_auth_method="client_secret_jwt",
        grant_types=["authorization_code", "refresh_token"],
    )
    broker = desk(tmp_path, oidc, app=app_of(registered), client={"auth": "client_secret_jwt"})
    broker.setup("peer")
    renewed(broker)
    assert userinfo(broker) == (200, {"sub": "ada"})


# -- one API -----------------------------------------------------------------------------


def test_a_token_for_one_api(tmp_path, oidc):
    api = "https://api.example.com"
    broker = desk(
        tmp_path, oidc, app=CONFIDENTIAL, client={"auth": "basic"}, resource=api,
        scopes=["read", "offline_access"],
    )  # fmt: skip
    broker.setup("peer")
    for token in (broker.get_token("peer"), renewed(broker)):
        assert introspected(oidc, token.access_token, CONFIDENTIAL)["aud"] == api


# -- the end -----------------------------------------------------------------------------


def test_a_grant_that_is_removed_is_dead_at_the_server(tmp_path, oidc):
    broker = desk(tmp_path, oidc, app=CONFIDENTIAL, client={"auth": "basic"})
    broker.setup("peer")
    grant = grant_of(broker)
    refresh_token = grant.refresh_token.reveal()
    assert introspected(oidc, refresh_token, CONFIDENTIAL)["active"]

    removed = broker.remove("peer", revoke=True)
    assert (removed.told, removed.error) == (True, None)
    assert introspected(oidc, refresh_token, CONFIDENTIAL) == {"active": False}
    assert introspected(oidc, grant.access_token.reveal(), CONFIDENTIAL) == {"active": False}
    assert broker.store.get(PEER) is None


def test_a_login_whose_refresh_token_was_revoked_elsewhere(tmp_path, oidc):
    broker = desk(tmp_path, oidc, app=CONFIDENTIAL, client={"auth": "basic"})
    broker.setup("peer")
    held = broker.store.get(PEER)
    broker.remove("peer", revoke=True)
    broker.store.put(held.replace(generation=0), expect=0)
    with pytest.raises(LoginRequired, match="invalid_grant") as caught:
        renewed(broker)
    assert caught.value.hint == "arcrun setup peer"
