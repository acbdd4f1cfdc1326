"""What opens a vault: every kind of key, their order, wrong ones, lost ones, rotation."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import NoStore, StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.stores import kdf, keys, rotation, slots, upkeep
from arcrun_auth.stores.keys import Keys, parse_key, read_key_file
from arcrun_auth.stores.vault import Vault
from tests.unit.stores_kit import (
    NOTION,
    FakeBackend,
    Typist,
    env_keys,
    keyring,
    no_keyring,
    record,
    vault_at,
)  # fmt: skip

KEY = b"\x07" * 32


pytestmark = pytest.mark.usefixtures("cheap_passphrases")


@pytest.fixture
def vault(tmp_path):
    found = vault_at(tmp_path, env_keys(KEY))
    found.put(record(), expect=0)
    yield found
    found.close()


def opened(vault, **how):
    how = {"environ": {}, "keyring": no_keyring, "unlocked": lambda _: None} | how
    return Vault(vault.path, keys=Keys(**how)).get(NOTION).secrets["token"].reveal() == "canary"


# -- Keys as text and files -----------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_read_from_base64_and_hex(key):
    texts = [b64encode(key).decode(), urlsafe_b64encode(key).decode().rstrip("="), key.hex()]
    assert {parse_key(f" {text}\n", "it") for text in texts} == {key}


@pytest.mark.parametrize("text", ["", "hunter2", "a" * 32, "z" * 64, "A" * 42, "correct horse"])
def test_anything_else_is_refused_and_never_shown(text):
    with pytest.raises(StoreError, match="passphrase is not taken") as caught:
        parse_key(text, "ARCRUN_MASTER_KEY")
    assert "openssl rand" in caught.value.hint
    assert not text or text not in str(caught.value)


def key_file(tmp_path, data, mode=0o600):
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("data", [b64encode(KEY) + b"\n", KEY.hex().encode(), b"\xff" * 32])
def test_a_key_file_holds_text_or_raw_bytes(tmp_path, data):
    assert len(read_key_file(key_file(tmp_path, data), "x")) == 32


@pytest.mark.parametrize("data", [b"x" * 32, b"\xff" * 31, b""])
def test_a_key_file_with_anything_else_is_refused(tmp_path, data):
    with pytest.raises(StoreError, match="no key"):
        read_key_file(key_file(tmp_path, data), "x")


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    with pytest.raises(StoreError, match="other users") as caught:
        read_key_file(key_file(tmp_path, KEY, 0o644), "x")
    assert "chmod 600" in caught.value.hint


def test_an_absent_key_file_is_an_error_and_nothing_else_is_tried(tmp_path, vault):
    environ = {
        "ARCRUN_MASTER_KEY_FILE": str(tmp_path / "none"),
        "ARCRUN_MASTER_KEY": KEY.hex(),
    }
    with pytest.raises(StoreError, match="cannot be read"):
        opened(vault, environ=environ)


# -- The order ------------------------------------------------------------------------------


def test_keys_come_in_their_order(tmp_path, monkeypatch):
    names = ["explicit", "chosen", "file", "env", "mounted", "run"]
    made = {name: bytes([number]) * 32 for number, name in enumerate(names, 0x80)}
    for name in ("chosen", "file", "mounted", "run"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / keys.MOUNTED
        path.write_bytes(made[name])
        path.chmod(0o600)
    monkeypatch.setattr(keys, "RUN_SECRETS", str(tmp_path / "run"))
    environ = {
        "ARCRUN_MASTER_KEY_FILE": str(tmp_path / "file" / keys.MOUNTED),
        "ARCRUN_MASTER_KEY": made["env"].hex(),
        "CREDENTIALS_DIRECTORY": str(tmp_path / "mounted"),
    }
    how = {"key": made["explicit"], "key_file": str(tmp_path / "chosen" / keys.MOUNTED)}
    found = [Keys(environ=environ, **how).given()[0]]
    for name in list(how):
        del how[name]
        found.append(Keys(environ=environ, **how).given()[0])
    for name in list(environ):
        del environ[name]
        found.append(Keys(environ=environ).given()[0])
    assert found == [made[name] for name in names]
    monkeypatch.setattr(keys, "RUN_SECRETS", str(tmp_path / "none"))
    assert Keys(environ={}).given() is None


def test_the_keyring_keeps_one_item_for_the_whole_vault(tmp_path):
    backend = FakeBackend()
    ring = keyring(backend)
    vault = vault_at(tmp_path, Keys(environ={}, keyring=ring))
    for name in ("notion", "github"):
        vault.put(record(name), expect=0)
    ((service, user),) = backend.items
    assert (service, user) == ("arcrun-auth", vault.status()["vault_id"])
    assert len(backend.items[service, user]) == 44
    assert opened(vault, keyring=ring)


def test_a_new_keyring_item_takes_the_place_of_the_old_one(tmp_path):
    backend = FakeBackend()
    ring = keyring(backend)
    vault = vault_at(tmp_path, Keys(environ={}, keyring=ring))
    vault.put(record(), expect=0)
    before = dict(backend.items)
    upkeep.add_keyring(vault)
    assert len(backend.items) == 1
    assert not before.keys() & backend.items.keys()
    assert opened(vault, keyring=ring)


def test_without_a_keyring_a_passphrase_is_asked_for_twice_and_why(tmp_path):
    typist = Typist("correct horse battery")
    vault = vault_at(tmp_path, Keys(environ={}, keyring=no_keyring, ask=typist))
    vault.put(record(), expect=0)
    ((question, confirm),) = typist.questions
    assert confirm
    assert "switched off" in question
    assert opened(vault, ask=typist)
    assert typist.questions[1][1] is False


@pytest.mark.parametrize(
    ("typed", "error"), [(None, NoStore), ("", StoreLocked), ("short", StoreError)]
)
def test_no_passphrase_makes_no_vault(tmp_path, typed, error):
    vault = vault_at(tmp_path, Keys(environ={}, keyring=no_keyring, ask=Typist(typed)))
    with pytest.raises(error):
        vault.put(record(), expect=0)
    assert not os.path.exists(vault.path)


# -- Wrong and lost keys (R20) ----------------------------------------------------------------


def test_each_slot_opens_the_vault_without_the_others(vault):
    upkeep.add_key(vault, b"\x08" * 32)
    upkeep.set_passphrase(vault, "a long passphrase")
    code = upkeep.new_recovery_code(vault)
    ring = keyring()
    vault.key_sources = Keys(environ={"ARCRUN_MASTER_KEY": KEY.hex()}, keyring=ring)
    upkeep.add_keyring(vault)
    ways = {
        1: {"key": KEY},
        2: {"key": b"\x08" * 32},
        3: {"ask": Typist("a long passphrase")},
        4: {"recovery_code": code.lower().replace("-", " ")},
        5: {"keyring": ring},
    }
    for number, way in ways.items():
        assert opened(vault, **way)
        if number < len(ways):
            upkeep.remove_slot(vault, number)
            with pytest.raises(StoreLocked):
                opened(vault, **way)
    with pytest.raises(StoreError, match="only key"):
        upkeep.remove_slot(vault, 5)
    with pytest.raises(StoreError, match="no slot 77"):
        upkeep.remove_slot(vault, 77)
    assert opened(vault, **ways[5])


@pytest.mark.parametrize(
    "way",
    [
        {"key": b"\x09" * 32},
        {"environ": {"ARCRUN_MASTER_KEY": "09" * 32}},
        {"ask": Typist("a wrong passphrase")},
        {"recovery_code": kdf.format_recovery(bytes(16))},
    ],
)
def test_a_wrong_key_is_told_apart_from_damage(vault, way):
    upkeep.set_passphrase(vault, "a long passphrase")
    upkeep.new_recovery_code(vault)
    with pytest.raises(StoreLocked, match="not its key"):
        opened(vault, **way)


def test_a_lost_keyring_item_says_so_and_asks_for_the_passphrase(tmp_path):
    backend = FakeBackend()
    vault = vault_at(tmp_path, Keys(environ={}, keyring=keyring(backend)))
    vault.put(record(), expect=0)
    upkeep.set_passphrase(vault, "a long passphrase")
    backend.items.clear()
    typist = Typist("a long passphrase")
    assert opened(vault, keyring=keyring(backend), ask=typist)
    assert "no item of this vault any more" in typist.questions[0][0]
    with pytest.raises(StoreLocked, match="no item") as caught:
        opened(vault, keyring=keyring(backend))
    assert "arcrun vault unlock" in caught.value.hint


def test_nothing_typed_leaves_it_locked(vault):
    upkeep.set_passphrase(vault, "a long passphrase")
    with pytest.raises(StoreLocked, match="nothing was typed"):
        opened(vault, ask=Typist(None))


def test_a_recovery_code_may_be_typed_where_a_passphrase_is_asked(vault):
    upkeep.set_passphrase(vault, "a long passphrase")
    code = upkeep.new_recovery_code(vault)
    assert opened(vault, ask=Typist(code))


def test_a_new_passphrase_voids_the_one_before(vault):
    upkeep.set_passphrase(vault, "the first one")
    upkeep.set_passphrase(vault, "the second one")
    assert [slot["kind"] for slot in vault.status()["slots"]] == ["key", "passphrase"]
    assert opened(vault, ask=Typist("the second one"))
    with pytest.raises(StoreLocked):
        opened(vault, ask=Typist("the first one"))


def test_a_passphrase_is_the_same_however_it_is_composed(vault):
    upkeep.set_passphrase(vault, "Gru\u0308\u00dfe aus Ko\u0308ln")
    assert opened(vault, ask=Typist("Gr\u00fc\u00dfe aus K\u00f6ln"))


@given(st.binary(min_size=16, max_size=16))
def test_a_recovery_code_survives_handwriting(code):
    text = kdf.format_recovery(code)
    assert kdf.parse_recovery(text.lower().replace("0", "o").replace("1", "l")) == code
    assert [len(group) for group in text.split("-")] == [4] * 7


def test_one_wrong_letter_in_a_recovery_code_is_a_typing_slip():
    text = kdf.format_recovery(bytes(range(16)))
    slips = 0
    for at, letter in enumerate(text):
        if letter == "-":
            continue
        try:
            kdf.parse_recovery(text[:at] + ("Z" if letter != "Z" else "Y") + text[at + 1 :])
        except ValueError:
            slips += 1
    assert slips == 28
    with pytest.raises(ValueError, match="28"):
        kdf.parse_recovery("ABCD")


def test_a_mistyped_code_does_not_ask_the_vault(vault):
    with pytest.raises(StoreLocked, match="28 letters"):
        opened(vault, recovery_code="nonsense")


@pytest.mark.parametrize(
    "bad",
    [
        {"m": 1024}, {"t": 1}, {"m": 2 * 1024 * 1024}, {"t": 21}, {"p": 0}, {"t": True},
        {"m": "65536"}, {"salt": ""}, {"salt": 7}, {"kdf": "md5"}, {"kdf": "scrypt", "n": 2},
    ],
    ids=str,
)  # fmt: skip
def test_weakened_or_monstrous_costs_are_refused_unspent(bad):
    params = {**kdf.fresh_params(), **bad}
    with pytest.raises(StoreCorrupt, match="refused"):
        kdf.derive("x", params)


def test_where_openssl_has_no_argon2id_scrypt_serves(monkeypatch, vault):
    def unsupported(typed, params):
        raise NotImplementedError

    monkeypatch.setattr(kdf, "_argon2id", unsupported)
    monkeypatch.setattr(kdf, "SCRYPT_LOG_N", 16)
    upkeep.set_passphrase(vault, "a long passphrase")
    assert opened(vault, ask=Typist("a long passphrase"))
    (slot,) = vault.session().header.of_kind("passphrase")
    assert slot.params["kdf"] == "scrypt"


def test_passes_are_calibrated_within_their_cap(monkeypatch):
    monkeypatch.setattr(kdf, "AIM", 3600.0)
    assert kdf.fresh_params()["t"] == kdf.CAP_PASSES


def test_a_slot_shows_nothing(vault):
    slot = vault.session().header.slots[0]
    assert repr(slot) == "Slot(1, 'key')"
    assert slots.key_id(KEY) != KEY.hex()[:16]


# -- Rotation ---------------------------------------------------------------------------------


def test_rotation_keeps_every_record_and_slot_and_voids_the_old_key(tmp_path):
    backend = FakeBackend()
    ring = keyring(backend)
    typist = Typist("a long passphrase")
    vault = vault_at(tmp_path, Keys(environ={}, keyring=ring, ask=typist))
    for number in range(450):
        vault.put(record(f"s{number}"), expect=0)
    vault.put(record(), expect=0)
    upkeep.set_passphrase(vault, "a long passphrase")
    old_code = upkeep.new_recovery_code(vault)
    old_key, other = vault.session().master, Vault(vault.path, keys=vault.key_sources)
    assert other.get(NOTION)
    code = rotation.rotate(vault)
    status = vault.status()
    assert (status["epoch"], status["rotating"], status["records"]) == (2, False, 451)
    assert len(backend.items) == 1
    assert vault.session().master.reveal() != old_key.reveal()
    assert other.get(NOTION).generation == 1
    assert len(list(other.keys())) == 451
    assert opened(vault, keyring=ring)
    assert opened(vault, ask=typist)
    assert opened(vault, recovery_code=code)
    with pytest.raises(StoreLocked):
        opened(vault, recovery_code=old_code)


def test_a_slot_whose_key_is_not_there_stops_rotation_before_it_begins(vault):
    upkeep.add_key(vault, b"\x08" * 32)
    with pytest.raises(StoreLocked, match="slot 2") as caught:
        rotation.rotate(vault)
    assert "key remove 2" in caught.value.hint
    upkeep.remove_slot(vault, 2)
    upkeep.set_passphrase(vault, "a long passphrase")
    with pytest.raises(StoreLocked, match="the passphrase"):
        rotation.rotate(vault)
    assert vault.status()["epoch"] == 1


_ROTATE = """
import sys
from arcrun_auth.stores import rotation
from tests.unit.stores_kit import *
rotation.BATCH = 5
vault = Vault(sys.argv[1], keys=env_keys(b"\\x07" * 32))
real, left = rotation._batch, [int(sys.argv[2])]
def batch(session):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
    return real(session)
rotation._batch = batch
rotation.rotate(vault)
"""


@pytest.mark.parametrize("batches", [0, 1, 4])
def test_killed_while_rotating_everything_is_readable_and_it_goes_on(vault, batches):
    for number in range(20):
        vault.put(record(f"s{number}"), expect=0)
    vault.close()
    done = subprocess.run([sys.executable, "-c", _ROTATE, vault.path, str(batches)])
    assert done.returncode == -9
    other = Vault(vault.path, keys=env_keys(KEY))
    assert other.status()["rotating"]
    assert len(list(other.keys())) == 21
    assert other.put(record("s3"), expect=1).generation == 2
    assert other.put(record("fresh"), expect=0).generation == 1
    assert rotation.rotate(other) is None
    assert not other.status()["rotating"]
    assert len(list(other.keys())) == 22
    assert len(list(vault.keys())) == 22


def test_a_damaged_record_does_not_stop_rotation(vault):
    vault.put(record("other"), expect=0)
    vault.session().connection.execute("UPDATE rec SET ct = x'00' WHERE n = 2")
    rotation.rotate(vault)
    assert vault.status()["quarantined"] == 1
    assert [key.account for key in vault.keys()] == ["notion"]
