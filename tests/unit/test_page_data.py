"""What the page of this machine shows: read from a real vault, and never a value."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from arcrun_auth import recording
from arcrun_auth.agents.ui import data, rows
from arcrun_auth.errors import StoreLocked
from arcrun_auth.policies import PendingRequest
from arcrun_auth.report import Instance
from arcrun_auth.testing import Provider
from tests import canary
from tests.world import broker_for, home_with, master_key

SOON = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def broker(tmp_path, provider, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    broker = broker_for(home_with(tmp_path, provider), provider)
    yield broker
    broker.close()


def look(broker, query=""):
    return data.look(broker, query, time.time())


def asked(**changes):
    values = {
        "service": "keyed", "instance": "default", "client": "some-agent", "method": "POST",
        "host": "127.0.0.1", "path": "/things", "digest": "d1", "size": 2, "preview": "{}",
    }  # fmt: skip
    return PendingRequest(**{**values, **changes})


def test_it_shows_what_is_connected_as_whom_and_who_used_it_last(broker, provider, monkeypatch):
    broker.setup("demo")
    broker.setup("keyed", "work", key=provider.static_key)
    monkeypatch.setattr(recording, "_told", ("backup.py", "use"))
    broker.get_token("demo")

    found = look(broker)
    demo, keyed = found.connected
    assert (demo.name, demo.status, demo.mood) == ("demo", "connected", "good")
    assert demo.identity == "ada@example.com"
    assert demo.until.endswith("renews itself")
    assert demo.scopes
    assert demo.hosts == (provider.issuer.removeprefix("http://"),)
    assert demo.stored
    assert demo.used.who == "backup.py"
    assert abs(demo.used.time - found.now) < 60
    assert (keyed.name, keyed.used) == ("keyed@work", None)
    assert found.lines[0].action == "use"
    assert not found.troubles
    assert not canary.hits(repr(found))


def test_every_service_is_offered_by_name_and_a_search_finds_the_best_first(broker, provider):
    broker.setup("keyed", "work", key=provider.static_key)
    every = look(broker).offers
    titles = [offer.title.casefold() for offer in every]
    assert len(every) > 290
    assert titles == sorted(titles)
    assert [offer.service for offer in every if offer.connected] == ["keyed"]
    assert {offer.note for offer in every} <= {"", "not confirmed", "deprecated"}

    found = look(broker, "gmail")
    assert found.offers[0].service == "gmail"
    assert len(found.offers) < 5
    assert not found.connected
    assert [row.name for row in look(broker, "keyed").connected] == ["keyed@work"]
    assert [row.name for row in look(broker, "WORK key").connected] == ["keyed@work"]
    assert not look(broker, "qqqqqqqq").offers


def test_services_of_one_account_are_one_row_and_the_last_use_of_any_counts(
    tmp_path, provider, monkeypatch
):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    text = provider.recipe_yaml("other", primitive="static_key") + "account: keyed\n"
    text = text.replace("other_key", "keyed_key")
    broker = broker_for(home_with(tmp_path, provider, other=text), provider)
    broker.setup("keyed", key=provider.static_key)
    monkeypatch.setattr(recording, "_told", ("notes.py", "use"))
    broker.get_token("other")

    (row,) = look(broker).connected
    assert (row.name, row.also, row.used.who) == ("keyed", ("other",), "notes.py")
    broker.close()


def test_what_the_environment_gives_says_from_where_and_cannot_be_disconnected(
    tmp_path, provider, monkeypatch
):
    monkeypatch.setenv("ARCRUN_KEYED_KEY", provider.static_key)
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    broker = broker_for(home_with(tmp_path, provider), provider)
    (row,) = look(broker).connected
    assert row.places == ("ARCRUN_KEYED_KEY",)
    assert not row.stored
    broker.close()


def test_rules_and_requests_that_wait_are_there(broker):
    policies = broker.policies
    rule = policies.allow("keyed", "write", paths=["/things"])
    first = policies.ask(asked())
    policies.refuse(policies.ask(asked(digest="d2")).id)
    policies.lock("a passphrase of the test")

    found = look(broker)
    assert found.rules == (rule,)
    assert [each.id for each in found.pending] == [first.id]
    assert found.locked


def test_what_cannot_be_read_is_told_once_and_the_services_are_shown(tmp_path, provider):
    home = home_with(tmp_path, provider)
    from arcrun_auth.broker import Broker
    from arcrun_auth.people import Nobody

    with pytest.MonkeyPatch.context() as patch:
        for name, value in master_key().items():
            patch.setenv(name, value)
        first = broker_for(home, provider)
        first.setup("keyed", key=provider.static_key)
        first.close()
    locked = Broker(home=home, person=Nobody())
    found = look(locked)
    assert [type(error) for error in found.troubles] == [StoreLocked]
    assert len(found.offers) > 290
    assert (found.connected, found.rules, found.lines) == ((), (), ())
    locked.close()


@pytest.mark.parametrize(
    ("status", "given", "expected"),
    [
        ("connected", {}, "good"),
        ("connected", {"warnings": ("its key ends in 3 days → arcrun setup x",)}, "warn"),
        ("expired", {"can_renew": True}, "good"),
        ("expired", {}, "bad"),
        ("untested", {}, "warn"),
        ("revoked", {}, "bad"),
        ("copied", {}, "bad"),
        ("incomplete", {}, "bad"),
    ],
)
def test_a_colour_says_whether_somebody_has_to_do_something(status, given, expected):
    assert rows.mood(Instance("default", "key", status, **given)) == expected


def test_what_ends_soon_is_told_with_the_command_to_type(broker, provider):
    ends = datetime.now(UTC) + timedelta(days=3, hours=1)
    broker.setup("keyed", key=provider.static_key, expires=ends)
    (row,) = look(broker).connected
    assert row.mood == "warn"
    ((said, command),) = row.warnings
    assert "3 days" in said
    assert command == "arcrun setup keyed"
    assert row.until == "key ends in 3 days"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "may read"),
        ([("allow", "keyed", "write", {"client": "some-agent"})], "may read and write"),
        ([("deny", "keyed", "read", {"paths": ["/secret/**"]})], "may read"),
        ([("deny", "*", "read", {})], "may not use it"),
        ([("allow", "keyed", "write", {}), ("deny", "keyed", "any", {})], "may not use it"),
        ([("allow", "keyed", "write", {"instance": "other"})], "may read"),
    ],
)
def test_it_says_what_agents_may_do_with_a_connection(broker, provider, rules, said):
    broker.setup("keyed", key=provider.static_key)
    for verb, service, what, narrowed in rules:
        getattr(broker.policies, verb)(service, what, **narrowed)
    (row,) = look(broker).connected
    assert row.agents == said


def test_agents_see_nothing_of_what_only_the_environment_gives_unless_a_rule_names_it(
    broker, provider, monkeypatch
):
    broker.setup("demo")
    broker.close()
    monkeypatch.setenv("ARCRUN_KEYED_KEY", provider.static_key)
    rows = {row.name: row.agents for row in look(broker).connected}
    assert rows == {"demo": "may read", "keyed": "do not see it"}
    broker.policies.allow("keyed", "write", paths=["/things"])
    rows = {row.name: row.agents for row in look(broker).connected}
    assert rows["keyed"] == "may read and write"


def test_a_service_that_goes_is_offered_as_such(tmp_path, provider, monkeypatch):
    for name, value in master_key().items():
        monkeypatch.setenv(name, value)
    text = provider.recipe_yaml("old", primitive="static_key") + "status: deprecated\n"
    broker = broker_for(home_with(tmp_path, provider, old=text), provider)
    (offer,) = look(broker, "old").offers[:1]
    assert (offer.service, offer.note) == ("old", "deprecated")
    broker.close()


def test_of_a_long_trail_as_much_is_read_as_a_page_may_take(broker, provider, monkeypatch):
    broker.setup("keyed", key=provider.static_key)
    everything = broker.audit.entries()
    assert look(broker).since < everything[-1].time
    monkeypatch.setattr(data, "MOST", len(everything) - 1)
    found = look(broker)
    assert list(found.lines) == everything[:-1]
    assert found.since == everything[-2].time
