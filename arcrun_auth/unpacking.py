"""The content coding of an answer undone, piece by piece (RFC 9110 §8.4). Pure.

A library's own decoding makes of one piece from the wire whatever is in it, a thousand times its
size at worst. Here each piece is small, and whoever has enough stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ACCEPTED = "gzip, deflate"
"""What may be asked for, as the `Accept-Encoding` of a request."""
PIECE = 1 << 16
"""How large is a decoded piece at most, in bytes?"""


def known(encoding: str) -> bool:
    """Whether `unpacked` can undo what a `Content-Encoding` names."""
    return _name(encoding) in {"", "identity", "gzip", "x-gzip", "deflate"}


def unpacked(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The decoded pieces of a body, as they come. What follows the end of a gzip is not given.

    ValueError for a coding that is not `known`, and for data that is damaged.

    >>> b"".join(unpacked([b"a", b"b"], "identity"))
    b'ab'
    """
    if not known(encoding):
        raise ValueError("an unknown content coding")
    if _name(encoding) in {"", "identity"}:
        return iter(raw)
    return _inflated(raw)


def _inflated(raw: Iterable[bytes]) -> Iterator[bytes]:
    import zlib

    packed = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for chunk in raw:
            rest, full = chunk, False
            while rest or full:  # a full piece may have left some of its output behind
                piece = packed.decompress(rest, PIECE)
                if piece:
                    yield piece
                rest, full = packed.unconsumed_tail, len(piece) == PIECE
    except zlib.error as error:
        raise ValueError(f"the body is damaged: {error}") from None


def _name(encoding: str) -> str:
    return encoding.strip().lower()
