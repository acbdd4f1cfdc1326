"""Logins by calls: what each hands to the next, what is kept, and which one failed."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import parse_qs

import pytest

from arcrun_auth import errors, jwt
from arcrun_auth.recipe import read
from arcrun_auth.tokens import Key
from tests import canary
from tests.home import broker_with
from tests.servers import Reply, nobody, recorder
from tests.world import Told

RECIPE = """
service: thing
primitive: token_exchange
base_url: {api}
allowed_hosts: ["{host}"]
required_secrets:
  - {{key: user}}
  - {{key: password, type: password}}
  - {{key: tenant, optional: true}}
token_exchange:
  steps:
    - url: {login}/session
      body_format: json
      headers: {{X-Tenant: "{{{{secret.tenant}}}}"}}
      body: {{who.name: "{{{{secret.user}}}}", who.password: "{{{{secret.password}}}}"}}
      save: {{ticket: data.ticket, realm: data.realm}}
      ok: {{path: ok, equals: true}}
    - method: PUT
      url: {login}/realms/{{{{step1.realm}}}}/token
      headers: {{Authorization: "Basic {{{{secret.user}}}}:{{{{step1.ticket}}}}"}}
      query: {{at: "{{{{now}}}}", none: "{{{{secret.tenant}}}}"}}
      body: {{ticket: "{{{{step1.ticket}}}}"}}
      save: {{access_token: "header:X-Token", session: sid, expires_in: life}}
inject:
  header:
    Authorization: Bearer {{{{token.access_token}}}}
    X-Session: "{{{{token.session}}}}"
"""


class Desk:
    """The login server, and the API: what they saw, and what they are to answer."""

    def __init__(self) -> None:
        self.ticket, self.password = canary.fresh("ticket"), canary.fresh("password")
        self.replies: dict[str, Reply] = {}
        self.count = 0
        self.realm = "r/../1"
        self.life: object = 60

    def __call__(self, seen) -> Reply:
        name = seen.target.partition("?")[0].rpartition("/")[2]
        if name in self.replies:
            return self.replies[name]
        if name == "session":
            data = {"ticket": self.ticket, "realm": self.realm}
            return Reply(body=json.dumps({"ok": True, "data": data}).encode())
        if name == "token":
            self.count += 1
            body = json.dumps({"sid": f"{canary.WORD}-s{self.count}", "life": self.life}).encode()
            return Reply(headers={"X-Token": f"{canary.WORD}-t{self.count}"}, body=body)
        return Reply()


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def server(desk):
    with recorder(desk) as found:
        yield found


@pytest.fixture
def broker(tmp_path, server):
    return make(tmp_path, server)


def make(folder, server, *, change=lambda text: text, **settings):
    host = server.origin.removeprefix("http://")
    text = RECIPE.format(api=f"{server.origin}/api", login=server.origin, host=host)
    return broker_with(folder, change(text), server.origin, **settings)


def set_up(broker, desk) -> None:
    broker.setup("thing", user="ada", password=desk.password)


def test_each_call_gets_what_the_one_before_saved(broker, desk, server) -> None:
    set_up(broker, desk)
    first, second = server.seen[:2]
    assert (first.method, first.target) == ("POST", "/session")
    assert json.loads(first.body) == {"who": {"name": "ada", "password": desk.password}}
    assert "x-tenant" not in first.headers  # an optional secret that was not given
    assert second.method == "PUT"
    # What a server says stays in its place in the path, and no other host sees it.
    assert second.target.startswith("/realms/r%2F..%2F1/token?at=")
    assert "none=" not in second.target
    assert parse_qs(second.body.decode()) == {"ticket": [desk.ticket]}
    assert second.headers["authorization"].startswith("Basic ")


def test_a_header_may_hold_any_character_as_in_a_client(broker, desk, server) -> None:
    broker.setup("thing", user="ada", password=desk.password, tenant="Zoë")
    assert server.seen[0].headers["x-tenant"] == "Zoë".encode().decode("latin-1")


def test_what_was_saved_signs_and_is_kept_with_the_token(broker, desk, server) -> None:
    set_up(broker, desk)
    with broker.bind("thing") as client:
        client.get("/a")
        client.get("/b")
    for seen in server.seen[-2:]:
        assert seen.headers["authorization"] == f"Bearer {canary.WORD}-t1"
        assert seen.headers["x-session"] == f"{canary.WORD}-s1"
    record = broker.store.get(Key("credential", "thing"))
    # Only what signs is kept: not the ticket.
    assert set(record.grant.secrets) == {"session"}
    assert record.grant.expires - record.grant.issued == pytest.approx(60)
    token = broker.get_token("thing")
    assert token.access_token == f"{canary.WORD}-t1"
    assert token.secrets["session"].reveal() == f"{canary.WORD}-s1"


def test_a_401_logs_in_again_once(broker, desk, server) -> None:
    set_up(broker, desk)
    desk.replies["refuse"] = Reply(401)
    with broker.bind("thing") as client:
        assert client.get("/refuse").status_code == 401
    assert [seen.headers["x-session"][-2:] for seen in server.seen if "refuse" in seen.target] == [
        "s1",
        "s2",
    ]


@pytest.mark.parametrize(
    "case",
    [
        ("90", "", 90),
        (None, "", None),
        (None, "  default_expires_in: 30\n", 30),
        (-1, "  default_expires_in: 30\n", 30),
        ([], "", None),
        (True, "", None),
    ],
)
def test_how_long_it_holds_is_believed_if_it_can_be(tmp_path, desk, server, case) -> None:
    desk.life, default, lasts = case
    broker = make(
        tmp_path,
        server,
        change=lambda text: text.replace("  steps:", f"{default}  steps:"),
        clock=lambda: 1000.0,
    )
    set_up(broker, desk)
    grant = broker.store.get(Key("credential", "thing")).grant
    assert grant.expires == (None if lasts is None else 1000.0 + lasts)


@pytest.mark.parametrize("told", ["1970-01-01T01:00:00Z", 3600])
def test_a_date_of_its_end_is_read_too(tmp_path, desk, server, told) -> None:
    desk.life = told
    broker = make(
        tmp_path,
        server,
        change=lambda text: text.replace("expires_in: life", "expires_at: life"),
        clock=lambda: 1000.0,
    )
    set_up(broker, desk)
    grant = broker.store.get(Key("credential", "thing")).grant
    assert grant.expires == (3600.0 if isinstance(told, str) else None)


FAILURES = [
    ("session", Reply(401, body=b'{"message": "No such user"}'), "TokenRefused", 1, "No such user"),
    ("session", Reply(404, body=b"<html>"), "TokenRefused", 1, "status 404"),
    ("session", Reply(200, body=b'{"ok": false, "error": {"code": 7, "message": "Locked"}}'),
     "TokenRefused", 1, "Locked"),
    ("session", Reply(200, body=b'{"ok": true, "data": {}}'),
     "ProviderUnavailable", 1, "without its ticket"),
    ("session", Reply(302, {"location": "https://elsewhere.example"}),
     "ProviderUnavailable", 1, "redirect"),
    ("token", Reply(503, {"retry-after": "7"}), "ProviderUnavailable", 2, "answered 503"),
    ("token", Reply(403, body=b"{}"), "TokenRefused", 2, "status 403"),
    ("token", Reply(200, {"x-token": "two words"}, b'{"sid": "s"}'),
     "ProviderUnavailable", 2, "cannot be one"),
    ("token", Reply(200, body=b"[[[["), "ProviderUnavailable", 2, "without its access_token"),
]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_a_failure_says_which_call_it_was(broker, desk, failure) -> None:
    call, reply, kind, number, says = failure
    desk.replies[call] = reply
    with pytest.raises(getattr(errors, kind), match=f"call {number} of 2") as caught:
        set_up(broker, desk)
    assert says in str(caught.value)
    assert broker.store.get(Key("credential", "thing")) is None
    assert not canary.hits(str(caught.value) + repr(vars(caught.value)))


def test_a_refusal_has_the_servers_words_without_the_secret_that_they_repeat(broker, desk) -> None:
    words = {"error": "bad_login", "error_description": f"{desk.password} is wrong"}
    desk.replies["session"] = Reply(400, body=json.dumps(words).encode())
    with pytest.raises(errors.TokenRefused) as caught:
        set_up(broker, desk)
    error = caught.value
    assert (error.error, error.description) == ("bad_login", "*** is wrong")
    assert error.hint == "arcrun setup thing"


def test_nor_does_it_stand_there_as_it_was_sent(broker, desk) -> None:
    sent = b64encode(f"ada:{desk.password}".encode()).decode()
    desk.replies["session"] = Reply(400, body=json.dumps({"message": f"Basic {sent}?"}).encode())
    with pytest.raises(errors.TokenRefused) as caught:
        set_up(broker, desk)
    assert not canary.hits(str(caught.value) + repr(vars(caught.value)))


def test_what_the_recipe_says_of_an_error_is_said(tmp_path, desk, server) -> None:
    rule = (
        "diagnose: [{when: {status: 401, error: '77'}, say: The trial is over., do: Pay the bill.}]"
    )
    broker = make(tmp_path, server, change=lambda text: text + rule)
    desk.replies["session"] = Reply(401, body=b'{"code": 77}')
    with pytest.raises(errors.TokenRefused, match=r"The trial is over\.") as caught:
        set_up(broker, desk)
    # The words of a recipe that did not come with us are quoted, and are no hint to type.
    assert 'what to do: "Pay the bill."' in str(caught.value)
    assert caught.value.hint == "arcrun setup thing"


def test_a_server_that_is_not_there_is_named_with_its_call(tmp_path, desk, server) -> None:
    with nobody() as gone:
        broker = make(
            tmp_path,
            server,
            change=lambda text: text.replace(f"url: {server.origin}/realms", f"url: {gone}/re"),
        )
        broker._allow_hosts = (server.origin, gone)
        with pytest.raises(errors.ProviderUnavailable, match="call 2 of 2") as caught:
            set_up(broker, desk)
    assert not caught.value.sent


def test_a_refused_renewal_leaves_what_is_stored(broker, desk) -> None:
    set_up(broker, desk)
    desk.replies["session"] = Reply(401)
    desk.replies["refuse"] = Reply(401)
    with broker.bind("thing") as client, pytest.raises(errors.TokenRefused):
        client.get("/refuse")
    record = broker.store.get(Key("credential", "thing"))
    assert record.secrets["password"].reveal() == desk.password
    assert not record.grant.dead
    del desk.replies["session"]
    with broker.bind("thing") as client:
        assert client.get("/a").status_code == 200


def test_a_hundred_threads_log_in_once(broker, desk, server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with broker.bind("thing", secret={"user": "ada", "password": desk.password}) as client:
        with ThreadPoolExecutor(16) as pool:
            got = list(pool.map(lambda n: client.get(f"/{n}").status_code, range(100)))
        assert got == [200] * 100
    assert desk.count == 1


def test_who_agrees_is_told_every_host_that_gets_a_secret(tmp_path, desk, server) -> None:
    with recorder(desk) as other:
        person = Told()
        broker = make(
            tmp_path,
            server,
            change=lambda text: text.replace(f"url: {server.origin}/s", f"url: {other.origin}/s"),
            person=person,
        )
        broker._allow_hosts = (server.origin, other.origin)
        set_up(broker, desk)
        both = ", ".join(each.origin.removeprefix("http://") for each in (other, server))
        assert f"To get a token, what you give it will be sent to: {both}" in person.said
        assert [seen.target for seen in other.seen] == ["/session"]


def test_a_recipe_that_logs_in_elsewhere_is_asked_about_again(tmp_path, desk, server) -> None:
    broker = make(tmp_path, server)
    set_up(broker, desk)
    later = make(
        tmp_path,
        server,
        change=lambda text: text.replace("/session", "/session2"),
        store=broker.store,
    )
    with pytest.raises(errors.ConsentRequired, match="calls that get the token"):
        later.bind("thing")


def test_a_line_break_in_what_a_call_saved_forges_no_header(broker, desk) -> None:
    desk.ticket = f"{canary.WORD}\r\nX-Admin: yes"
    with pytest.raises(errors.AuthError, match="line break") as caught:
        set_up(broker, desk)
    assert not canary.hits(str(caught.value))


@pytest.mark.parametrize("half", ["ticket", "realm"])
def test_half_a_character_is_no_value(broker, desk, server, half) -> None:
    setattr(desk, half, f"{canary.WORD}\ud83d")
    with pytest.raises(errors.ProviderUnavailable, match=f"call 1 of 2.*a {half} that") as caught:
        set_up(broker, desk)
    assert not canary.hits(str(caught.value))
    assert len(server.seen) == 1


@pytest.mark.parametrize("realm", [".", ".."])
def test_what_a_call_saved_leads_to_no_other_path(broker, desk, server, realm) -> None:
    desk.realm = realm
    with pytest.raises(errors.AuthError, match="another path"):
        set_up(broker, desk)
    assert [seen.target for seen in server.seen] == ["/session"]


def test_what_cannot_be_filled_into_an_address_is_told(tmp_path, desk, server) -> None:
    desk.realm = canary.fresh("no-time")
    broker = make(
        tmp_path, server, change=lambda text: text.replace("step1.realm}}", "step1.realm|iso}}")
    )
    with pytest.raises(errors.AuthError, match="the filter iso wants seconds") as caught:
        set_up(broker, desk)
    assert caught.value.hint == "arcrun setup thing"
    assert not canary.hits(str(caught.value))


SIGNED = """
service: thing
primitive: token_exchange
base_url: {api}
required_secrets: [{{key: signing_key, type: password}}]
jwt:
  key: signing_key
  alg: HS256
  key_encoding: utf8
  claims: {{iss: me}}
token_exchange:
  steps:
    - url: {api}/token
      headers: {{Authorization: "Bearer {{{{token.jwt}}}}"}}
      save: {{access_token: "header:X-Token"}}
"""


def test_a_freshly_signed_jwt_opens_the_first_call(tmp_path, desk, server) -> None:
    from joserfc import jwt as joserfc
    from joserfc.jwk import OctKey

    broker = broker_with(tmp_path, SIGNED.format(api=server.origin), server.origin)
    key = canary.fresh() * 2
    broker.setup("thing", signing_key=key)
    sent = server.seen[0].headers["authorization"].removeprefix("Bearer ")
    claims = joserfc.decode(sent, OctKey.import_key(key)).claims
    assert claims["aud"] == f"{server.origin}/token"
    assert claims["iss"] == "me"
    assert broker.get_token("thing").access_token == f"{canary.WORD}-t1"


def test_a_key_that_can_sign_nothing_is_not_kept_and_nothing_is_sent(tmp_path, server) -> None:
    broker = broker_with(tmp_path, SIGNED.format(api=server.origin), server.origin)
    with pytest.raises(errors.AuthError, match="too short"):
        broker.setup("thing", signing_key="short")
    assert server.seen == []


BASE = "service: x\nprimitive: token_exchange\nbase_url: https://a.example.com\n"
STEPS = BASE + "required_secrets: [{{key: k}}]\ntoken_exchange: {{steps: [{}]}}"
A = "https://a.example.com"
URL, ELSEWHERE = f"url: {A}", "url: 'https://{{step1.access_token}}.example.com'"
LAST = f"{{{URL}, save: {{access_token: t}}}}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BASE, "needs the calls"),
        (BASE + "token_exchange: {endpoint: https://a.example.com}", "needs the calls"),
        (STEPS.format("{url: https://a.example.com}"), "saves the access_token"),
        (STEPS.format(LAST.replace("t}", "t, k: a}")), "has this name"),
        (STEPS.format(LAST.replace("{url", "{method: GET, body: {a: b}, url")), "no body"),
        (STEPS.format(", ".join([LAST] * 5)), "length <= 4"),
        (STEPS.format(LAST.replace("t}", "'a..b'}")), "no path"),
        (STEPS.format(LAST.replace("{url", "{headers: {Host: a}, url")), "belongs to the HTTP"),
        (STEPS.format(LAST.replace("{url", "{body: {a: '{{step1.t}}'}, url")), "not declared"),
        (STEPS.format(LAST.replace("{url", "{body: {a: '{{token.jwt}}'}, url")), "not declared"),
        (STEPS.format(LAST.replace(URL, f"url: '{A}/{{{{step1.a}}}}'")), "not declared"),
        (STEPS.format(f"{LAST}, {LAST.replace(URL, ELSEWHERE)}"),
         "Only params"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_right_is_refused(text, says) -> None:
    with pytest.raises(errors.RecipeError, match=says):
        read(text)


def test_a_secret_is_taken_out_of_what_was_pasted() -> None:
    recipe = read(
        SIGNED.format(api="https://a.example.com").replace("  alg:", "  take: ':(.+)'\n  alg:")
    )
    from arcrun_auth.tokens import Secret

    assert jwt.key_in(recipe.jwt, Secret("id:key")) == Secret("key")
    with pytest.raises(errors.AuthError, match="as the service writes it"):
        jwt.key_in(recipe.jwt, Secret("key"))
