"""Keys wrapped for a device open there alone, and only if one of the members wrapped them."""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.protocol import signatures, wraps
from arcrun_auth.protocol.wraps import BadWrap
from arcrun_auth.sync.identity import Identity

OLD, NEW, EVIL = (
    Identity.of_seeds(name, bytes([n]) * 32, bytes([n + 9]) * 32)
    for n, name in enumerate(("old", "new", "evil"))
)
VAULT = "ab" * 32
KEYS = b"the keys of a vault"
SIGNERS = {OLD.id: OLD.device.sign}


def wrapped(**changes) -> bytes:
    given = {"vault": VAULT, "epoch": 3, "to": NEW.device, "by": OLD.id, "sign": OLD.sign}
    return wraps.wrap(KEYS, **(given | changes))


def opened(data: bytes, *, by: Identity = NEW, vault: str = VAULT, signers=SIGNERS):
    return by.unwrap(data, vault=vault, signers=signers)


def test_the_device_that_is_meant_opens_it_and_learns_the_epoch():
    assert opened(wrapped()) == (3, KEYS)


def test_the_keys_do_not_show_in_it():
    assert KEYS not in wrapped()
    assert b64encode(KEYS) not in wrapped()


def test_no_other_device_opens_it():
    with pytest.raises(BadWrap):
        opened(wrapped(), by=EVIL)


def test_it_does_not_open_for_another_vault():
    with pytest.raises(BadWrap):
        opened(wrapped(), vault="cd" * 32)


def test_whoever_is_no_member_wraps_nothing():
    with pytest.raises(BadWrap, match="members"):
        opened(wrapped(by=EVIL.id, sign=EVIL.sign))
    with pytest.raises(BadWrap, match="members"):
        opened(wrapped(sign=EVIL.sign))


def test_another_sender_cannot_put_his_name_on_it():
    data = json.loads(wrapped()) | {"by": EVIL.id}
    with pytest.raises(BadWrap):
        opened(json.dumps(data).encode(), signers={**SIGNERS, EVIL.id: EVIL.device.sign})


def test_a_member_that_wraps_for_one_place_is_not_heard_at_another():
    """Signed anew by a member, but sealed for another epoch: HPKE's info tells."""
    data = json.loads(wrapped())
    sealed = b64decode(data["sealed"])
    data["epoch"] = 4
    again = wraps._signed(VAULT, 4, NEW.id, OLD.id, sealed)
    data["sig"] = b64encode(OLD.sign(again)).decode()
    with pytest.raises(BadWrap, match="do not open"):
        opened(json.dumps(data).encode())


@given(st.sampled_from(sorted(json.loads(wrapped()))), st.one_of(
    st.none(), st.integers(0, 9), st.text(max_size=9),
    st.sampled_from([OLD.id, EVIL.id, "cd" * 32]),
    st.binary(max_size=80).map(lambda raw: b64encode(raw).decode()), st.lists(st.integers()),
))  # fmt: skip
def test_no_field_of_it_can_be_changed(name, value):
    data = json.loads(wrapped())
    if data[name] == value:
        return
    with pytest.raises(BadWrap):
        opened(json.dumps(data | {name: value}).encode())


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_means_the_same(place, by):
    data = bytearray(wrapped())
    data[place % len(data)] ^= by
    with contextlib.suppress(BadWrap):
        assert opened(bytes(data)) == (3, KEYS)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b"[" * 100_000])
def test_what_wraps_nothing_is_refused(data):
    with pytest.raises(BadWrap):
        opened(data)


def test_a_signature_fits_its_key_and_its_text():
    made = signatures.signed(bytes(32), b"text")
    key = Identity.of_seeds("x", bytes(32), bytes(32)).device.sign
    assert signatures.fits(key, made, b"text")
    assert not signatures.fits(key, made, b"test")
    assert not signatures.fits(OLD.device.box, made, b"text")
    assert not signatures.fits(b"short", made, b"text")
    assert not signatures.fits(key, b"", b"text")
