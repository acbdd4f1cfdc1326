"""The shared OAuth app: the whole way, and every rule of it.

What the security practices of the Model Context Protocol demand of a proxy with a static client
id ("Confused Deputy Problem"), what `security.md` of this project adds, and where each is held:

=====================================================  ==========================================
A proxy MUST                                           held by the test that ends in
=====================================================  ==========================================
ask for consent before the provider is asked           nothing_goes_to_the_provider_before
keep consent per client, and check it first            consent_is_asked_for_at_each_login
name the client, the scopes, where tokens go           page_says_who_asks_for_what
protect the consent form against CSRF                  form_of_another_browser_is_refused
forbid frames (`frame-ancestors`)                      page_cannot_be_framed
`__Host-`, Secure, HttpOnly, SameSite cookies          cookie_is_bound_to_its_host
sign cookies, bind them to the one login               cookie_of_another_login_is_refused
match the redirect URI exactly                         goes_to_127_0_0_1_alone
set the state's cookie only after the consent          no_cookie_of_the_login_before
compare state and cookie at the callback               user_b_cannot_finish_what_user_a_began
use a state once, for ten minutes at most              state_is_used_once, state_ends
-----------------------------------------------------  ------------------------------------------
an interstitial page before 127.0.0.1                  one_more_page_before_the_program
check the verifier against the sealed challenge        wrong_verifier_is_refused
seal the state: no part of it can be chosen            state_that_was_changed_is_refused
renew for the holder of the key alone                  stolen_refresh_token_is_of_no_use
take each proof once                                   proof_is_taken_once
keep no token, log none                                canary (all of the suite), keeps_no_token
limit the scopes to what the admin allows              scopes_beyond_the_admins
limit the rate                                         rate_is_limited
=====================================================  ==========================================
"""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from arcrun_auth import errors, oauth
from arcrun_auth.broker import Broker
from arcrun_auth.oauth import dpop
from arcrun_auth.relayed import Relay
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.providers import Providers, SharedApp
from arcrun_auth.server.visits import Site, Visit
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests.platform_desk import FREE, Desk
from tests.surfer import Surfer
from tests.world import Told

CREDENTIAL = Key("credential", "demo")


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


class World:
    """A provider, a server that shares its app there, and homes that use it."""

    def __init__(self, folder, provider, **app):
        self.folder, self.provider = folder, provider
        secret = folder / "secret"
        secret.write_text(provider.client_secret)
        recipes = folder / "server" / "recipes"
        recipes.mkdir(parents=True, mode=0o700)
        self.recipe = provider.recipe_yaml("demo", auth="post")
        (recipes / "demo.yaml").write_text(self.recipe)
        limits = app.pop("limits", FREE)
        entry = {"scopes": ("read", "write"), "without_account": True, **app}
        shared = SharedApp(client_id="demo-post", client_secret_file=str(secret), **entry)
        providers = Providers(apps={"demo": shared}, allow_hosts=(provider.issuer,))
        config = Config(
            registration="open", limits=limits, folder=str(folder / "server"), providers=providers
        )
        self.desk = Desk(folder / "server", config)
        self.site = self.desk.app.site
        provider.register(
            "demo-post", auth="post", redirect_uris=(f"{self.desk.url}/oauth/redirect",)
        )
        self.surfer = Surfer()
        self.told = Told()

    def broker(self, name="home", *, open_url=None, server=True, store=None, **environ):
        home = self.folder / name
        (home / "recipes").mkdir(parents=True, mode=0o700, exist_ok=True)
        home.chmod(0o700)
        (home / "recipes" / "demo.yaml").write_text(self.recipe)
        if server:
            environ["ARCRUN_SERVER"] = self.desk.url
        from arcrun_auth.stores.memory import Memory

        return Broker(
            home=str(home),
            store=store or Memory(),
            person=self.told,
            open_url=open_url or self.browse,
            allow_hosts=[self.provider.issuer, self.desk.url],
            environ={"ARCRUN_LOGIN_TIMEOUT": "60", **environ},
        )

    def browse(self, url):
        """A person who agrees to everything, up to the page of the program."""
        self.at_provider(url)
        self.surfer.click("Back to the program")

    def at_provider(self, url, surfer=None):
        """To the provider, and back to the server's page."""
        surfer = surfer or self.surfer
        surfer.open(url)
        surfer.press("Go on")  # and by itself to the provider, which shows its form
        assert surfer.url.startswith(self.provider.issuer), surfer.page.text
        surfer.open(self.provider.redirected(surfer.url))

    def login(self, broker):
        return broker.setup("demo")

    def grant(self, broker):
        return broker.store.get(CREDENTIAL).grant

    def renewed(self, broker):
        dead = broker.get_token("demo", interactive=False)
        return broker._connections.known("demo", None).token(rejected=dead.access_token)

    def close(self):
        self.desk.close()


@pytest.fixture
def world(tmp_path, provider):
    found = World(tmp_path, provider)
    yield found
    found.close()


class Client:
    """A client of the routes, step by step."""

    def __init__(self, world, **known):
        self.world = world
        self.broker = world.broker()
        resolver = self.broker._connections.resolver
        self.relay = Relay(resolver, "demo", world.desk.url, **known)
        recipe = self.broker.recipes.recipe("demo").way().oauth2
        self.oauth2 = recipe
        assert self.relay.offered(recipe, ("read",))
        self.verifier, challenge = oauth.new_proof_key()
        self.state, self.url = self.relay.start(challenge, 5555)

    def code(self, surfer=None):
        """The code of a login that somebody agreed to, as it would come to the program."""
        surfer = surfer or self.world.surfer
        self.world.at_provider(self.url, surfer)
        link = surfer.page.links["Back to the program"]
        assert link.startswith("http://127.0.0.1:5555/callback?")
        return Secret(parse_qs(urlsplit(link).query)["code"][0])

    def redeem(self, code):
        answer, known = self.relay.redeem(self.state, code, self.verifier)
        return json.loads(answer.body), known


# -- the whole way ----------------------------------------------------------------------------


def test_a_login_by_the_servers_app_works_and_renews_through_the_server(world):
    broker = world.broker()
    world.login(broker)
    with broker.bind("demo", interactive=False) as client:
        assert client.get("/me").status_code == 200
    first = world.grant(broker)
    assert first.relay is not None
    assert first.client == "demo-post"
    token = world.renewed(broker)
    assert token.access_token != first.access_token.reveal()
    assert world.grant(broker).refresh_token != first.refresh_token
    world.renewed(broker)  # with the binding of the second refresh token
    assert world.provider.refreshes == 2
    assert world.provider.reuses == 0
    assert any("pass through 127.0.0.1" in line for line in world.told.said)
    why = broker.why("demo")
    assert (why.ownership, why.through) == ("managed", world.desk.url)


def test_removing_it_ends_the_login_at_the_provider_through_the_server(world):
    broker = world.broker()
    world.login(broker)
    removed = broker.remove("demo", revoke=True)
    assert removed.told, removed.error
    assert world.provider.families_revoked == 1


def test_the_server_keeps_no_token(world):
    broker = world.broker()
    world.login(broker)
    world.renewed(broker)
    grant = world.grant(broker)
    data = b"".join(
        path.read_bytes() for path in (world.folder / "server").iterdir() if path.is_file()
    )
    for secret in (grant.access_token, grant.refresh_token):
        assert secret.reveal().encode() not in data


# -- consent ----------------------------------------------------------------------------------


def test_nothing_goes_to_the_provider_before_somebody_agrees(world):
    client = Client(world)
    world.surfer.open(client.url)
    assert world.surfer.url == client.url  # it shows a page of its own, and leads nowhere
    assert not world.surfer.page.onward
    world.surfer.press("Cancel")
    assert world.provider.authorizations == []
    link = world.surfer.page.links["Back to the program"]
    assert parse_qs(urlsplit(link).query)["error"] == ["access_denied"]


def test_consent_is_asked_for_at_each_login_and_never_remembered(world):
    for _ in range(2):
        client = Client(world)
        world.surfer.open(client.url)
        assert {form.button for form in world.surfer.page.forms} == {"Go on", "Cancel"}
        world.surfer.press("Go on")
    assert len(world.provider.authorizations) == 2


def test_the_page_says_who_asks_for_what_and_where_it_goes(world):
    client = Client(world)
    text = world.surfer.open(client.url).text
    for said in ("program on this computer", "read", "http://127.0.0.1:5555/callback", "Demo"):
        assert said in text
    assert urlsplit(world.desk.url).netloc in text


def test_a_form_of_another_browser_is_refused(world):
    client = Client(world)
    world.surfer.open(client.url)
    form = world.surfer.page.forms[0]
    other = Surfer()
    other.only(f"{world.desk.url}/oauth/authorize", form.fields)
    assert other.status == 403
    # With a cookie of its own that browser has another proof.
    other.open(client.url)
    other.only(f"{world.desk.url}/oauth/authorize", form.fields)
    assert other.status == 403
    for mark in ("", "x", "é"):
        world.surfer.only(f"{world.desk.url}/oauth/authorize", {**form.fields, "csrf": mark})
        assert world.surfer.status == 403
    world.surfer.only(
        f"{world.desk.url}/oauth/authorize", form.fields, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert world.surfer.status == 403


def test_a_page_cannot_be_framed_nor_run_a_script(world):
    client = Client(world)
    world.surfer.open(client.url)
    policy = world.surfer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "<script" not in world.surfer.page.text
    assert world.surfer.headers["x-frame-options"] == "DENY"
    assert world.surfer.headers["referrer-policy"] == "no-referrer"
    assert world.surfer.headers["cache-control"] == "no-store"


def test_a_cookie_is_bound_to_its_host_where_there_is_https():
    site = Site.__new__(Site)
    cookie = site.cookie(Visit("GET", None, secure=True), "arcrun_oauth", "x", 600)
    assert cookie.startswith("__Host-arcrun_oauth=x;")
    for part in ("Path=/", "HttpOnly", "SameSite=Lax", "Secure"):
        assert f"; {part}" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in site.cookie(Visit("GET", None), "arcrun_oauth", "x", 600)


def test_there_is_no_cookie_of_the_login_before_somebody_agreed(world):
    client = Client(world)
    world.surfer.open(client.url)
    assert [cookie.name for cookie in world.surfer.jar] == ["csrf"]
    form = next(f for f in world.surfer.page.forms if f.button == "Go on")
    world.surfer.only(f"{world.desk.url}/oauth/authorize", form.fields)
    names = [cookie.name for cookie in world.surfer.jar if "oauth" in cookie.name]
    assert len(names) == 1
    assert "HttpOnly" in world.surfer.set_cookies[0]


# -- the way back -------------------------------------------------------------------------------


def answered(world, client, surfer=None):
    """Where the provider sends the browser of whoever agreed."""
    surfer = surfer or world.surfer
    surfer.open(client.url)
    surfer.press("Go on")
    return world.provider.redirected(surfer.url)


def test_user_b_cannot_finish_what_user_a_began(world):
    client = Client(world)
    target = answered(world, client)
    b = Surfer()
    b.only(target)
    assert b.status == 403
    assert "http://127.0.0.1" not in b.page.text
    assert world.provider.token_requests == {}


def test_a_cookie_of_another_login_is_refused(world):
    one, two = Client(world), Client(world)
    target = answered(world, one)
    b = Surfer()
    answered(world, two, b)  # B has agreed to a login, of its own
    mine = next(c for c in b.jar if "oauth" in c.name)
    theirs = next(c for c in world.surfer.jar if "oauth" in c.name)
    for name, value in ((mine.name, mine.value), (theirs.name, mine.value)):
        other = Surfer()
        other.only(target, Cookie=f"{name}={value}")
        assert other.status == 403


def test_a_state_is_used_once(world):
    client = Client(world)
    target = answered(world, client)
    cookies = "; ".join(f"{c.name}={c.value}" for c in world.surfer.jar)
    world.surfer.only(target)
    code = Secret(parse_qs(urlsplit(target).query)["code"][0])
    assert world.surfer.status == 200
    for surfer, headers in ((world.surfer, {}), (Surfer(), {"Cookie": cookies})):
        surfer.only(target, **headers)  # the cookie is gone; and with it kept it is no better
        assert surfer.status == 403
    surfer = Surfer()
    surfer.open(client.url)
    surfer.press("Go on")
    assert surfer.status == 403
    client.redeem(code)
    with pytest.raises(errors.AuthError, match="exchanged before"):
        client.redeem(code)
    assert world.provider.token_requests["authorization_code"] == 1


def test_a_state_ends_after_ten_minutes(world):
    client = Client(world)
    target = answered(world, client)
    code = Secret(parse_qs(urlsplit(target).query)["code"][0])
    world.desk.database._clock = lambda: time.time() + 601
    for url in (client.url, target):
        world.surfer.only(url)
        assert world.surfer.status == 400
    with pytest.raises(errors.AuthError, match="over, or none of ours"):
        client.redeem(code)
    assert world.provider.token_requests == {}


def test_a_state_that_was_changed_is_refused(world):
    client = Client(world)
    raw = client.state
    changed = [raw[:-9] + ("A" if raw[-9] != "A" else "B") + raw[-8:], raw[:40], raw + "AAAA"]
    changed += ["", "x" * 9000, "é"]
    changed += [raw[:n] + ("A" if raw[n] != "A" else "B") + raw[n + 1 :] for n in range(0, 60, 7)]
    for state in changed:
        query = urlencode({"state": state, "code": "x"})
        for path in ("authorize", "redirect"):
            world.surfer.only(f"{world.desk.url}/oauth/{path}?{query}")
            assert world.surfer.status == 400, state
        client.state = state
        with pytest.raises(errors.AuthError):
            client.redeem(Secret("x"))
    # Sealed for another purpose it is none either.
    for purpose in ("flow", "code", "dpop", "arcrun_session"):
        text = world.site.sealer.seal(purpose, {"port": 5555}, ends=time.time() + 60)
        world.surfer.only(f"{world.desk.url}/oauth/authorize?{urlencode({'state': text})}")
        assert world.surfer.status == 400
    assert world.provider.requests["/token"] == 0


def test_there_is_one_more_page_before_the_program_and_it_goes_to_127_0_0_1_alone(world):
    client = Client(world)
    world.surfer.only(answered(world, client))
    page = world.surfer.page
    assert world.surfer.status == 200
    assert not page.onward
    assert "location" not in world.surfer.headers
    (link,) = page.links.values()
    assert link.startswith("http://127.0.0.1:5555/callback?")
    assert set(parse_qs(urlsplit(link).query)) == {"code", "state", "iss"}
    for port in (0, 80, 1023, 65536, -1, "5555@evil.example"):
        answer = post(world, client, "start", port=port)
        assert answer.status == 400


def post(world, client, what, **changed):
    body = {
        "challenge": "c" * 43, "port": 5555, "scopes": ["read"],
        "authorization_endpoint": client.oauth2.authorization_endpoint,
        "token_endpoint": client.oauth2.token_endpoint,
    }  # fmt: skip
    return client.relay._sent("POST", what, body | changed)


def test_an_answer_of_another_issuer_goes_no_further(world):
    client = Client(world)
    target = answered(world, client)
    other = target.replace(urlencode({"iss": world.provider.issuer}), "iss=https://evil.example")
    assert other != target
    world.surfer.only(other)
    assert world.surfer.status == 403


# -- the exchange ---------------------------------------------------------------------------------


def test_a_wrong_verifier_is_refused_and_the_right_one_still_good(world):
    client = Client(world)
    code, right = client.code(), client.verifier
    for verifier in (oauth.new_proof_key()[0], Secret("x" * 43), Secret(right.reveal() + "x")):
        client.verifier = verifier
        with pytest.raises(errors.AuthError, match="not for you"):
            client.redeem(code)
    assert world.provider.token_requests == {}
    client.verifier = right
    assert client.redeem(code)[0]["access_token"]


def test_a_code_is_exchanged_for_the_key_of_the_login_alone(world):
    client = Client(world)
    code = client.code()
    thief = Client(world)
    thief.state, thief.verifier = client.state, client.verifier
    with pytest.raises(errors.AuthError, match="not for you"):
        thief.redeem(code)
    assert client.redeem(code)[0]["access_token"]


def test_a_stolen_refresh_token_is_of_no_use_here(world):
    client = Client(world)
    data, known = client.redeem(client.code())
    refresh, kept = Secret(data["refresh_token"]), json.loads(known.reveal())
    resolver = client.broker._connections.resolver
    thieves = [
        {},  # with the token alone
        {"binding": kept["binding"]},  # and with what binds it, but another key
        {"proof_key": Secret(kept["key"])},  # and with the key, but nothing that binds it
        {"proof_key": Secret(kept["key"]), "binding": kept["binding"][:-2] + "AA"},
    ]
    for known_to_thief in thieves:
        thief = Relay(resolver, "demo", world.desk.url, **known_to_thief)
        with pytest.raises(errors.AuthError, match="not bound") as caught:
            thief.refresh(refresh)
        assert not isinstance(caught.value, errors.TokenRefused)
    assert world.provider.token_requests["refresh_token"] == 0
    owner = Relay(
        resolver, "demo", world.desk.url,
        proof_key=Secret(kept["key"]), binding=kept["binding"],
    )  # fmt: skip
    with pytest.raises(errors.AuthError, match="not bound"):
        owner.refresh(Secret("another"))
    assert owner.refresh(refresh)[0].status == 200


def test_a_proof_is_taken_once_and_for_its_request_alone(world):
    from arcrun_auth._http import send_token
    from arcrun_auth.oauth.call import TokenCall

    client = Client(world)
    url = f"{world.desk.url}/oauth/demo/start"
    body = json.dumps({
        "challenge": "c" * 43, "port": 5555, "scopes": [],
        "authorization_endpoint": client.oauth2.authorization_endpoint,
        "token_endpoint": client.oauth2.token_endpoint,
    }).encode()  # fmt: skip

    def status(proof):
        headers = {"content-type": "application/json", **({"dpop": proof} if proof else {})}
        call = TokenCall(url, headers=headers, content=body, secrets=())
        answer = send_token(call, guard=client.relay._fence)
        return answer.status, json.loads(answer.body).get("error")

    key, now = dpop.new_key(), time.time()
    world.desk.database._clock = lambda: now  # 301 seconds are 301, however long this takes
    proof = dpop.proof(key, "POST", url, now=now).reveal()
    assert status(proof) == (200, None)
    assert status(proof) == (400, "invalid_dpop_proof")
    for wrong in (
        dpop.proof(key, "GET", url, now=now),
        dpop.proof(key, "POST", url.replace("start", "token"), now=now),
        dpop.proof(key, "POST", url.replace("127.0.0.1", "localhost"), now=now),
        Secret(""), Secret("x.y.z"), Secret(proof[:-4]), Secret("x" * 5000),
    ):  # fmt: skip
        assert status(wrong.reveal()) == (400, "invalid_dpop_proof")
    for late in (-301, 301):
        assert status(dpop.proof(key, "POST", url, now=now + late).reveal())[1] == "use_dpop_nonce"
    unknown = dpop.proof(key, "POST", url, now=now, nonce="made-up").reveal()
    assert status(unknown)[1] == "use_dpop_nonce"


def test_a_clock_that_is_wrong_by_a_day_logs_in_all_the_same(world):
    broker = world.broker()
    broker._connections.resolver.clock = lambda: time.time() - 86400
    world.login(broker)
    assert world.grant(broker).relay is not None


def test_scopes_beyond_the_admins_are_asked_for_in_vain(tmp_path, provider):
    world = World(tmp_path, provider, scopes=("read",))
    try:
        client = Client(world)
        assert post(world, client, "start", scopes=["read", "write"]).status == 403
        # Whoever changes the address on the way gets no token for it either.
        world.surfer.open(client.url)
        form = next(f for f in world.surfer.page.forms if f.button == "Go on")
        page = world.surfer.only(f"{world.desk.url}/oauth/authorize", form.fields)
        wider = page.onward.replace("scope=read", "scope=read+write")
        assert wider != page.onward
        world.surfer.only(provider.redirected(wider))
        link = next(iter(world.surfer.page.links.values()))
        code = Secret(parse_qs(urlsplit(link).query)["code"][0])
        with pytest.raises(errors.AuthError, match="more than"):
            client.redeem(code)
    finally:
        world.close()


def test_endpoints_that_are_not_the_apps_are_refused_on_both_sides(world):
    client = Client(world)
    answer = post(world, client, "start", token_endpoint="https://evil.example/token")
    assert answer.status == 409
    from msgspec.structs import replace

    other = replace(client.oauth2, token_endpoint="https://evil.example/token")
    assert not client.relay.offered(other, ())


def test_the_rate_is_limited(tmp_path, provider):
    limits = Limits(key_rate=0, address_rate=0.001, address_burst=3)
    world = World(tmp_path, provider, limits=limits)
    try:
        client = Client(world)
        statuses = [post(world, client, "start").status for _ in range(4)]
        assert statuses[-1] == 429
        with pytest.raises(errors.ProviderUnavailable):
            client.relay.refresh(Secret("x"))
    finally:
        world.close()


# -- accounts, and what goes wrong -----------------------------------------------------------------


def test_without_an_account_only_what_the_admin_shares_with_everybody(tmp_path, provider):
    world = World(tmp_path, provider, without_account=False)
    try:
        broker = world.broker()
        with pytest.raises(errors.LoginRequired) as caught:
            broker.setup("demo", ownership="managed")
        assert caught.value.hint == f"arcrun login --server {world.desk.url}"
        # With an account it works, at each step of the way.
        with world.desk.account() as cloud:
            key = cloud.key
        logged_in = world.broker("other", ARCRUN_API_KEY=key.reveal())
        world.login(logged_in)
        world.renewed(logged_in)
        grant = world.grant(logged_in)
        # Whoever has no account any more renews nothing, and the login is kept as it is.
        with world.desk.cloud(key) as cloud:
            cloud.delete_account()
        with pytest.raises(errors.AuthError) as gone:
            world.renewed(logged_in)
        assert not isinstance(gone.value, errors.LoginRequired)
        assert world.grant(logged_in).dead is None
        assert world.grant(logged_in).refresh_token == grant.refresh_token
    finally:
        world.close()


def test_a_code_of_one_account_is_not_for_another(tmp_path, provider):
    world = World(tmp_path, provider, without_account=False)
    try:
        keys = []
        for _ in range(2):
            with world.desk.account() as cloud:
                keys.append(cloud.key)

        class Member(Client):
            pass

        def broker(name="home", **_):
            return World.broker(world, name, ARCRUN_API_KEY=keys[0].reveal())

        world.broker = broker
        client = Member(world)
        code = client.code()
        from arcrun_auth.sync.account import Account

        other = Account(world.desk.url, lambda: keys[1], allow=())
        mine, client.relay._account = client.relay._account, other
        with pytest.raises(errors.AuthError, match="not for you"):
            client.redeem(code)
        client.relay._account = mine
        assert client.redeem(code)[0]["access_token"]
    finally:
        world.close()


def test_what_the_provider_refuses_ends_the_grant_and_what_the_server_refuses_does_not(world):
    broker = world.broker()
    world.login(broker)
    # The provider fails for a while: the grant is as it was.
    world.provider.fail_next(1, 503)
    with pytest.raises(errors.ProviderUnavailable):
        world.renewed(broker)
    assert world.grant(broker).dead is None
    # It ends the login: now the grant is dead.
    world.provider.authority._refresh.clear()
    broker.close()
    time_has_passed = world.broker(store=broker.store)
    with pytest.raises(errors.LoginRequired):
        world.renewed(time_has_passed)
    assert world.grant(time_has_passed).dead == "revoked"


def test_a_server_that_shares_the_app_no_more_is_told_as_one(world):
    broker = world.broker()
    world.login(broker)
    world.site.offers.clear()
    with pytest.raises(errors.AuthError, match="any more") as caught:
        world.renewed(broker)
    assert "of your own" in caught.value.hint
    assert world.grant(broker).dead is None


# -- the order ------------------------------------------------------------------------------------


def test_ones_own_app_goes_before_the_servers(world):
    from arcrun_auth.stores.memory import Memory

    store = Memory()
    own = Credential(Key("app", "demo"), secrets={
        "client_id": Secret("mine"), "client_secret": Secret(world.provider.client_secret),
    })  # fmt: skip
    store.put(own, expect=0)
    world.provider.register("mine", auth="post")
    broker = world.broker(store=store, open_url=world.provider.follow)
    assert broker.why("demo").ownership == "own"
    world.login(broker)
    assert world.grant(broker).relay is None
    assert world.grant(broker).client == "mine"


def test_the_server_alone_where_that_is_wanted_by_argument_or_setting(world):
    from arcrun_auth.stores.memory import Memory

    for how in ("argument", "setting"):
        store = Memory()
        own = Credential(Key("app", "demo"), secrets={"client_id": Secret("mine")})
        store.put(own, expect=0)
        environ = {"ARCRUN_OWNERSHIP": "managed"} if how == "setting" else {}
        broker = world.broker(how, store=store, **environ)
        broker.setup("demo", ownership="managed" if how == "argument" else None)
        assert world.grant(broker).client == "demo-post"
        world.surfer = Surfer()


def test_ones_own_app_alone_where_that_is_wanted(world):
    with pytest.raises(errors.MissingSecret):
        world.broker().setup("demo", ownership="own")
    assert world.provider.authorizations == []


def test_where_nobody_shares_an_app_the_wish_is_refused_with_the_next_command(world):
    for wish in ("managed", "shared"):
        broker = world.broker(wish, server=False)
        with pytest.raises(errors.AuthError) as caught:
            broker.setup("demo", ownership=wish)
        assert "ARCRUN_SERVER" in caught.value.hint
        assert "--ownership own" in caught.value.hint
    with pytest.raises(errors.AuthError, match="own, shared, managed"):
        world.broker("odd").setup("demo", ownership="mine")
    with pytest.raises(errors.AuthError, match="own, shared, managed"):
        world.broker("set", ARCRUN_OWNERSHIP="mine").setup("demo")


def test_a_server_that_cannot_be_reached_leaves_ones_own_app_as_the_way(world):
    world.desk.close()
    with pytest.raises(errors.MissingSecret):  # what the person typed of their own app: nothing
        world.login(world.broker())
    assert any("127.0.0.1" in line for line in world.told.said)
    with pytest.raises(errors.ProviderUnavailable):
        world.broker("other").setup("demo", ownership="managed")


def test_why_says_before_a_login_whose_app_it_would_be(world):
    why = world.broker().why("demo")
    assert (why.status, why.ownership, why.through) == ("not connected", "managed", world.desk.url)
    assert world.broker("none", server=False).why("demo").ownership == ""
