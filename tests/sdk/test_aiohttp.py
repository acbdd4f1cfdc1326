"""`auth.aiohttp_middleware`, with the real aiohttp."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

import pytest

import arcrun_auth as auth
from arcrun_auth import errors
from tests import canary
from tests.sdk.desk import PLACES, sdk, token_in
from tests.servers import GUARD, Reply, recorder


@pytest.fixture
def aiohttp():
    return sdk("aiohttp")


@pytest.fixture(params=PLACES)
def place(request) -> str:
    return request.param


@pytest.fixture
def call(aiohttp):
    """`call(middleware, method, url, **options)` gives status, JSON and the response."""

    def run(middleware, method, url, *, times=1, **options):
        async def one(session):
            async with session.request(method, url, **options) as response:
                return response.status, await response.json(content_type=None), response

        async def work():
            async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
                async with asyncio.timeout(GUARD):
                    return await asyncio.gather(*(one(session) for _ in range(times)))

        found = asyncio.run(work())
        return found if times > 1 else found[0]

    return run


def url(desk, path: str = "/x", place: str = "bearer") -> str:
    return desk.api.origin + ("/bot{key}" if place == "path" else "") + path


def to(where: str, status: int = 307) -> Reply:
    return Reply(status, {"location": where})


def test_a_request_is_signed_and_a_refused_token_renewed_once(desk, call, place) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.with_place(place))
    desk.api.answers["/x"] = {"ok": True}
    assert call(signs, "POST", url(desk, place=place), json={"n": 1})[:2] == (200, {"ok": True})
    desk.refuse()
    status, data, response = call(signs, "POST", url(desk, place=place), json={"n": 1})
    assert (status, data) == (200, {"ok": True})
    assert (desk.renewals, len(desk.api.seen)) == (1, 3)
    assert b'"n":1' in desk.api.seen[-1].body.replace(b" ", b"")
    assert canary.hits(desk.api.server.raw)
    assert not canary.hits(f"{response.url}{response.request_info.headers!r}{response!r}")
    assert repr(signs) == "Middleware('demo')"


def test_many_tasks_with_one_dead_token_cause_one_renewal(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    desk.refuse()
    assert {status for status, *_ in call(signs, "GET", url(desk), times=12)} == {200}
    assert desk.renewals == 1


def test_an_expired_token_is_renewed_before_it_is_sent(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    desk.expire()
    assert call(signs, "GET", url(desk))[0] == 200
    assert (desk.renewals, len(desk.api.seen)) == (1, 1)


def test_a_refusal_that_no_renewal_mends_is_handed_on(desk, call) -> None:
    broker = desk.broker
    broker.setup("keyed", key=desk.provider.static_key)
    signs = auth.aiohttp_middleware("keyed", broker=broker)
    assert call(signs, "GET", f"{desk.provider.issuer}/api/me")[0] == 401
    signs = auth.aiohttp_middleware("demo", broker=broker)
    desk.api.find = lambda _: ""
    assert call(signs, "GET", url(desk))[0] == 401
    assert (desk.renewals, len(desk.api.seen)) == (1, 2)


def test_an_error_shows_no_secret(desk, aiohttp, call, place) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.with_place(place))
    desk.api.answers["/x"] = Reply(500)
    with pytest.raises(aiohttp.ClientResponseError) as caught:
        call(signs, "POST", url(desk, place=place), json={}, raise_for_status=True)
    shown = str(caught.value) + (
        repr(caught.value) if place in ("bearer", "header", "cookie") else ""
    )
    assert canary.hits(desk.api.server.raw)
    assert not canary.hits(shown)


def test_another_host_is_refused_and_nothing_is_sent(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    with recorder() as other:
        for address in (f"{other.origin}/x", "http://localhost/x", f"https://{desk.api.host}/x"):
            with pytest.raises(errors.HostNotAllowed):
                call(signs, "GET", address)
        assert other.seen == desk.api.seen == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_host_goes_without_the_secret(desk, call, place, status) -> None:
    with recorder() as other:
        signs = auth.aiohttp_middleware("demo", broker=desk.with_place(place, other.origin))
        desk.api.answers["/a"] = to(f"{other.origin}/download?n=1#top", status)
        address = url(desk, "/a", place)
        assert call(signs, "POST", address, json={"n": 1})[0] == 200
        assert [seen.target for seen in other.seen] == ["/download?n=1"]
        assert (other.seen[0].body == b'{"n": 1}') is (status == 307)
        assert canary.hits(desk.api.server.raw)
        assert not canary.hits(other.raw)


def test_a_host_may_lead_on_to_a_third_and_back_again(desk, call) -> None:
    with recorder() as third, recorder(lambda _: to(f"{third.origin}/c")) as other:
        broker = desk.with_place("bearer", other.origin, third.origin)
        third.answer = lambda _: to(url(desk, "/d"))
        desk.api.answers |= {"/a": to(f"{other.origin}/b"), "/d": {"ok": True}}
        signs = auth.aiohttp_middleware("demo", broker=broker)
        assert call(signs, "GET", url(desk, "/a"))[1] == {"ok": True}
        assert not canary.hits(other.raw + third.raw)
        with pytest.raises(errors.HostNotAllowed):  # but not on the caller's own word
            call(signs, "GET", f"{third.origin}/c")


def test_a_redirect_to_a_host_that_is_not_public_is_refused(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    with recorder() as other:
        desk.api.answers["/a"] = to(f"{other.origin}/x")
        with pytest.raises(errors.HostNotAllowed, match="no public https"):
            call(signs, "GET", url(desk, "/a"))
        assert other.seen == []


def test_a_location_that_echoes_the_secret_does_not_carry_it_away(desk, call) -> None:
    with recorder() as other:
        broker = desk.with_place("query", other.origin)
        token = broker.get_token("demo").access_token
        desk.api.answers["/a"] = to(f"{other.origin}/download?key={token}&n=1")
        assert (
            call(auth.aiohttp_middleware("demo", broker=broker), "GET", url(desk, "/a"))[0] == 200
        )
        assert [seen.target for seen in other.seen] == ["/download?n=1"]


def test_every_hop_within_the_consented_hosts_is_signed(desk, call, place) -> None:
    broker = desk.with_place(place)
    desk.api.answers |= {"/a": to(url(desk, "/b", place)), "/b": {"ok": True}}
    signs = auth.aiohttp_middleware("demo", broker=broker)
    assert call(signs, "POST", url(desk, "/a", place), json={"n": 1})[1] == {"ok": True}
    assert token_in(place, desk.api.seen[-1]) != "Bearer "
    assert (desk.renewals, len(desk.api.seen)) == (0, 2)


async def pieces():
    yield b"once"


def test_a_stream_is_not_sent_twice(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    desk.refuse()
    assert call(signs, "POST", url(desk), data=pieces())[0] == 401
    assert len(desk.api.seen) == 1


def test_a_stream_takes_no_secret_into_its_body(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.with_place("body"))
    with pytest.raises(errors.AuthError, match="a stream cannot"):
        call(signs, "POST", url(desk), data=pieces())


def test_a_form_takes_the_secret_into_its_body(desk, call) -> None:
    signs = auth.aiohttp_middleware("demo", broker=desk.with_place("body"))
    desk.api.find = lambda seen: "Bearer " + dict(parse_qsl(seen.body.decode())).get("auth.key", "")
    assert call(signs, "POST", url(desk), data={"n": "1"})[0] == 200
    assert call(signs, "GET", url(desk))[0] == 401  # there is no body to take it


def test_a_hop_with_a_dead_token_renews_once(desk, call) -> None:
    desk.api.answers |= {"/a": to("/b"), "/b": {"ok": True}}
    signs = auth.aiohttp_middleware("demo", broker=desk.broker)
    found = desk.api.find

    def once(seen) -> str:
        if "/b" in seen.target and desk.renewals == 0:
            desk.refuse()
        return found(seen)

    desk.api.find = once
    assert call(signs, "GET", url(desk, "/a"))[1] == {"ok": True}
    assert (desk.renewals, len(desk.api.seen)) == (1, 3)
