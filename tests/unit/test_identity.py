"""A home has one identity, made once, whoever asks first; its private halves show nowhere."""

from __future__ import annotations

from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest

from arcrun_auth.errors import StoreCorrupt
from arcrun_auth.protocol import signatures
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync import identity as own
from arcrun_auth.tokens import Secret
from tests import canary


def test_it_is_made_when_first_asked_for_and_is_the_same_ever_after():
    store = Memory()
    assert own.stored(store) is None
    made = own.identity(store)
    assert own.identity(store).device == made.device == own.stored(store).device
    assert store.get(own.KEY).params == {"id": made.id, "name": made.name}


def test_many_that_ask_at_once_get_one():
    store = Memory()
    with ThreadPoolExecutor(8) as pool:
        found = {each.id for each in pool.map(lambda _: own.identity(store), range(32))}
    assert len(found) == 1


def test_it_signs_with_the_key_that_its_device_shows():
    one = own.identity(Memory(), name="laptop")
    assert one.name == "laptop"
    assert signatures.fits(one.device.sign, one.sign(b"text"), b"text")


def test_no_two_are_the_same():
    assert own.Identity.fresh("a").device.id != own.Identity.fresh("a").device.id


def test_its_private_halves_show_nowhere():
    seeds = [(canary.WORD + "-seed-of-a-device-----------" + x)[:32].encode() for x in "ab"]
    one = own.Identity.of_seeds("laptop", *[seed.ljust(32, b"x") for seed in seeds])
    shown = f"{one!r} {one} {one.device} {one.secrets()} {one.params()}"
    assert not canary.hits(shown)


@pytest.mark.parametrize(
    "change",
    [
        {"sign": Secret("AAAA")},
        {"box": Secret("no base64!")},
        {"sign": Secret(b64encode(bytes(32)).decode())},
    ],
)
def test_keys_that_are_damaged_are_said_to_be(change):
    store = Memory()
    own.identity(store)
    record = store.get(own.KEY)
    store.put(record.replace(secrets={**record.secrets, **change}), expect=1)
    with pytest.raises(StoreCorrupt):
        own.stored(store)


def test_a_record_without_its_keys_is_damaged():
    store = Memory()
    own.identity(store)
    store.put(store.get(own.KEY).replace(secrets={}), expect=1)
    with pytest.raises(StoreCorrupt):
        own.identity(store)


@pytest.mark.parametrize(
    ("told", "shown"), [("", "device"), ("x" * 99, "x" * 63 + "…"), ("a\x1b[1mb", "a[1mb")]
)
def test_the_name_is_the_machines_fit_to_be_shown(monkeypatch, told, shown):
    monkeypatch.setattr("platform.node", lambda: told)
    assert own.machine() == shown
    assert own.identity(Memory()).device.load(own.identity(Memory()).device.dump()).name == shown


def test_its_keys_lie_in_the_record_as_32_bytes_each():
    store = Memory()
    own.identity(store)
    assert [len(b64decode(s.reveal())) for s in store.get(own.KEY).secrets.values()] == [32, 32]
