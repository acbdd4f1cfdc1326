"""Logging in to a platform: the pages, the codes, the keys, and who must not get in."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from arcrun_auth import errors
from arcrun_auth.oauth import device
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.settings import Settings
from arcrun_auth.stores.memory import Memory
from arcrun_auth.surroundings import Surroundings
from arcrun_auth.sync import account, logging_in
from arcrun_auth.tokens import Secret
from tests.platform_desk import FREE, desk
from tests.surfer import Surfer
from tests.world import Told

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:5555/callback"
ASKED = {
    "response_type": "code", "client_id": "arcrun", "redirect_uri": BACK, "state": "mine",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip


@pytest.fixture
def there(tmp_path):
    with desk(tmp_path / "server") as found:
        yield found


class Home:
    """One device: its store and settings, and a person with a browser."""

    def __init__(self, there, folder, **environ):
        self.there = there
        self.store = Memory()
        environ = {"ARCRUN_ALLOW_HOSTS": there.origin, "ARCRUN_LOGIN_TIMEOUT": "60", **environ}
        self.settings = Settings(str(folder / "home"), environ=environ)
        self.person, self.surfer = Told(), Surfer()

    def login(self, open_url, wish=None):
        return logging_in.by_person(
            self.store, self.settings, self.there.url, self.person, open_url=open_url,
            here=Surroundings(browser=True), clock=time.time, wish=wish,
        )  # fmt: skip

    def with_key(self, key):
        """What a person does who has a key already."""

        def browse(url):
            self.surfer.open(url)
            self.surfer.press("Sign in with the key", key=key.reveal())
            self.surfer.press("Log in")

        return browse

    def as_new(self, url):
        self.surfer.open(url)
        self.surfer.press("Make a new account")
        self.surfer.press("I have kept it. Go on")
        self.surfer.press("Log in")


@pytest.fixture
def home(there, tmp_path):
    return Home(there, tmp_path)


def key_of(there, **more):
    with there.account(**more) as cloud:
        return cloud.key


# -- the whole way ---------------------------------------------------------------


def test_a_device_logs_in_with_a_key_that_is_pasted_and_gets_one_of_its_own(home, there):
    key = key_of(there, email="ada@example.com")
    found = home.login(home.with_key(key))
    assert (found.server, found.email) == (there.url, "ada@example.com")
    assert found.api_key() != key
    with found.cloud() as cloud:
        assert cloud.me().account == found.account
        kinds = {each.label: each.kind for each in cloud.keys()}
    assert kinds == {"first key": "account", logging_in.device_name(): "device"}
    assert account.account(home.store, home.settings).api_key() == found.api_key()
    assert "You are connected" in home.surfer.page.text
    # The key that was typed is in no address, nor in a cookie, nor on the last page.
    shown = "".join(home.surfer.visited) + str(list(home.surfer.jar)) + home.surfer.page.text
    assert key.reveal() not in shown


def test_somebody_new_gets_an_account_whose_key_is_shown_once(home, there):
    found = home.login(home.as_new)
    with found.cloud() as cloud:
        assert cloud.me().account == found.account


def test_a_second_login_ends_the_key_of_the_first(home, there):
    key = key_of(there)
    first = home.login(home.with_key(key)).api_key()
    home.surfer = Surfer()
    second = home.login(home.with_key(key)).api_key()
    assert first != second
    with there.cloud(first) as cloud, pytest.raises(errors.TokenRefused):
        cloud.me()
    with there.cloud(second) as cloud:
        assert len(cloud.keys()) == 2


def test_logging_out_ends_the_key_there_and_forgets_it_here(home, there):
    found = home.login(home.with_key(key_of(there)))
    before, problem = logging_in.log_out(home.store, home.settings)
    assert (before.account, problem) == (found.account, None)
    assert account.account(home.store, home.settings) is None
    with there.cloud(found.api_key()) as cloud, pytest.raises(errors.TokenRefused):
        cloud.me()
    assert logging_in.log_out(home.store, home.settings) == (None, None)


def test_logging_out_while_the_platform_is_away_forgets_it_here_and_says_so(home, there):
    home.login(home.with_key(key_of(there)))
    there.close()
    before, problem = logging_in.log_out(home.store, home.settings)
    assert before is not None
    assert isinstance(problem, errors.ProviderUnavailable)
    assert account.account(home.store, home.settings) is None


def test_a_rotated_key_opens_what_the_old_one_did(home, there):
    found = home.login(home.with_key(key_of(there)))
    with found.cloud() as cloud:
        cloud.put_row("kept", "A" * 24, "A" * 16)
    fresh = logging_in.rotate(home.store, home.settings)
    assert fresh.api_key() != found.api_key()
    with fresh.cloud() as cloud:
        assert cloud.row("kept") is not None
    with there.cloud(found.api_key()) as cloud, pytest.raises(errors.TokenRefused):
        cloud.me()
    assert account.account(home.store, home.settings).account == found.account


def test_a_deleted_account_is_gone_with_all_its_rows_and_the_login_with_it(home, there):
    found = home.login(home.with_key(key_of(there)))
    with found.cloud() as cloud:
        cloud.put_row("kept", "A" * 24, "A" * 16)
    logging_in.delete_account(home.store, home.settings)
    assert account.account(home.store, home.settings) is None
    rows = there.database.read(lambda tx: tx.all("SELECT name FROM credentials"))
    assert rows == []
    with pytest.raises(errors.LoginRequired):
        logging_in.delete_account(home.store, home.settings)


def test_a_key_from_stdin_is_kept_once_the_platform_knows_it(home, there):
    key = key_of(there, email="ada@example.com")
    found = logging_in.by_key(home.store, home.settings, there.url, key)
    assert (found.email, found.api_key()) == ("ada@example.com", key)
    with pytest.raises(errors.TokenRefused):
        logging_in.by_key(home.store, home.settings, there.url, Secret("ak_" + "0" * 48))
    assert account.account(home.store, home.settings).api_key() == key


def test_nobody_there_means_no_browser(home):
    from arcrun_auth.people import Nobody

    home.person = Nobody()
    with pytest.raises(errors.LoginRequired) as caught:
        home.login(lambda url: pytest.fail("a browser was opened"))
    assert "--key-stdin" in caught.value.hint


def test_saying_no_ends_the_login_with_its_next_command(home, there):
    key = key_of(there)

    def refuse(url):
        home.surfer.open(url)
        home.surfer.press("Sign in with the key", key=key.reveal())
        home.surfer.press("Cancel")

    with pytest.raises(errors.LoginFailed) as caught:
        home.login(refuse)
    assert (caught.value.error, caught.value.hint) == ("access_denied", "arcrun login")
    assert account.account(home.store, home.settings) is None


# -- who is logged in ---------------------------------------------------------------


def test_the_environments_key_goes_before_the_stored_login(home, there):
    found = home.login(home.with_key(key_of(there)))
    other = key_of(there)
    environ = {"ARCRUN_API_KEY": other.reveal(), "ARCRUN_SERVER": "https://elsewhere.example/"}
    settings = Settings(home.settings.home, environ=environ)
    who = account.account(home.store, settings)
    assert (who.server, who.api_key()) == ("https://elsewhere.example", other)
    assert who.source == "ARCRUN_API_KEY"
    with pytest.raises(errors.AuthError) as caught:
        account.account(home.store, Settings(home.settings.home, environ={
            "ARCRUN_API_KEY": other.reveal()}))  # fmt: skip
    assert "ARCRUN_SERVER" in caught.value.hint
    assert other.reveal() not in repr(who)
    assert account.account(home.store, home.settings).account == found.account


def test_nobody_is_logged_in_at_first(home):
    assert account.account(home.store, home.settings) is None
    with pytest.raises(errors.LoginRequired) as caught:
        account.required(home.store, home.settings)
    assert caught.value.hint == "arcrun login"


# -- what a request must be ---------------------------------------------------------------


NOT_OURS = [
    {"redirect_uri": "http://localhost:5555/callback"},
    {"redirect_uri": "http://127.0.0.1:80/callback"},
    {"redirect_uri": "http://127.0.0.1:99999/callback"},
    {"redirect_uri": "http://127.0.0.1:5555@evil.example/callback"},
    {"redirect_uri": "http://127.0.0.1:5555/other"},
    {"redirect_uri": "https://evil.example/callback"},
    {"redirect_uri": BACK + "?x"},
    {"client_id": "other"},
    {"response_type": "token"},
    {"code_challenge_method": "plain"},
    {"code_challenge": ""},
    {"code_challenge": "short"},
    {"state": ""},
    {"state": "<script>"},
]


def test_an_authorization_request_that_is_not_ours_is_shown_as_such_and_goes_nowhere(there):
    surfer = Surfer()
    for changed in NOT_OURS:
        surfer.only(f"{there.url}/auth/start?{urlencode(ASKED | changed)}")
        assert surfer.status == 400, changed
        assert "location" not in surfer.headers
        assert not surfer.page.onward
        assert "evil" not in surfer.page.text
        assert "<script" not in surfer.page.text


def test_a_parameter_that_stands_there_twice_is_none(there):
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/start?{urlencode(ASKED)}&redirect_uri={BACK}")
    assert surfer.status == 400


def code_for(there, key, surfer=None):
    """The code of a login, up to the page that would lead to the program."""
    surfer = surfer or Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    surfer.press("Sign in with the key", key=key.reveal())
    form = next(form for form in surfer.page.forms if form.button == "Log in")
    page = surfer.only(form.action, form.fields)
    given = parse_qs(urlsplit(page.onward).query)
    assert given["state"] == ["mine"]
    return given["code"][0]


def redeemed(there, code, **changed):
    form = {
        "grant_type": "authorization_code", "code": code, "client_id": "arcrun",
        "redirect_uri": BACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/token", form | changed)
    return surfer.status, json.loads(surfer.page.text)


def test_a_code_is_for_whoever_has_the_verifier_and_is_taken_once(there):
    key = key_of(there)
    for changed in (
        {"code_verifier": "w" * 43}, {"code_verifier": ""}, {"client_id": "x"},
        {"redirect_uri": "http://127.0.0.1:5556/callback"},
    ):  # fmt: skip
        code = code_for(there, key)
        assert redeemed(there, code, **changed)[1]["error"] == "invalid_grant"
        # It is spent by that: nobody tries until it fits.
        assert redeemed(there, code)[1]["error"] == "invalid_grant"
    code = code_for(there, key)
    status, answer = redeemed(there, code)
    assert status == 200
    assert answer["access_token"].startswith("ak_")
    assert redeemed(there, code)[0] == 400
    assert redeemed(there, "made-up")[0] == 400
    assert redeemed(there, code, grant_type="password")[1]["error"] == "unsupported_grant_type"


def test_a_code_ends_after_a_minute_and_a_page_after_ten(there):
    surfer, code = Surfer(), code_for(there, key_of(there))
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    form = next(f for f in surfer.page.forms if f.button == "Sign in with the key")
    there.database._clock = lambda: time.time() + 61
    assert redeemed(there, code)[1]["error"] == "invalid_grant"
    there.database._clock = lambda: time.time() + 601
    surfer.only(form.action, form.fields)
    assert surfer.status in (200, 400)
    assert not surfer.page.onward


def test_a_device_cannot_have_more_keys_than_an_account_may(tmp_path):
    config = Config(registration="open", limits=replace(FREE, keys=2))
    with desk(tmp_path / "server", config) as there:
        key = key_of(there)
        assert redeemed(there, code_for(there, key))[0] == 200
        assert redeemed(there, code_for(there, key))[1]["error"] == "access_denied"


# -- sessions, forms ---------------------------------------------------------------


def test_a_wrong_key_lets_nobody_in_and_is_not_shown_again(there):
    surfer = Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    wrong = "ak_" + "1" * 48
    surfer.press("Sign in with the key", key=wrong)
    assert "not known" in surfer.page.text
    assert wrong not in surfer.page.text
    assert [cookie.name for cookie in surfer.jar] == ["csrf"]


def test_the_key_of_a_job_lets_nobody_in(there):
    with there.account() as cloud:
        job = cloud.create_key("ci", "job", rows=["s_0"]).api_key
    surfer = Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    surfer.press("Sign in with the key", key=job)
    assert "lets nobody in" in surfer.page.text


def test_forms_of_other_pages_are_refused_and_sign_nobody_in(there):
    key = key_of(there)
    surfer = Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    forms = {form.button: form for form in surfer.page.forms}
    for button in ("Sign in with the key", "Make a new account"):
        form = forms[button]
        other = Surfer()
        other.only(there.url + form.action, {**form.fields, "key": key.reveal()})
        assert other.status == 403
        assert len(list(other.jar)) == 0
    surfer.press("Sign in with the key", key=key.reveal())
    confirm = next(f for f in surfer.page.forms if f.button == "Log in")
    foreign = {**confirm.fields, "csrf": "x"}
    surfer.only(there.url + confirm.action, foreign)
    assert surfer.status == 403


def test_a_session_ends_with_signing_out_with_time_and_with_its_account(there):
    key = key_of(there)

    def signed_in(surfer):
        surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        return any(form.button == "Log in" for form in surfer.page.forms)

    surfer = Surfer()
    assert not signed_in(surfer)
    surfer.press("Sign in with the key", key=key.reveal())
    assert signed_in(surfer)
    cookie = next(c for c in surfer.jar if c.name == "arcrun_session")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    csrf = surfer.page.forms[0].fields["csrf"]
    surfer.only(f"{there.url}/auth/logout", {"csrf": csrf})
    assert surfer.status == 200
    assert not signed_in(surfer)
    surfer.press("Sign in with the key", key=key.reveal())
    there.database._clock = lambda: time.time() + 3601
    assert not signed_in(surfer)
    there.database._clock = time.time
    surfer.press("Sign in with the key", key=key.reveal())
    with there.cloud(key) as cloud:
        cloud.delete_account()
    assert not signed_in(surfer)


def test_a_closed_server_takes_nobody_new_and_an_invitation_lets_one_in(tmp_path):
    from arcrun_auth.server import accounts

    with desk(tmp_path / "closed", Config(registration="closed", limits=FREE)) as there:
        surfer = Surfer()
        surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        assert {form.button for form in surfer.page.forms} == {"Sign in with the key"}
        fields = surfer.page.forms[0].fields
        surfer.only(f"{there.url}/auth/register", fields)
        assert "no new accounts" in surfer.page.text
    with desk(tmp_path / "invite", Config(registration="invite", limits=FREE)) as there:
        text = there.database.write(accounts.invite)
        surfer = Surfer()
        surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        surfer.press("Make a new account", invite="wrong")
        assert "not valid" in surfer.page.text
        surfer.press("Make a new account", invite=text)
        assert "ak_" in surfer.page.text
        other = Surfer()
        other.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        other.press("Make a new account", invite=text)
        assert "not valid" in other.page.text


def test_whoever_tries_keys_is_slowed_down(tmp_path):
    limits = Limits(key_rate=0, address_rate=0.001, address_burst=3)
    with desk(tmp_path / "server", Config(registration="open", limits=limits)) as there:
        surfer = Surfer()
        surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        form = next(f for f in surfer.page.forms if f.button == "Sign in with the key")
        statuses = []
        for _ in range(5):
            surfer.only(there.url + form.action, {**form.fields, "key": "ak_x"})
            statuses.append(surfer.status)
        assert statuses[0] == 200
        assert statuses[-1] == 429


# -- a code that is typed elsewhere ---------------------------------------------------------------


def test_a_device_without_a_browser_logs_in_by_a_code_typed_elsewhere(home, there, monkeypatch):
    from arcrun_auth.server import device_logins

    # Seconds between two questions: what the server says, and what counts where it says 0.
    monkeypatch.setattr(device_logins, "PAUSE", 0.05)
    monkeypatch.setattr(device, "INTERVAL", 0.1)
    key = key_of(there)
    seen = {}

    def elsewhere():
        while not any("enter the code" in line for line in home.person.said):
            time.sleep(0.02)
        code = next(s for s in home.person.said if "enter the code" in s).rpartition(" ")[2]
        address = next(s for s in home.person.said if s.endswith("/device"))
        home.surfer.open(address)
        home.surfer.press("Sign in with the key", key=key.reveal())
        home.surfer.press("Go on", user_code=code.lower().replace("-", " "))
        seen["page"] = home.surfer.page.text
        home.surfer.press("Log in")

    threading.Thread(target=elsewhere, daemon=True).start()
    found = home.login(lambda url: None, wish="device")
    assert logging_in.device_name() in seen["page"]
    with found.cloud() as cloud:
        assert cloud.me().account == found.account


def began(there):
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/device", {"client_id": "arcrun"})
    return json.loads(surfer.page.text)


def polled(there, device_code):
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/token", {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": device_code, "client_id": "arcrun",
    })  # fmt: skip
    return json.loads(surfer.page.text)


def decided(there, code, answer, key):
    surfer = Surfer()
    surfer.open(f"{there.url}/device?{urlencode({'user_code': code})}")
    surfer.press("Sign in with the key", key=key.reveal())
    surfer.press(answer)
    return surfer.page.text


def test_a_device_hears_what_became_of_its_code(there):
    start, now, key = time.time(), [0.0], key_of(there)
    there.database._clock = lambda: start + now[0]
    one = began(there)
    assert one["interval"] == 5
    assert polled(there, one["device_code"])["error"] == "slow_down"  # sooner than it may
    now[0] += 11
    assert polled(there, one["device_code"])["error"] == "authorization_pending"
    assert polled(there, "made-up")["error"] == "expired_token"
    assert "logged in" in decided(there, one["user_code"], "Log in", key)
    now[0] += 11
    assert polled(there, one["device_code"])["access_token"].startswith("ak_")
    assert polled(there, one["device_code"])["error"] == "expired_token"
    two = began(there)
    assert "Nobody was let in" in decided(there, two["user_code"], "Cancel", key)
    assert polled(there, two["device_code"])["error"] == "access_denied"
    three = began(there)
    now[0] += 601
    assert polled(there, three["device_code"])["error"] == "expired_token"
    assert "No device has this code" in decided_page(there, three["user_code"], key)


def decided_page(there, code, key):
    surfer = Surfer()
    surfer.open(f"{there.url}/device?{urlencode({'user_code': code})}")
    surfer.press("Sign in with the key", key=key.reveal())
    return surfer.page.text


def test_a_code_is_decided_once(there):
    key, one = key_of(there), began(there)
    surfer = Surfer()
    surfer.open(f"{there.url}/device?{urlencode({'user_code': one['user_code']})}")
    surfer.press("Sign in with the key", key=key.reveal())
    form = next(f for f in surfer.page.forms if f.button == "Log in")
    surfer.only(form.action, form.fields)
    assert surfer.status == 200
    surfer.only(form.action, form.fields)
    assert surfer.status == 410


def test_a_client_that_is_not_ours_gets_no_code(there):
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/device", {"client_id": "other"})
    assert json.loads(surfer.page.text)["error"] == "invalid_client"
