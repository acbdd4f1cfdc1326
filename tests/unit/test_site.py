"""Pages on this machine: who is let in, what is refused, and that nobody keeps others waiting."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode, urlsplit

import pytest

from arcrun_auth import callers, landing, listener
from arcrun_auth.agents import site as module
from arcrun_auth.agents.site import Route, Site, Visit
from arcrun_auth.errors import AuthError
from tests import canary
from tests.knocking import HANG, ask, post, send, status
from tests.surfer import Surfer

BIG = b"<!doctype html>" + b"x" * 3_000_000


class Desk:
    """A site with a page of each kind. `told` is what its forms sent."""

    def __init__(self, **options):
        self.told = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.slow = threading.Semaphore(0)
        self.site = Site(
            [
                Route("GET", "/", lambda visit: visit.site.show(landing.received())),
                Route("GET", "/big", lambda visit: visit.site.show(BIG)),
                Route("GET", "/slow", self._slow, slow=True),
                Route("GET", "/services/{name}", self._named),
                Route("GET", "/form", self._form),
                Route("POST", "/form", self._take),
                Route("GET", "/refused", self._refused),
                Route("GET", "/broken", lambda _: {}["a secret"], slow=True),
            ],
            **options,
        )

    def _named(self, visit):
        self.told.append((visit.parts, visit.query))
        return visit.site.show(landing.received())

    def _form(self, visit):
        button = landing.press(visit.site.token, visit.site.at("/form"), "Press", name="pressed")
        return visit.site.show(landing.page("", "Form", button))

    def _take(self, visit):
        self.told.append(dict(visit.form))
        return visit.site.go("/")

    def _slow(self, visit):
        self.slow.release()
        assert self.go.wait(HANG)
        return visit.site.show(landing.received())

    def _refused(self, visit):
        raise AuthError("Not <this>.", hint="arcrun list")

    def __enter__(self):
        self.site.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self.site.close()

    @property
    def port(self):
        return self.site.port

    def somebody(self):
        """The browser that got the link, with the cookie to show."""
        browser = Surfer()
        assert browser.open(self.site.url).title == "Thank you, that is all"
        self.cookie = "; ".join(f"{each.name}={each.value}" for each in browser.jar)
        return browser

    def ask(self, path, **headers):
        return ask(self.port, self.site.at(path), **({"Cookie": self.cookie} | headers))

    @contextmanager
    def slow_reader(self):
        """Somebody who has asked for the big page, and has little room for it."""
        self.somebody()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(HANG)
            sock.connect(("127.0.0.1", self.port))
            lines = [
                f"GET {self.site.at('/big')} HTTP/1.1",
                f"Host: 127.0.0.1:{self.port}",
                f"Cookie: {self.cookie}",
            ]
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            yield sock

    def is_alone(self):
        end = time.monotonic() + HANG
        while self.site._listener._clients:
            assert time.monotonic() < end
            time.sleep(0.01)

    def post(self, path="/form", *, token=None, body=None, **headers):
        values = {landing.TOKEN: self.site.token if token is None else token, "a": "b"}
        body = urlencode(values) if body is None else body
        return post(self.port, self.site.at(path), body, **({"Cookie": self.cookie} | headers))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """A site that is closed notices it at once: most tests close one."""
    monkeypatch.setattr(listener, "TICK", 0.01)


@pytest.fixture
def desk():
    with Desk() as running:
        yield running


class TestTheLink:
    def test_lets_one_browser_in_once(self, desk):
        first, second = desk.somebody(), Surfer()
        assert desk.site.opened
        assert second.open(desk.site.url).title == "This link does not work"
        assert second.status == 410
        assert "Run the command again." in second.page.text
        assert len(second.jar) == 0
        assert second.open(f"http://127.0.0.1:{desk.port}{desk.site.at('/')}").title == (
            "This link does not work"
        )
        assert second.status == 403
        assert first.open(desk.site.at("/")).title == "Thank you, that is all"

    def test_is_over_in_time(self, desk, monkeypatch):
        monkeypatch.setattr(module, "LINK_SECONDS", -1)
        late = Surfer()
        late.open(desk.site.url)
        assert late.status == 410
        assert not desk.site.opened

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"method": "HEAD"}, 405),
            ({"method": "POST", "Content_Length": "0"}, 405),
            ({"Sec_Purpose": "prefetch;prerender"}, 403),
            ({"host": "evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
        ],
    )
    def test_is_not_used_up_by_whoever_does_not_go_there(self, desk, asked, expected):
        path = desk.site.url.partition(str(desk.port))[2]
        assert status(ask(desk.port, path, **asked)) == expected
        assert not desk.site.opened
        desk.somebody()

    def test_may_stand_on_a_foreign_page_and_leads_on_without_a_redirect(self, desk):
        path = desk.site.url.partition(str(desk.port))[2]
        answer = ask(desk.port, path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
        # A redirect would still be of the foreign page: it would come without the Strict cookie.
        assert status(answer) == 200
        assert 'http-equiv="refresh"' in answer
        assert "Referrer-Policy: no-referrer" in answer

    def test_leaves_a_cookie_that_goes_nowhere_else(self, desk):
        browser = Surfer()
        browser.only(desk.site.url)
        (cookie,) = browser.set_cookies
        folder = desk.site.at("")
        assert len(folder) > 20
        name, _, rest = cookie.partition("=")
        assert name == f"arcrun-{desk.port}"
        assert rest.endswith(f"; Path={folder}; SameSite=Strict; HttpOnly")
        assert len(rest.partition(";")[0]) >= 43

    def test_is_another_one_each_time(self, desk):
        with Site([]) as other:
            assert len({desk.site.url[-43:], other.url[-43:], desk.site.token, other.token}) == 4
            assert desk.site.at("") != other.at("")


class TestStrangers:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"Cookie": ""}, 403),
            ({"Cookie": "arcrun-{port}=wrong"}, 403),
            ({"Cookie": "arcrun-{port}"}, 403),
            ({"Cookie": "arcrun-1={pass}"}, 403),
            ({"Cookie": "{cookie}\r\nCookie: {cookie}"}, 400),
            ({"host": "evil.example"}, 421),
            ({"host": "localhost:{port}"}, 421),
            ({"host": "127.0.0.1"}, 421),
            ({"host": "127.0.0.1:{port}@evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": "https://127.0.0.1:{port}"}, 403),
            ({"Sec_Fetch_Site": "cross-site"}, 403),
            ({"Sec_Fetch_Site": "odd"}, 403),
            ({"Sec_Fetch_Site": "none\r\nSec-Fetch-Site: cross-site"}, 400),
        ],
    )
    def test_are_shown_no_page(self, desk, asked, expected):
        desk.somebody()
        told = {
            name: text.replace("{port}", str(desk.port))
            .replace("{cookie}", desk.cookie)
            .replace("{pass}", desk.cookie.partition("=")[2])
            for name, text in asked.items()
        }
        answer = desk.ask("/form", **told)
        assert status(answer) == expected
        assert desk.site.token not in answer
        assert "Access-Control" not in answer
        assert status(desk.ask("/form")) == 200

    def test_with_the_cookie_alone_find_no_page(self, desk):
        desk.somebody()
        for path in ("/", "/form", "/favicon.ico", "/" + "a" * len(desk.site.at("/form")[1:]),
                     desk.site.at("")):  # fmt: skip
            assert status(ask(desk.port, path, Cookie=desk.cookie)) == 404

    def test_may_have_put_a_cookie_beside_ours(self, desk):
        desk.somebody()
        assert status(desk.ask("/", Cookie=f"arcrun-{desk.port}=theirs; a; {desk.cookie}")) == 200

    def test_may_come_a_thousand_times(self, desk):
        browser = desk.somebody()
        path = f"{desk.site.at('/form')} HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\n\r\n"
        for _ in range(20):  # fifty at a time wait to be accepted
            with ExitStack() as stack:
                for number in range(50):
                    sock = stack.enter_context(socket.socket())
                    sock.connect(("127.0.0.1", desk.port))
                    sock.sendall(f"GET {path}"[: 3 * number].encode())
                assert status(ask(desk.port, "/")) == 404
        assert browser.open(desk.site.at("/")).title == "Thank you, that is all"

    @pytest.mark.parametrize(
        ("forged", "expected"),
        [
            ({"token": "wrong"}, 403),
            ({"token": ""}, 403),
            ({"Origin": ""}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Sec_Fetch_Site": "same-site"}, 403),
            ({"Sec_Fetch_Site": "none"}, 403),
            ({"Cookie": ""}, 403),
            ({"Content_Type": "text/plain"}, 415),
            ({"Content_Type": "application/json"}, 415),
            ({"Content_Length": "9999999"}, 413),
            ({"Transfer_Encoding": "chunked"}, 411),
            ({"body": "token={token}&token={token}"}, 400),
            ({"body": "token={token}&" + "&".join(f"a{n}=1" for n in range(60))}, 400),
        ],
    )
    def test_have_no_form_taken(self, desk, forged, expected):
        desk.somebody()
        forged = {name: text.replace("{token}", desk.site.token) for name, text in forged.items()}
        assert status(desk.post(**forged)) == expected
        assert desk.told == []
        assert status(desk.post(Sec_Fetch_Site="same-origin")) == 303


class TestThePages:
    def test_are_found_by_their_pattern(self, desk):
        browser = desk.somebody()
        browser.open(desk.site.at("/services/notion%40work") + "?tab=log&empty=")
        assert desk.told == [({"name": "notion@work"}, {"tab": "log", "empty": ""})]
        assert status(desk.ask("/services/notion?tab=1&tab=2")) == 400
        for path in ("/services", "/services/a/b", "/Services/a", "//", "/../form"):
            assert status(desk.ask(path)) == 404, path

    def test_take_the_methods_they_have(self, desk):
        desk.somebody()
        for method, path, allowed in (
            ("HEAD", "/", "GET"), ("PUT", "/form", "GET, POST"), ("POST", "/", "GET"),
        ):  # fmt: skip
            answer = desk.ask(path, method=method, Content_Length="0")
            assert status(answer) == 405
            assert f"Allow: {allowed}\r\n" in answer

    def test_post_and_lead_on(self, desk):
        browser = desk.somebody()
        browser.open(desk.site.at("/form"))
        assert browser.press("Press").title == "Thank you, that is all"
        assert desk.told == [{"pressed": "1"}]

    def test_are_kept_nowhere_and_run_nothing(self, desk):
        desk.somebody()
        head = desk.ask("/form").partition("\r\n\r\n")[0]
        for line in (
            "Cache-Control: no-store",
            "Referrer-Policy: same-origin",
            "X-Content-Type-Options: nosniff",
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ):
            assert line in head
        assert "script-src" not in head

    def test_may_have_one_script_and_one_style_to_the_letter(self):
        with Desk(script="alert(1)", style="b{color:red}") as desk:
            desk.somebody()
            head = desk.ask("/").partition("\r\n\r\n")[0]
            assert "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in head
            assert "connect-src 'self'" in head
            assert head.count("'sha256-") == 3
            assert "unsafe" not in head

    def test_an_error_is_a_page_and_ends_nothing(self, desk, caplog):
        browser = desk.somebody()
        browser.open(desk.site.at("/refused"))
        assert browser.status == 409
        assert "Not &lt;this&gt;." in browser.page.text
        assert "arcrun list" in browser.page.text
        with caplog.at_level(logging.WARNING, "arcrun_auth"):
            assert status(desk.ask("/broken")) == 500
        assert "KeyError" in caplog.text
        assert "a secret" not in caplog.text  # what an exception says could be anything
        assert browser.open(desk.site.at("/")).title == "Thank you, that is all"


class TestManyAtOnce:
    def test_a_slow_answer_keeps_nobody_waiting(self, desk):
        desk.somebody()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(desk.ask("/slow")))
        waiting.start()
        assert desk.slow.acquire(timeout=HANG)
        assert status(desk.ask("/")) == 200
        assert answers == []
        desk.go.set()
        waiting.join(HANG)
        assert status(answers[0]) == 200

    def test_of_slow_answers_there_is_a_limit(self, desk, monkeypatch):
        monkeypatch.setattr(module, "MAX_SLOW", 1)
        with Desk() as small:
            small.somebody()
            waiting = threading.Thread(target=small.ask, args=("/slow",))
            waiting.start()
            assert small.slow.acquire(timeout=HANG)
            assert status(small.ask("/slow")) == 503
            small.go.set()
            waiting.join(HANG)
            assert status(small.ask("/slow")) == 200

    def test_a_slow_answer_makes_room_before_it_is_given(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_SLOW", 1)
        with Site([]) as site:
            shown = Route("GET", "/", lambda visit: visit.site.show(b""), slow=True)
            free = []
            assert site._slow.acquire(blocking=False)
            site._respond_later(
                shown, Visit(site, "GET", "/"),
                lambda reply: free.append(site._slow.acquire(blocking=False)),
            )  # fmt: skip
        assert free == [True]

    def test_a_large_page_arrives_whole_and_whoever_reads_it_slowly_is_alone_with_that(self, desk):
        with desk.slow_reader() as sock:
            read = sock.recv(1024)
            assert status(desk.ask("/")) == 200  # others are heard meanwhile
            while chunk := sock.recv(1 << 20):
                read += chunk
        assert len(read.partition(b"\r\n\r\n")[2]) == len(BIG)
        assert read.endswith(BIG[-100_000:])

    def test_whoever_takes_no_page_is_left_in_time(self, desk, monkeypatch):
        monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.05)
        with desk.slow_reader():
            desk.is_alone()

    def test_whoever_hangs_up_amid_a_page_ends_nothing(self, desk):
        with desk.slow_reader() as sock:
            assert sock.recv(1024)
            reset = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        desk.is_alone()
        assert status(desk.ask("/")) == 200

    def test_a_crowd_drives_out_nobody_whose_answer_is_in_the_making(self, desk):
        desk.somebody()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(desk.ask("/slow")))
        waiting.start()
        assert desk.slow.acquire(timeout=HANG)
        with ExitStack() as stack:
            for _ in range(listener.MAX_CONNECTIONS * 2):
                sock = stack.enter_context(socket.socket())
                sock.connect(("127.0.0.1", desk.port))
                sock.sendall(b"GET /")
            assert status(desk.ask("/")) == 200
            desk.go.set()
            waiting.join(HANG)
        assert status(answers[0]) == 200

    def test_whoever_leaves_before_the_answer_misses_it(self, desk):
        desk.somebody()
        with socket.create_connection(("127.0.0.1", desk.port), timeout=HANG) as sock:
            asked = f"GET {desk.site.at('/slow')} HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\n"
            sock.sendall(f"{asked}Cookie: {desk.cookie}\r\n\r\nand more".encode())
            assert desk.slow.acquire(timeout=HANG)
        desk.go.set()
        while desk.site._slow._value < module.MAX_SLOW:  # until that answer has been made
            time.sleep(0.01)
        assert status(desk.ask("/")) == 200


class TestTheEnd:
    def test_comes_when_nobody_has_come_for_a_while(self):
        site = Site([], idle=0.0)
        site.run()
        with pytest.raises(OSError):
            send(site.port, b"")

    def test_strangers_do_not_put_it_off(self, desk):
        before = desk.site._last
        assert status(ask(desk.port, "/")) == 404
        assert status(ask(desk.port, desk.site.at("/"))) == 403
        assert desk.site._last == before
        desk.somebody()
        assert desk.site._last > before

    def test_is_closed_from_whatever_thread_and_what_was_asked_is_still_answered(self, desk):
        desk.somebody()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(desk.ask("/slow")))
        waiting.start()
        assert desk.slow.acquire(timeout=HANG)
        closing = threading.Thread(target=desk.site.close)
        closing.start()
        while status(desk.ask("/")) != 503:  # nobody else is let in
            time.sleep(0.01)
        desk.go.set()
        for thread in (waiting, closing):
            thread.join(HANG)
            assert not thread.is_alive()
        assert status(answers[0]) == 200
        desk.site.close()
        with pytest.raises(OSError):
            send(desk.port, b"")

    def test_does_not_wait_for_an_answer_that_never_comes(self, desk, monkeypatch):
        monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.05)
        desk.somebody()
        waiting = threading.Thread(target=desk.ask, args=("/slow",))
        waiting.start()
        assert desk.slow.acquire(timeout=HANG)
        desk.site.close()
        waiting.join(HANG)
        assert not waiting.is_alive()

    def test_comes_for_one_that_never_ran(self):
        with Site([]) as site:
            pass
        with pytest.raises(OSError):
            send(site.port, b"")

    def test_a_wished_port_is_taken_and_let_go_of(self):
        with Site([]) as first:
            port = first.port
        with Site([], port=port) as again:
            assert again.url.startswith(f"http://127.0.0.1:{port}/open/")

    def test_nothing_of_it_is_a_secret_that_shows(self, desk, capfd):
        desk.somebody()
        desk.post(body=urlencode({landing.TOKEN: desk.site.token, "key": canary.fresh("typed")}))
        assert canary.hits(desk.told[0]["key"])
        assert not canary.hits("".join(capfd.readouterr()))


class TestOtherUsers:
    """A browser's command line, with the link in it, can be read by all users of a machine."""

    @pytest.fixture
    def stranger(self, monkeypatch):
        """From here on, whoever connects is somebody else: we are."""
        monkeypatch.setattr(callers, "_ROOT", -1)
        monkeypatch.setattr(callers.os, "geteuid", lambda: 4242)

    @pytest.mark.skipif(sys.platform != "linux", reason="the system tells nobody whose a socket is")
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_another_user_who_knows_the_link_opens_nothing(self, stranger, host) -> None:
        with Site([Route("GET", "/", lambda visit: visit.site.show(BIG))]) as site:
            site.start()
            path = urlsplit(site.url).path
            asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode()
            assert send(site.port, asked, host) == ""
            assert not site.opened
            site.for_anybody()
            assert "200 OK" in send(site.port, asked, host)

    @pytest.fixture(params=["asked", "looked up", "told by nobody"])
    def way(self, request, monkeypatch):
        """How the system tells: it answers a question, or has a table alone, or neither."""
        if request.param != "asked":
            monkeypatch.setattr(callers, "_SOCK_DIAG", 31)  # there is no such protocol
        if request.param == "told by nobody":
            monkeypatch.setattr(callers, "_TABLES", ("/nowhere",))
        elif sys.platform != "linux":
            pytest.skip("the system tells nobody whose a socket is")
        return request.param

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_our_own_programs_are_no_strangers(self, way, host) -> None:
        with linked(host, host) as (ours, _):
            assert not callers.is_stranger(ours)

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_another_user_s_are_where_anything_is_told(self, way, stranger, host) -> None:
        with linked(host, host) as (ours, _):
            assert callers.is_stranger(ours) == (way != "told by nobody")

    def test_a_socket_of_ipv6_that_speaks_ipv4_is_found(self, way, stranger) -> None:
        with linked("127.0.0.1", "::ffff:127.0.0.1") as (ours, _):
            assert callers.is_stranger(ours) == (way != "told by nobody")

    def test_whoever_asks_and_hangs_up_at_once_is_let_in_by_no_other_s_name(self, way) -> None:
        with linked("127.0.0.1", "127.0.0.1") as (ours, theirs):
            theirs.close()  # from now on its socket is root's, if you believe the system
            assert callers.is_stranger(ours) == (way != "told by nobody")

    def test_both_ways_tell_the_same(self) -> None:
        if sys.platform != "linux":
            pytest.skip("the system tells nobody whose a socket is")
        for server, client in (("127.0.0.1",) * 2, ("::1",) * 2, ("127.0.0.1", "::ffff:127.0.0.1")):
            with linked(server, client) as (ours, theirs):
                ends = [callers._address(name()) for name in (ours.getpeername, ours.getsockname)]
                asked = callers._asked(*ends)
                assert asked == callers._looked_up(*ends)
                assert asked == (os.geteuid(), os.fstat(theirs.fileno()).st_ino)
                assert callers._asked(ends[0], (ends[1][0], 1)) is None, "there is no such socket"

    def test_who_has_gone_is_nobody(self, way) -> None:
        with linked("127.0.0.1", "127.0.0.1") as (ours, _):
            pass
        assert not callers.is_stranger(ours)


@contextmanager
def linked(server, client):
    """Both ends of a connection between the two addresses: ours, and the client's."""
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in (server, client)]
    with (
        socket.create_server((server, 0), family=families[0]) as listening,
        socket.socket(families[1]) as theirs,
    ):
        theirs.connect((client, listening.getsockname()[1]))
        with listening.accept()[0] as ours:
            yield ours, theirs
