"""A token of one tenant is not sent to another's host, whoever names it and whenever."""

from __future__ import annotations

import json

import pytest
import yaml

from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.people import Nobody
from tests import canary
from tests.servers import Reply, recorder


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

    def make(**environ) -> Broker:
        brokers.append(
            Broker(
                home=str(home),
                recipes=Catalog(home, bundled=tmp_path / "bundled"),
                person=Nobody(),
                allow_hosts=[side.server.origin for side in sides],
                environ=environ,
            )
        )
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.close()


APP = {"ARCRUN_SHOP_CLIENT_ID": "id", "ARCRUN_SHOP_CLIENT_SECRET": "nothing to hide"}


def test_two_tenants_of_an_app_in_the_environment_have_a_token_each(desk, sides) -> None:
    broker = desk(**APP)
    for side in (*sides, *sides):
        with broker.bind("shop", params={"side": side.host}) as client:
            client.get("/x").raise_for_status()
    assert [side.shown for side in sides] == [[side.token] * 2 for side in sides]
    assert [len(side.server.seen) for side in sides] == [3, 3]  # one token for each
