"""What a reference gives: a secret by its name, or the token of a connection."""

from __future__ import annotations

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key
from tests import canary
from tests.world import Told, broker_for, home_with, master_key

SHOP = """\
service: shop
primitive: static_key
base_url: https://api.example.com
required_secrets:
  - {key: shop_key, help_url: "https://example.com/help"}
  - {key: shop_password, help_url: "https://example.com/help"}
  - {key: webhook_secret, optional: true}
inject: {header: {X-Key: "{{secret.shop_key}}", X-Word: "{{secret.shop_password}}"}}
"""


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    broker = broker_for(home_with(tmp_path, provider, shop=SHOP), provider, Told())
    yield broker
    broker.close()


def value(broker: Broker, reference: str) -> str:
    return broker.secret(reference).reveal()


@pytest.fixture
def shop(desk, monkeypatch):
    """Its secrets, from the environment of a person who has agreed to nothing: bundled only."""
    key, word = canary.fresh("key"), canary.fresh("word")
    monkeypatch.setattr("arcrun_auth.catalog.entry.TRUSTED_TIERS", ("bundled", "local"))
    monkeypatch.setenv("ARCRUN_SHOP_KEY", key)
    monkeypatch.setenv("ARCRUN_SHOP_PASSWORD", word)
    return key, word


def test_a_secret_has_its_full_name_and_a_short_one(desk, shop) -> None:
    assert value(desk, "arcrun://shop/shop_key") == value(desk, "arcrun://shop/key") == shop[0]
    assert value(desk, "arcrun://shop/password") == shop[1]


def test_the_one_key_of_a_service_is_its_token_as_well(desk, provider) -> None:
    desk.setup("keyed", key=provider.static_key)

    for name in ("key", "token", "access_token"):
        assert value(desk, f"arcrun://keyed/{name}") == provider.static_key


def test_of_a_login_it_is_the_access_token_renewed_if_need_be(desk, provider) -> None:
    desk.setup("demo")
    before = value(desk, "arcrun://demo/token")
    record = desk.store.get(Key("credential", "demo"))
    ended = record.replace(grant=record.grant.replace(expires=record.grant.issued))
    desk.store.put(ended, expect=record.generation)
    desk.close()
    renewed = provider.refreshes

    after = value(desk, "arcrun://demo/access_token")

    assert after != before
    assert provider.refreshes == renewed + 1


def test_an_instance_is_named_or_chosen_by_the_project(desk, provider, tmp_path, monkeypatch):
    desk.setup("keyed", "work", key=provider.static_key)
    assert value(desk, "arcrun://keyed@work/key") == provider.static_key
    with pytest.raises(errors.MissingSecret):
        desk.secret("arcrun://keyed/key")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[tool.arcrun]\nservices = ["keyed@work"]\n')
    monkeypatch.chdir(folder)
    again = Broker(home=desk.settings.home, allow_hosts=[provider.issuer])

    assert value(again, "arcrun://keyed/key") == provider.static_key
    again.close()


@pytest.mark.parametrize(
    ("reference", "possible"),
    [
        ("arcrun://shop/token", "shop/shop_key shop/shop_password shop/webhook_secret"),
        ("arcrun://keyed@default/word", "keyed@default/keyed_key keyed@default/token"),
        ("arcrun://demo/refresh_token", "demo/token"),
    ],
)
def test_another_key_is_answered_by_those_there_are(desk, shop, provider, reference, possible):
    desk.setup("keyed", key=provider.static_key)
    desk.setup("demo")

    with pytest.raises(errors.AuthError, match="has no single secret") as caught:
        desk.secret(reference)

    listed = ", ".join(f"arcrun://{each}" for each in possible.split())
    assert caught.value.hint == f"possible are: {listed}"


def test_an_optional_one_that_is_not_there_is_missing(desk, shop) -> None:
    with pytest.raises(errors.MissingSecret, match="without its webhook_secret") as caught:
        desk.secret("arcrun://shop/webhook_secret")

    assert caught.value.hint == "arcrun setup shop"


def test_one_that_may_be_left_out_is_not_meant_by_the_token(desk, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000000000EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canary.WORD.ljust(40, "0")[:40])

    with pytest.raises(errors.AuthError, match="aws has no single secret 'token'") as caught:
        desk.secret("arcrun://aws/token")

    assert "arcrun://aws/session_token" in caught.value.hint


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("arcrun://keyed/key", errors.MissingSecret),
        ("arcrun://demo/token", errors.LoginRequired),
        ("arcrun://kayed/key", errors.UnknownService),
        (f"arcrun://{canary.WORD}", errors.AuthError),
    ],
)
def test_nobody_is_asked_and_nothing_is_sent(desk, provider, reference, error) -> None:
    with pytest.raises(error) as caught:
        desk.secret(reference)

    assert provider.requests.total() == 0
    assert desk.person.asked == []
    assert canary.hits(str(caught.value)) == []


def test_a_reference_in_the_environment_is_no_secret_itself(desk, monkeypatch) -> None:
    monkeypatch.setenv("ARCRUN_KEYED_KEY", "arcrun://keyed/key")

    with pytest.raises(errors.MissingSecret):
        desk.secret("arcrun://keyed/key")
