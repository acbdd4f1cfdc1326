"""`auth.httpx_auth`: one object for httpx and httpx2, sync and async."""

from __future__ import annotations

import ssl

import anyio
import pytest

import arcrun_auth as auth
from arcrun_auth import _http, errors
from tests import canary
from tests.sdk.desk import PLACES, opened, token_in
from tests.servers import Reply, proxy, recorder

LIBRARIES = ("httpx", "httpx2")
TLS = ssl.create_default_context()
"""Made once: it takes longer than all else here."""


@pytest.fixture
def desk(tmp_path):
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(params=["sync-httpx", "sync-httpx2", "asyncio-httpx2", "trio-httpx"])
def call(request):
    """`call(auth, method, url, **options)`, by each kind of client."""
    kind, _, name = request.param.partition("-")
    lib = _http.library(name)

    def sync(signs, method, url, *, client=None, **options):
        with lib.Client(auth=signs, verify=TLS, timeout=20, **(client or {})) as made:
            return made.request(method, url, **options)

    def awaited(signs, method, url, *, client=None, **options):
        async def work():
            async with lib.AsyncClient(
                auth=signs, verify=TLS, timeout=20, **(client or {})
            ) as made:
                return await made.request(method, url, **options)

        return anyio.run(work, backend=kind)

    return sync if kind == "sync" else awaited


@pytest.fixture(params=PLACES)
def place(request) -> str:
    return request.param


def url(desk, path: str = "/x", place: str = "bearer") -> str:
    return desk.api.origin + ("/bot{key}" if place == "path" else "") + path


def to(where: str, status: int = 307) -> Reply:
    return Reply(status, {"location": where})


FOLLOW = {"follow_redirects": True}


def test_a_request_is_signed_and_a_refused_token_renewed_once(desk, call, place) -> None:
    signs = auth.httpx_auth("demo", broker=desk.with_place(place))
    desk.api.answers["/x"] = {"ok": True}
    assert call(signs, "POST", url(desk, place=place), json={"n": 1}).json() == {"ok": True}
    desk.refuse()
    got = call(signs, "POST", url(desk, place=place), json={"n": 1})
    assert (got.status_code, got.json()) == (200, {"ok": True})
    assert [each.status_code for each in got.history] == [401]
    assert (desk.renewals, len(desk.api.seen)) == (1, 3)
    assert b'"n":1' in desk.api.seen[-1].body.replace(b" ", b"")
    assert canary.hits(desk.api.server.raw)
    for each in (got, *got.history):
        request = each.request
        assert not canary.hits(f"{each.url} {request.headers.raw} {list(request.stream)}")


def test_one_object_serves_both_libraries_at_once(desk) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    for name in LIBRARIES:
        lib = _http.library(name)
        assert isinstance(signs, lib.Auth)
        with lib.Client(auth=signs) as client:
            assert client.get(url(desk)).status_code == 200
            assert client.get(url(desk)).status_code == 200
    assert repr(signs) == "HttpxAuth('demo')"
    assert len(desk.api.seen) == 4


def test_an_expired_token_is_renewed_before_it_is_sent(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    desk.expire()
    assert call(signs, "GET", url(desk)).status_code == 200
    assert (desk.renewals, len(desk.api.seen)) == (1, 1)


def test_a_refusal_that_no_renewal_mends_is_handed_on(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    desk.api.find = lambda _: ""
    assert call(signs, "GET", url(desk)).status_code == 401
    assert (desk.renewals, len(desk.api.seen)) == (1, 2)


def test_a_login_that_has_ended_is_the_error_that_says_so(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    desk.provider.fail_next(5, 503)
    desk.expire()
    with pytest.raises(errors.ProviderUnavailable):
        call(signs, "GET", url(desk))
    assert desk.api.seen == []


def test_another_host_is_refused_and_nothing_is_sent(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    with recorder() as other:
        for address in (f"{other.origin}/x", f"http://u@{desk.api.host}/x", "http://localhost/x"):
            with pytest.raises(errors.HostNotAllowed):
                call(signs, "GET", address)
        assert other.seen == desk.api.seen == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_never_takes_the_secret_to_another_host(desk, call, place, status) -> None:
    with recorder() as other:
        signs = auth.httpx_auth("demo", broker=desk.with_place(place))
        desk.api.answers["/a"] = to(f"{other.origin}/download", status)
        address = url(desk, "/a", place)
        if place in ("header", "body"):
            with pytest.raises(errors.HostNotAllowed):
                call(signs, "POST", address, json={"n": 1}, client=FOLLOW)
            assert other.seen == []
        else:
            got = call(signs, "POST", address, json={"n": 1}, client=FOLLOW)
            assert got.status_code == 200
            assert len(other.seen) == 1
        assert canary.hits(desk.api.server.raw)
        assert not canary.hits(other.raw)


def test_a_location_that_echoes_the_secret_is_not_followed(desk, call) -> None:
    with recorder() as other:
        broker = desk.with_place("query")
        token = broker.get_token("demo").access_token
        desk.api.answers["/a"] = to(f"{other.origin}/download?key={token}&n=1")
        signs = auth.httpx_auth("demo", broker=broker)
        with pytest.raises(errors.HostNotAllowed):
            call(signs, "GET", url(desk, "/a"), client=FOLLOW)
        assert other.seen == []


def test_a_redirect_within_the_host_keeps_a_header_and_a_dead_one_is_renewed(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.broker)
    desk.api.answers |= {"/a": to("/b"), "/b": {"ok": True}}
    found = desk.api.find

    def once(seen) -> str:
        if "/b" in seen.target and desk.renewals == 0:
            desk.refuse()
        return found(seen)

    desk.api.find = once
    got = call(signs, "GET", url(desk, "/a"), client=FOLLOW)
    assert got.json() == {"ok": True}
    assert desk.renewals == 1
    assert not canary.hits("".join(str(e.request.headers.raw) for e in (got, *got.history)))


def test_a_hop_that_lost_its_signature_causes_no_renewal(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.with_place("query"))
    desk.api.answers |= {"/a": to("/b"), "/b": {"ok": True}}
    assert call(signs, "GET", url(desk, "/a"), client=FOLLOW).status_code == 401
    assert (desk.renewals, token_in("query", desk.api.seen[-1])) == (0, "Bearer ")


def test_a_trace_of_the_caller_s_goes_on_and_a_proxy_is_no_other_host(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.with_place("header"))
    events: list[str] = []

    class Trace:
        """The sync client calls it, the async one awaits what it gives."""

        def __call__(self, event, info):
            events.append(event)

            async def nothing() -> None:
                pass

            return nothing() if call.__name__ == "awaited" else None

    port = desk.api.server.port
    with proxy(lambda host, tls: port) as through:
        client = {"proxy": through.url}
        got = call(signs, "GET", url(desk), client=client, extensions={"trace": Trace()})
    assert got.status_code == 200
    assert any(event.endswith("send_request_headers.started") for event in events)


def test_an_address_that_is_not_public_gets_nothing(desk, call, monkeypatch) -> None:
    """A host that was consented to, and resolves to this machine without the user's leave."""
    signs = auth.httpx_auth("demo", broker=desk.broker)
    fence = signs._access.parts()[0].fence
    monkeypatch.setattr(type(fence), "allows", lambda *_: False)
    with pytest.raises(errors.HostNotAllowed, match="not public"):
        call(signs, "GET", url(desk))
    assert desk.api.seen == []


def test_what_is_no_request_of_either_library_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="no request of httpx or httpx2"):
        _http.library_of(object())


def test_a_stream_cannot_take_a_secret_into_its_body(desk, call) -> None:
    signs = auth.httpx_auth("demo", broker=desk.with_place("body"))
    with pytest.raises(errors.AuthError, match="not as text/plain"):
        call(signs, "POST", url(desk), content=b"x", headers={"content-type": "text/plain"})
    assert desk.api.seen == []
