"""Mutual TLS: the certificate reaches the server that asks, and its key lies nowhere in clear."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey

from arcrun_auth import _http, mtls
from arcrun_auth.broker import Broker
from arcrun_auth.errors import AuthError, LoginRequired, ProviderUnavailable
from arcrun_auth.exchange import Exchange
from arcrun_auth.hosts import Fence
from arcrun_auth.oauth import TokenCall
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary, servers
from tests.certificates import DAY, Authority, pem
from tests.faults import strace

ROOT = str(Path(__file__).parents[2])
BODY = b"grant_type=client_credentials"


@dataclass
class Desk:
    """A TLS server that wants a client certificate, and whose names it saw."""

    origin: str = ""
    names: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    answer: bytes = b"{}"

    def talk(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        sock.settimeout(servers.GUARD)
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as tls,
        ):
            try:
                tls.do_handshake()
            except ssl.SSLError:
                # Closing with something unread would reset, and the alert be lost.
                while socket.socket.recv(tls, 65536):
                    pass
                return
            request = b""
            while BODY not in request:
                request += tls.recv(65536)
            self.requests.append(request)
            subject = dict(pair for (pair,) in tls.getpeercert()["subject"])
            self.names.append(subject["commonName"])
            size = len(self.answer)
            tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + self.answer)
            tls.recv(1)  # until the client has read it and closes


@contextlib.contextmanager
def desk(authority: Authority, folder: Path, newest=ssl.TLSVersion.TLSv1_3):
    own = ec.generate_private_key(ec.SECP256R1())
    sans = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf, ca = folder / "server.pem", folder / "ca.pem"
    leaf.write_text("".join(authority.issue("server", own, sans=sans)))
    ca.write_text(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest
    found = Desk()
    listener = socket.create_server(("127.0.0.1", 0))
    found.origin = f"https://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=found.talk, args=(sock, context), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        servers.stop(listener, thread)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def serve(authority, tmp_path, monkeypatch):
    """Starts a desk that the client trusts."""

    def start(newest=ssl.TLSVersion.TLSv1_3):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        return desk(authority, tmp_path, newest)

    return start


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """A folder of its own for whatever lands in temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture(params=["memory", "disk"])
def place(request, monkeypatch) -> str:
    if request.param == "disk":  # as on a system without files in memory
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("needs memfd_create, which Linux has")
    return request.param


@dataclass(repr=False)
class Call:
    url: str
    certificate: tuple[Secret, Secret] | None = None
    method: str = "POST"
    headers: dict = field(default_factory=dict)
    content: bytes | None = BODY
    secrets: tuple = ()


def send(origin: str, certificate=None) -> _http.Answer:
    guard = Fence([origin.split("//")[1]], [origin])
    if certificate is not None:
        certificate = (Secret(certificate[0]), Secret(certificate[1]))
    return _http.send_token(Call(origin + "/token", certificate), guard=guard, total=servers.GUARD)


def refusal(chain: str, key: str) -> AuthError:
    with pytest.raises(AuthError) as caught:
        mtls.check_certificate(Secret(chain), Secret(key), now=time.time())
    with pytest.raises(AuthError) as presented:
        mtls.present(_http._new_context(None, None), Secret(chain), Secret(key))
    assert str(caught.value) == str(presented.value)
    return without_key(caught.value, key)


def without_key(error: AuthError, key: str) -> AuthError:
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    body = "".join(line for line in key.splitlines() if "-----" not in line)
    assert not [body[i : i + 8] for i in range(len(body) - 7) if body[i : i + 8] in shown]
    return error


class TestOverTls:
    @pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_the_right_certificate_is_taken(self, authority, serve, temporary, place, newest):
        with serve(newest) as server:
            assert send(server.origin, authority.issue()).status == 200
        assert server.names == ["client 7"]
        assert server.requests[0].startswith(b"POST /token HTTP/1.1\r\n")
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_one_of_another_authority_is_not_and_that_is_said(self, serve, newest):
        with (
            serve(newest) as server,
            pytest.raises(ProviderUnavailable, match="client certificate") as caught,
        ):
            send(server.origin, Authority().issue())
        # In TLS 1.3 the client has sent when the server looks at its certificate.
        assert caught.value.sent is (newest is ssl.TLSVersion.TLSv1_3)
        assert server.names == []

    @pytest.mark.parametrize(
        ("newest", "says"),
        [
            (ssl.TLSVersion.TLSv1_2, "could not be reached"),  # its alert has no word for it
            (ssl.TLSVersion.TLSv1_3, "client certificate, or wants one"),
        ],
    )
    def test_who_asks_for_one_gets_no_request_without(self, serve, newest, says):
        with serve(newest) as server, pytest.raises(ProviderUnavailable, match=says):
            send(server.origin)
        assert server.names == []

    def test_a_certificate_that_was_shown_once_is_not_shown_by_the_next_request(
        self, authority, serve
    ):
        with serve() as server:
            send(server.origin, authority.issue("first"))
            with pytest.raises(ProviderUnavailable):
                send(server.origin)
            send(server.origin, authority.issue("second"))
        assert server.names == ["first", "second"]

    def test_the_server_is_still_verified(self, authority, tmp_path, monkeypatch):
        other = tmp_path / "other.pem"
        other.write_text(Authority().pem)
        with desk(authority, tmp_path) as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(other))
            with pytest.raises(ProviderUnavailable, match="TLS"):
                send(server.origin, authority.issue())
        assert server.requests == []

    def test_a_bad_pair_ends_before_anything_is_sent(self, authority, tmp_path):
        with desk(authority, tmp_path) as server:
            chain, _ = authority.issue()
            _, key = authority.issue()
            with pytest.raises(AuthError, match="does not belong") as caught:
                send(server.origin, (chain, key))
            without_key(caught.value, key)
        assert server.requests == []

    def test_the_operating_systems_trust_is_used_as_without_a_certificate(
        self, authority, tmp_path, monkeypatch
    ):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        pair = tuple(Secret(text) for text in authority.issue("by trust"))
        call = Call("https://127.0.0.1/", pair)
        context = Exchange(call, Fence(["127.0.0.1"]), 1.0)._context()
        assert type(context) is type(_http.ssl_context())
        assert context is not _http.ssl_context()
        # Its handshake, with a server that no operating system trusts.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with desk(authority, tmp_path) as server:
            port = int(server.origin.rpartition(":")[2])
            with (
                socket.create_connection(("127.0.0.1", port), servers.GUARD) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
            ):
                tls.sendall(BODY)
                assert tls.recv(15) == b"HTTP/1.1 200 OK"
        assert server.names == ["by trust"]

    def test_a_token_call_has_no_certificate_unless_it_is_given_one(self):
        call = TokenCall("https://id.example.com/t", headers={}, content=b"", secrets=())
        assert call.certificate is None


class TestPairs:
    def test_a_good_pair_tells_when_it_ends(self, authority):
        chain, key = authority.issue(days=(-1, 30))
        end = mtls.check_certificate(Secret(chain), Secret(key), now=time.time())
        assert abs(end - time.time() - 30 * 86400) < 3600

    def test_a_pair_may_stand_in_one_text_and_the_key_be_a_jwk(self, authority):
        key = ec.generate_private_key(ec.SECP256R1())
        chain, text = authority.issue(key=key)
        both = text + chain
        as_jwk = json.dumps(ECKey.import_key(key).as_dict(private=True))
        for first, second in ((both, both), (chain, as_jwk), (chain.replace("\n", "\\n"), text)):
            mtls.check_certificate(Secret(first), Secret(second), now=time.time())
            mtls.present(_http._new_context(None, None), Secret(first), Secret(second))

    def test_a_key_of_another_certificate_is_refused(self, authority):
        chain, _ = authority.issue()
        assert "does not belong" in str(refusal(chain, authority.issue()[1]))
        weak = rsa.generate_private_key(65537, 2048)
        assert "does not belong" in str(refusal(chain, pem(weak)))
        shared = json.dumps({"kty": "oct", "k": "A" * 43})
        assert "does not belong" in str(refusal(chain, shared))

    def test_a_certificate_out_of_its_time_says_when_that_was(self, authority):
        past = dt.datetime.now(dt.UTC) - 2 * DAY
        error = refusal(*authority.issue(days=(-9, -2)))
        assert f"It ended on {past:%Y-%m}" in str(error)
        assert error.hint == "ask its issuer for a new one"
        assert "It begins on " in str(refusal(*authority.issue(days=(2, 9))))

    def test_what_is_no_certificate_is_called_so(self, authority):
        chain, key = authority.issue()
        for text in ("", "x", key, chain[:200], chain.replace("MII", "AAA", 1), "\ud800"):
            assert "no PEM of a certificate" in str(refusal(text, key))

    def test_what_is_no_key_says_what_it_is(self, authority):
        key = ec.generate_private_key(ec.SECP256R1())
        chain, text = authority.issue(key=key)
        locked = pem(key, serialization.BestAvailableEncryption(b"word"))
        for given, says in (
            (locked, "passphrase"),
            (text[:120], "damaged"),
            (chain, "a certificate"),
            ("x", "neither a PEM nor a JWK"),
            (json.dumps({"kty": "EC"}), "no valid JWK"),
        ):
            assert says in str(refusal(chain, given))

    def test_what_the_tls_library_refuses_is_said_with_its_word(self, authority):
        chain, text = authority.issue(key=rsa.generate_private_key(65537, 1024))
        with pytest.raises(AuthError, match="EE_KEY_TOO_SMALL") as caught:
            mtls.present(_http._new_context(None, None), Secret(chain), Secret(text))
        without_key(caught.value, text)


class Watched:
    """Stands for a TLS context, to see what the TLS library is given to read."""

    def load_cert_chain(self, path: str, password: str) -> None:
        self.content = Path(path).read_bytes()
        self.mode = stat.S_IMODE(os.stat(path).st_mode)
        self.path, self.password = path, password


def files_in_memory() -> list[str]:
    """Those that this process has open, as far as the system tells."""
    found = []
    for link in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile, by a thread of another test
            found.append(os.readlink(link))
    return [name for name in found if "memfd:arcrun" in name]


class TestTheKeyIsNeverInClear:
    def test_what_is_written_is_locked_with_a_password_of_one_use(
        self, authority, temporary, place
    ):
        chain, key = authority.issue()
        seen = []
        for _ in range(2):
            watched = Watched()
            mtls.present(watched, Secret(key + chain), Secret(key))
            seen.append(watched)
            assert b"BEGIN PRIVATE KEY" not in watched.content
            assert key.splitlines()[1].encode() not in watched.content
            read = serialization.load_pem_private_key(watched.content, watched.password.encode())
            assert pem(read) == key
            assert len(x509.load_pem_x509_certificates(watched.content)) == 2
            assert watched.path.startswith("/proc/" if place == "memory" else str(temporary))
            assert place == "memory" or watched.mode == 0o600
            assert not os.path.exists(watched.path)
        assert seen[0].password != seen[1].password
        assert list(temporary.iterdir()) == []

    def test_nothing_is_left_where_the_tls_library_fails(self, authority, temporary, place):
        chain, key = authority.issue(key=rsa.generate_private_key(65537, 1024))
        with pytest.raises(AuthError):
            mtls.present(_http._new_context(None, None), Secret(chain), Secret(key))
        assert list(temporary.iterdir()) == []
        assert not files_in_memory()

    @pytest.mark.peer
    def test_the_kernel_is_asked_to_write_it_nowhere(self, authority, temporary, place, tmp_path):
        chain, key = authority.issue()
        log = str(tmp_path / "trace")
        words = strace.command(log, ("write", "writev", "pwrite64", "pwritev", "sendto"), "-yy")
        program = (
            "import json, os, ssl, sys\n"
            "from arcrun_auth import mtls\n"
            "from arcrun_auth.tokens import Secret\n"
            f"{'' if place == 'memory' else 'del os.memfd_create'}\n"
            "chain, key = json.load(sys.stdin)\n"
            "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
            "mtls.present(context, Secret(chain), Secret(key))\n"
        )
        subprocess.run(
            [*words, sys.executable, "-c", program],
            input=json.dumps([chain, key]), text=True, check=True, timeout=60,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, "TMPDIR": str(temporary),
                 "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        calls = list(strace.read(log))
        written = b"".join(call.data for call in calls)
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in written, "the trace sees what is written"
        native = serialization.load_pem_private_key(key.encode(), None)
        number = native.private_numbers().private_value.to_bytes(32, "big")
        for form in (number, number.hex().encode(), *key.encode().splitlines()[1:-1]):
            assert form not in written
        places = {call.peer for call in calls if b"ENCRYPTED PRIVATE KEY" in call.data}
        assert len(places) == 1
        assert ("memfd:arcrun" in places.pop()) == (place == "memory")
        assert list(temporary.iterdir()) == []


# -- the client of a connection --------------------------------------------------------


def test_an_app_gets_its_grant_by_the_certificate_alone(tmp_path, authority, serve) -> None:
    with serve() as desk:
        desk.answer = json.dumps({"access_token": canary.fresh(), "expires_in": 60}).encode()
        home = tmp_path / "home"
        (home / "recipes").mkdir(parents=True)
        home.chmod(0o700)
        (home / "recipes" / "bank.yaml").write_text(
            "service: bank\nprimitive: oauth2\n"
            f"base_url: {desk.origin}\n"
            "oauth2:\n"
            f"  token_endpoint: {desk.origin}/token\n"
            "  grants: [client_credentials]\n"
            "  client: {auth: tls_client_auth}\n"
            "  refresh: {mode: reissue}\n"
        )
        chain, key = authority.issue("bank client")
        store = Memory()
        app = {"client_id": "c-1", "certificate": chain, "private_key": key}
        secrets = {name: Secret(value) for name, value in app.items()}
        store.put(Credential(Key("app", "bank"), secrets=secrets), expect=0)
        broker = Broker(home=str(home), store=store, allow_hosts=[desk.origin], environ={})
        token = broker.get_token("bank", interactive=False)
        assert token.access_token.startswith(canary.WORD)
        assert desk.names == ["bank client"]
        (request,) = desk.requests
        assert b"client_id=c-1" in request
        assert b"client_secret" not in request
        assert key.encode() not in request

        held = store.get(Key("app", "bank"))
        bare = held.replace(secrets={n: s for n, s in secrets.items() if n != "certificate"})
        store.put(bare, expect=held.generation)
        again = Broker(home=str(home), store=store, allow_hosts=[desk.origin], environ={})
        with pytest.raises(LoginRequired):
            again.get_token("bank", interactive=False)
