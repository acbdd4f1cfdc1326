"""The page that asks for keys: who may answer it, what it takes, and that it always ends."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import pytest

from arcrun_auth import listener
from arcrun_auth.browser import NotOpened
from arcrun_auth.errors import LoginFailed
from arcrun_auth.forms import MAX_BODY
from arcrun_auth.keyform import Field, ask_on_page
from arcrun_auth.landing import CANCEL, TOKEN
from arcrun_auth.listener import MAX_CONNECTIONS
from tests import canary, knocking
from tests.knocking import HANG, status
from tests.servers import free_port

FIELDS = (
    Field("token", "Token", help="From your <profile>.", help_url="https://example.com/help"),
    Field("cancel", "Extra", optional=True),
)


class Asking:
    """`ask_on_page` in a thread; the test is the browser, and everybody else."""

    def __init__(self, fields=FIELDS, *, timeout=HANG, **options):
        self.said = []
        self.typed = self.error = None
        self._opened = threading.Event()
        self._fields = fields
        self._options = {"open_url": self._open, "say": self.said.append, "environ": {}} | options
        self._timeout = timeout
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _open(self, url):
        self.url = url
        self._opened.set()

    def _run(self):
        try:
            self.typed = ask_on_page("Shop", self._fields, timeout=self._timeout, **self._options)
        except BaseException as error:
            self.error = error

    def start(self):
        if not self._thread.is_alive():
            self._thread.start()

    def __enter__(self):
        self.start()
        assert self._opened.wait(HANG)
        self.port = urlsplit(self.url).port
        self.path = urlsplit(self.url).path
        self.origin = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.wait()

    def wait(self):
        self._thread.join(HANG)
        assert not self._thread.is_alive()

    def ask(self, method="GET", path=None, body="", **headers):
        return knocking.ask(self.port, path or self.path, method=method, body=body, **headers)

    def token(self):
        return re.search(f'name="{TOKEN}" value="([^"]+)"', self.ask())[1]

    def post(self, *values, token=None, body=None, path=None, **headers):
        """What the form sends: the values by their place."""
        data = {TOKEN: self.token() if token is None else token}
        data |= {f"field{n}": value for n, value in enumerate(values)}
        body = urlencode(data) if body is None else body
        return knocking.post(self.port, path or self.path, body, **headers)


class TestThePage:
    def test_asks_by_hidden_inputs_and_for_nothing_else(self):
        with Asking() as asking:
            page = asking.ask()
            asking.post("a")
        head, _, body = page.partition("\r\n\r\n")
        for line in (
            "HTTP/1.1 200 OK",
            "Cache-Control: no-store",
            "Referrer-Policy: same-origin",
            "X-Content-Type-Options: nosniff",
            "form-action 'self'",
            "default-src 'none'",
            "frame-ancestors 'none'",
        ):
            assert line in head
        assert body.count('type="password"') == 2
        assert "From your &lt;profile&gt;." in body
        assert 'href="https://example.com/help" target="_blank" rel="noopener noreferrer"' in body
        assert "<script" not in body
        assert body.count(" required") == 1
        assert "(optional)" in body

    def test_is_told_and_opened_at_an_address_that_nobody_guesses(self):
        with Asking() as one, Asking() as two:
            assert len(one.path) >= 43
            assert one.path != two.path
            assert one.token() != two.token()
            assert one.url in one.said
            one.post("a")
            two.post("a")

    def test_no_markup_comes_from_what_is_asked_for(self):
        hostile = "<script>alert(1)</script>\" autofocus onfocus='x"
        fields = (Field("key", hostile, help=hostile, help_url="javascript:alert(1)"),)
        with Asking(fields, help_url="javascript:alert(2)") as asking:
            page = asking.ask()
            asking.post("a")
        assert "<script" not in page
        assert "javascript:" not in page
        assert "&quot; autofocus onfocus=&#x27;x" in page

    def test_offers_choices_and_room_for_lines(self):
        fields = (
            Field("region", "Region", hidden=False, choices=("eu", "us")),
            Field("name", "Name", hidden=False),
            Field("pem", "Certificate", lines=True),
            Field("note", "Note", lines=True, hidden=False),
        )
        with Asking(fields) as asking:
            page = asking.ask()
            answer = asking.post("eu", "me", "-----BEGIN\r\nx\r\n-----END\r\n", "n")
        assert "<option>eu</option><option>us</option>" in page
        assert 'type="text"' in page
        assert page.count("<textarea") == 2
        assert page.count("class=hidden") == 1
        assert status(answer) == 200
        assert asking.typed["pem"].reveal() == "-----BEGIN\nx\n-----END"


class TestTheAnswer:
    def test_comes_back_as_secrets_and_shows_nowhere(self, capfd):
        key = canary.fresh("key")
        with Asking() as asking:
            answer = asking.post(f"  {key} ", "")
        assert {name: value.reveal() for name, value in asking.typed.items()} == {"token": key}
        assert status(answer) == 200
        assert "close this tab" in answer
        shown = "\n".join(asking.said) + answer + repr(asking.typed) + "".join(capfd.readouterr())
        assert not canary.hits(shown)

    def test_is_taken_once_and_the_port_is_closed(self):
        with Asking() as asking:
            token = asking.token()
            asking.post("first", token=token)
            asking.wait()
            with pytest.raises(OSError):
                asking.post("second", token=token)
        assert asking.typed["token"].reveal() == "first"

    def test_may_come_in_pieces(self, monkeypatch):
        monkeypatch.setattr(listener, "CONNECTION_SECONDS", HANG)
        with Asking() as asking:
            body = urlencode({TOKEN: asking.token(), "field0": "slow"})
            with socket.create_connection(("127.0.0.1", asking.port), timeout=HANG) as sock:
                head = (
                    f"POST {asking.path} HTTP/1.1\r\nHost: 127.0.0.1:{asking.port}\r\n"
                    f"Origin: {asking.origin}\r\nContent-Length: {len(body)}\r\n"
                    "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\n\r\n"
                )
                for byte in (head + body).encode():
                    sock.sendall(bytes([byte]))
                assert sock.recv(12) == b"HTTP/1.1 200"
        assert asking.typed["token"].reveal() == "slow"

    def test_what_is_needed_is_asked_for_again_and_nothing_typed_comes_back(self):
        key = canary.fresh("again")
        with Asking() as asking:
            answer = asking.post("  ", key)
            assert status(answer) == 422
            assert "This is needed." in answer
            assert 'aria-invalid="true"' in answer
            assert not canary.hits(answer)
            asking.post("a", "b")
        assert asking.typed["cancel"].reveal() == "b"

    def test_what_does_not_fit_is_asked_for_again(self):
        fields = (Field("n", "N", check=lambda v: None if v.isdigit() else "No <number>."),)
        with Asking(fields) as asking:
            answer = asking.post("x")
            assert status(answer) == 422
            assert "No &lt;number&gt;." in answer
            asking.post("7")
        assert asking.typed["n"].reveal() == "7"

    def test_cancel_ends_it_and_keeps_nothing(self):
        with Asking() as asking:
            answer = asking.post(body=urlencode({TOKEN: asking.token(), CANCEL: "1"}))
        assert asking.typed is None
        assert asking.error is None
        assert "Nothing was saved" in answer


class TestEverybodyElse:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            ({"path": "/"}, 404),
            ({"path": "/favicon.ico"}, 404),
            ({"path": "/" + "a" * 43}, 404),
            ({"path": "{path}?x=1"}, 404),
            ({"path": "{path}/"}, 404),
            ({"method": "HEAD"}, 405),
            ({"method": "PUT"}, 405),
            ({"method": "OPTIONS"}, 405),
            ({"host": "evil.example"}, 421),
            ({"host": "localhost:{port}"}, 421),
            ({"Origin": "https://evil.example"}, 403),
        ],
    )
    def test_is_shown_no_page(self, request_, expected):
        with Asking() as asking:
            told = {k: v.format(path=asking.path, port=asking.port) for k, v in request_.items()}
            answer = asking.ask(**told)
            assert status(answer) == expected
            assert asking.token() not in answer
            assert "Access-Control" not in answer
            assert ("Allow: GET, POST" in answer) is (expected == 405)
            asking.post("true")
        assert asking.typed["token"].reveal() == "true"

    @pytest.mark.parametrize(
        ("forged", "expected"),
        [
            ({"token": "wrong"}, 403),
            ({"token": ""}, 403),
            ({"token": "é"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": ""}, 403),
            ({"host": "evil.example"}, 421),
            ({"path": "/other"}, 404),
            ({"Content_Type": "text/plain"}, 415),
            ({"Content_Type": ""}, 415),
            ({"Content_Length": ""}, 411),
            ({"Content_Length": "-1"}, 411),
            ({"Content_Length": "1e3"}, 411),
            ({"Content_Length": "5, 5"}, 411),
            ({"Transfer_Encoding": "chunked"}, 411),
            ({"Content_Length": str(MAX_BODY + 1)}, 413),
            ({"Content_Length": "5\r\nContent-Length: 9"}, 400),
            ({"Origin": "http://127.0.0.1:{port}\r\nOrigin: null"}, 400),
            ({"body": "token={token}&token={token}&field0=x"}, 400),
            ({"body": "token={token}&field0=%ff%fe"}, 400),
            ({"body": "token={token}&field0"}, 400),
            ({"body": "token={token}&" + "&".join(f"a{n}=1" for n in range(60))}, 400),
        ],
    )  # fmt: skip
    def test_answers_nothing_and_ends_nothing(self, forged, expected):
        with Asking() as asking:
            token = asking.token()
            forged = {
                k: v.replace("{token}", token).replace("{port}", str(asking.port))
                for k, v in forged.items()
            }
            assert status(asking.post("forged", **({"token": token} | forged))) == expected
            asking.post("true", token=token)
        assert asking.typed["token"].reveal() == "true"

    def test_a_body_that_is_too_long_is_not_read_to_its_end(self):
        with Asking() as asking:
            answer = asking.post("x" * (MAX_BODY * 4), token="t")
            assert answer == "" or status(answer) == 413  # reset while still sending
            asking.post("true")

    def test_a_key_as_long_as_keys_are_is_taken(self):
        key = "x" * (MAX_BODY - 200)
        with Asking() as asking:
            assert status(asking.post(key)) == 200
        assert asking.typed["token"].reveal() == key

    def test_slow_clients_do_not_keep_the_person_out(self):
        with Asking() as asking, ExitStack() as stack:
            for _ in range(MAX_CONNECTIONS * 2):
                sock = stack.enter_context(socket.socket())
                sock.connect(("127.0.0.1", asking.port))
                sock.sendall(f"POST {asking.path} HTTP/1.1\r\nContent-Le".encode())
            asking.post("true")
        assert asking.typed["token"].reveal() == "true"

    def test_who_announces_a_body_and_never_sends_it_is_closed(self, monkeypatch):
        monkeypatch.setattr(listener, "CONNECTION_SECONDS", 0.05)
        with Asking() as asking:
            answer = asking.ask(
                "POST", Origin=asking.origin, Content_Length="9",
                Content_Type="application/x-www-form-urlencoded",
            )  # fmt: skip
            assert answer == ""
            monkeypatch.setattr(listener, "CONNECTION_SECONDS", HANG)
            asking.post("true")


class TestTheEnd:
    def test_the_wait_is_bounded_and_says_what_to_do(self):
        with pytest.raises(LoginFailed, match="Nobody filled in the page") as caught:
            ask_on_page(
                "Shop", FIELDS, open_url=lambda url: None, say=lambda line: None,
                timeout=0.01, service="shop",
            )  # fmt: skip
        assert caught.value.hint == "arcrun setup shop"

    @pytest.mark.parametrize(
        ("result", "why"), [(NotOpened("no screen"), "no screen"), (RuntimeError(), "RuntimeError")]
    )
    def test_without_a_browser_it_says_so_and_waits_on(self, result, why):
        said, heard = [], threading.Event()

        def open_url(url):
            if isinstance(result, Exception):
                raise result
            return result

        def say(line):
            said.append(line)
            if why in line:
                heard.set()

        waiting = Asking(open_url=open_url, say=say)
        waiting.start()
        assert heard.wait(HANG)
        waiting._open(next(line for line in said if line.startswith("http")))
        with waiting:
            waiting.post("b")
        assert waiting.typed["token"].reveal() == "b"

    def test_who_came_by_ssh_is_told_the_tunnel(self):
        environ = {"SSH_CONNECTION": "192.0.2.1 5 192.0.2.9 22", "USER": "ada"}
        with Asking(environ=environ) as asking:
            asking.post("a")
        tunnel = f"ssh -N -L {asking.port}:127.0.0.1:{asking.port} ada@192.0.2.9"
        assert any(tunnel in line for line in asking.said)

    def test_ctrl_c_closes_the_port(self):
        ports = []

        def interrupted(line):
            if line.startswith("http"):
                ports.append(urlsplit(line).port)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ask_on_page("S", FIELDS, open_url=lambda url: None, say=interrupted, timeout=HANG)
        with pytest.raises(OSError), socket.socket() as sock:
            sock.connect(("127.0.0.1", ports[0]))

    def test_the_port_may_be_chosen(self):
        port = free_port()
        with Asking(port=port) as asking:
            asking.post("a")
        assert asking.port == port
