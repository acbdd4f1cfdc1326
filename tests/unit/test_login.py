"""A login from end to end, against the embedded provider over real sockets."""

from __future__ import annotations

import http.client
import io
import queue
import socket
import threading
import traceback
from contextlib import ExitStack
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
import yaml

from arcrun_auth import landing, loopback
from arcrun_auth.browser import NotOpened, Opened
from arcrun_auth.errors import AuthError, LoginFailed, ProviderUnavailable
from arcrun_auth.login import Dialogue, LoginPlan, Ways, choose, log_in
from arcrun_auth.login import screen as module
from arcrun_auth.oauth.app import App
from arcrun_auth.recipe import OAuth2, Redirect
from arcrun_auth.testing.provider import Provider
from arcrun_auth.tokens import Secret
from tests.waiting import until

HANG = 30.0


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def send(call):
    """The token client, by the smallest means."""
    url = urlsplit(call.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=HANG)
    try:
        connection.request(call.method, url.path, call.content, dict(call.headers))
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    except (http.client.HTTPException, OSError):
        raise ProviderUnavailable("no answer") from None
    finally:
        connection.close()


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def plan_for(provider, auth="none", **changes):
    data = yaml.safe_load(provider.recipe_yaml(auth=auth))["oauth2"]
    oauth2 = msgspec.convert(data | changes.pop("oauth2", {}), OAuth2)
    fields = {
        "service": "demo",
        "display_name": "Demo",
        "oauth2": oauth2,
        "app": App("demo")
        if auth == "none"
        else App(f"demo-{auth}", Secret(provider.client_secret)),
        "scopes": oauth2.scopes,
    }
    return LoginPlan(**(fields | changes))


class Browser:
    """Opens a URL as the provider's `follow` does, and keeps the page it ended on."""

    def __init__(self, provider, **options):
        self.provider, self.options = provider, options
        self.url = None
        self.page = queue.SimpleQueue()

    def __call__(self, url):
        self.url = url
        self.page.put(self.provider.follow(url, **self.options))
        return Opened("test")


def run(plan, open_url, **options):
    said = []
    dialogue = Dialogue(
        say=options.pop("say", said.append), open_url=open_url, paste=options.pop("paste", None)
    )
    ways = options.pop("ways", Ways(loopback=plan.oauth2.redirect.policy != "https_only"))
    return log_in(plan, ways, dialogue, **({"send": send, "timeout": HANG} | options)), said


class TestALoginThatSucceeds:
    @pytest.mark.parametrize("auth", ["none", "post", "basic"])
    def test_ends_with_a_grant_and_a_page_that_says_so(self, provider, auth):
        browser = Browser(provider)
        grant, said = run(plan_for(provider, auth), browser, clock=lambda: 1000.0)
        assert provider.authority.holder(f"Bearer {grant.access_token.reveal()}").user == "ada"
        assert grant.refresh_token
        assert (grant.issued, grant.expires) == (1000.0, 4600.0)
        assert grant.scopes == grant.requested == ("read", "write")
        assert "You are connected to Demo" in browser.page.get(timeout=HANG)
        assert said[1] == browser.url
        assert provider.token_requests == {"authorization_code": 1}

    def test_asks_with_a_state_and_pkce_that_no_other_login_has(self, provider):
        for _ in range(2):
            run(plan_for(provider), Browser(provider))
        one, two = provider.authorizations
        assert one["code_challenge_method"] == "S256"
        for name in ("state", "code_challenge"):
            assert one[name] != two[name]

    def test_uses_the_port_it_is_told(self, provider):
        with loopback.Loopback(Redirect()) as free:
            port = free.port
        run(plan_for(provider), Browser(provider), port=port)
        assert provider.authorizations[0]["redirect_uri"] == f"http://127.0.0.1:{port}/callback"

    def test_works_without_pkce_where_the_recipe_says_so(self, provider):
        plan = plan_for(provider, oauth2={"pkce": "no"})
        with pytest.raises(LoginFailed, match="code_challenge"):
            run(plan, Browser(provider))
        assert "code_challenge" not in provider.authorizations[0]

    def test_renders_what_is_left_to_render(self, provider):
        plan = plan_for(
            provider, oauth2={"authorize_params": {"tenant": "{{param.t}}"}}, params={"t": "acme"}
        )
        run(plan, Browser(provider))
        assert provider.authorizations[0]["tenant"] == "acme"

    def test_keeps_what_was_granted_beside_what_was_asked(self, provider):
        def narrower(url):
            return provider.follow(url.replace("scope=read+write", "scope=read"))

        grant, _ = run(plan_for(provider), narrower)
        assert (grant.scopes, grant.requested) == (("read",), ("read", "write"))


class TestTheProvidersNo:
    def test_a_cancelled_login(self, provider):
        browser = Browser(provider, allow=False)
        with pytest.raises(LoginFailed, match="cancelled") as caught:
            run(plan_for(provider), browser)
        assert (caught.value.error, caught.value.service) == ("access_denied", "demo")
        assert caught.value.hint == "arcrun setup demo"
        page = browser.page.get(timeout=HANG)
        assert "Not connected to Demo" in page
        assert "arcrun setup demo" in page
        assert provider.token_requests == {}

    def test_what_the_provider_says_is_shown_as_text(self, provider):
        def mischief(url):
            query = dict(parse_qsl(urlsplit(url).query))
            answer = {
                "state": query["state"],
                "error": "<script>alert(1)</script>",
                "error_description": "<img src=x onerror=alert(1)>\x1b[2J",
            }
            pages.put(get(f"{query['redirect_uri']}?{urlencode(answer)}"))

        pages = queue.SimpleQueue()
        with pytest.raises(LoginFailed) as caught:
            run(plan_for(provider), mischief)
        page = pages.get(timeout=HANG)
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page
        assert "\x1b" not in page + str(caught.value)

    def test_an_answer_of_another_issuer_sends_no_code_anywhere(self, provider):
        plan = plan_for(provider, oauth2={"issuer": "https://other.example"})
        with pytest.raises(LoginFailed, match="another authorization server"):
            run(plan, Browser(provider))
        assert provider.token_requests == {}

    def test_a_refused_client_is_a_failed_login(self, provider):
        plan = plan_for(provider, "post", app=App("demo-post", Secret("wrong-canary")))
        browser = Browser(provider)
        with pytest.raises(LoginFailed, match="invalid_client") as caught:
            run(plan, browser)
        assert caught.value.error == "invalid_client"
        assert "canary" not in "".join(traceback.format_exception(caught.value))
        assert "Not connected to Demo" in browser.page.get(timeout=HANG)

    @pytest.mark.parametrize("fault", [503, "garbage", "drop", "lost"])
    def test_a_code_is_never_sent_twice(self, provider, fault):
        provider.fail_next(1, fault)
        browser = Browser(provider)
        with pytest.raises(ProviderUnavailable) as caught:
            run(plan_for(provider), browser)
        assert caught.value.service == "demo"
        assert caught.value.hint == "arcrun setup demo"
        assert provider.token_requests == {"authorization_code": 1}
        assert "Not connected to Demo" in browser.page.get(timeout=HANG)


def get(url):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=HANG)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class TestNobodyAnswers:
    def test_the_time_limit_ends_the_login_with_the_uri_to_register(self, provider):
        with pytest.raises(LoginFailed, match=r"limit: 0\.05 s") as caught:
            run(plan_for(provider), lambda url: Opened("x"), timeout=0.05)
        assert "register this one: http://127.0.0.1/callback" in caught.value.message
        assert caught.value.hint == "arcrun setup demo"

    @pytest.mark.parametrize("opened", [NotOpened("there is no display"), OSError("canary")])
    def test_a_browser_that_does_not_open_is_told_and_the_login_goes_on(self, provider, opened):
        def no_browser(url):
            if isinstance(opened, Exception):
                raise opened
            return opened

        said = []

        def say(line):
            said.append(line)
            if line.startswith("No browser"):  # the person opens it by hand
                threading.Thread(target=provider.follow, args=(said[1],), daemon=True).start()

        grant, _ = run(plan_for(provider), no_browser, say=say)
        assert grant.access_token
        expected = "there is no display" if isinstance(opened, NotOpened) else "OSError"
        assert f"No browser was opened here ({expected})." in said
        assert "canary" not in "".join(said)

    def test_ctrl_c_goes_through_and_closes_the_port(self, provider, monkeypatch):
        ports = []

        def interrupted(self, accept, *, until, ended):
            ports.append(self.port)
            raise KeyboardInterrupt

        monkeypatch.setattr(loopback.Loopback, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(plan_for(provider), lambda url: Opened("x"))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[0]), timeout=HANG)

    def test_a_taken_port_ends_it_at_once(self, provider):
        with loopback.Loopback(Redirect()) as other, pytest.raises(LoginFailed) as caught:
            run(plan_for(provider), Browser(provider), port=other.port)
        assert str(other.port) in str(caught.value)
        assert caught.value.service == "demo"


class TestPasting:
    """The browser sits on another machine: its last address is typed in here."""

    def lines(self, provider, said, *texts):
        """A `paste` that types `texts` in order; `{url}` is the true address."""
        texts = iter(texts)

        def paste():
            text = next(texts, None)
            if text and "{url}" in text:
                text = text.replace("{url}", provider.redirected(said[1]))
            return text

        return paste

    def test_the_pasted_address_logs_in(self, provider):
        said = []
        grant, _ = run(
            plan_for(provider),
            lambda url: NotOpened("ssh"),
            say=said.append,
            paste=self.lines(provider, said, "  {url}\n"),
        )
        assert grant.access_token
        assert any("paste it here" in line for line in said)

    def test_a_wrong_line_is_told_and_asked_again(self, provider):
        said = []
        paste = self.lines(
            provider, said, "", "nonsense", "http://127.0.0.1/callback?code=x&state=forged", "{url}"
        )
        grant, _ = run(plan_for(provider), lambda url: None, say=said.append, paste=paste)
        assert grant.access_token
        assert said.count(module._NOT_IT) == 2
        assert provider.token_requests == {"authorization_code": 1}

    @pytest.mark.parametrize("end", [None, EOFError()])
    def test_where_nobody_can_type_the_browser_still_counts(self, provider, end):
        asked = []

        def paste():
            asked.append(threading.current_thread())
            if isinstance(end, Exception):
                raise end
            return end

        grant, _ = run(plan_for(provider), Browser(provider), paste=paste)
        assert grant.access_token
        until(lambda: asked)  # it may be slower than the browser
        asked[0].join(HANG)
        assert len(asked) == 1

    def test_endless_nonsense_is_not_read_for_ever(self, provider):
        asked = []

        def paste():
            asked.append(threading.current_thread())
            return "nonsense"

        def when_no_more_is_read(url):
            until(lambda: asked)
            asked[0].join(HANG)
            provider.follow(url)

        grant, _ = run(plan_for(provider), when_no_more_is_read, paste=paste)
        assert grant.access_token
        assert len(asked) == module.MAX_PASTES

    def test_a_prompt_that_is_left_behind_asks_no_more_when_the_browser_won(self, provider):
        typed = threading.Event()
        asked = []

        def paste():
            asked.append(threading.current_thread())
            typed.wait(HANG)
            return "too late"

        grant, _ = run(plan_for(provider), Browser(provider), paste=paste)
        assert grant.access_token
        until(lambda: asked)  # it may be slower than the browser
        assert asked[0].daemon
        typed.set()
        asked[0].join(HANG)
        assert len(asked) == 1

    def test_an_https_only_provider_needs_no_listener(self, provider):
        provider.register("demo", redirect_uris=("https://localhost/callback",))
        plan = plan_for(
            provider, oauth2={"redirect": {"policy": "https_only", "host": "localhost"}}
        )
        said = []
        grant, _ = run(
            plan,
            lambda url: None,
            say=said.append,
            paste=self.lines(provider, said, "{url}"),
        )
        assert grant.access_token
        assert provider.authorizations[0]["redirect_uri"] == "https://localhost/callback"
        assert module._PASTE_ONLY in said

    def test_a_wrong_line_is_told_before_the_next_is_typed(self, provider):
        provider.register("demo", redirect_uris=("https://127.0.0.1/callback",))
        plan = plan_for(provider, oauth2={"redirect": {"policy": "https_only"}})
        said, told, lines = [], threading.Event(), iter(["nonsense"])

        def say(line):
            said.append(line)
            if line == module._NOT_IT:
                told.set()

        def paste():
            if (line := next(lines, None)) is None:
                assert told.wait(HANG)
                return provider.redirected(said[1])
            return line

        assert run(plan, lambda url: None, say=say, paste=paste)[0].access_token

    def test_an_https_only_provider_is_refused_where_nobody_can_paste(self, provider):
        plan = plan_for(provider, oauth2={"redirect": {"policy": "https_only"}})
        with pytest.raises(LoginFailed, match="paste") as caught:
            choose(plan, can_paste=False, can_open=True, elsewhere=False)
        assert caught.value.hint == "arcrun setup demo"

    def test_an_https_only_login_ends_when_nobody_can_type_any_more(self, provider):
        plan = plan_for(provider, oauth2={"redirect": {"policy": "https_only"}})
        with pytest.raises(LoginFailed, match="Nobody finished"):
            run(plan, lambda url: None, paste=lambda: None, timeout=1e9)

    def test_an_https_only_login_times_out_too(self, provider):
        plan = plan_for(provider, oauth2={"redirect": {"policy": "https_only"}})
        typed = threading.Event()
        with pytest.raises(LoginFailed, match="Nobody finished"):
            run(plan, lambda url: None, paste=lambda: typed.wait(HANG) and None, timeout=0.05)
        typed.set()

    def test_a_cancel_can_be_pasted_too(self, provider):
        said = []

        def paste():
            return provider.redirected(said[1], allow=False)

        with pytest.raises(LoginFailed, match="cancelled"):
            run(plan_for(provider), lambda url: None, say=said.append, paste=paste)
        provider.register("demo", redirect_uris=("https://127.0.0.1/callback",))
        plan = plan_for(provider, oauth2={"redirect": {"policy": "https_only"}})
        said.clear()
        with pytest.raises(LoginFailed, match="cancelled"):
            run(plan, lambda url: None, say=said.append, paste=paste)


class TestUnderAttack:
    def test_a_thousand_stray_and_forged_requests_do_not_matter(self, provider):
        """R3: noise of every kind, fifty silent clients, and then the person."""
        with ExitStack() as stack:
            attacked = []

            def attack_then_follow(url):
                port = urlsplit(dict(parse_qsl(urlsplit(url).query))["redirect_uri"]).port
                for _ in range(50):
                    slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                    slow.sendall(b"GET /callback?co")
                attacked.extend(forge(port, number) for number in range(1000))
                return provider.follow(url)

            grant, _ = run(plan_for(provider), attack_then_follow)
        assert provider.authority.holder(f"Bearer {grant.access_token.reveal()}").user == "ada"
        assert len(attacked) == 1000
        assert all(answer == b"" or answer.split()[1][:1] == b"4" for answer in attacked)
        assert provider.token_requests == {"authorization_code": 1}

    def test_the_first_of_two_true_answers_wins_and_the_code_goes_out_once(self, provider):
        def twice(url):
            target = provider.redirected(url)
            threads = [threading.Thread(target=quietly, args=(target,)) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(HANG)

        def quietly(target):
            try:
                get(target)
            except OSError:
                pass
            except http.client.HTTPException:
                pass

        grant, _ = run(plan_for(provider), twice)
        assert grant.access_token
        assert provider.token_requests == {"authorization_code": 1}


TARGETS = (
    "/favicon.ico",
    "/callback?code=forged&state=forged",
    "/callback?error=access_denied",
    "/callback?error=access_denied&state=forged&error_description=x",
    "/callback?code=forged",
    "/callback",
    "/callback?code=forged&state=" + "a" * 64 * 1024,
    "/other?code=forged&state=forged",
)


def forge(port, number):
    host = "evil.example" if number % 11 == 0 else f"127.0.0.1:{port}"
    origin = "Origin: https://evil.example\r\n" if number % 13 == 0 else ""
    method = "POST" if number % 17 == 0 else "GET"
    target = TARGETS[number % len(TARGETS)]
    request = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as sock:
        try:
            sock.sendall(request.encode())
            return sock.recv(65536)
        except OSError:  # it was cut off while it still talked
            return b""


def test_an_error_without_a_hint_has_a_page_too():
    page = landing.failed("A & B", AuthError("<it> broke")).decode()
    assert "Not connected to A &amp; B" in page
    assert "&lt;it&gt; broke" in page
    assert "What to do" not in page


def test_the_plan_shows_no_secret(provider):
    plan = plan_for(provider, "post")
    assert provider.client_secret not in repr(plan)
    with pytest.raises(AttributeError):
        plan.service = "other"


def test_a_line_that_cannot_be_printed_leaves_nothing_open(provider):
    def say(line):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(plan_for(provider), Browser(provider), say=say)
    assert provider.requests == {}


def test_nothing_is_printed_by_the_library_itself(provider, capsys):
    out = io.StringIO()
    run(plan_for(provider), Browser(provider), say=lambda line: print(line, file=out))
    assert capsys.readouterr() == ("", "")
