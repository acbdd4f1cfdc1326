"""The bound client: signed below everything that a user sees, and an httpx client otherwise."""

from __future__ import annotations

import io
import logging
import os
import pickle
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from arcrun_auth._http import library
from arcrun_auth.client import bound_client
from arcrun_auth.errors import AuthError, HostNotAllowed, LoginRequired
from arcrun_auth.hosts import Fence
from arcrun_auth.recipe import Inject
from arcrun_auth.sources import FixedSource
from arcrun_auth.tokens import Secret, Token
from tests import bound, canary, servers

LIBRARIES = ("httpx", "httpx2")
http = pytest.fixture(params=LIBRARIES)(lambda request: request.param)


def bearer() -> Inject:
    return Inject(header={"Authorization": "Bearer {{token.access_token}}"})


def guarded(good: str):
    """Answers 401 to all but the good token."""
    return lambda seen: servers.Reply(
        200 if seen.headers.get("authorization") == f"Bearer {good}" else 401
    )


def test_it_is_a_real_client_of_the_library(http) -> None:
    with servers.recorder() as api:
        client = bound_client(
            bound.binding(api.origin, "header"),
            bound.CountingSource(bound.static("k" * 9)),
            http=http,
        )
        with client:
            assert isinstance(client, library(http).Client)
            assert client.get("/x").json() == {}
        assert client.is_closed
        with pytest.raises(RuntimeError):
            client.get("/x")


def test_relative_urls_know_the_root_paths(http) -> None:
    with servers.recorder() as api:
        bind = bound.binding(
            api.origin, "header", base="/drive/v3", root_paths=("/upload/", "/batch/")
        )
        with bound_client(bind, FixedSource(bound.static("k" * 9)), http=http) as client:
            for url in ("/files", "files", "/upload/drive/v3/files?a=1", "/batch/x", "/uploads",
                        f"{api.origin}/page?next=2"):  # fmt: skip
                client.get(url, params={"q": "1"} if url == "/files" else None)
            for half in ("//evil.test/x", "https:x", "https:///x"):
                with pytest.raises(HostNotAllowed):
                    client.get(half)
    assert [seen.target for seen in api.seen] == [
        "/drive/v3/files?q=1", "/drive/v3/files", "/upload/drive/v3/files?a=1", "/batch/x",
        "/drive/v3/uploads", "/page?next=2",
    ]  # fmt: skip


def test_static_headers_can_be_changed_and_injected_ones_cannot(http) -> None:
    with servers.recorder() as api:
        bind = bound.binding(
            api.origin, *bound.PLACES, static_headers={"X-Version": "1", "User-Agent": "demo"}
        )
        key = canary.fresh()
        with bound_client(bind, FixedSource(bound.static(key)), http=http, headers={"X-Mine": "m"},
                          auth=("user", "pass")) as client:  # fmt: skip
            client.post("/a?key=theirs&b=2", headers={"x-version": "2", "x-api-key": "theirs", "cookie": "sid=theirs; z=1"},  # noqa: E501
                        json={"auth": {"key": "theirs", "n": 1}})  # fmt: skip
    (seen,) = api.seen
    assert seen.headers["x-version"] == "2"
    assert (seen.headers["user-agent"], seen.headers["x-mine"]) == ("demo", "m")
    assert seen.headers["x-api-key"] == key
    assert seen.headers["cookie"] == f"z=1; sid={key}"
    assert seen.target == f"/a?b=2&key={key}"
    assert seen.body == b'{"auth":{"key":"%s","n":1}}' % key.encode()
    assert seen.headers["authorization"].startswith("Basic "), (
        "where nothing is injected, auth= works"
    )
    assert "theirs" not in seen.raw


def test_hooks_history_logs_and_errors_hold_no_secret(http, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    key, shown = canary.fresh(), []

    def look(thing) -> None:
        shown.append(repr(vars(thing)) + repr(thing) + str(getattr(thing, "headers", "")))
        request = getattr(thing, "request", thing)
        shown.append(f"{request.url} {request.headers.raw} {request.extensions.get('trace')}")

    def answer(seen):
        return servers.Reply(302, {"location": "/b"}) if "/a" in seen.target else servers.Reply(403)

    with servers.recorder(answer) as api:
        bind = bound.binding(api.origin, *bound.PLACES)
        with bound_client(bind, FixedSource(bound.static(key)), http=http, follow_redirects=True,
                          event_hooks={"request": [look], "response": [look]}) as client:  # fmt: skip  # noqa: E501
            response = client.post("/a/{key}", data={"x": "y"})
            with pytest.raises(library(http).HTTPStatusError) as caught:
                response.raise_for_status()
            look(caught.value)
            shown += [repr(client), repr(response.history), str(caught.value), str(client.cookies)]
            shown.append(pickle.dumps(response).decode("latin-1"))
    assert len(api.seen) == 2
    assert key in api.raw
    assert len(shown) >= 10
    assert canary.hits("".join(shown) + caplog.text) == []


@pytest.mark.parametrize("fault", ["refused", "hang", "illegal"])
def test_no_traceback_holds_the_signed_request(http, fault) -> None:
    key = canary.fresh() + ("\x01" if fault == "illegal" else "")
    lib = library(http)
    hold = threading.Event()
    with servers.raw_server(lambda _: hold.wait(5)) as origin:
        place = ("header",) if fault == "illegal" else bound.PLACES
        target = origin if fault != "refused" else "http://127.0.0.1:1"
        bind = bound.binding(target, *place)
        with bound_client(bind, FixedSource(bound.static(key)), http=http, timeout=0.3) as client:  # noqa: SIM117
            with pytest.raises(lib.TransportError) as caught:
                client.post("/a/{key}", json={})
    hold.set()
    seen, waiting = set(), [caught.value]
    text = ""
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        waiting += [error.__cause__, error.__context__]
        text += str(error) + repr(error.args)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "tests" not in frame.f_code.co_filename:
                text += repr(frame.f_locals)
    assert caught.value.request.url.path == "/a/{key}"
    assert canary.hits(text) == []


def test_a_secret_with_a_line_break_is_refused_without_showing_it(http) -> None:
    key = canary.fresh() + "\nX-Evil: 1"
    with (
        servers.recorder() as api,
        bound_client(
            bound.binding(api.origin, "header"), FixedSource(bound.static(key)), http=http
        ) as client,
        pytest.raises(AuthError, match="line break") as caught,
    ):
        client.get("/x")
    assert not canary.hits("".join(traceback.format_exception(caught.value)))
    assert all(not canary.hits(repr(f.f_locals)) for f, _ in traceback.walk_tb(caught.value.__traceback__)  # noqa: E501
               if "tests" not in f.f_code.co_filename)  # fmt: skip
    assert api.seen == []


def test_a_401_renews_and_replays_once_with_the_token_that_was_refused(http) -> None:
    old, new = canary.fresh("old"), canary.fresh("new")
    source = bound.CountingSource(Token(old), Token(new))
    with servers.recorder(guarded(new)) as api:
        bind = bound.binding(api.origin, inject=bearer())
        with bound_client(bind, source, http=http) as client:
            assert client.post("/x", json={"a": 1}).status_code == 200
    assert source.asked == [None, old]
    assert [seen.body for seen in api.seen] == [b'{"a":1}'] * 2


def test_a_second_401_is_given_back(http) -> None:
    source = bound.CountingSource(Token("old-token"), Token("new-token"))
    with servers.recorder(lambda _: servers.Reply(401, body=b"no")) as api:  # noqa: SIM117
        with bound_client(bound.binding(api.origin, inject=bearer()), source, http=http) as client:
            response = client.get("/x")
            assert (response.status_code, response.text) == (401, "no")
    assert len(api.seen) == 2


def test_a_401_with_nothing_newer_is_given_back_unread(http) -> None:
    source = bound.CountingSource(bound.static("only-one-key"))
    with servers.recorder(lambda _: servers.Reply(401, body=b"why")) as api:  # noqa: SIM117
        with bound_client(bound.binding(api.origin, "header"), source, http=http) as client:
            with client.stream("GET", "/x") as response:
                assert response.read() == b"why"
    assert len(api.seen) == 1


def test_a_failing_renewal_says_so(http) -> None:
    class Gone(bound.CountingSource):
        def token(self, *, rejected=None):
            if rejected:
                raise LoginRequired("revoked", service="demo", why="revoked")
            return super().token()

    with servers.recorder(lambda _: servers.Reply(401)) as api:
        source = Gone(Token("old-token"))
        with bound_client(bound.binding(api.origin, inject=bearer()), source, http=http) as client:  # noqa: SIM117
            with pytest.raises(LoginRequired):
                client.get("/x")
    assert len(api.seen) == 1


def test_a_storm_of_401s_asks_with_the_dead_token_and_replays_each_once(http) -> None:
    old, new, callers = canary.fresh("old"), canary.fresh("new"), 32
    source = bound.CountingSource(Token(old), Token(new))
    barrier = threading.Barrier(callers)

    def one(_):
        barrier.wait(servers.GUARD)
        return client.get("/x").status_code

    with servers.recorder(guarded(new)) as api:
        bind = bound.binding(api.origin, inject=bearer())
        with (
            bound_client(bind, source, http=http, timeout=servers.GUARD) as client,
            ThreadPoolExecutor(callers) as pool,
        ):
            assert list(pool.map(one, range(callers))) == [200] * callers
    assert source.renewals == 1
    assert {asked for asked in source.asked if asked} == {old}
    refused = sum(seen.headers["authorization"] == f"Bearer {old}" for seen in api.seen)
    assert len(api.seen) == callers + refused


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


@pytest.mark.parametrize(
    ("options", "replays"),
    [
        (lambda: {"content": (part for part in (b"a", b"b"))}, False),
        (lambda: {"content": io.BytesIO(b"ab")}, False),
        (lambda: {"files": {"f": io.BytesIO(b"ab")}}, True),
        (
            lambda: {"files": [("f", ("n.txt", io.BytesIO(b"ab"), "text/plain")), ("g", b"ab")]},
            True,
        ),
        (lambda: {"files": {"f": ("n.txt", Pipe(b"ab"))}}, False),
        (lambda: {"data": {"f": "ab"}}, True),
        (lambda: {"content": b"ab"}, True),
    ],
)
def test_only_a_body_that_can_be_sent_again_is(http, options, replays) -> None:
    source = bound.CountingSource(Token("old-token"), Token("new-token"))
    with servers.recorder(guarded("new-token")) as api:  # noqa: SIM117
        with bound_client(bound.binding(api.origin, inject=bearer()), source, http=http) as client:
            status = client.post("/up", **options()).status_code
    assert status == (200 if replays else 401)
    assert all(b"ab" in seen.body for seen in api.seen)
    assert len({seen.body for seen in api.seen}) == 1
    assert len(api.seen) == (2 if replays else 1)


@pytest.mark.parametrize(
    "options",
    [
        {"content": b"[1]", "headers": {"content-type": "application/json"}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"content": b"x", "headers": {"content-type": "text/plain"}},
        {"files": {"f": b"x"}},
        {"content": [b"x"]},
    ],
)
def test_a_body_that_cannot_take_the_secret_is_refused(http, options) -> None:
    with (
        servers.recorder() as api,
        bound_client(
            bound.binding(api.origin, "body"), FixedSource(bound.static("k" * 9)), http=http
        ) as client,
        pytest.raises(AuthError, match="Nothing was sent"),
    ):
        client.post("/x", **options)
    assert api.seen == []


def test_it_streams_and_keeps_the_connection(http) -> None:
    with servers.recorder(lambda _: servers.Reply(body=b"x" * 100_000)) as api:
        with bound_client(
            bound.binding(api.origin, "header"), FixedSource(bound.static("k" * 9)), http=http
        ) as client:
            for _ in range(3):
                with client.stream("GET", "/x") as response:
                    assert sum(map(len, response.iter_bytes(1000))) == 100_000
        assert api.connections == 1


def test_a_name_that_resolves_to_a_private_address_gets_nothing(http) -> None:
    class Inside(Fence):  # permits the name, and judges its address as if nobody allowed it
        def allows(self, scheme, host, port):
            return False

    events = []
    with servers.recorder() as api:
        host = f"localhost:{api.port}"
        bind = bound.binding(f"http://{host}", "header", fence=Inside([host], [f"http://{host}"]))
        with bound_client(bind, FixedSource(bound.static("k" * 9)), http=http) as client:
            for _ in range(2):
                with pytest.raises(HostNotAllowed, match="loopback"):
                    client.get("/x", extensions={"trace": lambda name, info: events.append(name)})
    assert api.seen == []
    assert not [name for name in events if "send_request" in name]


def test_a_trace_of_the_caller_sees_all_events(http) -> None:
    events = []
    with (
        servers.recorder() as api,
        bound_client(
            bound.binding(api.origin, "header"), FixedSource(bound.static("k" * 9)), http=http
        ) as client,
    ):
        for _ in range(2):
            client.get("/x", extensions={"trace": lambda name, info: events.append(name)})
    assert events.count("connection.connect_tcp.complete") == 1
    assert events.count("http11.receive_response_headers.complete") == 2


def test_transports_and_mounts_of_the_caller_are_wrapped(http) -> None:
    lib, seen = library(http), []

    def handle(request):
        seen.append(request)
        return lib.Response(200)

    mock = lib.MockTransport(handle)
    bind = bound.binding("https://api.example.com", "header", fence=Fence(["api.example.com"]))
    key = canary.fresh()
    for options in ({"transport": mock}, {"mounts": {"https://": mock, "all://no.example": None}}):
        with bound_client(bind, FixedSource(bound.static(key)), http=http, **options) as client:
            client.get("/x")
            with pytest.raises(HostNotAllowed):
                client.get("https://evil.test/")
    assert [request.headers["x-api-key"] for request in seen] == [key, key]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_after_fork_uses_connections_of_its_own(http) -> None:
    with servers.recorder() as api:
        client = bound_client(
            bound.binding(api.origin, "header"), FixedSource(bound.static("k" * 9)), http=http
        )
        with client:
            client.get("/parent")
            assert api.connections == 1
            pid = os.fork()
            if pid == 0:  # pragma: no cover - the child
                try:
                    os._exit(0 if client.get("/child").status_code == 200 else 1)
                finally:
                    os._exit(2)
            assert os.waitpid(pid, 0)[1] == 0
            client.get("/parent")
        assert [seen.target for seen in api.seen] == ["/parent", "/child", "/parent"]
        assert api.connections == 2, "the child has its own, the parent keeps the old one"


def test_several_secrets_and_absent_optional_ones() -> None:
    inject = Inject(
        header={
            "Authorization": "Basic {{secret.user}}:{{secret.password}}",
            "X-Org": "{{secret.org}}",
        }
    )
    token = Token("", secrets={"user": Secret("me"), "password": Secret("pass-word")})
    with servers.recorder() as api:  # noqa: SIM117
        with bound_client(bound.binding(api.origin, inject=inject), FixedSource(token)) as client:
            client.get("/x")
    assert api.seen[0].headers["authorization"] == "Basic bWU6cGFzcy13b3Jk"
    assert "x-org" not in api.seen[0].headers


def test_a_base_url_is_the_recipes_business() -> None:
    with pytest.raises(TypeError, match="base_url"):
        bound_client(
            bound.binding("http://127.0.0.1:1", "header"),
            FixedSource(bound.static("k")),
            base_url="x",
        )
