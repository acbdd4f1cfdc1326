"""OAuth 1, Digest and Basic in a bound client, against servers that check what they get."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import httpx
import pytest
from oauthlib.oauth1 import SignatureOnlyEndpoint
from oauthlib.oauth1.rfc5849.request_validator import RequestValidator

from arcrun_auth import errors
from arcrun_auth.adapters.gate import Gate
from arcrun_auth.adapters.httpx import httpx_auth
from arcrun_auth.recipe import read
from tests import canary
from tests.digest_desk import Desk
from tests.home import broker_with
from tests.servers import Reply, recorder
from tests.world import Told

# -- OAuth 1 -----------------------------------------------------------------------------

OAUTH1 = """
service: thing
primitive: oauth1
base_url: {}
required_secrets: [{{key: ck}}, {{key: cs}}, {{key: tk}}, {{key: ts}}]
oauth1: {{consumer_key: ck, consumer_secret: cs, token: tk, token_secret: ts, {}}}
"""


class Validator(RequestValidator):
    """oauthlib as the server: it knows one client and one token, and each nonce once."""

    enforce_ssl = False
    client_key_length = access_token_length = nonce_length = (1, 99)
    allowed_signature_methods = ("HMAC-SHA1", "HMAC-SHA256")
    safe_characters = set(map(chr, range(33, 127)))  # noqa: RUF012 - oauthlib's own way
    dummy_client = dummy_access_token = "nobody"

    def __init__(self, keys) -> None:
        super().__init__()
        self.keys = keys
        self.nonces: set[tuple] = set()

    def validate_client_key(self, client_key, request):
        return client_key == self.keys["ck"]

    def get_client_secret(self, client_key, request):
        return self.keys["cs"]

    def get_access_token_secret(self, client_key, token, request):
        return self.keys["ts"]

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, **more):
        fresh = (timestamp, nonce) not in self.nonces
        self.nonces.add((timestamp, nonce))
        return fresh


def oauth1_desk(keys):
    endpoint = SignatureOnlyEndpoint(Validator(keys))

    def answer(seen) -> Reply:
        headers = {"Authorization": seen.headers.get("authorization", "")}
        kind = seen.headers.get("content-type", "")
        body = seen.body.decode() if "x-www-form-urlencoded" in kind else None
        if body is not None:
            headers["Content-Type"] = kind
        url = f"http://{seen.headers['host']}{seen.target}"
        good, _ = endpoint.validate_request(url, seen.method, body, headers)
        return Reply(200 if good else 401)

    return answer


@pytest.fixture
def keys():
    return {name: canary.fresh(name) for name in ("ck", "cs", "tk", "ts")}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    import logging

    logging.getLogger("oauthlib").setLevel(logging.WARNING)  # it logs all that it signs


@pytest.fixture(params=["HMAC-SHA1", "HMAC-SHA256"])
def signed(request, tmp_path, keys):
    """A client whose every request oauthlib checks."""
    with recorder(oauth1_desk(keys)) as server:
        text = OAUTH1.format(server.origin, f"signature_method: {request.param}")
        broker = broker_with(tmp_path, text, server.origin)
        broker.setup("thing", **keys)
        with broker.bind("thing") as client:
            client.server = server
            yield client


@pytest.mark.parametrize(
    ("method", "url", "more"),
    [
        ("GET", "/", {}),
        ("GET", "/1.1/a b/ü?x=1&x=%2B&y=a+b", {}),
        ("GET", "/a", {"params": {"q": "name = 'a&b'", "ü": "é~*"}}),
        ("POST", "/a?b=c", {"data": {"status": "Hello, & all = fine! ü", "b": "c"}}),
        ("PUT", "/a", {"data": {}}),
        ("POST", "/a", {"json": {"a": 1}}),
        ("POST", "/a", {"files": {"f": b"x"}}),
        ("POST", "/a", {"content": b"a=b"}),  # no form, whatever it looks like
        ("DELETE", "/a", {}),
    ],
)
def test_oauthlib_takes_every_request(signed, method, url, more) -> None:
    assert signed.request(method, url, **more).status_code == 200


def test_every_request_has_a_nonce_of_its_own_a_redirect_too(signed) -> None:
    signed.server.answer = chain(signed.server.answer, "/1", "/2")
    assert signed.get("/1", follow_redirects=True).status_code == 200
    seen = [each.headers["authorization"] for each in signed.server.seen[-2:]]
    assert len({re.search('oauth_nonce="([^"]+)', each)[1] for each in seen}) == 2


def chain(answer, at: str, to: str):
    def redirecting(seen) -> Reply:
        found = answer(seen)
        return Reply(302, {"location": to}) if seen.target == at and found.status == 200 else found

    return redirecting


def test_no_secret_is_ever_sent(signed, keys) -> None:
    signed.post("/a", data={"a": "b"})
    raw = unquote(signed.server.raw)
    assert keys["cs"] not in raw
    assert keys["ts"] not in raw
    assert keys["ck"] in raw


def test_a_wrong_secret_is_refused_by_the_server_and_tried_once(tmp_path, keys) -> None:
    with recorder(oauth1_desk(keys)) as server:
        broker = broker_with(tmp_path, OAUTH1.format(server.origin, ""), server.origin)
        broker.setup("thing", **keys | {"ts": canary.fresh()})
        with broker.bind("thing") as client:
            assert client.get("/").status_code == 401
        assert len(server.seen) == 1


def test_a_form_that_is_a_stream_is_refused_with_the_way_out(signed) -> None:
    before = len(signed.server.seen)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(errors.AuthError, match="stream cannot be signed") as caught:
        signed.post("/", content=iter([b"a=b"]), headers=kind)
    assert caught.value.hint == "pass data={...}"
    assert len(signed.server.seen) == before


def test_another_host_gets_no_signature(signed) -> None:
    with recorder() as other:
        signed.server.answer = lambda seen: Reply(302, {"location": f"{other.origin}/"})
        fence = signed._rules.binding.fence
        assert not fence.permits("http", b"127.0.0.1", other.port)
        with pytest.raises(errors.HostNotAllowed):
            signed.get("/", follow_redirects=True)
        assert other.seen == []


REALM = """
service: thing
primitive: oauth1
base_url: {}
params: {{site: {{default: "1_SB1"}}}}
required_secrets: [{{key: ck}}, {{key: cs}}]
oauth1: {{consumer_key: ck, consumer_secret: cs, realm: "{{{{param.site}}}}"}}
"""


def test_the_app_alone_and_the_realm(tmp_path, keys) -> None:
    with recorder() as server:
        broker = broker_with(tmp_path, REALM.format(server.origin), server.origin)
        broker.setup("thing", ck=keys["ck"], cs=keys["cs"])
        with broker.bind("thing") as client:
            client.get("/")
        header = server.seen[-1].headers["authorization"]
    assert header.startswith('OAuth realm="1_SB1", oauth_consumer_key=')
    assert "oauth_token" not in header


def test_a_realm_that_no_header_can_hold_is_an_error_before_anything_is_sent(tmp_path, keys):
    with recorder() as server:
        text = REALM.format(server.origin).replace("1_SB1", "Büro")
        broker = broker_with(tmp_path, text, server.origin)
        broker.setup("thing", ck=keys["ck"], cs=keys["cs"])
        with broker.bind("thing") as client, pytest.raises(errors.AuthError) as caught:
            client.get("/")
        assert server.seen == []
    assert "printable ASCII" in str(caught.value)
    assert caught.value.hint == "arcrun setup thing"


# -- Digest ------------------------------------------------------------------------------

DIGEST = """
service: thing
primitive: digest
base_url: {}
required_secrets: [{{key: user}}, {{key: password}}]
digest: {{username: user, password: password}}
"""


@pytest.fixture
def desk():
    return Desk("jäne", canary.fresh("password"))


@pytest.fixture
def metered(tmp_path, desk):
    """A broker, connected to a server that checks every field of an answer."""
    with recorder(desk) as server:
        broker = broker_with(tmp_path, DIGEST.format(server.origin), server.origin)
        broker.setup("thing", user=desk.username, password=desk.password)
        broker.server = server
        yield broker


def test_the_first_request_is_sent_twice_and_all_others_once(metered, desk) -> None:
    with metered.bind("thing") as client:
        for url in ("/a", "/a?b=c%20d&e", "/?", "/x/../y", "/%2F"):
            assert client.get(url).status_code == 200
        assert client.post("/", json={"a": 1}).status_code == 200
    assert len(metered.server.seen) == 7
    assert desk.counts == [1, 2, 3, 4, 5, 6]
    assert metered.server.seen[-1].body == b'{"a":1}'
    assert not canary.hits(metered.server.raw)


async def read_async(broker, *urls):
    async with broker.bind_async("thing") as client:
        return [(await client.get(url)).status_code for url in urls]


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_async_client_answers_alike(metered, desk, library) -> None:
    import anyio

    assert anyio.run(read_async, metered, "/a", "/b", backend=library) == [200, 200]
    assert desk.counts == [1, 2]


@pytest.mark.parametrize("says", [True, False])
def test_a_nonce_that_is_used_up_costs_one_request_more(metered, desk, says) -> None:
    desk.uses, desk.says_stale = 2, says
    with metered.bind("thing") as client:
        assert [client.get("/").status_code for _ in range(5)] == [200] * 5
    assert desk.counts == [1, 2, 1, 2, 1]
    assert len(metered.server.seen) == 5 + 3


def test_a_wrong_password_is_answered_once_for_each_challenge_and_no_more(tmp_path, desk) -> None:
    with recorder(desk) as server:
        broker = broker_with(tmp_path, DIGEST.format(server.origin), server.origin)
        broker.setup("thing", user=desk.username, password=canary.fresh())
        with broker.bind("thing") as client:
            assert client.get("/").status_code == 401
            assert len(server.seen) == 2
            assert client.get("/").status_code == 401
            assert len(server.seen) == 4


def test_a_password_that_was_changed_elsewhere_is_read_from_the_store(metered, desk) -> None:
    with metered.bind("thing") as client:
        client.get("/")
        desk.password = canary.fresh("changed")
        metered.setup("thing", user=desk.username, password=desk.password)
        assert client.get("/").status_code == 200


def test_a_hundred_calls_of_many_threads_share_one_session(metered, desk) -> None:
    with metered.bind("thing") as client, ThreadPoolExecutor(16) as pool:
        client.get("/")
        got = list(pool.map(lambda n: client.get(f"/{n}").status_code, range(100)))
    assert got == [200] * 100
    assert sorted(desk.counts) == list(range(1, 102))


def test_a_server_that_asks_for_something_else_gets_its_401_back(tmp_path) -> None:
    with recorder(lambda _: Reply(401, {"WWW-Authenticate": 'Basic realm="a"'})) as server:
        broker = broker_with(tmp_path, DIGEST.format(server.origin), server.origin)
        broker.setup("thing", user="u", password=canary.fresh())
        with broker.bind("thing") as client:
            assert client.get("/").status_code == 401
        assert len(server.seen) == 1
        assert "authorization" not in server.seen[0].headers


def test_a_stream_that_cannot_be_sent_again_gets_the_401(metered, desk) -> None:
    with metered.bind("thing") as client:
        assert client.post("/", content=iter([b"a"])).status_code == 401
        client.get("/")
        # Then the challenge is known.
        assert client.post("/", content=iter([b"a"])).status_code == 200


def test_one_that_breaks_off_at_the_second_try_is_an_error_of_the_library(tmp_path, desk) -> None:
    with recorder(desk) as server:
        broker = broker_with(tmp_path, DIGEST.format(server.origin), server.origin)
        broker.setup("thing", user="u", password=canary.fresh())
        server.answer = lambda seen: desk(seen) if len(server.seen) == 1 else 1 / 0
        with broker.bind("thing") as client, pytest.raises(httpx.RequestError):
            client.get("/")


# -- Basic -------------------------------------------------------------------------------


def test_a_user_and_a_password_as_they_are_need_a_static_key_and_no_more(tmp_path) -> None:
    import base64

    text = """
service: thing
primitive: static_key
base_url: {}
required_secrets: [{{key: user}}, {{key: password}}]
inject: {{header: {{Authorization: "Basic {{{{secret.user}}}}:{{{{secret.password}}}}"}}}}
"""
    password = canary.fresh()
    with recorder() as server:
        broker = broker_with(tmp_path, text.format(server.origin), server.origin)
        broker.setup("thing", user="Zoë", password=password)
        with broker.bind("thing") as client:
            client.get("/")
        header = server.seen[-1].headers["authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"Zoë:{password}"


# -- clients that are not ours ---------------------------------------------------------


def test_httpxs_own_client_signs_by_oauth_1(tmp_path, keys) -> None:
    with recorder(oauth1_desk(keys)) as server:
        broker = broker_with(tmp_path, OAUTH1.format(server.origin, ""), server.origin)
        broker.setup("thing", **keys)
        with httpx.Client(auth=httpx_auth("thing", broker=broker)) as client:
            assert client.post(f"{server.origin}/a?b", data={"c": "d é"}).status_code == 200


def test_httpxs_own_client_answers_a_challenge(metered, desk) -> None:
    with httpx.Client(auth=httpx_auth("thing", broker=metered)) as client:
        for _ in range(3):
            assert client.get(metered.server.origin).status_code == 200
    assert desk.counts == [1, 2, 3]
    assert len(metered.server.seen) == 4


def test_a_library_that_cannot_answer_a_challenge_is_told(metered) -> None:
    binding, _ = metered.prepare("thing")()
    with pytest.raises(errors.AuthError, match="answers the challenges of its server") as caught:
        Gate(binding)
    assert caught.value.hint == "use auth.bind('thing')"


# -- recipes -----------------------------------------------------------------------------

HEAD = "service: x\nbase_url: https://a.example.com\nrequired_secrets: [{key: a}, {key: b}]\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("primitive: oauth1", "needs the keys"),
        ("primitive: oauth1\noauth1: {consumer_key: a, consumer_secret: nope}", "no secret 'nope'"),
        ("primitive: oauth1\noauth1: {consumer_key: a, consumer_secret: b, token: a}", "together"),
        ("primitive: oauth1\noauth1: {consumer_key: a, consumer_secret: b, realm: '{{secret.a}}'}",
         "not declared"),
        ("primitive: digest", "who answers"),
        ("primitive: digest\ndigest: {username: a}", "no secret 'password'"),
        ("primitive: mtls", "needs the certificate"),
        ("primitive: mtls\nmtls: {certificate: a, passphrase: nope}", "no secret 'nope'"),
        ("primitive: signed_jwt", "needs the token to sign"),
        ("primitive: signed_jwt\njwt: {key: nope}", "no secret 'nope'"),
        ("primitive: signed_jwt\njwt: {key: a, take: abc}", "needs a group"),
        ("primitive: signed_jwt\njwt: {key: a, take: '('}", "no regular expression"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_right_is_refused(text, says) -> None:
    with pytest.raises(errors.RecipeError, match=says):
        read(HEAD + text)


def test_who_is_asked_is_told_what_kind_of_key_it_is(tmp_path) -> None:
    with recorder() as server:
        person = Told("u", canary.fresh())
        broker = broker_with(tmp_path, DIGEST.format(server.origin), server.origin, person=person)
        broker.setup("thing")
    assert person.hidden
