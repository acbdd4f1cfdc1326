"""The crypto of the vault, against cryptography's own and against everything it must refuse."""

from __future__ import annotations

import builtins

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import seal

KEY = seal.MasterKey(bytes(range(32)), vault_id="v", epoch=1)
PLACE = {"record_id": b"i" * 16, "generation": 3, "kind": "credential"}


@given(
    st.binary(min_size=1, max_size=80),
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.integers(1, 200),
)
def test_hkdf_is_that_of_rfc_5869(key, info, salt, length):
    theirs = HKDF(hashes.SHA256(), length, salt or None, info).derive(key)
    assert seal.hkdf(key, info, salt=salt, length=length) == theirs


def test_hkdf_gives_the_vector_of_rfc_5869_a1():
    found = seal.hkdf(b"\x0b" * 22, bytes(range(0xF0, 0xFA)), salt=bytes(range(13)), length=42)
    assert found.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize("length", [0, -1, 8161])
def test_hkdf_refuses_lengths_that_the_rfc_does_not_have(length):
    with pytest.raises(ValueError):
        seal.hkdf(b"k", b"", length=length)


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_two_lists_never_encode_to_the_same_bytes(one, other):
    assert (seal.encode(*one) == seal.encode(*other)) == (one == other)


@given(st.binary(max_size=600))
def test_padding_comes_off_again_and_hides_the_length(data):
    padded = seal.pad(data)
    assert len(padded) % seal.BLOCK == 0
    assert seal.unpad(padded) == data


@pytest.mark.parametrize("data", [b"", bytes(128), b"no mark" + bytes(9)])
def test_what_was_never_padded_is_refused(data):
    with pytest.raises(ValueError, match="padded"):
        seal.unpad(data)


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_the_cheap_road_to_aes_gcm_agrees_with_the_public_one(plain, aad):
    nonce, sealed = seal.encrypt(bytes(32), plain, aad)
    assert sealed == AESGCM(bytes(32)).encrypt(nonce, plain, aad)
    assert seal.decrypt(bytes(32), nonce, sealed, aad) == plain


def test_without_the_private_module_the_public_class_serves(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.endswith("_rust"):
            raise ImportError(name)
        return real(name, *rest)

    nonce, sealed = seal.encrypt(bytes(32), b"x", b"a")
    monkeypatch.setattr(builtins, "__import__", without)
    assert seal.decrypt(bytes(32), nonce, sealed, b"a") == b"x"
    assert seal.encrypt(bytes(32), b"x", b"a")


def test_the_same_text_never_seals_to_the_same_bytes():
    sealed = {KEY.seal(b"text", **PLACE) for _ in range(100)}
    assert len({nonce for nonce, _ in sealed}) == len({ct for _, ct in sealed}) == 100


@given(st.binary(max_size=400))
def test_a_record_opens_in_its_place(plain):
    assert KEY.open(*KEY.seal(plain, **PLACE), **PLACE) == plain


@pytest.mark.parametrize(
    "moved", [{"record_id": b"j" * 16}, {"generation": 4}, {"kind": "app"}], ids=str
)
def test_a_record_opens_in_no_other_place(moved):
    nonce, sealed = KEY.seal(b"x", **PLACE)
    with pytest.raises(seal.SealBroken):
        KEY.open(nonce, sealed, **(PLACE | moved))


@pytest.mark.parametrize(
    "other",
    [
        seal.MasterKey(bytes(range(32)), vault_id="w", epoch=1),
        seal.MasterKey(bytes(range(32)), vault_id="v", epoch=2),
        seal.MasterKey(bytes(32), vault_id="v", epoch=1),
    ],
    ids=["vault", "epoch", "key"],
)
def test_a_record_opens_under_no_other_key(other):
    nonce, sealed = KEY.seal(b"x", **PLACE)
    with pytest.raises(seal.SealBroken):
        other.open(nonce, sealed, **PLACE)


@given(st.data())
def test_one_flipped_bit_anywhere_is_seen(data):
    nonce, sealed = KEY.seal(b"some plain text", **PLACE)
    both = bytearray(nonce + sealed)
    at = data.draw(st.integers(0, len(both) * 8 - 1))
    both[at // 8] ^= 1 << at % 8
    with pytest.raises(seal.SealBroken):
        KEY.open(bytes(both[:12]), bytes(both[12:]), **PLACE)


@pytest.mark.parametrize("nonce", [b"", b"x" * 11, b"x" * 16])
def test_a_nonce_of_another_length_is_refused(nonce):
    with pytest.raises(seal.SealBroken, match="length"):
        seal.decrypt(bytes(32), nonce, b"x" * 32, b"")


def test_ids_tell_kind_account_and_instance_apart_and_no_name():
    ids = {
        KEY.record_id("credential", "a", "bc"),
        KEY.record_id("credential", "ab", "c"),
        KEY.record_id("app", "a", "bc"),
    }
    assert len(ids) == 3
    assert all(len(found) == seal.ID_BYTES for found in ids)
    other = seal.MasterKey(bytes(32), vault_id="v", epoch=1)
    assert other.record_id("app", "a", "bc") not in ids


def test_the_key_before_lies_sealed_under_the_new_one():
    new = seal.MasterKey.fresh(vault_id="v", epoch=2)
    sealed = new.seal_previous(KEY)
    assert new.open_previous(sealed, epoch=1).reveal() == KEY.reveal()
    with pytest.raises(seal.SealBroken):
        new.open_previous(sealed, epoch=3)


def test_a_master_key_shows_nothing_and_has_32_bytes():
    assert KEY.reveal().hex() not in repr(KEY)
    assert KEY.commitment != seal.MasterKey.fresh(vault_id="v").commitment
    with pytest.raises(ValueError, match="32"):
        seal.MasterKey(b"short", vault_id="v", epoch=1)
