"""The OS keyring (R25): which backends are trusted, for how long, and with what."""

from __future__ import annotations

import sys
import threading

import pytest

from arcrun_auth.errors import NoStore, PolicyRefused, StoreCorrupt, StoreError
from arcrun_auth.stores import keyring_backend
from arcrun_auth.stores.keyring_backend import OSKeyring, Unavailable
from arcrun_auth.stores.keyring_items import KeyringItems
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests.unit.stores_kit import NOTION, FakeBackend, keyring, no_keyring, record


class Lossy(FakeBackend):
    def set_password(self, service, username, password):
        super().set_password(service, username, password[:20])


class Undeleting(FakeBackend):
    def delete_password(self, service, username):
        pass


class Failing(FakeBackend):
    def get_password(self, service, username):
        raise RuntimeError("the text may quote canary")

    set_password = get_password


class KeyringLocked(Exception):
    pass


def test_an_item_goes_in_out_and_away():
    ring = OSKeyring(FakeBackend)
    ring.set("u", "value")
    assert ring.get("u", prompt=True) == "value"
    ring.delete("u")
    ring.delete("u")
    assert ring.get("u") is None


def test_a_probe_leaves_nothing_behind_and_is_made_once():
    backend = FakeBackend()
    writes = []
    real = backend.set_password
    backend.set_password = lambda *args: (writes.append(args), real(*args))
    ring = OSKeyring(lambda: backend)
    assert (ring.why_not(), ring.probe(), ring.probe()) == (None, None, None)
    assert backend.items == {}
    assert len(writes) == 1


@pytest.mark.parametrize(
    ("backend", "words"),
    [(Lossy, "did not give back"), (Undeleting, "does not delete"), (Failing, "failed")],
)
def test_a_backend_that_cannot_be_trusted_is_refused(backend, words):
    found = OSKeyring(backend).probe()
    assert words in found
    assert "canary" not in found


def test_a_hanging_backend_is_given_up_once_per_process():
    hang, calls = threading.Event(), []

    def make():
        calls.append(1)
        hang.wait(60)

    ring = OSKeyring(make, time_limit=0.05)
    try:
        assert "did not answer" in ring.why_not()
        assert "did not answer" in ring.probe()
        with pytest.raises(Unavailable):
            ring.get("u")
    finally:
        hang.set()
    assert len(calls) == 1


def test_a_locked_keyring_says_so():
    def make():
        raise KeyringLocked

    assert OSKeyring(make).why_not() == "the OS keyring is locked"


def test_a_keyring_unlocks_itself_only_where_somebody_sees_it(monkeypatch):
    class Unlocking(FakeBackend):
        unlocked = 0

        def unlock(self):
            self.unlocked += 1

    backend = Unlocking()
    ring = OSKeyring(lambda: backend)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    ring.get("u", prompt=True)
    monkeypatch.setenv("DISPLAY", ":0")
    ring.get("u")
    assert backend.unlocked == 0
    ring.get("u", prompt=True)
    assert backend.unlocked == 1


@pytest.mark.parametrize("platform", ["darwin", "win32", "linux", "freebsd14"])
def test_only_allowed_backends_are_ever_looked_at(platform, monkeypatch):
    """Whatever PYTHON_KEYRING_BACKEND names and an entry point offers is never imported."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    monkeypatch.setattr(sys, "platform", platform)
    seen = []

    def refuse(name):
        seen.append(name)
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", refuse)
    assert OSKeyring().why_not()
    assert set(seen) <= {
        "keyring.backends.macOS", "keyring.backends.Windows", "keyring.backends.kwallet",
        "arcrun_auth.stores.secret_service",
    }  # fmt: skip


def test_the_first_backend_that_can_serve_is_taken(monkeypatch):
    class Module:
        class DBusKeyring(FakeBackend):
            priority = 5

        class SecretService:
            priority = 1

            def __init__(self):
                raise StoreError("there is no D-Bus session")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("importlib.import_module", lambda name: Module)
    assert OSKeyring().probe() is None


@pytest.mark.parametrize("word", ["off", "0", "False", " no "])
def test_the_keyring_can_be_switched_off(word, tmp_path):
    assert keyring_backend.system({"ARCRUN_KEYRING": word}) is None
    store = KeyringItems(str(tmp_path), keyring=no_keyring)
    assert "switched off" in store.why_not()
    with pytest.raises(NoStore, match="switched off"):
        store.get(NOTION)


def test_one_keyring_serves_a_process():
    assert keyring_backend.system({}) is keyring_backend.system({})


# -- Items of their own -------------------------------------------------------------------------


def items(tmp_path, backend, **more):
    return KeyringItems(str(tmp_path), keyring=keyring(backend), **more)


def test_an_absent_keyring_is_no_store(tmp_path):
    store = items(tmp_path, Failing())
    store._make = lambda: OSKeyring(lambda: 1 / 0)
    with pytest.raises(NoStore, match="failed"):
        store.get(NOTION)


def test_a_person_finds_items_by_their_names(tmp_path):
    backend = FakeBackend()
    items(tmp_path, backend).put(record(), expect=0)
    names = {user for _, user in backend.items}
    assert names == {"credential/notion@default", "index"}


def test_a_shorter_value_leaves_no_parts_behind(tmp_path):
    backend = FakeBackend()
    store = items(tmp_path, backend, limit=200)
    store.put(record(secret="x" * 900), expect=0)
    assert any("#4" in user for _, user in backend.items)
    store.put(record(secret="y"), expect=1)
    assert not any("#" in user for _, user in backend.items)
    store.put(record(secret="x" * 900), expect=2)
    store.delete(NOTION, expect=3)
    assert {user for _, user in backend.items} == {"index"}


def test_a_torn_item_is_told_and_does_not_hide_the_others(tmp_path):
    backend = FakeBackend()
    store = items(tmp_path, backend, limit=200)
    store.put(record(secret="x" * 900), expect=0)
    store.put(record("github"), expect=0)
    del backend.items["arcrun-auth", "credential/notion@default#2"]
    with pytest.raises(StoreCorrupt, match="torn") as caught:
        store.get(NOTION)
    assert caught.value.hint == "arcrun setup notion"
    assert [key.account for key in store.keys()] == ["github"]


@pytest.mark.parametrize("text", ["not ours", "[]", '{"key": ["app", "b", "c"]}', "#x", "#1:"])
def test_an_item_that_is_not_ours_is_left_alone(tmp_path, text):
    backend = FakeBackend()
    backend.items["arcrun-auth", "credential/notion@default"] = text
    with pytest.raises(StoreCorrupt):
        items(tmp_path, backend).get(NOTION)
    assert backend.items["arcrun-auth", "credential/notion@default"] == text


def test_a_broken_index_is_told(tmp_path):
    backend = FakeBackend()
    backend.items["arcrun-auth", "index"] = "nonsense"
    with pytest.raises(StoreCorrupt, match="index"):
        list(items(tmp_path, backend).keys())


def test_a_rotating_grant_never_lies_in_split_items(tmp_path):
    grant = Grant(access_token=Secret("a" * 900), refresh_token=Secret("r"), issued=1.0)
    backend = FakeBackend()
    store = items(tmp_path, backend, limit=200)
    with pytest.raises(PolicyRefused) as caught:
        store.put(Credential(Key("credential", "notion"), grant=grant), expect=0)
    assert "ARCRUN_STORE=vault" in caught.value.hint
    assert backend.items == {}
