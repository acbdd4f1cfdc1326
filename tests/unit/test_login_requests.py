"""A login costs the provider's own round trips: they are counted here, and never timed."""

from __future__ import annotations

from arcrun_auth.testing import Provider
from tests.world import broker_for, home_with, master_key

NEEDED = {"/authorize": 1, "/consent": 1, "/token": 1, "/api/me": 1}
"""The page, the person's answer, the code redeemed, and one request that tries the token."""


def test_a_login_asks_the_provider_for_no_more_than_the_protocol_needs(tmp_path):
    with Provider() as provider:
        broker = broker_for(home_with(tmp_path, provider), provider, environ=master_key())
        broker.setup("demo")
        assert dict(provider.requests) == NEEDED
        assert dict(provider.token_requests) == {"authorization_code": 1}
        broker.close()


def test_what_is_logged_in_asks_for_nothing_but_what_the_caller_sends(tmp_path):
    with Provider() as provider:
        home, environ = home_with(tmp_path, provider), master_key()
        broker = broker_for(home, provider, environ=environ)
        broker.setup("demo")
        broker.close()
        provider.requests.clear()
        again = broker_for(home, provider, environ=environ)
        with again.bind("demo") as client:
            assert not provider.requests
            assert client.get("/me").status_code == 200
        assert dict(provider.requests) == {"/api/me": 1}
        again.close()


def test_a_login_that_discovers_its_endpoints_reads_one_document_more(tmp_path):
    with Provider() as provider:
        home = home_with(tmp_path, provider, demo=provider.recipe_yaml(discovery=True))
        broker = broker_for(home, provider, environ=master_key())
        broker.setup("demo")
        documents = {p: n for p, n in provider.requests.items() if p.startswith("/.well-known/")}
        assert list(documents.values()) == [1]
        assert {p: n for p, n in provider.requests.items() if p not in documents} == NEEDED
        broker.close()
