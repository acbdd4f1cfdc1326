"""What rows are made of: nothing but what was sealed comes out, and only at its own place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arcrun_auth.protocol import envelope, log, words
from arcrun_auth.protocol import head as heads
from arcrun_auth.protocol.envelope import Envelope
from arcrun_auth.protocol.head import Head
from arcrun_auth.protocol.keys import BLOCK, Sealed, VaultKeys
from arcrun_auth.protocol.log import Entry
from arcrun_auth.sync.identity import Identity
from arcrun_auth.tokens import Key

FEW = settings(max_examples=40)
"""Each example seals and opens something: a few of many kinds find what many find."""

VAULT = "ab" * 32
KEYS = VaultKeys(VAULT, b"r" * 32, {1: b"1" * 32, 2: b"2" * 32})
OTHER = VaultKeys(VAULT, b"q" * 32, {1: b"1" * 32, 2: b"2" * 32})
ME = Identity.of_seeds("me", b"a" * 32, b"b" * 32)

texts = st.text(st.characters(codec=None), max_size=20)
names = st.text("abcdefghij_-./", min_size=1, max_size=20)
keys = st.builds(Key, st.sampled_from(["credential", "app"]), names, names)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(texts.map("x{}".format), values, max_size=4)  # no field of a record
envelopes = st.builds(
    Envelope, keys, st.integers(1, 2**40), st.just(ME.id), st.none() | bodies, texts
)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
row_names = st.binary(min_size=20, max_size=20).map(lambda raw: f"s_{raw.hex()}")
entries = st.builds(
    Entry, row_names, st.integers(1, 2**40), hashes, st.integers(1, 99)
) | st.builds(
    Entry, row_names, st.integers(1, 2**40), st.just(""), st.integers(1, 99), gone=st.just(True)
)


@FEW
@given(envelopes, st.sampled_from([1, 2]))
def test_an_envelope_comes_back_as_it_was_and_under_no_other_name_epoch_or_vault(env, epoch):
    name, sealed = KEYS.record(env.key), env.sealed(KEYS, epoch)
    assert envelope.opened(KEYS, name, sealed, epoch) == env
    wrong = [
        (KEYS, KEYS.record(Key("credential", "another", "one")), epoch),
        (KEYS, name, 3 - epoch),
        (KEYS, name, 7),
        (OTHER, OTHER.record(env.key), epoch),
        (VaultKeys("cd" * 32, KEYS.root, KEYS.contents), name, epoch),
    ]
    for vault, place, at in wrong:
        with pytest.raises(ValueError, match=r"^"):
            envelope.opened(vault, place, sealed, at)


@FEW
@given(envelopes, st.data())
def test_one_changed_bit_anywhere_opens_nothing(env, data):
    name, sealed = KEYS.record(env.key), env.sealed(KEYS, 1)
    raw = bytearray(sealed.iv + sealed.data)
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match=r"^"):
        envelope.opened(KEYS, name, Sealed(bytes(raw[:12]), bytes(raw[12:])), 1)


@FEW
@given(bodies, bodies)
def test_the_length_of_a_row_tells_blocks_alone(one, other):
    sizes = [
        len(Envelope(Key("credential", "a"), 1, ME.id, body).sealed(KEYS, 1).data) - 16
        for body in (one, other)
    ]
    assert all(size % BLOCK == 0 for size in sizes)


def test_an_envelope_whose_name_is_a_lie_is_none_though_its_key_fits() -> None:
    """Whoever has the keys seals one record under the name of another."""
    place = KEYS.record(Key("credential", "bank"))
    lies = [
        {"key": ["credential", "evil", "default"]},
        {"key": ["device", "bank", "default"]},
        {"key": ["policy", "bank", "default"]},
        {"key": "bank"},
        {"vault": "cd" * 32},
        {"name": KEYS.record(Key("credential", "evil"))},
        {"v": 2},
        {"ver": 0},
        {"ver": True},
        {"dev": None},
        {"body": None},
        {"del": True},
        {"body": [1]},
    ]
    true = {
        "v": 1, "vault": VAULT, "name": place, "key": ["credential", "bank", "default"], "ver": 1,
        "dev": ME.id, "prev": "", "body": {},
    }  # fmt: skip
    assert envelope.opened(KEYS, place, KEYS.seal(place, words.canonical(true), 1), 1)
    for lie in lies:
        sealed = KEYS.seal(place, words.canonical(true | lie), 1)
        with pytest.raises(ValueError, match=r"^"):
            envelope.opened(KEYS, place, sealed, 1)
    with pytest.raises(ValueError, match=r"^"):
        envelope.opened(KEYS, place, KEYS.seal(place, b"[]", 1), 1)


@FEW
@given(st.lists(st.tuples(*[st.binary(max_size=5)] * 2), min_size=2, max_size=2, unique=True))
def test_two_things_never_share_a_name(parts):
    assert KEYS.name(*parts[0]) != KEYS.name(*parts[1])
    assert KEYS.name(*parts[0]) != OTHER.name(*parts[0])
    assert KEYS.name(b"rec", b"a", b"bc") != KEYS.name(b"rec", b"ab", b"c")


def test_a_row_goes_over_the_wire_as_web_crypto_takes_it() -> None:
    sealed = KEYS.seal_meta(KEYS.members, b"x")
    assert Sealed.of(*sealed.wire) == sealed
    assert len(sealed.iv) == 12
    for encrypted, iv in (("?", "AAAA"), ("AAAA", "é"), ("AAAA", "A")):
        with pytest.raises(ValueError, match=r"^"):
            Sealed.of(encrypted, iv)
    with pytest.raises(ValueError, match="another length"):
        KEYS.open_meta(KEYS.members, Sealed(b"", sealed.data))


def test_keys_show_nothing_and_are_whole() -> None:
    assert repr(KEYS) == "VaultKeys(vault='abababab', epoch=2)"
    for root, contents in ((b"r", {1: b"1" * 32}), (b"r" * 32, {}), (b"r" * 32, {1: b"1"})):
        with pytest.raises(ValueError, match="32 bytes"):
            VaultKeys(VAULT, root, contents)


# -- the log ------------------------------------------------------------------------------------


@FEW
@given(st.lists(entries, min_size=1, max_size=log.SEGMENT), st.integers(0, 9), st.integers(0, 9))
def test_a_segment_comes_back_and_is_no_other(found, gen, i):
    plain = log.dump_segment(VAULT, ME.id, gen, i, found)
    assert log.load_segment(plain, VAULT, ME.id, gen, i) == found
    for place in ((VAULT, ME.id, gen, i + 1), (VAULT, ME.id, gen + 1, i), (VAULT, "x", gen, i)):
        with pytest.raises(ValueError, match=r"^"):
            log.load_segment(plain, *place)


@FEW
@given(st.lists(entries, min_size=1, max_size=9), st.data())
def test_any_edit_of_a_log_has_another_tip(found, data):
    start = log.start(VAULT, ME.id, 0, 0)
    tip = log.chained(start, found)
    at = data.draw(st.integers(0, len(found) - 1))
    edited = data.draw(st.sampled_from(["drop", "double", "swap", "edit", "cut"]), label="edit")
    other = list(found)
    if edited == "drop":
        del other[at]
    elif edited == "double":
        other.insert(at, other[at])
    elif edited == "swap":
        other[0], other[at] = other[at], other[0]
    elif edited == "edit":
        other[at] = data.draw(entries)
    else:
        other = other[:at]
    assume(other != found)
    assert log.chained(start, other) != tip
    assert log.chained(log.chained(start, found[:at]), found[at:]) == tip


def test_a_log_begins_at_its_own_place() -> None:
    starts = {
        log.start(VAULT, ME.id, 0, 0), log.start(VAULT, ME.id, 0, 1), log.start(VAULT, ME.id, 1, 0),
        log.start(VAULT, "x", 0, 0), log.start("cd" * 32, ME.id, 0, 0),
    }  # fmt: skip
    assert len(starts) == 5


@FEW
@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=6))
)
def test_what_is_no_entry_is_refused(plain):
    with pytest.raises(ValueError, match=r"^"):
        Entry.of(plain)


@pytest.mark.parametrize("entries_", [[], [["ab" * 20, 1, "cd" * 32, 1]] * 33, "x", None])
def test_a_segment_holds_some_entries_and_not_too_many(entries_) -> None:
    data = {"v": 1, "vault": VAULT, "dev": ME.id, "gen": 0, "i": 0, "entries": entries_}
    with pytest.raises(ValueError, match="no segment"):
        log.load_segment(words.canonical(data), VAULT, ME.id, 0, 0)


# -- heads --------------------------------------------------------------------------------------

HEAD = Head(
    VAULT, ME.id, 3, 1, 5, 9, "cd" * 32, members=(2, "ef" * 32), seen={"x": 4}, time=7,
    audit=(1, "aa"),
)  # fmt: skip


def test_a_head_comes_back_with_the_key_of_its_device_and_with_no_other() -> None:
    plain = HEAD.signed(ME.sign)
    public = ME.device.sign
    assert heads.read(plain, vault=VAULT, dev=ME.id, public=public) == HEAD
    stranger = Identity.fresh("stranger").device.sign
    for place in (
        {"vault": "cd" * 32}, {"dev": "x"}, {"public": stranger}, {"public": b"short"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^"):
            heads.read(plain, **({"vault": VAULT, "dev": ME.id, "public": public} | place))


@FEW
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_head_that_was_changed_is_not_signed(at, bit):
    plain = bytearray(HEAD.signed(ME.sign))
    plain[at % len(plain)] ^= 1 << bit
    try:
        found = heads.read(bytes(plain), vault=VAULT, dev=ME.id, public=ME.device.sign)
    except ValueError:
        return
    assert found == HEAD  # a bit of base64 that stands for nothing


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0}, {"n": True}, {"seq": 4}, {"seq": -1}, {"tip": "CD" * 32}, {"tip": "cd"},
        {"members": None}, {"seen": []}, {"seen": {"x": "1"}}, {"audit": [1]}, {"time": 1.5},
    ],
)  # fmt: skip
def test_a_head_that_contradicts_itself_is_refused_though_it_is_signed(change) -> None:
    plain = replace(HEAD, **change).signed(ME.sign)
    with pytest.raises(ValueError, match=r"^"):
        heads.read(plain, vault=VAULT, dev=ME.id, public=ME.device.sign)


@pytest.mark.parametrize("plain", [b"", b"[]", b"{}", b'{"head": 1, "sig": ""}'])
def test_what_is_no_head_is_refused(plain) -> None:
    with pytest.raises(ValueError, match=r"^"):
        heads.read(plain, vault=VAULT, dev=ME.id, public=ME.device.sign)
