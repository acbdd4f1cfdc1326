"""Loopback counterparts: a recording HTTP(S) server, a forward and CONNECT proxy, a CA."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import random
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import HTTPServer
    from pathlib import Path

GUARD = 20.0
"""After how many seconds does a test that hangs fail?"""


@dataclass
class Seen:
    """One request as it arrived; `raw` is all of it, for canaries to be looked for."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    shown: str = ""
    """The name in the client's certificate; empty where it showed none."""

    @property
    def raw(self) -> str:
        return f"{self.method} {self.target}\n{self.headers}\n{self.body!r}"


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    links: tuple[tuple[str, str], ...] = ()
    """Headers that may come more than once."""
    chunks: tuple[bytes, ...] = ()
    """A body that is sent chunk by chunk, in place of the other one."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    context: ssl.SSLContext | None = None

    def get_request(self):
        sock, address = super().get_request()
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is part of the tests."""


def end(server: HTTPServer) -> None:
    """Ends a server that another thread serves for ever."""
    with contextlib.suppress(OSError):  # where it wakes that thread: else it looks up now and then
        server.socket.shutdown(socket.SHUT_RDWR)
    server.shutdown()
    server.server_close()


class Recorder:
    """Records every request; `answer` decides what it gets."""

    def __init__(
        self, answer: Callable[[Seen], Reply] | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.answer = answer or (lambda _: Reply())
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                recorder.connections += 1

            def handle_any(self) -> None:
                seen = Seen(
                    self.command, self.path, {k.lower(): v for k, v in self.headers.items()}
                )
                seen.body = _body(self)
                seen.shown = _shown(self.connection)
                recorder.seen.append(seen)
                reply = recorder.answer(seen)
                self.send_response(reply.status)
                for name, value in (*reply.headers.items(), *reply.links):
                    self.send_header(name, value)
                if reply.chunks:
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    for chunk in (*reply.chunks, b""):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    return
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

            def log_message(self, *args) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.context = context
        self.port = self._server.server_port
        self.origin = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        end(self._server)

    @property
    def raw(self) -> str:
        return "\n".join(each.raw for each in list(self.seen))


def _shown(connection: socket.socket) -> str:
    found = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    return dict(pair for (pair,) in (found or {}).get("subject", ())).get("commonName", "")


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        return body
    return handler.rfile.read(int(handler.headers.get("content-length", 0)))


@contextlib.contextmanager
def recorder(answer=None, context=None) -> Iterator[Recorder]:
    server = Recorder(answer, context)
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    """A port that is free, and that no other test is given by chance before it is used: systems
    take those that they choose themselves from 32768 on, or from 49152 (RFC 6335 §6)."""
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """The origin of a server that is not there; none of another test comes there meanwhile."""
    with socket.socket() as held:  # a port is refused as long as nobody listens at it
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads one request head and then does as `talk` says; gives its origin."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(GUARD)
            sock.recv(65536)
            talk(sock)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop(listener, thread)


def stop(listener: socket.socket, thread: threading.Thread) -> None:
    """Closes a listener when nobody waits at it any more.

    A thread that was left in `accept` begins it anew when the process has been stopped for a
    while, by the number of its descriptor: that of the next test's listener by then.
    """
    with contextlib.suppress(OSError):  # where it does not wake the thread, closing does
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(GUARD)


def endless(sent: list[int], total: int = 1 << 30) -> Callable[[socket.socket], None]:
    """A body of `total` bytes; what the client took is added up in `sent`."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while sum(sent) < total:
            sent.append(sock.send(bytes(1 << 16)))

    return talk


def drip(head: bool = False) -> Callable[[socket.socket], None]:
    """A byte now and then, for ever: of the body, or of the head already."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nx: " if head else b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(int(GUARD / 0.05)):
            sock.sendall(b"x")
            time.sleep(0.05)

    return talk


def bomb(megabytes: int = 100) -> Callable[[socket.socket], None]:
    """A gzip body that is small on the wire and `megabytes` when unpacked."""
    # Packed piece by piece: this process must not have been that large before it is measured.
    packer, piece = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    data = b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()

    def talk(sock: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(data)}\r\n\r\n"
        sock.sendall(head.encode() + data)

    return talk


class Proxy:
    """A proxy for http (forward) and https (CONNECT); every host leads where `route` says.

    `route` gives the loopback port for a host name, so tests have hosts without any DNS.
    """

    def __init__(self, route: Callable[[str, bool], int]) -> None:
        self.route = route
        self.lines: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        stop(self._listener, self._thread)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = sock.recv(65536)
                if not piece:
                    return
                head += piece
            line = head.split(b"\r\n")[0].decode("latin-1")
            self.lines.append(line)
            method, target, _ = line.split(" ")
            tunnel = method == "CONNECT"
            authority = target if tunnel else target.split("/")[2]
            port = self.route(authority.rpartition(":")[0] or authority, tunnel)
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                for end in (sock, upstream):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tunnel:
                    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    upstream.sendall(head)
                back = threading.Thread(target=_pump, args=(upstream, sock), daemon=True)
                back.start()
                _pump(sock, upstream)
                back.join(GUARD)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy(route: Callable[[str, bool], int]) -> Iterator[Proxy]:
    server = Proxy(route)
    try:
        yield server
    finally:
        server.close()


def _usage(*, signs: bool):
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def authority(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """A throw-away CA (its certificate as a file), and a server context with a leaf for `names`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = dt.datetime.now(dt.UTC)

    def certificate(subject: str, key, issuer: str, signer, *, is_ca: bool, sans=()):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        by = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            # Python 3.13 verifies by the letter of RFC 5280 §4.2.1.
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .add_extension(_usage(signs=is_ca), critical=True)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    sans = [x509.DNSName(name) for name in names]
    sans.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    ca = certificate("test CA", ca_key, "test CA", ca_key, is_ca=True)
    leaf = certificate("leaf", key, "test CA", ca_key, is_ca=False, sans=sans)
    pem = serialization.Encoding.PEM
    ca_file, leaf_file = folder / "ca.pem", folder / "leaf.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    leaf_file.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + leaf.public_bytes(pem)
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf_file)
    return ca_file, context
