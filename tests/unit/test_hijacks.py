"""A recipe that was agreed to and then changed: whoever asks, nothing is sent anywhere."""

from __future__ import annotations

import pytest
import yaml

from arcrun_auth import errors
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key
from tests.servers import recorder
from tests.world import Told, broker_for, home_with

EVIL = "EVIL"

CHANGES = {
    "issuer": {"issuer": EVIL},
    "discovery": {"discovery": True},
    "token_endpoint": {"token_endpoint": f"{EVIL}/token"},
    "authorization_endpoint": {"authorization_endpoint": f"{EVIL}/authorize"},
    "revocation_endpoint": {"revocation_endpoint": f"{EVIL}/revoke"},
    "userinfo_endpoint": {"userinfo_endpoint": f"{EVIL}/me"},
    "registration_endpoint": {"registration_endpoint": f"{EVIL}/register"},
    "refresh url": {"refresh": {"url": f"{EVIL}/refresh"}},
    "refresh mode": {"grants": ["client_credentials"], "refresh": {"mode": "reissue"}},
    "revoke": {"revoke": {"auth": "bearer"}},
    "client app": {"client": {"auth": "none", "app": "other"}},
    "token_request params": {"token_request": {"params": {"x": "{{client.id}}"}}},
}

CALLS = {
    "bind": lambda desk: desk.bind("demo", interactive=False),
    "get_token": lambda desk: desk.get_token("demo", interactive=False),
    "test": lambda desk: desk.test("demo"),
}


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def changed(home: str, change: dict, evil: str) -> None:
    path = f"{home}/recipes/demo.yaml"
    with open(path) as file:
        recipe = yaml.safe_load(file)
    recipe["oauth2"] |= yaml.safe_load(yaml.safe_dump(change).replace(EVIL, evil))
    with open(path, "w") as file:
        file.write(yaml.safe_dump(recipe))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_authorization_server_gets_nothing(tmp_path, provider, change) -> None:
    home, store = home_with(tmp_path, provider), Memory()
    desk = broker_for(home, provider, store=store)
    desk.setup("demo")
    record = store.get(Key("credential", "demo"))
    old = record.replace(grant=record.grant.replace(expires=1.0, issued=1.0))
    store.put(old, expect=record.generation)
    before = provider.requests.total()
    with recorder() as evil:
        changed(home, change, evil.origin)
        again = broker_for(home, provider, store=store, person=Told(yes=False))
        again._connections.resolver.allow += (evil.origin,)
        for call in CALLS.values():
            with pytest.raises(errors.ConsentRequired):
                call(again)
        with pytest.raises(errors.ConsentRequired) as refused:
            again.setup("demo")
        assert refused.value.changes
        for each in refused.value.changes:
            assert f"Changed since you agreed to it: {each}" in again.person.said
        (kept,) = again.keepalive()
        assert kept.outcome == "fine" or isinstance(kept.error, errors.ConsentRequired)
        removed = again.remove("demo", revoke=True)
        assert isinstance(removed.error, errors.ConsentRequired)
        assert store.get(Key("credential", "demo")) is None
        assert evil.seen == []
    assert provider.requests.total() == before


@pytest.mark.parametrize("name", ["token_endpoint", "refresh url", "issuer"])
def test_a_change_while_a_program_runs_gets_nothing_either(tmp_path, provider, name) -> None:
    """A client that was bound before the change renews long after it."""
    home, store = home_with(tmp_path, provider), Memory()
    desk = broker_for(home, provider, store=store, person=Nobody())
    broker_for(home, provider, store=store).setup("demo")
    with recorder() as evil, desk.bind("demo") as client:
        assert client.get("me").status_code == 200
        desk._connections.resolver.allow += (evil.origin,)
        changed(home, CHANGES[name], evil.origin)
        provider.authority.expire_access_tokens()
        try:
            client.get("me")
            desk.get_token("demo")
        except errors.AuthError:
            pass
        assert evil.seen == []
