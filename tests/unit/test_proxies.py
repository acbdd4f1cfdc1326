"""Proxies from the environment keep working: every transport is wrapped, none replaced."""

from __future__ import annotations

import anyio
import pytest

from arcrun_auth.client import bound_async_client, bound_client
from arcrun_auth.errors import HostNotAllowed
from arcrun_auth.hosts import Fence
from arcrun_auth.sources import FixedSource
from tests import bound, canary, servers

API = "api.example.com"
http = pytest.fixture(params=("httpx", "httpx2"))(lambda request: request.param)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def world(tmp_path, monkeypatch):
    folder = tmp_path / "given"
    folder.mkdir()
    ca, context = servers.authority(folder, API)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with (
        servers.recorder(None, context) as api,
        servers.proxy(lambda _, tunnel: api.port) as proxy,
    ):
        yield api, proxy


def binding():
    return bound.binding(f"https://{API}", "header", "query", fence=Fence([API]))


def test_https_proxy_is_used_and_sees_no_secret(world, monkeypatch, http) -> None:
    api, proxy = world
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    key = canary.fresh()
    with bound_client(binding(), FixedSource(bound.static(key)), http=http) as client:
        assert client.get("/x").status_code == 200
    assert proxy.lines == [f"CONNECT {API}:443 HTTP/1.1"]
    assert api.seen[0].headers["x-api-key"] == key


def test_https_proxy_is_used_by_the_async_client(world, monkeypatch, http) -> None:
    api, proxy = world
    monkeypatch.setenv("ALL_PROXY", proxy.url)

    async def work():
        source = FixedSource(bound.static("k" * 9))
        async with bound_async_client(binding(), source, http=http) as client:
            assert (await client.get("/x")).status_code == 200

    anyio.run(work)
    assert len(proxy.lines) == len(api.seen) == 1


def test_a_forward_proxy_is_used_for_an_allowed_plain_host(monkeypatch, http) -> None:
    with servers.recorder() as api, servers.proxy(lambda *_: api.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        origin = "http://git.corp.example:3000"
        bind = bound.binding(origin, "header")
        with bound_client(bind, FixedSource(bound.static("k" * 9)), http=http) as client:
            assert client.get("/x").status_code == 200
    assert proxy.lines == [f"GET {origin}/x HTTP/1.1"]


def test_no_proxy_goes_around_it(monkeypatch, http) -> None:
    with servers.recorder() as api, servers.proxy(lambda *_: api.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with bound_client(
            bound.binding(api.origin, "header"), FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            assert client.get("/x").status_code == 200
    assert proxy.lines == []


def test_a_proxy_as_an_option_is_used_and_trust_env_is_heeded(world, monkeypatch, http) -> None:
    _, proxy = world
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    source = FixedSource(bound.static("k" * 9))
    context = __import__("ssl").create_default_context()
    with bound_client(
        binding(), source, http=http, proxy=proxy.url, trust_env=False, verify=context
    ) as client:
        assert client.get("/x").status_code == 200
    assert len(proxy.lines) == 1


def test_through_a_proxy_literals_are_still_judged(world, monkeypatch, http) -> None:
    _, proxy = world
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with bound_client(binding(), FixedSource(bound.static("k" * 9)), http=http) as client:
        for url in ("https://169.254.169.254/", "https://localhost/", "https://10.0.0.1/"):
            with pytest.raises(HostNotAllowed):
                client.get(url)
    assert proxy.lines == []


def test_no_transport_is_left_unwrapped(world, monkeypatch, http) -> None:
    _, proxy = world
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "no.example")
    with bound_client(binding(), FixedSource(bound.static("k" * 9)), http=http) as client:
        mounted = [each for each in client._mounts.values() if each is not None]
        assert mounted
        assert {type(each).__name__ for each in (client._transport, *mounted)} == {"BoundTransport"}
