"""Ending a connection: at the provider first, and here in any case."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import errors, removal
from arcrun_auth._http import Answer
from arcrun_auth.locks import CredentialLock
from arcrun_auth.people import Nobody
from arcrun_auth.recipe import OAuth2
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.provider_calls import me
from tests.servers import Reply, nobody, recorder
from tests.unit.test_quirky_logins import desk
from tests.world import broker_for, home_with

KEY = Key("credential", "demo")


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def desk_for(tmp_path, provider, recipe=None, *, allow="", **recipes):
    texts = {"demo": recipe} if recipe is not None else {}
    home = home_with(tmp_path, provider, **texts, **recipes)
    environ = {"ARCRUN_ALLOW_HOSTS": allow}
    return broker_for(home, provider, store=Memory(), environ=environ)


def odd(provider, endpoint: str, revoke: str = "") -> str:
    """The provider's recipe, with another place and another way to revoke."""
    text = provider.recipe_yaml("demo")
    own = f"revocation_endpoint: {provider.issuer}/revoke"
    return text.replace(own, f"revocation_endpoint: {endpoint}\n  revoke: {{{revoke}}}")


# -- told ----------------------------------------------------------------------------------


def test_revoking_ends_the_login_at_the_provider_and_here(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    assert desk.why("demo").can_revoke
    removed = desk.remove("demo", revoke=True)
    assert (bool(removed), removed.told, removed.error) == (True, True, None)
    assert provider.families_revoked == 1
    assert desk.store.get(KEY) is None
    with pytest.raises(errors.LoginRequired):
        desk.get_token("demo", interactive=False)


def test_without_revoke_nothing_is_sent(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    before = provider.requests.total()
    removed = desk.remove("demo")
    assert (bool(removed), removed.told) == (True, None)
    assert provider.requests.total() == before


def test_an_address_with_the_app_in_it_and_every_oddity_work(tmp_path, provider) -> None:
    with recorder(lambda _: Reply(204, body=b"")) as server:
        recipe = odd(
            provider,
            f'"{server.origin}/apps/{{{{client.id}}}}/grant"',
            "method: DELETE, auth: bearer, body: json, param: access_token, which: access",
        )
        desk = desk_for(tmp_path, provider, recipe, allow=server.origin)
        desk.setup("demo")
        token = desk.get_token("demo").access_token
        assert desk.remove("demo", revoke=True).told is True
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("DELETE", "/apps/demo/grant")
    assert seen.headers["authorization"] == f"Bearer {token}"
    assert token.encode() in seen.body


# -- not told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"", errors.ProviderUnavailable),
        (302, b"", errors.ProviderUnavailable),
        (404, b"<html>", errors.ProviderUnavailable),
        (400, b'{"error": "ECHO"}', errors.ProviderUnavailable),
        (400, b'["x"]', errors.ProviderUnavailable),
        (400, b'{"error": "unsupported_token_type"}', errors.TokenRefused),
        (401, b'{"error": "invalid_client"}', errors.TokenRefused),
    ],
)
def test_a_provider_that_refuses_keeps_nothing_here(tmp_path, provider, status, body, kind) -> None:
    body = body.replace(b"ECHO", canary.fresh().encode())
    with recorder(lambda _: Reply(status, body=body)) as server:
        desk = desk_for(tmp_path, provider, odd(provider, server.origin), allow=server.origin)
        desk.setup("demo")
        removed = desk.remove("demo", revoke=True)
    assert (bool(removed), removed.told) == (True, False)
    assert type(removed.error) is kind
    assert removed.error.service == "demo"
    assert canary.hits(str(removed.error)) == []
    assert desk.store.get(KEY) is None


def test_a_provider_that_cannot_be_reached_keeps_nothing_here(tmp_path, provider) -> None:
    with nobody() as origin:
        desk = desk_for(tmp_path, provider, odd(provider, origin), allow=origin)
        desk.setup("demo")
        removed = desk.remove("demo", revoke=True)
    assert isinstance(removed.error, errors.ProviderUnavailable)
    assert desk.store.get(KEY) is None


def test_a_token_that_was_void_before_is_as_good_as_ended() -> None:
    gone = Answer(400, {"content-type": "application/json"}, b'{"error": "invalid_token"}')
    removal.check_answer(OAuth2(), gone, "id.example")
    for status in (200, 202, 204):
        removal.check_answer(OAuth2(), Answer(status, {}, b""), "id.example")


def test_one_kind_of_token_is_enough_where_the_other_is_not_revoked_by_itself(
    tmp_path, provider
) -> None:
    def answer(seen):
        first = len(server.seen) == 1
        return Reply(200) if first else Reply(400, body=b'{"error": "unsupported_token_type"}')

    with recorder(answer) as server:
        recipe = odd(provider, server.origin, "which: both")
        desk = desk_for(tmp_path, provider, recipe, allow=server.origin)
        desk.setup("demo")
        assert desk.remove("demo", revoke=True).told is True
        assert len(server.seen) == 2


def test_what_cannot_be_revoked_is_forgotten_and_not_called_revoked(tmp_path, provider) -> None:
    plain = odd(provider, '""')
    desk = desk_for(tmp_path, provider, plain)
    desk.setup("demo")
    desk.setup("keyed", key=provider.static_key)
    for name in ("demo", "keyed"):
        assert not desk.why(name).can_revoke
        removed = desk.remove(name, revoke=True)
        assert (bool(removed), removed.told, removed.error) == (True, None, None)


def test_an_endpoint_that_the_issuer_named_at_the_login_is_told(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider, odd(provider, '""'))
    desk.setup("demo")
    record = desk.store.get(KEY)
    pinned = record.replace(endpoints={"revocation_endpoint": f"{provider.issuer}/revoke"})
    desk.store.put(pinned, expect=record.generation)
    assert desk.why("demo").can_revoke
    assert desk.remove("demo", revoke=True).told is True
    assert provider.families_revoked == 1


def test_without_the_app_the_provider_cannot_be_told(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    app = desk.store.get(Key("app", "demo"))
    desk.store.delete(app.key, expect=app.generation)
    removed = desk.remove("demo", revoke=True)
    assert (removed.told, type(removed.error)) == (False, errors.MissingSecret)
    assert desk.store.get(KEY) is None


def test_what_is_not_there_is_not_removed(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    removed = desk.remove("demo", revoke=True)
    assert (bool(removed), removed.told, removed.error) == (False, None, None)
    assert provider.requests["/revoke"] == 0


def test_it_waits_for_a_renewal_and_goes_on_without_it(tmp_path, provider, monkeypatch) -> None:
    monkeypatch.setattr(removal, "LOCK_SECONDS", 0.01)
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    with CredentialLock(desk.settings.locks_path, KEY).acquire(5):
        removed = desk.remove("demo", revoke=True)
    assert (removed.told, type(removed.error)) == (False, errors.RefreshBusy)
    assert desk.store.get(KEY) is None
    assert provider.requests["/revoke"] == 0


def test_a_recipe_that_nobody_agreed_to_gets_no_token(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    with recorder() as server:
        (tmp_path / "home" / "recipes" / "demo.yaml").write_text(odd(provider, server.origin))
        later = broker_for(
            str(tmp_path / "home"), provider, person=Nobody(), store=desk.store
        )  # fmt: skip
        removed = later.remove("demo", revoke=True)
    assert (bool(removed), type(removed.error)) == (True, errors.ConsentRequired)
    assert server.seen == []


# -- more than one -------------------------------------------------------------------------


def test_an_account_that_services_share_is_forgotten_for_all_of_them(tmp_path, provider) -> None:
    shared = provider.recipe_yaml("demo") + "account: family\n"
    other = provider.recipe_yaml("other") + "account: family\n"
    desk = desk_for(tmp_path, provider, shared, other=other)
    desk.setup("demo")
    assert desk.why("demo").shared_with == ("other",)
    removed = desk.remove("demo")
    assert removed.services == ("demo", "other")
    assert not desk.remove("other")


def test_everything_goes_once_and_apps_stay(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    desk.setup("demo", "work")
    desk.setup("keyed", key=provider.static_key)
    lost = Credential(Key("credential", "no_recipe"), secrets={"key": Secret(canary.fresh())})
    desk.store.put(lost, expect=0)
    removed = desk.remove_all(revoke=True)
    assert [(each.name, each.told) for each in removed] == [
        ("demo", True),
        ("demo@work", True),
        ("keyed", None),
        ("no_recipe@default", None),
    ]
    assert provider.families_revoked == 2
    assert [key.kind for key in desk.store.keys()] == ["app"]
    assert desk.remove_all() == []


def test_a_record_that_is_written_meanwhile_goes_all_the_same(tmp_path, provider) -> None:
    desk = desk_for(tmp_path, provider)
    desk.setup("demo")
    store, real, calls = desk.store, desk.store.delete, []

    def delete(key, *, expect) -> None:
        calls.append(expect)
        if len(calls) == 1:
            store.put(store.get(key), expect=expect)
        real(key, expect=expect)

    store.delete = delete  # a writer at the worst moment
    assert desk.remove("demo")
    assert len(calls) == 2
    assert store.get(KEY) is None


# -- against each kind of provider ---------------------------------------------------------


@pytest.mark.parametrize(
    ("revoke", "app"),
    [("standard", "none"), ("standard", "post"), ("standard", "basic"), ("bearer", "none"),
     ("get", "none"), ("delete", "basic"), ("grant", "basic"), ("grant", "post")],
)  # fmt: skip
def test_each_way_to_revoke_ends_the_token(tmp_path, revoke, app) -> None:
    with Provider(quirks=Quirks(revoke=revoke)) as provider:
        broker = desk(tmp_path, provider, app=app, auth=app)
        broker.setup("demo")
        token = broker.get_token("demo").access_token
        assert me(provider, token) == 200
        removed = broker.remove("demo", revoke=True)
        assert (removed.told, removed.error) == (True, None)
        assert me(provider, token) == 401
        assert provider.families_revoked == 1
        assert not broker.remove("demo", revoke=True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"ok": False, "error": "token_revoked_elsewhere"}, errors.TokenRefused),
        ({"ok": False, "error": "ECHO"}, errors.ProviderUnavailable),
        ({"ok": False}, errors.ProviderUnavailable),
        ({"ok": True, "revoked": True}, None),
        ({}, None),
    ],
)
def test_a_no_under_200_is_a_no(tmp_path, body, kind) -> None:
    with Provider(quirks=Quirks(ok=True)) as provider, recorder() as server:
        text = json.dumps(body).replace("ECHO", canary.fresh())
        server.answer = lambda _: Reply(200, body=text.encode())
        desk_ = desk_for(
            tmp_path, provider, odd(provider, server.origin, "auth: none"), allow=server.origin
        )
        desk_.setup("demo")
        removed = desk_.remove("demo", revoke=True)
        assert removed.told is (kind is None)
        assert type(removed.error) is (kind or type(None))
        assert canary.hits(str(removed.error)) == []
        assert desk_.store.get(KEY) is None


def test_a_provider_that_says_ok_to_everything_is_told(tmp_path) -> None:
    with Provider(quirks=Quirks(ok=True)) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        assert broker.remove("demo", revoke=True).told is True
        assert provider.families_revoked == 1


def test_without_its_app_a_login_by_the_bearer_alone_is_ended_all_the_same(tmp_path) -> None:
    with Provider(quirks=Quirks(revoke="bearer")) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        app = broker.store.get(Key("app", "demo"))
        broker.store.delete(app.key, expect=app.generation)
        assert broker.remove("demo", revoke=True).told is True
        assert provider.families_revoked == 1


def test_what_was_never_stored_is_not_revoked(tmp_path) -> None:
    with Provider() as provider:
        broker = desk(tmp_path, provider, app="post", auth="post", grant="client_credentials")
        broker.get_token("demo")
        removed = broker.remove("demo", revoke=True)
        assert (bool(removed), removed.told) == (False, None)
        assert provider.requests["/revoke"] == 0
