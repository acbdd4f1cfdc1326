"""Logins and renewals against oidc-provider, a certified server that is not ours."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

import pytest

from arcrun_auth.errors import LoginFailed, TokenRefused
from arcrun_auth.login import Dialogue, LoginPlan, Ways, log_in
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.requests import refresh_request
from arcrun_auth.token_answer import read_token
from arcrun_auth.tokens import Secret
from tests.peers.oidc_server import HANG, SECRET, OidcProvider, Person, send

pytestmark = pytest.mark.peer

CLIENTS = {"none": "public", "basic": "confidential", "post": "posting"}


@pytest.fixture(scope="module")
def oidc():
    with OidcProvider() as server:
        yield server


def plan_for(oidc, auth="none", **changes):
    secret = changes.pop("secret", None if auth == "none" else SECRET)
    oauth2 = oidc.oauth2(auth, **changes)
    return LoginPlan(
        service="peer",
        display_name="Peer",
        oauth2=oauth2,
        app=App(CLIENTS[auth], secret and Secret(secret)),
        scopes=oauth2.scopes,
    )


def run(plan, person=None, **options):
    dialogue = Dialogue(
        say=options.pop("say", lambda line: None),
        open_url=person or Person(),
        paste=options.pop("paste", None),
    )
    defaults = {"send": send, "timeout": HANG}
    return log_in(plan, options.pop("ways", Ways()), dialogue, **(defaults | options))


def renew(plan, grant):
    call = refresh_request(
        plan.oauth2,
        plan.app,
        refresh_token=grant.refresh_token,
        values=values(plan.params),
        now=time.time(),
    )
    answer = send(call)
    return read_token(
        plan.oauth2,
        answer.status,
        answer.headers,
        answer.body,
        now=time.time(),
        previous=grant,
        secrets=call.secrets,
    )


def userinfo(oidc, grant):
    connection = http.client.HTTPConnection(urlsplit(oidc.issuer).netloc, timeout=HANG)
    try:
        token = {"Authorization": f"Bearer {grant.access_token.reveal()}"}
        connection.request("GET", "/me", headers=token)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("auth", ["none", "basic", "post"])
def test_login_and_renewal(oidc, auth):
    # The secret has &, =, +, % and a colon: Basic works only form-encoded (RFC 6749 §2.3.1).
    plan = plan_for(oidc, auth)
    grant = run(plan)
    assert set(grant.scopes) == {"openid", "offline_access"}
    assert 0 < grant.expires - grant.issued <= 4
    status, body = userinfo(oidc, grant)
    assert (status, json.loads(body)) == (200, {"sub": "ada"})

    renewed = renew(plan, grant)
    assert renewed.access_token != grant.access_token
    assert renewed.refresh_token != grant.refresh_token
    assert renewed.requested == grant.requested
    assert userinfo(oidc, renewed)[0] == 200


def test_a_refresh_token_that_is_used_twice_ends_the_family(oidc):
    plan = plan_for(oidc)
    grant = run(plan)
    renewed = renew(plan, grant)
    for dead in (grant, renewed):
        with pytest.raises(TokenRefused) as caught:
            renew(plan, dead)
        assert caught.value.error == "invalid_grant"
        assert dead.refresh_token.reveal() not in str(caught.value)


def test_a_cancelled_login(oidc):
    with pytest.raises(LoginFailed, match="cancelled") as caught:
        run(plan_for(oidc), Person(allow=False))
    assert caught.value.error == "access_denied"


@pytest.mark.parametrize("suffix", ["/", "x"])
def test_an_issuer_that_differs_by_a_character_is_refused(oidc, suffix):
    sent = []
    with pytest.raises(LoginFailed, match="another authorization server"):
        run(plan_for(oidc, issuer=oidc.issuer + suffix), send=sent.append)
    assert sent == []


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_a_wrong_secret_is_a_refused_client(oidc, auth):
    with pytest.raises(LoginFailed) as caught:
        run(plan_for(oidc, auth, secret="wrong-canary"))
    assert caught.value.error == "invalid_client"
    assert "canary" not in str(caught.value)


def test_a_wrong_client_is_refused_at_a_renewal(oidc):
    grant = run(plan_for(oidc))
    with pytest.raises(TokenRefused) as caught:
        renew(plan_for(oidc, "basic"), grant)
    assert caught.value.error == "invalid_grant"


def test_a_login_without_a_proof_key_is_refused(oidc):
    with pytest.raises(LoginFailed) as caught:
        run(plan_for(oidc, pkce="no"))
    assert caught.value.error == "invalid_request"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_any_port_of_either_name_of_this_machine_is_taken(oidc, host):
    assert run(plan_for(oidc, redirect={"host": host})).access_token


def test_the_redirected_address_can_be_pasted(oidc):
    said = []
    grant = run(
        plan_for(oidc),
        lambda url: None,
        say=said.append,
        paste=lambda: Person().redirected(said[1]),
    )
    assert userinfo(oidc, grant)[0] == 200
