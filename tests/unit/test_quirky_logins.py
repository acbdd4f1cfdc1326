"""Whole logins, calls and renewals against providers that do it otherwise: one for each quirk."""

from __future__ import annotations

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Person
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Key, Secret

DEMO = Key("credential", "demo")

ANSWERS = {
    "by the book": {},
    "a nested answer": {"root": "data.tokens"},
    "names of its own": {
        "paths": {"access_token": "authed_user.access_token", "expires_in": "authed_user.ttl"}
    },
    "ok under 200": {"ok": True},
    "a form": {"encoding": "form"},
    "201": {"status": 201},
    "expires_in as a text": {"expires": "text"},
    "expires_in in milliseconds": {"expires": "ms"},
    "expires_at in seconds": {"expires": "at"},
    "expires_at in milliseconds": {"expires": "at_ms"},
    "expires_at as a date": {"expires": "at_date"},
    "no expiry": {"expires": "absent"},
    "scopes as a list": {"scope_list": True},
    "scopes by other names": {"scope_aliases": {"read": "https://x.example/read", "write": ""}},
    "commas between scopes": {"scope_separator": ","},
    "plus between scopes": {"scope_separator": "+"},
    "another scope parameter": {"scope_param": "user_scope"},
    "client_key": {"param_names": {"client_id": "client_key"}},
    "a renamed code": {"code_param": "auth_code", "param_names": {"code": "auth_code"}},
    "a token request in JSON": {"request_body": "json"},
    "a token request by GET": {"request_method": "GET", "request_body": "query"},
    "a token request in the query": {"request_body": "query"},
    "no PKCE": {"pkce": "refused"},
    "the state with the code": {"state_again": True},
    "a resource": {"resource_required": True},
    "localhost alone": {"host": "localhost"},
    "127.0.0.1 alone": {"host": "127.0.0.1"},
    "a realm in the redirect": {"redirect_params": {"realmId": "r-7"}},
    "renewal elsewhere": {"refresh_elsewhere": True},
    "a refresh token that stays": {"repeats_refresh_token": True},
    "offline access": {"offline": True},
    "exchange of the live token": {"renewal": "exchange"},
    "an API host in the answer": {"api_host": "token"},
    "an API host in the redirect": {"api_host": "redirect"},
    "one site": {"sites": {"s-1": "First"}},
    "several sites": {"sites": {"s-1": "First", "s-2": "Second"}},
}


class Somebody(Person):
    """Agrees, and types the lines that are given."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.said: list[str] = []

    @property
    def reach(self):
        return "terminal"

    def say(self, text):
        self.said.append(text)

    def ask(self, question, *, hidden=False):
        return self.lines.pop(0) if self.lines else None

    def confirm(self, question):
        return True


def app_of(provider, auth="none"):
    secrets = {"client_id": Secret("demo" if auth == "none" else f"demo-{auth}")}
    if auth in ("post", "basic", "client_secret_jwt"):
        secrets["client_secret"] = Secret(provider.client_secret)
    if auth == "private_key_jwt":
        secrets["private_key"] = Secret(provider.private_key)
    return Credential(Key("app", "demo"), secrets=secrets)


def desk(tmp_path, provider, *lines, app="none", open_url=None, store=None, person=None, **recipe):
    """A broker on a provider, with the recipe that fits it."""
    recipes = tmp_path / "home" / "recipes"
    if not recipes.exists():
        recipes.mkdir(parents=True)
        (recipes / "demo.yaml").write_text(provider.recipe_yaml("demo", **recipe))
        (tmp_path / "home").chmod(0o700)
    store = store or Memory()
    if app is not None:
        store.put(app_of(provider, app), expect=0)
    return Broker(
        home=str(tmp_path / "home"),
        store=store,
        person=person or Somebody(*lines),
        open_url=open_url or provider.follow,
        allow_hosts=[provider.issuer, f"http://{provider.api_host}"],
        environ={"ARCRUN_LOGIN_TIMEOUT": "30"},
    )


def works(broker) -> bool:
    with broker.bind("demo", interactive=False) as client:
        return client.get("me").status_code == 200


@pytest.mark.parametrize("quirks", ANSWERS.values(), ids=ANSWERS)
def test_a_login_a_call_and_a_renewal(tmp_path, quirks) -> None:
    with Provider(quirks=Quirks(**quirks)) as provider:
        broker = desk(tmp_path, provider, "Second")
        broker.setup("demo")
        assert works(broker)
        grant = broker.store.get(DEMO).grant
        assert 3500 < grant.expires - grant.issued <= 3601
        assert set(grant.requested) == {"read", "write"}
        assert broker.why("demo").missing_scopes == ()
        # What a server refuses is renewed, in the way that the provider has for it.
        dead = broker.get_token("demo", interactive=False)
        renewed = broker._connections.known("demo", None).token(rejected=dead.access_token)
        assert renewed.access_token != dead.access_token
        assert works(broker)
        assert provider.reuses == 0
        broker.close()


@pytest.mark.parametrize("auth", ["post", "basic"])
def test_the_token_of_an_hour_is_swapped_at_the_login_for_one_that_lasts(tmp_path, auth) -> None:
    with Provider(quirks=Quirks(renewal="exchange", swap=True)) as provider:
        broker = desk(tmp_path, provider, app=auth, auth=auth)
        broker.setup("demo")
        grant = broker.store.get(DEMO).grant
        assert grant.expires - grant.issued > 59 * 86400
        assert set(grant.scopes) == set(grant.requested) == {"read", "write"}
        assert works(broker)
        dead = broker.get_token("demo", interactive=False)
        renewed = broker._connections.known("demo", None).token(rejected=dead.access_token)
        assert renewed.access_token != dead.access_token
        assert provider.token_requests == {"authorization_code": 1, "swap": 1, "exchange": 1}
        broker.close()


def test_a_swap_that_fails_ends_the_login_and_keeps_nothing(tmp_path) -> None:
    """The code is spent, and a token of an hour cannot be renewed: better to say so at once."""
    cases = (("swap_token", "another", errors.LoginFailed),
             ("/swap", "/", errors.ProviderUnavailable))  # fmt: skip
    with Provider(quirks=Quirks(renewal="exchange", swap=True)) as provider:
        for number, (there, instead, kind) in enumerate(cases):
            broker = desk(tmp_path / str(number), provider, app="post", auth="post")
            path = tmp_path / str(number) / "home" / "recipes" / "demo.yaml"
            path.write_text(path.read_text().replace(there, instead))
            with pytest.raises(kind) as caught:
                broker.setup("demo")
            assert (caught.value.service, caught.value.hint) == ("demo", "arcrun setup demo")
            assert broker.store.get(DEMO) is None
            broker.close()


def test_a_numbered_refusal_is_told_and_ends_no_login(tmp_path) -> None:
    """Not `invalid_grant`: whether it means that is not for a number to say."""
    with Provider(quirks=Quirks(numbers={"invalid_grant": 40029})) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        assert works(broker)
        held = broker.store.get(DEMO).grant
        assert provider.authority.end(held.refresh_token.reveal())
        with pytest.raises(errors.TokenRefused, match="40029") as caught:
            broker._connections.known("demo", None).token(rejected=held.access_token.reveal())
        assert (caught.value.error, caught.value.hint) == ("40029", "arcrun setup demo")
        kept = broker.store.get(DEMO).grant
        assert kept.dead is None
        assert kept.refresh_token == held.refresh_token
        assert broker.why("demo").status != "revoked"
        broker.close()
