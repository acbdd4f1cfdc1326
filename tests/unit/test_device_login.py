"""A login by a code on another device: how it polls, how it ends, and how it races the rest."""

from __future__ import annotations

import json
import queue
import socket
import threading
from contextlib import contextmanager, suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError, LoginFailed, ProviderUnavailable
from arcrun_auth.login import Dialogue, LoginPlan, Ways, log_in
from arcrun_auth.login import device as devices
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.device import INTERVAL, LIFETIME, read_device_code
from arcrun_auth.recipe import Diagnosis, OAuth2
from arcrun_auth.recipe.model import When
from arcrun_auth.testing import Provider
from tests import canary
from tests.unit.test_login import HANG, Answer, Browser, plan_for, send
from tests.waiting import none_left, threads

ADDRESS = "https://id.example/activate"


def code_answer(**changes) -> Answer:
    data = {
        "device_code": canary.fresh("dc"),
        "user_code": "ABCD-EFGH",
        "verification_uri": ADDRESS,
        "expires_in": 600,
        "interval": 5,
    } | changes
    body = {name: value for name, value in data.items() if value is not None}
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())


def refusal(error: str, status: int = 400) -> Answer:
    return Answer(status, {}, json.dumps({"error": error}).encode())


def token_answer() -> Answer:
    return Answer(200, {}, json.dumps({"access_token": canary.fresh("at")}).encode())


class Script:
    """A provider whose answers are written down: a stub, since no real one misbehaves so."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.calls = []

    def __call__(self, call):
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pauses:
    """Stands for the event that ends a login: it only notes how long each wait would be."""

    def __init__(self, clock=None, until=1000) -> None:
        self.waits = []
        self.clock, self.until = clock, until

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if self.clock is not None:
            self.clock.now += seconds
        return len(self.waits) > self.until


class Clock:
    """Stands for `time` in the module: hours pass at once."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def plan(**fields) -> LoginPlan:
    oauth2 = OAuth2(
        token_endpoint="https://id.example/token",
        device_authorization_endpoint="https://id.example/device",
        grants=("device_code",),
    )
    return LoginPlan(**({"service": "demo", "display_name": "Demo", "oauth2": oauth2,
                         "app": App("cid"), "scopes": ("read",)} | fields))  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(devices, "time", clock)
    return clock


def polled(clock, *answers, code=None, **fields):
    """The grant or the error, and the pauses before each question."""
    script = Script(code or code_answer(), *answers)
    login = devices.DeviceLogin(plan(**fields), send=script, clock=lambda: 5.0)
    pauses = Pauses(clock)
    try:
        return login.run(pauses), pauses.waits, script
    except AuthError as error:
        return error, pauses.waits, script


# -- polling -------------------------------------------------------------------------------


def test_it_asks_at_the_interval_until_somebody_has_agreed(clock) -> None:
    pending = [refusal("authorization_pending")] * 3
    grant, waits, script = polled(clock, *pending, token_answer(), code=code_answer(interval=7))
    assert grant.requested == ("read",)
    assert waits == [7.0] * 4
    assert b"device_code=" in script.calls[1].content


def test_slow_down_is_for_all_questions_that_follow(clock) -> None:
    answers = [refusal("slow_down"), refusal("authorization_pending"), refusal("slow_down")]
    _, waits, _ = polled(clock, *answers, token_answer())
    assert waits == [5.0, 10.0, 10.0, 15.0]  # RFC 8628 §3.5: five seconds more, for good


@pytest.mark.parametrize(
    "silent",
    [
        ProviderUnavailable("no answer"),
        Answer(503, {}, b""),
        Answer(429, {"retry-after": "1"}, b""),
        Answer(200, {"content-type": "text/html"}, b"<html>"),
        Answer(502, {}, b"\xff"),
    ],
)
def test_a_server_that_does_not_answer_is_asked_more_and_more_slowly(clock, silent) -> None:
    _, waits, _ = polled(clock, *[silent] * 6, token_answer())
    assert waits == [5.0, 10.0, 20.0, 40.0, devices.SLOWEST, devices.SLOWEST, devices.SLOWEST]


def test_a_failure_never_makes_it_ask_faster_than_the_provider_wants(clock) -> None:
    slow = code_answer(interval=100)
    _, waits, _ = polled(clock, Answer(503, {}, b""), token_answer(), code=slow)
    assert waits == [100.0, 100.0]


def later(status, seconds, error="") -> Answer:
    body = json.dumps({"error": error} if error else {}).encode()
    return Answer(status, {"retry-after": str(seconds)}, body)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_asked_no_sooner(clock, status) -> None:
    answers = [later(status, 90), refusal("authorization_pending"), later(status, 3)]
    _, waits, _ = polled(clock, *answers, token_answer())
    assert waits == [5.0, 90.0, 10.0, 20.0]  # once, and never sooner than without its word


@pytest.mark.parametrize("error", ["authorization_pending", "slow_down"])
def test_so_is_one_that_says_it_beside_a_reason(clock, error) -> None:
    slower = 10.0 if error == "slow_down" else 5.0
    answers = [later(429, 30, error), later(400, 1, error), token_answer()]
    _, waits, _ = polled(clock, *answers)
    assert waits == [5.0, 30.0, slower + (5.0 if error == "slow_down" else 0.0)]


@pytest.mark.parametrize("seconds", [600, 10**9 - 1])
def test_nobody_waits_longer_than_the_code_lives(clock, seconds) -> None:
    error, waits, script = polled(clock, later(503, seconds))
    assert (error.error, waits, script.answers) == ("expired_token", [5.0, 595.0], [])


def test_a_long_wait_ends_when_another_way_has_won() -> None:
    script = Script(code_answer(), later(503, 10_000))
    login = devices.DeviceLogin(plan(), send=script, clock=lambda: 5.0)
    assert login.run(Pauses(until=1)) is None


@pytest.mark.parametrize("last", ["here", "there"])
def test_a_code_that_nobody_entered_has_expired(clock, last) -> None:
    pending = [refusal("authorization_pending")] * (3 if last == "here" else 1)
    answers = [*pending, *([refusal("expired_token")] if last == "there" else [])]
    error, waits, script = polled(clock, *answers, code=code_answer(expires_in=12))
    assert isinstance(error, LoginFailed)
    assert (error.error, error.service, error.hint) == (
        "expired_token",
        "demo",
        "arcrun setup demo",
    )
    assert "Nobody entered the code" in error.message
    assert set(waits) == {5.0}  # the last question comes no sooner than any other
    assert script.answers == []


def test_a_no_is_a_cancelled_login(clock) -> None:
    error, _, _ = polled(clock, refusal("access_denied"))
    assert "cancelled" in error.message
    assert error.error == "access_denied"


@pytest.mark.parametrize("code", ["access_denied", "expired_token", "invalid_client"])
def test_what_the_recipe_says_of_a_refusal_goes_first(clock, code) -> None:
    rule = Diagnosis(when=When(error=code), say="An administrator has to agree.", do="Ask them.")
    error, _, _ = polled(clock, refusal(code), rules=(rule,))
    assert isinstance(error, LoginFailed)
    assert (error.error, error.meaning, error.hint) == (code, rule.say, "Ask them.")
    assert rule.say in error.message


def test_once_it_is_stopped_it_asks_no_more(clock) -> None:
    script = Script(code_answer(), refusal("authorization_pending"))
    login = devices.DeviceLogin(plan(), send=script, clock=lambda: 5.0)
    assert login.run(Pauses(clock, until=1)) is None
    assert script.answers == []


# -- the code ------------------------------------------------------------------------------


def test_the_older_name_of_the_address_is_read() -> None:
    old = code_answer(
        verification_uri=None, verification_url=ADDRESS, verification_url_complete=ADDRESS + "?c=1"
    )
    code = read_device_code(OAuth2(), 200, old.body)
    assert (code.uri, code.complete_uri) == (ADDRESS, ADDRESS + "?c=1")


def test_a_form_is_read_too() -> None:
    body = f"device_code=d&user_code=u&verification_uri={ADDRESS}&interval=3".encode()
    code = read_device_code(OAuth2(), 200, body)
    assert (code.user_code, code.interval, code.expires_in) == ("u", 3.0, LIFETIME)


@pytest.mark.parametrize("value", [None, 0, -1, "soon", "nan", "inf", [], {}, 10**400, 1e300])
def test_a_time_that_cannot_be_is_the_one_of_the_standard(value) -> None:
    code = read_device_code(OAuth2(), 200, code_answer(interval=value, expires_in=value).body)
    assert (code.interval, code.expires_in) == (INTERVAL, LIFETIME)


@pytest.mark.parametrize("field", ["device_code", "user_code", "verification_uri"])
@pytest.mark.parametrize("value", [None, "", 7, [], "a\nb", "\ud800", "\x1b[2J"])
def test_half_a_code_is_none(field, value) -> None:
    answer = code_answer(**{field: value})
    with pytest.raises(LoginFailed, match="it answered 200"):
        read_device_code(OAuth2(), 200, answer.body)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refusal("unauthorized_client"), "unauthorized_client"),
        (Answer(404, {}, b"<html>\x1b[2J"), "it answered 404"),
        (Answer(400, {}, b'{"error": "x", "error_description": "not \\u001b[2Jyours"}'),
         "not [2Jyours"),
        (Answer(200, {}, b"[1, 2]"), "it answered 200"),
        (Answer(200, {}, b"\xff\xfe"), "it answered 200"),
    ],
)  # fmt: skip
def test_an_endpoint_that_refuses_says_why(answer, why) -> None:
    with pytest.raises(LoginFailed) as caught:
        devices.DeviceLogin(plan(), send=Script(answer), clock=lambda: 5.0)
    assert why in caught.value.message
    assert (caught.value.service, caught.value.hint) == ("demo", "arcrun setup demo")


@pytest.mark.parametrize(
    "answer", [refusal("unauthorized_client"), code_answer(verification_uri="-x")]
)
def test_where_there_is_another_way_the_hint_leads_there(answer) -> None:
    oauth2 = msgspec.structs.replace(
        plan().oauth2,
        grants=("authorization_code", "device_code"),
        authorization_endpoint="https://id.example/login",
    )
    with pytest.raises(LoginFailed) as caught:
        devices.DeviceLogin(plan(oauth2=oauth2), send=Script(answer), clock=lambda: 5.0)
    assert caught.value.hint == "arcrun setup demo --no-browser"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_endpoint_that_cannot_now_is_to_be_asked_again(status) -> None:
    script = Script(Answer(status, {"retry-after": "7"}, b""))
    with pytest.raises(ProviderUnavailable) as caught:
        devices.DeviceLogin(plan(), send=script, clock=lambda: 5.0)
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert (caught.value.service, caught.value.hint) == ("demo", "arcrun setup demo")


UNSAFE = ("http://id.example/a", "javascript:alert(1)", "https://u@id.example/", "-x", "id.example")


@pytest.mark.parametrize("uri", UNSAFE)
def test_an_address_that_is_not_https_is_refused_and_not_shown(uri) -> None:
    shown = []
    script = Script(code_answer(verification_uri=uri))
    with pytest.raises(LoginFailed, match="no https address") as caught:
        enter(plan(), script, shown=shown, ways=Ways(loopback=False, paste=False, device=True))
    assert uri not in "".join(shown) + str(caught.value)
    assert caught.value.hint == "arcrun setup demo"


@pytest.mark.parametrize(
    "uri", [*UNSAFE, "https://other.example/activate?c=1", "https://id.example:8443/activate?c=1"]
)
def test_a_picture_never_holds_an_address_that_could_not_be_shown(uri) -> None:
    answer = code_answer(verification_uri_complete=uri)
    login = devices.DeviceLogin(plan(), send=Script(answer), clock=lambda: 5.0)
    assert login.code.complete_uri == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=9), below),
    max_leaves=5,
)
NAMES = ("device_code", "user_code", "verification_uri", "verification_uri_complete",
         "verification_url", "expires_in", "interval", "error", "error_description")  # fmt: skip


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda d: json.dumps(d).encode()),
    st.integers(100, 599),
)
def test_whatever_is_answered_it_is_a_code_or_a_failed_login(body, status) -> None:
    try:
        code = read_device_code(OAuth2(), status, body)
    except LoginFailed as error:
        str(error).encode()
    else:
        assert code.interval > 0
        assert 0 < code.expires_in < 1e6
        assert code.user_code.isprintable()
        code.device_code.reveal().encode()


# -- the race ------------------------------------------------------------------------------


def enter(plan_, send_, *, shown=None, ways=None, open_url=None, paste=None, timeout=HANG, **more):
    dialogue = Dialogue(
        say=(shown if shown is not None else []).append,
        open_url=open_url or (lambda url: None),
        paste=paste,
        **more,
    )
    ways = ways or Ways(browser=False, device=True)
    return log_in(plan_, ways, dialogue, send=send_, timeout=timeout)


@pytest.fixture
def provider():
    with Provider(device_interval=0.05) as running:
        yield running


@contextmanager
def no_thread_stays():
    yield
    none_left("arcrun-device", "arcrun-browser")


def racing(provider, **oauth2) -> LoginPlan:
    both = {
        "grants": ["authorization_code", "refresh_token", "device_code"],
        "device_authorization_endpoint": f"{provider.issuer}/device",
    }
    return plan_for(provider, oauth2=both | oauth2)


class Said(list):
    """What is shown; `approve` types the code at the provider as soon as it stands there."""

    def __init__(self, provider, *, decide=None, then=None) -> None:
        super().__init__()
        self.provider, self.decide, self.then = provider, decide, then
        self.heard = threading.Event()

    def append(self, line: str) -> None:
        super().append(line)
        if self.decide is not None and line.startswith("and enter the code"):
            allow = self.decide == "yes"
            self.provider.approve(line.rpartition(" ")[2], allow=allow)
        if self.then is not None and self.then(line):
            self.heard.set()

    @property
    def url(self) -> str:
        return next(line for line in self if "/authorize?" in line)


def test_the_device_wins_and_the_port_is_closed(provider) -> None:
    said = Said(provider, decide="yes")
    with no_thread_stays():
        grant = enter(racing(provider), send, shown=said, paste=lambda: None)
    assert provider.authority.holder(f"Bearer {grant.access_token.reveal()}").user == "ada"
    port = int(said.url.partition("127.0.0.1%3A")[2].partition("%2F")[0])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=HANG)
    assert provider.token_requests["authorization_code"] == 0


@pytest.mark.parametrize("winner", ["loopback", "paste"])
def test_a_device_that_lost_is_asked_about_no_more(provider, winner) -> None:
    said = Said(provider)
    polls = queue.SimpleQueue()

    def sending(call):
        if b"device_code" in (call.content or b""):
            polls.put(1)
        return send(call)

    def once_polled(act):
        polls.get(timeout=HANG)
        return act(said.url)

    def paste():
        return once_polled(provider.redirected) if winner == "paste" else None

    ways = Ways(browser=winner == "loopback", device=True)
    with no_thread_stays():
        grant = enter(
            racing(provider), sending, shown=said, ways=ways, paste=paste,
            open_url=lambda _: once_polled(provider.follow),
        )  # fmt: skip
    assert grant.access_token
    assert provider.token_requests["authorization_code"] == 1
    asked = len(provider.device_polls)
    assert asked >= 1
    # Its thread has ended: nothing is left that could ask again.
    assert not threads("arcrun-device")
    assert len(provider.device_polls) == asked


def test_it_never_asks_sooner_than_the_provider_wants(provider) -> None:
    said = Said(provider)

    def sending(call):
        if len(provider.device_polls) == 4:  # the next one is granted
            provider.approve(said[2].rpartition(" ")[2])
        return send(call)

    assert enter(racing(provider), sending, shown=said, ways=ONLY_DEVICE).access_token
    assert len(provider.device_polls) == 5
    assert all(gap >= 0.05 for gap in provider.device_polls)
    assert provider.authority.devices == {}


ONLY_DEVICE = Ways(browser=False, loopback=False, paste=False, device=True)


def test_a_no_at_the_device_ends_all(provider) -> None:
    said = Said(provider, decide="no")
    with no_thread_stays(), pytest.raises(LoginFailed, match="cancelled") as caught:
        enter(racing(provider), send, shown=said, ways=Ways(browser=False, device=True))
    assert caught.value.error == "access_denied"


def test_a_code_that_expires_beside_another_way_is_only_told(provider) -> None:
    said = Said(provider, then=lambda line: "Nobody entered the code" in line)

    def sending(call):
        answer = send(call)
        if call.url.endswith("/device"):
            data = json.loads(answer.body) | {"expires_in": 0.05}
            return Answer(200, answer.headers, json.dumps(data).encode())
        return answer

    def open_url(url):
        assert said.heard.wait(HANG)
        return provider.follow(url)

    ways = Ways(browser=True, paste=False, device=True)
    grant = enter(racing(provider), sending, shown=said, ways=ways, open_url=open_url)
    assert grant.access_token
    assert said.heard.is_set()


def test_a_code_that_expires_alone_ends_the_login(provider) -> None:
    expired = Script(code_answer(interval=0.02, expires_in=0.01), refusal("authorization_pending"))
    with pytest.raises(LoginFailed, match="Nobody entered the code") as caught:
        enter(plan(), expired, ways=ONLY_DEVICE)
    assert caught.value.error == "expired_token"


@pytest.mark.parametrize(
    "answer",
    [refusal("unauthorized_client"), Answer(404, {}, b"<html>"), ProviderUnavailable("no answer"),
     code_answer(verification_uri="http://id.example/")],
)  # fmt: skip
def test_a_device_endpoint_that_refuses_is_told_and_the_other_ways_go_on(provider, answer) -> None:
    said = Said(provider)

    def sending(call):
        if call.url.endswith("/device"):
            if isinstance(answer, Exception):
                raise answer
            return answer
        return send(call)

    ways = Ways(browser=True, device=True)
    grant = enter(
        racing(provider), sending, shown=said, ways=ways, open_url=Browser(provider),
        paste=lambda: None,
    )  # fmt: skip
    assert grant.access_token
    told = ("gives no code", "no answer", "names no https address")
    assert any(text in said[0] for text in told)
    assert not any("enter the code" in line for line in said)
    assert provider.device_polls == []


def test_where_all_have_ended_nobody_waits_for_the_time_limit(provider) -> None:
    # Nobody can type any more, and the code has expired: nothing can come.
    script = Script(code_answer(interval=0.02, expires_in=0.01), refusal("authorization_pending"))
    told = []
    both = plan(oauth2=racing(provider).oauth2)
    ways = Ways(browser=False, loopback=False, device=True)
    done = threading.Event()

    def run():
        with suppress(LoginFailed):
            enter(both, script, shown=told, ways=ways, paste=lambda: None, timeout=10 * HANG)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(HANG)
    assert any("Nobody entered the code" in line for line in told)


def test_a_fault_of_ours_while_polling_is_no_endless_wait(provider, monkeypatch) -> None:
    def broken(self, stopped):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(devices.DeviceLogin, "run", broken)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # it is meant to end so
    with no_thread_stays(), pytest.raises(LoginFailed, match="Nobody finished"):
        enter(plan(), Script(code_answer()), ways=ONLY_DEVICE)


def test_the_code_the_address_and_a_picture_are_shown(provider) -> None:
    shown, pictured, links = [], [], []

    def picture(url):
        pictured.append(url)
        return ["##", "##"]

    script = Script(code_answer(verification_uri_complete=ADDRESS + "?c=1", interval=0.01),
                    token_answer())  # fmt: skip
    enter(plan(), script, shown=shown, ways=ONLY_DEVICE, picture=picture,
          show=lambda url, text: links.append((url, text)))  # fmt: skip
    assert links == [(ADDRESS, "Enter the code")]
    assert shown == [
        "To connect Demo, go to this address on any device:",
        "and enter the code: ABCD-EFGH", "##", "##",
    ]  # fmt: skip
    assert pictured == [ADDRESS + "?c=1"]
    assert canary.hits("".join(shown)) == []


@pytest.mark.parametrize("command", ["ssh -L {}", None])
def test_a_tunnel_is_named_beside_the_address(provider, command) -> None:
    said = Said(provider, decide="yes")
    ways = Ways(browser=False, device=True, tunnel=lambda port: command and command.format(port))
    enter(racing(provider), send, shown=said, ways=ways)
    assert any("Or run this where the browser is" in line for line in said) is bool(command)
    assert "Or open this address:" in said
