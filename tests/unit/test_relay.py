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
import sqlite3
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from arcrun_auth import errors, oauth
from arcrun_auth.broker import Broker
from arcrun_auth.oauth import dpop
from arcrun_auth.relayed import Relay
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.providers import Providers, SharedApp
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
