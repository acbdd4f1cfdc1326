"""A token of one tenant is not sent to another's host, whoever names it and whenever."""

from __future__ import annotations

import json

import pytest
import yaml

from arcrun_auth import errors
from arcrun_auth.adapters.provider import token_provider
from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.servers import Reply, recorder
from tests.world import Told


class Side:
    """A tenant: its token endpoint, and its API."""

    def __init__(self, server) -> None:
        self.server = server
        self.host = server.origin.removeprefix("http://")
        self.token = canary.fresh()
        server.answer = self._answer

    def _answer(self, seen) -> Reply:
        if seen.target != "/token":
            return Reply()
        body = {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        return Reply(200, {"content-type": "application/json"}, json.dumps(body).encode())

    @property
    def shown(self) -> list[str]:
        """The tokens that its API was shown."""
        asked = [seen for seen in self.server.seen if seen.target != "/token"]
        return [seen.headers["authorization"].removeprefix("Bearer ") for seen in asked]


@pytest.fixture
def sides():
    with recorder() as one, recorder() as other:
        yield Side(one), Side(other)


@pytest.fixture
def desk(tmp_path, sides):
    hosts = [side.host for side in sides]
    recipe = {
        "service": "shop",
        "primitive": "oauth2",
        "base_url": "http://{{param.side}}",
        "params": {"side": {"type": "enum", "enum": hosts}},
        "oauth2": {
            "token_endpoint": "http://{{param.side}}/token",
            "grants": ["client_credentials"],
            "client": {"auth": "post"},
            "refresh": {"mode": "reissue"},
        },
    }
    home = tmp_path / "home"
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "shop.yaml").write_text(yaml.safe_dump(recipe))
    brokers = []

    def make(**more) -> Broker:
        brokers.append(
            Broker(
                home=str(home),
                recipes=Catalog(home, bundled=tmp_path / "bundled"),
                allow_hosts=[side.server.origin for side in sides],
                **{"person": Nobody(), **more},
            )
        )
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.close()


APP = {"ARCRUN_SHOP_CLIENT_ID": "id", "ARCRUN_SHOP_CLIENT_SECRET": "nothing to hide"}


def test_two_tenants_of_an_app_in_the_environment_have_a_token_each(desk, sides) -> None:
    broker = desk(environ=APP)
    for side in (*sides, *sides):
        with broker.bind("shop", params={"side": side.host}) as client:
            client.get("/x").raise_for_status()
    assert [side.shown for side in sides] == [[side.token] * 2 for side in sides]
    assert [len(side.server.seen) for side in sides] == [3, 3]  # one token for each


KEYED = """
service: shop
primitive: static_key
base_url: http://{{{{param.side}}}}
params: {{side: {{type: enum, enum: {hosts}}}}}
required_secrets: [{{key: shop_key}}]
inject: {{header: {{Authorization: "Bearer {{{{secret.shop_key}}}}"}}}}
"""


def test_a_refused_key_is_not_replaced_by_that_of_another_tenant(tmp_path, sides) -> None:
    """Another process has set the connection up anew, for another tenant or with a newer key."""
    hosts = json.dumps([side.host for side in sides])
    (tmp_path / "home" / "recipes").mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    (tmp_path / "home" / "recipes" / "shop.yaml").write_text(KEYED.format(hosts=hosts))
    store, (one, other) = Memory(), sides
    here, there = (
        Broker(
            home=str(tmp_path / "home"),
            store=store,
            person=Told(),
            allow_hosts=[side.server.origin for side in sides],
        )
        for _ in range(2)
    )
    here.setup("shop", shop_key=one.token, params={"side": one.host})
    with here.bind("shop") as client:
        there.setup("shop", shop_key=other.token, params={"side": other.host}, replace=True)
        one.server.answer = lambda _: Reply(401)
        assert client.get("/x").status_code == 401
        assert set(one.shown) == {one.token}
        newer = canary.fresh()
        there.setup("shop", shop_key=newer, params={"side": one.host}, replace=True)
        client.get("/x")
        assert one.shown[-1] == newer
    here.close()
    there.close()


def test_a_login_of_another_tenant_does_not_sign_for_the_first(desk, sides) -> None:
    """Another process has logged in anew, for another tenant: what was bound here says so once,
    and what is bound or asked for from then on is that tenant's."""
    store, (one, other) = Memory(), sides
    app = {"client_id": Secret("id"), "client_secret": Secret("nothing to hide")}
    store.put(Credential(Key("app", "shop"), secrets=app), expect=0)
    here, there = (desk(store=store, person=Told()) for _ in range(2))
    here.setup("shop", params={"side": one.host})
    handed = token_provider("shop", broker=here)
    with here.bind("shop") as client:
        client.get("/x").raise_for_status()
        assert here.get_token("shop").access_token == handed() == one.token
        there.setup("shop", params={"side": other.host}, replace=True)
        one.server.answer = lambda _: Reply(401)
        for _ in range(2):
            with pytest.raises(errors.AuthError, match="other parameters") as caught:
                client.get("/x")
            assert "bind" in caught.value.hint
        assert set(one.shown) == {one.token}
    assert here.get_token("shop").access_token == handed() == other.token
    with here.bind("shop") as client:
        client.get("/x").raise_for_status()
    assert other.shown == [other.token]
