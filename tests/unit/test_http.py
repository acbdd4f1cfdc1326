"""The private client for token traffic: bounded, without redirects, cookies or leaks."""

from __future__ import annotations

import gzip
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import __version__, _http
from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable
from arcrun_auth.exchange import Exchange, perform
from arcrun_auth.hosts import Fence
from tests import canary, servers
from tests.waiting import none_left

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(repr=False)
class Call:
    url: str
    method: str = "POST"
    headers: dict = field(default_factory=dict)
    content: bytes | None = b"grant_type=refresh_token"
    certificate: tuple | None = None
    secrets: tuple = ()


def fence(origin: str) -> Fence:
    return Fence([origin.split("//")[1]], [origin])


def send(origin: str, path: str = "/token", **more):
    total = more.pop("total", servers.GUARD)
    return _http.send_token(Call(origin + path, **more), guard=fence(origin), total=total)


def test_an_answer_comes_back_with_lower_case_headers_and_our_user_agent() -> None:
    secret = canary.fresh()
    reply = servers.Reply(400, {"X-Thing": "1"}, b'{"error":"invalid_grant"}')
    with servers.recorder(lambda _: reply) as server:
        answer = send(server.origin, content=secret.encode(), headers={"Accept": "text/x"})
    assert (answer.status, answer.body) == (400, b'{"error":"invalid_grant"}')
    assert answer.headers["x-thing"] == "1"
    (seen,) = server.seen
    assert seen.headers["user-agent"] == f"arcrun-auth/{__version__}"
    assert (seen.headers["accept"], seen.body) == ("text/x", secret.encode())
    assert "invalid_grant" not in repr(answer)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_never_followed(code) -> None:
    reply = servers.Reply(code, {"location": "/elsewhere"})
    with servers.recorder(lambda _: reply) as server:
        assert send(server.origin).status == code
    assert [seen.target for seen in server.seen] == ["/token"]


def test_no_cookie_is_kept() -> None:
    with servers.recorder(lambda _: servers.Reply(200, {"set-cookie": "a=b"})) as server:
        send(server.origin)
        send(server.origin)
    assert all("cookie" not in seen.headers for seen in server.seen)


def test_a_body_of_a_gigabyte_is_cut_off() -> None:
    taken: list[int] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        servers.raw_server(servers.endless(taken)) as origin,
        pytest.raises(ProviderUnavailable, match="1 MB") as caught,
    ):
        send(origin)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert caught.value.sent
    assert sum(taken) < 64 << 20, "the rest of the gigabyte stayed where it was"
    assert grown < 20 << 10, f"{grown} KiB"


def test_a_gzip_bomb_is_not_unpacked() -> None:
    with servers.raw_server(servers.bomb(100)) as origin:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ProviderUnavailable, match="1 MB"):
            send(origin)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20 << 10, f"{grown} KiB"


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_a_compressed_answer_is_read(encoding, pack) -> None:
    reply = servers.Reply(200, {"content-encoding": encoding}, pack(b'{"a":1}'))
    with servers.recorder(lambda _: reply) as server:
        assert send(server.origin).body == b'{"a":1}'
    assert server.seen[0].headers["accept-encoding"] == "identity"


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    reply = servers.Reply(200, {"content-encoding": "br"}, b"xx")
    with (
        servers.recorder(lambda _: reply) as server,
        pytest.raises(ProviderUnavailable, match="encoding") as caught,
    ):
        send(server.origin)
    assert caught.value.sent


@contextmanager
def given_up(talk) -> Iterator[pytest.ExceptionInfo[ProviderUnavailable]]:
    """What is raised where the time is up for a server that does as `talk` says. The time begins
    when the request is there: a busy machine would else give it up before it was sent."""
    there = threading.Event()

    def noted(sock) -> None:
        there.set()
        talk(sock)

    with servers.raw_server(noted) as origin:
        exchange = Exchange(Call(f"{origin}/token"), fence(origin), 0.1)
        ended = exchange.done.wait
        exchange.done.wait = lambda total: there.wait(servers.GUARD) and ended(total)
        with pytest.raises(ProviderUnavailable, match=r"within 0\.1 seconds") as caught:
            perform(exchange)
        yield caught


@pytest.mark.parametrize("head", [False, True])
def test_a_server_that_drips_ends_in_bounded_time(head) -> None:
    with given_up(servers.drip(head=head)) as caught:
        assert caught.value.sent, "what became of the grant is unknown"
        none_left("arcrun-token")  # its socket was shut down, so it must wake


def test_a_server_that_hangs_ends_in_bounded_time() -> None:
    hold = threading.Event()
    with given_up(lambda _: hold.wait(servers.GUARD)) as caught:
        assert caught.value.sent
        none_left("arcrun-token")
        hold.set()


def test_a_connection_that_breaks_is_ambiguous() -> None:
    with (
        servers.raw_server(lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-le")) as origin,
        pytest.raises(ProviderUnavailable, match="no complete answer") as caught,
    ):
        send(origin)
    assert caught.value.sent


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid:443"])
def test_what_cannot_be_reached_was_surely_not_sent(host, monkeypatch) -> None:
    real = socket.getaddrinfo

    def resolve(name, *rest, **more):
        # The machine's name server is not asked: some take their time, some know every name.
        if "no-such-host" in str(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ProviderUnavailable, match="could not be reached") as caught:
        send(f"http://{host}")
    assert caught.value.sent is False
    assert caught.value.hint == "check the network, then try again"


def test_a_given_up_request_sends_nothing_more() -> None:
    with servers.recorder() as server:
        exchange = Exchange(Call(server.origin), fence(server.origin), 1.0)
        exchange.abandon()
        exchange.run()
    assert isinstance(exchange.error, ProviderUnavailable)
    assert exchange.error.sent is False
    assert server.seen == []


@pytest.mark.parametrize(
    "url", ["https://other.example/t", "http://api.example.com/t", "https://u@api.example.com/t"]
)
def test_another_host_is_refused_before_anything_is_sent(url) -> None:
    with pytest.raises(HostNotAllowed) as caught:
        _http.send_token(Call(url), guard=Fence(["api.example.com"]))
    assert "?" not in str(caught.value)


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(HostNotAllowed, match="no valid URL"):
        _http.send_token(Call("https://exa mple/\x00"), guard=Fence(["api.example.com"]))


class Inside(Fence):
    """Permits the name, and judges its address as for any name that nobody allowed."""

    def check_address(self, address, scheme="https", host="", port=None):
        return super().check_address(address)


def test_a_name_that_resolves_to_a_private_address_gets_nothing() -> None:
    with servers.recorder() as server:
        host = f"localhost:{server.port}"
        guard = Inside([host], [f"http://{host}"])
        with pytest.raises(HostNotAllowed, match="loopback"):
            _http.send_token(Call(f"http://{host}/t"), guard=guard)
    assert server.seen == []


def test_no_error_shows_the_url_query_or_the_body() -> None:
    secret = canary.fresh()
    with servers.raw_server(lambda sock: None) as origin:  # noqa: SIM117
        with pytest.raises(ProviderUnavailable) as caught:
            send(origin, f"/t?client_secret={secret}", content=secret.encode())
    text = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert not canary.hits(text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_https_goes_through_a_proxy_and_by_ssl_cert_file(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    ca, context = servers.authority(folder, "auth.example.com")
    with servers.recorder(None, context) as server, servers.proxy(lambda *_: server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        call = Call("https://auth.example.com/token")
        guard = Fence(["auth.example.com"])
        with pytest.raises(ProviderUnavailable) as caught:
            _http.send_token(call, guard=guard)
        assert caught.value.sent is False, "TLS failed: our request was not sent"
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        assert _http.send_token(call, guard=guard).status == 200
    assert proxy.lines == ["CONNECT auth.example.com:443 HTTP/1.1"] * 2
    assert len(server.seen) == 1


def test_a_refusing_proxy_means_that_nothing_was_sent(monkeypatch) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    with servers.raw_server(lambda sock: sock.sendall(refusal)) as origin:
        monkeypatch.setenv("HTTPS_PROXY", origin)
        monkeypatch.setenv("https_proxy", origin)
        with pytest.raises(ProviderUnavailable, match="proxy") as caught:
            _http.send_token(Call("https://api.example.com/t"), guard=Fence(["api.example.com"]))
    assert caught.value.sent is False


def test_the_contexts_are_made_once_per_kind(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert _http.ssl_context() is _http.ssl_context()
    assert _http.ssl_context() is not _http.ssl_context(http2=True)
    assert type(_http.ssl_context()).__module__.startswith("truststore")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert not type(_http.ssl_context()).__module__.startswith("truststore")
    assert type(_http.ssl_context(trust_env=False)).__module__.startswith("truststore")


def test_the_deprecated_tls_options_become_a_context(tmp_path) -> None:
    import ssl

    folder = tmp_path / "given"
    folder.mkdir()
    ca, _ = servers.authority(folder, "a.example.com")
    leaf = folder / "leaf.pem"
    given = ssl.create_default_context()
    assert _http.tls_options() is _http.ssl_context()
    assert _http.tls_options(verify=False) is False
    assert _http.tls_options(verify=given) is given
    assert len(_http.tls_options(verify=str(ca)).get_ca_certs()) == 1
    assert _http.tls_options(verify=str(folder)).verify_mode is ssl.CERT_REQUIRED
    with_cert = _http.tls_options(cert=str(leaf))
    assert with_cert is not _http.ssl_context(), "the shared one must not get a client certificate"
    lax = _http.tls_options(verify=False, cert=(str(leaf), str(leaf)))
    assert lax.verify_mode is ssl.CERT_NONE


def test_importing_the_module_imports_no_http_library() -> None:
    code = (
        "import sys, arcrun_auth._http, arcrun_auth.hosts;"
        "print([m for m in ('httpx','httpx2','httpcore','ssl','truststore','ipaddress',"
        "'dataclasses','typing') if m in sys.modules])"
    )
    # Coverage, where it follows child processes, imports half of the standard library.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


def test_a_library_that_is_not_there_says_how_to_get_it(monkeypatch) -> None:
    with pytest.raises(ValueError, match=re.escape("httpx, httpx2")):
        _http.library("requests")
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(AuthError) as caught:
        _http.library("httpx2")
    assert caught.value.hint == "pip install 'arcrun-auth[httpx2]'"


def test_ctrl_c_amid_the_start_of_the_thread_gives_the_request_up(monkeypatch) -> None:
    """Nothing is sent that nobody waits for: its answer could hold the next refresh token."""
    start, aborted = threading.Thread.start, []
    abandon = Exchange.abandon
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "arcrun-token":
            signal.raise_signal(signal.SIGINT)
        start(thread)

    def noted(exchange) -> None:
        abandon(exchange)
        aborted.append(exchange)

    let_go = threading.Event()
    monkeypatch.setattr(Exchange, "abandon", noted)
    monkeypatch.setattr(
        Exchange, "_context", lambda _: let_go.wait(servers.GUARD) and _http.ssl_context()
    )
    try:
        with servers.recorder() as server:
            monkeypatch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                send(server.origin)
            let_go.set()
            (exchange,) = aborted
            assert exchange.done.wait(servers.GUARD)
            assert (server.seen, exchange.sent) == ([], False)
    finally:
        signal.signal(signal.SIGINT, before)
