"""The callback listener: what it takes, what it refuses, and that it always ends."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing

import pytest

from arcrun_auth import landing, ports
from arcrun_auth import listener as module
from arcrun_auth.errors import LoginFailed
from arcrun_auth.listener import MAX_CONNECTIONS, MAX_HEAD, Request
from arcrun_auth.loopback import Loopback
from arcrun_auth.probe import Reply
from arcrun_auth.recipe import Redirect
from tests import canary
from tests.waiting import none_left, until

HANG = 30.0  # a guard against hanging, no measure of anything

PAGE = b"<!doctype html>you are in"


def never():
    return False


class Waiting:
    """A loopback that waits in a thread for `state=good`, as a login does."""

    def __init__(self, redirect=None, accept="state=good", **options):
        self.loopback = Loopback(redirect or Redirect(), **options)
        self.port = self.loopback.port
        self.seen = []
        self.query = None
        self.error = None
        self._accept = accept
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.query = self.loopback.wait(self._judge, until=time.monotonic() + HANG, ended=never)
            if self.query is not None:
                self.loopback.answer(PAGE)
        except BaseException as error:
            self.error = error
        finally:
            self.loopback.close()

    def _judge(self, query):
        self.seen.append(query)
        self.heard = len(self.loopback._clients)
        return self._accept in query

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        if self.query is None:
            self.finish()
        self._thread.join(HANG)
        assert self.error is None

    def finish(self):
        """The true callback: it must still succeed, whatever came before."""
        answer = self.get("/callback?code=c&state=good")
        self._thread.join(HANG)
        assert not self._thread.is_alive()
        assert answer.endswith(PAGE)
        return answer

    def send(self, request, host="127.0.0.1"):
        with closing(socket.create_connection((host, self.port), timeout=HANG)) as sock:
            sock.sendall(request)
            return read_all(sock)

    def get(self, target, *, method="GET", host=None, **headers):
        lines = [f"{method} {target} HTTP/1.1"]
        host = f"127.0.0.1:{self.port}" if host is None else host
        lines += [f"Host: {host}"] if host else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return self.send("\r\n".join([*lines, "", ""]).encode())


def read_all(sock):
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def status(answer):
    return int(answer.split()[1])


def welcomed(loopback):
    """The client that has just connected: a busy system may announce it a little later."""

    def welcome():
        loopback._welcome(loopback._listeners[0])
        return loopback._clients

    until(welcome)
    (client,) = loopback._clients.values()
    return client


def won(loopback, sock):
    """`sock` is the browser that brings what the login waits for."""
    sock.connect(("127.0.0.1", loopback.port))
    sock.sendall(f"GET /callback HTTP/1.1\r\nHost: {_host(loopback)}\r\n\r\n".encode())
    assert loopback.wait(_any, until=time.monotonic() + HANG, ended=never) == ""


_ANSWER_AND_END = f"""
import time
from arcrun_auth import landing
from arcrun_auth.loopback import Loopback
from arcrun_auth.probe import Reply
from arcrun_auth.recipe import Redirect
from tests import canary
with Loopback(Redirect()) as loopback:
    print(loopback.port, flush=True)
    until = time.monotonic() + {HANG}
    assert loopback.wait(lambda _: True, until=until, ended=lambda: False) == ""
    loopback.answer(landing.connected("Demo"))
"""


class TestTheTrueCallback:
    def test_wins_and_the_browser_is_shown_how_it_ended(self):
        with Waiting() as waiting:
            answer = waiting.finish()
        assert waiting.query == "code=c&state=good"
        head = answer.partition(b"\r\n\r\n")[0].decode().lower()
        assert status(answer) == 200
        for line in (
            "content-type: text/html; charset=utf-8",
            f"content-length: {len(PAGE)}",
            "connection: close",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none';",
        ):
            assert line in head
        assert "access-control" not in head

    def test_may_come_in_pieces_and_over_ipv6(self):
        with Waiting() as waiting:
            if len(waiting.loopback._listeners) == 1:
                pytest.skip("no IPv6 on this machine")
            with closing(socket.create_connection(("::1", waiting.port), timeout=HANG)) as sock:
                request = f"GET /callback?state=good HTTP/1.1\r\nHost: [::1]:{waiting.port}\r\n\r\n"
                for byte in request.encode():
                    sock.sendall(bytes([byte]))
                assert read_all(sock).endswith(PAGE)
            waiting._thread.join(HANG)
        assert waiting.query == "state=good"

    def test_is_not_answered_before_the_login_knows_how_it_ends(self):
        with Loopback(Redirect()) as loopback, socket.socket() as sock:
            sock.connect(("127.0.0.1", loopback.port))
            sock.sendall(f"GET /callback? HTTP/1.0\r\nHost: {_host(loopback)}\r\n\r\n".encode())
            assert loopback.wait(_any, until=time.monotonic() + HANG, ended=never) == ""
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            sock.settimeout(HANG)
            threading.Thread(target=loopback.answer, args=(PAGE,), daemon=True).start()
            assert read_all(sock).endswith(PAGE)

    def test_a_browser_that_stays_connected_keeps_nobody_waiting(self, monkeypatch):
        monkeypatch.setattr(module, "LINGER_SECONDS", 100 * HANG)
        with Loopback(Redirect()) as loopback, socket.socket() as sock:
            sock.settimeout(HANG)
            won(loopback, sock)
            answering = threading.Thread(target=loopback.answer, args=(PAGE,), daemon=True)
            answering.start()
            answering.join(HANG)
            assert not answering.is_alive()  # and the browser is still there
            loopback.close()
            assert read_all(sock).endswith(PAGE)
        none_left("arcrun-page")  # it ends with the browser

    def test_has_the_whole_page_where_the_process_ends_at_once(self):
        command = [sys.executable, "-c", _ANSWER_AND_END]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
            socket.socket() as sock,
        ):
            port = int(process.stdout.readline())
            sock.settimeout(HANG)
            sock.connect(("127.0.0.1", port))
            sock.sendall(f"GET /callback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert process.wait(HANG) == 0
            assert read_all(sock).endswith(landing.connected("Demo"))

    def test_wins_only_once(self):
        with Waiting() as waiting:
            waiting.finish()
            with pytest.raises(OSError), socket.socket() as sock:
                sock.connect(("127.0.0.1", waiting.port))

    def test_a_browser_that_has_left_does_not_matter(self):
        with Loopback(Redirect()) as loopback:
            with socket.socket() as sock:
                won(loopback, sock)
            loopback.answer(PAGE)
            loopback.answer(PAGE)  # nobody is left to be answered


class TestStrayRequests:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            ({"target": "/favicon.ico"}, 404),
            ({"target": "/"}, 404),
            ({"target": "/callback/"}, 404),
            ({"target": "/callback/x?state=good"}, 404),
            ({"target": "//callback?state=good"}, 404),
            ({"target": "/callback?code=forged&state=bad"}, 404),
            ({"target": "/callback?error=access_denied"}, 404),
            ({"target": "/callback"}, 404),
            ({"target": "/callback?state=good", "method": "HEAD"}, 405),
            ({"target": "/callback?state=good", "method": "POST"}, 405),
            ({"target": "/callback?state=good", "method": "OPTIONS"}, 405),
            ({"target": "http://127.0.0.1/callback?state=good"}, 400),
            ({"target": "*", "method": "OPTIONS"}, 400),
            ({"target": "/callback?state=good x"}, 400),
            ({"target": "/callback?état=good"}, 400),
        ],
    )
    def test_are_refused_and_the_login_goes_on(self, request_, expected):
        with Waiting() as waiting:
            answer = waiting.get(**request_)
            assert status(answer) == expected
            assert b"nosniff" in answer
            assert b"good" not in answer
            assert b"Access-Control" not in answer
            assert (b"Allow: GET" in answer) is (expected == 405)
            waiting.finish()
        assert waiting.query == "code=c&state=good"

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost:{port}",
         "127.0.0.1.evil.example:{port}", "127.0.0.1:{port}@evil.example", "0.0.0.0:{port}",
         "127.1:{port}", "[::ffff:127.0.0.1]:{port}", ""],
    )  # fmt: skip
    def test_a_foreign_host_is_refused(self, host):
        with Waiting() as waiting:
            host = host.format(port=waiting.port)
            assert status(waiting.get("/callback?state=good", host=host)) == 421
            assert waiting.seen == []

    def test_localhost_is_a_host_where_the_recipe_says_so(self):
        with Waiting(Redirect(host="localhost")) as waiting:
            assert waiting.loopback.redirect_uri == f"http://localhost:{waiting.port}/callback"
            answer = waiting.get("/callback?state=good", host=f"LOCALHOST:{waiting.port}")
            assert status(answer) == 200

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}"]
    )
    def test_a_foreign_origin_is_refused(self, origin):
        with Waiting() as waiting:
            origin = origin.format(port=waiting.port)
            assert status(waiting.get("/callback?state=good", Origin=origin)) == 403
            assert waiting.seen == []

    def test_our_own_origin_is_not_foreign(self):
        with Waiting() as waiting:
            origin = f"http://127.0.0.1:{waiting.port}"
            assert status(waiting.get("/callback?state=good", Origin=origin)) == 200

    @pytest.mark.parametrize(
        "request_",
        [
            b"GET /callback?state=good\r\n\r\n",
            b"GET /callback?state=good HTTP/2.0\r\n\r\n",
            b"get /callback?state=good HTTP/1.1\r\n\r\n",
            b"GET /callback?state=good HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
            b"GET /callback?state=good HTTP/1.1\r\nHost: {host}\r\nA: 1\r\n folded\r\n\r\n",
            b"GET /callback?state=good HTTP/1.1\r\nHost : {host}\r\n\r\n",
            b"GET /callback?state=good HTTP/1.1\r\nHost: {host}\nX: y\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            b"\r\n\r\n",
        ],
    )
    def test_what_is_no_proper_http_is_refused(self, request_):
        with Waiting() as waiting:
            host = f"127.0.0.1:{waiting.port}".encode()
            assert status(waiting.send(request_.replace(b"{host}", host))) == 400
            assert waiting.seen == []

    def test_a_request_without_end_is_cut_off(self):
        with Waiting() as waiting:
            answer = waiting.get("/callback?state=good&" + "a" * 4 * MAX_HEAD)
            assert answer == b"" or status(answer) == 431  # reset while still sending
            answer = waiting.send(b"GET /callback HTTP/1.1\r\n" + b"A: b\r\n" * (MAX_HEAD // 6))
            assert status(answer) == 431
            assert waiting.seen == []

    def test_what_comes_after_a_refusal_is_not_read_as_a_second_request(self):
        with Waiting() as waiting:
            good = f"GET /callback?state=good HTTP/1.1\r\nHost: 127.0.0.1:{waiting.port}\r\n\r\n"
            answer = waiting.send(b"GET / HTTP/1.1\r\n\r\n" + good.encode())
            assert answer.count(b"HTTP/1.1") == 1
            assert waiting.seen == []

    def test_what_comes_after_a_refusal_takes_no_memory(self):
        with Loopback(Redirect()) as loopback, socket.socket() as sock:
            sock.connect(("127.0.0.1", loopback.port))
            client = welcomed(loopback)
            for part in (b"GET / HTTP/1.1\r\n\r\n", b"a" * 1000):
                sock.sendall(part)
                assert select.select([client.sock], [], [], HANG)[0]
                loopback._hear(client)
            assert client.done
            assert client.heard == b""

    def test_clients_that_say_nothing_are_closed_in_time(self, monkeypatch):
        with Waiting() as waiting, socket.socket() as sock:
            sock.settimeout(HANG)
            with monkeypatch.context() as patch:
                patch.setattr(module, "CONNECTION_SECONDS", 0.05)
                sock.connect(("127.0.0.1", waiting.port))
                assert sock.recv(1) == b""

    def test_a_crowd_of_silent_clients_does_not_keep_the_browser_out(self):
        with Waiting() as waiting, ExitStack() as stack:
            for _ in range(MAX_CONNECTIONS * 3):
                sock = stack.enter_context(socket.socket())
                sock.connect(("127.0.0.1", waiting.port))
                sock.sendall(b"GET /callback?state=go")
            waiting.finish()
            assert 1 <= waiting.heard <= MAX_CONNECTIONS

    def test_a_client_that_resets_is_forgotten(self):
        with Waiting() as waiting:
            with socket.socket() as sock:
                sock.connect(("127.0.0.1", waiting.port))
                sock.sendall(b"GET /")
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            waiting.finish()


class TestTheEnd:
    def test_the_wait_is_bounded(self):
        with Loopback(Redirect()) as loopback:
            assert loopback.wait(_any, until=time.monotonic() + 0.01, ended=never) is None

    def test_the_wait_ends_when_the_login_ended_elsewhere(self):
        with Loopback(Redirect()) as loopback:
            until = time.monotonic() + HANG
            assert loopback.wait(_any, until=until, ended=lambda: True) is None

    def test_everything_is_closed_on_the_way_out_of_an_error(self):
        with pytest.raises(KeyboardInterrupt), Loopback(Redirect()) as loopback:  # noqa: PT012
            sock = socket.create_connection(("127.0.0.1", loopback.port), timeout=HANG)
            sock.sendall(f"GET /callback HTTP/1.1\r\nHost: {_host(loopback)}\r\n\r\n".encode())
            loopback.wait(_any, until=time.monotonic() + HANG, ended=never)
            raise KeyboardInterrupt
        with sock:
            assert read_all(sock) == b""
        with Loopback(Redirect(), port=loopback.port) as again:
            assert again.port == loopback.port

    def test_the_default_timeout_of_sockets_changes_nothing(self):
        socket.setdefaulttimeout(0.001)
        try:
            with Waiting() as waiting:
                waiting.finish()
        finally:
            socket.setdefaulttimeout(None)


class TestPorts:
    def test_a_random_port_on_loopback_addresses_only(self):
        with Loopback(Redirect()) as one, Loopback(Redirect()) as two:
            assert one.port != two.port
            assert one.redirect_uri == f"http://127.0.0.1:{one.port}/callback"
            names = {listener.getsockname()[0] for listener in one._listeners}
            assert names <= {"127.0.0.1", "::1"}

    @pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="only Linux shows its sockets")
    def test_the_system_sees_it_on_loopback_only(self):
        with Loopback(Redirect()) as loopback:
            lines = []
            for table in ("tcp", "tcp6"):
                with open(f"/proc/net/{table}") as file:
                    lines += [line.split()[1:4] for line in file.readlines()[1:]]
            port = f"{loopback.port:04X}"
            # Those that listen (0A): whoever calls from elsewhere may do so from the same number.
            bound = {a.split(":")[0] for a, _, s in lines if s == "0A" and a.endswith(":" + port)}
        assert "0100007F" in bound
        assert bound <= {"0100007F", "00000000000000000000000001000000"}

    def test_the_ports_of_the_recipe_are_tried_in_order(self):
        with socket.socket() as taken, Loopback(Redirect()) as free:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = (taken.getsockname()[1], free.port)
            free.close()
            redirect = Redirect(policy="fixed_port", ports=ports)
            with Loopback(redirect) as loopback:
                assert loopback.port == ports[1]

    def test_a_port_taken_on_ipv6_alone_counts_as_taken(self):
        with Loopback(Redirect()) as loopback:
            if len(loopback._listeners) == 1:
                pytest.skip("no IPv6 on this machine")
            port = loopback.port
        with socket.socket(socket.AF_INET6) as taken:
            taken.bind(("::1", port))
            taken.listen()
            with pytest.raises(LoginFailed):
                Loopback(Redirect(), port=port)

    def test_without_a_free_port_it_says_which_and_what_to_do(self):
        with Loopback(Redirect()) as other:
            redirect = Redirect(policy="fixed_port", ports=(other.port,))
            with pytest.raises(LoginFailed, match=f"taken: {other.port}") as caught:
                Loopback(redirect, service="demo")
            assert caught.value.hint == "arcrun setup demo"

    def test_where_not_even_a_random_port_is_free_it_says_so(self, monkeypatch):
        def no_port(*_):
            raise OSError

        monkeypatch.setattr(ports, "_listen", no_port)
        with pytest.raises(LoginFailed, match="No port"):
            Loopback(Redirect())

    def test_without_ipv6_it_listens_on_ipv4(self, monkeypatch):
        real = ports._listen

        def only_ipv4(family, host, port):
            if family != socket.AF_INET:
                raise OSError(97, "Address family not supported by protocol")
            return real(family, host, port)

        monkeypatch.setattr(ports, "_listen", only_ipv4)
        with Waiting() as waiting:
            assert len(waiting.loopback._listeners) == 1

    def test_a_second_login_can_follow_on_the_same_port(self):
        with Waiting() as first:
            first.finish()
        with Waiting(port=first.port) as second:
            assert second.port == first.port

    def test_nobody_can_take_the_port_over(self):
        with Loopback(Redirect()) as loopback, socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError):  # noqa: PT012
                thief.bind(("127.0.0.1", loopback.port))
                thief.listen()

    def test_on_windows_the_port_is_taken_exclusively(self, monkeypatch):
        # No Windows here: what is asked of the socket is recorded instead.
        asked = []

        class Recorder(socket.socket):
            def setsockopt(self, level, option, value):
                asked.append(option)

        monkeypatch.setattr(ports.sys, "platform", "win32")
        monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
        monkeypatch.setattr(socket, "socket", Recorder)
        ports._listen(socket.AF_INET, "127.0.0.1", 0).close()
        assert asked == [-5]


def test_running_out_of_descriptors_ends_nothing():
    with Loopback(Redirect()) as loopback:
        listener = loopback._listeners[0]
        loopback._welcome(listener)  # nobody is there: accept fails
        assert loopback._clients == {}


def test_a_client_that_was_announced_but_says_nothing_is_kept():
    with Loopback(Redirect()) as loopback, socket.socket() as sock:
        sock.connect(("127.0.0.1", loopback.port))
        client = welcomed(loopback)
        assert loopback._hear(client) is None
        assert list(loopback._clients.values()) == [client]


def _any(query):
    return True


def _host(loopback):
    return f"127.0.0.1:{loopback.port}"


def test_what_a_browser_sent_does_not_show_in_a_traceback_with_values() -> None:
    code, key = canary.fresh("code"), canary.fresh("key")
    request = Request("POST", f"/{code}", f"code={code}", {"x": code}, key.encode())
    assert canary.hits(repr(request)) == []
    assert "POST" in repr(request)
    reply = Reply.of(200, {"x": key}, f'{{"key": "{key}"}}'.encode())
    assert canary.hits(repr(reply)) == []
    assert "200" in repr(reply)


def test_a_process_without_free_descriptors_waits_for_some_instead_of_spinning(monkeypatch):
    """Somebody waits to be welcomed all the time, and that cannot be done."""
    looks = []

    def ended():
        looks.append(time.monotonic())
        return len(looks) > 1000

    def full(self):
        raise OSError(errno.EMFILE, "Too many open files")

    with Loopback(Redirect()) as loopback, closing(socket.socket()) as sock:
        sock.connect(("127.0.0.1", loopback.port))
        monkeypatch.setattr(socket.socket, "accept", full)  # a test cannot use up all there are
        until = time.monotonic() + 5 * module.TICK
        assert loopback.wait(_any, until=until, ended=ended) is None
    assert len(looks) < 20
