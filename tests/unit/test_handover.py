"""What is handed over comes back; what a recovery code opens is opened by nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.protocol import handover, recovery
from arcrun_auth.protocol.handover import Handover
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.sync.identity import Identity

VAULT = "ab" * 32
KEYS = VaultKeys(VAULT, bytes(32), {1: b"1" * 32, 3: b"3" * 32})
GIVEN = Handover(KEYS, (4, "cd" * 32), {"0" * 16: (7, "ef" * 32)})
CODE = bytes(range(16))
PAPER = Identity.of_seeds("recovery code", *recovery.seeds(CODE), "recovery").device


def test_keys_and_points_come_back_as_they_were():
    found = handover.load(GIVEN.dump())
    assert (found.members, found.heads) == (GIVEN.members, GIVEN.heads)
    assert (found.keys.vault, found.keys.root, found.keys.contents) == (
        VAULT, KEYS.root, KEYS.contents,
    )  # fmt: skip
    assert found.keys.epoch == 3


def test_it_shows_no_key():
    assert "1111" not in repr(GIVEN)
    assert "MTEx" not in repr(GIVEN)


@pytest.mark.parametrize("name", ["v", "vault", "root", "contents", "members", "heads"])
@pytest.mark.parametrize(
    "value", [None, 2, "x", [], [1], {}, {"x": "y"}, {"1": "AAAA"}, {"1": 3}, "AAAA", [1, "x"]]
)
def test_another_shape_is_refused(name, value):
    if (name, value) == ("heads", {}):
        return
    with pytest.raises(ValueError):
        handover.load(json.dumps(json.loads(GIVEN.dump()) | {name: value}).encode())


def test_a_code_always_gives_the_same_member():
    assert Identity.of_seeds("recovery code", *recovery.seeds(CODE), "recovery").device == PAPER
    assert PAPER.kind == "recovery"


@pytest.mark.parametrize("code", [b"", bytes(15), bytes(32)])
def test_a_code_has_16_bytes(code):
    with pytest.raises(ValueError, match="16 bytes"):
        recovery.seeds(code)


@given(st.binary(max_size=600))
def test_its_row_opens_with_the_codes_public_half(plain):
    assert recovery.opened(PAPER.box, "keys", recovery.sealed(PAPER.box, "keys", plain)) == plain


@given(st.integers(0, 127), st.binary(min_size=16, max_size=16))
def test_a_code_that_differs_in_one_bit_finds_another_row_and_opens_nothing(bit, junk):
    other = int.from_bytes(CODE, "big") ^ 1 << bit
    theirs = Identity.of_seeds("x", *recovery.seeds(other.to_bytes(16, "big")), "recovery").device
    assert recovery.row(theirs.box, "keys") != recovery.row(PAPER.box, "keys")
    with pytest.raises(ValueError):
        recovery.opened(theirs.box, "keys", recovery.sealed(PAPER.box, "keys", junk))


def test_its_row_looks_like_every_other():
    names = {recovery.row(PAPER.box, what) for what in recovery.ROWS}
    assert len(names) == 2
    assert all(len(name) == len(KEYS.members) and name.startswith("s_") for name in names)


def test_its_two_rows_are_not_exchanged():
    with pytest.raises(ValueError):
        recovery.opened(PAPER.box, "vault", recovery.sealed(PAPER.box, "keys", b"x"))
