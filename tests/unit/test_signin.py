"""From a person, or from an app alone, to a grant: who is asked, what is kept, and when."""

from __future__ import annotations

import dataclasses
import json

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.servers import Reply, recorder
from tests.unit.test_quirky_logins import DEMO, Somebody, desk, works
from tests.world import Told, home_with

APP = Key("app", "demo")


@pytest.fixture
def provider():
    with Provider(device_interval=0.05) as running:
        yield running


class Unattended(Nobody):
    """Nobody, where the recipe has been agreed to already."""

    def confirm(self, question):
        return True


def rewritten(tmp_path, change) -> None:
    path = tmp_path / "home" / "recipes" / "demo.yaml"
    path.write_text(change(path.read_text()))


# -- nobody there --------------------------------------------------------------------------


@pytest.mark.parametrize("discovery", [True, False])
def test_where_nobody_is_a_login_is_required_and_nothing_is_sent(
    tmp_path, provider, discovery
) -> None:
    broker = desk(tmp_path, provider, person=Unattended(), discovery=discovery)
    for call in (broker.setup, broker.bind, broker.get_token):
        with pytest.raises(errors.LoginRequired) as caught:
            call("demo")
        assert (caught.value.why, caught.value.hint) == ("never", "arcrun setup demo")
    assert provider.requests.total() == 0


def test_a_new_login_where_nobody_is_names_the_command(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo")
    before = provider.requests.total()
    broker = desk(tmp_path, provider, app=None, store=broker.store, person=Unattended())
    with pytest.raises(errors.AuthError, match="nobody can be asked") as caught:
        broker.setup("demo", replace=True)
    assert caught.value.hint == "arcrun setup demo"
    assert provider.requests.total() == before
    assert broker.store.get(DEMO).grant.dead is None


def test_a_grant_that_needs_no_person_needs_its_app(tmp_path, provider) -> None:
    broker = desk(
        tmp_path, provider, app=None, person=Unattended(), auth="post", grant="client_credentials"
    )
    with pytest.raises(errors.MissingSecret) as caught:
        broker.setup("demo")
    assert (caught.value.key, caught.value.hint) == ("client_id", "arcrun app add demo")
    assert provider.requests.total() == 0


def test_a_param_that_somebody_has_to_type_stops_no_setup(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, "eu", app="post", auth="post", grant="client_credentials")
    own = f"{provider.issuer}/token"
    more = "params: {r: {pattern: '[a-z]+'}}\n"
    rewritten(tmp_path, lambda text: text.replace(own, own + "?r={{param.r}}") + more)
    with pytest.raises(errors.LoginRequired):  # not a fault of the recipe
        broker.bind("demo", interactive=False)
    # The provider takes no query, so only the way there counts.
    with pytest.raises(errors.TokenRefused):
        broker.setup("demo")
    assert provider.requests["/token"] == 1


# -- the app -------------------------------------------------------------------------------


def test_an_app_that_is_typed_is_kept_once_it_has_worked(tmp_path, provider) -> None:
    lines = ("demo-post", provider.client_secret)
    broker = desk(tmp_path, provider, *lines, app=None, auth="post")
    broker.setup("demo")
    assert broker.store.get(APP).secrets["client_id"].reveal() == "demo-post"
    assert works(broker)


@pytest.mark.parametrize("grant", ["authorization_code", "client_credentials"])
def test_an_app_that_did_not_work_is_not_kept(tmp_path, provider, grant) -> None:
    lines = ("demo-post", "wrong-canary-of-a-secret")
    broker = desk(tmp_path, provider, *lines, app=None, auth="post", grant=grant)
    with pytest.raises(errors.AuthError, match="invalid_client"):
        broker.setup("demo")
    assert list(broker.store.keys()) == []


def test_a_typed_app_is_enough_for_a_grant_without_a_person(tmp_path, provider) -> None:
    lines = ("demo-post", provider.client_secret)
    broker = desk(tmp_path, provider, *lines, app=None, auth="post", grant="client_credentials")
    broker.setup("demo")
    assert broker.store.get(APP) is not None
    assert works(broker)


def test_a_client_that_comes_with_the_recipe_asks_for_no_app_and_keeps_none(
    tmp_path, provider
) -> None:
    provider.register("shipped")
    broker = desk(tmp_path, provider, app=None)
    rewritten(tmp_path, lambda text: text.replace("auth: none", "auth: none\n    id: shipped"))
    broker.person.ask = None  # whoever asks fails
    broker.setup("demo")
    assert works(broker)
    assert provider.authorizations[0]["client_id"] == "shipped"
    assert [key.kind for key in broker.store.keys()] == ["credential"]
    token = broker.get_token("demo", interactive=False).access_token
    assert broker._connections.known("demo", None).token(rejected=token).access_token != token
    assert broker.remove("demo", revoke=True).told is True


@pytest.mark.parametrize("shipped", [True, False])
def test_the_id_of_the_app_goes_along_where_the_service_wants_it(
    tmp_path, provider, shipped
) -> None:
    seen = []
    with recorder(lambda request: seen.append(request) or Reply(body=b'{"id": "s"}')) as server:
        broker = desk(tmp_path, provider, app=None if shipped else "none")
        with_id = "auth: none\n    id: demo" if shipped else "auth: none"
        header = "    Authorization: Bearer {{token.access_token}}\n"

        def change(text):
            text = text.replace(f"base_url: {provider.issuer}/api", f"base_url: {server.origin}")
            text = text.replace("auth: none", with_id)
            text = text.replace(header, header + '    Client-Id: "{{client.id}}"\n')
            origin = server.origin.removeprefix("http://")
            return text + (
                f"allowed_hosts: ['{origin}']\nparams: {{site: {{from: discover}}}}\n"
                f"discover: [{{url: '{server.origin}/sites', save: {{site: id}}}}]\n"
            )

        rewritten(tmp_path, change)
        broker._connections.resolver.allow += (server.origin,)
        broker.setup("demo")
        assert broker.store.get(DEMO).params == {"site": "s"}
        with broker.bind("demo") as client:
            client.get("/x")
    assert [request.target for request in seen] == ["/sites", "/me", "/x"]
    assert {request.headers["client-id"] for request in seen} == {"demo"}


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "no \x1b[2Jloopback"},
         r"no \[2Jloopback"),
        (404, {}, "it answered 404"),
        (201, {"client_id": ""}, "it answered 201"),
    ],
)  # fmt: skip
def test_a_server_that_registers_nobody_says_why(tmp_path, provider, status, body, text) -> None:
    with recorder(lambda _: Reply(status, body=json.dumps(body).encode())) as server:
        broker = desk(tmp_path, provider, app=None, registration="dcr")
        rewritten(
            tmp_path, lambda was: was.replace(f"{provider.issuer}/register", f"{server.origin}/r")
        )
        broker._connections.resolver.allow += (server.origin,)
        with pytest.raises(errors.LoginFailed, match=text) as caught:
            broker.setup("demo")
    assert caught.value.service == "demo"
    # `arcrun app add` knows of no app for a client that registers itself.
    assert caught.value.hint == "arcrun setup demo --client-file FILE, with an app made there"
    assert list(broker.store.keys()) == []
    assert provider.authorizations == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_cannot_register_now_is_to_be_asked_again(tmp_path, provider, status) -> None:
    with recorder(lambda _: Reply(status, {"retry-after": "7"})) as server:
        broker = desk(tmp_path, provider, app=None, registration="dcr")
        rewritten(
            tmp_path, lambda was: was.replace(f"{provider.issuer}/register", f"{server.origin}/r")
        )
        broker._connections.resolver.allow += (server.origin,)
        with pytest.raises(errors.ProviderUnavailable) as caught:
            broker.setup("demo@work")
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert caught.value.hint == "arcrun setup demo@work"


# -- grants without a person ---------------------------------------------------------------


def test_what_was_never_set_up_asks_for_the_scopes_of_the_recipe(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant="client_credentials")
    assert broker.get_token("demo").scopes == {"read", "write"}
    assert broker.store.get(DEMO) is None


def test_a_grant_that_is_asked_for_again_is_as_old_as_the_first(tmp_path) -> None:
    now = [1_700_000_000.0]
    with Provider(clock=lambda: now[0]) as provider:
        broker = desk(tmp_path, provider, app="post", auth="post", grant="client_credentials")
        broker._connections.resolver.clock = lambda: now[0]
        broker.setup("demo")
        now[0] += 1000
        before = broker.get_token("demo")
        broker._connections.known("demo", None).token(rejected=before.access_token)
        grant = broker.store.get(DEMO).grant
        assert (grant.since, grant.issued) == (1_700_000_000.0, now[0])


def test_a_key_that_is_missing_is_named_and_nothing_sent(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider, app=None, grant="jwt_bearer")
    broker.setup("demo", key=provider.private_key)
    held = broker.store.get(DEMO)
    broker.store.put(held.replace(secrets={}), expect=held.generation)
    asked = provider.requests.total()
    source = broker._connections.resolver.source(broker._connections.resolver.find("demo", None))
    with pytest.raises(errors.MissingSecret) as caught:
        source.token(rejected=held.grant.access_token.reveal())
    assert caught.value.key == "demo_private_key"
    assert provider.requests.total() == asked


@pytest.mark.parametrize("grant", ["authorization_code", "client_credentials"])
def test_an_app_that_is_gone_is_named_at_a_renewal(tmp_path, provider, grant) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant=grant)
    broker.setup("demo")
    app = broker.store.get(APP)
    broker.store.delete(APP, expect=app.generation)
    before = broker.get_token("demo")
    with pytest.raises(errors.MissingSecret):
        broker._connections.known("demo", None).token(rejected=before.access_token)
    assert broker.store.get(DEMO).grant.dead is None


# -- what is told --------------------------------------------------------------------------


def test_a_login_that_will_end_for_good_is_told(tmp_path) -> None:
    with Provider(quirks=Quirks(offline=True)) as provider:
        broker = desk(tmp_path, provider)
        rewritten(
            tmp_path, lambda text: text.replace("access_type: offline", "access_type: online")
        )
        broker.setup("demo")
        assert any("gave no refresh token" in line for line in broker.person.said)
        assert broker.store.get(DEMO).grant.refresh_token is None


def test_a_login_without_anything_missing_tells_nothing_of_the_kind(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo")
    assert not any("Not granted" in s or "no refresh token" in s for s in broker.person.said)


def test_a_notice_of_the_recipe_is_read_before_anything_opens(tmp_path, provider) -> None:
    said = []

    def open_url(url):
        said.append("the browser")
        return provider.follow(url)

    broker = desk(tmp_path, provider, open_url=open_url)
    rewritten(
        tmp_path, lambda text: text.replace("oauth2:", "oauth2:\n  notices: [Mind the page.]")
    )
    broker.person.say = said.append
    broker.setup("demo")
    assert said.index("Mind the page.") < said.index("the browser")


def test_somebody_who_cannot_paste_is_asked_for_no_address(tmp_path, provider) -> None:
    class AtADesktop(Somebody):
        reach = "desktop"

    broker = desk(tmp_path, provider, person=AtADesktop())
    broker.setup("demo")
    assert works(broker)
    assert not any("paste it here" in line for line in broker.person.said)


def test_half_a_character_in_an_answer_loses_no_grant(tmp_path) -> None:
    from arcrun_auth.stores.vault import dump_record, load_record

    record = Credential(DEMO, secrets={"a": Secret("x\ud800y")})
    assert load_record(dump_record(record), DEMO).secrets["a"].reveal() == "x\ud800y"
    assert Memory().put(record, expect=0).generation == 1


# -- what to type next ---------------------------------------------------------------------


def forget_secret(provider) -> None:
    app = provider.authority.apps["demo-post"]
    provider.authority.apps["demo-post"] = dataclasses.replace(app, secret="another")


@pytest.mark.parametrize("grant", ["authorization_code", "client_credentials"])
def test_a_refused_renewal_names_the_instance_to_set_up(tmp_path, provider, grant) -> None:
    broker = desk(tmp_path, provider, app="post", auth="post", grant=grant)
    broker.setup("demo@work")
    _, source = broker._connections.get("demo@work", None, person=Nobody)
    forget_secret(provider)
    with pytest.raises(errors.TokenRefused) as caught:
        source.token(rejected=source.token().access_token)
    assert caught.value.hint == "arcrun setup demo@work"


def test_of_a_renewal_that_was_never_sent_nobody_says_that_its_answer_was_lost(
    tmp_path, provider
) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo")
    _, source = broker._connections.get("demo", None, person=Nobody)
    token = source.token().access_token
    app = broker.store.get(APP)
    broker.store.delete(APP, expect=app.generation)
    with pytest.raises(errors.MissingSecret):
        source.token(rejected=token)
    broker.store.put(app, expect=0)
    provider.authority.end(broker.store.get(DEMO).grant.refresh_token.reveal())
    with pytest.raises(errors.LoginRequired) as caught:
        source.token(rejected=token)
    assert "was cut off" not in caught.value.message
    assert "If its answer was lost" in caught.value.message


def test_an_issuer_that_is_another_names_the_instance_to_set_up(tmp_path) -> None:
    with Provider() as provider, recorder() as gone:
        broker = desk(tmp_path, provider, discovery=True)
        rewritten(tmp_path, lambda text: text.replace(provider.issuer, gone.origin))
        broker._connections.resolver.allow += (gone.origin,)
        gone.answer = lambda _: Reply(503)
        with pytest.raises(errors.ProviderUnavailable) as caught:
            broker.setup("demo@work")
        assert caught.value.hint == "arcrun setup demo@work"


def test_a_changed_recipe_names_the_instance_to_set_up(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo@work")
    rewritten(tmp_path, lambda text: text + "static_headers: {X-A: b}\n")
    again = desk(tmp_path, provider, app=None, store=broker.store)
    with pytest.raises(errors.ConsentRequired) as caught:
        again.bind("demo@work")
    assert caught.value.hint == "arcrun setup demo@work"


def test_a_param_that_is_missing_names_the_instance_to_set_up(tmp_path, provider) -> None:
    broker = desk(tmp_path, provider)
    broker.setup("demo@work")
    rewritten(tmp_path, lambda text: text + "params: {p: {}}\n")
    again = desk(tmp_path, provider, app=None, store=broker.store)
    with pytest.raises(errors.RecipeError) as caught:
        again.setup("demo@work", replace=True)
    assert caught.value.hint == "arcrun setup demo@work --param p=…"


def test_an_issuer_that_was_never_asked_is_asked_by_a_setup(tmp_path, provider) -> None:
    """Where a grant needs no person, all else is there without one."""
    broker = desk(
        tmp_path, provider, app="post", auth="post", grant="client_credentials", discovery=True
    )
    with pytest.raises(errors.LoginRequired) as caught:
        broker.get_token("demo", interactive=False)
    assert caught.value.hint == "arcrun setup demo"
    broker.setup("demo")
    assert works(broker)


# -- where a login is kept -----------------------------------------------------------------


class Shy(Told):
    """Types this passphrase, whenever one is asked for."""

    def __init__(self, passphrase: str | None) -> None:
        super().__init__()
        self.passphrase = passphrase

    def ask(self, question, *, hidden=False):
        super().ask(question, hidden=hidden)
        return self.passphrase if hidden else None


def without_a_vault(tmp_path, provider, passphrase) -> Broker:
    return Broker(
        home=home_with(tmp_path, provider),
        person=Shy(passphrase),
        open_url=provider.follow,
        environ={"ARCRUN_KEYRING": "off", "ARCRUN_DEMO_CLIENT_ID": "demo"},
        allow_hosts=[provider.issuer],
    )


@pytest.mark.usefixtures("cheap_passphrases")
def test_a_passphrase_is_asked_for_before_the_login_and_once(tmp_path, provider) -> None:
    broker = without_a_vault(tmp_path, provider, canary.fresh("passphrase"))

    def open_url(url):
        assert len(broker.person.hidden) == 2
        return provider.follow(url)

    broker._connections._open_url = open_url
    broker.setup("demo")
    assert works(broker)
    assert len(broker.person.hidden) == 2  # the second time to be sure of it
    broker.close()


@pytest.mark.parametrize(
    ("passphrase", "kind"),
    [(None, errors.NoStore), ("short", errors.StoreError), ("", errors.StoreLocked)],
)
def test_nobody_logs_in_before_there_is_a_place_for_the_login(
    tmp_path, provider, passphrase, kind
) -> None:
    broker = without_a_vault(tmp_path, provider, passphrase)
    with pytest.raises(kind):
        broker.setup("demo")
    with pytest.raises(kind):
        broker.setup("keyed")
    assert provider.requests.total() == 0
