"""The proxy's HTTP server, by raw sockets: what it takes, what it does not wait for."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import threading

import pytest

from arcrun_auth.agents.proxy import listening, server, wire
from arcrun_auth.agents.proxy.server import Server
from arcrun_auth.errors import AuthError, StoreError
from tests import waiting
from tests.servers import GUARD


class Echo:
    """Answers with what was asked; of `/part` bit by bit, of `/die` half of it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.left = threading.Event()
        self.answering = threading.Event()
        self.limit = 1 << 20
        self.watching = None

    def handle(self, exchange: wire.Exchange) -> None:
        if exchange.target == "/part":
            self._part(exchange)
        elif exchange.target == "/die":
            exchange.start(200, [])
            exchange.write(b"half")
            raise wire.Gone
        elif exchange.target == "/odd":
            exchange.reply(299, [], b"odd")
        elif exchange.target == "/unread":
            exchange.reply(401, [], b"no")
        else:
            body = exchange.body(self.limit)
            exchange.reply(200, [("X-Was", exchange.method)], body)

    def _part(self, exchange: wire.Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"first")
        with self.watching(exchange.sock, self.left.set):
            self.answering.set()
            assert self.gate.wait(GUARD)
        exchange.write(b"second")

    def refuse(self, exchange: wire.Exchange, status: int) -> None:
        exchange.reply(status, [], b"refused")


class Desk:
    def __init__(self) -> None:
        self.echo = Echo()
        self.sockets = listening.on_loopback(0)
        self.port = self.sockets[0].getsockname()[1]
        self.server = Server(self.sockets)
        self.echo.watching = self.server.watching
        self.thread = threading.Thread(target=self.server.serve, args=(self.echo, lambda: False))
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), GUARD)

    def ask(self, data: bytes) -> bytes:
        """All that is said until the server hangs up."""
        with self.connect() as sock:
            sock.sendall(data)
            return rest(sock)

    def close(self) -> None:
        self.echo.gate.set()
        self.server.stop()
        self.thread.join(GUARD)
        assert not self.thread.is_alive()


def rest(sock: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            found += data
    return found


def until(sock: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        data = sock.recv(65536)
        assert data, found
        found += data
    return found


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.close()


CLOSE = b"Host: x\r\nConnection: close\r\n\r\n"


def test_every_answer_is_guarded_and_a_request_without_an_end_of_line_is_none(desk):
    answer = desk.ask(b"GET /a HTTP/1.1\r\n" + CLOSE).lower()

    assert answer.startswith(b"http/1.1 200 ok\r\n")
    for line in (b"x-content-type-options: nosniff", b"content-security-policy: sandbox;",
                 b"cache-control: no-store", b"referrer-policy: no-referrer"):  # fmt: skip
        assert line in answer
    assert b"access-control" not in answer


def test_a_connection_serves_one_request_after_the_other(desk):
    with desk.connect() as sock:
        for number in range(3):
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % number)
            assert until(sock, b"%d" % number).startswith(b"HTTP/1.1 200")
        sock.sendall(b"HEAD / HTTP/1.1\r\n" + CLOSE)
        assert b"X-Was: HEAD" in rest(sock)


def test_a_status_that_nobody_has_named_is_passed_on(desk):
    assert desk.ask(b"GET /odd HTTP/1.1\r\n" + CLOSE).startswith(b"HTTP/1.1 299 \r\n")


def test_a_body_is_taken_in_chunks_and_asked_for_where_the_client_waits_to_be(desk):
    with desk.connect() as sock:
        sock.sendall(
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        sock.sendall(b"3\r\nabc\r\n0\r\n\r\n")
        assert until(sock, b"abc").startswith(b"HTTP/1.1 200")


def test_a_body_that_nobody_wants_is_not_waited_for(desk):
    """The client sends ten megabytes: it is told before they are read, and hears it."""
    head = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    answer = desk.ask(head + b"x" * 100_000)

    assert answer.startswith(b"HTTP/1.1 401")
    assert b"Connection: close" in answer


def test_a_body_beyond_the_limit_is_refused(desk):
    desk.echo.limit = 3
    answer = desk.ask(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n" + CLOSE + b"abcd")
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + CLOSE

    assert answer.startswith(b"HTTP/1.1 413")
    assert desk.ask(chunked + b"4\r\nabcd\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")


# RFC 9112 §2.2, §3.2, §6.3: each of these was a way to smuggle a request past somebody.
CROOKED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (wire.MAX_HEAD + 10),
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (wire.MAX_HEADERS + 1) + b"\r\n",
]


def test_a_request_that_two_readers_could_read_in_two_ways_is_refused(desk, monkeypatch):
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.2)
    for request in CROOKED:
        answer = desk.ask(request)
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 50")), request[:60]
        assert answer.endswith(b"refused")


def test_a_body_that_turns_out_to_be_none_is_refused_and_one_that_ends_amid_answers_nobody(desk):
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + CLOSE

    assert desk.ask(head + b"no size\r\n").startswith(b"HTTP/1.1 400")
    with desk.connect() as sock:
        sock.sendall(head + b"5\r\nhal")
        sock.shutdown(socket.SHUT_WR)
        assert rest(sock).startswith((b"HTTP/1.1 400", b""))
    assert desk.ask(b"GET / HTTP/1.1\r\n" + CLOSE).startswith(b"HTTP/1.1 200")


def test_whoever_is_out_of_descriptors_lets_somebody_go_and_goes_on(desk, monkeypatch):
    """A mock: to use them all up would take them from the tests as well."""
    real, listener = socket.socket.accept, desk.sockets[0]
    monkeypatch.setattr(server, "TICK", 0.02)

    def accept(sock):
        if sock is listener and desk.server._wires:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(sock)

    with desk.connect() as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(idle, b"\r\n\r\n")
        monkeypatch.setattr(socket.socket, "accept", accept)
        assert desk.ask(b"GET / HTTP/1.1\r\n" + CLOSE).startswith(b"HTTP/1.1 200")
        assert rest(idle) == b""


def test_an_answer_that_breaks_off_does_not_look_complete(desk):
    answer = desk.ask(b"GET /die HTTP/1.1\r\n" + CLOSE)

    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_what_is_written_arrives_before_the_rest_is_there(desk):
    with desk.connect() as sock:
        sock.sendall(b"GET /part HTTP/1.1\r\n" + CLOSE)
        assert b"first" in until(sock, b"first\r\n")
        desk.echo.gate.set()
        assert rest(sock) == b"6\r\nsecond\r\n0\r\n\r\n"


def test_a_client_that_hangs_up_is_noticed_while_nothing_is_written(desk):
    with desk.connect() as sock:
        sock.sendall(b"GET /part HTTP/1.1\r\n" + CLOSE)
        assert desk.echo.answering.wait(GUARD)
        assert not desk.echo.left.is_set()

    assert desk.echo.left.wait(GUARD)


def test_a_client_that_is_early_with_its_next_request_has_not_hung_up(desk):
    with desk.connect() as sock:
        sock.sendall(b"GET /part HTTP/1.1\r\nHost: x\r\n\r\n")
        assert desk.echo.answering.wait(GUARD)
        sock.sendall(b"GET /next HTTP/1.1\r\n" + CLOSE)
        assert not desk.echo.left.wait(0.3)
        desk.echo.gate.set()
        assert rest(sock).count(b"HTTP/1.1 200") == 2


def test_whoever_says_half_a_request_is_let_go(desk, monkeypatch):
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.05)

    assert desk.ask(b"GET / HT").startswith(b"HTTP/1.1 408")
    half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    assert desk.ask(half).startswith(b"HTTP/1.1 408")


def test_whoever_drips_a_head_is_let_go_all_the_same(desk, monkeypatch):
    """Each byte comes in time; the whole of it does not."""
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.3)
    with desk.connect() as sock, contextlib.suppress(OSError):
        for _ in range(1000):
            sock.sendall(b"X")
            sock.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                if sock.recv(100):
                    break
        else:
            pytest.fail("it is heard for ever")


def test_whoever_says_nothing_is_let_go(desk, monkeypatch):
    monkeypatch.setattr(wire, "IDLE_SECONDS", 0.05)

    assert desk.ask(b"") == b""


def test_a_client_that_takes_nothing_is_let_go(desk, monkeypatch):
    monkeypatch.setattr(wire, "WRITE_SECONDS", 0.05)
    desk.echo.limit = 64 << 20
    with desk.connect() as sock:
        size = 32 << 20
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        sock.sendall(bytes(size))
        waiting.until(lambda: not desk.server._wires)
        assert len(rest(sock)) < size


def test_when_all_places_are_taken_whoever_has_waited_longest_has_to_go(desk, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(desk.connect()) for _ in range(4)]
        idle[0].sendall(b"GET /part HTTP/1.1\r\n" + CLOSE)
        assert desk.echo.answering.wait(GUARD)
        assert desk.ask(b"GET / HTTP/1.1\r\n" + CLOSE).startswith(b"HTTP/1.1 200")
        assert rest(idle[1]) == b""  # it waited longest; who is being answered stays
        desk.echo.gate.set()
        assert b"second" in rest(idle[0])


def test_when_all_are_being_answered_one_more_is_not(desk, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    with desk.connect() as first:
        first.sendall(b"GET /part HTTP/1.1\r\n" + CLOSE)
        assert desk.echo.answering.wait(GUARD)
        assert desk.ask(b"") == b""
        desk.echo.gate.set()
        assert b"second" in rest(first)


def test_the_end_lets_answers_end_and_waits_for_nobody_else():
    desk = Desk()
    with desk.connect() as busy, desk.connect() as idle:
        busy.sendall(b"GET /part HTTP/1.1\r\n" + CLOSE)
        assert desk.echo.answering.wait(GUARD)
        desk.server.stop()
        desk.echo.gate.set()
        assert b"second" in rest(busy)
        assert rest(idle) == b""
    desk.close()
    with pytest.raises(ConnectionRefusedError):
        desk.connect()


# -- where it listens ----------------------------------------------------------------------


def test_it_listens_at_loopback_addresses_only():
    for sock in listening.on_loopback(0):
        assert sock.getsockname()[0] in ("127.0.0.1", "::1")
        sock.close()


def test_a_port_that_is_taken_is_told():
    taken = listening.on_loopback(0)
    port = taken[0].getsockname()[1]
    with pytest.raises(AuthError, match=f"port {port} of this machine is taken"):
        listening.on_loopback(port)
    for sock in taken:
        sock.close()


@pytest.fixture
def folder(tmp_path):
    """Its name is short enough for a socket."""
    tmp_path.chmod(0o700)
    return tmp_path


unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Unix sockets")


@unix
def test_a_socket_is_its_owner_s_alone_and_so_is_the_folder_that_is_made_for_it(folder):
    path = folder / "new" / "s"
    with listening.at_socket(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@unix
def test_no_socket_is_put_where_others_can_look_and_their_folder_is_left_as_it_is(folder):
    folder.chmod(0o755)
    with pytest.raises(AuthError, match="Others can look into"):
        listening.at_socket(str(folder / "s"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


@unix
def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(folder):
    path = str(folder / "s")
    listening.at_socket(path).close()
    with listening.at_socket(path), pytest.raises(AuthError, match="listens at"):
        listening.at_socket(path)
    (folder / "file").write_text("mine")
    with pytest.raises(AuthError, match="is no socket"):
        listening.at_socket(str(folder / "file"))
    assert (folder / "file").read_text() == "mine"
    os.symlink(path, folder / "link")
    with pytest.raises(AuthError, match="is no socket"):
        listening.at_socket(str(folder / "link"))


@unix
def test_a_path_that_is_too_long_is_told(folder):
    with pytest.raises((AuthError, StoreError), match="cannot be made"):
        listening.at_socket(str(folder / ("x" * 120)))
