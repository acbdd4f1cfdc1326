"""Rows of a trail, and what a head says of them: nothing but what was written comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.protocol import head as heads
from arcrun_auth.protocol import trail as rows
from arcrun_auth.protocol import words
from arcrun_auth.protocol.trail import KEPT, SEGMENT, Piece, Span
from arcrun_auth.sync.trails import MOST

VAULT, DEV, HASH = "ab" * 32, "12" * 8, "cd" * 32

entries = st.integers(1, SEGMENT).flatmap(
    lambda count: st.lists(
        st.text(st.characters(codec="ascii"), max_size=20), min_size=count, max_size=count
    )
)


@settings(max_examples=40)
@given(entries, st.integers(0, 2**40))
def test_a_row_comes_back_and_is_no_other(texts, i) -> None:
    piece = Piece(HASH, list(enumerate(texts, rows.begin(i))))
    plain = rows.dump(VAULT, DEV, i, piece)
    assert rows.load(plain, VAULT, DEV, i) == piece
    for place in ((VAULT, DEV, i + 1), (VAULT, "x", i), ("x", DEV, i)):
        with pytest.raises(ValueError, match=r"^"):
            rows.load(plain, *place)


@pytest.mark.parametrize(
    "change",
    [
        {"entries": []}, {"entries": None}, {"entries": [[1]]}, {"entries": [["1", "x"]]},
        {"entries": [[0, "x"]]}, {"entries": [[SEGMENT + 1, "x"]]},
        {"entries": [[2, "x"], [1, "y"]]},
        {"entries": [[1, "x"], [1, "y"]]}, {"entries": [[1, "x" * 9000]]}, {"before": "x"},
        {"before": None}, {"v": 2},
    ],
)  # fmt: skip
def test_what_is_no_row_of_a_trail_is_refused(change) -> None:
    data = {"v": 1, "vault": VAULT, "dev": DEV, "i": 0, "before": HASH, "entries": [[1, "x"]]}
    assert rows.load(words.canonical(data), VAULT, DEV, 0)
    with pytest.raises(ValueError, match=r"^"):
        rows.load(words.canonical(data | change), VAULT, DEV, 0)


def test_a_head_says_which_part_of_a_trail_lies_in_rows_or_nothing() -> None:
    data = {
        "vault": VAULT, "dev": DEV, "n": 1, "gen": 0, "base": 0, "seq": 0, "tip": HASH,
        "members": [0, HASH], "seen": {}, "time": 0, "audit": [3, HASH],
    }  # fmt: skip
    assert heads.load(data).trail is None
    span = {"trail": "ab" * 16, "first": 1, "before": HASH, "row": HASH}
    assert heads.load(data | {"trail": span}).trail == Span("ab" * 16, 1, HASH, HASH)
    for wrong in ([], {}, span | {"first": 0}, span | {"trail": "x"}, span | {"row": 1}):
        with pytest.raises(ValueError, match=r"^"):
            heads.load(data | {"trail": wrong})


def test_what_is_kept_fits_the_rows_that_may_be_read() -> None:
    assert (KEPT - 1) // SEGMENT + 2 <= MOST
