"""`arcrun vault unlock`, with the real kernel keyring where there is one."""

from __future__ import annotations

import os
import sys

import pytest

from arcrun_auth.errors import StoreError, StoreLocked
from arcrun_auth.stores import unlock, upkeep
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from tests.needs import needs
from tests.unit.stores_kit import NOTION, env_keys, no_keyring, record, vault_at


@pytest.fixture
def name():
    found = os.urandom(8).hex()
    try:
        unlock.remember(found, bytes(32), seconds=60)
    except StoreError as error:
        needs(False, f"the kernel keyring: {error.message}")
    unlock.lock(found)
    yield found
    unlock.lock(found)


def test_what_is_remembered_comes_back_until_it_is_locked(name):
    assert unlock.recall(name) is None
    unlock.remember(name, b"k" * 32, seconds=60)
    assert unlock.recall(name) == b"k" * 32
    unlock.remember(name, b"l" * 32, seconds=60)
    assert unlock.recall(name) == b"l" * 32
    assert unlock.lock(name)
    assert unlock.recall(name) is None
    assert not unlock.lock(name)


def test_a_value_of_another_length_is_not_taken(name):
    unlock.remember(name, b"short", seconds=60)
    assert unlock.recall(name) is None


@pytest.mark.parametrize("seconds", [0, -1, unlock.LONGEST + 1])
def test_the_time_has_bounds(seconds):
    with pytest.raises(StoreError):
        unlock.remember("x", bytes(32), seconds=seconds)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "vax")])
def test_elsewhere_it_is_said_to_be_unsupported(monkeypatch, system, machine):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "uname", lambda: type("U", (), {"machine": machine}))
    with pytest.raises(StoreError, match="Unsupported here"):
        unlock.remember("x", bytes(32), seconds=60)
    assert unlock.recall("x") is None
    assert unlock.lock("x") is False


def test_a_kernel_that_refuses_is_told(monkeypatch):
    def refuse(*arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(unlock, "_syscall", refuse)
    with pytest.raises(StoreError, match="containers"):
        unlock.remember("x", bytes(32), seconds=60)
    assert unlock.recall("x") is None


@pytest.mark.usefixtures("cheap_passphrases")
def test_an_unlocked_vault_opens_until_the_passphrase_changes(tmp_path, name):
    vault = vault_at(tmp_path, env_keys())
    vault.put(record(), expect=0)
    with pytest.raises(StoreError, match="no passphrase"):
        unlock.unlock(vault, "a long passphrase", seconds=60)
    upkeep.set_passphrase(vault, "a long passphrase")
    locked = Vault(vault.path, keys=Keys(environ={}, keyring=no_keyring))
    with pytest.raises(StoreLocked):
        unlock.unlock(locked, "a wrong passphrase", seconds=60)
    with pytest.raises(StoreLocked):
        locked.get(NOTION)
    unlock.unlock(locked, "a long passphrase", seconds=60)
    try:
        assert locked.get(NOTION).generation == 1
        assert "unlock" in locked.status()["opened_by"]
        upkeep.set_passphrase(vault, "another passphrase")
        with pytest.raises(StoreLocked):
            Vault(vault.path, keys=Keys(environ={}, keyring=no_keyring)).get(NOTION)
    finally:
        unlock.lock(vault.status()["vault_id"])
    with pytest.raises(StoreError, match="no vault"):
        unlock.unlock(vault_at(tmp_path / "none"), "x", seconds=60)
