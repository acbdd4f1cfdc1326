"""Whose answer is it? The issuer's own words, held against what the recipe says."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from arcrun_auth.errors import LoginFailed
from tests.peers.oidc_desk import PEER, desk, userinfo
from tests.peers.oidc_server import OidcProvider, Person

pytestmark = pytest.mark.peer

PUBLIC = {"client_id": "public"}


@pytest.fixture
def oidc():
    with OidcProvider() as server:
        yield server


class WithoutIss(Person):
    """Whoever stands between the provider and the browser, and takes `iss` away."""

    def redirected(self, url):
        target = urlsplit(super().redirected(url))
        fields = [(name, value) for name, value in parse_qsl(target.query) if name != "iss"]
        return target._replace(query=urlencode(fields)).geturl()


def refused(broker, oidc):
    """How the login ended: with nothing sent that could be stolen, and nothing kept."""
    with pytest.raises(LoginFailed) as caught:
        broker.setup("peer")
    assert caught.value.error == "issuer_mismatch"
    assert oidc.asked("/token") == []
    assert broker.store.get(PEER) is None
    return caught.value


def test_metadata_of_another_issuer_are_refused(tmp_path, oidc):
    # The same server by another name: it names itself 127.0.0.1.
    elsewhere = oidc.issuer.replace("127.0.0.1", "localhost")
    error = refused(desk(tmp_path, oidc, app=PUBLIC, issuer=elsewhere), oidc)
    assert "metadata" in error.message
    assert oidc.asked("/auth") == []


def test_a_callback_of_another_issuer_is_refused(tmp_path, oidc):
    endpoints = {name: f"{oidc.issuer}/{path}" for name, path in
                 (("authorization_endpoint", "auth"), ("token_endpoint", "token"))}  # fmt: skip
    elsewhere = oidc.issuer.replace("127.0.0.1", "localhost")
    broker = desk(
        tmp_path, oidc, app=PUBLIC, issuer=elsewhere, discovery=False, **endpoints
    )  # fmt: skip
    error = refused(broker, oidc)
    assert "another authorization server" in error.message


def test_a_callback_that_names_nobody_is_refused_where_the_metadata_promise_a_name(tmp_path, oidc):
    # RFC 9207 §2.4: a mix-up attack leaves it out.
    assert oidc.json("/.well-known/openid-configuration")[
        "authorization_response_iss_parameter_supported"
    ]
    refused(desk(tmp_path, oidc, app=PUBLIC, open_url=WithoutIss()), oidc)


def test_with_it_the_same_login_works(tmp_path, oidc):
    broker = desk(tmp_path, oidc, app=PUBLIC)
    broker.setup("peer")
    assert userinfo(broker) == (200, {"sub": "ada"})
