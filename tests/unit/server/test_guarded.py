"""A client that sends without an end, or hardly anything, is let go; the others are served."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from arcrun_auth.server import guarded, web
from tests.platform_desk import desk
from tests.servers import GUARD

HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with desk(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture
def sock(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD) as found:
        yield found


def answer(sock: socket.socket) -> bytes:
    """One whole answer: its head and its body may come apart."""
    data = b""
    while True:
        head, mark, body = data.partition(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if mark and len(body) >= int(length):
            return data
        piece = sock.recv(65536)
        assert piece
        data += piece


def ended(sock: socket.socket) -> bool:
    """Whether the server has closed the connection without a word."""
    try:
        return sock.recv(65536) == b""
    except ConnectionError:
        return True


def test_a_header_without_an_end_is_cut_off(sock) -> None:
    sent = 0
    try:
        sock.sendall(b"GET /health HTTP/1.1\r\nx: ")
        while sent < 64 << 20:
            sent += sock.send(b"y" * 65536)
    except ConnectionError:
        pass
    # What the system's own buffers take is not what the server keeps.
    assert sent < 32 << 20
    assert ended(sock)


def test_a_long_header_in_pieces_is_served(sock) -> None:
    sock.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
    for number in range(20):
        sock.sendall(f"x{number}: {'y' * 2000}\r\n".encode())
    sock.sendall(b"\r\n")
    assert answer(sock).startswith(b"HTTP/1.1 200")


def test_many_requests_on_one_connection_are_not_added_up(sock, monkeypatch) -> None:
    monkeypatch.setattr(guarded, "MAX_HEAD", 3 * len(HEALTH))
    for _ in range(9):
        sock.sendall(HEALTH[:20])
        sock.sendall(HEALTH[20:])
        assert answer(sock).startswith(b"HTTP/1.1 200")


def test_a_head_that_does_not_come_is_waited_for_in_bounded_time(server, sock, monkeypatch) -> None:
    sock.sendall(HEALTH)
    assert answer(sock).startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(guarded, "HEAD_SECONDS", 0.1)
    sock.sendall(b"GET /he")  # of a second request
    assert ended(sock)
    for part in (b"", b"GET /he"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD) as another:
            with suppress(ConnectionError):  # where that time is over before this is sent
                another.sendall(part)
            assert ended(another)


def test_a_body_that_does_not_come_is_waited_for_in_bounded_time(sock, monkeypatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.1)
    sock.sendall(POST + b"content-length: 20\r\n\r\n{")
    told = answer(sock)
    assert told.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in told
    assert ended(sock)


CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("request_", [HEALTH[:-2] + CHUNKED, POST + CHUNKED])
@pytest.mark.parametrize("endless", [b"0\r\nx: " + b"y" * 4096, b"0\r\n", b"5;x=" + b"y" * 4096])
def test_what_follows_a_body_has_an_end_too(sock, request_, endless) -> None:
    """RFC 9112 §7.1: a chunk may have an extension, and a chunked body trailers."""
    line = b"x: " + b"y" * 4096 + b"\r\n"
    piece = line * 16 if endless == b"0\r\n" else b"y" * 65536
    sent = 0
    try:
        sock.sendall(request_ + endless)
        while sent < 64 << 20:
            sent += sock.send(piece)
    except ConnectionError:
        pass
    assert sent < 32 << 20


def test_a_body_of_many_small_chunks_is_served(sock) -> None:
    body = b'{"email": "' + b"a" * 200 + b'@example.com"}'
    sock.sendall(POST + CHUNKED)
    sock.sendall(b"".join(b"1;x=" + b"z" * 1000 + b"\r\n%c\r\n" % each for each in body))
    sock.sendall(b"0\r\nx: y\r\n\r\n")
    assert answer(sock).startswith(b"HTTP/1.1 201")


def test_a_body_that_nobody_waits_for_holds_no_connection(server, monkeypatch) -> None:
    monkeypatch.setattr(guarded, "WHOLE_SECONDS", 0.5)  # the answer comes before
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD) as sock:
        sock.sendall(HEALTH[:-2] + b"content-length: 100000\r\n\r\n")
        assert answer(sock).startswith(b"HTTP/1.1 200")
        try:
            for _ in range(10_000):
                sock.sendall(b"y")
        except ConnectionError:
            return
        assert ended(sock)
