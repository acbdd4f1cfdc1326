"""The async bound client: the same rules, in asyncio and in trio."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest
import trio

from arcrun_auth._http import library
from arcrun_auth.client import bound_async_client, in_thread
from arcrun_auth.errors import AuthError, HostNotAllowed, LoginRequired
from arcrun_auth.hosts import Fence
from arcrun_auth.recipe import Inject
from arcrun_auth.sources import FixedSource
from arcrun_auth.tokens import Token
from arcrun_auth.transport import THREADS
from tests import bound, canary, servers

http = pytest.fixture(params=("httpx", "httpx2"))(lambda request: request.param)
backend = pytest.fixture(params=("asyncio", "trio"))(lambda request: request.param)

BEARER = Inject(header={"Authorization": "Bearer {{token.access_token}}"})


def run(backend, work):
    async def guarded():
        with anyio.fail_after(servers.GUARD):
            return await work()

    return anyio.run(guarded, backend=backend)


def guarded_by(good: str):
    return lambda seen: servers.Reply(
        200 if seen.headers.get("authorization") == f"Bearer {good}" else 401
    )


def test_every_place_is_signed_and_nothing_above_sees_it(http, backend) -> None:
    key, shown = canary.fresh(), []

    async def look(thing) -> None:
        shown.append(repr(vars(thing)) + str(thing.headers.raw))

    def answer(seen):
        return servers.Reply(307, {"location": "/b"}) if "/a" in seen.target else servers.Reply()

    async def work():
        bind = bound.binding(api.origin, *bound.PLACES)
        hooks = {"request": [look], "response": [look]}
        async with bound_async_client(
            bind,
            FixedSource(bound.static(key)),
            http=http,
            follow_redirects=True,
            event_hooks=hooks,
        ) as client:
            assert isinstance(client, library(http).AsyncClient)
            response = await client.post("/a/{key}", json={"n": 1})
            shown.extend([repr(response.history), str(client.cookies), str(response.url)])

    with servers.recorder(answer) as api:
        run(backend, work)
    assert [seen.target for seen in api.seen] == [f"/a/{key}?key={key}", f"/b?key={key}"]
    for seen in api.seen:
        assert seen.headers["x-api-key"] == key
        assert seen.headers["cookie"] == f"sid={key}"
        assert seen.body == b'{"n":1,"auth":{"key":"%s"}}' % key.encode()
    assert len(shown) == 7
    assert canary.hits("".join(shown)) == []


def test_another_host_is_refused_before_anything_is_sent(http, backend) -> None:
    async def work():
        bind = bound.binding("https://api.example.com", "header", fence=Fence(["api.example.com"]))
        async with bound_async_client(
            bind, FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            for url in ("https://evil.test/", "http://api.example.com/", "//evil.test/x"):
                with pytest.raises(HostNotAllowed):
                    await client.get(url)

    run(backend, work)


def test_a_storm_of_401s_asks_with_the_dead_token_and_replays_each_once(http, backend) -> None:
    callers = 30  # a hundred, and the store with its lock: the storms of tests/faults
    old, new = canary.fresh("old"), canary.fresh("new")
    source = bound.CountingSource(Token(old), Token(new))
    statuses = []

    async def work():
        bind = bound.binding(api.origin, inject=BEARER)
        async with bound_async_client(bind, source, http=http, timeout=servers.GUARD) as client:

            async def one() -> None:
                statuses.append((await client.get("/x")).status_code)

            async with anyio.create_task_group() as group:
                for _ in range(callers):
                    group.start_soon(one)

    with servers.recorder(guarded_by(new)) as api:
        run(backend, work)
    assert statuses == [200] * callers
    assert source.renewals == 1
    assert set(source.asked) == {old}, "the warm token came from memory, without a thread"
    refused = sum(seen.headers["authorization"] == f"Bearer {old}" for seen in api.seen)
    assert len(api.seen) == callers + refused


def test_a_thread_is_taken_only_when_memory_cannot_answer(http, backend) -> None:
    source = bound.CountingSource(Token("some-token"), warm=False)

    async def work():
        bind = bound.binding(api.origin, inject=BEARER)
        async with bound_async_client(bind, source, http=http) as client:
            await client.get("/x")
            await client.get("/x")

    with servers.recorder() as api:
        run(backend, work)
    assert source.asked == [None]
    assert source.threads.isdisjoint({threading.main_thread().name})


def test_our_threads_are_limited_and_are_not_those_of_the_user(backend) -> None:
    now, most, lock = 0, 0, threading.Lock()
    release = threading.Event()

    def block() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == THREADS:
                release.set()
        release.wait(servers.GUARD)
        with lock:
            now -= 1

    async def work():
        async with anyio.create_task_group() as group:
            for _ in range(THREADS * 2):
                group.start_soon(in_thread, block)
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0

    run(backend, work)
    assert most == THREADS


def test_errors_of_the_source_and_of_the_network_come_through(http, backend) -> None:
    class Gone(bound.CountingSource):
        def token(self, *, rejected=None):
            raise LoginRequired("gone", service="demo")

    async def work():
        lib = library(http)
        bind = bound.binding("http://127.0.0.1:1", "header")
        async with bound_async_client(bind, Gone(Token("x" * 9), warm=False), http=http) as client:
            with pytest.raises(LoginRequired):
                await client.get("/x")
        key = canary.fresh()
        async with bound_async_client(bind, FixedSource(bound.static(key)), http=http) as client:
            with pytest.raises(lib.ConnectError) as caught:
                await client.get("/x")
        assert not canary.hits(
            repr(caught.value.__cause__) + repr(caught.value.request.headers.raw)
        )
        body = bound.binding("http://127.0.0.1:1", "body")

        async def stream():
            yield b"x"

        async with bound_async_client(body, FixedSource(bound.static(key)), http=http) as client:
            with pytest.raises(AuthError, match="Nothing was sent"):
                await client.post("/x", content=stream())

    run(backend, work)


def test_a_renewal_that_fails_closes_the_401(http, backend) -> None:
    class Gone(bound.CountingSource):
        def token(self, *, rejected=None):
            raise LoginRequired("gone", service="demo", why="revoked")

    async def work():
        bind = bound.binding(api.origin, inject=BEARER)
        async with bound_async_client(bind, Gone(Token("x" * 9)), http=http) as client:
            with pytest.raises(LoginRequired):
                await client.get("/x")

    with servers.recorder(lambda _: servers.Reply(401)) as api:
        run(backend, work)
    assert len(api.seen) == 1


def test_a_name_that_resolves_to_a_private_address_gets_nothing(http, backend) -> None:
    class Inside(Fence):  # permits the name, and judges its address as if nobody allowed it
        def allows(self, scheme, host, port):
            return False

    events = []

    async def trace(name, info) -> None:
        events.append(name)

    async def work():
        host = f"localhost:{api.port}"
        inside = Inside([host], [f"http://{host}"])
        bind = bound.binding(f"http://{host}", "header", fence=inside)
        async with bound_async_client(
            bind, FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            with pytest.raises(HostNotAllowed, match="loopback"):
                await client.get("/x", extensions={"trace": trace})
        allowed = bound.binding(api.origin, "header")
        async with bound_async_client(
            allowed, FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            await client.get("/ok", extensions={"trace": trace})

    with servers.recorder() as api:
        run(backend, work)
    assert [seen.target for seen in api.seen] == ["/ok"]
    assert events.count("http11.receive_response_headers.complete") == 1


def test_a_cancelled_request_is_cancelled(http, backend) -> None:
    hold = threading.Event()

    async def work():
        bind = bound.binding(origin, "header")
        async with bound_async_client(
            bind, FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            with anyio.move_on_after(0.2) as scope:
                await client.get("/x")
            assert scope.cancelled_caught

    with servers.raw_server(lambda _: hold.wait(servers.GUARD)) as origin:
        run(backend, work)
    hold.set()


def test_it_runs_under_the_bare_event_loops_too() -> None:
    async def work():
        bind = bound.binding(api.origin, "header")
        source = bound.CountingSource(bound.static("k" * 9), warm=False)
        async with bound_async_client(bind, source) as client:
            return (await client.get("/x")).status_code

    with servers.recorder() as api:
        assert asyncio.run(work()) == 200
        assert trio.run(work) == 200
