"""Content codings undone in small pieces: what is packed into little is never unpacked at once."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.unpacking import PIECE, known, unpacked

PACKED = {"": bytes, "identity": bytes, "gzip": gzip.compress, "X-GZip": gzip.compress,
          " deflate ": zlib.compress}  # fmt: skip


@given(
    st.binary(max_size=2000),
    st.sampled_from(sorted(PACKED)),
    st.integers(1, 300),
    st.integers(1, 200),
)
def test_however_it_comes_it_is_what_was_packed(data, coding, size, times) -> None:
    packed = PACKED[coding](data * times)
    raw = (packed[at : at + size] for at in range(0, len(packed), size))
    assert known(coding)
    assert b"".join(unpacked(raw, coding)) == data * times


@pytest.mark.parametrize("more", [0, 1, -1])
def test_no_piece_is_large_and_none_is_lost_at_its_edge(more) -> None:
    data = bytes(PIECE * 3 + more)
    pieces = list(unpacked([gzip.compress(data)], "gzip"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= PIECE


def test_what_is_read_decides_what_is_unpacked() -> None:
    taken = []

    def raw():
        for chunk in [gzip.compress(bytes(10 << 20))] * 3:
            taken.append(1)
            yield chunk

    assert len(next(unpacked(raw(), "gzip"))) == PIECE
    assert len(taken) == 1


def test_damage_and_unknown_codings_are_told() -> None:
    with pytest.raises(ValueError, match="damaged"):
        list(unpacked([b"no gzip"], "gzip"))
    for coding in ("br", "zstd", "gzip, gzip"):
        assert not known(coding)
        with pytest.raises(ValueError, match="unknown"):
            unpacked([b""], coding)
