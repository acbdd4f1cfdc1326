"""`arcrun serve`: how it starts, what it prints, and how it ends."""

from __future__ import annotations

import re
import shlex
import socket
import sqlite3
import ssl
import stat
import sys
import threading
import urllib.request
from contextlib import closing
from importlib import util

import pytest

from tests.platform_desk import IV, cipher
from tests.servers import GUARD, authority
from tests.serving import Served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def fetch(url: str, data: bytes | None = None, context: ssl.SSLContext | None = None) -> str:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(urllib.request.Request(url, data=data), timeout=GUARD) as answer:
        return answer.read().decode()


def test_a_server_is_there_in_one_command_and_keeps_what_it_was_given(cli) -> None:
    with Served(cli.env) as server:
        assert "Make the admin account" in fetch(server.link)
        key = re.search(r"ak_[0-9a-f]{48}", fetch(server.link, b""))[0]
        with server.cloud(key) as cloud:
            assert cloud.me().role == "admin"
            cloud.put_row("s_1", cipher(), IV)
        assert server.end() == 0, server.said
        assert {line["event"] for line in server.lines} == {"started", "request", "ended"}
        assert key not in "\n".join(server.said)
        routes = {line.get("route") for line in server.lines}
        assert {"/first/{invite}", "/credentials"} <= routes
        requests = [line for line in server.said if '"request"' in line]
        assert server.link.rpartition("/")[2] not in "\n".join(requests)

    database = cli.home / "server" / "server.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert key.encode() not in database.read_bytes()
    with Served(cli.env) as again:
        assert not again.link, "there is an admin already"
        with again.cloud(key) as cloud:
            assert cloud.row("s_1").encrypted == cipher()


def test_what_was_acknowledged_survives_a_kill(cli, tmp_path) -> None:
    data = tmp_path / "data"
    with Served(cli.env, "--data", str(data), "--registration", "open") as server:
        with server.cloud() as nobody:
            key = nobody.register().api_key
        acknowledged: list[str] = []
        enough = threading.Event()

        def write(letter: str) -> None:
            with server.cloud(key) as cloud:
                for number in range(100_000):
                    name = f"s_{letter}{number:x}"
                    try:
                        cloud.put_row(name, cipher(name), IV, expect=0)
                    except Exception:
                        return
                    acknowledged.append(name)
                    if len(acknowledged) > 60:
                        enough.set()

        threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        assert enough.wait(GUARD)
        server.kill()
        for thread in threads:
            thread.join(GUARD)
    with closing(sqlite3.connect(data / "server.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Served(cli.env, "--data", str(data)) as again, again.cloud(key) as cloud:
        found = {row.name: row.encrypted for row in cloud.rows_since(0).rows}
        assert all(found[name] == cipher(name) for name in acknowledged)


def test_a_request_under_way_gets_its_answer_when_the_server_is_told_to_end(cli) -> None:
    with Served(cli.env, "--registration", "open") as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=GUARD) as sock:
            head = b"POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            sock.sendall(head + b"content-length: 2\r\n\r\n{")
            # It has read the head when another request that came later is answered.
            with server.cloud() as cloud:
                assert cloud.health()
            ended: list[int] = []
            thread = threading.Thread(target=lambda: ended.append(server.end()))
            thread.start()
            sock.sendall(b"}")
            assert sock.recv(65536).startswith(b"HTTP/1.1 201")
        thread.join(GUARD)
        assert ended == [0], server.said


def test_it_speaks_tls_with_a_certificate(cli, tmp_path) -> None:
    given = tmp_path / "given"
    ca, _ = authority(given)
    leaf = str(given / "leaf.pem")
    with Served(cli.env, "--tls-cert", leaf, "--tls-key", leaf, "--host", "127.0.0.1") as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=ca)
        assert fetch(f"{server.url}/health", context=context) == '{"ok":true}'


def test_a_proxys_word_is_taken_for_where_a_request_comes_from(cli) -> None:
    for args, address in ((["--proxy", "127.0.0.1"], "203.0.113.9"), ([], "127.0.0.1")):
        with Served(cli.env, *args) as server:
            request = urllib.request.Request(
                f"{server.url}/health", headers={"X-Forwarded-For": "203.0.113.9"}
            )
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
            server.end()
            assert [line["from"] for line in server.lines if line["event"] == "request"] == [
                address
            ]


# --- in this process


def test_an_invitation_is_printed_and_lets_somebody_in(inside, tmp_path) -> None:
    from arcrun_auth.server import accounts, keys
    from arcrun_auth.server.database import open_database
    from arcrun_auth.server.shapes import Register

    data = tmp_path / "data"
    ran = inside("serve", "--invite", "recipes", "--data", str(data))
    assert (ran.code, ran.err) == (0, "It holds for 7 days, and for one account.\n")
    database = open_database(str(data / "server.db"))
    asked = Register(invite=ran.out.strip())
    made = database.write(lambda tx: accounts.register(tx, asked, "closed"))
    assert database.read(lambda tx: keys.authenticate(tx, made.api_key)).role == "recipes"
    database.close()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--host", "0.0.0.0"], "Without TLS"),
        (["--tls-cert", "x.pem"], "come together"),
        (["--tls-cert", "x.pem", "--tls-key", "y.pem"], "cannot be read"),
        (["--registration", "sometimes"], "registration"),
        (["--port", "70000"], "port"),
    ],
)
def test_what_would_not_be_safe_or_does_not_fit_is_refused(inside, args, words) -> None:
    ran = inside("serve", *args)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_a_database_that_is_none_is_refused_without_repeating_its_password(inside) -> None:
    ran = inside("serve", ARCRUN_DATABASE_URL="mysql://me:tests.canary.URL@host/x")
    assert ran.code == 2
    assert "ARCRUN_DATABASE_URL is no URL of a PostgreSQL" in ran.err


def test_a_port_that_is_taken_is_told(inside, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = inside("serve", "--port", str(port), "--data", str(tmp_path / "data"))
    assert ran.code == 1
    assert f"The port {port} of 127.0.0.1 cannot be had" in ran.err
    assert "--port 0" in ran.err


def test_a_missing_extra_is_told_with_what_to_type(inside, monkeypatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda n, *a: None if n == "uvicorn" else found(n, *a))
    ran = inside("serve")
    assert ran.code == 1
    assert "pip install 'arcrun-auth[server]'" in ran.err


def test_the_unit_runs_what_was_asked_for(inside, tmp_path) -> None:
    ran = inside("serve", "--print-unit", "--proxy", "10.0.0.1", "--registration", "invite")
    assert ran.code == 0
    start = re.search(r"^ExecStart=(.*)$", ran.out, re.MULTILINE)[1]
    words = shlex.split(start)
    assert words[words.index("serve") :] == [
        "serve", "--data", "%S/arcrun", "--host", "127.0.0.1", "--port", "8765",
        "--proxy", "10.0.0.1", "--registration", "invite",
    ]  # fmt: skip
    assert "StateDirectory=arcrun\n" in ran.out
    assert "systemctl enable --now arcrun-server" in ran.err
    folder = tmp_path / "my data 100%"
    ran = inside("serve", "--print-unit", "--data", str(folder), "--tls-cert", "c.pem",
                 "--tls-key", "k.pem")  # fmt: skip
    assert f'--data "{folder}%"' in ran.out
    assert f'ReadWritePaths="{folder}%"' in ran.out
    assert f"--tls-cert {tmp_path}/c.pem" in ran.out
    assert inside("serve", "--print-unit", "--url", "https://x\ny").code == 1
