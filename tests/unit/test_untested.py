"""What was kept although nobody could try it: told as such, until a test has passed."""

from __future__ import annotations

import pytest

from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.world import broker_for, home_with

WHOSE = {"keyed": "Demo workspace", "demo": "ada@example.com"}


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def untested(tmp_path, provider):
    """A key and a login of it that were kept although nobody could try them."""
    desk = broker_for(home_with(tmp_path, provider), provider, store=Memory())
    desk.setup("keyed", key=provider.static_key)
    desk.setup("demo")
    for name in WHOSE:
        held = desk.store.get(Key("credential", name))
        desk.store.put(held.replace(untested=True, identity=None), expect=held.generation)
    return desk


@pytest.mark.parametrize("name", WHOSE)
def test_what_was_kept_untested_is_so_until_a_test_has_passed(untested, provider, name) -> None:
    key = Key("credential", name)
    with untested.bind(name) as client:  # binding writes nothing
        assert client.get("/static" if name == "keyed" else "/me").status_code == 200
    generation = untested.store.get(key).generation
    assert untested.why(name).status == "untested"

    assert untested.test(name).identity == WHOSE[name]
    assert untested.why(name).status == "connected"
    held = untested.store.get(key)
    assert (held.generation, held.identity) == (generation + 1, WHOSE[name])
    untested.test(name)
    assert untested.store.get(key).generation == generation + 1


def test_a_test_of_one_key_says_nothing_of_another(untested, provider, monkeypatch) -> None:
    """Somebody sets it up anew, at the moment that the old one has passed."""
    key, connections = Key("credential", "keyed"), untested._connections
    find = connections.resolver.find

    def replaced(*args):
        connection = find(*args)
        held = untested.store.get(key)
        other = {"keyed_key": Secret(canary.fresh("other"))}
        untested.store.put(held.replace(secrets=other), expect=held.generation)
        return connection

    monkeypatch.setattr(connections.resolver, "find", replaced)
    untested.test("keyed")
    monkeypatch.undo()
    assert untested.why("keyed").status == "untested"


def test_a_renewal_meanwhile_does_not_keep_a_test_from_being_noted(untested, monkeypatch) -> None:
    put, times = untested.store.put, []

    def late(record, *, expect):
        if not times:
            times.append(1)
            held = untested.store.get(record.key)
            put(held.replace(params={"more": "x"}), expect=held.generation)
        return put(record, expect=expect)

    monkeypatch.setattr(untested.store, "put", late)
    untested.test("keyed")
    held = untested.store.get(Key("credential", "keyed"))
    assert (held.untested, held.params) == (False, {"more": "x"})


def test_setting_it_up_again_tests_it(untested, provider) -> None:
    untested.setup("keyed", key=provider.static_key, replace=True)
    untested.setup("demo", replace=True)
    for name in WHOSE:
        assert untested.why(name).status == "connected"
