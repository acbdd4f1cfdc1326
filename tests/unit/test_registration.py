"""A client that registered itself, and that its server has forgotten or whose secret has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arcrun_auth import errors
from arcrun_auth.people import Nobody
from arcrun_auth.testing import Provider, Quirks, _clients
from arcrun_auth.testing._records import Refusal
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.unit.test_grants import device_desk
from tests.unit.test_quirky_logins import DEMO, desk, works

APP = Key("app", "demo")
START = 1_700_000_000.0


@pytest.fixture
def now():
    return [START]


@pytest.fixture
def provider(now):
    quirks = Quirks(secret_seconds=3600)
    with Provider(quirks=quirks, clock=lambda: now[0], device_interval=0.05) as running:
        yield running


@pytest.fixture
def at(tmp_path, provider, now):
    """A broker whose client registers itself; its clock is the provider's."""

    def make(desk=desk, change=lambda text: text, **options):
        broker = desk(tmp_path, provider, app=None, auth="post", registration="dcr", **options)
        path = tmp_path / "home" / "recipes" / "demo.yaml"
        path.write_text(change(path.read_text()))
        broker._connections.resolver.clock = lambda: now[0]
        return broker

    return make


@pytest.fixture
def broker(at):
    broker = at()
    broker.setup("demo")
    return broker


def client_id(broker) -> str:
    return broker.store.get(APP).secrets["client_id"].reveal()


def forget(provider, name) -> None:
    """Its secret is another one since, as if the client had been made anew there."""
    app = provider.authority.apps[name]
    provider.authority.apps[name] = replace(app, secret="another")


def unknown(*_):
    raise Refusal("invalid_client", "The app is not known by this.", status=401)


def renew(broker) -> str:
    _, source = broker._connections.get("demo", None, person=Nobody)
    token = source.token().access_token
    return source.token(rejected=token).access_token


def test_a_secret_that_has_ended_is_replaced_at_the_next_login(broker, provider, now) -> None:
    first = client_id(broker)
    now[0] += 3601
    broker.setup("demo", replace=True)
    assert client_id(broker) != first
    assert broker.store.get(APP).ends == now[0] + 3600
    assert (provider.requests["/register"], len(provider.authorizations)) == (2, 2)
    assert works(broker)


def test_all_scopes_of_the_recipe_are_named_at_the_registration(at, provider, monkeypatch) -> None:
    """Servers let a client ask for nothing that it did not name then."""
    seen, register = [], _clients.register
    monkeypatch.setattr(_clients, "register", lambda *args: seen.append(args[1]) or register(*args))
    broker = at(
        change=lambda text: text.replace("  scopes:", "  scope_sets: {all: [x, read]}\n  scopes:")
    )
    broker.setup("demo", scopes=["own"])
    assert seen[0]["scope"] == "own read write x"
    assert provider.authorizations[0]["scope"] == "own"


def test_a_secret_that_lives_is_not_replaced(broker, provider, now) -> None:
    now[0] += 3599
    broker.setup("demo", replace=True)
    assert provider.requests["/register"] == 1


def test_a_client_that_its_server_has_forgotten_registers_once_more(broker, provider) -> None:
    first = client_id(broker)
    forget(provider, first)
    broker.setup("demo", replace=True)
    assert client_id(broker) != first
    assert provider.requests["/register"] == 2
    assert any("registered anew" in line for line in broker.person.said)
    assert works(broker)


def test_a_server_that_never_knows_its_clients_is_asked_once(broker, provider) -> None:
    provider.authority.token = unknown
    with pytest.raises(errors.LoginFailed) as caught:
        broker.setup("demo", replace=True)
    assert caught.value.error == "invalid_client"
    assert provider.requests["/register"] == 2
    assert broker.store.get(DEMO).grant is not None


def test_a_client_that_was_just_registered_is_not_registered_again(at, provider) -> None:
    provider.authority.token = unknown
    broker = at()
    with pytest.raises(errors.LoginFailed):
        broker.setup("demo")
    assert provider.requests["/register"] == 1


@pytest.mark.parametrize("fault", ["ended", "forgotten"])
def test_a_renewal_registers_nobody(broker, provider, now, fault) -> None:
    if fault == "ended":
        now[0] += 3601
    else:
        forget(provider, client_id(broker))
    with pytest.raises(errors.TokenRefused) as caught:
        renew(broker)
    assert (caught.value.error, caught.value.hint) == ("invalid_client", "arcrun setup demo")
    assert provider.requests["/register"] == 1
    assert broker.store.get(DEMO).grant.dead is None


@pytest.mark.parametrize("refused", ["code", "app"])
def test_what_a_person_gave_is_never_replaced(provider, broker, refused) -> None:
    """Of another refusal, and of an app that a person laid down."""
    given = Credential(
        APP,
        secrets={"client_id": Secret("demo-post"), "client_secret": Secret(canary.fresh())},
    )
    if refused == "app":
        broker.store.put(given, expect=broker.store.get(APP).generation)
    else:
        provider.fail_next(1, 500)
    with pytest.raises(errors.AuthError):
        broker.setup("demo", replace=True)
    assert provider.requests["/register"] == 1


def test_a_device_login_registers_once_more_too(at, provider) -> None:
    broker = at(device_desk)
    broker.setup("demo")
    first = client_id(broker)
    del provider.authority.apps[first]
    broker.setup("demo", replace=True)
    assert client_id(broker) != first


def test_a_grant_without_a_person_registers_once_more_at_a_setup(at, provider) -> None:
    broker = at(grant="client_credentials")
    broker.setup("demo")
    first = client_id(broker)
    del provider.authority.apps[first]
    with pytest.raises(errors.TokenRefused):
        renew(broker)
    assert provider.requests["/register"] == 1
    broker.setup("demo", replace=True)
    assert client_id(broker) != first


def test_only_what_can_be_done_about_its_end_is_told(broker, now) -> None:
    assert broker.why("demo").warnings == ()
    now[0] += 7200
    (told,) = broker.why("demo").warnings
    assert told.endswith("OAuth app ended 1 hour ago → arcrun setup demo")


def test_a_login_that_nobody_finished_says_how_to_register_anew(broker, provider) -> None:
    """Where the server does not know the client it only says so to the browser."""
    del provider.authority.apps[client_id(broker)]
    broker._connections.resolver.settings.environ["ARCRUN_LOGIN_TIMEOUT"] = "0.1"
    with pytest.raises(errors.LoginFailed, match="Nobody finished") as caught:
        broker.setup("demo", replace=True)
    assert "did not know the app: arcrun app remove demo" in caught.value.message
