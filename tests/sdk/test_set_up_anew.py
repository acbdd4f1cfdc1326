"""Adapters that are alive while their connection is set up anew: another key, another host."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import yaml

import arcrun_auth as auth
from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from tests import canary
from tests.sdk.desk import sdk
from tests.servers import recorder
from tests.world import Told


@pytest.fixture
def sides():
    with recorder() as one, recorder() as other:
        yield one, other


@pytest.fixture
def broker(tmp_path, sides):
    hosts = [side.origin.removeprefix("http://") for side in sides]
    recipe = {
        "service": "shop",
        "primitive": "static_key",
        "base_url": "http://{{param.side}}",
        "params": {"side": {"type": "enum", "enum": hosts}},
        "required_secrets": [{"key": "shop_key"}],
        "inject": {"header": {"X-Api-Key": "{{secret.shop_key}}"}},
    }
    home = tmp_path / "home"
    (home / "recipes").mkdir(parents=True)
    home.chmod(0o700)
    (home / "recipes" / "shop.yaml").write_text(yaml.safe_dump(recipe))
    origins = [side.origin for side in sides]
    made = Broker(home=str(home), store=Memory(), person=Told(), allow_hosts=origins)
    yield made
    made.close()


def by_requests(broker):
    requests = sdk("requests")
    signs = auth.requests_auth("shop", broker=broker)
    return lambda url: requests.get(url, auth=signs, timeout=20)


def by_httpx(broker):
    signs = auth.httpx_auth("shop", broker=broker)

    def get(url):
        with httpx.Client(auth=signs) as client:
            return client.get(url)

    return get


def by_aiohttp(broker):
    aiohttp = sdk("aiohttp")
    signs = auth.aiohttp_middleware("shop", broker=broker)

    async def work(url):
        async with (
            aiohttp.ClientSession(middlewares=(signs,)) as session,
            session.get(url) as response,
        ):
            return response

    return lambda url: asyncio.run(work(url))


@pytest.mark.parametrize("adapter", [by_requests, by_httpx, by_aiohttp])
def test_the_new_key_goes_to_the_new_host_and_to_no_other(broker, sides, adapter) -> None:
    one, other = sides
    keys = canary.fresh("one"), canary.fresh("other")
    for side, key in zip(sides, keys, strict=True):
        where = {"side": side.origin.removeprefix("http://")}
        broker.setup("shop", shop_key=key, params=where, replace=True)
        if side is one:
            get = adapter(broker)
        get(f"{side.origin}/x")
        assert side.seen[-1].headers["x-api-key"] == key
    with pytest.raises(errors.HostNotAllowed):
        get(f"{one.origin}/x")
    broker.remove("shop")
    broker._person = Nobody()
    with pytest.raises(errors.MissingSecret):
        get(f"{other.origin}/x")
    assert [len(side.seen) for side in sides] == [1, 1]
