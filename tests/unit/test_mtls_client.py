"""A client certificate in a bound client: who is shown it, and who never is."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from arcrun_auth import _http
from arcrun_auth.client import bound_client
from arcrun_auth.errors import AuthError
from arcrun_auth.flow import Rules
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.certificates import Authority, pem
from tests.faults import strace
from tests.home import broker_with
from tests.servers import Reply, recorder

ROOT = str(Path(__file__).parents[2])

RECIPE = """
service: thing
primitive: mtls
base_url: {}
required_secrets:
  - {{key: identity, type: pem}}
  - {{key: passphrase, type: password, optional: true}}
  - {{key: token, type: password, optional: true}}
mtls: {{certificate: identity, passphrase: passphrase}}
inject: {{header: {{Authorization: "Bearer {{{{secret.token}}}}"}}}}
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def context(authority, tmp_path, monkeypatch):
    """Makes TLS contexts of servers that clients here trust, and that ask who they are."""
    ca, leaf = tmp_path / "ca.pem", tmp_path / "server.pem"
    sans = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    ca.write_text(authority.pem)
    leaf.write_text("".join(authority.issue("server", sans=sans)))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))

    def make(mode=ssl.CERT_REQUIRED) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(leaf)
        found.load_verify_locations(ca)
        found.verify_mode = mode
        return found

    return make


@pytest.fixture
def bank(context):
    """The service: it talks to nobody whom it does not know."""
    with recorder(context=context()) as server:
        yield server


@pytest.fixture
def other(context):
    """Another host, which asks for a certificate and gets along without."""
    with recorder(context=context(ssl.CERT_OPTIONAL)) as server:
        yield server


def identity(authority, name="client 7", **more) -> str:
    return "".join(reversed(authority.issue(name, **more)))


def connected(tmp_path, bank, text, *origins, **secrets):
    broker = broker_with(tmp_path, RECIPE.format(bank.origin), bank.origin, *origins)
    broker.setup("thing", identity=text, **secrets)
    return broker


def test_the_service_sees_the_certificate_and_what_is_injected(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority), token=canary.fresh())
    with broker.bind("thing") as client:
        assert client.get("/a").status_code == 200
        assert client.post("/b", json={}).status_code == 200
    assert [seen.shown for seen in bank.seen] == ["client 7", "client 7"]
    assert bank.seen[0].headers["authorization"].startswith("Bearer ")
    assert bank.connections == 1


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_async_client_shows_it_too(tmp_path, bank, other, authority, library) -> None:
    broker = connected(tmp_path, bank, identity(authority), other.origin)
    bank.answer = lambda seen: Reply(302, {"location": f"{other.origin}/x"})

    async def read() -> int:
        async with broker.bind_async("thing") as client:
            return (await client.get("/", follow_redirects=True)).status_code

    assert anyio.run(read, backend=library) == 200
    assert (bank.seen[0].shown, other.seen[0].shown) == ("client 7", "")


def test_it_works_with_httpx2_as_well(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority))
    with broker.bind("thing", http="httpx2") as client:
        assert client.get("/").status_code == 200
    assert bank.seen[0].shown == "client 7"


def test_a_redirect_to_another_host_is_followed_without_it(
    tmp_path, bank, other, authority
) -> None:
    broker = connected(tmp_path, bank, identity(authority), other.origin)
    bank.answer = lambda seen: Reply(302, {"location": f"{other.origin}/x"}, b"")
    with broker.bind("thing") as client:
        assert client.get("/", follow_redirects=True).status_code == 200
        assert client.get("/", follow_redirects=True).status_code == 200
    assert [seen.shown for seen in bank.seen] == ["client 7"] * 2
    assert [seen.shown for seen in other.seen] == [""] * 2


def test_another_client_of_the_process_does_not_show_it(tmp_path, bank, other, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority), other.origin)
    with broker.bind("thing") as client:
        client.get("/")
        with httpx.Client(verify=_http.ssl_context()) as plain:
            assert plain.get(other.origin).status_code == 200
    assert [seen.shown for seen in other.seen] == [""]


def test_a_key_under_a_passphrase_is_unlocked(tmp_path, bank, authority) -> None:
    key, word = ec.generate_private_key(ec.SECP256R1()), canary.fresh("word")
    chain, _ = authority.issue("locked", key)
    locked = pem(key, serialization.BestAvailableEncryption(word.encode()))
    broker = connected(tmp_path, bank, chain + locked, passphrase=word)
    with broker.bind("thing") as client:
        assert client.get("/").status_code == 200
    assert bank.seen[0].shown == "locked"


@pytest.mark.parametrize(
    ("word", "says"),
    [("wrong", "not its passphrase"), (None, "locked with a passphrase")],
)
def test_one_that_cannot_be_unlocked_is_not_kept(tmp_path, bank, authority, word, says) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    chain, _ = authority.issue("locked", key)
    locked = pem(key, serialization.BestAvailableEncryption(b"word"))
    broker = broker_with(tmp_path, RECIPE.format(bank.origin), bank.origin)
    given = {"identity": chain + locked} | ({"passphrase": word} if word else {})
    with pytest.raises(AuthError, match=says) as caught:
        broker.setup("thing", **given)
    assert broker.store.get(Key("credential", "thing")) is None
    assert locked.splitlines()[1] not in repr(vars(caught.value)) + str(caught.value)


def test_a_passphrase_for_a_key_that_is_open_is_told(tmp_path, bank, authority) -> None:
    with pytest.raises(AuthError, match="not locked") as caught:
        connected(tmp_path, bank, identity(authority), passphrase=canary.fresh())
    assert caught.value.hint == "leave the passphrase out"


def test_one_that_has_ended_is_not_kept(tmp_path, bank, authority) -> None:
    with pytest.raises(AuthError, match="It ended on"):
        connected(tmp_path, bank, identity(authority, days=(-9, -2)))


def test_its_end_is_kept_and_warned_of(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority, days=(-1, 3)))
    (warning,) = broker.list_services()["thing"].instances["default"].warnings
    assert warning.startswith("the key ends in")
    assert warning.endswith("arcrun setup thing")
    broker.setup("thing", identity=identity(authority, days=(-1, 400)))
    assert broker.list_services()["thing"].instances["default"].warnings == ()


def test_where_the_certificate_is_optional_it_may_be_missing(tmp_path, other) -> None:
    text = RECIPE.format(other.origin).replace("type: pem", "type: pem, optional: true")
    broker = broker_with(tmp_path, text, other.origin)
    broker.setup("thing", token=canary.fresh())
    with broker.bind("thing") as client, pytest.raises(AuthError, match="no PEM"):
        client.get("/")


def test_one_that_was_replaced_is_shown_by_the_next_client(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority, "old"))
    with broker.bind("thing") as client:
        client.get("/")
    broker.setup("thing", identity=identity(authority, "new"))
    with broker.bind("thing") as client:
        client.get("/")
    assert [seen.shown for seen in bank.seen] == ["old", "new"]


def changed_meanwhile(tmp_path, bank, authority, text):
    """A client that has shown the old certificate, and what another process put in the store."""
    broker = connected(tmp_path, bank, identity(authority, "old"))
    client = broker.bind("thing")
    assert client.get("/").status_code == 200
    # The service takes the old one no longer, and closes.
    bank.answer = lambda seen: (
        Reply(401, {"connection": "close"}) if seen.shown == "old" else Reply()
    )
    held = broker.store.get(Key("credential", "thing"))
    fresh = held.replace(secrets={**held.secrets, "identity": Secret(text)})
    broker.store.put(fresh, expect=held.generation)
    return client


def test_a_401_brings_the_certificate_that_the_store_has_now(tmp_path, bank, authority) -> None:
    changed = changed_meanwhile(tmp_path, bank, authority, identity(authority, "new"))
    with contextlib.closing(changed) as client:
        assert client.get("/").status_code == 200
    assert [seen.shown for seen in bank.seen] == ["old", "old", "new"]


def test_one_that_cannot_be_used_then_is_an_error_of_ours(tmp_path, bank, authority) -> None:
    changed = changed_meanwhile(tmp_path, bank, authority, canary.fresh())
    with contextlib.closing(changed) as client, pytest.raises(AuthError, match="no PEM") as caught:
        client.get("/")
    assert not canary.hits(str(caught.value))
    assert len(bank.seen) == 2


def test_a_stranger_is_refused_by_the_service(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(Authority()))
    with broker.bind("thing") as client, pytest.raises(httpx.HTTPError):
        client.get("/")
    assert bank.seen == []


def test_whoever_forks_shows_it_in_the_child_too(tmp_path, bank, other, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority), other.origin)
    bank.answer = lambda seen: Reply(302, {"location": f"{other.origin}/x"}, b"")
    with broker.bind("thing") as client:
        client.get("/", follow_redirects=True)
        old, client._pid = client._transport, -1  # as after a fork: connections are made anew
        assert client.get("/", follow_redirects=True).status_code == 200
        old.close()  # which are the parent's after a real one
    assert [seen.shown for seen in bank.seen] == ["client 7"] * 2
    assert [seen.shown for seen in other.seen] == [""] * 2


@pytest.mark.parametrize("option", [{"verify": False}, {"cert": "x.pem"}])
def test_a_context_of_the_callers_own_is_refused(tmp_path, bank, authority, option) -> None:
    broker = connected(tmp_path, bank, identity(authority))
    with broker.bind("thing") as client:
        rules = client._rules
    with pytest.raises(ValueError, match="no verify, no cert"):
        bound_client(rules.binding, rules.source, **option)


def test_rules_that_nobody_gave_a_context_send_nothing(tmp_path, bank, authority) -> None:
    # As where somebody else's client asks them how to sign.
    broker = connected(tmp_path, bank, identity(authority))
    with broker.bind("thing") as client:
        rules = Rules(httpx, client._rules.binding, client._rules.source)
    flow = rules.flow(httpx.Request("GET", bank.origin))
    assert next(flow) == ("token", None)
    with pytest.raises(StopIteration) as ended:
        flow.send(rules.source.token())
    assert "is shown a certificate in TLS, which takes a client of ours" in str(
        ended.value.value.error
    )
    assert ended.value.value.error.hint == "use auth.bind('thing')"


def test_a_transport_of_the_callers_own_serves_both(tmp_path, bank, authority) -> None:
    broker = connected(tmp_path, bank, identity(authority))
    with broker.bind("thing") as client:
        rules = client._rules
    # A mock: what is asked is whether it is entered and closed once.
    mock = httpx.MockTransport(lambda request: httpx.Response(200))
    closed = []
    mock.close = lambda: closed.append(1)
    client = bound_client(rules.binding, rules.source, transport=mock)
    assert client.get("/").status_code == 200
    client.close()
    assert closed == [1]


@pytest.mark.peer
def test_the_kernel_is_asked_to_write_its_key_nowhere(tmp_path, bank, authority) -> None:
    broker_with(tmp_path, RECIPE.format(bank.origin), bank.origin)
    native = ec.generate_private_key(ec.SECP256R1())
    text = "".join(authority.issue("traced", native))
    log = str(tmp_path / "trace")
    words = strace.command(log, ("write", "writev", "pwrite64", "pwritev", "sendto"), "-yy")
    program = (
        "import sys\n"
        "from contextlib import suppress\n"
        "from arcrun_auth.broker import Broker\n"
        f"broker = Broker(home={str(tmp_path / 'home')!r}, allow_hosts=[{bank.origin!r}])\n"
        "with broker.bind('thing', secret={'identity': sys.stdin.read()}) as client:\n"
        "    print(client.get('/').status_code)\n"
    )
    ran = subprocess.run(
        [*words, sys.executable, "-c", program],
        input=text, text=True, check=True, timeout=60, capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1",
             "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]},
    )  # fmt: skip
    assert (ran.stdout, bank.seen[0].shown) == ("200\n", "traced")
    calls = list(strace.read(log))
    written = b"".join(call.data for call in calls)
    places = {call.peer for call in calls if b"ENCRYPTED PRIVATE KEY" in call.data}
    assert places, "the trace sees what is written"
    number = native.private_numbers().private_value.to_bytes(32, "big")
    body = text[text.index("PRIVATE KEY") :].encode().splitlines()[1:-1]
    for form in (number, number.hex().encode(), *body, json.dumps(text).encode()):
        assert form not in written
    with contextlib.suppress(FileNotFoundError):
        assert not [p for p in (tmp_path / "home").rglob("*") if b"PRIVATE" in _read(p)]


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
